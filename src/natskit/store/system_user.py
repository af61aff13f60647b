"""A user of the system account, to talk to servers with: one made for the occasion, or one of the store (6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.errors import DeniedError, NotFound
from natskit.nkeys import KeyPair, Role

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims
    from natskit.jwt.files import Creds

    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = ["system_creds"]


def system_creds(
    workspace: Workspace,
    store: OperatorStore,
    *,
    account: str = "",
    user: str = "",
    publish: Sequence[str] = (),
    lifetime_s: int = 120,
) -> Creds:
    """Creds of a user of the system account (or of ``account``): ``user`` if given.

    Else one is made that may publish on ``publish`` and subscribe to inboxes, for ``lifetime_s``; where no key of the
    account is stored, the first of its users whose seed is. Raises NotFound, UsageError.
    """
    name = _account(store, account)
    claims = store.account(name)
    if user:
        return _stored(workspace, store, name, [user])
    signer = _signer(workspace, store, claims)
    if signer is None:
        return _stored(workspace, store, name, store.users(name))
    return _made(workspace, claims, signer, publish, lifetime_s)


def _account(store: OperatorStore, given: str) -> str:
    wanted = given or store.operator().nats.system_account
    name = wanted if store.has_account(wanted) else store.find_account(wanted) if wanted else None
    if name is None:
        raise NotFound(
            f'system account "{wanted}" not found',
            hint="name one with --system-account, or set it: nsc edit operator --system-account NAME",
        )
    return name


def _signer(workspace: Workspace, store: OperatorStore, account: AccountClaims) -> KeyPair | None:
    if not store.operator().nats.strict_signing_key_usage:
        return workspace.keystore.pair(account.subject)
    unscoped = [key for key in account.nats.signing_keys if isinstance(key, str)]
    if account.nats.signing_keys and not unscoped:
        raise DeniedError(f'system account "{account.name}" only has scoped signing keys, specify --system-user')
    return next((pair for key in unscoped if (pair := workspace.keystore.pair(key))), None)


def _stored(workspace: Workspace, store: OperatorStore, account: str, users: Sequence[str]) -> Creds:
    from natskit.jwt.files import Creds

    for name in users:
        seed = workspace.keystore.seed(store.user(account, name).subject)
        if seed is not None:
            return Creds(store.user_token(account, name), seed)
    raise NotFound("no system account user with corresponding nkey found", hint="nsc list keys --account " + account)


def _made(
    workspace: Workspace, account: AccountClaims, signer: KeyPair, publish: Sequence[str], lifetime_s: int
) -> Creds:
    from natskit import jwt
    from natskit.jwt.files import Creds

    key = KeyPair.create(Role.USER)
    user = jwt.new_user(key.public, "nsc temporary push user")
    body = replace(
        user.nats,
        issuer_account=account.subject,
        pub=replace(user.nats.pub, allow=tuple(publish)),
        sub=replace(user.nats.sub, allow=("_INBOX.>",)),
    )
    user = replace(user, expires=workspace.now() + lifetime_s, nats=body)
    return Creds(workspace.sign(user, signer), key.seed)
