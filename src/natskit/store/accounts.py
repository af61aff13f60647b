"""Accounts: adding, writing again, deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natskit.errors import AlreadyExists, ClaimsError, KeyUseError
from natskit.nkeys import KeyPair

from . import names
from .keystore import Owner
from .plan import Plan
from .sharing import check_new_issues
from .signing import edit_signer, operator_signer

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims

    from .operator_store import OperatorStore
    from .users import DeletedUser
    from .workspace import Workspace

__all__ = [
    "DeletedAccount",
    "add_account",
    "check_issues",
    "check_new_name",
    "delete_account",
    "plan_account",
    "plan_farewell",
    "plan_new_account",
    "signer_of_new",
]


def check_issues(claims: Claims, now: int) -> None:
    """Raise ClaimsError with the first blocking issue of claims that are about to be signed. Dates do not block."""
    from natskit.jwt import issues

    found = [issue for issue in issues(claims, now) if issue.blocking]
    if found:
        raise ClaimsError(found[0].text, issues=found)


def add_account(
    plan: Plan, store: OperatorStore, claims: AccountClaims, key: KeyPair, *, signer: str = "", own: bool
) -> str:
    """Plan an account with the name and content of ``claims``; the path of its key (empty: it is not stored).

    The account becomes current. Raises AlreadyExists, UsageError, ClaimsError, NotFound (no key to sign with).
    """
    name = check_new_name(store, claims.name)
    pair = signer_of_new(plan.workspace, store, key, signer)
    plan.select(account=name)
    return plan_new_account(plan, store, claims, key, pair, own=own)


def check_new_name(store: OperatorStore, name: str) -> str:
    """Return the name of an account that can be made. Raises UsageError, AlreadyExists."""
    names.check(name, "account")
    if store.account_like(name) is not None:
        from .commands import typed

        raise AlreadyExists(f'the account "{name}" already exists', hint=typed("describe", "account", name))
    return name


def plan_new_account(
    plan: Plan, store: OperatorStore, claims: AccountClaims, key: KeyPair, signer: KeyPair, *, own: bool
) -> str:
    """Plan an account that is signed by ``signer``; the path of its key (empty: not stored). Raises ClaimsError."""
    check_issues(claims, plan.workspace.now())
    plan.account(store, claims.name, claims.subject, plan.workspace.sign(claims, signer))
    return plan.key(key, Owner(store.name, claims.name)) if own else ""


def signer_of_new(workspace: Workspace, store: OperatorStore, key: KeyPair, given: str) -> KeyPair:
    """An operator's key; in a managed store, whose keys are elsewhere, the account signs itself."""
    from natskit.errors import NotFound

    try:
        pair = operator_signer(workspace, store, given)
    except NotFound:
        own = key if key.can_sign else workspace.keystore.pair(key.public)
        if store.managed and not given and own:
            return own
        raise
    operator = store.operator()
    allowed = (operator.subject, *operator.nats.signing_keys, key.public)
    if pair.public not in allowed:
        raise KeyUseError(f"invalid account signer: {pair.public} is no key of operator {store.name}")
    return pair


def plan_account(
    plan: Plan, store: OperatorStore, claims: AccountClaims, *, signer: str = "", same_signer: bool = False
) -> AccountClaims:
    """Plan to write an account again, signed by the operator. Raises ClaimsError with the first new blocking issue.

    What was wrong before may be mended one by one. ``same_signer``: by the key that signed it before, if that is
    stored.
    """
    if store.has_account(claims.name):
        check_new_issues(store.account(claims.name), claims, plan.workspace.now())
    else:
        check_issues(claims, plan.workspace.now())
    prefer = claims.issuer if same_signer else ""
    pair = edit_signer(plan.workspace, store, claims, signer, prefer=prefer)
    plan.account(store, claims.name, claims.subject, plan.workspace.sign(claims, pair))
    return claims


class DeletedAccount(msgspec.Struct, frozen=True):
    """What a plan does to an account: its users, its signing keys and whether they are stored, its own key."""

    public: str
    users: list[DeletedUser]
    signing_keys: list[tuple[str, bool]]
    key: bool | None


def delete_account(plan: Plan, store: OperatorStore, name: str, *, key: bool, creds: bool) -> DeletedAccount:
    """Plan to delete an account with its users, and their keys and creds if asked. Raises NotFound."""
    from .users import DeletedUser, plan_user_removal

    claims = store.account(name)
    keystore = plan.workspace.keystore
    users = []
    for user in store.users(name):
        public = store.user(name, user).subject
        removed = plan_user_removal(plan, store, name, user, public, key=key, creds=creds)
        users.append(DeletedUser(user, public, None, *removed))
    signing_keys = [(public, keystore.has(public)) for public in claims.nats.signing_key_names] if key else []
    own = keystore.has(claims.subject)
    if key:
        for public in (*claims.nats.signing_key_names, claims.subject):
            if path := keystore.find(public):
                plan.discard(path)
    plan.remove(store.account_path(name))
    plan.remove(store.users_folder(name) + "/")
    plan.remove(store.account_folder(name) + "/")
    return DeletedAccount(claims.subject, users, signing_keys, own if key else None)


_FAREWELL_S = 60


def plan_farewell(plan: Plan, store: OperatorStore, name: str, *, revoke: bool, signer: str = "") -> bool:
    """Plan to send the operator of a managed store a token of the account that ends in a minute.

    ``revoke``: all its users are revoked in it. False if no key is here that can sign it. Raises NotFound.
    """
    from msgspec.structs import replace

    from natskit.errors import NotFound
    from natskit.jwt import revoke as add_revocation

    now = plan.workspace.now()
    claims = store.account(name)
    body = claims.nats
    if revoke:
        body = replace(body, revocations=add_revocation(body.revocations, "*", now))
    try:
        pair = edit_signer(plan.workspace, store, claims, signer)
    except NotFound:
        return False
    last = replace(claims, nats=body, not_before=0, expires=now + _FAREWELL_S)
    plan.farewell(store, claims.subject, plan.workspace.sign(last, pair))
    return True
