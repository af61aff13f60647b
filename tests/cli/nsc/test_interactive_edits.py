"""-i on every command that makes or changes something: edits show what is now, lists are picked from."""

from __future__ import annotations

from pathlib import Path

import pytest

from natskit.cli.nsc import tree
from natskit.nkeys import KeyPair, Role

DOWN, SPACE, ENTER, CLEAR = "\x1b[B", " ", "\r", "\x15"

READING = {
    *(
        "batch",
        "doctor",
        "completion bash",
        "completion fish",
        "completion zsh",
        "describe account",
        "describe export",
        "describe import",
    ),
    *("describe jwt", "describe operator", "describe user", "env", "expirations", "generate diagram component"),
    *("generate diagram object", "generate profile", "list accounts", "list exports", "list imports", "list keys"),
    *("explain denied pub", "explain denied sub", "explain pub", "explain sub", "list operators", "list users"),
    *("revocations list-activations", "revocations list-users", "validate"),
    *("tool pub", "tool reply", "tool req", "tool rtt", "tool sub", "pub", "reply", "req", "rtt", "sub"),
}
"""They change nothing; or, ``batch`` and ``doctor --fix``, nothing that one could be asked about."""


def test_every_command_that_changes_something_asks():
    from natskit.cli.nsc.questions import ASKED

    assert set(ASKED) == set(tree.LEAVES) - READING


