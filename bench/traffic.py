"""Streams of messages: prebuilt frames from one publisher, every byte counted at every subscriber."""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.framed import framed
from bench.process import TIMEOUT_S, BenchError, Server, wait_for_pong
from natskit.subjects import has_wildcard, matches

BLOCK_BYTES = 128 * 1024
WINDOW_BYTES = 16 << 20
FORK = multiprocessing.get_context("fork")
A = {"user": "a", "pass": "a"}
B = {"user": "b", "pass": "b"}


def unchanged(subject: str) -> str:
    """How a subscriber of the same account sees a subject."""
    return subject


@dataclass(frozen=True)
class Traffic:
    """What is published, in turn, and the patterns of each subscriber (``sid`` counts them from 1)."""

    publish: tuple[str, ...]
    subscribers: tuple[tuple[str, ...], ...]
    size: int
    subscriber: dict[str, str]
    seen_as: Callable[[str], str] = unchanged
    tls: bool = False
    websocket: bool = False
    headers: bytes = b""

    @property
    def sizes(self) -> str:
        """How lines of messages end: sizes of headers (if any) and of headers and payload."""
        block = len(self.headers)
        return f"{block} {block + self.size}" if block else str(self.size)


@dataclass(frozen=True)
class Block:
    """What to send at once (over WebSocket one frame for each message), how many messages they are, and the bytes that
    each subscriber gets for them."""

    frames: bytes
    messages: int
    delivered: int
    expected: tuple[int, ...]


def block_of(traffic: Traffic) -> Block:
    """One round of the publisher's subjects, repeated to a good size for one ``send``."""
    payload = traffic.headers + b"x" * traffic.size
    wrap = framed if traffic.websocket else bytes
    verb, sizes = b"HPUB" if traffic.headers else b"PUB", traffic.sizes.encode()
    cycle = b"".join(wrap(b"%b %b %b\r\n%b\r\n" % (verb, each.encode(), sizes, payload)) for each in traffic.publish)
    repeat = max(1, BLOCK_BYTES // len(cycle))
    frames = [list(frames_of(traffic, patterns)) for patterns in traffic.subscribers]
    return Block(
        cycle * repeat,
        repeat * len(traffic.publish),
        repeat * sum(map(len, frames)),
        tuple(repeat * sum(each) for each in frames),
    )


def frames_of(traffic: Traffic, patterns: tuple[str, ...]) -> Iterator[int]:
    """The length of each frame that a subscriber receives for one round."""
    literal = {pattern: sid for sid, pattern in enumerate(patterns, 1) if not has_wildcard(pattern)}
    wild = [(pattern, sid) for sid, pattern in enumerate(patterns, 1) if has_wildcard(pattern)]
    for subject in map(traffic.seen_as, traffic.publish):
        sids = [sid for pattern, sid in wild if matches(pattern, subject)]
        for sid in [*sids, literal[subject]] if subject in literal else sids:
            verb = "HMSG" if traffic.headers else "MSG"
            yield len(f"{verb} {subject} {sid} {traffic.sizes}\r\n\r\n") + len(traffic.headers) + traffic.size


def measure(server: Server, traffic: Traffic, seconds: float) -> Iterator[dict[str, float]]:
    """Runs of about that length, each on new connections."""
    block = block_of(traffic)
    rounds = 2
    while (took := run(server, traffic, block, rounds)["seconds"]) < seconds / 5:
        rounds = max(rounds * 2, int(rounds * min(8, seconds / 4 / took)))
    rounds = max(1, int(rounds * seconds / took))
    while True:
        result = run(server, traffic, block, rounds)
        unit = rounds * (block.delivered or block.messages)
        yield {"per_s": unit / result["seconds"], "cpu_us": result["cpu_s"] / unit * 1e6}


def run(server: Server, traffic: Traffic, block: Block, rounds: int) -> dict[str, float]:
    """Send ``rounds`` blocks through the server; fails unless exactly what must arrive has arrived."""
    subscribers = [server.login(traffic.subscriber, traffic.tls, traffic.websocket) for _ in traffic.subscribers]
    for sock, patterns in zip(subscribers, traffic.subscribers, strict=True):
        lines = "".join(f"SUB {pattern} {sid}\r\n" for sid, pattern in enumerate(patterns, 1))
        sock.sendall(lines.encode() + b"PING\r\n")
        wait_for_pong(sock)
    publisher = server.login(A, traffic.tls, traffic.websocket)
    # Shared with the child: bytes received so far, so that it does not run too far ahead; start and end of sending.
    shared = memoryview(mmap.mmap(-1, 4096)).cast("Q")
    cpu = server.cpu_s()
    child = FORK.Process(target=publish, args=(publisher, block, rounds, shared))
    child.start()
    try:
        receive(subscribers, [rounds * each for each in block.expected], shared)
        end = time.perf_counter_ns()
        child.join(TIMEOUT_S)
        if child.exitcode != 0:
            raise BenchError("the publisher failed")
    finally:
        child.kill()
        child.join()
    cpu = server.cpu_s() - cpu
    for sock in (*subscribers, publisher):
        sock.close()
    return {"seconds": ((end if subscribers else shared[2]) - shared[1]) / 1e9, "cpu_s": cpu}


def publish(sock: socket.socket, block: Block, rounds: int, shared: memoryview) -> None:
    """The child: send all blocks, at most a window ahead of what was received, and wait until they are taken."""
    window = WINDOW_BYTES * max(1, len(block.expected))
    raw: socket.socket = getattr(sock, "raw", sock)
    ahead, shared[1] = sum(block.expected), time.perf_counter_ns()
    for number in range(rounds):
        while number * ahead - shared[0] > window:
            time.sleep(0.0001)
        raw.sendall(block.frames)
    sock.sendall(b"PING\r\n")
    wait_for_pong(sock)
    shared[2] = time.perf_counter_ns()


def receive(socks: list[socket.socket], expected: list[int], shared: memoryview) -> None:
    """Read from all until each has what it must get, to the byte."""
    buffer = bytearray(1 << 20)
    left = dict(zip(socks, expected, strict=True))
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        while any(left.values()):
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise BenchError(f"{sum(left.values())} bytes did not arrive")
            for key, _ in ready:
                sock = key.fileobj
                for got in pieces(sock, buffer):  # type: ignore[arg-type]
                    left[sock] -= got  # type: ignore[index]
                    shared[0] += got
    if any(left.values()):
        raise BenchError(f"too many bytes arrived: {left.values()}")


def pieces(sock: socket.socket, buffer: bytearray) -> Iterator[int]:
    """The sizes of what can be read now."""
    try:
        for _ in itertools.count():
            got = sock.recv_into(buffer)
            if not got:
                raise BenchError("the server closed a subscriber")
            yield got
            if not isinstance(sock, ssl.SSLSocket):
                return
    except (BlockingIOError, ssl.SSLWantReadError):
        return
