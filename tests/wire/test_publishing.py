"""Publishing and delivering: what the fast path must not get wrong."""

from __future__ import annotations

import pytest
from tests.wire.pair import End, Recorder, ends

from natskit.wire import Outbox, Space, Verdicts


def test_message_reaches_subscriber():
    a, b = ends(2)
    a.feed(b"SUB foo.* 7\r\n")
    b.feed(b"PUB foo.bar 5\r\nhello\r\n")
    assert a.take() == b"MSG foo.bar 7 5\r\nhello\r\n"
    assert b.take() == b""


def test_repeated_subject_takes_the_remembered_route_and_gives_the_same():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\n")
    for _ in range(5):
        b.feed(b"PUB foo re.ply 2\r\nhi\r\nPUB foo 2\r\nho\r\nPUB foo 123 0002\r\nha\r\n")
        assert a.take() == b"MSG foo 1 re.ply 2\r\nhi\r\nMSG foo 1 2\r\nho\r\nMSG foo 1 123 0002\r\nha\r\n"


def test_remembered_subject_is_not_taken_for_a_longer_or_shorter_one():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\nSUB foo.x 2\r\nSUB fo 3\r\n")
    b.feed(b"PUB foo 0\r\n\r\nPUB foo 0\r\n\r\nPUB foo.x 0\r\n\r\nPUB fo 0\r\n\r\nPUB foo\t0\r\n\r\n")
    assert a.take().split(b"\r\n")[::2] == [
        b"MSG foo 1 0",
        b"MSG foo 1 0",
        b"MSG foo.x 2 0",
        b"MSG fo 3 0",
        b"MSG foo 1 0",
        b"",
    ]


def test_new_subscription_is_seen_by_the_next_message_of_a_running_stream():
    a, b, c = ends(3)
    a.feed(b"SUB foo 1\r\n")
    b.feed(b"PUB foo 0\r\n\r\n" * 3)
    a.take()
    c.feed(b"SUB > 9\r\n")
    b.feed(b"PUB foo 0\r\n\r\n")
    assert (a.take(), c.take()) == (b"MSG foo 1 0\r\n\r\n", b"MSG foo 9 0\r\n\r\n")
    a.feed(b"UNSUB 1\r\n")
    c.feed(b"UNSUB 9\r\n")
    b.feed(b"PUB foo 0\r\n\r\n")
    assert (a.take(), c.take()) == (b"", b"")


def test_closed_subscriber_is_not_delivered_to():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\n")
    b.feed(b"PUB foo 0\r\n\r\n")
    a.engine.close("Client Closed")
    b.feed(b"PUB foo 0\r\n\r\n")
    assert a.take() == b"MSG foo 1 0\r\n\r\n"
    assert a.engine.out_messages == 1


def test_subscription_that_ends_in_the_middle_of_a_read():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\nUNSUB 1 2\r\n")
    b.feed(b"PUB foo 1\r\nx\r\n" * 10)
    assert a.take() == b"MSG foo 1 1\r\nx\r\n" * 2
    assert a.engine.subscription_count == 0


def test_statistics_count_payload_and_headers_on_both_sides():
    a, b = ends(2)
    c = End(a.engine.space, a.engine.outbox)
    c.engine.headers = False
    a.feed(b"SUB foo 1\r\n")
    c.feed(b"SUB foo 1\r\n")
    b.feed(b"PUB foo 5\r\nhello\r\nHPUB foo 12 17\r\nNATS/1.0\r\n\r\nhello\r\n")
    assert (b.engine.in_messages, b.engine.in_bytes) == (2, 22)
    assert (a.engine.out_messages, a.engine.out_bytes) == (2, 22)
    assert (c.engine.out_messages, c.engine.out_bytes) == (2, 10)
    space = a.engine.space
    assert (space.in_messages, space.in_bytes, space.out_messages, space.out_bytes) == (2, 22, 4, 32)


