"""Users: adding and deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from natskit.errors import AlreadyExists, DeniedError, NotFound
from natskit.nkeys import KeyPair

from . import names
from .accounts import check_issues, plan_account
from .files import exists
from .keystore import Owner
from .plan import Plan
from .signing import account_signer

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, UserClaims

    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = [
    "AddedUser",
    "DeletedUser",
    "Issuer",
    "add_user",
    "check_new_name",
    "delete_users",
    "edit_user",
    "issuer",
    "plan_user",
    "plan_user_removal",
]


class AddedUser(msgspec.Struct, frozen=True):
    """A user that a plan adds: claims, where its key and creds go (empty: they are not stored)."""

    claims: UserClaims
    account: str
    key_path: str
    creds_path: str


class Issuer(msgspec.Struct, frozen=True):
    """Who issues users of an account: its claims, the key that signs, whether that key's role decides their rights."""

    account: str
    claims: AccountClaims
    pair: KeyPair
    scoped: bool


def issuer(workspace: Workspace, store: OperatorStore, account: str, signer: str = "", *, prefer: str = "") -> Issuer:
    """Who issues users of ``account`` if ``signer`` was named. Raises UsageError, NotFound (no key to sign with)."""
    owner = store.account(account)
    pair = account_signer(workspace, store, owner, signer, prefer=prefer)
    if pair.public != owner.subject and not owner.nats.has_signing_key(pair.public):
        raise NotFound(f'account with public key "{pair.public}" is not in the store')
    return Issuer(account, owner, pair, owner.nats.scope_of(pair.public) is not None)


def add_user(
    plan: Plan, store: OperatorStore, account: str, claims: UserClaims, key: KeyPair, *, signer: str = "", own: bool
) -> AddedUser:
    """Plan a user with the name and rights of ``claims``. ``own``: the key was made here, so it is stored.

    Raises AlreadyExists, UsageError, ClaimsError, NotFound (no key to sign with).
    """
    check_new_name(store, account, claims.name)
    return plan_user(plan, store, issuer(plan.workspace, store, account, signer), claims, key, own=own)


def check_new_name(store: OperatorStore, account: str, name: str) -> None:
    """Raise UsageError if no user may be called ``name``, AlreadyExists if one is."""
    names.check(name, "user")
    if store.has_user(account, name):
        from .commands import typed

        hint = typed("describe", "user", "--account", account, name)
        raise AlreadyExists(f'the user "{name}" already exists', hint=hint)


def plan_user(
    plan: Plan,
    store: OperatorStore,
    issuer: Issuer,
    claims: UserClaims,
    key: KeyPair,
    *,
    own: bool,
    creds_path: str = "",
) -> AddedUser:
    """Plan the token of a user and its creds, at ``creds_path`` or where the keystore has them.

    Raises UsageError, ClaimsError.
    """
    workspace, owner, pair = plan.workspace, issuer.claims, issuer.pair
    if claims.nats.bearer_token and owner.nats.limits.disallow_bearer:
        raise DeniedError(f'account "{issuer.account}" forbids the use of bearer token')
    claims = replace(claims, nats=_owned(claims, owner.subject, pair, issuer.scoped))
    check_issues(claims, workspace.now())
    token = workspace.sign(claims, pair)
    plan.token(store.user_path(issuer.account, claims.name), token)
    creds_path = creds_path or workspace.keystore.creds_path(store.name, issuer.account, claims.name)
    key_path, creds_path = _plan_secrets(plan, store, issuer.account, claims.name, key, token, creds_path, own=own)
    return AddedUser(claims, issuer.account, key_path, creds_path)


def _owned(claims: UserClaims, account: str, signer: KeyPair, scoped: bool) -> object:
    from natskit.jwt import User

    body = claims.nats
    if scoped:
        plain = User(subs=-1, data=-1, payload=-1).rights
        if body.rights not in (plain, User().rights):
            raise DeniedError(
                "scoped users require no permissions or limits set: the role of the signing key decides them",
                hint="leave the permission flags away, or sign with another key (-K)",
            )
        body = User(tags=body.tags)
    return replace(body, issuer_account=account if signer.public != account else body.issuer_account)


def _plan_secrets(
    plan: Plan,
    store: OperatorStore,
    account: str,
    name: str,
    key: KeyPair,
    token: str,
    creds_path: str,
    *,
    own: bool,
) -> tuple[str, str]:
    from natskit.jwt.files import write_creds

    key_path = plan.key(key, Owner(store.name, account, name)) if own else ""
    seed = key.seed if own else plan.workspace.keystore.seed(key.public)
    if seed is None:
        return key_path, ""
    return key_path, plan.creds(creds_path, write_creds(token, seed))


def edit_user(plan: Plan, store: OperatorStore, account: str, claims: UserClaims, *, signer: str = "") -> AddedUser:
    """Plan to write a user again, signed by the key that signed it before if that is stored, and its creds.

    Raises UsageError, ClaimsError, NotFound (no key to sign with).
    """
    by = issuer(plan.workspace, store, account, signer, prefer=claims.issuer)
    return plan_user(plan, store, by, claims, KeyPair.from_public(claims.subject), own=False)


class DeletedUser(msgspec.Struct, frozen=True):
    """What a plan does to a user; None where it was not asked for, False where there was nothing."""

    name: str
    public: str
    revoked: bool | None
    key: bool | None
    creds: bool | None


def delete_users(
    plan: Plan,
    store: OperatorStore,
    account: str,
    users: list[str],
    *,
    revoke: bool,
    key: bool,
    creds: bool,
    signer: str,
) -> list[DeletedUser]:
    """Plan to delete users of an account. Raises NotFound for a user that is not there."""
    from natskit.jwt import revoke as add_revocation

    claims = store.account(account)
    revocations = dict(claims.nats.revocations)
    deleted = []
    for name in users:
        user = store.user(account, name)
        was = revocations.get(user.subject, 0) >= plan.workspace.now()
        if revoke:
            revocations = add_revocation(revocations, user.subject, plan.workspace.now())
        removed = plan_user_removal(plan, store, account, name, user.subject, key=key, creds=creds)
        deleted.append(DeletedUser(name, user.subject, (not was) if revoke else None, *removed))
    if revoke:
        changed = replace(claims, nats=replace(claims.nats, revocations=revocations))
        plan_account(plan, store, changed, signer=signer)
    return deleted


def plan_user_removal(
    plan: Plan, store: OperatorStore, account: str, name: str, public: str, *, key: bool, creds: bool
) -> tuple[bool | None, bool | None]:
    """Plan to remove a user's token, and its key and creds if asked; whether those are there."""
    keystore = plan.workspace.keystore
    plan.remove(store.user_path(account, name))
    key_path = keystore.find(public)
    if key and key_path:
        plan.discard(key_path)
    creds_path = keystore.creds_path(store.name, account, name)
    has_creds = exists(creds_path)
    if creds and has_creds:
        plan.discard(creds_path)
    return (bool(key_path) if key else None), (has_creds if creds else None)
