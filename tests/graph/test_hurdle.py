"""Hurdles: what stands between a user and a message, from the user's side."""

from __future__ import annotations

from natskit.graph import (
    SERVICE,
    STREAM,
    Account,
    Destination,
    Export,
    Graph,
    Import,
    Mapping,
    Permissions,
    Rule,
    hurdles,
    route_of_publish,
    route_of_subscription,
)

PRIVATE = Export(kind=STREAM, subject="s.>", token_required=True)
WANTED = Import(kind=STREAM, account="E", subject="s.>")


def test_imports_of_others_that_do_not_work_are_their_own_matter() -> None:
    graph = Graph([Account(id="E", exports=(PRIVATE,)), Account(id="I", imports=(WANTED,))])
    route = route_of_publish(graph, "E", "s.1")
    assert hurdles(route) == ()
    assert [each.reason.rule for each in hurdles(route, "I")] == [Rule.NO_ACTIVATION]
    assert [each.reason.rule for each in hurdles(route_of_subscription(graph, "I", "s.1"))] == [Rule.NO_ACTIVATION]


def test_an_own_service_import_that_does_not_work_is_a_hurdle() -> None:
    wanted = Import(kind=SERVICE, account="E", subject="q")
    graph = Graph([Account(id="E"), Account(id="I", imports=(wanted,))])
    assert [each.reason.rule for each in hurdles(route_of_publish(graph, "I", "q"))] == [Rule.NO_EXPORT]


def test_nothing_shared_with_the_peer_is_a_hurdle() -> None:
    graph = Graph([Account(id="E", exports=(Export(kind=STREAM, subject="s.>"),)), Account(id="I")])
    (forward,) = hurdles(route_of_publish(graph, "E", "s.1"), "I")
    assert forward.reason.text == 'no import takes "s.1" from E to I'
    (backward,) = hurdles(route_of_subscription(graph, "I", "s.1"), "E")
    assert backward.reason.text == 'no import brings what is called "s.1" here from E to I'
    assert {forward.reason.rule, backward.reason.rule} == {Rule.NO_IMPORT}


def test_what_arrives_from_the_peer_has_no_hurdle_whatever_else_fails() -> None:
    twice = (WANTED, Import(kind=STREAM, account="E", subject="s.>", prefix="p"))
    graph = Graph([Account(id="E", exports=(Export(kind=STREAM, subject="s.>"),)), Account(id="I", imports=twice)])
    route = route_of_subscription(graph, "I", ">")
    assert hurdles(route, "E") == ()
    assert [each.reason.rule for each in hurdles(route)] == [Rule.DUPLICATE]


def test_permissions_come_before_what_is_shared() -> None:
    graph = Graph([Account(id="E", exports=(PRIVATE,)), Account(id="I", imports=(WANTED,))])
    nothing = Permissions.compile(pub_deny=[">"], sub_deny=[">"])
    assert [each.reason.rule for each in hurdles(route_of_publish(graph, "E", "s.1", nothing), "I")] == [
        Rule.PERMISSION
    ]
    assert [each.reason.rule for each in hurdles(route_of_subscription(graph, "I", "s.1", nothing))] == [
        Rule.PERMISSION
    ]


def test_a_mapping_that_drops_a_share_is_a_hurdle() -> None:
    mapping = Mapping(source="a", destinations=(Destination(subject="a", weight=50),))
    graph = Graph([Account(id="A", mappings=(mapping,))])
    assert [each.reason.rule for each in hurdles(route_of_publish(graph, "A", "a"))] == [Rule.MAPPING]


def test_a_pattern_of_which_a_part_only_is_permitted_is_a_hurdle() -> None:
    graph = Graph([Account(id="E")])

    def faults(subject: str, **lists: list[str]) -> list[str]:
        return [
            each.reason.text for each in hurdles(route_of_publish(graph, "E", subject, Permissions.compile(**lists)))
        ]

    assert faults("a.>", pub_allow=["a.b", "a.c.>", "x"]) == [
        'publish to "a.>" is permitted for a part of it only: "a.b", "a.c.>"'
    ]
    assert faults("a.>", pub_deny=["a.b", "x"]) == ['publish to "a.>" is not permitted for "a.b": deny "a.b"']
    assert faults("a.>", pub_allow=[">"]) == faults("a.b", pub_allow=["a.>"]) == []


def test_what_one_share_of_the_messages_meets_does_not_hide_what_the_others_do() -> None:
    split = Mapping(source="m", destinations=(Destination(subject="x", weight=50), Destination(subject="y", weight=50)))
    wanted = Import(kind=SERVICE, account="E", subject="x")
    graph = Graph([Account(id="E"), Account(id="I", mappings=(split,), imports=(wanted,))])
    found = hurdles(route_of_publish(graph, "I", "m", Permissions.compile(pub_allow=["x"])))
    assert [each.reason.rule for each in found] == [Rule.PERMISSION, Rule.NO_EXPORT]
