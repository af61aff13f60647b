"""How an accepted socket becomes a WebSocket client: TLS, then the HTTP request, then frames.

Source: spec/server-protocol.md section 20.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from natskit.errors import Error, VerifyError
from natskit.server.door import READ_BYTES, TLS_HANDSHAKE, Door, first_bytes
from natskit.server.tls import Secured, certificate_names
from natskit.server.websocket.frames import Deflater
from natskit.server.websocket.handshake import Refusal, Request, upgrade
from natskit.server.websocket.stream import WebSocketStream

if TYPE_CHECKING:
    from natskit.server.auth import CertificateNames
    from natskit.server.options import WebSocket
    from natskit.server.server import Server

__all__ = ["WebSocketDoor"]

log = logging.getLogger(__name__)

MAX_HANDSHAKES = 4096
"""How many clients may be on their way in; with their requests they need 256 MB at most."""

LINGER_S = 1.0
"""How long a refused client has to read why."""

NO_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
_HTTP = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")


class WebSocketDoor(Door):
    """Lets clients in over WebSocket."""

    def __init__(self, server: Server, websocket: WebSocket) -> None:
        super().__init__(server)
        self.deflater = Deflater()
        self.handshakes: set[Handshake] = set()
        self.websocket = websocket
        self.prepare(websocket)()

    def prepare(self, websocket: WebSocket) -> Callable[[], None]:
        """Get ready for these settings; what is returned puts them in force for new connections. Raises ServerError."""
        use_tls = self.prepare_tls(websocket.tls)

        def use() -> None:
            use_tls()
            self.websocket = websocket

        return use

    def enter(self, accepted: socket.socket, address: tuple[str, int]) -> None:
        """Take over an accepted socket."""
        if len(self._tasks) + len(self.handshakes) >= MAX_HANDSHAKES:
            log.error("%s:%d - too many websocket handshakes at once", *address)
            accepted.close()
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.spawn(self._enter(accepted, address))

    async def close(self) -> None:
        await super().close()
        for handshake in tuple(self.handshakes):
            handshake.give_up()

    async def _enter(self, accepted: socket.socket, address: tuple[str, int]) -> None:
        tls = self.tls
        timeout_s = tls.timeout_s if tls is not None else None
        try:
            if tls is not None:
                await self._await_tls(accepted, tls.timeout_s)
            await self.server.loop.connect_accepted_socket(
                lambda: Handshake(self, address), accepted, ssl=self.context, ssl_handshake_timeout=timeout_s
            )
        except (OSError, TimeoutError, Error) as error:
            log.debug("%s:%d - TLS handshake error: %s", *address, error)
            accepted.close()
        except BaseException:
            accepted.close()
            raise

    async def _await_tls(self, accepted: socket.socket, timeout_s: float) -> None:
        """Wait for a client that speaks TLS; tell one that speaks HTTP. Raises ConnectionError, TimeoutError."""
        async with asyncio.timeout(timeout_s):
            first = await first_bytes(self.server.loop, accepted, len(_HTTP[0]))
            if first[0] == TLS_HANDSHAKE:
                return
            accepted.recv(READ_BYTES)  # what is left unread would break the connection before the answer is there
            if first in _HTTP:
                await self.server.loop.sock_sendall(accepted, NO_TLS)
        raise ConnectionError("client does not speak TLS")


class Handshake(asyncio.BufferedProtocol):
    """Reads the request of a client that is not one yet."""

    def __init__(self, door: WebSocketDoor, address: tuple[str, int]) -> None:
        self._door = door
        self._address = address
        self._request: Request | None = Request()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self._secured: Secured | None = None
        self._names: CertificateNames | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        door = self._door
        self._transport = cast(asyncio.Transport, transport)
        door.handshakes.add(self)
        self._timer = door.server.loop.call_later(door.websocket.handshake_timeout_s, self.give_up)
        handshake: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if handshake is None:
            return
        self._secured, self._names = Secured.after(handshake, first=False), certificate_names(handshake)
        try:
            door.check_pins(self._secured)
        except VerifyError as error:
            log.error("%s:%d - TLS handshake error: %s", *self._address, error)
            self.give_up()

    def give_up(self) -> None:
        self._request = None
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._door.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._request is None:
            return
        try:
            if self._request.feed(bytes(self._door.buffer[:nbytes])):
                self._upgrade(self._request)
        except Refusal as error:
            log.error("%s:%d - websocket handshake error: %s", *self._address, error.message)
            self._refuse(error.answer)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._door.handshakes.discard(self)

    def _refuse(self, answer: bytes) -> None:
        """Answer; what still comes is read and passed over, so that the answer is not lost."""
        self._request = None
        self._timer.cancel()
        if not answer or not self._transport.can_write_eof():
            self._transport.write(answer)
            self._transport.close()
            return
        self._transport.write(answer)
        self._transport.write_eof()
        self._timer = self._door.server.loop.call_later(LINGER_S, self.give_up)

    def _upgrade(self, request: Request) -> None:
        """Go on as a client. Raises Refusal."""
        door = self._door
        agreed = upgrade(request, door.websocket, secure=self._secured is not None)
        self._request = None
        self._timer.cancel()
        self._transport.write(agreed.answer)
        client = door.server.receive(
            self._address,
            connection_type="WEBSOCKET",
            certificate=self._names,
            forwarded_for=agreed.forwarded_for,
        )
        client.secured = self._secured
        client.credentials = agreed.credentials
        door.server.hub.adopt(client.engine)
        door.handshakes.discard(self)
        WebSocketStream(door, client, agreed).take_over(self._transport)
        client.begin()
