"""Accounts as the graph sees them, made from claims. Source: spec/server-accounts.md sections 4 to 6."""

from __future__ import annotations

from natskit import jwt
from natskit.graph import SERVICE, Account, Destination, Export, Import


def test_the_old_prefix_may_be_written_with_a_wildcard() -> None:
    for to in ("abc", "abc.>"):
        wanted = Import.from_claims(jwt.Import(type="stream", account="E", subject="a", to=to))
        assert (wanted.subject, wanted.prefix, wanted.local) == ("a", "abc", "")


def test_an_old_service_import_has_the_exporters_subject_in_to() -> None:
    claimed = jwt.Import(type="service", account="E", subject="mine", to="theirs")
    wanted = Import.from_claims(claimed)
    assert (wanted.kind, wanted.subject, wanted.local, wanted.prefix) == (SERVICE, "theirs", "mine", "")
    assert claimed.remote_subject == "theirs"


def test_mappings_for_a_cluster_are_left_out_and_no_weight_is_all() -> None:
    targets = (jwt.WeightedMapping(subject="b"), jwt.WeightedMapping(subject="c", weight=10, cluster="x"))
    claims = jwt.AccountClaims(subject="A", nats=jwt.Account(mappings={"a": targets, "n": None}))
    assert [(each.source, each.destinations) for each in Account.from_claims(claims).mappings] == [
        ("a", (Destination(subject="b", weight=100),)),
        ("n", ()),
    ]


def test_the_response_threshold_is_in_seconds() -> None:
    claimed = jwt.Export(type="service", subject="s", response_threshold=2_500_000_000, response_type="Chunked")
    export = Export.from_claims(claimed)
    assert (export.response_threshold_s, export.response_type) == (2.5, "chunked")
