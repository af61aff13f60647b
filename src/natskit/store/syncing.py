"""What goes to servers and what comes back: which accounts may be pushed, what a pulled token may replace."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import DecodeError, Error, NotFound, StoreError, VerifyError

from . import names
from .signing import operator_identity

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims

    from .operator_store import OperatorStore
    from .plan import Plan
    from .workspace import Workspace

__all__ = ["Known", "Outgoing", "deletion_request", "outgoing", "plan_pulled_operator"]

_NAMED = 20
_RENAME = "rename one of them, or pull into a store of its own: --data-dir"


class Outgoing(NamedTuple):
    """An account on its way to a server."""

    name: str
    public: str
    token: str


def outgoing(store: OperatorStore, accounts: Sequence[str], now: int, *, force: bool) -> list[Outgoing]:
    """The accounts to push. Raises StoreError that names those which servers would refuse, unless ``force``."""
    operator = store.operator()
    found, refused = [], []
    for name in accounts:
        try:
            claims, token = store.account_and_token(name)
        except (DecodeError, VerifyError) as error:
            refused.append(f'unable to push account "{name}": {error}')
            continue
        problem = "" if force else _refusal(store, operator, claims, now)
        if problem:
            refused.append(f'unable to push account "{name}" as {problem}')
        found.append(Outgoing(name, claims.subject, token))
    if refused:
        more = [f"and {len(refused) - _NAMED} more"] if len(refused) > _NAMED else []
        raise StoreError(
            "\n".join([*refused[:_NAMED], *more]),
            hint="correct them (nsc reissue account signs one again), or push all the same: --force",
        )
    return found


def _refusal(store: OperatorStore, operator: OperatorClaims, claims: AccountClaims, now: int) -> str:
    """Why servers would refuse an account, empty if they would not."""
    from natskit.jwt import did_sign, issues

    bad = [issue.text for issue in issues(claims, now) if issue.refused]
    if bad:
        return f"it has validation issues: {'; '.join(bad)}"
    if store.managed or did_sign(operator, claims):
        return ""
    return f'it is not signed by the operator "{operator.name}"'


def deletion_request(workspace: Workspace, store: OperatorStore, accounts: Sequence[str], signer: str = "") -> str:
    """A token that asks resolvers to delete accounts (public keys). Raises NotFound without a key of the operator."""
    from natskit.jwt import GenericClaims

    try:
        pair = operator_identity(workspace, store.operator(), signer)
    except NotFound as error:
        raise NotFound(f"Could not obtain Operator key to sign the delete request: {error}", hint=error.hint) from None
    return workspace.sign(GenericClaims(subject=pair.public, nats={"accounts": list(accounts)}), pair)


class _Local(NamedTuple):
    """An account of the store."""

    name: str
    claims: AccountClaims
    token: str


class Known:
    """The accounts of a store, by key and by name in lower case, as pulled ones are compared with them.

    ``operator``: its claims as they are about to be, default as they are stored.
    """

    def __init__(self, store: OperatorStore, operator: OperatorClaims | None = None) -> None:
        from natskit.jwt import did_sign

        self.store = store
        self._operator = operator or store.operator()
        self._did_sign = did_sign
        self._by_key: dict[str, _Local] = {}
        self._by_name: dict[str, str] = {}
        for name in store.iter_accounts():
            with contextlib.suppress(Error):  # damaged: what is pulled may mend it
                self._note(_Local(name, *store.account_and_token(name)))

    def _note(self, local: _Local) -> None:
        self._by_key[local.claims.subject] = local
        self._by_name[local.name.lower()] = local.claims.subject

    def plan(self, plan: Plan, token: str, *, public: str, overwrite: bool) -> AccountClaims:
        """Plan to store the token that a server has of the account ``public``.

        Raises InvalidToken, VerifyError, UsageError for a token that is not what it should be; StoreError where it
        would take another account's place and, unless ``overwrite``, where the one in the store is newer or neither
        the operator nor (in a managed store) the account signed it.
        """
        from natskit.jwt import AccountClaims, decode

        # (1) it is a token of this account
        claims = decode(token, AccountClaims)
        if claims.subject != public:
            raise StoreError(f"the server answers with the token of {claims.subject}, not of {public}")
        # (2) its place is its own
        self.check_place(claims)
        if not overwrite:
            # (3) it is not older
            if self.has_newer(claims, token):
                raise StoreError(
                    f'local jwt for "{claims.name}" is newer than remote version'
                    " - specify --overwrite-newer to overwrite"
                )
            # (4) somebody signed it who may
            if not self.trusts(claims):
                raise StoreError(
                    f'"{claims.name}" is not signed by operator "{self.store.name}"'
                    " - specify --overwrite-newer to take it"
                )
        plan.token(self.store.account_path(claims.name), token)
        self._note(_Local(claims.name, claims, token))
        return claims

    def check_place(self, claims: AccountClaims) -> None:
        """Raise UsageError, StoreError for an account that would take the place of another one."""
        name, public = names.check(claims.name, "account"), claims.subject
        local = self._by_key.get(public)
        if local is not None and local.name != name:
            raise StoreError(f'the account "{name}" of the server is "{local.name}" in the store', hint=_RENAME)
        holder = self._by_name.get(name.lower(), public)
        if holder != public:
            raise StoreError(f'the account "{name}" in the store is another one: {holder}, not {public}', hint=_RENAME)

    def has_newer(self, claims: AccountClaims, token: str) -> bool:
        """Whether the store has a newer token of the account.

        Of two tokens of one second neither is known to be the later; but a service signs at once what it is sent.
        """
        local = self._by_key.get(claims.subject)
        if local is None:
            return False
        if local.claims.issued_at == claims.issued_at:
            return local.token != token and not self.store.managed
        return local.claims.issued_at > claims.issued_at

    def trusts(self, claims: AccountClaims) -> bool:
        """Whether the operator signed it or, where that is elsewhere, a key of the account that the store knows."""
        local = self._by_key.get(claims.subject)
        known = local.claims.nats.signing_key_names if local else ()
        own = (claims.subject, *known) if self.store.managed else ()
        return claims.issuer in own or self._did_sign(self._operator, claims)


def plan_pulled_operator(plan: Plan, store: OperatorStore, token: str, *, overwrite: bool) -> OperatorClaims:
    """Plan to store the operator's token that a server has.

    Raises InvalidToken, VerifyError; StoreError, unless ``overwrite``, for one of another operator, one that neither
    the operator nor one of its signing keys signed, and one that is older than that of the store.
    """
    from natskit.jwt import OperatorClaims, decode

    claims = decode(token, OperatorClaims)
    local = store.operator()
    if not overwrite:
        if claims.subject != local.subject:
            raise StoreError(
                f'the server has another operator "{claims.name}": {claims.subject}, not {local.subject}'
                " - specify --overwrite-newer to take it"
            )
        if claims.issuer not in (local.subject, *local.nats.signing_keys):
            raise StoreError(
                f'the operator of the server is signed by {claims.issuer}, which is no key of "{local.name}"'
                " - specify --overwrite-newer to take it"
            )
        if local.issued_at > claims.issued_at:
            raise StoreError(
                f'local jwt for operator "{local.name}" is newer than remote version'
                " - specify --overwrite-newer to overwrite"
            )
    plan.token(store.operator_path, token)
    return claims
