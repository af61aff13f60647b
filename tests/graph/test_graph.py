"""Which imports are live and who receives a message. Source: spec/server-accounts.md section 4."""

from __future__ import annotations

import pytest

from natskit.graph import Account, Decision, Destination, Export, Graph, Import, Mapping, Permissions, Rule


def stream(subject: str, **more: object) -> Export:
    return Export(kind="stream", subject=subject, **more)  # type: ignore[arg-type]


def wants(account: str, subject: str, **more: object) -> Import:
    return Import(kind="stream", account=account, subject=subject, **more)  # type: ignore[arg-type]


def exporter(*exports: Export) -> Account:
    return Account(id="E", exports=exports)


def importer(*imports: Import, name: str = "I") -> Account:
    return Account(id=name, imports=imports)


def delivered(decision: Decision) -> list[tuple[str, str]]:
    return [(delivery.account, delivery.subject) for delivery in decision.deliveries]


def refusal(graph: Graph) -> Rule:
    [refused] = graph.refused
    return refused.because.rule


def test_message_stays_in_its_account_without_imports() -> None:
    decision = Graph([exporter(stream(">"))]).publish("E", "a.b")
    assert delivered(decision) == [("E", "a.b")]
    assert decision.deliveries[0].because.rule is Rule.OWN_ACCOUNT


@pytest.mark.parametrize(
    ("wanted", "subject", "local"),
    [
        (wants("E", "pub.>", prefix="from"), "pub.a.b", "from.pub.a.b"),
        (wants("E", "pub.>", prefix="from."), "pub.a.b", "from.pub.a.b"),
        (wants("E", "pub.*", prefix="p"), "pub.a", "p.pub.a"),
        (wants("E", "ev.*.*", local="my.$2.x.$1"), "ev.1.2", "my.2.x.1"),
        (wants("E", "ev.*.*", local="my.{{wildcard(2)}}.x.$1"), "ev.1.2", "my.2.x.1"),
        (wants("E", "ev.*.*", local="my.*.*"), "ev.1.2", "my.1.2"),
        (wants("E", "ev.*.*", local="my.$2.*"), "ev.1.2", "my.2.1"),
        (wants("E", "ev.*.*", local="my.*.$1.*"), "ev.1.2", "my.1.1.2"),
        (wants("E", "ev.>", local="loc.>"), "ev.1.2", "loc.1.2"),
        (wants("E", "ev.one"), "ev.one", "ev.one"),
    ],
)
def test_stream_arrives_under_its_local_subject(wanted: Import, subject: str, local: str) -> None:
    graph = Graph([exporter(stream(">")), importer(wanted)])
    assert delivered(graph.publish("E", subject)) == [("E", subject), ("I", local)]
    assert delivered(graph.publish("E", "other")) == [("E", "other")]
    assert delivered(graph.publish("I", local)) == [("I", local)]


def test_reason_names_export_and_import() -> None:
    graph = Graph([exporter(stream("pub.>")), importer(wants("E", "pub.a"))])
    because = graph.publish("E", "pub.a").deliveries[1].because
    assert (because.rule, because.export, because.wanted) == (Rule.PUBLIC_EXPORT, "pub.>", "pub.a")


@pytest.mark.parametrize(
    "wanted",
    [
        wants("E", "ev.*.*", local="my.$1"),
        wants("E", "ev.*.*", local="my.$1.$3"),
        wants("E", "ev.>", local="my.x"),
        wants("E", "ev.*", local="my.{{partition(3,1)}}"),
        wants("E", "ev.*", prefix="p.*"),
        wants("E", "ev..x"),
        wants("E", "ev.*", local="my.{{ a.b }}.$1"),
    ],
)
def test_local_subject_that_cannot_work_is_refused(wanted: Import) -> None:
    assert refusal(Graph([exporter(stream(">")), importer(wanted)])) is Rule.LOCAL_SUBJECT


def test_import_must_be_inside_an_export_of_its_kind() -> None:
    services = Export(kind="service", subject=">")
    for offered, subject in [(stream("a.*"), "a.>"), (stream("a.>"), ">"), (services, "a"), (stream("a.b"), "a.*")]:
        graph = Graph([exporter(offered), importer(wants("E", subject))])
        assert refusal(graph) is Rule.NO_EXPORT


