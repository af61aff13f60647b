"""The wire layer, fed with scripts that are almost right.

Holds if every input is either understood or refused with the connection closed, if whole, in pieces and byte by byte
come to the same, over a descriptor as well, and if nothing is held beyond the limits.
"""

from __future__ import annotations

import gc
import socket
from random import Random

from natskit.wire import Connection, Hub, Outbox, Space, Verdicts

SUBJECTS = [
    b"a",
    b"a.b",
    b"a.*",
    b">",
    b"*.b",
    b"x.a",
    b"a..b",
    b".",
    b"no.x",
    b"_R_.a",
    b"_GR_.b",
    b"in.1",
    b"\xff\x00",
]
WORDS = [
    b"PUB",
    b"HPUB",
    b"SUB",
    b"UNSUB",
    b"PING",
    b"PONG",
    b"CONNECT",
    b"INFO",
    b"+OK",
    b"-ERR",
    b"MSG",
    b"{}",
    b"1",
    b"2",
]
SPACES = [b" ", b" ", b" ", b"\t", b"  "]
LINE, PAYLOAD = 200, 3000


class Session:
    """Answers everything by the subject alone, so that all runs agree."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.space = Space()
        self.space.traces = True
        self.reason = ""

    def on_connect(self, document: bytes | None) -> None:
        assert self.connection is not None
        self.connection.verbose = document == b"{}"
        self.connection.pedantic = False
        self.connection.admit(self.space, publish=Verdicts(self.may_publish), checks_deliver=True, tracks_replies=True)

    def on_info(self, document: bytes) -> bool:
        return document.startswith(b"{")

    def may_publish(self, subject: bytes) -> bool:
        return not subject.startswith(b"no")

    def may_respond(self, subject: bytes) -> bool:
        return subject.endswith(b"x")

    def may_subscribe(self, subject: bytes, queue: bytes | None) -> bool:
        return True

    def may_deliver(self, subject: bytes, queue: bytes | None) -> bool:
        return not subject.startswith(b"x")

    def on_trace(self, subject: bytes, headers: bytes, size: int) -> object:
        return (None, False, Follower(only=False), Follower(only=True))[size % 4]

    def on_close(self, reason: str, cause: str) -> None:
        self.reason = reason

    def nothing(self, *ignored: object) -> None: ...

    on_first_pong = on_pong = on_request = on_violation = on_peer_error = nothing
    on_output = on_blocked = on_stall = on_traced = on_talk = on_payload = nothing


class Follower:
    """A trace that looks at everything and keeps nothing."""

    def __init__(self, *, only: bool) -> None:
        self.only = only

    def reaches(self, entry: object) -> bool:
        return not self.only

    def look(self, *what: object) -> None:
        repr(what)

    on_refusal = on_mapping = on_egress = look


TRACED = [
    b"NATS/1.0\r\nNats-Trace-Dest: a\r\n\r\n",
    b"NATS/1.0\r\nA: b\r\nTraceparent: 00-a-b-01\r\nNats-Trace-Dest:\r\n\r\n",
]
"""Headers that ask for a trace; whole, or cut off anywhere."""


def words(random: Random) -> bytes:
    count = random.randrange(1, 5)
    return random.choice(SPACES).join(random.choice(WORDS + SUBJECTS) for _ in range(count))


def operation(random: Random) -> bytes:
    kind = random.randrange(10)
    if kind < 5:
        payload = random.randbytes(random.choice([0, 1, 5, 16, 200, PAYLOAD, PAYLOAD + 1]))
        parts = [random.choice([b"PUB", b"PUB", b"pub", b"HPUB", b"HPUB"]), random.choice(SUBJECTS)]
        if random.random() < 0.2:
            payload = random.choice(TRACED)[: random.randrange(80)] + payload
        if random.random() < 0.3:
            parts.append(random.choice(SUBJECTS))
        if parts[0] == b"HPUB":
            parts.append(b"%d" % random.randrange(len(payload) + 1))
        parts.append(b"%d" % len(payload))
        return random.choice(SPACES).join(parts) + b"\r\n" + payload + b"\r\n"
    if kind < 7:
        sid = b"%d" % random.randrange(9)
        queue = [b"q" + sid] if random.random() < 0.1 else []  # groups of one: members are chosen at random
        return b" ".join([b"SUB", random.choice(SUBJECTS), *queue, sid]) + b"\r\n"
    if kind == 7:
        return b"UNSUB %d %d\r\n" % (random.randrange(9), random.randrange(4))
    if kind == 8:
        return random.choice(
            [b"PING\r\n", b"PONG\n", b"+OK\r\n", b"CONNECT {}\r\n", b"INFO {}\r\n", b"PUB " + b" " * 300]
        )
    return words(random) + random.choice([b"\r\n", b"\n", b"", b"\r"])


def script(random: Random) -> bytes:
    """Some operations, now and then with a byte changed, lost or added."""
    data = bytearray(b"".join(operation(random) for _ in range(random.randrange(1, 25))))
    for _ in range(random.choice([0, 0, 0, 1, 1, 3])):
        at = random.randrange(len(data)) if data else 0
        if random.random() < 0.5:
            data[at : at + 1] = bytes([random.randrange(256)])
        else:
            del data[at : at + random.randrange(1, 4)]
    return bytes(data)


def start(outbox: Outbox) -> tuple[Connection, Session]:
    session = Session()
    connection = Connection(outbox, session, max_control_line=LINE, max_payload=PAYLOAD, max_subscriptions=6)
    session.connection = connection
    connection.headers = True
    connection.no_responders = True
    connection.welcome(session.space)
    return connection, session


def fed(data: bytes, cuts: list[int]) -> tuple[bytes, str, int]:
    """What comes of the input, fed in pieces."""
    connection, session = start(Outbox())
    out = b""
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        connection.feed(data[begin:end])
        assert connection.held_bytes <= LINE + PAYLOAD + 400, connection.held_bytes  # 300 blanks may come at once
        out += connection.take()
        connection.drained()
    return out, session.reason, connection.in_messages


def over_a_descriptor(data: bytes, random: Random) -> tuple[bytes, str, int]:
    """The same through a socket."""
    hub = Hub()
    ours, peer = socket.socketpair()
    with peer:
        ours.setblocking(False)
        peer.setblocking(False)
        connection, session = start(hub)
        hub.attach(connection, ours.detach())
        out = b""
        while data and not session.reason:
            size = random.randrange(1, len(data) + 1)
            try:
                data = data[peer.send(data[:size]) :]
            except BrokenPipeError:
                break
            for _ in range(3):
                hub.run()
            out += read(peer)
        hub.run()
        out += read(peer)
        hub.close()
        reason = "" if session.reason == "Server Shutdown" else session.reason
        return out, reason, connection.in_messages


def read(peer: socket.socket) -> bytes:
    try:
        return peer.recv(1 << 22)
    except BlockingIOError:
        return b""


def one(random: Random) -> None:
    """One script, taken in every way."""
    data = script(random)
    whole = fed(data, [])
    cuts = sorted(random.sample(range(len(data)), min(len(data), random.randrange(6))))
    assert same(fed(data, cuts), whole), (data, cuts)
    assert same(fed(data, list(range(1, len(data)))), whole), data
    assert same(over_a_descriptor(data, random), whole), data
    if random.random() < 0.05:
        abandon(data)


def abandon(data: bytes) -> None:
    """Feed, and let everything go with what waits in it."""
    outbox = Outbox()
    connection, _ = start(outbox)
    connection.write(b"PING\r\n")
    connection.feed(data)
    outbox.flush()
    del connection, outbox
    gc.collect()


def same(one: tuple[bytes, str, int], other: tuple[bytes, str, int]) -> bool:
    return one == other
