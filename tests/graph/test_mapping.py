"""What messages are called when they enter an account. Source: spec/server-accounts.md section 6."""

from __future__ import annotations

import pytest

from natskit.errors import InvalidSubject
from natskit.graph import Account, Destination, Export, Graph, Import, Mapping, Mappings, Permissions, Rule
from natskit.graph.mapping import MAX_OUTCOMES, SCALE


def mapping(source: str, *destinations: str | tuple[str, int]) -> Mapping:
    made = (
        Destination(subject=each) if isinstance(each, str) else Destination(subject=each[0], weight=each[1])
        for each in destinations
    )
    return Mapping(source=source, destinations=tuple(made))


def shares(mappings: Mappings, subject: str) -> dict[str, float]:
    found = mappings.choices(subject) or ()
    return {name: weight / SCALE for weight, name in found}


def test_what_no_source_matches_stays_as_it_is() -> None:
    assert Mappings.compile([mapping("a", "b")]).choices("c") is None
    assert not Mappings.compile([])


@pytest.mark.parametrize(
    ("source", "destination", "subject", "result"),
    [
        ("m.a", "m.b", "m.a", "m.b"),
        ("t.*.*", "t.$2.$1", "t.1.2", "t.2.1"),
        ("p.*", "p.{{partition(10,1)}}", "p.foo", "p.3"),
        ("q.*", "q.$1.{{partition(7)}}", "q.a", "q.a.6"),
        ("f.>", "g.>", "f.a.b", "g.a.b"),
    ],
)
def test_subject_is_rewritten(source: str, destination: str, subject: str, result: str) -> None:
    assert shares(Mappings.compile([mapping(source, destination)]), subject) == {result: 100}


def test_rest_of_the_weights_keeps_the_subject() -> None:
    assert shares(Mappings.compile([mapping("a", ("b", 20), ("c", 30))]), "a") == {"b": 20, "c": 30, "a": 50}


def test_rest_is_lost_if_the_source_is_listed() -> None:
    assert shares(Mappings.compile([mapping("a", ("a", 60), ("b", 10))]), "a") == {"a": 60, "b": 10, "": 30}
    assert shares(Mappings.compile([mapping("loss", ("loss", 0))]), "loss") == {"": 100}


def test_empty_list_changes_nothing() -> None:
    assert Mappings.compile([mapping("a")]).choices("a") is None


def test_narrowest_source_counts() -> None:
    mappings = Mappings.compile([mapping(">", "w.>"), mapping("a.*", "s.$1"), mapping("a.b", "exact")])
    assert shares(mappings, "a.b") == {"exact": 100}
    assert shares(mappings, "a.c") == {"s.c": 100}
    assert shares(mappings, "x.y") == {"w.x.y": 100}


def test_chance_within_a_destination_is_spread_evenly() -> None:
    mappings = Mappings.compile([mapping("r.*", ("r.{{random(4)}}.{{random(2)}}", 80))])
    found = shares(mappings, "r.x")
    assert found == {f"r.{one}.{two}": 10 for one in range(4) for two in range(2)} | {"r.x": 20}


def test_chance_without_end_is_drawn() -> None:
    found = Mappings.compile([mapping("r", "r.{{random(1000000)}}")]).choices("r") or ()
    assert len(found) == MAX_OUTCOMES
    assert len({name for _, name in found}) > MAX_OUTCOMES // 2


@pytest.mark.parametrize(
    ("source", "destinations", "fault"),
    [
        ("m.*", ["m.*"], 'invalid mapping destination: invalid subject "*"'),
        ("a", [("b", 60), ("c", 60)], "total weight needs to be <= 100"),
        ("a.*", ["b.{{foo(1)}}"], "unknown function"),
        ("a", ["b.$1"], "out of range"),
        ("a..b", ["c"], "empty token"),
        ("a.>", ["b"], "invalid transform"),
    ],
)
def test_mapping_that_cannot_work_is_refused(source: str, destinations: list[str], fault: str) -> None:
    with pytest.raises(InvalidSubject, match=fault):
        Mappings.compile([mapping(source, *destinations)])


def test_graph_maps_before_permissions_and_streams() -> None:
    exporter = Account(
        id="E",
        mappings=(mapping("old.*", "new.$1"), mapping("w", ("x", 25), ("y", 75))),
        exports=(Export(kind="stream", subject="new.*"),),
    )
    graph = Graph([exporter, Account(id="I", imports=(Import(kind="stream", account="E", subject="new.*"),))])
    decision = graph.publish("E", "old.a", Permissions.compile(["new.*"]))
    assert decision.subject == "new.a"
    assert [(each.account, each.subject) for each in decision.deliveries] == [("E", "new.a"), ("I", "new.a")]
    refused = graph.publish("E", "old.a", Permissions.compile(["old.*"])).refusals[0]
    assert refused.because.rule is Rule.PERMISSION
    by_chance = graph.publish("E", "w").choices
    assert [(each.probability, each.decision.subject) for each in by_chance] == [(0.25, "x"), (0.75, "y")]