BLOCK = b"NATS/1.0\r\nA: bcd\r\n\r\n"
LONG = b"r" * 300


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_headers_on_the_subject_of_the_message_before(step):
    """Each line as it came to who takes headers; to who does not, the payload alone."""
    a, b, c = ends(3)
    c.engine.headers = False
    a.feed(b"SUB foo 1\r\n")
    c.feed(b"SUB foo 1\r\n")
    large = b"x" * 9000
    cases = [  # what follows the subject, the payload, the line without headers
        (b"20 25", b"hello", b"5"),
        (b"020 00025", b"hello", b"5"),
        (b"20 20", b"", b"0"),
        (b"_INBOX.1 20 25", b"hello", b"_INBOX.1 5"),
        (b"7 20 120", b"y" * 100, b"7 100"),
        (LONG + b" 20 25", b"hello", LONG + b" 5"),
        (b"20 9020", large, b"9000"),
    ]
    said = b"".join(b"HPUB foo %b\r\n%b%b\r\n" % (rest, BLOCK, payload) for rest, payload, _ in cases) * 2
    for at in range(0, len(said), step):
        b.feed(said[at : at + step])
    assert a.take() == b"".join(b"HMSG foo 1 %b\r\n%b%b\r\n" % (rest, BLOCK, body) for rest, body, _ in cases) * 2
    assert c.take() == b"".join(b"MSG foo 1 %b\r\n%b\r\n" % (plain, body) for _, body, plain in cases) * 2
    assert b.engine.in_messages == 2 * len(cases)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"HPUB foo 26 25", "Protocol Violation"),
        (b"HPUB foo 20 x", "Protocol Violation"),
        (b"HPUB foo 25", "Protocol Violation"),
        (b"HPUB foo a b 20 25", "Protocol Violation"),
        (b"HPUB foo 20 2000", "Maximum Message Payload Exceeded"),
        (b"HPUB foo " + b"r" * 4090 + b" 20 25", "Maximum Control Line Exceeded"),
    ],
)
def test_what_is_wrong_with_headers_is_found_on_the_subject_of_the_message_before_too(line, reason):
    a, b = ends(2, max_payload=1000)
    a.feed(b"SUB foo 1\r\n")
    b.feed(b"HPUB foo 20 25\r\n" + BLOCK + b"hello\r\n" + line + b"\r\n" + BLOCK + b"hello\r\n")
    b.take()
    b.engine.drained()
    assert b.reason == reason
    assert a.engine.out_messages == 1


def test_headers_of_a_client_without_them_are_refused_on_the_subject_of_the_message_before():
    (a,) = ends(1)
    message = b"HPUB foo 20 25\r\n" + BLOCK + b"hello\r\n"
    a.feed(message)
    a.engine.headers = False
    a.feed(message)
    assert a.reason == "Protocol Violation"


def test_only_a_message_that_asks_for_a_trace_asks_its_session():
    a, b = ends(2, session=Recorder(on_trace=None))
    a.feed(b"SUB foo 1\r\n")
    asking = b"NATS/1.0\r\nNats-Trace-Dest: t\r\n\r\n"
    parent = b"NATS/1.0\r\ntraceparent: 0\r\n\r\n"
    for block in (BLOCK, asking, BLOCK, parent, BLOCK):
        b.feed(b"HPUB foo %d %d\r\n%b\r\n" % (len(block), len(block), block))
    assert b.session.was_told("on_trace") == [[b"foo", asking, len(asking)]]
    a.engine.space.traces = True
    b.feed(b"HPUB foo %d %d\r\n%b\r\n" % (len(parent), len(parent), parent))
    assert b.session.was_told("on_trace")[1:] == [[b"foo", parent, len(parent)]]
    assert a.engine.out_messages == 6


@pytest.mark.parametrize("size", [8191, 8192, 100_000, 1 << 20])
def test_large_payloads(size):
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\nSUB foo 2\r\n")
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    b.feed(b"PUB foo %d\r\n%b\r\n" % (size, payload) * 2)
    copies = b"MSG foo 1 %d\r\n%b\r\nMSG foo 2 %d\r\n%b\r\n" % (size, payload, size, payload)
    assert a.take() == copies * 2


def test_large_payload_in_small_pieces():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\n")
    message = b"PUB foo 300000\r\n" + b"ab" * 150_000 + b"\r\n"
    for i in range(0, len(message), 999):
        b.feed(message[i : i + 999])
    assert a.take() == b"MSG foo 1" + message[7:]


