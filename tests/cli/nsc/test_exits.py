"""Exit statuses: 0 done, 1 refused, 2 misused, 3 nothing to change or drift, 130 interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from natskit.cli.exits import DONE, INTERRUPTED, MISUSED, REFUSED, UNCHANGED


@pytest.fixture
def shop(nsc):
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    nsc("add", "user", "u", "--allow-pub", "a")
    nsc("add", "export", "-s", "x.>", "--private")
    return nsc


def tokens(home: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in home.rglob("*.jwt")}


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("list", "accounts", "--no-such-flag"),
        ("list", "accounts", "one too many"),
        ("add", "account", "--expiry", "sometime", "B"),
        ("add", "account"),
        ("add", "export"),
        ("edit", "account", "A"),
        ("edit", "account", "A", "--payload", "large"),
        ("edit", "signing-key", "--sk", "generate,generate", "--role", "r"),
        ("push", "--prune", "--diff"),
        ("generate", "config"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_misuse(words, shop, home):
    before = tokens(home)
    assert shop(*words, exit=MISUSED).out == ""
    assert tokens(home) == before


@pytest.mark.parametrize(
    "words",
    [
        ("describe", "account", "Nobody"),
        ("add", "account", "A"),
        ("add", "user", "v", "-K", "no-such-role"),
        ("delete", "operator", "O"),
        ("push",),
        ("edit", "operator", "--require-signing-keys"),
        ("edit", "account", "SYS", "--js-enable", "0"),
        ("add", "user", "v", "--source-network", "10.0.0.0/99"),
    ],
)
def test_what_cannot_be_done_is_refused(words, shop, home):
    before = tokens(home)
    assert shop(*words, exit=REFUSED).out == ""
    assert tokens(home) == before


@pytest.mark.parametrize(
    "words",
    [
        ("edit", "operator", "--tag", "shop"),
        ("edit", "account", "A", "--conns", "7"),
        ("edit", "user", "u", "--allow-pub", "b"),
        ("edit", "export", "-s", "x.>", "--description", "d"),
        ("edit", "signing-key", "--role", "r", "--deny-pub", ">"),
        ("add", "mapping", "-f", "m", "-t", "n"),
        ("revocations", "add-user", "-n", "u", "--at", "1700000000"),
        ("revocations", "add-activation", "-t", "SYS", "--at", "1700000000"),
    ],
)
def test_an_edit_that_changes_nothing_says_so_and_writes_nothing(words, shop, home):
    if words[1] == "signing-key":
        shop("edit", "signing-key", "--sk", "generate", "--role", "r")
    shop(*words)
    before = tokens(home)
    again = shop(*words, exit=UNCHANGED)
    assert "nothing to change" in again.out
    assert again.err == ""
    assert shop(*words, "--json", exit=UNCHANGED).json["changed"] is False
    assert tokens(home) == before


def test_a_key_that_is_named_signs_again_also_what_does_not_change(shop, home):
    shop("edit", "operator", "--sk", "generate")
    key = shop("describe", "operator", "--field", "nats.signing_keys[0]").json
    shop("edit", "account", "A", "--tag", "t")
    assert shop("edit", "account", "A", "--tag", "t", "-K", key, exit=DONE)
    assert shop("describe", "account", "A", "--json").json["iss"] == key


def test_a_part_that_fails_makes_a_failure(shop):
    Path("keys").mkdir()
    Path("keys/bad.nk").write_text("no key")
    shop("import", "keys", "--dir", "keys", exit=REFUSED)


def test_ctrl_c_is_told_by_the_status(shop, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("natskit.store.Workspace.operator", interrupt)
    assert shop("list", "accounts", exit=INTERRUPTED).err == ""
    assert shop("list", "accounts", "--json", exit=INTERRUPTED).out == ""


def test_a_start_after_the_end_is_warned_of(shop):
    dates = ("--start", "2030-01-02", "--expiry", "2030-01-01")
    assert "never counts" in shop("add", "user", "late", *dates).err
    assert "never counts" in shop("edit", "account", "A", *dates).err
