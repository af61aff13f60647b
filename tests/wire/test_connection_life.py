"""The life of a connection: states, closing, holding input while credentials are judged, output that waits."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
import weakref

import pytest
from tests.wire.pair import End, Recorder, ends

from natskit.wire import Connection, Hub, Space
from natskit.wire._core import lifecycle

STATES = {name: number for number, name in enumerate(lifecycle.STATE_NAMES)}


def test_every_state_can_be_left_and_closed_is_the_end():
    closed = STATES["CLOSED"]
    for state in range(len(lifecycle.STATE_NAMES)):
        targets = {target for (start, _), target in lifecycle.TRANSITIONS.items() if start == state}
        assert (not targets) if state == closed else closed in targets
    reached = {STATES["AWAITING"], STATES["ANONYMOUS"], STATES["OPEN"]}
    assert reached | set(lifecycle.TRANSITIONS.values()) == set(range(len(lifecycle.STATE_NAMES)))


def waiting(**answers):
    end = End(session=Recorder(**answers), quiet=False)
    return end, Space("A")


def test_only_connect_is_understood_before_login():
    end, _ = waiting()
    end.feed(b"PING\r\n")
    assert end.take() == b"-ERR 'Authorization Violation'\r\n"
    assert end.engine.state == STATES["CLOSING"]
    end.engine.drained()
    assert end.reason == "Authentication Failure"


def test_input_is_held_until_admission_and_then_understood():
    end, space = waiting()
    end.feed(b"CONNECT {}\r\nSUB foo 1\r\nPUB foo 2\r\nhi")
    end.feed(b"\r\nPING\r\n")
    assert end.session.was_told("on_connect") == [[b"{}"]]
    assert (end.take(), space.subscription_count) == (b"", 0)
    end.engine.admit(space)
    assert end.take() == b"+OK\r\n+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\nPONG\r\n"


def test_input_held_at_a_refusal_is_dropped():
    end, space = waiting()
    end.feed(b"CONNECT {}\r\nSUB foo 1\r\n")
    end.engine.close("Authentication Failure", "Authorization Violation")
    end.feed(b"PING\r\n")
    assert end.take() == b"-ERR 'Authorization Violation'\r\n"
    assert space.subscription_count == 0


def test_anonymous_client_is_asked_about_at_its_first_verb():
    end, space = waiting()
    end.engine.welcome(anonymous=True)
    end.feed(b"PING\r\n")
    assert end.session.was_told("on_connect") == [[None]]
    end.engine.admit(space)
    assert end.take() == b"PONG\r\n"


def test_admission_within_the_callback_goes_on_at_once():
    space = Space()
    session = Recorder()
    end = End(session=session, quiet=False)
    session.answers["on_connect"] = lambda document: end.engine.admit(space)
    end.feed(b"CONNECT {}\r\nPING\r\n")
    assert end.take() == b"+OK\r\nPONG\r\n"


def test_first_pong_after_connect_is_told_once():
    space = Space()
    session = Recorder()
    end = End(space, session=session, quiet=False)
    session.answers["on_connect"] = lambda document: end.engine.admit(space)
    session.answers["on_first_pong"] = lambda: end.engine.write(b"INFO {}\r\n")
    end.feed(b"PING\r\nCONNECT {}\r\nPING\r\nPING\r\nCONNECT {}\r\nPING\r\n")
    assert end.take() == b"PONG\r\n+OK\r\nPONG\r\nINFO {}\r\nPONG\r\n+OK\r\nPONG\r\n"


def test_moving_to_another_space_leaves_the_subscriptions_behind():
    end, space = waiting()
    end.feed(b"CONNECT {}\r\n")
    end.engine.admit(space)
    end.feed(b"SUB foo 1\r\n")
    other = Space("B")
    end.engine.admit(other)
    assert (space.subscription_count, end.engine.subscription_count, end.engine.space) == (0, 0, other)


def test_close_is_told_once_and_releases_the_space():
    end = End(Space())
    space = end.engine.space
    end.feed(b"SUB a 1\r\nSUB b.* 2\r\nSUB c q 3\r\n")
    end.engine.close("Client Closed")
    end.engine.close("Server Shutdown")
    end.engine.outbox.flush()
    end.engine.cut("Read Error")
    assert end.session.was_told("on_close") == [["Client Closed", ""]]
    assert space.subscription_count == 0
    assert space.matches(b"a") == space.matches(b"b.x") == []


def test_pings_are_counted_until_a_pong():
    end = End(Space())
    assert [end.engine.ping(), end.engine.ping()] == [1, 2]
    end.feed(b"PONG\r\n")
    assert end.engine.pings_outstanding == 0
    assert end.take() == b"PING\r\nPING\r\n"


def test_revoked_subscription_is_told_with_its_sid():
    end = End(Space())
    end.feed(b"SUB foo.a 1\r\nSUB foo.b q 2\r\n")
    assert end.engine.revoke(b"1")
    assert end.engine.revoke(b"2")
    assert not end.engine.revoke(b"3")
    assert end.take() == (
        b'-ERR \'Permissions Violation for Subscription to "foo.a" (sid "1")\'\r\n'
        b'-ERR \'Permissions Violation for Subscription to "foo.b" using queue "q" (sid "2")\'\r\n'
    )


def test_error_in_a_session_reaches_the_caller_of_feed():
    end = End(Space(), session=Recorder(on_info=lambda document: 1 // 0))
    with pytest.raises(ZeroDivisionError):
        end.feed(b"INFO {}\r\n")
    end.feed(b"PING\r\n")
    assert end.take() == b"PONG\r\n"


# memory


def test_endless_blanks_and_ignored_lines_are_not_kept():
    end = End(Space())
    for _ in range(200):
        end.feed(b"PUB" + b" " * 10_000 if _ == 0 else b" " * 10_000)
    assert end.engine.held_bytes < 64
    end.feed(b"foo 0\r\n\r\n+OK")
    for _ in range(200):
        end.feed(b"x" * 10_000)
    assert end.engine.held_bytes < 64
    end.feed(b"\r\nPING\r\n")
    assert end.take() == b"PONG\r\n"


def test_announced_payload_takes_memory_only_as_it_comes():
    end = End(Space(), max_payload=64 << 20)
    end.feed(b"PUB foo 60000000\r\nabc")
    assert end.engine.held_bytes < 100


def test_slow_receiver_is_cut_off_at_its_limit():
    a, b = ends(2)
    a.engine.max_pending = 1000
    a.feed(b"SUB foo 1\r\n")
    b.feed(b"PUB foo 100\r\n" + b"x" * 100 + b"\r\n")
    b.feed((b"PUB foo 100\r\n" + b"x" * 100 + b"\r\n") * 20)
    assert a.reason == "Slow Consumer (Pending Bytes)"
    assert a.engine.pending == 0
    assert b.reason == ""


# real descriptors


class Wire:
    """A hub with a client at the other end of a socket pair."""

    def __init__(self, hub, space, **limits):
        self.session = Recorder()
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.settimeout(5)
        self.engine = Connection(hub, self.session, **limits)
        self.engine.welcome(space)
        self.engine.verbose = self.engine.pedantic = False
        hub.attach(self.engine, ours.detach())


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.close()


def test_hub_reads_and_writes(hub):
    space = Space()
    a, b = Wire(hub, space), Wire(hub, space)
    a.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    b.peer.sendall(b"PUB foo 2\r\nhi\r\nPI")
    hub.run()
    b.peer.sendall(b"NG\r\n")
    hub.run()
    assert a.peer.recv(100) == b"MSG foo 1 2\r\nhi\r\n"
    assert b.peer.recv(100) == b"PONG\r\n"
    for wire in (a, b):
        wire.peer.close()


@pytest.mark.parametrize("flood", [b" ", b"\t "])
def test_endless_blanks_take_no_memory(hub, flood):
    wire = Wire(hub, Space())
    wire.peer.sendall(b"PUB ")
    for _ in range(30):
        wire.peer.sendall(flood * 40_000)
        hub.run()
        assert wire.engine.held_bytes < 64
    wire.peer.sendall(b"foo 0\r\n\r\nPING\r\n")
    hub.run()
    assert wire.peer.recv(10) == b"PONG\r\n"
    wire.peer.close()


def test_hub_notices_the_end_and_closes_the_descriptor(hub):
    wire = Wire(hub, Space())
    wire.peer.sendall(b"PING\r\n")
    wire.peer.shutdown(socket.SHUT_WR)
    hub.run()
    hub.run()
    assert wire.peer.recv(100) == b"PONG\r\n"
    assert wire.peer.recv(100) == b""
    assert wire.session.was_told("on_close") == [["Client Closed", ""]]
    wire.peer.close()


def test_error_in_a_session_costs_only_its_connection(hub):
    crashes = []
    hub.on_crash = lambda connection, error: crashes.append((connection, error))
    space = Space()
    bad, good = Wire(hub, space), Wire(hub, space)
    bad.session.answers["on_info"] = lambda document: 1 // 0
    bad.peer.sendall(b"INFO {}\r\n")
    good.peer.sendall(b"PING\r\n")
    hub.run()
    assert good.peer.recv(100) == b"PONG\r\n"
    assert [(c, type(e)) for c, e in crashes] == [(bad.engine, ZeroDivisionError)]
    assert bad.peer.recv(100) == b""
    for wire in (bad, good):
        wire.peer.close()


def read_all(hub, wire, size):
    got = b""
    while len(got) < size:
        hub.run()
        got += wire.peer.recv(1 << 20)
    return got


@pytest.mark.parametrize("size", [100, 9000, 70_000, 300_000, 3_000_000])
def test_large_messages_through_small_sockets_arrive_whole(hub, size):
    space = Space()
    a, b = Wire(hub, space, max_payload=8 << 20), Wire(hub, space, max_payload=8 << 20)
    a.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    payload = bytes(i * 7 % 251 for i in range(size))
    frame = b"PUB foo %d\r\n%b\r\n" % (size, payload)
    b.peer.setblocking(False)
    left = memoryview(frame * 5)
    expected = (b"MSG foo 1 %d\r\n%b\r\n" % (size, payload)) * 5
    a.peer.setblocking(False)
    got = bytearray()
    while len(got) < len(expected):
        if left:
            with contextlib.suppress(BlockingIOError):
                left = left[b.peer.send(left) :]
        hub.run()
        with contextlib.suppress(BlockingIOError):
            got += a.peer.recv(50_000)
    assert got == expected
    assert a.engine.pending == 0
    for wire in (a, b):
        wire.peer.close()


def test_blocked_receiver_waits_and_is_told_when_it_takes_again(hub):
    space = Space()
    a, b = Wire(hub, space), Wire(hub, space)
    a.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    while a.engine.pending < 2_000_000:
        b.peer.sendall(b"PUB foo 50000\r\n" + b"x" * 50_000 + b"\r\n")
        hub.run()
    blocked = a.session.was_told("on_blocked")
    assert blocked
    assert blocked[0][0] > 0
    total = a.engine.out_messages * len(b"MSG foo 1 50000\r\n" + b"x" * 50_000 + b"\r\n")
    assert len(read_all(hub, a, total)) == total
    assert a.session.was_told("on_blocked")[-1] == [0]
    for wire in (a, b):
        wire.peer.close()


def test_receiver_near_its_limit_stalls_the_publisher(hub):
    space = Space()
    a, b = Wire(hub, space, max_pending=1_000_000), Wire(hub, space)
    a.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    while not b.session.was_told("on_stall"):
        b.peer.sendall(b"PUB foo 50000\r\n" + b"x" * 50_000 + b"\r\n")
        hub.run()
    assert a.engine.pending > 700_000
    assert a.session.was_told("on_close") == []
    b.peer.sendall(b"PING\r\n")
    hub.run()
    b.peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        b.peer.recv(10)
    b.engine.resume()
    hub.run()
    assert b.peer.recv(10) == b"PONG\r\n"
    for wire in (a, b):
        wire.peer.close()


def test_without_stalling_messages_are_dropped_near_the_limit(hub):
    space = Space()
    a, b = Wire(hub, space, max_pending=1_000_000, stalls=False), Wire(hub, space)
    a.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    for _ in range(60):
        b.peer.sendall(b"PUB foo 50000\r\n" + b"x" * 50_000 + b"\r\n")
        hub.run()
    hub.run()
    assert a.session.was_told("on_close") == []
    assert b.session.was_told("on_stall") == []
    assert a.engine.out_messages < 60
    for wire in (a, b):
        wire.peer.close()


def test_slow_receiver_is_cut_and_others_are_not(hub):
    space = Space()
    slow, good, b = (Wire(hub, space, max_pending=200_000) for _ in range(3))
    for wire in (slow, good):
        wire.peer.sendall(b"SUB foo 1\r\n")
    hub.run()
    good.peer.setblocking(False)
    while not slow.session.was_told("on_close"):
        b.peer.sendall(b"PUB foo 50000\r\n" + b"x" * 50_000 + b"\r\n")
        hub.run()
        b.engine.resume()
        for _ in range(4):
            hub.run()
            with contextlib.suppress(BlockingIOError):
                good.peer.recv(1 << 20)
    assert slow.session.was_told("on_close")[0][0] == "Slow Consumer (Pending Bytes)"
    assert good.session.was_told("on_close") == []
    for wire in (slow, good, b):
        wire.peer.close()


def test_connections_are_collected_with_output_that_waits():
    """They form cycles with their sessions and their outbox; which is collected first must not matter."""

    def abandon():
        for connection in ends(3):
            connection.session.told.append(connection.engine)
            connection.engine.write(b"PING\r\n" * 100)
            connection.engine.outbox.flush()
            yield weakref.ref(connection.session)

    sessions = list(abandon())
    gc.collect()
    assert not [session for session in sessions if session()]


class Flood:
    """A publisher that sends as fast as it is read, to a receiver that reads when it is told to."""

    SIZE = 8192

    def __init__(self, **limits):
        self.timers = []
        self.hub = Hub(later=lambda seconds, call: self.timers.append(call))
        space = Space()
        self.receiver, self.publisher = Wire(self.hub, space, **limits), Wire(self.hub, space)
        self.receiver.peer.sendall(b"SUB foo 1\r\n")
        self.hub.run()
        self.receiver.peer.setblocking(False)
        self.publisher.peer.setblocking(False)
        self.unsent = b""

    def publish(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.unsent = self.unsent or b"PUB foo %d\r\n%b\r\n" % (self.SIZE, bytes(self.SIZE))
                self.unsent = self.unsent[self.publisher.peer.send(self.unsent) :]
        self.hub.run()

    def publish_until(self, done):
        for _ in range(10_000):
            if done():
                return
            self.publish()
        raise AssertionError("nothing of the kind happens")

    def close(self):
        self.hub.close()
        self.receiver.peer.close()
        self.publisher.peer.close()


@pytest.fixture
def flood():
    with contextlib.ExitStack() as stack:

        def start(**limits):
            flood = Flood(**limits)
            stack.callback(flood.close)
            return flood

        yield start


def test_a_publisher_waits_for_a_receiver_that_is_behind_until_it_has_caught_up(flood):
    flood = flood()
    flood.publish_until(lambda: flood.timers)
    read = flood.publisher.engine.in_bytes
    for _ in range(10):
        flood.publish()
    assert flood.publisher.engine.in_bytes == read
    assert flood.receiver.engine.pending < 1 << 20
    with contextlib.suppress(BlockingIOError):
        while flood.receiver.peer.recv(1 << 16):
            flood.hub.run()
    flood.publish()
    assert flood.publisher.engine.in_bytes > read
    assert len(flood.timers) == 1


def test_a_publisher_does_not_wait_for_ever_for_a_receiver_that_is_behind(flood):
    flood = flood()
    flood.publish_until(lambda: flood.timers)
    read = flood.publisher.engine.in_bytes
    flood.timers[0]()
    flood.publish()
    assert flood.publisher.engine.in_bytes > read


def test_a_receiver_that_does_not_catch_up_is_soon_waited_for_no_more(flood):
    flood = flood(max_pending=32 << 20)
    waits = 0

    def receiver_is_cut():
        nonlocal waits
        while flood.timers:
            waits += 1
            flood.timers.pop()()
        if flood.publisher.session.was_told("on_stall"):
            flood.publisher.engine.resume()
        return flood.receiver.session.was_told("on_close")

    flood.publish_until(receiver_is_cut)
    assert 1 < waits < 32
    assert flood.receiver.session.was_told("on_close")[0][0] == "Slow Consumer (Pending Bytes)"
    assert not flood.publisher.session.was_told("on_close")


def test_who_sends_what_takes_long_is_read_in_small_pieces_until_it_takes_less(hub):
    space = Space()
    wire = Wire(hub, space)
    wire.peer.setblocking(False)
    pause = 0.0001
    space.subscribe_internal(b"slow", lambda *_: pause and time.sleep(pause))
    message = b"PUB slow 90\r\n%b\r\n" % bytes(90)
    sent = b""

    def turn():
        nonlocal sent
        with contextlib.suppress(BlockingIOError):
            while True:
                sent = sent or message * 100
                sent = sent[wire.peer.send(sent) :]
        before = wire.engine.in_messages
        hub.run()
        return wire.engine.in_messages - before

    first = turn()
    slow = [turn() for _ in range(8)][-1]
    assert slow < first // 4
    pause = 0
    assert [turn() for _ in range(8)][-1] > 2 * slow
    wire.peer.close()
