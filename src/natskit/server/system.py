"""The server inside its system account: it answers requests there, and speaks with its name on everything it says.

Source: spec/server-accounts.md section 8, spec/account-server.md section 7.4.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from natskit.errors import Error
from natskit.server.encoding import encode
from natskit.server.headers import read_headers
from natskit.wire import Subscription

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.clock import Clock
    from natskit.wire import Internal

__all__ = ["Identity", "System", "timestamp"]

log = logging.getLogger(__name__)

Handler = Callable[[list[str], str, bytes], bool | None]
"""Called with the tokens of the subject, the reply subject, and the payload of a request. False: it is not for us,
and the client is told that nobody answers."""


class Identity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a server is called: ``id`` is its public key, ``version`` what it claims to be compatible with."""

    name: str = msgspec.field(default_factory=str)
    host: str = msgspec.field(default_factory=str)
    id: str = msgspec.field(default_factory=str)
    version: str = msgspec.field(default_factory=str, name="ver")
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def description(identity: Identity, sequence: int, now: float) -> dict[str, Any]:
    """The ``server`` object."""
    return {
        **msgspec.to_builtins(identity),
        "jetstream": False,
        "flags": 0,
        "seq": sequence,
        "time": timestamp(now),
    }


class _Question(NamedTuple):
    """The request that is being answered: where to, in which encodings, in whose account."""

    reply: str
    accepted: str
    account: Account | None


_NO_QUESTION = _Question("", "", None)


class System:
    """The server's own place in the system account."""

    def __init__(
        self, account: Account, identity: Identity, clock: Clock, on_publish: Callable[[str, bytes], None]
    ) -> None:
        self.account = account
        self.identity = identity
        self._on_publish = on_publish
        self._clock = clock
        self._sequence = 0
        self._question = _NO_QUESTION
        self._handles: list[Internal] = []

    def serve(self, pattern: str, handler: Handler) -> None:
        """Answer requests on ``pattern``. Errors of the handler go to the log."""
        handle = self.account.space.subscribe_internal(pattern.encode(), self._on_message(self.account, handler))
        self._handles.append(handle)

    def serve_in(self, account: Account, pattern: str, handler: Handler) -> None:
        """Answer requests of the clients of another account, where they are."""
        account.space.subscribe_internal(pattern.encode(), self._on_message(account, handler), imports=False)

    def _on_message(self, account: Account, handler: Handler) -> Callable[[bytes, bytes, bytes, bytes, object], bool]:
        def on_message(subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> bool:
            tokens = subject.decode("utf-8", "replace").split(".")
            accepted = read_headers(headers).get("Accept-Encoding", [""])[0] if headers else ""
            asked = reply.decode("utf-8", "surrogateescape")
            before, self._question = self._question, _Question(asked, accepted, account)
            try:
                return handler(tokens, asked, payload) is not False
            except Error:
                log.exception("request on %s failed", ".".join(tokens))
                return True
            finally:
                self._question = before

        return on_message

    def close(self) -> None:
        """Answer no more."""
        while self._handles:
            self.account.space.unsubscribe_internal(self._handles.pop())

    def describe(self) -> dict[str, Any]:
        """The ``server`` object of everything the server says; its ``seq`` grows with each."""
        self._sequence += 1
        return description(self.identity, self._sequence, self._clock.now())

    def say(self, subject: str, message: dict[str, Any]) -> None:
        """Publish ``message`` with the ``server`` object in front."""
        self.publish_json(subject, {"server": self.describe(), **message})

    def publish_json(self, subject: str, message: dict[str, Any]) -> None:
        """Publish an object as it is."""
        self.publish(subject, msgspec.json.encode(message))

    def publish_in(self, account: Account, subject: str, message: dict[str, Any]) -> None:
        """Publish an object in another account."""
        account.space.publish_internal(subject.encode(), payload=msgspec.json.encode(message), event=True)

    def publish(self, subject: str, payload: bytes) -> None:
        """Publish bytes; where they answer a request, in its account, and compressed if it asks for that."""
        self._on_publish(subject, payload)
        headers, home, question = b"", True, self._question
        account = self.account
        if subject == question.reply and question.account is not None:
            account, home = question.account, question.account is self.account
            if question.accepted:
                headers, payload = encode(payload, question.accepted)
        name = subject.encode("utf-8", "surrogateescape")
        account.space.publish_internal(name, headers=headers, payload=payload, event=home, links=home)

    async def ask(self, subject: str, timeout_s: float) -> bytes | None:
        """Ask the clients of the system account; the first answer that is not empty, None if there is none in time."""
        space = self.account.space
        if not any(isinstance(entry, Subscription) for entry in space.matches(subject.encode())):
            return None
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def on_answer(subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> None:
            if payload and not answer.done():
                answer.set_result(payload)

        inbox = f"$SYS._INBOX.{secrets.token_hex(8)}".encode()
        handle = space.subscribe_internal(inbox, on_answer)
        try:
            space.publish_internal(subject.encode(), reply=inbox)
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            space.unsubscribe_internal(handle)
