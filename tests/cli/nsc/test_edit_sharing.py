"""edit export and mappings: what is named changes, and nothing else."""

from __future__ import annotations

import pytest


@pytest.fixture
def account(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    return nsc


def export_of(nsc, subject):
    return nsc("describe", "export", subject, "--json").json


def mappings(nsc):
    return nsc("describe", "account", "--field", "nats.mappings").json


FULL = (
    *("add", "export", "--service", "-n", "full", "-s", "full.*", "--account-token-position", "2"),
    *(
        "--response-type",
        "Stream",
        "--response-threshold",
        "5s",
        "--latency",
        "lat",
        "--sampling",
        "10",
        "--allow-trace",
    ),
)


@pytest.mark.parametrize(
    ("words", "changes", "told"),
    [
        (["--name", "new"], {"name": "new"}, "changed export name to new"),
        (["--description", "d"], {"description": "d"}, 'changed description to "d"'),
        (["--info-url", "https://x"], {"info_url": "https://x"}, "changed info url"),
        (["--response-type", "Chunked"], {"response_type": "Chunked"}, "changed response type to Chunked"),
        (["--response-threshold", "1m"], {"response_threshold": 60_000_000_000}, "changed response threshold to 1m0s"),
        (
            ["--sampling", "20"],
            {"service_latency": {"sampling": 20, "results": "lat"}},
            "changed service latency to 20%",
        ),
        (
            ["--latency", "l2"],
            {"service_latency": {"sampling": 10, "results": "l2"}},
            "changed service latency subject",
        ),
        (["--new-subject", "other.*"], {"subject": "other.*"}, 'changed subject to "other.*"'),
    ],
)
def test_only_what_is_named_changes(words, changes, told, account):
    account(*FULL)
    before = export_of(account, "full.*")
    result = account("edit", "export", "-s", "full.*", *words)
    assert told in result.out + result.err
    assert export_of(account, changes.get("subject", "full.*")) == {**before, **changes}


def test_tracing_and_latency_can_be_taken_away(account):
    account(*FULL)
    account("edit", "export", "--allow-trace=false", "--rm-latency-sampling")
    assert {"allow_trace", "service_latency"} & export_of(account, "full.*").keys() == set()
    assert "nothing to change" in account("edit", "export", "--rm-latency-sampling", "-s", "full.*", exit=3).out


def test_visibility_is_told_as_it_becomes(account):
    account("add", "export", "-s", "a.>")
    result = account("edit", "export", "-s", "a.>", "--private")
    assert result.err == "Warning: changed export to be private - this will break importers\n"
    result = account("edit", "export", "-s", "a.>", "--private=false")
    assert "changed export to be public" in result.out
    assert export_of(account, "a.>") == {"name": "a.>", "subject": "a.>", "type": "stream"}


def test_a_service_that_becomes_a_stream_loses_what_streams_cannot_have(account):
    account(*FULL)
    account("edit", "export", "--service=false", "-s", "full.*")
    assert export_of(account, "full.*") == {
        "name": "full",
        "subject": "full.*",
        "type": "stream",
        "account_token_position": 2,
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "please specify some options"),
        (["-s", "nothing", "--name", "x"], '"nothing"'),
        (["-s", "s.>", "--allow-trace"], "only applicable to services"),
        (["-s", "s.>", "--response-threshold", "1s"], "only applicable to services"),
        (["-s", "full.*", "--response-type", "Nope"], '"Nope"'),
        (["-s", "full.*", "--private"], "position 2"),
        (["-s", "full.*", "--sampling", "500"], "between 1-100"),
        (["-s", "s.>", "--new-subject", "a b"], '"a b"'),
        (["--name", "x"], "subject is required"),
    ],
)
def test_changes_that_cannot_be_are_refused(words, told, account):
    account(*FULL)
    account("add", "export", "-s", "s.>")
    before = account("describe", "account", "--raw").out
    assert told in account("edit", "export", *words, exit=(1, 2)).err
    assert account("describe", "account", "--raw").out == before


# ---- mappings


def test_weights_of_a_mapping(account):
    account("add", "mapping", "-f", "api", "-t", "v1", "--weight", "80")
    account("add", "mapping", "-f", "api", "-t", "v2", "--weight", "20")
    account("add", "mapping", "-f", "api", "-t", "v1", "--weight", "70")
    assert mappings(account) == {"api": [{"subject": "v1", "weight": 70}, {"subject": "v2", "weight": 20}]}
    error = account("add", "mapping", "-f", "api", "-t", "v3", "--weight", "20", exit=1).err
    assert "exceeds 100%" in error


def test_deleting_by_destination_and_by_cluster_leaves_the_others(account):
    for to, cluster in (("v1", ""), ("v2", "eu"), ("v1", "eu"), ("v3", "us")):
        account("add", "mapping", "-f", "api", "-t", to, "--weight", "10", "--cluster", cluster)
    account("delete", "mapping", "-f", "api", "-t", "v1", "--cluster", "eu")
    assert [(each["subject"], each.get("cluster", "")) for each in mappings(account)["api"]] == [
        ("v1", ""),
        ("v2", "eu"),
        ("v3", "us"),
    ]
    account("delete", "mapping", "-f", "api", "--cluster", "eu")
    account("delete", "mapping", "-f", "api", "-t", "v1")
    assert mappings(account) == {"api": [{"subject": "v3", "weight": 10, "cluster": "us"}]}
    account("delete", "mapping", "-f", "api")
    assert mappings(account) is None


def test_mapping_that_is_not_there_is_told(account):
    result = account("delete", "mapping", "-f", "nothing", "--json", exit=3)
    assert result.json["deleted"] == 0
    assert "there was no mapping" in result.json["report"][0]["text"]


def test_mapping_that_no_server_accepts_is_warned_of(account):
    assert "nonsense" in account("add", "mapping", "-f", "q.*", "-t", "q.{{nonsense(1)}}").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "from subject is required"),
        (["-f", "a"], "to subject is required"),
        (["-f", "a b", "-t", "c"], '"a b"'),
        (["-f", "a", "-t", "b", "--weight", "300"], "out of range"),
        (["-f", "a", "-t", "b", "--weight", "-1"], "out of range"),
    ],
)
def test_mappings_that_make_no_sense_are_refused(words, told, account):
    assert told in account("add", "mapping", *words, exit=(1, 2)).err
