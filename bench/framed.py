"""A socket that speaks WebSocket: what the benchmarks need of one."""

from __future__ import annotations

import base64
import os
import socket

from natskit.wire.frames import DATA, FrameDecoder

KEY = b"\x5a\xa5\x3c\xc3"


def framed(data: bytes) -> bytes:
    """One masked frame."""
    size = len(data)
    extra = 0 if size < 126 else 2 if size < 1 << 16 else 8
    head = bytes([0x82, 0x80 | {0: size, 2: 126, 8: 127}[extra]]) + (size.to_bytes(extra, "big") if extra else b"")
    keys = int.from_bytes((KEY * (size // 4 + 1))[:size], "big")
    return head + KEY + (int.from_bytes(data, "big") ^ keys).to_bytes(size, "big")


class FramedSocket:
    """Stands for a socket whose bytes travel in frames. ``raw``: the socket, for frames that are made already."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self._decoder = FrameDecoder(masked=False)
        self._kept = b""
        self._shake_hands()

    def _shake_hands(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ("Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        request = "\r\n".join(["GET / HTTP/1.1", *lines, f"Sec-WebSocket-Key: {key}", "", ""])
        self.raw.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.raw.recv(65536)
        self._kept = self._payload(bytearray(answer.partition(b"\r\n\r\n")[2]))

    def _payload(self, data: bytearray | memoryview) -> bytes:
        return b"".join(bytes(payload) for kind, payload in self._decoder.feed(data) if kind == DATA)

    def sendall(self, data: bytes) -> None:
        self.raw.sendall(framed(data))

    def recv(self, size: int) -> bytes:
        """What was said; empty at the end of the connection only."""
        said, self._kept = self._kept, b""
        while not said:
            piece = bytearray(self.raw.recv(size))
            if not piece:
                return b""
            said = self._payload(piece)
        return said

    def recv_into(self, buffer: bytearray) -> int:
        """How many bytes of what was said came; they are not kept. Raises BlockingIOError if none did."""
        got = self.raw.recv_into(buffer)
        if not got:
            return 0
        said = sum(len(payload) for kind, payload in self._decoder.feed(memoryview(buffer)[:got]) if kind == DATA)
        if not said:
            raise BlockingIOError
        return said

    def setblocking(self, flag: bool) -> None:
        self.raw.setblocking(flag)

    def fileno(self) -> int:
        return self.raw.fileno()

    def close(self) -> None:
        self.raw.close()