def test_queue_group_gets_one_copy_and_all_members_get_some():
    a, b, c = ends(3)
    a.feed(b"SUB foo g 1\r\nSUB f* g 2\r\n")
    b.feed(b"SUB * g 1\r\nSUB foo h 2\r\n")
    c.feed(b"PUB foo 0\r\n\r\n" * 300)
    got_a, got_b = a.take(), b.take()
    assert got_b.count(b"MSG foo 2 ") == 300
    assert got_a.count(b"MSG foo 1 ") + got_b.count(b"MSG foo 1 ") == 300
    assert 50 < got_a.count(b"MSG foo 1 ") < 250
    assert b"MSG foo 2" not in got_a


def test_queue_group_skips_members_that_do_not_take_the_message():
    a, b = ends(2)
    a.engine.echo = False
    a.feed(b"SUB foo g 1\r\nPUB foo 0\r\n\r\n")
    b.feed(b"SUB foo g 1\r\n")
    a.feed(b"PUB foo 0\r\n\r\n" * 50)
    assert (a.take(), b.take().count(b"MSG")) == (b"", 50)


# permissions


def restricted(space, outbox, **answers):
    asked = []

    def may_publish(subject):
        asked.append(subject)
        return b"no" not in subject

    end = End(space, outbox, Recorder(**answers))
    end.engine.admit(space, publish=Verdicts(may_publish))
    return end, asked


