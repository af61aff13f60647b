"""Imports between spaces, the server's own subscriptions, mappings."""

from __future__ import annotations

import gc
from collections import Counter

import pytest
from tests.wire.pair import End

from natskit.wire import Outbox, Space


@pytest.fixture
def outbox():
    return Outbox()


def prefix(subject):
    return b"from." + subject


def test_import_delivers_under_the_local_subject(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b"pub.>", importer, prefix)
    e, i = End(exporter, outbox), End(importer, outbox)
    i.feed(b"SUB from.pub.> 1\r\nSUB from.pub.a 2\r\nSUB from.*.b 3\r\nSUB pub.> 4\r\n")
    e.feed(b"PUB pub.a rep 1\r\nx\r\nPUB pub.b 1\r\ny\r\nPUB other 1\r\nz\r\n")
    assert sorted(i.take().split(b"MSG ")) == sorted(
        [
            b"",
            b"from.pub.a 1 rep 1\r\nx\r\n",
            b"from.pub.a 2 rep 1\r\nx\r\n",
            b"from.pub.b 1 1\r\ny\r\n",
            b"from.pub.b 3 1\r\ny\r\n",
        ]
    )


def test_import_works_one_way_only(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b">", importer, lambda subject: subject)
    e, i = End(exporter, outbox), End(importer, outbox)
    e.feed(b"SUB > 1\r\n")
    i.feed(b"SUB > 1\r\nPUB x 0\r\n\r\n")
    assert (e.take(), i.take()) == (b"", b"MSG x 1 0\r\n\r\n")


def test_imports_do_not_chain(outbox):
    a, b, c = Space("A"), Space("B"), Space("C")
    a.link(b">", b, lambda subject: subject)
    b.link(b">", c, lambda subject: subject)
    ends = [End(space, outbox) for space in (a, b, c)]
    for end in ends:
        end.feed(b"SUB s.> 1\r\n")
    ends[0].feed(b"PUB s.1 0\r\n\r\n")
    assert [end.take() for end in ends] == [b"MSG s.1 1 0\r\n\r\n", b"MSG s.1 1 0\r\n\r\n", b""]


def test_queue_group_spans_spaces(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b"pub.>", importer, prefix)
    e, i = End(exporter, outbox), End(importer, outbox)
    i.feed(b"SUB from.pub.> g 1\r\n")
    e.feed(b"SUB pub.> g 7\r\n" + b"PUB pub.z 0\r\n\r\n" * 200)
    mine, theirs = e.take().count(b"MSG pub.z 7"), i.take().count(b"MSG from.pub.z 1")
    assert mine + theirs == 200
    assert min(mine, theirs) > 20


def test_unsub_max_does_not_count_imported_messages(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b"pub.>", importer, prefix)
    e, i = End(exporter, outbox), End(importer, outbox)
    i.feed(b"SUB from.pub.> 2\r\nUNSUB 2 1\r\n")
    e.feed(b"PUB pub.1 0\r\n\r\nPUB pub.2 0\r\n\r\n")
    assert i.take().count(b"MSG") == 2
    assert i.engine.subscriptions()[0].delivered == 0


def test_links_and_subscriptions_in_the_importer_change_running_routes(outbox):
    exporter, importer = Space("E"), Space("I")
    e, i = End(exporter, outbox), End(importer, outbox)
    publish = b"PUB pub.a 0\r\n\r\n"
    e.feed(publish * 2)
    link = exporter.link(b"pub.*", importer, prefix)
    e.feed(publish)
    assert i.take() == b""
    i.feed(b"SUB from.> 1\r\n")
    e.feed(publish)
    assert i.take() == b"MSG from.pub.a 1 0\r\n\r\n"
    exporter.unlink(link)
    e.feed(publish)
    assert i.take() == b""


def test_same_subscription_through_two_imports_gets_two_copies(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b"pub.*", importer, prefix)
    exporter.link(b"pub.a", importer, lambda subject: b"lit.a")
    e, i = End(exporter, outbox), End(importer, outbox)
    i.feed(b"SUB > 1\r\n")
    e.feed(b"PUB pub.a 0\r\n\r\n")
    assert sorted(i.take().split(b"\r\n\r\n")) == [b"", b"MSG from.pub.a 1 0", b"MSG lit.a 1 0"]


def test_statistics_of_an_import_count_where_it_is_received(outbox):
    exporter, importer = Space("E"), Space("I")
    exporter.link(b">", importer, lambda subject: subject)
    e, i = End(exporter, outbox), End(importer, outbox)
    i.feed(b"SUB > 1\r\n")
    e.feed(b"PUB x 3\r\nabc\r\n")
    assert (exporter.in_messages, exporter.out_messages) == (1, 0)
    assert (importer.in_messages, importer.out_messages, importer.out_bytes) == (0, 1, 3)


# the server itself


def test_internal_subscription_is_called_with_the_whole_message(outbox):
    space, got = Space(), []
    space.subscribe_internal(b"$SYS.>", lambda *message: got.append(message))
    end = End(space, outbox)
    end.feed(
        b"PUB $SYS.x re.ply 3\r\nabc\r\nHPUB $SYS.y 12 15\r\nNATS/1.0\r\n\r\nabc\r\nPUB $SYS.x 3\r\nabc\r\nPUB  $SYS.z  3\r\nabc\r\n"
    )
    big = b"z" * 20_000
    end.feed(b"PUB $SYS.x 20000\r\n" + big + b"\r\n")
    assert got == [
        (b"$SYS.x", b"re.ply", b"", b"abc", end.engine),
        (b"$SYS.y", b"", b"NATS/1.0\r\n\r\n", b"abc", end.engine),
        (b"$SYS.x", b"", b"", b"abc", end.engine),
        (b"$SYS.z", b"", b"", b"abc", end.engine),
        (b"$SYS.x", b"", b"", big, end.engine),
    ]


