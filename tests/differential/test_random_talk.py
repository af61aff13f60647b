"""Random conversations of three clients, the same with both servers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODES = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n',
    b'CONNECT {"verbose":true,"pedantic":true}\r\n',
    b'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n',
)
CLIENTS = ("a", "b", "c")
TOKENS = st.sampled_from([b"a", b"b", b"no", b"*", b">", b"*x", b""])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=3).map(b".".join).filter(bool)
PUBLISHED = SUBJECTS.filter(lambda subject: b">" not in subject)
"""Permission to publish on a subject with a token ``>`` is judged more strictly here."""

SIDS = st.sampled_from([b"1", b"2", b"3"])
PAYLOADS = st.sampled_from([b"", b"x", b"\r\n", b"PUB a 1\r\nx", b"NATS/1.0\r\n\r\nhi"])


@st.composite
def publishes(draw):
    subject, payload = draw(PUBLISHED), draw(PAYLOADS)
    reply = draw(st.sampled_from([b"", b"", b"in.1", b"_R_.x", b"a.b"]))
    return b" ".join(filter(None, [b"PUB", subject, reply, b"%d" % len(payload)])) + b"\r\n" + payload + b"\r\n"


@st.composite
def header_publishes(draw):
    payload = draw(PAYLOADS)
    sizes = b"%d %d" % (draw(st.integers(0, len(payload))), len(payload))
    return b"HPUB " + draw(PUBLISHED) + b" " + sizes + b"\r\n" + payload + b"\r\n"


OPERATIONS = st.one_of(
    publishes(),
    publishes(),
    header_publishes(),
    st.builds(lambda subject, sid: b"SUB %b %b\r\n" % (subject, sid), SUBJECTS, SIDS),
    st.builds(lambda subject, sid: b"SUB %b %b\r\n" % (subject, sid), SUBJECTS, SIDS),
    st.builds(lambda subject, sid: b"SUB %b group%b %b\r\n" % (subject, sid, sid), SUBJECTS, SIDS),
    st.builds(lambda sid: b"UNSUB %b\r\n" % sid, SIDS),
    st.builds(lambda sid, limit: b"UNSUB %b %d\r\n" % (sid, limit), SIDS, st.integers(0, 4)),
    st.sampled_from([b"SUB in.* 9\r\n", b"", b"PUB a.b 3\r\nabc\r\n" * 3]),
    st.sampled_from([b"FOO\r\n", b"PUB a 1\r\nxy\r\n", b"SUB a\r\n", MODES[0], MODES[1]]),
)
SCRIPTS = st.lists(st.tuples(st.sampled_from(CLIENTS), OPERATIONS), min_size=1, max_size=14)
RESTRICTED = """
authorization { users = [ {user: u, password: p, permissions: {
  publish: {allow: ["a", "a.*", "*.b", "in.>"], deny: ["a.no"]}, subscribe: {deny: ["no", "a.no", "b.>"]}}} ] }
no_auth_user: u
"""


def own_groups(name, data):
    """Groups choose at random: each client has groups of its own, with one member each."""
    return data.replace(b" group", b" g" + name.encode())


@pytest.mark.parametrize("config", ["", RESTRICTED], ids=["open", "restricted"])
def test_random_talk(config, arena):
    """The servers go on from one example to the next; each has connections of its own."""

    @given(SCRIPTS)
    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    def talk(script):
        hello = [(name, MODES[number]) for number, name in enumerate(CLIENTS)]
        arena.duel(hello + [(name, own_groups(name, data)) for name, data in script], config=config)

    talk()
