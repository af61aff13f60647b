"""The server inside its system account: it answers requests there, and speaks with its name on everything it says.

Source: spec/server-accounts.md section 8, spec/account-server.md section 7.4.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from natskit import jwt
from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.server.accounts import Account, Accounts
    from natskit.server.clock import Clock
    from natskit.wire import Internal

__all__ = ["ClaimsUpdates", "Identity", "System", "timestamp"]

log = logging.getLogger(__name__)

Handler = Callable[[list[str], str, bytes], None]
"""Called with the tokens of the subject, the reply subject, and the payload of a request."""


class Identity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a server is called: ``id`` is its public key, ``version`` what it claims to be compatible with."""

    name: str = msgspec.field(default_factory=str)
    host: str = msgspec.field(default_factory=str)
    id: str = msgspec.field(default_factory=str)
    version: str = msgspec.field(default_factory=str, name="ver")
    tags: tuple[str, ...] = ()


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class System:
    """The server's own place in the system account."""

    def __init__(self, account: Account, identity: Identity, clock: Clock) -> None:
        self.account = account
        self.identity = identity
        self._clock = clock
        self._sequence = 0
        self._handles: list[Internal] = []

    def serve(self, pattern: str, handler: Handler) -> None:
        """Answer requests on ``pattern``. Errors of the handler go to the log."""

        def on_message(subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> None:
            tokens = subject.decode("utf-8", "replace").split(".")
            try:
                handler(tokens, reply.decode("utf-8", "surrogateescape"), payload)
            except Error:
                log.exception("request on %s failed", pattern)

        self._handles.append(self.account.space.subscribe_internal(pattern.encode(), on_message))

    def close(self) -> None:
        """Answer no more."""
        while self._handles:
            self.account.space.unsubscribe_internal(self._handles.pop())

    def describe(self) -> dict[str, Any]:
        """The ``server`` object of everything the server says; its ``seq`` grows with each."""
        self._sequence += 1
        return {
            **msgspec.to_builtins(self.identity),
            "jetstream": False,
            "flags": 0,
            "seq": self._sequence,
            "time": timestamp(self._clock.now()),
        }

    def say(self, subject: str, message: dict[str, Any]) -> None:
        """Publish ``message`` with the ``server`` object in front."""
        self.publish(subject, msgspec.json.encode({"server": self.describe(), **message}))

    def publish(self, subject: str, payload: bytes) -> None:
        """Publish bytes as they are."""
        self.account.space.publish_internal(subject.encode("utf-8", "surrogateescape"), payload=payload)


class ClaimsUpdates:
    """Takes new tokens of accounts that are pushed through the system account.

    A token is checked as if it were fetched, and refused with the reason if it is not trusted, not valid now, or older
    than what is in use.
    """

    SUBJECTS = (
        ("$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", 3),
        ("$SYS.ACCOUNT.*.CLAIMS.UPDATE", 2),
        ("$SYS.REQ.CLAIMS.UPDATE", None),
    )

    def __init__(self, system: System, accounts: Accounts) -> None:
        self._system = system
        self._accounts = accounts
        for subject, position in self.SUBJECTS:
            system.serve(subject, self._handler(position))

    def _handler(self, position: int | None) -> Handler:
        def on_update(tokens: list[str], reply: str, payload: bytes) -> None:
            account_id = tokens[position] if position is not None else ""
            if not payload:
                self._answer(reply, "error", account_id or "n/a", 500, "jwt update error - request body is empty")
                return
            token = payload.decode("ascii", "replace").strip()
            try:
                account_id = account_id or jwt.decode(token, jwt.AccountClaims).subject
                message = self._accounts.update(account_id, token)
            except Error as error:
                account_id = account_id or "n/a"
                log.warning("update of account %s is refused: %s", account_id, error)
                self._answer(reply, "error", account_id, 500, f"jwt update resulted in error - {error}")
            else:
                self._answer(reply, "data", account_id, 200, message)

        return on_update

    def _answer(self, reply: str, kind: str, account_id: str, code: int, text: str) -> None:
        if reply:
            key = "message" if kind == "data" else "description"
            self._system.say(reply, {kind: {"account": account_id, "code": code, key: text}})
