"""How a connection that was accepted becomes a client: in clear text, or over TLS in one of its modes.

Source: server-protocol.md sections 1 and 16.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.errors import Error, VerifyError
from natskit.server.auth import CertificateNames
from natskit.server.stream import Stream
from natskit.server.tls import Secured, certificate_end, check_pins, server_context

if TYPE_CHECKING:
    from natskit.server.connection import Client
    from natskit.server.options import Tls
    from natskit.server.server import Server

__all__ = ["TlsDoor"]

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
TLS_HANDSHAKE = 0x16
"""The first byte of a client that speaks TLS."""

TOO_MANY_HANDSHAKES = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
RATE_WINDOW_S = 1.0


class TlsDoor:
    """Lets clients in over TLS. Several handshakes run at a time; `close` ends them."""

    def __init__(self, server: Server, tls: Tls, optional: bool) -> None:
        self._server = server
        self._optional = optional
        self._tasks: set[asyncio.Task[None]] = set()
        self._buffer = memoryview(bytearray(READ_BYTES))  # shared: it is empty again after each read
        self._window_end = 0.0
        self._begun = self._rejected = 0
        self._context: ssl.SSLContext
        self._tls: Tls
        self.certificate_ends_at: float | None
        self.prepare(tls)()

    def prepare(self, tls: Tls) -> Callable[[], None]:
        """Get ready for these settings; what is returned puts them in force for new connections. Raises ServerError."""
        context, end = server_context(tls), certificate_end(tls)

        def use() -> None:
            self._context, self._tls, self.certificate_ends_at = context, tls, end
            if tls.handshake_first_s == 0:
                log.warning('Clients that are not using "TLS Handshake First" option will fail to connect')

        return use

    def judge_again(self, client: Client) -> None:
        """The settings changed: close a client whose certificate is not among the pinned ones any more."""
        if client.secured is None:
            return
        try:
            check_pins(client.secured.certificate, self._tls.pinned_certs)
        except VerifyError as error:
            log.error("%s - TLS: %s", client.peer, error)
            client.close("TLS Handshake Failure")

    def enter(self, client: Client, accepted: socket.socket) -> None:
        """Take over an accepted socket."""
        task = self._server.loop.create_task(self._enter(client, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _enter(self, client: Client, accepted: socket.socket) -> None:
        try:
            if await self._greet(client, accepted):
                await self._shake_hands(client, accepted)
            else:
                self._server.attach(client, accepted)
                client.begin()
        except (OSError, TimeoutError, Error) as error:
            level = logging.ERROR if _is_about_trust(error) else logging.DEBUG
            log.log(level, "%s - TLS handshake error: %s", client.peer, error)
            accepted.close()
            client.engine.cut("TLS Handshake Failure", str(error))
        except asyncio.CancelledError:
            accepted.close()
            client.engine.cut("Server Shutdown")
            raise

    async def _greet(self, client: Client, accepted: socket.socket) -> bool:
        """Send INFO at the right moment; whether TLS follows."""
        first = self._tls.handshake_first_s
        if first is not None and (first == 0 or await self._speaks(accepted, first)):
            return True
        await self._server.loop.sock_sendall(accepted, self._server.info_for(client).line())
        if self._is_throttled():
            await self._server.loop.sock_sendall(accepted, TOO_MANY_HANDSHAKES)
            raise ConnectionError("too many handshakes at once")
        client.greeted = True
        return not self._optional or await self._wants_tls(accepted)

    async def _shake_hands(self, client: Client, accepted: socket.socket) -> None:
        await self._server.loop.connect_accepted_socket(
            lambda: Stream(client, self._buffer, lambda transport: self._check(client, transport)),
            accepted,
            ssl=self._context,
            ssl_handshake_timeout=self._tls.timeout_s,
        )

    def _check(self, client: Client, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: look at the certificate of the client. Raises VerifyError."""
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        client.secured = Secured.after(secured, first=not client.greeted)
        try:
            check_pins(client.secured.certificate, self._tls.pinned_certs)
        except VerifyError as error:
            log.error("%s - TLS handshake error: %s", client.peer, error)
            raise
        if shown := secured.getpeercert():
            client.peer = replace(client.peer, certificate=CertificateNames.from_ssl(shown))

    async def _wants_tls(self, accepted: socket.socket) -> bool:
        """Whether the client begins with TLS. One silent for long is served in clear text, with its timers."""
        try:
            async with asyncio.timeout(self._tls.timeout_s):
                return await self._first_byte(accepted) == TLS_HANDSHAKE
        except TimeoutError:
            return False

    async def _speaks(self, accepted: socket.socket, seconds: float) -> bool:
        """Whether the client says something in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._first_byte(accepted)
        except TimeoutError:
            return False
        return True

    async def _first_byte(self, accepted: socket.socket) -> int:
        """The first byte that comes, left where it is. Raises ConnectionError if none does."""
        loop = self._server.loop
        ready = asyncio.Event()
        loop.add_reader(accepted.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(accepted.fileno())
        first = accepted.recv(1, socket.MSG_PEEK)
        if not first:
            raise ConnectionError("the client is gone")
        return first[0]

    def _is_throttled(self) -> bool:
        """Count a handshake; whether there were too many in this second."""
        limit = self._tls.connection_rate_limit
        now = self._server.loop.time()
        if now >= self._window_end:
            if self._rejected:
                log.warning("Rejected %d connections due to TLS rate limiting", self._rejected)
            self._window_end = now + RATE_WINDOW_S
            self._begun = self._rejected = 0
        self._begun += 1
        throttled = 0 < limit < self._begun
        self._rejected += throttled
        return throttled


def _is_about_trust(error: Exception) -> bool:
    """Whether a handshake failed for a certificate, and not for what is no TLS, or for silence."""
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return "CERTIFICATE" in (reason or "")
