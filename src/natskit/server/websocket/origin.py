"""Which web pages may open a WebSocket: browsers say where a page came from.

Source: spec/server-protocol.md section 20, "Origin".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from natskit.errors import ProtocolError

if TYPE_CHECKING:
    from natskit.server.options import WebSocket
    from natskit.server.websocket.handshake import Request

__all__ = ["Origin", "check_origin"]

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """``https://example.com:8443``; the port is that of the scheme if there is none. Raises ProtocolError."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in _PORTS:
            raise ProtocolError(f'"{text}" is no origin')
        return cls(parts.scheme, host, port or _PORTS[parts.scheme])


def check_origin(text: str, request: Request, websocket: WebSocket, secure: bool) -> None:
    """Whether a page of origin ``text`` may connect; who is no browser says none. Raises ProtocolError."""
    if not text or not (websocket.same_origin or websocket.allowed_origins):
        return
    origin = Origin.parse(text)
    if websocket.same_origin and origin != Origin.parse(f"http{'s' * secure}://{request.header('host')}"):
        raise ProtocolError("not same origin")
    if websocket.allowed_origins and origin not in map(Origin.parse, websocket.allowed_origins):
        raise ProtocolError("not in the allowed list")
