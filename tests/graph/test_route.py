"""Routes, forward and backward: the same messages, whichever end is asked."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from natskit import subjects
from natskit.graph import (
    SERVICE,
    STREAM,
    Account,
    Destination,
    Export,
    Flow,
    Graph,
    Import,
    Mapping,
    Permissions,
    Rule,
    Stop,
    route_of_publish,
    route_of_subscription,
)

NAMES = ["A", "B", "C"]
MAX_STOPS = 5_000
LITERALS = ["x", "x.a", "x.b", "x.a.b", "y.a", "y.b", "p.x.a", "l.a", "r.a", "s", "s.a", "t.a.b"]
PATTERNS = [*LITERALS, ">", "x.>", "x.*", "*.a", "y.*", "p.>", "l.*", "s.>", "t.*.*", "r.*"]

exports = st.builds(
    Export,
    kind=st.sampled_from([STREAM, SERVICE]),
    subject=st.sampled_from([">", "x.>", "x.*", "x.a", "y.*", "x", "s.*", "t.*.*"]),
    token_required=st.sampled_from([False, False, False, True]),
)
STREAM_IMPORTS = [
    ("x.>", ""),
    ("x.*", "l.$1"),
    ("x.a", ""),
    ("x.*", ""),
    ("y.*", "x.$1"),
    ("t.*.*", "t.$2.$1"),
    (">", ""),
]
imports = st.builds(
    lambda kind, account, names, prefix: Import(
        kind=kind,
        account=account,
        subject=names[0],
        local="" if prefix and kind == STREAM else names[1],
        prefix=prefix if kind == STREAM else "",
    ),
    st.sampled_from([STREAM, SERVICE]),
    st.sampled_from(NAMES),
    st.sampled_from(STREAM_IMPORTS),
    st.sampled_from(["", "", "p"]),
)
MAPPINGS = [
    Mapping(source="x.a", destinations=(Destination(subject="y.a"),)),
    Mapping(
        source="x.*", destinations=(Destination(subject="r.$1", weight=30), Destination(subject="x.$1", weight=70))
    ),
    Mapping(source="y.*", destinations=(Destination(subject="l.$1", weight=20),)),
    Mapping(source="y.b", destinations=()),
    Mapping(source="x.>", destinations=(Destination(subject="p.x.>"),)),
    Mapping(source="t.*.*", destinations=(Destination(subject="t.$2.$1"),)),
    Mapping(source="s.*", destinations=(Destination(subject="s.{{partition(2,1)}}"),)),
    Mapping(source="s", destinations=(Destination(subject="s", weight=40),)),
    Mapping(source="r.*", destinations=(Destination(subject="x"),)),
]
accounts = st.builds(
    lambda name, exported, imported, mapped: Account(id=name, exports=exported, imports=imported, mappings=mapped),
    st.sampled_from(NAMES),
    st.lists(exports, max_size=3).map(tuple),
    st.lists(imports, max_size=3).map(tuple),
    st.lists(st.sampled_from(MAPPINGS), max_size=3, unique_by=lambda each: each.source).map(tuple),
)
graphs = st.lists(accounts, max_size=5).map(lambda found: Graph({each.id: each for each in found}.values()))


def reached(route: Stop) -> set[tuple[str, str]]:
    """Account and subject of everything that is delivered."""
    return {(stop.account, stop.flow.subject) for stop in route.walk() if stop.ends}


@given(graphs, st.sampled_from(PATTERNS))
def test_what_arrives_at_a_subscription_is_what_publishing_delivers_to_it(graph: Graph, pattern: str) -> None:
    for receiver in graph.accounts:
        back = [stop for stop in route_of_subscription(graph, receiver, pattern).walk() if stop.ends]
        for sender in graph.accounts:
            for literal in LITERALS:
                forward = route_of_publish(graph, sender, literal)
                arrives = any(
                    account == receiver and subjects.matches(pattern, subject) for account, subject in reached(forward)
                )
                said = [stop for stop in back if stop.account == sender and stop.flow.has(literal)]
                assert bool(said) == arrives or (said and not any(stop.exact for stop in said)), (sender, literal, said)


@given(graphs, st.sampled_from(PATTERNS))
def test_the_route_of_a_pattern_holds_the_routes_of_its_subjects(graph: Graph, pattern: str) -> None:
    for sender in graph.accounts:
        route = route_of_publish(graph, sender, pattern)
        for literal in filter(lambda each: subjects.matches(pattern, each), LITERALS):
            for account, subject in reached(route_of_publish(graph, sender, literal)):
                assert any(stop.account == account and stop.flow.has(subject) for stop in route.walk() if stop.ends), (
                    sender,
                    literal,
                    account,
                    subject,
                )


entries = st.lists(st.sampled_from(PATTERNS), max_size=3)


@example(allow=[], deny=["x.*"], pattern="x.>")
@given(entries, entries, st.sampled_from(PATTERNS))
def test_the_parts_of_a_pattern_that_may_be_published_are_those_of_its_subjects(
    allow: list[str], deny: list[str], pattern: str
) -> None:
    permissions = Permissions.compile(pub_allow=allow, pub_deny=deny)
    parts = permissions.publish_parts(Flow(pattern))
    for literal in filter(lambda each: subjects.matches(pattern, each), LITERALS):
        said = any(verdict and flow.has(literal) for flow, verdict in parts)
        assert said == permissions.may_publish(literal).allowed


@given(entries, entries, st.sampled_from(PATTERNS))
def test_a_user_may_receive_a_pattern_if_it_may_receive_some_subject_of_it(
    allow: list[str], deny: list[str], pattern: str
) -> None:
    permissions = Permissions.compile(sub_allow=allow, sub_deny=deny)
    for literal in filter(lambda each: subjects.matches(pattern, each), LITERALS):
        if permissions.may_subscribe(literal):
            assert permissions.may_receive(Flow(pattern))
    if subjects.is_literal(pattern):
        assert permissions.may_receive(Flow(pattern)).allowed == permissions.may_subscribe(pattern).allowed


# ---- what stops say ------------------------------------------------------------------------------


def test_a_request_goes_on_through_every_account_of_a_chain() -> None:
    graph = Graph(
        [
            Account(id="S", exports=(Export(kind=SERVICE, subject="h.*", response_type="stream"),)),
            Account(
                id="M",
                exports=(Export(kind=SERVICE, subject="m.*"),),
                imports=(Import(kind=SERVICE, account="S", subject="h.*", local="m.$1"),),
            ),
            Account(id="T", imports=(Import(kind=SERVICE, account="M", subject="m.*", local="tt.$1"),)),
        ]
    )
    (middle,) = route_of_publish(graph, "T", "tt.x").onward
    (service,) = middle.onward
    assert [(each.account, each.flow.subject) for each in (middle, service)] == [("M", "m.x"), ("S", "h.x")]
    assert service.export is not None
    assert service.export.response_type == "stream"
    (asked,) = route_of_subscription(graph, "S", "h.>").onward
    (first,) = asked.onward
    assert [(each.account, each.flow.subject) for each in (asked, first)] == [("M", "m.*"), ("T", "tt.*")]


def test_weighted_mappings_are_all_told_with_their_shares() -> None:
    mapping = Mapping(
        source="api", destinations=(Destination(subject="api.v1", weight=70), Destination(subject="api.v2", weight=20))
    )
    route = route_of_publish(Graph([Account(id="A", mappings=(mapping,))]), "A", "api")
    assert [(each.flow.subject, each.chance) for each in route.onward] == [
        ("api.v1", 0.7),
        ("api.v2", 0.2),
        ("api", 0.1),
    ]
    assert not route.ends


def test_a_share_that_a_mapping_drops_is_told() -> None:
    mapping = Mapping(source="api", destinations=(Destination(subject="api", weight=60),))
    kept, dropped = route_of_publish(Graph([Account(id="A", mappings=(mapping,))]), "A", "api").onward
    assert kept.ends
    assert (dropped.ends, dropped.because.rule, dropped.chance) == (False, Rule.MAPPING, 0.4)


def test_a_subscription_to_a_name_that_a_mapping_takes_away_says_so() -> None:
    mapping = Mapping(source="old", destinations=(Destination(subject="new"),))
    graph = Graph([Account(id="A", mappings=(mapping,))])
    (away,) = route_of_subscription(graph, "A", "old").onward
    assert (away.ends, away.because.rule) == (False, Rule.MAPPING)
    assert "another name" in away.because.text
    assert [stop.flow.subject for stop in route_of_subscription(graph, "A", "new").onward] == ["old", "new"]


def test_permissions_single_out_parts_of_a_pattern() -> None:
    permissions = Permissions.compile(pub_allow=["a.*", "b.x"], pub_deny=["a.secret"])
    route = route_of_publish(Graph([Account(id="A")]), "A", ">", permissions)
    assert [(stop.flow, stop.permission) for stop in route.onward] == [
        (Flow("a.*", ("a.secret",)), 'allow "a.*"'),
        (Flow("b.x"), 'allow "b.x"'),
    ]


@pytest.mark.parametrize("subject", ["_GR_.x", "$GR.x", "$NRG.x"])
def test_reserved_subjects_are_refused_whatever_the_permissions(subject: str) -> None:
    route = route_of_publish(Graph([Account(id="A"), Account(id="S", is_system=True)]), "A", subject)
    assert route.because.rule is Rule.RESERVED
    assert not route.ends


def test_what_the_subscriber_is_denied_is_left_out_of_what_arrives() -> None:
    permissions = Permissions.compile(sub_deny=["a.secret", "a.q dq"])
    graph = Graph([Account(id="A")])
    assert route_of_subscription(graph, "A", "a.*", permissions).flow == Flow("a.*", ("a.secret",))
    assert route_of_subscription(graph, "A", "a.*", permissions, "dq").flow == Flow("a.*", ("a.secret", "a.q"))
    refused = route_of_subscription(graph, "A", "a.secret", permissions)
    assert (refused.because.rule, refused.onward) == (Rule.PERMISSION, ())


def test_where_nats_server_decides_otherwise_the_reason_says_it() -> None:
    permissions = Permissions.compile(sub_allow=["foo.*"])
    refused = route_of_subscription(Graph([Account(id="A")]), "A", "foo.>", permissions)
    assert not refused.because
    assert "nats-server" in refused.because.differs
    wide = (Export(kind=STREAM, subject="x.>"), Export(kind=STREAM, subject="x.*", token_required=True))
    graph = Graph(
        [Account(id="E", exports=wide), Account(id="I", imports=(Import(kind=STREAM, account="E", subject="x.a"),))]
    )
    (answer,) = graph.imports_of("I")
    assert "by chance" in answer.because.differs


def test_accounts_that_import_from_each_other_end_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services each way between every pair of a dozen accounts: more ways than anybody could print."""
    monkeypatch.setattr("natskit.graph.route.MAX_STOPS", MAX_STOPS)
    names = [f"N{number}" for number in range(12)]
    everyone = [
        Account(
            id=name,
            exports=(Export(kind=SERVICE, subject="q.*"), Export(kind=SERVICE, subject="w.*")),
            imports=tuple(
                Import(kind=SERVICE, account=other, subject=f"{letter}.{name}", local=f"{other}.{letter}")
                for other in names
                if other > name
                for letter in "qw"
            ),
            mappings=(
                Mapping(
                    source="q.*", destinations=tuple(Destination(subject=f"{other}.q", weight=8) for other in names)
                ),
            ),
        )
        for name in names
    ]
    route = route_of_publish(Graph(everyone), "N0", "q.x")
    assert route.cut_off
    assert sum(1 for _ in route.walk()) <= MAX_STOPS + 1


