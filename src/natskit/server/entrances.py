"""Where clients come in: the listeners, and the doors behind them that shake hands first."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from natskit.server.listener import Listener, bracketed

if TYPE_CHECKING:
    from natskit.server.connection import Client
    from natskit.server.door import TcpDoor
    from natskit.server.options import Options, WebSocket
    from natskit.server.server import Server
    from natskit.server.websocket import WebSocketDoor

__all__ = ["Entrances"]

log = logging.getLogger(__name__)


class Entrances:
    """One listener for TCP and TLS, and one for WebSocket if that is wanted.

    ``port``: of TCP and TLS; ``websocket_port``: 0 if there is none. Both are real once `open` has returned.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._listener: Listener | None = None
        self._websocket_listener: Listener | None = None
        self._door: TcpDoor | None = None
        self.websocket: WebSocketDoor | None = None

    @property
    def port(self) -> int:
        return self._listener.port if self._listener is not None else self._server.options.port

    @property
    def websocket_port(self) -> int:
        if self._websocket_listener is not None:
            return self._websocket_listener.port
        websocket = self._server.options.websocket
        return websocket.port if websocket is not None else 0

    @property
    def certificate_ends_at(self) -> float | None:
        """When the certificate that clients are shown ends, in Unix seconds; None if there is none."""
        return self._door.certificate_ends_at if self._door is not None else None

    @property
    def websocket_certificate_ends_at(self) -> float | None:
        """The same for WebSocket clients."""
        return self.websocket.certificate_ends_at if self.websocket is not None else None

    def open(self, options: Options) -> None:
        """Listen. Raises ServerError if an address or a certificate cannot be had."""
        if options.tls is not None or options.proxy_protocol:
            from natskit.server.door import TcpDoor

            self._door = TcpDoor(
                self._server, options.tls, optional=options.allow_non_tls, proxied=options.proxy_protocol
            )
        self._listener = Listener(options.host, options.port, self.enter)
        self._listener.start(self._server.loop)
        if options.websocket is not None:
            self._open_websocket(options.websocket)

    def _open_websocket(self, websocket: WebSocket) -> None:
        from natskit.server.websocket import WebSocketDoor

        self.websocket = WebSocketDoor(self._server, websocket)
        self._websocket_listener = Listener(websocket.host, websocket.port, self.websocket.enter)
        self._websocket_listener.start(self._server.loop)

    def announce(self, options: Options) -> None:
        """Log who may come in, and where."""
        if options.websocket is not None:
            self._announce_websocket(options.websocket)
        log.info("Listening for client connections on %s:%d", bracketed(options.host), self.port)
        if options.proxy_protocol:
            log.info("PROXY protocol enabled for client connections")
        if options.tls is not None:
            log.info("TLS %s for client connections", "available" if options.allow_non_tls else "required")

    def _announce_websocket(self, websocket: WebSocket) -> None:
        scheme = "ws" if websocket.tls is None else "wss"
        host = bracketed(websocket.host)
        log.info("Listening for websocket clients on %s://%s:%d", scheme, host, self.websocket_port)
        if websocket.takes_cookies and not (websocket.same_origin or websocket.allowed_origins):
            log.warning("Websocket takes cookies from any page: set same_origin or allowed_origins")
        if websocket.tls is None:
            log.warning("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!")

    def enter(self, accepted: socket.socket, address: tuple[str, int]) -> None:
        """Take over an accepted socket of the listener for TCP and TLS."""
        server = self._server
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = server.receive(address)
        if self._door is not None and not client.surplus:
            server.hub.adopt(client.engine)
            self._door.enter(client, accepted)
        elif server.attach(client, accepted):
            client.begin()

    def prepare(self, options: Options) -> list[Callable[[], None]]:
        """Get ready for these settings; what is returned puts them in force for new clients. Raises ServerError."""
        prepared = []
        if self._door is not None and options.tls is not None:
            prepared.append(self._door.prepare(options.tls))
        if self.websocket is not None and options.websocket is not None:
            prepared.append(self.websocket.prepare(options.websocket))
        return prepared

    def judge_again(self, client: Client) -> None:
        """The settings changed: close a client that would not come in by them any more."""
        door = self.websocket if client.peer.connection_type == "WEBSOCKET" else self._door
        if door is not None:
            door.judge_again(client)

    def stop(self) -> None:
        """Take no new clients from now on. Idempotent."""
        for listener in (self._listener, self._websocket_listener):
            if listener is not None:
                listener.stop()

    async def close(self) -> None:
        """The same, and end handshakes that are under way."""
        self.stop()
        for door in (self._door, self.websocket):
            if door is not None:
                await door.close()
        self._door = self.websocket = None
