"""Accounts of the configuration itself (``resolver: MEMORY``)."""

from __future__ import annotations

from collections.abc import Mapping

from natskit.errors import NotFound, VerifyError
from natskit.server.resolvers.resolver import Resolver, refuse_older

__all__ = ["Memory"]


class Memory(Resolver):
    """Tokens of ``resolver_preload``, and newer ones that were pushed since."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = dict(tokens)

    async def fetch(self, account_id: str) -> str:
        token = self.read(account_id)
        if token is None:
            raise NotFound("account missing")
        return token

    def read(self, account_id: str) -> str | None:
        return self._tokens.get(account_id)

    def keep(self, account_id: str, token: str, *, in_use: bool) -> bool:
        known = self._tokens.get(account_id)
        if known is None and not in_use:
            return False
        if known is not None:
            refuse_older(token, known)
        self._tokens[account_id] = token
        return True

    def reload(self, preload: Mapping[str, str]) -> tuple[str, ...]:
        before = self._tokens
        self._tokens = {key: _newer(token, before.get(key)) for key, token in preload.items()}
        return tuple(key for key in before.keys() | preload.keys() if before.get(key) != self._tokens.get(key))


def _newer(token: str, known: str | None) -> str:
    """The preloaded token, unless what is known of the account, because it was pushed, was issued later."""
    try:
        if known is not None:
            refuse_older(token, known)
    except VerifyError:
        return known or token
    return token