def ends(route: Stop) -> list[tuple[str, str]]:
    return [(stop.account, stop.flow.subject) for stop in route.walk() if stop.ends]


def test_requests_are_no_messages_of_streams() -> None:
    """Neither forward nor backward."""
    graph = Graph(
        [
            Account(id="A", imports=(Import(kind=SERVICE, account="B", subject="q"),)),
            Account(id="B", exports=(Export(kind=SERVICE, subject="q"), Export(kind=STREAM, subject="q"))),
            Account(id="C", imports=(Import(kind=STREAM, account="B", subject="q"),)),
        ]
    )
    assert ends(route_of_publish(graph, "A", "q")) == [("A", "q"), ("B", "q")]
    assert ends(route_of_publish(graph, "B", "q")) == [("B", "q"), ("C", "q")]
    assert ends(route_of_subscription(graph, "C", "q")) == [("C", "q"), ("B", "q")]


def test_a_request_takes_each_import_once() -> None:
    own = Import(kind=SERVICE, account="A", subject="x.*")
    graph = Graph([Account(id="A", exports=(Export(kind=SERVICE, subject="x.*"),), imports=(own,))])
    assert len(ends(route_of_publish(graph, "A", "x.1"))) <= 2
    assert len(ends(route_of_subscription(graph, "A", "x.1"))) <= 2


def test_what_a_narrower_mapping_takes_does_not_come_by_a_wider_one() -> None:
    narrow = Mapping(source="a.b", destinations=(Destination(subject="z"),))
    wide = Mapping(source="a.*", destinations=(Destination(subject="y.$1"),))
    graph = Graph([Account(id="A", mappings=(wide, narrow))])
    assert ends(route_of_subscription(graph, "A", "y.b")) == [("A", "y.b")]
    assert ends(route_of_subscription(graph, "A", "y.c")) == [("A", "a.c"), ("A", "y.c")]
