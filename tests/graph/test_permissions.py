"""What a user may publish and subscribe to. Source: spec/server-accounts.md section 3 and its scenarios S4 to S7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit import jwt, subjects
from natskit.errors import InvalidSubject
from natskit.graph import EVERYTHING, Permissions, Responses
from natskit.graph.flow import Flow

SCENARIO_4 = Permissions.compile(
    pub_allow=["a.*"], pub_deny=["a.secret"], sub_allow=["c.>", "q g1"], sub_deny=["c.no", "c.qq dq"]
)


@pytest.mark.parametrize(
    ("subject", "allowed", "rule"),
    [
        ("a.x", True, 'allow "a.*"'),
        ("a.secret", False, 'deny "a.secret"'),
        ("z", False, 'no publish allow entry covers it: "a.*"'),
        ("a.b.c", False, 'no publish allow entry covers it: "a.*"'),
        ("a.>", False, 'no publish allow entry covers it: "a.*"'),
    ],
)
def test_publish_names_the_rule_that_decided(subject: str, allowed: bool, rule: str) -> None:
    verdict = SCENARIO_4.may_publish(subject)
    assert (verdict.allowed, verdict.rule) == (allowed, rule)


@pytest.mark.parametrize(
    ("subject", "queue", "allowed"),
    [
        ("c.no", None, False),
        ("c.yes", None, True),
        ("c.>", None, True),
        (">", None, False),
        ("q", None, False),
        ("q", "g2", False),
        ("q", "g1", True),
        ("c.qq", "dq", False),
        ("c.qq", "other", True),
        ("c.qq", None, True),
    ],
)
def test_subscribe_with_queue_entries(subject: str, queue: str | None, allowed: bool) -> None:
    assert SCENARIO_4.may_subscribe(subject, queue).allowed is allowed


def test_deny_entries_filter_what_wildcard_subscriptions_receive() -> None:
    assert not SCENARIO_4.may_deliver("c.no")
    assert SCENARIO_4.may_deliver("c.ok")
    assert SCENARIO_4.may_deliver("c.qq")
    assert not SCENARIO_4.may_deliver("c.qq", "dq")
    assert SCENARIO_4.may_deliver("c.qq", "other")


def test_wildcard_subscription_wider_than_the_allow_list_is_refused() -> None:
    permissions = Permissions.compile(sub_allow=["foo.*"])
    assert permissions.may_subscribe("foo.*")
    assert permissions.may_subscribe("foo.bar")
    assert not permissions.may_subscribe("foo.>")
    assert not permissions.may_subscribe("*.bar")
    assert not permissions.may_subscribe(">")


def test_star_alone_does_not_allow_everything() -> None:
    assert not Permissions.compile(sub_allow=["*"]).may_subscribe(">")


def test_deny_entry_matches_wildcards_token_for_token() -> None:
    permissions = Permissions.compile(sub_deny=["foo.*"])
    assert not permissions.may_subscribe("foo.>")
    assert not permissions.may_subscribe("foo.*")
    assert permissions.may_subscribe(">")


@pytest.mark.parametrize(("queue", "allowed"), [("dev.one", True), ("dev", False), ("prod", False)])
def test_queue_entry_may_be_a_pattern(queue: str, allowed: bool) -> None:
    assert Permissions.compile(sub_allow=["jobs.> dev.*", "jobs.>"]).may_subscribe("jobs.a", queue).allowed is allowed


def test_queue_subscription_needs_no_queue_entry_if_none_concerns_it() -> None:
    permissions = Permissions.compile(sub_allow=["jobs.>", "other q"])
    assert permissions.may_subscribe("jobs.a", "any")


def test_responses_without_allow_list_deny_publishing() -> None:
    permissions = Permissions.compile(responses=Responses(max_messages=2))
    assert permissions.may_publish("in").rule == "only responses are allowed"
    assert permissions.restricts_publish
    both = Permissions.compile(pub_allow=["log.>"], responses=Responses())
    assert both.may_publish("log.a")
    assert not both.may_publish("in")


def test_a_deny_list_alone_restricts_publishing() -> None:
    assert Permissions.compile(pub_deny=["a"]).restricts_publish


def test_responses_of_claims_have_the_defaults_of_the_server() -> None:
    for claimed, expected in [
        (jwt.ResponsePermission(), Responses(1, 120.0)),
        (jwt.ResponsePermission(max=-1, ttl=5_000_000_000), Responses(-1, 5.0)),
    ]:
        assert Permissions.from_claims(jwt.Permissions(resp=claimed)).responses == expected


def test_no_list_restricts_nothing_and_says_so() -> None:
    assert EVERYTHING.may_publish("a").rule == "no allow list"
    assert not EVERYTHING.restricts_publish
    assert not EVERYTHING.restricts_subscribe
    assert not EVERYTHING.filters_delivery


def test_permissions_of_equal_lists_are_equal() -> None:
    assert Permissions.compile(["a"]) == Permissions.compile(("a",))
    assert Permissions.compile(["a"]) != Permissions.compile((), ["a"])


TOKENS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.builds(
    lambda tokens, tail: ".".join([*tokens, tail] if tail else tokens),
    st.lists(TOKENS, min_size=1, max_size=3),
    st.sampled_from(["", ">"]),
)
LITERALS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3), PATTERNS, LITERALS)
def test_whatever_is_received_was_allowed_and_not_denied(
    allow: list[str], deny: list[str], pattern: str, literal: str
) -> None:
    permissions = Permissions.compile(sub_allow=allow, sub_deny=deny)
    received = (
        permissions.may_subscribe(pattern) and subjects.matches(pattern, literal) and permissions.may_deliver(literal)
    )
    if received:
        assert not allow or any(subjects.matches(entry, literal) for entry in allow)
        assert not any(subjects.matches(entry, literal) for entry in deny)


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3), LITERALS)
def test_literal_subjects_follow_the_lists_exactly(allow: list[str], deny: list[str], literal: str) -> None:
    wanted = (not allow or any(subjects.matches(entry, literal) for entry in allow)) and not any(
        subjects.matches(entry, literal) for entry in deny
    )
    permissions = Permissions.compile(allow, deny, allow, deny)
    assert permissions.may_publish(literal).allowed is wanted
    assert permissions.may_subscribe(literal).allowed is wanted


def test_what_is_free_needs_an_entry_for_all_that_follows_and_no_deny_entry_near_it() -> None:
    entries = ["a.>", "b.*.>", "c.d", "q.> workers", "e.f.>", "g.>"]
    denied = ["g.*.secret", "e.x", "*.f.> q"]
    permissions = Permissions.compile(["a.>", "b.*.>", "c.d", "e.f.>", "g.>"], denied[:2], entries, denied)
    assert (permissions.free_to_publish, permissions.free_to_subscribe) == (["a.", "e.f."], [])
    assert Permissions.compile([">"], (), entries).free_to_publish == [""]
    assert Permissions.compile([">"], (), entries).free_to_subscribe == ["a.", "e.f.", "g."]


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3), LITERALS)
def test_what_is_free_is_allowed(allow: list[str], deny: list[str], literal: str) -> None:
    permissions = Permissions.compile(allow, deny, allow, deny)
    for beginning in permissions.free_to_publish:
        assert permissions.may_publish(beginning + literal).allowed
    for beginning in permissions.free_to_subscribe:
        assert permissions.may_subscribe(beginning + literal).allowed
        assert permissions.may_deliver(beginning + literal)


@pytest.mark.parametrize("entry", ["", "a..b", "a b c", "a  b", " a", "a\tb", ">.a"])
def test_entry_that_is_no_subject_is_refused(entry: str) -> None:
    with pytest.raises(InvalidSubject):
        Permissions.compile(sub_deny=[entry])


def test_publish_entry_with_a_queue_is_refused() -> None:
    with pytest.raises(InvalidSubject):
        Permissions.compile(pub_deny=["a q"])


def test_parts_of_a_pattern_are_the_widest_that_are_permitted() -> None:
    permissions = Permissions.compile(pub_allow=["a.b", "a.*", "c"], pub_deny=["a.x", "a.x"])
    flow = Flow("a.>").minus("a.y", "a.y")
    assert flow is not None
    assert [part for part, _ in permissions.publish_parts(flow)] == [Flow("a.*", ("a.y", "a.x"))]
