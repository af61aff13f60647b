"""How a connection that has to be spoken to first becomes a client: over TLS in one of its modes, or behind a proxy.

WebSocket has a door of its own (:mod:`natskit.server.websocket`). Source: server-protocol.md sections 1, 16 and 22.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from natskit.errors import Error, ProtocolError, VerifyError
from natskit.server.proxy import MAX_HEADER, Origin, read_header
from natskit.server.stream import Stream
from natskit.server.tls import Secured, certificate_end, certificate_names, check_pins, server_context

if TYPE_CHECKING:
    from natskit.server.connection import Client
    from natskit.server.options import Tls
    from natskit.server.server import Server

__all__ = ["Door", "TcpDoor", "first_bytes", "readable"]

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
TLS_HANDSHAKE = 0x16
"""The first byte of a client that speaks TLS."""

TOO_MANY_HANDSHAKES = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
RATE_WINDOW_S = 1.0

PROXY_TIMEOUT_S = 5.0
"""How long a proxy, or a client that comes without one, has for its first bytes."""


class Door:
    """Shakes hands with clients, several at a time, before they are let in; `close` ends what is under way.

    ``tls`` None: in clear text. ``buffer`` is for what its streams read, empty again after each read.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.tls: Tls | None = None
        self.context: ssl.SSLContext | None = None
        self.certificate_ends_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare_tls(self, tls: Tls | None) -> Callable[[], None]:
        """Get ready for these settings; what is returned puts them in force for new connections. Raises ServerError."""
        context, end = (server_context(tls), certificate_end(tls)) if tls is not None else (None, None)

        def use() -> None:
            self.context, self.tls, self.certificate_ends_at = context, tls, end

        return use

    def check_pins(self, secured: Secured | None) -> None:
        """Raises VerifyError if certificates are pinned and that of the client is none of them."""
        if secured is not None and self.tls is not None:
            check_pins(secured.certificate, self.tls.pinned_certs)

    def judge_again(self, client: Client) -> None:
        """The settings changed: close a client whose certificate is not among the pinned ones any more."""
        try:
            self.check_pins(client.secured)
        except VerifyError as error:
            log.error("%s - TLS: %s", client.peer, error)
            client.close("TLS Handshake Failure")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Speak to a client, until `close`."""
        task = self.server.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End handshakes that are under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class TcpDoor(Door):
    """Lets clients in over TLS (None: in clear text), ``optional`` or not, and ``proxied`` or directly."""

    def __init__(self, server: Server, tls: Tls | None, *, optional: bool = False, proxied: bool = False) -> None:
        super().__init__(server)
        self._optional = optional
        self._proxied = proxied
        self._window_end = 0.0
        self._begun = self._rejected = 0
        if tls is not None:
            self.prepare(tls)()

    def prepare(self, tls: Tls) -> Callable[[], None]:
        """Get ready for these settings; what is returned puts them in force for new connections. Raises ServerError."""
        use_tls = self.prepare_tls(tls)

        def use() -> None:
            use_tls()
            if tls.handshake_first_s == 0:
                log.warning('Clients that are not using "TLS Handshake First" option will fail to connect')

        return use

    def enter(self, client: Client, accepted: socket.socket) -> None:
        """Take over an accepted socket."""
        self.spawn(self._enter(client, accepted))

    async def _enter(self, client: Client, accepted: socket.socket) -> None:
        try:
            await self._admit(client, accepted)
        except ProtocolError as error:
            log.warning("%s - Error reading PROXY protocol header: %s", client.peer, error)
            accepted.close()
            client.engine.cut("Protocol Violation", str(error))
        except (OSError, TimeoutError, Error) as error:
            level = logging.ERROR if _is_about_trust(error) else logging.DEBUG
            log.log(level, "%s - TLS handshake error: %s", client.peer, error)
            accepted.close()
            client.engine.cut("TLS Handshake Failure", str(error))
        except asyncio.CancelledError:
            accepted.close()
            client.engine.cut("Server Shutdown")
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this connection only
            accepted.close()
            client.crashed(error)

    async def _admit(self, client: Client, accepted: socket.socket) -> None:
        tls = self.tls
        first = tls.handshake_first_s if tls is not None else None
        early = b""
        if tls is not None and first is not None and (first == 0 or await self._speaks(accepted, first)):
            early = await self._introduce(client, accepted)
            if first == 0 or early or await self._speaks(accepted, first):
                await self._shake_hands(client, accepted, tls, early)
                return
        await self._greet(client, accepted)
        early = early or await self._introduce(client, accepted)
        if tls is not None and not (self._optional and (early or not await self._wants_tls(accepted, tls))):
            await self._shake_hands(client, accepted, tls, early)
        else:
            self._serve(client, accepted, early)

    async def _greet(self, client: Client, accepted: socket.socket) -> None:
        """Send INFO."""
        await self.server.loop.sock_sendall(accepted, client.gate.greeting(client).line())
        client.greeted = True

    def _serve(self, client: Client, accepted: socket.socket, early: bytes) -> None:
        """Go on in clear text, with what came already."""
        _refuse_closed(client)
        if self.server.attach(client, accepted):
            client.begin()
            if early:
                client.engine.feed(early)

    async def _introduce(self, client: Client, accepted: socket.socket) -> bytes:
        """Learn from a proxy where the client is; returns what was read and is no header. Raises ProtocolError."""
        if not self._proxied or client.introduced:
            return b""
        try:
            async with asyncio.timeout(PROXY_TIMEOUT_S):
                origin, early = await self._origin(accepted)
        except TimeoutError:
            raise ProtocolError(f"nothing, or no whole header, came in {PROXY_TIMEOUT_S:g} s") from None
        if origin.host:
            client.peer = replace(client.peer, host=origin.host, port=origin.port)
        client.introduced = True
        return early

    async def _origin(self, accepted: socket.socket) -> tuple[Origin, bytes]:
        """Read a header and not a byte more, unless there is none: then what was read for one comes back."""
        taken = b""
        while True:
            await readable(self.server.loop, accepted)
            seen = accepted.recv(MAX_HEADER - len(taken), socket.MSG_PEEK)
            if not seen:
                raise ConnectionError("the client is gone")
            origin = read_header(taken + seen)
            if origin is None:
                taken += accepted.recv(len(seen))  # waiting for more would not wait with this unread
                continue
            accepted.recv(max(origin.size - len(taken), 0))
            return origin, taken if origin.size == 0 else b""

    async def _shake_hands(self, client: Client, accepted: socket.socket, tls: Tls, early: bytes) -> None:
        _refuse_closed(client)
        if early:
            raise ConnectionError("the client does not speak TLS")
        if self._is_throttled(tls.connection_rate_limit):
            await self.server.loop.sock_sendall(accepted, TOO_MANY_HANDSHAKES)
            raise ConnectionError("too many handshakes at once")
        await self.server.loop.connect_accepted_socket(
            lambda: Stream(client, self.buffer, self.server.streams, lambda transport: self._check(client, transport)),
            accepted,
            ssl=self.context,
            ssl_handshake_timeout=tls.timeout_s,
        )

    def _check(self, client: Client, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: look at the certificate of the client. Raises VerifyError."""
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        client.secured = Secured.after(secured, first=not client.greeted)
        try:
            self.check_pins(client.secured)
        except VerifyError as error:
            log.error("%s - TLS handshake error: %s", client.peer, error)
            raise
        client.peer = replace(client.peer, certificate=certificate_names(secured))

    async def _wants_tls(self, accepted: socket.socket, tls: Tls) -> bool:
        """Whether the client begins with TLS. One silent for long is served in clear text, with its timers."""
        try:
            async with asyncio.timeout(tls.timeout_s):
                return (await first_bytes(self.server.loop, accepted))[0] == TLS_HANDSHAKE
        except TimeoutError:
            return False

    async def _speaks(self, accepted: socket.socket, seconds: float) -> bool:
        """Whether the client says something in that time."""
        try:
            async with asyncio.timeout(seconds):
                await first_bytes(self.server.loop, accepted)
        except TimeoutError:
            return False
        return True

    def _is_throttled(self, limit: int) -> bool:
        """Count a handshake; whether there were too many in this second."""
        now = self.server.loop.time()
        if now >= self._window_end:
            if self._rejected:
                log.warning("Rejected %d connections due to TLS rate limiting", self._rejected)
            self._window_end = now + RATE_WINDOW_S
            self._begun = self._rejected = 0
        self._begun += 1
        throttled = 0 < limit < self._begun
        self._rejected += throttled
        return throttled


async def readable(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
    """Return when there is something to read, or the end."""
    ready = asyncio.Event()
    loop.add_reader(accepted.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(accepted.fileno())


async def first_bytes(loop: asyncio.AbstractEventLoop, accepted: socket.socket, count: int = 1) -> bytes:
    """The first bytes that come, at most ``count``, left where they are. Raises ConnectionError if none do."""
    await readable(loop, accepted)
    first = accepted.recv(count, socket.MSG_PEEK)
    if not first:
        raise ConnectionError("the client is gone")
    return first


def _refuse_closed(client: Client) -> None:
    if client.engine.closing:
        raise ConnectionError("closed before it was let in")


def _is_about_trust(error: Exception) -> bool:
    """Whether a handshake failed for a certificate, and not for what is no TLS, or for silence."""
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return "CERTIFICATE" in (reason or "")
