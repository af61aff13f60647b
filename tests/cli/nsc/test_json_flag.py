"""``--json`` in every spelling is seen also where the command line makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from natskit.cli import pub


@pytest.mark.parametrize(
    ("words", "speaks"),
    [
        (("list", "accounts", "--nope", "--json"), True),
        (("--json", "nonsense"), True),
        (("list", "accounts", "-J", "--nope"), True),
        (("list", "keys", "-AJ", "--nope"), True),
        (("list", "accounts", "--json=true", "--nope"), True),
        (("list", "accounts", "--json=1", "--nope"), True),
        (("list", "accounts", "--json=false", "--nope"), False),
        (("list", "accounts", "--json", "--json=false", "--nope"), False),
        (("list", "accounts", "--nope", "--", "--json"), False),
    ],
)
def test_errors_of_reading_flags(words, speaks, nsc):
    error = nsc(*words, exit=2).err
    if speaks:
        assert json.loads(error)["code"] == "usage"
    else:
        assert error.startswith("Error: ")


@pytest.mark.parametrize(
    ("words", "speaks"),
    [
        (("-json", "-nope"), True),
        (("--json=true", "-nope"), True),
        (("-json=T", "-nope"), True),
        (("-json=false", "-nope"), False),
        (("--json", "-json=0", "-nope"), False),
        (("-nope", "--", "-json"), False),
    ],
)
def test_errors_of_programs(words, speaks, capsys):
    assert pub.command.execute(words) == 2
    error = capsys.readouterr().err
    if speaks:
        assert json.loads(error)["code"] == "usage"
    else:
        assert error.startswith("nats-pub: ")


def test_what_was_done_before_an_error_is_told_with_it(nsc, monkeypatch):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")

    def full(*_: object, **__: object) -> None:
        from natskit.errors import StoreError

        raise StoreError("the disk is full")

    monkeypatch.setattr("natskit.store.users.add_user", full)
    error = json.loads(nsc("init", "--name", "second", "--dir", "second", "--json", exit=1).err)
    assert (error["error"], error["code"]) == ("the disk is full", "store")
    assert any(path.endswith("second.jwt") for path in error["written"])
    assert error["report"]


def test_a_result_with_a_part_that_failed_is_both_a_document_and_an_error(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A", "--expiry", "2020-01-01")
    done = nsc("validate", "--json", exit=1)
    assert any(each["issues"] for each in done.json["checked"])
    assert json.loads(done.err) == {"error": "validation found errors", "code": "failed"}
    Path("keys").mkdir()
    Path("keys/bad.nk").write_text("no key")
    done = nsc("import", "keys", "--dir", "keys", "--json", exit=1)
    assert done.json["keys"] == []
    assert done.json["report"][0]["status"] == "error"
    assert "bad.nk" in json.loads(done.err)["error"]


def test_notices_stand_in_the_document_and_nothing_beside_it(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    done = nsc("add", "user", "u", "--max-responses", "2", "--json")
    assert "deprecated" in done.json["report"][0]["text"]
    assert done.err == ""
    nsc("generate", "nkey", "--curve", "--store")
    done = nsc("list", "keys", "--not-referenced", "--json")
    assert isinstance(done.json, list)
    assert done.err == ""


def test_findings_of_claims_are_told_one_by_one(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    error = json.loads(nsc("add", "user", "u", "--source-network", "nowhere", "--json", exit=1).err)
    assert error["code"] == "invalid_claims"
    assert error["issues"][0]["severity"] == "error"
    assert "nowhere" in error["issues"][0]["text"]
