"""What expires when: tokens of an operator, its accounts and users, and the creds files made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = ["Expiration", "expirations"]


class Expiration(NamedTuple):
    """A token: what it is of (``Op/Acct/User`` or a path), whose key it has, Unix seconds of its end (0: never)."""

    resource: str
    public: str
    expires: int

    def expired(self, now: int) -> bool:
        """Whether that is over."""
        return 0 < self.expires <= now

    def expires_by(self, moment: int) -> bool:
        """Whether it will be over at ``moment``."""
        return 0 < self.expires <= moment


def expirations(workspace: Workspace, store: OperatorStore) -> Iterator[Expiration]:
    """Operator, accounts, users and their creds, in order. Raises InvalidToken, VerifyError."""
    operator = store.operator()
    yield Expiration(operator.name, operator.subject, operator.expires)
    for account_name in store.iter_accounts():
        account = store.account(account_name)
        yield Expiration(f"{operator.name}/{account.name}", account.subject, account.expires)
        for user_name in store.users(account_name):
            user = store.user(account_name, user_name)
            yield Expiration(f"{operator.name}/{account.name}/{user.name}", user.subject, user.expires)
            yield from _creds(workspace, store.name, account_name, user_name)


def _creds(workspace: Workspace, operator: str, account: str, user: str) -> Iterator[Expiration]:
    from natskit.jwt import UserClaims, decode
    from natskit.jwt.files import parse_jwt

    text = workspace.keystore.creds(operator, account, user)
    if text is not None:
        claims = decode(parse_jwt(text).strip(), UserClaims)
        yield Expiration(workspace.keystore.creds_path(operator, account, user), claims.subject, claims.expires)
