"""Plays the same bytes to two servers and keeps what comes back.

A step is ``(client, bytes)``: the client (connected when first named) sends the bytes and a PING, and the next step
begins once the PONG, or the end of the connection, has come; so what one step does is seen by the next. ``Raw`` bytes
are sent without the PING, for input that leaves a line or payload open. When all is sent, every client that is still
there is brought up to date with a PING of its own.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

DEADLINE_S = 5.0

VOLATILE = {
    "server_id", "server_name", "version", "go", "git_commit", "host", "port", "client_id", "nonce", "xkey", "api_lvl",
}  # fmt: skip


class Raw(bytes):
    """Bytes that are sent without a PING behind them."""


Step = tuple[str, bytes]


class Peer:
    """One raw connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen = b""
        self.ended = False
        self._pings = 0
        self._read_until(lambda: self.seen.endswith(b"\n"))

    def send(self, data: bytes) -> None:
        self._pings += len(re.findall(rb"(?im)^ping", data))
        try:
            self.sock.sendall(data)
        except OSError:
            self._read_until(lambda: False)

    def sync(self) -> None:
        """Send PING, wait for its PONG."""
        if self.ended:
            return
        self.send(b"PING\r\n")
        self._read_until(lambda: self.seen.count(b"PONG\r\n") >= self._pings)

    def expect_end(self) -> None:
        self._read_until(lambda: False)

    def _read_until(self, done) -> None:
        while not self.ended and not done():
            try:
                piece = self.sock.recv(1 << 20)
            except TimeoutError:
                raise AssertionError(f"no answer in {DEADLINE_S} s; seen so far: {self.seen[-400:]!r}") from None
            except ConnectionError:
                piece = b""
            self.ended = not piece
            self.seen += piece

    def close(self) -> None:
        self.sock.close()


def play(port: int, steps: Sequence[Step], ends: Sequence[str] = ()) -> dict[str, list[str]]:
    """What each client received, normalised; clients named in ``ends`` must be closed by the server."""
    peers: dict[str, Peer] = {}
    try:
        for name, data in steps:
            peer = peers[name] if name in peers else peers.setdefault(name, Peer(port))
            peer.send(data)
            if not isinstance(data, Raw):
                peer.sync()
        for name, peer in peers.items():
            if name in ends:
                peer.expect_end()
            else:
                peer.sync()
        return {name: normal(peer.seen, peer.ended) for name, peer in peers.items()}
    finally:
        for peer in peers.values():
            peer.close()


@dataclass
class Frame:
    text: str
    is_message: bool


def normal(seen: bytes, ended: bool) -> list[str]:
    """The stream as a list of frames. Messages between two other frames are sorted, INFO loses what always differs."""
    frames = [*split(seen), *([Frame("<EOF>", False)] if ended else [])]
    out: list[str] = []
    run: list[str] = []
    for frame in frames:
        if frame.is_message:
            run.append(frame.text)
            continue
        out += [*sorted(run), frame.text]
        run = []
    return out + sorted(run)


def split(seen: bytes) -> list[Frame]:
    frames = []
    at = 0
    while at < len(seen):
        end = seen.find(b"\r\n", at)
        if end < 0:
            frames.append(Frame(repr(seen[at:]), False))
            break
        line = seen[at:end]
        at = end + 2
        if re.match(rb"H?MSG ", line):
            size = int(line.split()[-1])
            frames.append(Frame(repr(line + b"\r\n" + seen[at : at + size + 2]), True))
            at += size + 2
        elif line.startswith(b"INFO "):
            info = json.loads(line[5:])
            frames.append(Frame(f"INFO {sorted((k, v) for k, v in info.items() if k not in VOLATILE)}", False))
        elif line != b"PING":
            frames.append(Frame(repr(line), False))
    return frames
