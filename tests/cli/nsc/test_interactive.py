"""-i: questions on a real terminal, answers checked while typing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NSC = str(Path(sys.executable).parent / "nsc")
DOWN, SPACE, ENTER = "\x1b[B", " ", "\r"


def test_operator_account_and_user(dialogue, nsc):
    dialogue(
        "add",
        "operator",
        answers=[
            ("import operator from a JWT?", "n"),
            ("operator name", f"a/b{ENTER}"),
            ("cannot contain", f"\x15O{ENTER}"),
            ("valid from", ENTER),
            ("valid until", f"soon{ENTER}"),
            ("couldn't parse expiry", f"\x152040-01-01{ENTER}"),
            ("generate a system account?", "y"),
            ("generate a signing key?", "n"),
        ],
    )
    operator = nsc("describe", "operator", "--json").json
    assert operator["exp"] == 2208988800
    assert "system_account" in operator["nats"]
    answers = [
        ("account name", f"A{ENTER}"),
        ("generate an account nkey?", "y"),
        ("valid from", ENTER),
        ("until", ENTER),
    ]
    assert 'added account "A"' in dialogue("add", "account", answers=answers)
    answers = [("user name", f"U{ENTER}"), ("generate an user nkey?", "y"), ("valid from", ENTER), ("until", ENTER)]
    answers.insert(0, ("account", ENTER))
    assert 'added user "U"' in dialogue("add", "user", answers=answers)


@pytest.fixture
def shop(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    return nsc


def test_export_and_import_picked_from_a_list(dialogue, shop):
    dialogue(
        "add",
        "export",
        answers=[
            ("export type", ENTER),
            ("subject", f"a b{ENTER}"),
            ("white space", "\x15secret.>" + ENTER),
            ("name", f"\x15secret{ENTER}"),
            ("private", "y"),
        ],
    )
    shop("add", "account", "B")
    dialogue(
        "add",
        "import",
        answers=[
            ("account", ENTER),
            ("pick from locally available exports?", "y"),
            ("A -> [!] [secret] secret.>", ENTER),
            ("remote subject", f"\x15secret.b.>{ENTER}"),
            ("name", ENTER),
            ("local subject", f"mine.>{ENTER}"),
            ("allow tracing?", "n"),
        ],
    )
    made = shop("list", "imports", "-a", "B", "--json").json["imports"][0]
    assert (made["subject"], made["local_subject"]) == ("secret.b.>", "mine.>")
    assert shop("describe", "jwt", made["token"], "--json").json["nats"]["type"] == "activation"


def test_a_service_asks_for_more(dialogue, shop):
    dialogue(
        "add",
        "export",
        answers=[
            ("export type", DOWN + ENTER),
            ("subject", f"help{ENTER}"),
            ("name", ENTER),
            ("private", "n"),
            ("track latency?", "y"),
            ("percentage", f"\x1550{ENTER}"),
            ("subject for the reports", f"lat{ENTER}"),
            ("response type", DOWN + ENTER),
            ("longest time", f"\x155s{ENTER}"),
            ("allow tracing?", "y"),
        ],
    )
    assert shop("describe", "export", "--json").json == {
        "name": "help",
        "subject": "help",
        "type": "service",
        "response_type": "Stream",
        "response_threshold": 5_000_000_000,
        "service_latency": {"sampling": 50, "results": "lat"},
        "allow_trace": True,
    }


def test_signer_is_asked_for_where_there_is_a_choice(dialogue, shop, home):
    nsc = shop
    seed = nsc("generate", "nkey", "--operator", "--json").json["keys"][0]
    nsc("add", "operator", "P", "--generate-signing-key")
    signing_key = nsc("describe", "operator", "--field", "nats.signing_keys[0]").json
    answers = [("account name", f"A{ENTER}"), ("nkey?", "y"), ("valid from", ENTER), ("until", ENTER)]
    answers.append(("sign with", DOWN + ENTER))
    dialogue("add", "account", answers=answers)
    assert nsc("describe", "account", "A", "--json").json["iss"] == signing_key
    Path(next(home.rglob(f"{signing_key}.nk"))).unlink()
    answers[0] = ("account name", f"B{ENTER}")
    answers[-1:] = [("Other...", DOWN + ENTER), ("seed or key file", seed["seed"] + ENTER), ("not an expected", "\x03")]
    dialogue("add", "account", answers=answers, exit=130)


def test_users_to_delete_are_marked(dialogue, shop):
    for name in ("u", "v", "w"):
        shop("add", "user", name)
    dialogue(
        "delete",
        "user",
        answers=[
            ("users to delete", SPACE + DOWN + DOWN + SPACE + ENTER),
            ("revoke them?", "n"),
            ("delete their nkeys?", "y"),
            ("delete their creds files?", "y"),
            ("this cannot be undone", "y"),
        ],
    )
    assert [each["name"] for each in shop("list", "users", "--json").json] == ["v"]


def test_declining_a_deletion_leaves_everything(dialogue, shop):
    answers = [("delete its nkeys?", "n"), ("creds files?", "n"), ("this cannot be undone", "n")]
    assert "delete cancelled" in dialogue("delete", "account", answers=answers, exit=1)
    assert shop("list", "accounts", "--json").json[0]["name"] == "A"


def test_activation_for_a_picked_export(dialogue, shop):
    shop("add", "export", "-s", "one.>", "--private")
    shop("add", "export", "-s", "two.>", "--private")
    shop("add", "account", "B")
    dialogue(
        *("generate", "activation", "-a", "A", "-o", "token.jwt"),
        answers=[
            ("two.> (private stream two.>)", DOWN + ENTER),
            ("subject", ENTER),
            ("importer", f"B{ENTER}"),
            ("valid from", ENTER),
            ("until", f"30d{ENTER}"),
        ],
    )
    assert shop("describe", "jwt", "token.jwt", "--json").json["nats"]["subject"] == "two.>"


def test_a_command_of_a_batch_asks_in_its_turn(dialogue, shop):
    Path("commands").write_text("add user first\nadd user -i\nedit user second --tag x\n")
    answers = [
        ("account", ENTER),
        ("user name", f"second{ENTER}"),
        ("generate an user nkey?", "y"),
        ("valid from", ENTER),
        ("until", ENTER),
    ]
    shown = dialogue("batch", "commands", answers=answers, flags=())
    assert "3 of 3 commands are carried out" in shown
    assert shop("describe", "user", "second", "--json").json["nats"]["tags"] == ["x"]
    assert "--interactive goes to the commands of a batch" in shop("batch", "commands", "-i", exit=2).err


def test_a_question_of_a_batch_that_is_not_answered_ends_it_after_what_is_done(dialogue, shop):
    Path("commands").write_text("add user first\nadd user -i\nadd user third\n")
    dialogue("batch", "commands", answers=[("account", "\x03")], flags=(), exit=130)
    assert [each["name"] for each in shop("list", "users", "--json").json] == ["first"]


def test_what_was_given_is_not_asked(dialogue, shop):
    dialogue(
        *("add", "export", "-s", "x", "-n", "y", "--private", "--service=false"),
        answers=[],
    )
    assert shop("describe", "export", "--json").json["name"] == "y"


def test_ctrl_c_ends_without_a_trace(dialogue, shop):
    printed = dialogue("add", "account", answers=[("account name", "\x03")], exit=130)
    assert "Traceback" not in printed
    assert len(json.loads(shop("list", "accounts", "--json").out)) == 1


def test_without_a_terminal_there_are_no_questions(shop, home):
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    run = subprocess.run(
        [NSC, "add", "export", "-i"], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "terminal" in run.stderr