def test_publish_permission_is_asked_once_per_subject():
    space, outbox = Space(), Outbox()
    end, asked = restricted(space, outbox)
    end.feed(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB no 0\r\n\r\n" * 20)
    assert sorted(asked) == [b"a", b"b", b"no"]
    assert end.take() == b"-ERR 'Permissions Violation for Publish to \"no\"'\r\n" * 20
    assert end.session.was_told("on_violation") == [["publish", b"no", None, None]] * 20


def test_denied_payload_is_consumed():
    a, _ = ends(2)
    a.feed(b"SUB > 1\r\n")
    end, _ = restricted(a.engine.space, a.engine.outbox)
    end.feed(b"PUB no 11\r\nPUB yes 0\r\n\r\nPUB ok 0\r\n\r\n")
    assert a.take() == b"MSG ok 1 0\r\n\r\n"


def test_remembered_verdicts_are_bounded():
    verdicts = Verdicts(lambda subject: True, 64)
    for i in range(10_000):
        assert verdicts.allows(b"s.%d" % i)
    assert len(verdicts) <= 64


@pytest.mark.parametrize(
    ("subject", "asked"),
    [
        *((free, False) for free in (b"in.1", b"in.a.b")),
        *((other, True) for other in (b"", b"in", b"in.", b"in.*", b"in.a.>", b"in.>.a", b"in..a", b"inn.1", b"IN.1")),
    ],
)
def test_what_begins_as_the_rules_allow_is_not_asked_about(subject, asked):
    questions = []
    verdicts = Verdicts(lambda subject: questions.append(subject) or False, free=[b"in."])
    assert verdicts.allows(subject) is not asked
    assert bool(questions) is asked


def test_replaced_permissions_count_at_once():
    a, b = ends(2)
    a.feed(b"SUB foo 1\r\n")
    b.feed(b"PUB foo 0\r\n\r\nPUB foo 0\r\n\r\n")
    b.engine.admit(b.engine.space, publish=Verdicts(lambda subject: False))
    b.feed(b"PUB foo 0\r\n\r\n")
    assert a.take().count(b"MSG") == 2
    assert b.take() == b"-ERR 'Permissions Violation for Publish to \"foo\"'\r\n"


def test_delivery_filter_is_asked_when_the_route_is_computed_not_per_message():
    a, b = ends(2)
    asked = []

    def may_deliver(subject, queue):
        asked.append((subject, queue))
        return subject != b"x.no"

    a.session.answers["may_deliver"] = may_deliver
    a.engine.admit(a.engine.space, checks_deliver=True)
    a.feed(b"SUB x.* 1\r\nSUB x.* q 2\r\n")
    b.feed(b"PUB x.no 0\r\n\r\nPUB x.ok 0\r\n\r\n" * 10)
    assert a.take().count(b"MSG x.ok") == 20
    assert sorted(set(asked), key=repr) == sorted(asked, key=repr)


def test_replies_are_reported_to_those_who_answer():
    a, b = ends(2)
    a.engine.admit(a.engine.space, publish=Verdicts(lambda subject: False), tracks_replies=True)
    a.session.answers["may_respond"] = lambda subject: subject == b"in.1"
    a.feed(b"SUB svc 1\r\n")
    b.feed(b"SUB in.* 1\r\nPUB svc in.1 0\r\n\r\nPUB svc 0\r\n\r\n")
    assert a.session.was_told("on_request") == [[b"in.1"]]
    a.take()
    a.feed(b"PUB in.1 0\r\n\r\nPUB in.2 0\r\n\r\n")
    assert b.take() == b"MSG in.1 1 0\r\n\r\n"
    assert a.take() == b"-ERR 'Permissions Violation for Publish to \"in.2\"'\r\n"


# caches


def test_routes_are_bounded():
    a, b = ends(2)
    a.feed(b"SUB > 1\r\n")
    for i in range(40_000):
        b.feed(b"PUB s.%d 0\r\n\r\n" % i)
        if i % 1000 == 0:
            a.take()
    assert a.engine.space.cached_routes <= 16384


def test_many_receivers_on_many_subjects_stay_bounded():
    space, outbox = Space(), Outbox()
    listeners = [End(space, outbox) for _ in range(500)]
    for end in listeners:
        end.feed(b"SUB > 1\r\n")
    publisher = End(space, outbox)
    for i in range(1200):
        publisher.feed(b"PUB s.%d 0\r\n\r\n" % i)
    assert space.cached_routes < 1200
    assert {end.engine.out_messages for end in listeners} == {1200}


def test_inbox_churn_leaves_other_routes_alone():
    a, b, c = ends(3)
    asked = []
    a.session.answers["may_deliver"] = lambda subject, queue: asked.append(subject) or True
    a.engine.admit(a.engine.space, checks_deliver=True)
    subjects = [b"orders.%d" % i for i in range(50)]
    a.feed(b"SUB orders.* 1\r\n")
    for subject in subjects:
        b.feed(b"PUB %b 0\r\n\r\n" % subject)
    computed = len(asked)
    for i in range(40):
        c.feed(b"SUB _INBOX.k%d.* %d\r\nSUB _INBOX.w%d %da\r\n" % (i, i, i, i))
        c.feed(b"UNSUB %d\r\nUNSUB %da\r\n" % (i, i))
    for subject in subjects:
        b.feed(b"PUB %b 0\r\n\r\n" % subject)
    assert a.engine.out_messages == 100
    assert len(asked) - computed < 20


def test_publisher_that_is_cut_by_its_own_message_gets_no_answer():
    space = Space()
    (a,) = ends(1, space)
    a.engine.no_responders = True

    def cut(subject, reply, headers, payload, publisher):
        publisher.cut("Kicked")
        return False

    space.subscribe_internal(b"me", cut)
    a.feed(b"SUB in 1\r\nPUB me in 0\r\n\r\nPUB me in 0\r\n\r\n")
    assert a.reason == "Kicked"
    assert not space.subscriptions()


def test_peer_that_is_closed_while_it_subscribes_leaves_nothing_behind():
    space = Space()
    end = End(space)
    end.engine.admit(space, subscribe=Verdicts(lambda subject: end.engine.close("Kicked") or True))
    end.feed(b"SUB a 1\r\n")
    assert not space.subscriptions()


@pytest.mark.parametrize("pedantic", [False, True])
def test_publisher_that_is_cut_while_its_route_is_computed(pedantic):
    space, other = Space(), Space()
    a, b = ends(2, space)
    a.engine.pedantic = pedantic

    def rename(subject):
        a.engine.cut("Kicked")
        return subject

    space.link(b"a", other, rename)
    b.feed(b"SUB a 1\r\n")
    a.feed(b"PUB a 1\r\nx\r\nPUB a 1\r\ny\r\n")
    assert a.reason == "Kicked"
    assert b.take() == b""
