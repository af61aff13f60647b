"""What goes to servers and what comes back: which accounts may be pushed, what a pulled token may replace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import NotFound, StoreError

from . import names
from .signing import operator_identity

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims

    from .operator_store import OperatorStore
    from .plan import Plan
    from .workspace import Workspace

__all__ = ["Outgoing", "deletion_request", "outgoing", "plan_pulled_account", "plan_pulled_operator"]


class Outgoing(NamedTuple):
    """An account on its way to a server."""

    name: str
    public: str
    token: str


def outgoing(store: OperatorStore, accounts: Sequence[str], now: int, *, force: bool) -> list[Outgoing]:
    """The accounts to push. Raises StoreError for one that servers would refuse, unless ``force``."""
    from natskit.jwt import did_sign, issues

    operator = store.operator()
    found = []
    for name in accounts:
        claims = store.account(name)
        if not force:
            bad = [issue.text for issue in issues(claims, now) if issue.refused]
            if bad:
                raise StoreError(
                    f'unable to push account "{name}" as it has validation issues: {"; ".join(bad)}',
                    hint="correct it, or push it all the same: --force",
                )
            if not store.managed and not did_sign(operator, claims):
                raise StoreError(
                    f'unable to push account "{name}" as it is not signed by the operator "{operator.name}"',
                    hint=f"nsc edit account {name} (any edit signs it again), or --force",
                )
        found.append(Outgoing(name, claims.subject, store.account_token(name)))
    return found


def deletion_request(workspace: Workspace, store: OperatorStore, accounts: Sequence[str], signer: str = "") -> str:
    """A token that asks resolvers to delete accounts (public keys). Raises NotFound without a key of the operator."""
    from natskit.jwt import GenericClaims

    try:
        pair = operator_identity(workspace, store.operator(), signer)
    except NotFound as error:
        raise NotFound(f"Could not obtain Operator key to sign the delete request: {error}", hint=error.hint) from None
    return workspace.sign(GenericClaims(subject=pair.public, nats={"accounts": list(accounts)}), pair)


def plan_pulled_account(plan: Plan, store: OperatorStore, token: str, *, public: str, overwrite: bool) -> AccountClaims:
    """Plan to store the token that a server has of the account ``public``.

    Raises InvalidToken, VerifyError, UsageError for a token that is not what it should be; StoreError, unless
    ``overwrite``, where the one in the store is newer or the operator did not sign it.
    """
    from natskit.jwt import AccountClaims, decode, did_sign

    claims = decode(token, AccountClaims)
    if claims.subject != public:
        raise StoreError(f"the server answers with the token of {claims.subject}, not of {public}")
    name = names.check(claims.name, "account")
    if store.has_account(name):
        local = store.account(name)
        if local.subject != public:
            raise StoreError(f'the account "{name}" in the store is another one: {local.subject}, not {public}')
        if local.issued_at > claims.issued_at and not overwrite:
            raise StoreError(
                f'local jwt for "{name}" is newer than remote version - specify --overwrite-newer to overwrite'
            )
    if not (store.managed or overwrite or did_sign(store.operator(), claims)):
        raise StoreError(f'"{name}" is not signed by operator "{store.name}" - specify --overwrite-newer to take it')
    plan.token(store.account_path(name), token)
    return claims


def plan_pulled_operator(plan: Plan, store: OperatorStore, token: str, *, overwrite: bool) -> OperatorClaims:
    """Plan to store the operator's token that a server has. Raises InvalidToken, VerifyError; UsageError, unless
    ``overwrite``, for another operator's.
    """
    from natskit.jwt import OperatorClaims, decode

    claims = decode(token, OperatorClaims)
    local = store.operator()
    if claims.subject != local.subject and not overwrite:
        raise StoreError(
            f'the server has another operator "{claims.name}": {claims.subject}, not {local.subject}'
            " - specify --overwrite-newer to take it"
        )
    plan.token(store.operator_path, token)
    return claims
