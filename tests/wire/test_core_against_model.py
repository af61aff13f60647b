"""The compiled core does what the plain Python model does, however its input is cut."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.differential.duel import normal
from tests.wire import model
from tests.wire.pair import Recorder

from natskit.wire import Connection, Outbox, Space, Verdicts

TOKENS = st.sampled_from([b"a", b"b", b"x", b"no", b"*", b">", b"ab", b"", b"A"])
SUBJECTS = st.one_of(
    st.lists(TOKENS, min_size=1, max_size=4).map(b".".join),
    st.sampled_from(
        [b"a", b"a.b", b"a.*", b"a.>", b">", b"x.a", b"imp.x.a", b"imp.>", b"no.a", b"_R_.x", b"_GR_.a", b"in"]
    ),
)
SIDS = st.sampled_from([b"1", b"2", b"3", b"four"])
SPACES = st.sampled_from([b" ", b"  ", b"\t", b" \t "])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
PAYLOADS = st.sampled_from([b"", b"x", b"hello", b"\r\n", b"PUB a 1\r\n", b"NATS/1.0\r\n\r\nhi", b"z" * 64, b"z" * 65])
NUMBERS = st.sampled_from([b"0", b"1", b"2", b"3", b"007", b"-1", b"x", b"999999999", b"1234567890"])


@st.composite
def lines(draw, verb, *words):
    cased = draw(st.sampled_from([verb, verb, verb.lower(), verb.title()]))
    return cased + b"".join(draw(SPACES) + draw(word) for word in words) + draw(ENDS)


@st.composite
def publishes(draw):
    payload = draw(PAYLOADS)
    size = draw(st.sampled_from([b"%d", b"%d", b"%d", b"%d", b"00%d"])) % len(payload)
    reply = draw(st.one_of(st.just(b""), SUBJECTS))
    sizes = size
    verb = draw(st.sampled_from([b"PUB", b"PUB", b"pub", b"HPUB", b"HPUB"]))
    if verb == b"HPUB":
        sizes = b"%d " % draw(st.integers(0, len(payload))) + size
    subject = draw(SUBJECTS)
    gap = draw(st.sampled_from([b" ", b" ", b" ", b"\t", b"  "]))
    end = draw(st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\rX", b""]))
    return gap.join(part for part in (verb, subject, reply, sizes) if part) + draw(ENDS) + payload + end


OPERATIONS = st.one_of(
    publishes(),
    publishes(),
    publishes(),
    lines(b"SUB", SUBJECTS, SIDS),
    lines(b"SUB", SUBJECTS, SIDS),
    lines(b"SUB", SUBJECTS, st.sampled_from([b"q1"]), SIDS),
    st.builds(
        lambda verb, *words: verb + b"\r".join(words) + b"\r\n",
        st.sampled_from([b"SUB ", b"PUB ", b"UNSUB "]),
        SUBJECTS,
        SIDS,
    ),
    lines(b"SUB", SUBJECTS),
    lines(b"UNSUB", SIDS),
    lines(b"UNSUB", SIDS, NUMBERS),
    st.sampled_from([b"PING\r\n", b"PONG\r\n", b"ping x\n", b"+OK\r\n", b"PI", b"INFO {}\r\n"]),
    st.sampled_from(
        [b"-ERR oops\r\n", b"FOO\r\n", b"\r\n", b"PUB\r\n", b"PUB a\r\n", b"SUB a b c d\r\n", b"HPUB a 1\r\n"]
    ),
    st.sampled_from([b"SUB " + b"s" * 62 + b" 1\r\n", b"SUB " + b"s" * 63 + b" 1\r\n", b"PUB " + b"s" * 63 + b" 1"]),
)
SCRIPTS = st.lists(st.tuples(st.integers(0, 3), OPERATIONS), max_size=30)


def allow(subject):
    return b"no" not in subject.split(b".")


def import_as(subject):
    return b"imp." + subject if b"skip" not in subject else None


MODES = [
    {},
    {"verbose": False, "pedantic": False, "headers": True, "no_responders": True},
    {"verbose": False, "pedantic": False, "echo": False},
    {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "max_subscriptions": 2},
]
RESTRICTED = {1, 2}
"""These may not touch subjects with a token ``no``."""


class Core:
    """The compiled one, behind the interface of the model."""

    def __init__(self):
        outbox, self.spaces = Outbox(), [Space("A"), Space("B")]
        self.spaces[0].link(b"x.>", self.spaces[1], import_as)
        self.sessions = []
        self.connections = []
        for number, modes in enumerate(MODES):
            session = Recorder(
                may_deliver=lambda subject, queue: allow(subject), may_subscribe=lambda subject, queue: allow(subject)
            )
            connection = Connection(
                outbox,
                session,
                max_control_line=64,
                max_payload=64,
                max_subscriptions=modes.get("max_subscriptions", 0),
            )
            connection.welcome(self.spaces[number % 2])
            for name, value in modes.items():
                setattr(connection, name, value)
            if number in RESTRICTED:
                verdicts = Verdicts(allow)
                connection.admit(self.spaces[number % 2], publish=verdicts, subscribe=verdicts, checks_deliver=True)
            self.sessions.append(session)
            self.connections.append(connection)
        self.out = [b""] * len(MODES)

    def feed(self, number, data):
        self.connections[number].feed(data)
        for index, connection in enumerate(self.connections):
            self.out[index] += connection.take()
            connection.drained()

    def result(self):
        reasons = [session.was_told("on_close") for session in self.sessions]
        counts = [(c.in_messages, c.in_bytes, c.out_messages, c.out_bytes) for c in self.connections]
        return [
            (normal(out, False), told[0][0] if told else "", count)
            for out, told, count in zip(self.out, reasons, counts, strict=True)
        ]


class Plain:
    """The model."""

    def __init__(self):
        spaces = [model.Space(), model.Space()]
        spaces[0].links.append(model.Link(b"x.>", spaces[1], import_as))
        self.connections = []
        for number, modes in enumerate(MODES):
            rules = {}
            if number in RESTRICTED:
                rules = {
                    "may_publish": allow,
                    "may_subscribe": lambda subject, queue: allow(subject),
                    "may_deliver": lambda subject, queue: allow(subject),
                }
            self.connections.append(model.Connection(spaces[number % 2], **modes, **rules))

    def feed(self, number, data):
        self.connections[number].feed(data)

    def result(self):
        return [
            (normal(c.out, False), c.closed, (c.in_messages, c.in_bytes, c.out_messages, c.out_bytes))
            for c in self.connections
        ]


def one_member_per_group(script):
    """Queue groups choose at random; give each connection its own name for the group."""
    return [(number, data.replace(b"q1", b"q1%d" % number)) for number, data in script]


def play(engine, script, cut=lambda data: [data]):
    for number, data in script:
        for piece in cut(data):
            engine.feed(number, piece)
    return engine.result()


@given(SCRIPTS)
@settings(max_examples=400, deadline=None)
@example(
    [(1, b"SUB %s %d\r\n" % (pattern, sid)) for sid, pattern in enumerate([b"a", b"a.>", b"a.*", b"*.b", b"*", b">"])]
    + [(3, b"PUB %s 1\r\nx\r\n" % subject) for subject in (b"a", b"b", b"a.b", b"b.b", b"a.b.c", b"b.c")]
)
@example([(1, b"SUB a 1\r\n"), (3, b"PUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB a 2\r\nxy\r\n")])
def test_core_does_what_the_model_does(script):
    script = one_member_per_group(script)
    assert play(Core(), script) == play(Plain(), script)


@given(SCRIPTS, st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_input_may_be_cut_anywhere(script, size):
    script = one_member_per_group(script)

    def cut(data):
        return [data[i : i + size] for i in range(0, len(data), size)]

    assert play(Core(), script, cut) == play(Core(), script)


@given(st.lists(st.binary(max_size=40), max_size=10))
@settings(max_examples=300, deadline=None)
def test_garbage_is_judged_the_same_whole_and_byte_by_byte(pieces):
    script = [(0, piece) for piece in pieces]
    whole = play(Core(), [(0, b"".join(pieces))])
    assert play(Core(), script) == whole
    assert play(Core(), script, lambda data: [bytes([byte]) for byte in data]) == whole


@given(SCRIPTS)
@settings(max_examples=100, deadline=None)
def test_all_input_in_one_read_gives_the_same(script):
    script = [(1, data) for _, data in one_member_per_group(script)]
    assert play(Core(), [(1, b"".join(data for _, data in script))]) == play(Core(), script)