def test_export_for_listed_accounts_only() -> None:
    shared = exporter(stream("priv", accounts=frozenset({"I"})))
    graph = Graph([shared, importer(wants("E", "priv")), importer(wants("E", "priv"), name="J")])
    decision = graph.publish("E", "priv")
    assert delivered(decision) == [("E", "priv"), ("I", "priv")]
    assert decision.deliveries[1].because.rule is Rule.LISTED_ACCOUNT
    [refused] = decision.refusals
    assert (refused.account, refused.because.rule) == ("J", Rule.NOT_LISTED)


def test_exact_export_decides_before_a_wider_one() -> None:
    shared = exporter(stream("a.>"), stream("a.b", accounts=frozenset({"J"})))
    assert refusal(Graph([shared, importer(wants("E", "a.b"))])) is Rule.NOT_LISTED


def test_narrowest_covering_export_decides() -> None:
    shared = exporter(stream("a.>"), stream("a.b.*", accounts=frozenset({"J"})))
    assert refusal(Graph([shared, importer(wants("E", "a.b.c"))])) is Rule.NOT_LISTED


@pytest.mark.parametrize(
    ("subject", "rule"),
    [("to.I.x", None), ("to.J.x", Rule.OTHER_ACCOUNT_TOKEN), ("to.*.x", Rule.OTHER_ACCOUNT_TOKEN)],
)
def test_account_token_position_decides_alone(subject: str, rule: Rule | None) -> None:
    shared = exporter(stream("to.*.x", account_token_position=2, token_required=True))
    graph = Graph([shared, importer(wants("E", subject))])
    if rule:
        assert refusal(graph) is rule
    else:
        assert graph.publish("E", subject).deliveries[1].because.rule is Rule.ACCOUNT_TOKEN


def test_private_export_without_activation_is_refused() -> None:
    graph = Graph([exporter(stream("a", token_required=True)), importer(wants("E", "a"))])
    assert refusal(graph) is Rule.NO_ACTIVATION
    assert graph.publish("E", "a").refusals[0].because.rule is Rule.NO_ACTIVATION


def test_streams_do_not_chain() -> None:
    second = Account(id="B", exports=(stream("s.>"),), imports=(wants("E", "s.>"),))
    graph = Graph([exporter(stream("s.>")), second, Account(id="C", imports=(wants("B", "s.>"),))])
    assert delivered(graph.publish("E", "s.1")) == [("E", "s.1"), ("B", "s.1")]
    assert delivered(graph.publish("B", "s.2")) == [("B", "s.2"), ("C", "s.2")]


def test_same_import_twice_counts_once() -> None:
    graph = Graph([exporter(stream("a")), importer(wants("E", "a", local="x"), wants("E", "a", local="y"))])
    assert delivered(graph.publish("E", "a")) == [("E", "a"), ("I", "x")]
    assert refusal(graph) is Rule.DUPLICATE


def test_unknown_exporter_is_refused_until_it_comes() -> None:
    graph = Graph([importer(wants("E", "a"))])
    assert refusal(graph) is Rule.UNKNOWN_ACCOUNT
    change = graph.put(exporter(stream("a")))
    assert [link.importer for link in change.added] == ["I"]
    assert graph.refused == ()
    change = graph.remove("E")
    assert [link.importer for link in change.removed] == ["I"]
    assert refusal(graph) is Rule.UNKNOWN_ACCOUNT


def test_publisher_without_permission_reaches_nobody() -> None:
    graph = Graph([exporter(stream("a")), importer(wants("E", "a"))])
    decision = graph.publish("E", "a", Permissions.compile(pub_deny=["a"]))
    assert decision.deliveries == ()
    [refused] = decision.refusals
    assert (refused.because.rule, refused.because.permission) == (Rule.PERMISSION, 'deny "a"')


@pytest.mark.parametrize("subject", ["a..b", ".a", "a.", ""])
def test_subject_with_empty_token_reaches_nobody(subject: str) -> None:
    assert Graph([exporter()]).publish("E", subject).refusals[0].because.rule is Rule.SUBJECT


