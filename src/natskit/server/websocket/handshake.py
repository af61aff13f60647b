"""The HTTP request that asks for a WebSocket, and what it is answered. No sockets here.

Source: spec/server-protocol.md section 20; RFC 6455 section 4.2, RFC 7692 section 7.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
from msgspec import Struct

from natskit.errors import ProtocolError
from natskit.server.websocket.origin import check_origin

if TYPE_CHECKING:
    from natskit.server.options import WebSocket

__all__ = ["Refusal", "Request", "Upgrade", "upgrade"]

MAX_REQUEST = 64 * 1024
"""Bytes that a request may have. Cookies with tokens are the longest part of it."""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a key is hashed with (RFC 6455 section 1.3)."""

KEY_BYTES = 16
DEFLATE = "permessage-deflate"
AGREED = f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover"
NO_MASKING = "Nats-No-Masking"

_ELSEWHERE = {
    "/mqtt": "mqtt websocket endpoint not enabled",
    "/leafnode": "leafnode websocket endpoint not enabled",
}


class Refusal(ProtocolError):
    """A request that leads to no WebSocket. ``answer``: the HTTP response; empty: close in silence."""

    def __init__(self, message: str, status: HTTPStatus, *, understood: bool = True, silent: bool = False) -> None:
        super().__init__(message)
        self.answer = b"" if silent else _refused(status) if understood else _not_understood(status)


def _refused(status: HTTPStatus) -> bytes:
    from email.utils import formatdate

    body = f"{status.phrase}\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def _not_understood(status: HTTPStatus) -> bytes:
    line = f"{status.value} {status.phrase}"
    return (f"HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{line}").encode()


class Request:
    """A request that comes in pieces."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST)
        self._size = 0
        self.method = self.target = ""
        self.headers: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> bool:
        """Whether the request is complete. Raises Refusal."""
        self._size += len(data)
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:  # its text repeats the request, secrets and all
            raise _unreadable(error.error_status_hint) from None
        if event is h11.NEED_DATA:
            return False
        if not isinstance(event, h11.Request) or self._size > MAX_REQUEST:
            raise _unreadable(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not event.http_version.startswith(b"1."):
            raise _unreadable(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        self.method, self.target = event.method.decode("ascii"), event.target.decode("ascii", "replace")
        for name, value in event.headers:
            self.headers.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
        return True

    @property
    def rest(self) -> bytes:
        """What came behind it."""
        return self._connection.trailing_data[0]

    def header(self, name: str) -> str:
        """The first header of that name, empty if there is none. Names are in lower case."""
        return self.headers.get(name, [""])[0]

    def elements(self, name: str) -> Iterator[str]:
        """The parts, between commas, of all headers of that name."""
        for value in self.headers.get(name, []):
            yield from (part.strip() for part in value.split(","))

    def cookies(self) -> dict[str, str]:
        """The cookies by name; the first one of a name counts."""
        found: dict[str, str] = {}
        for value in self.headers.get("cookie", []):
            for part in value.split(";"):
                name, equals, content = part.strip().partition("=")
                if equals:
                    found.setdefault(name.strip(), _unquoted(content.strip()))
        return found


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _unreadable(status: int) -> Refusal:
    known = HTTPStatus(status)
    return Refusal(f"request is refused: {known.phrase}", known, understood=False)


class Upgrade(Struct, frozen=True, kw_only=True):
    """A request that is granted. ``answer``: the response.

    ``masked``: the client's frames are; ``deflate``: messages may be compressed; ``max_frame``: bytes of the frames
    that it is sent, 0: any; ``splits_deflated``: those of compressed messages too. ``credentials``: fields of CONNECT
    from cookies; ``forwarded_for``: the address that a proxy says the client has, for the log.
    """

    answer: bytes
    masked: bool = True
    deflate: bool = False
    max_frame: int = 0
    splits_deflated: bool = True
    credentials: dict[str, str] = {}
    forwarded_for: str = ""


BROWSER_FRAME = 4096
"""Bytes of a frame for browsers."""


def upgrade(request: Request, websocket: WebSocket, *, secure: bool) -> Upgrade:
    """What becomes of a request. ``secure``: it came over TLS. Raises Refusal."""
    key = _checked_key(request)
    try:
        check_origin(request.header("origin") or request.header("sec-websocket-origin"), request, websocket, secure)
    except ProtocolError as error:
        raise Refusal(f"origin not allowed: {error}", HTTPStatus.FORBIDDEN) from None
    if request.rest:
        raise Refusal("client sent data before handshake is complete", HTTPStatus.BAD_REQUEST, silent=True)
    masked = request.header("nats-no-masking") != "true"
    deflate = websocket.compression and _offers_deflate(request)
    agent = request.header("user-agent")
    return Upgrade(
        answer=_granted(key, websocket, masked=masked, deflate=deflate),
        masked=masked,
        deflate=deflate,
        max_frame=BROWSER_FRAME if agent.startswith("Mozilla/") else 0,
        splits_deflated=not ("Version/" in agent and "Safari/" in agent),
        credentials=_credentials(request, websocket),
        forwarded_for=_address(request.header("x-forwarded-for")),
    )


def _checked_key(request: Request) -> bytes:
    """The client's key, if the request is one for a WebSocket at all. Raises Refusal."""
    for suffix, reason in _ELSEWHERE.items():
        if request.target.partition("?")[0].endswith(suffix):
            raise Refusal(reason, HTTPStatus.NOT_FOUND)
    if request.method != "GET":
        raise Refusal("request method must be GET", HTTPStatus.METHOD_NOT_ALLOWED)
    if not request.header("host"):
        raise Refusal("'Host' missing in request", HTTPStatus.BAD_REQUEST)
    for name, wanted in (("Upgrade", "websocket"), ("Connection", "upgrade")):
        if wanted not in map(str.lower, request.elements(name.lower())):
            raise Refusal(f"invalid value for header '{name}'", HTTPStatus.BAD_REQUEST)
    key = request.header("sec-websocket-key")
    if not key:
        raise Refusal("key missing", HTTPStatus.BAD_REQUEST)
    if not _is_key(key):
        raise Refusal("invalid websocket key", HTTPStatus.BAD_REQUEST)
    if "13" not in request.elements("sec-websocket-version"):
        raise Refusal("invalid version", HTTPStatus.BAD_REQUEST)
    return key.encode()


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode(), validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _offers_deflate(request: Request) -> bool:
    offers = request.elements("sec-websocket-extensions")
    return DEFLATE in (offer.partition(";")[0].strip().lower() for offer in offers)


def _granted(key: bytes, websocket: WebSocket, *, masked: bool, deflate: bool) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if deflate:
        lines.append(f"Sec-WebSocket-Extensions: {AGREED}")
    if not masked:
        lines.append(f"{NO_MASKING}: true")
    lines += [f"{name}: {value}" for name, value in websocket.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _credentials(request: Request, websocket: WebSocket) -> dict[str, str]:
    """Fields of `ConnectOptions` by the cookies that stand for them."""
    names = {
        "jwt": websocket.jwt_cookie,
        "user": websocket.user_cookie,
        "password": websocket.pass_cookie,
        "auth_token": websocket.token_cookie,
    }
    if not any(names.values()):
        return {}
    cookies = request.cookies()
    return {field: cookies[name] for field, name in names.items() if cookies.get(name)}


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text and "%" not in text else ""
    except ValueError:
        return ""
