"""One client: what surrounds its engine (:mod:`natskit.wire`): login, permissions, timers, log lines.

The engine asks and tells (`natskit.wire.session.Session`); nothing here looks at messages.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.durations import format_duration
from natskit.errors import AuthenticationError, Error, ProtocolError
from natskit.server.auth import Admission, ConnectOptions, Peer, tighter
from natskit.server.replies import ExpectedReplies
from natskit.server.verdicts import may_subscribe, publish_verdicts, subscribe_verdicts
from natskit.wire import Connection, quote

if TYPE_CHECKING:
    from natskit.graph import Permissions
    from natskit.server.gate import Gate
    from natskit.server.server import Server
    from natskit.server.stream import Stream
    from natskit.server.tls import Secured
    from natskit.server.tracing import MessageTrace

__all__ = ["Client"]

log = logging.getLogger(__name__)

FIRST_PING_S = 2.0
"""The first PING comes this soon after CONNECT, up to a fifth later."""

RTT_VALID_S = 3600.0

TOO_MANY_CONNECTIONS = "maximum connections exceeded"

BEFORE_CONNECT = "verb before CONNECT"
"""Why the engine closes a connection that does not log in first."""


class Client:
    """A connected client. ``engine`` moves its bytes; ``admission`` is None until it has logged in.

    ``credentials``: fields of CONNECT that it said otherwise, for those that it leaves empty there. ``surplus``: there
    are too many, it is only told so.
    """

    __slots__ = (
        "_auth_timer",
        "_awaits_pong",
        "_goal",
        "_login",
        "_ping_timer",
        "_pinged_at",
        "_replies",
        "_sent",
        "_server",
        "_slow_since",
        "_spoken",
        "_write_timer",
        "accepted_at",
        "admission",
        "connect",
        "connected_at",
        "credentials",
        "engine",
        "greeted",
        "informed",
        "introduced",
        "peer",
        "rtt_s",
        "secured",
        "started_at",
        "stream",
        "surplus",
        "trace",
    )

    def __init__(self, server: Server, peer: Peer) -> None:
        limits = server.options.limits
        self._server = server
        self.peer = peer
        self.connect = ConnectOptions()
        self.admission: Admission | None = None
        self.engine = Connection(
            server.hub,
            self,
            max_control_line=limits.max_control_line,
            max_payload=limits.max_payload,
            max_pending=limits.max_pending,
            max_subscriptions=limits.max_subscriptions,
            max_subscription_tokens=limits.max_subscription_tokens,
            stalls=not server.options.no_fast_producer_stall,
        )
        self.accepted_at = server.clock.now()
        self.started_at = time.monotonic()
        self.connected_at = 0.0
        self.rtt_s = 0.0
        self.greeted = False
        self.informed = False
        self.introduced = not server.options.proxy_protocol or peer.connection_type != "STANDARD"
        self.stream: Stream | None = None
        self.secured: Secured | None = None
        self.trace: MessageTrace | None = None
        self.credentials: dict[str, str] = {}
        self.surplus = False
        self._auth_timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._login: asyncio.Task[None] | None = None
        self._replies: ExpectedReplies | None = None
        self._spoken = 0
        self._goal = self._sent = 0
        self._slow_since = 0.0
        self._pinged_at = 0.0
        self._awaits_pong = False

    def __repr__(self) -> str:
        return f"<client {self.peer}>"

    # life

    @property
    def gate(self) -> Gate:
        """What it found where it came in."""
        return self._server.gates[self.peer.connection_type]

    def begin(self) -> None:
        """Greet the client, if it was not before, and, unless there are too many, start its timers."""
        server, gate = self._server, self.gate
        if self.engine.closing:  # that was decided while it was on its way in
            self.engine.cut("")
            return
        self._log_talk()
        if not self.greeted:
            self.greeted = True
            self.engine.write(gate.greeting(self).line())
        if self.surplus:
            log.error("%s - %s: %d", self.peer, TOO_MANY_CONNECTIONS, server.options.limits.max_connections)
            self.close_as_surplus()
            return
        if not gate.authenticator.required:
            admission = server.open_admission()
            self.admission = admission
            admission.account.join(self)
            self.engine.welcome(admission.account.space)
        else:
            self._auth_timer = server.loop.call_later(gate.auth_timeout_s, self._on_auth_timeout)
            self.engine.welcome(anonymous=gate.authenticator.may_skip_connect)
        self._arm_ping(gate.ping_interval_s)

    def close(self, reason: str, error: str = "") -> None:
        """Tell the client ``-ERR 'error'`` (nothing if empty) and close, after what is queued has been written."""
        self.engine.close(reason, error)

    def close_as_surplus(self) -> None:
        """Tell the client that there are too many."""
        self.close("Maximum Connections Exceeded", TOO_MANY_CONNECTIONS)

    @property
    def active_at(self) -> float:
        """When the client last said or was sent something, in Unix seconds; when it came if there was nothing."""
        last = max(self.engine.last_activity, self.engine.last_delivery)
        return self._server.clock.now() - max(time.monotonic() - last / 1e9, 0.0) if last else self.accepted_at

    @property
    def server_name(self) -> str:
        return self._server.name

    @property
    def subscription_count(self) -> int:
        return self.engine.subscription_count

    def crashed(self, error: Exception) -> None:
        """An error of ours; it costs this connection only."""
        log.error("%s - internal error, the connection is closed", self.peer, exc_info=error)
        self.engine.cut("Protocol Violation", "internal error")

    def on_close(self, reason: str, cause: str) -> None:
        if self.stream is not None:
            self.stream.end(reason)
        for timer in (self._auth_timer, self._ping_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        if self._login is not None:
            self._login.cancel()
        if self.admission is not None:
            self.admission.account.leave(self)
        if reason.startswith("Slow Consumer"):
            self._count_as_slow()
            log.info("%s - Slow Consumer Detected: %s", self.peer, cause)
        if reason in _FAULTS:
            log.error("%s - %s", self.peer, cause or reason)
        elif cause == BEFORE_CONNECT:
            self._tell_refusal(AuthenticationError(f"authentication error: {cause}"))
        log.debug("%s - Client connection closed: %s%s", self.peer, reason, f" ({cause})" if cause else "")
        self._server.forget(self, reason)

    # login

    def on_connect(self, document: bytes | None) -> None:
        """CONNECT came, or (None) an anonymous client began to speak."""
        try:
            if document is not None:
                self.connect = self.connect.merge(document).completed(self.credentials)
        except ProtocolError as error:
            self.engine.close("Protocol Violation", "", error.message)
            return
        if document is not None and not self.rtt_s:
            self.rtt_s = time.monotonic() - self.started_at
        self.peer = replace(self.peer, labels=(self.connect.program,))
        self._apply_modes()
        if self.gate.authenticator.judges(self.connect):
            self._leave()
            self._login = self._server.loop.create_task(self._log_in())
        elif self.connect.account or self.connect.new_account:
            self._refuse(AuthenticationError("account and new_account of CONNECT are not supported"))
        else:
            self._let_in(self._server.open_admission(), document is not None)

    async def _log_in(self) -> None:
        try:
            admission = await self._authenticate()
            self.admission = admission
            try:
                self.gate.authenticator.join(self, self.connect)
            except AuthenticationError:
                self.admission = None
                raise
        except AuthenticationError as error:
            self._refuse(error)
        except Error as error:
            self._refuse(AuthenticationError(f"authentication error: {error}"))
        else:
            self._let_in(admission, True)
        finally:
            self._login = None

    async def _authenticate(self) -> Admission:
        """What the server lets the client have; judged anew if a new configuration came meanwhile."""
        while True:
            authenticator = self.gate.authenticator
            admission = await authenticator.authenticate(self.connect, self.peer)
            if authenticator is self.gate.authenticator:
                return admission

    def _leave(self) -> None:
        """A second CONNECT: the client is in its account no longer, and changes there are not its concern."""
        if self.admission is not None:
            self.admission.account.leave(self)
            self.admission = None

    def _tell_refusal(self, error: AuthenticationError) -> None:
        log.error("%s - %s", self.peer, error)
        self._server.last_auth_error = error
        if self._server.events is not None:
            self._server.events.refused(self, error)

    def _refuse(self, error: AuthenticationError) -> None:
        self._tell_refusal(error)
        self.engine.close(error.reason, error.reply, error.message)

    def _let_in(self, admission: Admission, connected: bool) -> None:
        if self._auth_timer is not None:
            self._auth_timer.cancel()
            self._auth_timer = None
        if self.connect.protocol not in (0, 1):
            self.engine.close("Bad Client Protocol Version", "invalid client protocol")
            return
        if self.connect.no_responders and not self.engine.headers:
            self.engine.close("No Responders Requires Headers", "no responders requires headers support")
            return
        if connected and not self.connected_at:
            self.connected_at = time.monotonic()
            first = min(FIRST_PING_S, self.gate.ping_interval_s)
            self._arm_ping(first * (1 + random.random() / 5))  # noqa: S311 - spreads load, no secret
        self.peer = replace(self.peer, labels=(self.connect.program, _who(admission, self.connect)))
        self._grant(admission)
        if connected and self._server.events is not None:
            self._server.events.connected(self)

    def _grant(self, admission: Admission) -> None:
        """Let the engine live by an admission."""
        self.admission = admission
        permissions = admission.permissions
        limits = self._server.options.limits
        self.engine.max_payload = tighter(limits.max_payload, admission.max_payload)
        self.engine.max_subscriptions = tighter(limits.max_subscriptions or -1, admission.max_subscriptions)
        self._replies = ExpectedReplies(permissions.responses) if permissions.responses else None
        self.engine.admit(
            admission.account.space,
            publish=publish_verdicts(permissions),
            subscribe=subscribe_verdicts(permissions),
            checks_deliver=permissions.filters_delivery,
            tracks_replies=permissions.responses is not None,
        )

    def readmit(self, admission: Admission) -> None:
        """Go on with other permissions and limits. Subscriptions that are not allowed any more are removed."""
        self._grant(admission)
        for subscription in self.engine.subscriptions():
            if not self.may_subscribe(subscription.subject, subscription.queue):
                self.engine.revoke(subscription.sid)
                queue = f' using queue "{_shown(subscription.queue)}"' if subscription.queue else ""
                told = _shown(subscription.subject), queue, _shown(subscription.sid), admission.user
                log.info('%s - Removed sub "%s"%s (sid "%s") for User "%s" - not authorized', self.peer, *told)

    async def judge_again(self) -> None:
        """The server's configuration changed."""
        limits = self._server.options.limits
        self.engine.max_control_line = limits.max_control_line
        self._log_talk()
        if self.admission is not None:
            self.engine.max_payload = tighter(limits.max_payload, self.admission.max_payload)
            await self.gate.authenticator.judge_again(self, self.connect, self.peer)

    def _apply_modes(self) -> None:
        connect, engine = self.connect, self.engine
        engine.verbose = connect.verbose
        engine.pedantic = connect.pedantic
        engine.echo = connect.echo
        engine.headers = connect.headers and not self._server.options.no_header_support
        engine.no_responders = connect.no_responders

    def _on_auth_timeout(self) -> None:
        self.close("Authentication Timeout", "Authentication Timeout")

    # permissions

    def may_respond(self, subject: bytes) -> bool:
        return self._replies is not None and self._replies.take(subject, self._server.clock.now())

    def may_subscribe(self, subject: bytes, queue: bytes | None) -> bool:
        return may_subscribe(self._permissions, subject, queue)

    def may_deliver(self, subject: bytes, queue: bytes | None) -> bool:
        return self._permissions.may_deliver(_text(subject), None if queue is None else _text(queue))

    def on_request(self, reply: bytes) -> None:
        if self._replies is not None:
            self._replies.expect(reply, self._server.clock.now())

    @property
    def _permissions(self) -> Permissions:
        assert self.admission is not None
        return self.admission.permissions

    def on_violation(self, kind: str, subject: bytes, queue: bytes | None, sid: bytes | None) -> None:
        if kind == "subscriptions" and self.admission is not None and not self.admission.account.tells_full():
            return
        group = f', Queue: "{_shown(queue)}"' if queue else ""
        of_sid = f", SID {_shown(sid)}" if sid is not None else ""
        log.error("%s - %s%s%s", self.peer, _VIOLATIONS[kind].format(_shown(subject)), group, of_sid)

    def refuse_publish(self, subject: str) -> None:
        """Tell the client that it may not publish on a subject."""
        raw = subject.encode("utf-8", "surrogateescape")
        self.engine.error(f"Permissions Violation for Publish to {_shown(quote(raw))}")
        self.on_violation("publish", raw, None, None)

    # the log of the protocol

    def _log_talk(self) -> None:
        """Have everything told that is said, if the log wants it."""
        options = self._server.options.logging
        if not options.trace and not self.engine.talks:
            return
        from natskit.server.talk import is_logged

        self.engine.talks = is_logged(options)

    def on_talk(self, direction: str, text: bytes) -> None:
        from natskit.server.talk import log_line

        log_line(self.peer, direction, text)

    def on_payload(self, direction: str, payload: bytes, header_size: int) -> None:
        from natskit.server.talk import log_payload

        log_payload(self.peer, direction, payload, header_size, self._server.options.logging)

    # traces

    def on_trace(self, subject: bytes, headers: bytes, size: int) -> object:
        from natskit.server.tracing import MessageTrace, begin

        found = begin(self._server, self, subject, headers, size)
        if isinstance(found, MessageTrace):
            self.trace = found
        return found

    def on_traced(self, trace: object) -> None:
        found, self.trace = self.trace, None
        if found is not None:
            found.publish()

    # what the client says about itself

    def on_info(self, document: bytes) -> bool:
        import msgspec

        try:
            return isinstance(msgspec.json.decode(document), dict | None)
        except UnicodeDecodeError:
            return True  # it is passed over, whatever its strings say
        except (msgspec.DecodeError, RecursionError):
            return False

    def on_peer_error(self, text: bytes) -> None:
        log.error("%s - Client Error %s", self.peer, _shown(text))

    def on_first_pong(self) -> None:
        self.informed = self.connect.protocol >= 1
        if self.informed:
            self.engine.write(self.gate.place_of(self).line())

    def tell_lame_duck(self) -> None:
        """Let the client know that it should move to another server, if it is one that can be told."""
        if self.informed:
            self.engine.write(self.gate.advice_to_move(self).line())

    # keep-alive

    def _arm_ping(self, delay: float) -> None:
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        self._ping_timer = self._server.loop.call_later(delay, self._on_ping_timer)

    def _on_ping_timer(self) -> None:
        """PING a client that asked for nothing, or that was not asked for long; give up on one that does not answer."""
        server = self._server
        now = time.monotonic()
        active = self.engine.spoken != self._spoken
        self._spoken = self.engine.spoken
        if not (active and self.rtt_s and self._pinged_at and now - self._pinged_at < RTT_VALID_S):
            if self.engine.pings_outstanding + 1 > server.options.ping_max:
                self.close("Stale Connection", "Stale Connection")
                return
            self.engine.ping()
            self._pinged_at = now
            self._awaits_pong = True
        self._arm_ping(self.gate.ping_interval_s)

    def on_pong(self) -> None:
        if self._awaits_pong:
            self.rtt_s = time.monotonic() - self._pinged_at
            self._awaits_pong = False

    # back-pressure

    def on_blocked(self, pending: int) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        if pending:
            self._sent = self._written
            self._goal = self._sent + pending
            self._write_timer = self._server.loop.call_later(
                self._server.options.write_deadline_s, self._on_write_deadline
            )
        elif self._slow_since:
            log.info("%s - Slow Consumer Recovered: it took %.3gs", self.peer, time.monotonic() - self._slow_since)
            self._slow_since = 0.0

    @property
    def _held(self) -> int:
        """Bytes that the engine is rid of, and the network has not got."""
        return self.stream.held if self.stream is not None else 0

    @property
    def _written(self) -> int:
        return self.engine.sent_bytes - self._held

    def _on_write_deadline(self) -> None:
        """What waited when writing began to block must be gone by now."""
        self._write_timer = None
        pending = self.engine.pending + self._held
        if self._written >= self._goal:
            self.on_blocked(pending)
            return
        options = self._server.options
        deadline = format_duration(round(options.write_deadline_s * 1e9))
        cause = f"WriteDeadline of {deadline} exceeded with {pending} bytes pending"
        if options.write_timeout == "retry" and self._written > self._sent:
            self._spare(cause)
        else:
            self.engine.cut("Slow Consumer (Write Deadline)", cause)

    def _count_as_slow(self) -> None:
        self._server.slow_consumers += 1
        if self.admission is not None:
            self.admission.account.slow_consumers += 1

    def _spare(self, cause: str) -> None:
        """The client is slow, but it reads: let it go on."""
        self._count_as_slow()
        log.info("%s - Slow Consumer %s: %s", self.peer, "State" if self._slow_since else "Detected", cause)
        self._slow_since = self._slow_since or time.monotonic()
        self.on_blocked(self.engine.pending + self._held)

    def on_stall(self, seconds: float) -> None:
        self._server.stalled_clients += 1
        self._server.loop.call_later(seconds, self.engine.resume)

    def on_output(self) -> None:
        if self.stream is not None:
            self.stream.flush()

    def on_reading(self, wanted: bool) -> None:
        if self.stream is not None:
            self.stream.read(wanted)


