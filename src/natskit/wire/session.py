"""What the engine asks of, and tells to, the one who owns a connection.

The engine (:class:`natskit.wire.Connection`) moves bytes. Everything that is not moving bytes is a call to its
session: credentials, permissions, the log, timers. Calls are made while input is being parsed, so they must not
block; all of them may call back into the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from natskit.wire import Internal, Subscription


class Session(Protocol):
    """The owner of a connection. Subjects, queues and replies are raw bytes as the peer sent them."""

    def on_connect(self, document: bytes | None) -> None:
        """CONNECT came, with its JSON; ``None``: another verb came first and anonymous use is allowed.

        The engine holds further input until ``connection.admit`` or ``connection.close`` is called, now or later.
        """

    def on_info(self, document: bytes) -> bool:
        """INFO came from the peer; return whether its JSON is valid (if not, the connection is closed)."""

    def on_first_pong(self) -> None:
        """The first PONG after CONNECT has been queued; what is written now follows it."""

    def on_pong(self) -> None:
        """The peer answered a PING."""

    def may_respond(self, subject: bytes) -> bool:
        """The verdicts on publishing say no: is it an answer that ``on_request`` has promised? Never cached."""

    def may_subscribe(self, subject: bytes, queue: bytes | None) -> bool:
        """May the peer subscribe, as a member of that queue? Without one its verdicts are asked."""

    def may_deliver(self, subject: bytes, queue: bytes | None) -> bool:
        """May messages on this literal subject reach the peer? Asked when a route is computed."""

    def on_request(self, reply: bytes) -> None:
        """A message with this reply was delivered (only if admitted with ``tracks_replies``)."""

    def on_violation(self, kind: str, subject: bytes, queue: bytes | None, sid: bytes | None) -> None:
        """The peer was told of a violation; for the log.

        ``kind``: "publish", "reply" (the subject is the reply); or of a subscription, which has a ``sid`` and maybe a
        ``queue``: "subscribe", "tokens" and "subscriptions" (too many), "subject" (invalid).
        """

    def on_trace(self, subject: bytes, headers: bytes, size: int) -> object:
        """A message of the peer names, in its headers, a place for a trace of it (or has a ``traceparent``, if
        ``space.traces``). Returns a `Trace`; None: it is not traced; False: it goes nowhere."""

    def on_traced(self, trace: object) -> None:
        """The message has gone where it goes."""

    def on_talk(self, direction: str, text: bytes) -> None:
        """A line came (``<<-``), goes (``->>``, with its CR LF if it is no message), or a subscription ended (``<->``).

        Only if ``connection.talks``, as `on_payload`.
        """

    def on_payload(self, direction: str, payload: bytes, header_size: int) -> None:
        """What the message of the line before carries: headers and payload."""

    def on_peer_error(self, text: bytes) -> None:
        """The peer sent -ERR."""

    def on_output(self) -> None:
        """Bytes wait for ``connection.take()``; only for connections without a descriptor."""

    def on_reading(self, wanted: bool) -> None:
        """Go on, or stop, reading what is fed; only for connections without a descriptor, and only if it changes."""

    def on_blocked(self, pending: int) -> None:
        """The descriptor takes no more, ``pending`` bytes wait; 0: all of them are written."""

    def on_stall(self, seconds: float) -> None:
        """The peer publishes faster than its receivers read: call ``connection.resume()`` after that time."""

    def on_close(self, reason: str, cause: str) -> None:
        """The connection is closed; ``reason`` as in connz, ``cause`` for the log (may be empty)."""


class Trace(Protocol):
    """Follows one message."""

    only: bool
    """The message itself is not to be delivered."""

    def on_refusal(self, error: str) -> None:
        """It goes no further, and its publisher is told so."""

    def on_mapping(self, subject: bytes) -> None:
        """It goes on under another subject."""

    def on_egress(self, entry: Subscription, subject: bytes, error: str | None) -> None:
        """It reaches a subscription under this subject, or does not, because of ``error``."""

    def reaches(self, entry: Internal) -> bool:
        """Whether the server itself is to get it; asked before it does."""