def test_internal_subscription_may_refuse_and_then_nobody_responded(outbox):
    space = Space()
    end = End(space, outbox)
    end.engine.no_responders = True
    handle = space.subscribe_internal(b"svc", lambda *message: False)
    end.feed(b"SUB in 1\r\nPUB svc in 0\r\n\r\n")
    assert b"503" in end.take()
    space.unsubscribe_internal(handle)
    space.subscribe_internal(b"svc", lambda *message: None)
    end.feed(b"PUB svc in 0\r\n\r\n")
    assert end.take() == b""


def test_internal_subscription_may_answer_at_once(outbox):
    space = Space()
    space.subscribe_internal(b"echo", lambda s, reply, h, payload, who: space.publish_internal(reply, payload=payload))
    end = End(space, outbox)
    end.feed(b"SUB in.* 1\r\nPUB echo in.1 2\r\nhi\r\nPUB echo in.2 2\r\nho\r\n")
    assert end.take() == b"MSG in.1 1 2\r\nhi\r\nMSG in.2 1 2\r\nho\r\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_failing_internal_subscription_is_not_the_publishers_fault(outbox):
    space = Space()

    def fail(*message):
        raise RuntimeError("broken on purpose")

    space.subscribe_internal(b"x", fail)
    end = End(space, outbox)
    end.feed(b"PUB x 0\r\n\r\nPING\r\n")
    assert end.take() == b"PONG\r\n"


def test_publish_internal_reaches_clients_and_counts_receivers(outbox):
    space = Space()
    plain, aware = End(space, outbox), End(space, outbox)
    plain.engine.headers = False
    for end in (plain, aware):
        end.feed(b"SUB a.* 1\r\n")
    assert space.publish_internal(b"a.x", b"re.ply", b"NATS/1.0\r\n\r\n", b"hi") == 2
    assert plain.take() == b"MSG a.x 1 re.ply 2\r\nhi\r\n"
    assert aware.take() == b"HMSG a.x 1 re.ply 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    assert space.publish_internal(b"nobody") == 0
    big = b"x" * 50_000
    space.publish_internal(b"a.y", payload=big)
    assert aware.take() == b"MSG a.y 1 50000\r\n" + big + b"\r\n"


def test_output_outside_of_input_wakes_the_owner_once():
    woken = []
    outbox = Outbox(lambda: woken.append(1))
    space = Space()
    ends = [End(space, outbox), End(space, outbox)]
    for end in ends:
        end.feed(b"SUB a 1\r\n")
    space.publish_internal(b"a")
    space.publish_internal(b"a")
    assert woken == [1]
    outbox.flush()
    assert [end.session.was_told("on_output") for end in ends] == [[[]], [[]]]
    space.publish_internal(b"a")
    assert woken == [1, 1]


# mappings


def test_mapped_subject_is_what_receivers_and_permissions_see(outbox):
    space = Space()
    space.map_subjects(lambda subject: [(100, b"new." + subject)] if subject.startswith(b"old") else None)
    a, b = End(space, outbox), End(space, outbox)
    a.feed(b"SUB > 1\r\n")
    b.feed(b"PUB old.x 0\r\n\r\n" * 2 + b"PUB as.it.is 0\r\n\r\n")
    assert a.take() == b"MSG new.old.x 1 0\r\n\r\n" * 2 + b"MSG as.it.is 1 0\r\n\r\n"
    space.map_subjects(None)
    b.feed(b"PUB old.x 0\r\n\r\n")
    assert a.take() == b"MSG old.x 1 0\r\n\r\n"


def test_weighted_mapping_scatters_and_drops(outbox):
    space = Space()
    space.map_subjects(lambda subject: [(50, b"a"), (25, b"b"), (25, b"")])
    a, b = End(space, outbox), End(space, outbox)
    a.feed(b"SUB > 1\r\n")
    b.feed(b"PUB x 0\r\n\r\n" * 2000)
    seen = Counter(line.split()[1] for line in a.take().split(b"\r\n") if line)
    assert 800 < seen[b"a"] < 1200
    assert 350 < seen[b"b"] < 650
    a.feed(b"UNSUB 1\r\nSUB a 2\r\n")
    b.feed(b"PUB x 0\r\n\r\n" * 200)
    assert {line.split()[1] for line in a.take().split(b"\r\n") if line} == {b"a"}


# memory


def alive(kind):
    gc.collect()
    return sum(type(found) is kind for found in gc.get_objects())


def test_spaces_that_import_from_each_other_are_freed_with_their_routes():
    before = alive(Space)
    outbox, one, other = Outbox(), Space("1"), Space("2")
    one.link(b">", other, lambda subject: subject)
    other.link(b">", one, lambda subject: subject)
    ends = [End(one, outbox), End(other, outbox)]
    for end in ends:
        end.feed(b"SUB > 1\r\nPUB a.b 0\r\n\r\nPUB a.c 0\r\n\r\n")
    assert (one.cached_routes, other.cached_routes) == (2, 2)
    for end in ends:
        end.engine.cut("Client Closed")
    del one, other, ends, end
    assert alive(Space) == before
