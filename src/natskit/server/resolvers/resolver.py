"""What a resolver is: the place where a server finds the tokens of accounts it does not know yet.

A resolver finds and keeps text; whether it deserves to be believed is decided elsewhere (:mod:`natskit.graph.trust`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from natskit import jwt
from natskit.errors import VerifyError

__all__ = ["Resolver", "refuse_older"]


class Resolver(ABC):
    """Finds tokens of accounts. ``update`` is what an update through it is called in answers."""

    update = "jwt update"

    async def start(self) -> None:  # noqa: B027 - most have nothing to check
        """Check that it can work at all. Raises ServerError."""

    def close(self) -> None:  # noqa: B027 - most do nothing by themselves
        """Stop what goes on by itself."""

    @abstractmethod
    async def fetch(self, account_id: str) -> str:
        """The token of an account. Raises NotFound if there is none, or it cannot be had in time."""

    def read(self, account_id: str) -> str | None:
        """The token of an account as it is kept here; None if it is not."""
        return None

    def keep(self, account_id: str, token: str, *, in_use: bool) -> bool:
        """A token that was pushed is in order: keep it, if this is the place for it. Returns whether it was kept.

        ``in_use``: the server uses the account. Raises VerifyError if what is kept is newer, StoreError if it cannot be
        kept.
        """
        return False

    def reload(self, preload: Mapping[str, str]) -> tuple[str, ...]:
        """The configuration was read again, with these preloaded tokens; returns the accounts that may have changed."""
        return ()


def refuse_older(token: str, known: str) -> None:
    """Raise VerifyError if ``token`` was issued before ``known``, another token of the same account."""
    issued, before = jwt.decode_unverified(token).issued_at, jwt.decode_unverified(known).issued_at
    if issued < before:
        raise VerifyError(f"jwt is older than the one that is known: issued at {issued}, not {before} or later")
