"""A raw WebSocket client: requests and frames as they are written, answers as they come."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import zlib

DEADLINE_S = 5.0
KEY = base64.b64encode(b"0123456789abcdef").decode()
MASK = b"\x01\x82\x03\xf4"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate"}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}
SAFARI = {"User-Agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15"}


def request(
    path: str = "/", *, method: str = "GET", version: str = "1.1", without: tuple[str, ...] = (), **headers: str
) -> bytes:
    """An HTTP request that asks for a WebSocket; ``_`` in names of further headers stands for ``-``."""
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name not in without)
    return f"{method} {path} HTTP/{version}\r\n{told}\r\n".encode("latin-1")


def frame(
    data: bytes, opcode: int = BINARY, *, fin: bool = True, rsv: int = 0, masked: bool = True, size: int | None = None
) -> bytes:
    """A frame; ``size``: bytes that its length is written with (0, 2, 8), the fewest if not said."""
    count = len(data)
    size = (0 if count < 126 else 2 if count < 1 << 16 else 8) if size is None else size
    short = count if size == 0 else 126 if size == 2 else 127
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | short]) + (count.to_bytes(size, "big") if size else b"")
    if not masked:
        return head + data
    keys = int.from_bytes((MASK * (count // 4 + 1))[:count], "big")
    return head + MASK + (int.from_bytes(data, "big") ^ keys).to_bytes(count, "big")


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def inflated(data: bytes) -> bytes:
    """Raises if the message does not stand alone."""
    return zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")


class RawWebSocket:
    """One connection. ``answer``: the HTTP response; ``said``: what the protocol inside said; ``frames``: opcode, size,
    FIN and RSV1 of each frame that came; ``pongs``, ``goodbye``: payloads of control frames."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.answer = self.said = b""
        self.frames: list[tuple[int, int, bool, bool]] = []
        self.pongs: list[bytes] = []
        self.goodbye: bytes | None = None
        self.ended = False
        self._unread = self._message = b""
        self._deflated = False
        self._syncs = 0

    @classmethod
    def open(cls, port: int, context: ssl.SSLContext | None = None, **headers: str) -> RawWebSocket:
        """Connect, shake hands, and wait for INFO."""
        client = cls(port, context)
        client.shake(request(**headers))
        assert client.answer.startswith(b"HTTP/1.1 101 "), client.answer
        client.until(lambda: client.said.endswith(b"\r\n"))
        return client

    def shake(self, data: bytes) -> None:
        """Send a request and read the response."""
        self.send(data)
        while b"\r\n\r\n" not in self._unread and self._receive():
            pass
        head, blank, self._unread = self._unread.partition(b"\r\n\r\n")
        self.answer = head + blank
        if not head.startswith(b"HTTP/1.1 101 "):
            while self._receive():
                pass
            self.answer, self._unread = self.answer + self._unread, b""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.sock.sendall(data)

    def until(self, done) -> None:
        """Read until ``done()``, or the end of the connection."""
        while not done() and not self.ended:
            self._read_frames()
            if not done():
                self._receive()

    def sync(self) -> None:
        """Wait until all that was sent has been dealt with."""
        self._syncs += 1
        sid = b"sync%d" % self._syncs
        verbs = b"SUB %b 1%b\r\nPUB %b 0\r\n\r\n" % (sid, sid, sid)
        self.send(frame(verbs, masked=b"Nats-No-Masking" not in self.answer))
        self.until(lambda: b"MSG %b 1%b 0\r\n\r\n" % (sid, sid) in self.said)

    def expect_end(self) -> None:
        self.until(lambda: False)

    def close(self) -> None:
        self.sock.close()

    def _receive(self) -> bool:
        try:
            piece = self.sock.recv(1 << 20)
        except TimeoutError:
            raise AssertionError(f"no answer in {DEADLINE_S} s; so far: {self.answer!r} {self.said[-300:]!r}") from None
        except (ConnectionError, ssl.SSLError):
            piece = b""
        self._unread += piece
        self.ended = not piece
        return bool(piece)

    def _read_frames(self) -> None:
        while len(self._unread) >= 2:
            first, second = self._unread[:2]
            assert not second & 0x80, "frames of servers are not masked"
            size, at = second & 0x7F, 2
            if size > 125:
                at = 4 if size == 126 else 10
                size = int.from_bytes(self._unread[2:at], "big")
            if len(self._unread) < at + size:
                return
            payload, self._unread = self._unread[at : at + size], self._unread[at + size :]
            self._on_frame(first & 0xF, bool(first & 0x80), bool(first & 0x40), payload)

    def _on_frame(self, opcode: int, fin: bool, rsv1: bool, payload: bytes) -> None:
        self.frames.append((opcode, len(payload), fin, rsv1))
        if opcode == PONG:
            self.pongs.append(payload)
        elif opcode == CLOSE:
            self.goodbye = payload
        else:
            assert opcode in (0, BINARY)
            self._message += payload
            self._deflated |= rsv1
            if fin:
                self.said += inflated(self._message) if self._deflated else self._message
                self._message, self._deflated = b"", False