def test_publish_in_unknown_account_is_refused() -> None:
    assert Graph().publish("X", "a").refusals[0].because.rule is Rule.UNKNOWN_ACCOUNT


# ---- time ----------------------------------------------------------------------------------------


def test_links_end_with_the_account_that_expires() -> None:
    graph = Graph([Account(id="E", exports=(stream("a"),), expires=100), importer(wants("E", "a"))], now=50)
    assert graph.next_change == 100
    assert graph.links[0].until == 100
    assert graph.advance(99).removed == ()
    assert [link.importer for link in graph.advance(100).removed] == ["I"]
    assert refusal(graph) is Rule.ACCOUNT_NOT_IN_FORCE
    assert graph.publish("E", "a").deliveries == ()
    assert graph.next_change is None


def test_links_begin_with_the_account_that_becomes_valid() -> None:
    graph = Graph([Account(id="E", exports=(stream("a"),), not_before=100), importer(wants("E", "a"))], now=50)
    assert refusal(graph) is Rule.ACCOUNT_NOT_IN_FORCE
    assert graph.next_change == 100
    assert [link.importer for link in graph.advance(100).added] == ["I"]


def test_time_does_not_go_back() -> None:
    graph = Graph([Account(id="E", exports=(stream("a"),), expires=100), importer(wants("E", "a"))], now=200)
    graph.advance(50)
    assert graph.links == ()


# ---- cycles --------------------------------------------------------------------------------------


def trader(name: str, *imports: Import) -> Account:
    return Account(id=name, exports=(stream("x"), stream("y")), imports=imports)


def test_two_accounts_that_import_from_each_other_are_refused() -> None:
    graph = Graph([trader("A", wants("B", "x")), trader("B", wants("A", "x"))])
    assert graph.links == ()
    assert {refused.because.rule for refused in graph.refused} == {Rule.CYCLE}
    assert "A -> B -> A" in graph.refused[0].because.text


def test_cycle_through_three_accounts_is_refused_and_ends_with_one_of_them() -> None:
    graph = Graph([trader("A", wants("B", "x")), trader("B", wants("C", "x")), trader("C")])
    assert len(graph.links) == 2
    change = graph.put(trader("C", wants("A", "x")))
    assert {link.importer for link in change.removed} == {"A", "B"}
    change = graph.put(trader("C"))
    assert {link.importer for link in change.added} == {"A", "B"}


def test_imports_that_only_pass_each_other_are_no_cycle() -> None:
    assert len(Graph([trader("A", wants("B", "x")), trader("B", wants("A", "y"))]).links) == 2
    apart = [trader("A", wants("B", "x", prefix="p")), trader("B", wants("A", "x", prefix="q"))]
    assert len(Graph(apart).links) == 2


def test_account_may_import_from_itself_once() -> None:
    graph = Graph([trader("A", wants("A", "x", local="y"), wants("A", "y", local="z"))])
    assert delivered(graph.publish("A", "x")) == [("A", "x"), ("A", "y")]
    assert refusal(graph) is Rule.CYCLE


# ---- services ------------------------------------------------------------------------------------


def test_request_reaches_the_exporter_under_its_subject_and_goes_on() -> None:
    service = Export(kind="service", subject="help.*")
    graph = Graph(
        [
            Account(id="S", exports=(service,)),
            Account(
                id="M",
                exports=(Export(kind="service", subject="m.*"),),
                imports=(Import(kind="service", account="S", subject="help.*", local="m.$1"),),
            ),
            Account(id="T", imports=(Import(kind="service", account="M", subject="m.*", local="tt.$1"),)),
        ]
    )
    assert delivered(graph.publish("T", "tt.7")) == [("T", "tt.7"), ("M", "m.7"), ("S", "help.7")]
    assert delivered(graph.publish("S", "help.7")) == [("S", "help.7")]


def test_request_is_called_what_the_exporters_mappings_say() -> None:
    mapped = Mapping(source="help", destinations=(Destination(subject="desk"),))
    graph = Graph(
        [
            Account(id="S", exports=(Export(kind="service", subject="help"),), mappings=(mapped,)),
            Account(id="T", imports=(Import(kind="service", account="S", subject="help"),)),
        ]
    )
    assert delivered(graph.publish("T", "help")) == [("T", "help"), ("S", "desk")]
