"""PINGs of the server, against the real one. Source: spec/server-protocol.md section 10."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from tests.differential.duel import DEADLINE_S

CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
SUB = b"SUB a 1\r\n"
PONG = b"PONG\r\n"
GONE = b"<EOF>"


def watch(port: int, hello: bytes, busy: bytes, answer: bytes, until_s: float) -> list[tuple[float, bytes]]:
    """What a client is told, and when; it says ``busy`` all the time, and ``answer`` to PINGs."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
        sock.sendall(b"PING\r\n")  # once it is answered, the server has done all that belongs to accepting
        seen = b""
        while b"PONG\r\n" not in seen:
            seen += sock.recv(4096)
        began = time.monotonic()
        sock.sendall(hello)
        sock.settimeout(0.02)
        heard: list[tuple[float, bytes]] = []
        while (now := time.monotonic() - began) < until_s:
            try:
                said = sock.recv(4096)
                heard += [(now, line) for line in (said or GONE).splitlines()]
                if not said:
                    break
                sock.sendall(answer * said.count(b"PING\r\n"))
            except TimeoutError:
                sock.sendall(busy)
            except ConnectionError:
                heard.append((now, GONE))
                break
    return heard


PINGED, ONCE, STALE = "again and again", "once, or again when it was held up", "until it is given up"
CLIENTS = {
    "silent": (b"", b"", b"", STALE),
    "silent after CONNECT": (CONNECT, b"", b"", STALE),
    "busy, its round trip not known": (b"", SUB, b"", STALE),
    "busy with what counts for nothing": (CONNECT, b"+OK\r\nINFO {}\r\n", b"", STALE),
    "busy with a line that does not end": (CONNECT + b"SUB ", b"a", b"", STALE),
    "subscribing": (CONNECT, SUB, PONG, ONCE),
    "subscribing in vain": (CONNECT, b"SUB a..b 1\r\n", PONG, ONCE),
    "unsubscribing": (CONNECT, b"UNSUB 1\r\n", PONG, ONCE),
    "publishing": (CONNECT, b"PUB a 0\r\n\r\n", PONG, ONCE),
    "asking": (CONNECT, b"PING\r\n", PONG, ONCE),
    "answering": (CONNECT, b"", PONG, PINGED),
    "answering unasked": (CONNECT, b"PONG\r\n", b"", PINGED),
}


def outcome(heard: list[tuple[float, bytes]]) -> str:
    said = [line for _, line in heard if line in (b"PING", GONE) or b"Stale" in line]
    if not said:
        return "never"
    if said[-1] == GONE:
        assert said == [b"PING", b"PING", b"-ERR 'Stale Connection'", GONE]
        return STALE
    return ONCE if len(said) < 4 else PINGED if len(said) > 5 else f"{len(said)} times"


def test_clients_are_asked_whether_they_are_there(arena):
    """All at once: most of it is waiting."""
    servers = arena.pair('ping_interval: "150ms"\nping_max: 2')
    ports = [server.port for server in servers]
    with ThreadPoolExecutor(2 * len(CLIENTS)) as pool:
        watched = [[pool.submit(watch, port, *client[:3], 1.4) for port in ports] for client in CLIENTS.values()]
    seen = {name: [outcome(each.result()) for each in pair] for name, pair in zip(CLIENTS, watched, strict=True)}
    assert seen == {name: [client[3]] * 2 for name, client in CLIENTS.items()}


def test_first_ping_comes_soon_after_connect(arena):
    """After 2 s and up to a fifth more; without CONNECT, after the whole interval only."""
    ports = [server.port for server in arena.pair("")]
    with ThreadPoolExecutor(4) as pool:
        strangers = [pool.submit(watch, port, b"", b"", b"", 2.5) for port in ports]
        clients = [pool.submit(watch, port, CONNECT, b"", b"", 2.5) for port in ports]
    assert [each.result() for each in strangers] == [[], []]
    for client in clients:
        [(when, line)] = client.result()
        assert line == b"PING"
        assert when > 1.9