@pytest.fixture
def shop(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u", "--allow-pub", "a,b")
    return nsc


def account(nsc, name="A"):
    return nsc("describe", "account", name, "--json").json


def test_edit_account_shows_what_is_now(dialogue, shop):
    shop("edit", "account", "A", "--conns", "5", "--tag", "old,kept", "--description", "first")
    dialogue(
        "edit",
        "account",
        answers=[
            ("what to change", SPACE + DOWN * 4 + SPACE + DOWN * 3 + SPACE + ENTER),
            ("most connections (-1: no limit)", ""),
            ("5\x1b", f"{CLEAR}lots{ENTER}"),
            ("must be a number", f"{CLEAR}7{ENTER}"),
            ("most leaf node connections", ENTER),
            ("most data", f"{CLEAR}1Ki{ENTER}"),
            ("largest message", ENTER),
            ("most subscriptions", ENTER),
            ("most exports", ENTER),
            ("most imports", ENTER),
            ("wildcards?", "y"),
            ("bearer users?", "n"),
            ("description", ""),
            ("first\x1b", f"{CLEAR}second{ENTER}"),
            ("where to read more", ENTER),
            ("tags to take away", DOWN + SPACE + ENTER),
            ("tags to add", f"new{ENTER}"),
        ],
    )
    body = account(shop)["nats"]
    assert (body["limits"]["conn"], body["limits"]["data"], body["description"]) == (7, 1024, "second")
    assert body["tags"] == ["kept", "new"]


def test_an_edit_that_is_answered_with_what_is_now_changes_nothing(dialogue, shop):
    before = account(shop)
    answers = [("what to change", DOWN * 4 + SPACE + ENTER), ("description", ENTER), ("where to read more", ENTER)]
    assert "specify an edit option" in dialogue("edit", "account", answers=answers, exit=2)
    assert account(shop) == before


def test_jetstream_is_allowed_with_limits(dialogue, shop):
    dialogue(
        "edit",
        "account",
        answers=[
            ("what to change", DOWN * 2 + SPACE + ENTER),
            ("allow JetStream?", "y"),
            ("tier", f"{CLEAR}9{ENTER}"),
            ("1 to 5", f"{CLEAR}3{ENTER}"),
            ("without limits?", "n"),
            ("memory", ENTER),
            ("disk", f"{CLEAR}1Gi{ENTER}"),
            ("most streams", f"{CLEAR}10{ENTER}"),
            ("most consumers", ENTER),
        ],
    )
    tier = account(shop)["nats"]["limits"]["tiered_limits"]["R3"]
    assert (tier["disk_storage"], tier["streams"]) == (1 << 30, 10)


def test_edit_operator(dialogue, shop):
    shop("edit", "operator", "--service-url", "nats://old:4222")
    dialogue(
        "edit",
        "operator",
        answers=[
            ("what to change", SPACE + DOWN * 2 + SPACE + DOWN + SPACE + ENTER),
            ("account server", f"nats://localhost:4222{ENTER}"),
            ("service URLs to take away", SPACE + ENTER),
            ("service URLs to add", f"nats://new:4222{ENTER}"),
            ("signing keys to add", f"generate{ENTER}"),
            ("only signing keys may sign?", "n"),
            ("valid from", ENTER),
            ("valid until", f"{CLEAR}2040-01-01{ENTER}"),
        ],
    )
    claims = shop("describe", "operator", "--json").json
    assert claims["nats"]["account_server_url"] == "nats://localhost:4222"
    assert claims["nats"]["operator_service_urls"] == ["nats://new:4222"]
    assert len(claims["nats"]["signing_keys"]) == 1
    assert claims["exp"] == 2208988800


def test_edit_user_with_permissions_and_limits(dialogue, shop):
    dialogue(
        "edit",
        "user",
        answers=[
            ("what to change", SPACE + DOWN + SPACE + ENTER),
            ("subjects to take out", SPACE + ENTER),
            ("may publish on", f"c,d{ENTER}"),
            ("may subscribe to", ENTER),
            ("may not publish on", ENTER),
            ("may not subscribe to", f"secret{ENTER}"),
            ("may it answer requests?", "y"),
            ("without its seed?", "n"),
            ("largest message", f"{CLEAR}64Ki{ENTER}"),
            ("most data", ENTER),
            ("most subscriptions", ENTER),
            ("networks to add", f"10.0.0.0/8{ENTER}"),
            ("connection types to allow", SPACE + ENTER),
            ("times of day to add", ENTER),
        ],
    )
    body = shop("describe", "user", "u", "--json").json["nats"]
    assert body["pub"]["allow"] == ["b", "c", "d"]
    assert body["sub"]["deny"] == ["secret"]
    assert (body["payload"], body["src"], body["allowed_connection_types"]) == (65536, ["10.0.0.0/8"], ["STANDARD"])
    assert body["resp"]["max"] == 1


def test_a_role_for_a_new_signing_key(dialogue, shop):
    dialogue(
        "edit",
        "signing-key",
        answers=[
            ("signing key", ENTER),
            ("name of the role", ENTER),
            ("a role has a name", f"reader{ENTER}"),
            ("what the role is for", f"reads{ENTER}"),
            ("may publish on", ENTER),
            ("may subscribe to", f"r.>{ENTER}"),
            ("may not publish on", f">{ENTER}"),
            ("may not subscribe to", ENTER),
            ("answer requests?", "n"),
            ("limits too?", "n"),
        ],
    )
    (scope,) = account(shop)["nats"]["signing_keys"]
    assert (scope["role"], scope["template"]["sub"]["allow"]) == ("reader", ["r.>"])


def test_auth_callout_users_are_marked(dialogue, shop):
    shop("add", "user", "v")
    answers = [
        ("users that log in by themselves", DOWN + SPACE + ENTER),
        ("accounts that users may be put into", SPACE + ENTER),
        ("curve key", f"generate{ENTER}"),
    ]
    dialogue("edit", "authcallout", answers=answers)
    callout = account(shop)["nats"]["authorization"]
    assert callout["auth_users"] == [shop("describe", "user", "v", "--json").json["sub"]]
    assert callout["allowed_accounts"] == ["*"]
    assert callout["xkey"].startswith("X")


def test_edit_export_shows_what_is_now(dialogue, shop):
    shop("add", "export", "--service", "-s", "help", "--latency", "lat", "--sampling", "10")
    answers = [
        ("public service help", ENTER),
        ("export type", ENTER),
        ("subject", ""),
        ("help\x1b", ENTER),
        ("name", ""),
        ("help\x1b", f"{CLEAR}assist{ENTER}"),
        ("private", "n"),
        ("track latency?", "y"),
        ("percentage of requests", ""),
        ("10\x1b", f"{CLEAR}20{ENTER}"),
        ("subject for the reports", ""),
        ("lat\x1b", ENTER),
        ("response type", DOWN + ENTER),
        ("longest time", ENTER),
        ("allow tracing?", "n"),
        ("description", ENTER),
        ("where to read more", ENTER),
    ]
    dialogue("edit", "export", answers=answers)
    export = shop("describe", "export", "--json").json
    assert (export["name"], export["response_type"]) == ("assist", "Stream")
    assert export["service_latency"] == {"sampling": 20, "results": "lat"}


def test_mappings_are_made_and_picked(dialogue, shop):
    answers = [
        ("subject that is published", f"a b{ENTER}"),
        ("white space", f"{CLEAR}api{ENTER}"),
        ("subject that it becomes", f"api.v1{ENTER}"),
        ("percentage", f"{CLEAR}300{ENTER}"),
        ("out of range", f"{CLEAR}40{ENTER}"),
        ("only in this cluster", ENTER),
    ]
    dialogue("add", "mapping", answers=answers)
    shop("add", "mapping", "-f", "api", "-t", "api.v2", "--weight", "60")
    dialogue("delete", "mapping", answers=[("mapping of", ENTER), ("which", DOWN + ENTER)])
    assert [each["subject"] for each in account(shop)["nats"]["mappings"]["api"]] == ["api.v2"]


def test_revocations_are_picked(dialogue, shop):
    key = shop("describe", "user", "u", "--json").json["sub"]
    dialogue("revocations", "add-user", answers=[("user", ENTER), ("until then", ENTER)])
    assert key in account(shop)["nats"]["revocations"]
    dialogue("revocations", "delete-user", answers=[(f"u {key}", ENTER)])
    assert "revocations" not in account(shop)["nats"]
    shop("add", "export", "-s", "p.>", "--private")
    other = KeyPair.create(Role.ACCOUNT).public
    answers = [("private stream p.>", ENTER), ("importer", other + ENTER), ("until then", ENTER)]
    dialogue("revocations", "add-activation", answers=answers)
    assert other in shop("describe", "export", "--json").json["revocations"]
    answers = [("private stream p.>", ENTER), ("whose revocation", ENTER)]
    dialogue("revocations", "delete-activation", answers=answers)
    assert "revocations" not in shop("describe", "export", "--json").json


def test_what_is_deleted_is_picked_and_confirmed(dialogue, shop):
    shop("add", "export", "-s", "one.>")
    shop("add", "export", "-s", "two.>")
    dialogue("delete", "export", answers=[("two.>", DOWN + ENTER), ("delete?", "n")], exit=1)
    dialogue("delete", "export", answers=[("two.>", DOWN + ENTER), ("delete?", "y")])
    assert [each["subject"] for each in shop("list", "exports", "--json").json["exports"]] == ["one.>"]
    shop("add", "account", "B")
    shop("add", "import", "--src-account", "A", "--remote-subject", "one.x")
    dialogue("delete", "import", "-a", "B", answers=[("one.x (stream one.x", ENTER), ("delete?", "y")])
    assert shop("list", "imports", "-a", "B", "--json").json["imports"] == []
    answers = [("its accounts and users?", "y"), ("creds files", "y"), ("cannot be undone", "y")]
    dialogue("delete", "operator", answers=answers)
    assert shop("list", "operators", "--json").json is None


def test_names_that_commands_need_are_asked_for(dialogue, shop):
    shop("add", "account", "B")
    dialogue("select", "account", answers=[("account", ENTER)])
    assert shop("env", "--json").json["account"] == "B"
    dialogue("rename", "account", answers=[("account", ENTER), ("new name", f"C{ENTER}"), ("from now on?", "y")])
    assert {each["name"] for each in shop("list", "accounts", "--json").json} == {"A", "C"}
    shop("add", "operator", "P")
    dialogue("select", "operator", answers=[("operator", ENTER)])


def test_signing_again_and_many_at_once(dialogue, shop):
    shop("add", "user", "v")
    before = shop("describe", "user", "v", "--json").json["jti"]
    shop("edit", "account", "A", "--sk", "generate")
    answers = [("user", DOWN + ENTER), ("role of the signing key decide?", "n"), ("sign with", DOWN + ENTER)]
    dialogue("reissue", "user", answers=answers)
    assert shop("describe", "user", "v", "--json").json["jti"] != before
    dialogue("reissue", "account", answers=[])
    Path("users.csv").write_text("name\nx\ny\n")
    answers = [("file with", f"users.csv{ENTER}"), ("folder for their creds", ENTER), ("sign with", ENTER)]
    dialogue("add", "users", answers=answers)
    Path("accounts.csv").write_text("name\nB\nC\n")
    dialogue("add", "accounts", answers=[("file with", f"accounts.csv{ENTER}")])
    assert {each["name"] for each in shop("list", "accounts", "--json").json} == {"A", "B", "C"}


def test_files_and_keys(dialogue, shop):
    dialogue("generate", "config", answers=[("the server", ENTER), ("file to write", ENTER)])
    assert "resolver: MEMORY" in Path("server.conf").read_text()
    dialogue("generate", "creds", answers=[("file to write", ENTER)])
    assert "USER JWT" in Path("u.creds").read_text()
    dialogue("generate", "context", answers=[("name of the context", ENTER)])
    printed = dialogue("generate", "nkey", answers=[("keys to make", DOWN * 2 + SPACE + ENTER), ("keystore", "n")])
    assert "SU" in printed
    answers = [
        ("folder to write to", f"out{ENTER}"),
        ("keys to export", DOWN * 3 + SPACE + ENTER),
        ("tokens?", "y"),
        ("overwrite", "n"),
        ("from the keystore afterwards?", "n"),
    ]
    dialogue("export", "keys", answers=answers)
    assert len(list(Path("out").glob("*.nk"))) == 3
    dialogue("import", "keys", answers=[("folder with", f"out{ENTER}"), ("below it?", "y")])
    answers = [("folders to look through", f"out{ENTER}"), ("folder to write", f"fixed{ENTER}"), ("creds", "n")]
    dialogue("fix", answers=answers)
    assert Path("fixed/operators/O/O.jwt").is_file()


def test_push_asks_where_to(dialogue, shop):
    shop("edit", "operator", "--account-jwt-server-url", "http://127.0.0.1:1/jwt/v1")
    answers = [
        ("push all accounts?", "n"),
        ("account server", f"{CLEAR}{ENTER}"),
        ("a URL is required", f"http://127.0.0.1:9/jwt/v1{ENTER}"),
    ]
    assert "127.0.0.1:9" in dialogue("push", answers=answers, exit=1)


def test_ctrl_c_at_any_question_leaves_everything(dialogue, shop, home):
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and ".lock" not in path.name}
    answers = [("what to change", DOWN * 4 + SPACE + ENTER), ("description", f"x{ENTER}"), ("read more", "\x03")]
    dialogue("edit", "account", answers=answers, exit=130)
    answers = [("what to change", DOWN * 2 + SPACE + ENTER), ("to add", f"generate{ENTER}"), ("may sign?", "\x03")]
    dialogue("edit", "operator", answers=answers, exit=130)
    after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and ".lock" not in path.name}
    assert after == before
