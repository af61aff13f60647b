"""What goes out over a WebSocket, and inflating what came in; `natskit.wire.frames` reads frames.

Source: spec/server-protocol.md section 20; RFC 6455 sections 5 and 7.4, RFC 7692 section 7.2.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from natskit.errors import ProtocolError

if TYPE_CHECKING:
    from natskit.server.websocket.handshake import Upgrade

__all__ = ["Deflater", "Framer", "close_frame", "close_of", "inflate", "pong_frame", "reply_to_close"]

CONTINUATION, BINARY, CLOSE, PONG = 0x0, 0x2, 0x8, 0xA
FINAL, COMPRESSED = 0x80, 0x40
MIN_DEFLATED = 64
"""Up to so many bytes are not compressed."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_TEXT, POLICY, TOO_BIG, INTERNAL, TLS = (
    *(1000, 1001, 1002, 1007, 1008, 1009, 1011),
    1015,
)
_STATUS = {
    "Client Closed": NORMAL,
    "Write Error": GOING_AWAY,
    "Read Error": GOING_AWAY,
    "Stale Connection": GOING_AWAY,
    "Server Shutdown": GOING_AWAY,
    "Parse Error": PROTOCOL_ERROR,
    "Protocol Violation": PROTOCOL_ERROR,
    "Bad Client Protocol Version": PROTOCOL_ERROR,
    "Authentication Timeout": POLICY,
    "Authentication Failure": POLICY,
    "Slow Consumer (Pending Bytes)": POLICY,
    "Slow Consumer (Write Deadline)": POLICY,
    "Maximum Connections Exceeded": POLICY,
    "Maximum Account Connections Exceeded": POLICY,
    "Maximum Control Line Exceeded": POLICY,
    "Maximum Subscriptions Exceeded": POLICY,
    "Missing Account": POLICY,
    "Authentication Expired": POLICY,
    "Credentials Revoked": POLICY,
    "Maximum Message Payload Exceeded": TOO_BIG,
    "TLS Handshake Failure": TLS,
}
"""Status of the close frame by the reason for closing; any other reason: `INTERNAL`."""

_UNSENDABLE = (1004, 1005, 1006, 1015)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def pong_frame(payload: bytes) -> bytes:
    return _frame(FINAL | PONG, payload)


def close_frame(payload: bytes) -> bytes:
    return _frame(FINAL | CLOSE, payload)


def close_of(reason: str) -> bytes:
    """The payload of the close frame for a reason as in connz."""
    return _STATUS.get(reason, INTERNAL).to_bytes(2, "big") + reason.encode()


def reply_to_close(payload: bytes) -> bytes:
    """What a close frame of the client is answered with. Raises ProtocolError if it is not valid."""
    if not payload:
        return b""
    status = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (1000 <= status < 1016 or 3000 <= status < 5000) or status in _UNSENDABLE:
        raise ProtocolError("invalid close status")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return INVALID_TEXT.to_bytes(2, "big") + b"invalid utf8 body in close frame"
    return payload


class Framer:
    """Puts what the protocol says into frames, as was agreed."""

    def __init__(self, agreed: Upgrade, deflater: Deflater) -> None:
        self._deflater = deflater if agreed.deflate else None
        self._limit = agreed.max_frame
        self._deflated_limit = agreed.max_frame if agreed.splits_deflated else 0

    def frames(self, data: bytes) -> bytes:
        if self._deflater is not None and len(data) > MIN_DEFLATED:
            return _message(self._deflater.deflate(data), COMPRESSED, self._deflated_limit)
        if self._limit and len(data) > self._limit:
            return b"".join(_frame(FINAL | BINARY, piece) for piece in _pieces(data, self._limit))
        return _frame(FINAL | BINARY, data)


def _message(data: bytes, flags: int, limit: int) -> bytes:
    """One message, in as many frames as it takes."""
    if not limit or len(data) <= limit:
        return _frame(FINAL | flags | BINARY, data)
    first, *between, last = _pieces(data, limit)
    frames = [_frame(flags | BINARY, first), *(_frame(CONTINUATION, piece) for piece in between)]
    return b"".join((*frames, _frame(FINAL | CONTINUATION, last)))


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


# Compression. Every message stands alone: no side keeps what it needs to read the next one.

_FASTEST, _RAW = 1, -15
_SYNC = b"\x00\x00\xff\xff"
_END = b"\x01\x00\x00\xff\xff"
"""An empty last block, so that the end of a message can be told from one that breaks off."""


class Deflater:
    """Compresses messages of all clients of a listener.

    Making a compressor takes longer than most messages do; after a full flush one begins anew.
    """

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, _RAW)

    def deflate(self, data: bytes) -> bytes:
        compressed = self._compressor.compress(data) + self._compressor.flush(zlib.Z_FULL_FLUSH)
        return compressed.removesuffix(_SYNC)


def inflate(data: bytes, limit: int) -> bytes:
    """The message that was compressed. Raises ProtocolError if it is broken, or longer than ``limit``."""
    decompressor = zlib.decompressobj(_RAW)
    try:
        plain = decompressor.decompress(data + _SYNC + _END, limit + 1)
    except zlib.error:
        raise ProtocolError("compressed message is corrupt") from None
    if len(plain) > limit:
        raise ProtocolError("maximum payload exceeded")
    if not decompressor.eof:
        raise ProtocolError("compressed message breaks off")
    return plain