def _who(admission: Admission, connect: ConnectOptions) -> str:
    """Account and user as the log shows them; empty for somebody who did not say."""
    if connect.jwt and admission.claims is not None:
        user = f"jwt:{admission.claims.subject}"
    elif connect.nkey:
        user = f"nkey:{connect.nkey}"
    elif connect.user:
        user = f"user:{connect.user}"
    elif connect.auth_token:
        user = "token"
    else:  # the no_auth_user, or whom a certificate stands for
        user = f"user:{admission.user}" if admission.user else ""
    account = admission.account
    named = account.id if account.name == account.id else f"{account.id}/{account.name}"
    return f"{named}/{user}" if user else ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _shown(raw: bytes) -> str:
    """Bytes of a client as a log can hold them."""
    return raw.decode("utf-8", "backslashreplace")


_VIOLATIONS = {
    "publish": 'Publish Violation - Subject "{}"',
    "reply": 'Publish Violation - Reply "{}"',
    "subscribe": 'Subscription Violation - Subject "{}"',
    "tokens": 'Subscription Violation Too Many Tokens - Subject "{}"',
    "subscriptions": 'maximum subscriptions exceeded - Subject "{}"',
    "subject": 'Subscription Violation - Subject "{}" is not valid',
}

_FAULTS = frozenset(
    {"Protocol Violation", "Maximum Message Payload Exceeded", "Maximum Control Line Exceeded"},
)
"""Ends of a connection that are the doing of its program: the log says at its default level what it did."""
