"""``nsc explain``: what it says, and that what it tells to type mends what it found."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit.jwt import UserClaims, WeightedMapping, encode
from natskit.jwt.files import write_creds
from natskit.nkeys import KeyPair, Role
from natskit.store import Workspace

from .conftest import Nsc


@pytest.fixture
def town(nsc: Nsc) -> Nsc:
    """Orders shares a private stream and a service; Team has both under names of its own."""
    nsc("add", "operator", "O")
    for account in ("Orders", "Team"):
        nsc("add", "account", account)
    nsc("add", "user", "--account", "Orders", "shop", "--allow-pub", "orders.>", "--allow-sub", "_INBOX.>")
    nsc("add", "user", "--account", "Team", "ann")
    nsc("add", "export", "--account", "Orders", "--subject", "orders.>", "--private")
    nsc("add", "export", "--account", "Orders", "--subject", "price.*", "--service")
    share = ("add", "import", "--account", "Team", "--src-account", "Orders")
    nsc(*share, "--remote-subject", "orders.eu.*", "--local-subject", "eu.$1", "--private")
    nsc(*share, "--remote-subject", "price.*", "--local-subject", "ask.$1", "--service")
    return nsc


PUB = ("pub", "--account", "Orders", "--user", "shop", "orders.eu.7")
SUB = ("sub", "--account", "Team", "--user", "ann", "eu.7")


# ---- pub and sub ---------------------------------------------------------------------------------


def test_pub_says_who_receives_it_under_which_subject_and_by_what(town: Nsc) -> None:
    said = town("explain", *PUB)
    assert said.err == ""
    assert said.out.splitlines() == [
        'User shop of Orders publishes on "orders.eu.7"',
        "",
        "It is received",
        '  -> in Orders as "orders.eu.7"',
        "         in the account itself",
        '         permitted: allow "orders.>"',
        '  -> in Team as "eu.7"',
        '         stream import "orders.eu.*" from Orders: activation "orders.eu.*" opens the private export "orders.>"',
        '         "orders.eu.*" is called "eu.*" in Team',
        "",
        "Subscribers in 2 accounts receive it. Who may there: --users. As a picture: --mermaid, --dot.",
    ]


def test_sub_says_whose_messages_arrive_and_how_they_are_published(town: Nsc) -> None:
    lines = town("explain", *SUB[:-1], "eu.>").out.splitlines()
    assert '  -> in Team on "eu.>"' in lines
    assert '  -> in Orders on "orders.eu.*"' in lines


def test_requests_that_servers_answer_are_told_of(town: Nsc) -> None:
    said = town("explain", "pub", "-a", "Orders", "$SYS.REQ.USER.INFO").out
    assert said.splitlines()[-4:-2] == [
        '  -> by servers as "$SYS.REQ.USER.INFO"',
        "         servers answer requests on it: who the user is and what it may do",
    ]
    assert "Subscribers in 1 account receive it, and servers answer." in said
    assert "servers" not in town("explain", "pub", "-a", "Orders", "orders.>").out
    assert town("explain", "pub", "-a", "Orders", ">").out.count("-> by servers") == 4
    forbidden = town("explain", "pub", "-a", "Orders", "-u", "shop", "$SYS.REQ.USER.INFO").out
    assert "not permitted" in forbidden
    assert "servers" not in forbidden
    stop = town("explain", "pub", "-a", "Orders", "$SYS.REQ.USER.INFO", "--json").json["route"]["onward"][0]
    assert (stop["kind"], stop["rule"], stop["ends"]) == ("server", "answered by servers", False)
    assert "servers<br/>" in town("explain", "pub", "-a", "Orders", "$SYS.REQ.USER.INFO", "--mermaid").out


def test_the_system_account_is_answered_everything_and_so_is_who_imports_from_it(nsc: Nsc) -> None:
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    assert "-> by servers" in nsc("explain", "pub", "-a", "SYS", "$SYS.REQ.SERVER.PING").out
    assert "by servers" not in nsc("explain", "pub", "-a", "A", "$SYS.REQ.SERVER.PING").out
    key = nsc("describe", "account", "A", "--json").json["sub"]
    share = ("--service", "--remote-subject", f"$SYS.REQ.ACCOUNT.{key}.CONNZ", "--local-subject", "mine")
    nsc("add", "import", "-a", "A", "--src-account", "SYS", *share)
    assert f'-> by servers as "$SYS.REQ.ACCOUNT.{key}.CONNZ"' in nsc("explain", "pub", "-a", "A", "mine").out


def test_services_that_the_system_account_of_nats_server_exports_by_itself_are_noted(nsc: Nsc) -> None:
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    share = ("--service", "--remote-subject", "$SYS.DEBUG.SUBSCRIBERS")
    nsc("add", "import", "-a", "A", "--src-account", "SYS", *share)
    said = nsc("explain", "pub", "-a", "A", "$SYS.DEBUG.SUBSCRIBERS").out
    assert "note: nats-server's system account exports it whatever its token says" in said


def test_an_import_that_only_nats_server_takes_for_a_cycle_is_noted(nsc: Nsc) -> None:
    """The accounts are those of tests/scenarios/test_service_cycles.py, which asks both servers."""
    nsc("add", "operator", "O")
    for account in ("Asking", "One", "Other"):
        nsc("add", "account", account)
    share = ("--service", "--remote-subject", "r.*")
    for account in ("One", "Other"):
        nsc("add", "export", "-a", account, "--subject", "r.*", "--service")
    for account, exporter in (("One", "Other"), ("Other", "One")):
        nsc("add", "import", "-a", account, "--src-account", exporter, *share, "--local-subject", "l.*")
    nsc("add", "import", "-a", "Asking", "--src-account", "One", *share)
    note = "nats-server may refuse this import as part of a cycle"
    assert note in nsc("explain", "pub", "-a", "Asking", "r.x").out
    assert note not in nsc("explain", "pub", "-a", "One", "l.x").out
    (stop,) = nsc("explain", "pub", "-a", "Asking", "r.x", "--json").json["route"]["onward"]
    assert note in stop["differs"]
    nsc("delete", "import", "-a", "Other", "--subject", "r.*")
    assert note not in nsc("explain", "pub", "-a", "Asking", "r.x").out


def test_keys_in_subjects_stay_and_accounts_are_named(town: Nsc) -> None:
    team = town("describe", "account", "Team", "--json").json["sub"]
    town("add", "export", "-a", "Orders", "--subject", "own.*.>", "--account-token-position", "2")
    town("add", "import", "-a", "Team", "--src-account", "Orders", "--remote-subject", f"own.{team}.>")
    out = town("explain", "pub", "-a", "Orders", f"own.{team}.x").out
    assert f'stream import "own.{team}.>" from Orders: token 2 of the subject is the importing account' in out


def test_parts_of_a_pattern_are_told_with_what_they_are_without(town: Nsc) -> None:
    town("edit", "user", "-a", "Orders", "shop", "--deny-pub", "orders.a,orders.b.>")
    out = town("explain", "pub", "-a", "Orders", "-u", "shop", "orders.>").out
    assert '-> in Orders as "orders.>" but not "orders.a", "orders.b.>"' in out


def test_an_unknown_account_is_pulled_where_there_is_a_server_to_ask(town: Nsc) -> None:
    town("delete", "account", "Orders", "--force")
    assert "to mend it" not in town("explain", "sub", "-a", "Team", "eu.7").out
    town("edit", "operator", "--account-jwt-server-url", "http://localhost:1/jwt/v1")
    assert "nsc pull --all" in town("explain", "sub", "-a", "Team", "eu.7").out


def test_a_request_tells_where_its_answer_goes(town: Nsc) -> None:
    out = town("explain", "pub", "--account", "Team", "ask.x").out
    assert '-> in Orders as "price.x"' in out
    assert "one answer to each request goes back to Team" in out


def test_what_does_not_arrive_is_told_with_its_reason_and_remedy(town: Nsc) -> None:
    town("add", "account", "Audit")
    town("add", "import", "--account", "Audit", "--src-account", "Orders", "--remote-subject", "orders.>")
    out = town("explain", *PUB).out
    assert "x  not in Audit\n" in out
    assert "nsc add import -a Audit --src-account Orders --remote-subject 'orders.>' --private" in out
    assert "1 way does not work" in out


def test_weights_of_mappings_are_told_as_shares(town: Nsc) -> None:
    for version, weight in (("v1", "70"), ("v2", "20")):
        town("add", "mapping", "--account", "Orders", "--from", "api", "--to", f"api.{version}", "--weight", weight)
    answer = town("explain", "pub", "--account", "Orders", "api", "--json").json
    assert [(each["subject"], each["chance"]) for each in answer["route"]["onward"]] == [
        ("api.v1", 0.7),
        ("api.v2", 0.2),
        ("api", 0.1),
    ]


def test_users_at_the_other_end_are_told_by_what_they_may(town: Nsc) -> None:
    town("add", "user", "--account", "Team", "deaf", "--deny-sub", "eu.>")
    town("add", "user", "--account", "Team", "gone", "--expiry=-1h")
    answer = town("explain", *PUB, "--users", "--json").json
    there = next(stop for stop in answer["route"]["onward"] if stop["account"] == "Team")
    assert there["users"] == {"may": ["ann"], "may_not": ["deaf", "gone"]}
    assert "users who may publish it: shop" in town("explain", *SUB, "--users").out


def test_json_is_the_documented_document(town: Nsc) -> None:
    answer = town("explain", *PUB, "--json").json
    assert set(answer) == {"question", "permitted", "accounts", "route"}
    assert answer["accounts"] == [
        {"account": "Orders", "subjects": ["orders.eu.7"]},
        {"account": "Team", "subjects": ["eu.7"]},
    ]
    stop = answer["route"]["onward"][0]
    assert {"kind", "account", "account_id", "subject", "without", "ends", "chance", "exact", "granted"} <= set(stop)
    assert stop["rule"] == "activation"
    assert stop["activation"]
    assert stop["export"] == {"subject": "orders.>", "private": True}
    assert stop["import"]["local"] == "eu.*"


def test_a_user_who_cannot_log_in_is_warned_of(town: Nsc) -> None:
    town("edit", "user", "--account", "Orders", "shop", "--expiry=-1h")
    said = town("explain", *PUB)
    assert "servers do not let shop in at all: the user's token expired" in said.err
    assert "what mends it: nsc explain denied pub" in said.err
    assert "nsc explain denied pub --account Orders --user shop orders.eu.7" in said.err


def test_a_moment_to_come_can_be_asked_about(town: Nsc) -> None:
    town("edit", "account", "Team", "--expiry", "10d")
    assert "as of" not in town("explain", *PUB).out
    now, then = (town("explain", *PUB, "--at", at, "--json").json for at in ("1d", "11d"))
    assert [each["account"] for each in now["accounts"]] == ["Orders", "Team"]
    assert [each["account"] for each in then["accounts"]] == ["Orders"]
    assert "until" in town("explain", *PUB).out


def test_pictures_show_every_way(town: Nsc) -> None:
    mermaid = town("explain", *PUB, "--mermaid").out
    assert mermaid.startswith("flowchart LR\n")
    assert 'n0 -->|"stream: activation"| n2' in mermaid
    assert "#quot;eu.7#quot;" in mermaid
    pattern = town("explain", "pub", "--account", "Orders", "orders.>", "--mermaid").out
    assert "orders.#gt;" in pattern
    dot = town("explain", *SUB, "--graphviz").out
    assert dot == town("explain", *SUB, "--dot").out
    assert dot.startswith("digraph explain {\n")
    assert 'n2 -> n0 [label="stream: activation"];' in dot


def test_unreadable_accounts_are_left_out_with_a_warning(town: Nsc, home: Path) -> None:
    town("add", "account", "Broken")
    (file,) = home.rglob("Broken.jwt")
    file.write_text("no token")
    said = town("explain", *PUB)
    assert 'account "Broken" is left out' in said.err
    assert "2 accounts" in said.out


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("pub", "a..b"), "empty token"),
        (("pub", "a b"), "white space"),
        (("pub", "a", "--at", "yesterday"), "at"),
        (("denied", "pub", "a", "--from", "nowhere"), "IP address"),
        (("denied", "pub", "a", "--conn-type", "PIGEON"), "must be one of"),
        (("denied", "pub", "a", "--creds", "x", "--user", "y"), "only one of"),
        (("pub", "a", "--dot", "--json"), "only one of"),
    ],
)
def test_questions_that_make_no_sense_are_refused(town: Nsc, words: Sequence[str], fault: str) -> None:
    assert fault in town("explain", *words, exit=2).err


def test_completion_offers_users_accounts_and_kinds_of_connections(town: Nsc) -> None:
    def offered(*words: str) -> list[str]:
        return [line.split("\t")[0] for line in town("__complete", "explain", *words).out.splitlines()]

    assert offered("") == ["denied", "pub", "sub"]
    assert offered("denied", "") == ["pub", "sub"]
    assert offered("pub", "--account", "Team", "--user", "") == ["ann"]
    assert offered("denied", "sub", "--peer", "") == ["Orders", "Team"]
    assert "WEBSOCKET" in offered("denied", "sub", "--conn-type", "")


# ---- denied --------------------------------------------------------------------------------------


def test_nothing_denied_is_exit_status_0_with_every_link_told(town: Nsc) -> None:
    said = town("explain", "denied", *PUB)
    assert said.out.startswith('May user shop of Orders publish on "orders.eu.7"? Yes.\n')
    assert "[FAIL]" not in said.out
    assert 'it may publish on "orders.eu.7": allow "orders.>"' in said.out
    assert town("explain", "denied", *SUB, "--peer", "Orders", "--json").json["allowed"] is True


Commands = Sequence[str]

STRICT = "the operator asks for signing keys"
"""What no command makes true as long as there are accounts and users signed otherwise."""

BROKEN: dict[str, tuple[Commands, Commands, str]] = {
    "no allow entry": ((), ("pub", "-a", "Orders", "-u", "shop", "other"), "permission"),
    "deny entry": (("edit user -a Orders shop --deny-pub orders.eu.>",), PUB, "permission"),
    "subscribe entry": ((), ("sub", "-a", "Orders", "-u", "shop", "orders.>"), "permission"),
    "role": (
        (
            "edit signing-key -a Orders --sk generate --role writer --allow-pub a.>",
            "add user -a Orders scribe -K writer",
        ),
        ("pub", "-a", "Orders", "-u", "scribe", "b"),
        "permission",
    ),
    "default permissions": (("edit account Team --deny-sub eu.7",), SUB, "permission"),
    "expired user": (("edit user -a Orders shop --expiry=-1h",), PUB, "user token expired"),
    "user of tomorrow": (("edit user -a Orders shop --start 1d",), PUB, "user token not yet valid"),
    "expired account": (("edit account Orders --expiry=-1h",), PUB, "account not in force"),
    "account of tomorrow": (("edit account Orders --start 1d",), PUB, "account not in force"),
    "revoked": (("revocations add-user -a Orders -n shop",), PUB, "revocation of the user"),
    "all revoked": (("revocations add-user -a Orders -u '*'",), PUB, "revocation of the user"),
    "strict signing": (
        ("edit operator --sk generate", STRICT),
        PUB,
        "signer of the account",
    ),
    "signing key taken away": (
        ("edit account Team --sk generate", "add user -a Team bob -K SK", "edit account Team --rm-sk SK"),
        ("sub", "-a", "Team", "-u", "bob", "eu.7"),
        "signer of the user",
    ),
    "connection type": (("edit user -a Orders shop --conn-type WEBSOCKET",), PUB, "connection type"),
    "queue entry": (
        ("edit user -a Team ann --allow-sub 'eu.* workers'",),
        ("sub", "-a", "Team", "-u", "ann", "eu.7", "-q", "idlers"),
        "permission",
    ),
    "mapped to what is not permitted": (("add mapping -a Orders --from orders.eu.7 --to other",), PUB, "permission"),
    "a part only": ((), ("pub", "-a", "Orders", "-u", "shop", ">"), "permission"),
    "a part denied": (
        ("edit user -a Orders shop --deny-pub orders.eu.7",),
        ("pub", "-a", "Orders", "-u", "shop", "orders.eu.*"),
        "permission",
    ),
    "request to the peer": (
        ("add export -a Orders --service --subject stock.*",),
        ("pub", "-a", "Team", "-u", "ann", "stock.7", "--peer", "Orders"),
        "no import",
    ),
    "source network": (
        ("edit user -a Orders shop --source-network 10.0.0.0/8",),
        (*PUB, "--from", "192.168.1.2"),
        "source network",
    ),
    "time of day": (
        ("edit user -a Orders shop --time 01:00:00-02:00:00 --locale UTC",),
        (*PUB, "--at", "2035-01-01T12:00:00Z"),
        "time of day",
    ),
    "no subscriptions": (("edit user -a Orders shop --subs 0",), PUB, "subscription limit"),
    "no subscriptions in the account": (("edit account Orders --subscriptions 0",), PUB, "subscription limit"),
    "no connections": (("edit account Orders --conns 0",), PUB, "connection limit"),
    "no payload": (("edit user -a Orders shop --payload 0",), PUB, "payload limit"),
    "mapped away": (("add mapping -a Team --from eu.7 --to eu.8", "delete import -a Team orders.eu.*"), SUB, "mapping"),
    "a share dropped": (("add mapping -a Orders --from orders.eu.7 --to orders.eu.7 --weight 60",), PUB, "mapping"),
    "import missing": ((), ("sub", "-a", "Team", "-u", "ann", "orders.us", "--peer", "Orders"), "no import"),
    "export missing": ((), ("sub", "-a", "Team", "-u", "ann", "news", "--peer", "Orders"), "no import"),
    "export withdrawn": (("delete export -a Orders orders.>",), SUB, "no export"),
    "activation missing": (
        ("delete import -a Team orders.eu.*", "add import -a Team --src-account Orders --remote-subject orders.eu.*"),
        ("sub", "-a", "Team", "-u", "ann", "orders.eu.7"),
        "activation missing",
    ),
    "activation expired": (
        (
            "delete import -a Team orders.eu.*",
            "generate activation -a Orders -t Team -s orders.eu.* --expiry=-1h -o old.jwt",
            "add import -a Team --token old.jwt --local-subject eu.$1",
        ),
        SUB,
        "activation expired",
    ),
    "activation revoked": (("revocations add-activation -a Orders -s orders.> -t Team",), SUB, "activation revoked"),
    "all activations revoked": (
        ("revocations add-activation -a Orders -s orders.> -t '*'",),
        SUB,
        "activation revoked",
    ),
    "exporter expired": (("edit account Orders --expiry=-1h",), SUB, "account not in force"),
    "service refused": (("delete export -a Orders price.*",), ("pub", "-a", "Team", "-u", "ann", "ask.x"), "no export"),
    "cycle": (
        (
            "add export -a Team --subject eu.*",
            "add export -a Team --subject orders.eu.*",
            "add import -a Orders --src-account Team --remote-subject eu.* --local-subject orders.eu.$1",
        ),
        SUB,
        "import cycle",
    ),
}
"""What is broken, what is asked then, and the rule of the first link that fails."""


@pytest.mark.parametrize("case", BROKEN)
def test_the_first_link_that_fails_is_named_and_its_commands_mend_it(town: Nsc, case: str) -> None:
    """Each round does what is told about the first failing link; then the next one may show."""
    setup, question, rule = BROKEN[case]
    for command in setup:
        run(town, command)
    answer = denied(town, question)
    assert not answer["allowed"]
    assert answer["first"]["rule"] == rule, answer["links"]
    for _ in range(4):
        assert answer["first"]["fix"], answer["first"]
        for command in answer["first"]["fix"]:
            run(town, command.removeprefix("nsc "))
        answer = denied(town, question)
        if answer["allowed"]:
            break
    assert answer["allowed"], answer["links"]


def test_what_is_revoked_stays_revoked(town: Nsc, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new token is not revoked; the old ones need not be good again for that."""
    now = Workspace.now
    with monkeypatch.context() as past:
        past.setattr(Workspace, "now", lambda self: now(self) - 60)
        town("revocations", "add-user", "-a", "Orders", "-u", "*")
    rewrite_user("Orders", "shop", lambda claims, at: replace(claims, issued_at=at - 120))
    assert denied(town, PUB)["first"]["fix"][0] == "nsc reissue user --account Orders shop"
    run(town, "reissue user --account Orders shop")
    assert denied(town, PUB)["allowed"]


def test_a_revocation_that_goes_on_is_taken_back_with_a_caution(town: Nsc) -> None:
    town("revocations", "add-user", "-a", "Orders", "-u", "*")
    first = denied(town, PUB)["first"]
    assert first["fix"] == ["nsc revocations delete-user --account Orders --user-public-key '*'"]
    assert first["caution"] == "every token of users that was revoked is good again"
    town("revocations", "add-activation", "-a", "Orders", "-s", "orders.>", "-t", "*")
    first = denied(town, SUB)["first"]
    assert first["caution"] == "the activations of all accounts that were revoked are good again"
    assert "       mind: the activations" in town("explain", "denied", *SUB, exit=1).out


def test_a_user_whose_name_looks_like_a_flag_is_named_by_one(town: Nsc) -> None:
    town("add", "user", "-a", "Orders", "--name", "-shop", "--allow-pub", "x")
    question = ("pub", "-a", "Orders", "-u", "-shop", "y")
    for command in denied(town, question)["first"]["fix"]:
        run(town, command.removeprefix("nsc "))
    assert denied(town, question)["allowed"]


def test_commands_work_where_the_question_was_asked(town: Nsc, tmp_path: Path) -> None:
    there = str(tmp_path / "else where")
    town("init", "-n", "P", "-H", there)
    town("add", "user", "-a", "P", "bob", "--allow-pub", "x", "-H", there)
    question = ("pub", "-a", "P", "-u", "bob", "y", "-H", there)
    for command in denied(town, question)["first"]["fix"]:
        run(town, command.removeprefix("nsc "))
    assert denied(town, question)["allowed"]
    hint = town("explain", "denied", *question).out.splitlines()[-1].partition("nsc ")[2]
    assert "It is received" in town(*shlex.split(hint)).out


def test_a_user_of_a_key_that_is_gone_is_signed_again_by_the_one_that_is_there(town: Nsc) -> None:
    for command in BROKEN["signing key taken away"][0]:
        run(town, command)
    first = denied(town, BROKEN["signing key taken away"][1])["first"]
    assert first["fix"][0] == "nsc reissue user --account Team bob"


def test_a_deny_entry_is_taken_out_of_its_own_list_only(town: Nsc) -> None:
    town("edit", "user", "-a", "Orders", "shop", "--deny-pub", "orders.eu.7,orders.us.>", "--deny-sub", "orders.eu.7")
    town("edit", "user", "-a", "Orders", "shop", "--deny-pub", '"orders.""x"""')
    for command in denied(town, PUB)["first"]["fix"]:
        run(town, command.removeprefix("nsc "))
    assert denied(town, PUB)["allowed"]
    claims = town("describe", "user", "-a", "Orders", "shop", "--json").json["nats"]
    assert claims["sub"]["deny"] == ["orders.eu.7"]
    quoted = denied(town, ("pub", "-a", "Orders", "-u", "shop", 'orders."x"'))["first"]["fix"]
    assert shlex.split(quoted[0])[-2:] == ["--rm", '"orders.""x"""']
    assert denied(town, ("pub", "-a", "Orders", "-u", "shop", "orders.us.1"))["first"]["caution"] == (
        'all of "orders.us.>" is allowed then, as far as allow entries go'
    )


def test_what_mends_a_role_is_of_the_role(town: Nsc) -> None:
    role = ("edit", "signing-key", "-a", "Team", "--sk", "generate", "--role", "reader")
    town(*role, "--deny-sub", "eu.{{name()}},own.{{tag(desk)}}")
    town("add", "user", "-a", "Team", "bob", "-K", "reader", "--tag", "desk:x")
    question = ("sub", "-a", "Team", "-u", "bob", "eu.bob")
    assert "fix" not in denied(town, question)["first"]  # no list of the role has "eu.bob"
    town("edit", "signing-key", "-a", "Team", "reader", "--rm", "eu.{{name()}}", "--deny-sub", "eu.>")
    assert denied(town, question)["first"]["caution"].startswith('all of "eu.>" is allowed then')
    assert denied(town, question)["first"]["caution"].endswith('; for every user of the role "reader"')
    rewrite_user("Team", "bob", lambda claims, at: replace(claims, nats=replace(claims.nats, tags=())))
    first = denied(town, question)["first"]
    assert first["rule"] == "scoped signing key"
    assert "fix" not in first  # only people know which tag it should have


def test_a_user_of_a_role_gives_up_rights_of_its_own(town: Nsc) -> None:
    town("edit", "signing-key", "-a", "Team", "--sk", "generate", "--role", "reader")
    town("add", "user", "-a", "Team", "bob", "-K", "reader")
    rewrite_user("Team", "bob", lambda claims, at: replace(claims, nats=replace(claims.nats, subs=5)))
    first = denied(town, ("sub", "-a", "Team", "-u", "bob", "eu.7"))["first"]
    assert first["fix"][0] == "nsc reissue user --account Team bob --as-role --private-key reader"


def test_no_export_is_proposed_beside_one_that_overlaps(town: Nsc) -> None:
    town("delete", "export", "-a", "Orders", "orders.>")
    town("add", "export", "-a", "Orders", "--subject", "orders.eu.7")
    town("add", "export", "-a", "Orders", "--subject", "own.*.>", "--account-token-position", "2")
    assert "fix" not in denied(town, SUB)["first"]  # eu.$1 needs a wildcard
    peer = ("--peer", "Orders")
    assert "fix" not in denied(town, ("sub", "-a", "Team", "-u", "ann", "orders.*.7", *peer))["first"]
    own = denied(town, ("sub", "-a", "Team", "-u", "ann", "own.x.y", *peer))["first"]["fix"]
    team = town("describe", "account", "Team", "--json").json["sub"]
    assert own == [f"nsc add import --account Team --src-account Orders --remote-subject own.{team}.y"]
    opened = denied(town, ("sub", "-a", "Team", "-u", "ann", "free", *peer))["first"]
    assert opened["caution"].startswith("every account may import it then")


def rewrite_user(account: str, user: str, change: Callable[[UserClaims, int], UserClaims]) -> None:
    """Sign changed claims of a user with the key that signed it."""
    workspace = Workspace.open(os.environ)
    store = workspace.operator()
    claims = store.user(account, user)
    pair = workspace.keystore.pair(claims.issuer)
    assert pair is not None
    changed = change(claims, workspace.now())
    Path(store.user_path(account, user)).write_text(encode(changed, pair, issued_at=changed.issued_at))


def test_a_mapping_that_cannot_work_takes_the_account_out_of_service(town: Nsc) -> None:
    """And it keeps no question about others from being answered."""
    map_wrongly("Orders")
    assert denied(town, PUB)["first"]["rule"] == "account token"
    assert denied(town, SUB)["first"]["rule"] == "account not in force"
    assert "is not accepted by servers" in town("explain", "sub", "--account", "Team", "eu.7").out
    found = town("doctor", "--json", exit=3).json["findings"]
    assert {"mapping-invalid", "import-exporter-refused"} <= {each["code"] for each in found}


def run(nsc: Nsc, command: str) -> None:
    """Run a command line; SK stands for the only signing key of Team."""
    if command == STRICT:
        make_strict()
        return
    words = shlex.split(command)
    if "SK" in words:
        claims = nsc("describe", "account", "Team", "--json").json
        words = [claims["nats"]["signing_keys"][0] if word == "SK" else word for word in words]
    nsc(*words)


def make_strict() -> None:
    workspace = Workspace.open(os.environ)
    claims = workspace.operator().operator()
    claims = replace(claims, nats=replace(claims.nats, strict_signing_key_usage=True))
    Path(workspace.operator().operator_path).write_text(signed(workspace, claims))


def map_wrongly(account: str) -> None:
    """Give an account a mapping that no command would make."""
    workspace = Workspace.open(os.environ)
    claims = workspace.operator().account(account)
    mappings = {"m.*": (WeightedMapping(subject="m.*"),)}
    claims = replace(claims, nats=replace(claims.nats, mappings=mappings))
    Path(workspace.operator().account_path(account)).write_text(signed(workspace, claims))


def signed(workspace: Workspace, claims: Any) -> str:
    """A token of ``claims`` by the operator."""
    pair = workspace.keystore.pair(workspace.operator().operator().subject)
    assert pair is not None
    return workspace.sign(claims, pair)


def denied(nsc: Nsc, question: Commands) -> dict[str, Any]:
    """The answer, which says by its exit status too whether something fails."""
    result = nsc("explain", "denied", *question, "--json", exit=(0, 1))
    answer: dict[str, Any] = result.json
    assert result.exit == (0 if answer["allowed"] else 1)
    return answer


# ---- creds files ---------------------------------------------------------------------------------


def test_a_creds_file_is_judged_by_what_is_in_it(town: Nsc) -> None:
    town("generate", "creds", "-a", "Orders", "-n", "shop", "-o", "shop.creds")
    assert "Yes." in town("explain", "denied", "--creds", "shop.creds", "pub", "orders.eu.7").out
    town("edit", "user", "-a", "Orders", "shop", "--deny-pub", "orders.eu.7")
    assert "Yes." in town("explain", "denied", "--creds", "shop.creds", "pub", "orders.eu.7").out
    assert "No." in town("explain", "denied", *PUB, exit=1).out


def test_a_creds_file_that_cannot_be_used_is_the_first_link(town: Nsc, tmp_path: Path) -> None:
    missing = town("explain", "denied", "pub", "--creds", "nowhere.creds", "a", exit=1)
    assert "[FAIL] creds file: the creds file cannot be used: there is no file" in missing.out
    Path("empty.creds").write_text("")
    assert "[FAIL] creds file" in town("explain", "denied", "pub", "--creds", "empty.creds", "a", exit=1).out


def test_damaged_creds_of_a_user_of_the_store_are_made_anew(town: Nsc) -> None:
    token = town("describe", "user", "-a", "Orders", "shop", "--raw").out.strip()
    seed = KeyPair.create(Role.USER).seed
    Path("torn.creds").write_text(write_creds(token, seed).replace(seed, f"{seed[:-2]}22"))
    said = town("explain", "denied", "pub", "--creds", "torn.creds", "orders.eu.7", exit=1).out
    assert "nsc generate creds --account Orders --name shop --output-file shop.creds" in said
    assert seed[:20] not in said


def test_a_seed_of_somebody_else_is_found(town: Nsc) -> None:
    token = town("describe", "user", "-a", "Orders", "shop", "--raw").out.strip()
    Path("mixed.creds").write_text(write_creds(token, KeyPair.create(Role.USER).seed))
    answer = town("explain", "denied", "pub", "--creds", "mixed.creds", "orders.eu.7", "--json", exit=1).json
    assert answer["first"]["rule"] == "seed"
    assert answer["first"]["fix"] == ["nsc generate creds --account Orders --name shop --output-file shop.creds"]


def test_creds_of_an_account_that_is_not_in_the_store_say_so(town: Nsc) -> None:
    town("generate", "creds", "-a", "Team", "-n", "ann", "-o", "ann.creds")
    town("delete", "account", "Team", "--force")
    said = town("explain", "denied", "sub", "--creds", "ann.creds", "eu.7", exit=1)
    assert "[FAIL] unknown account" in said.out
    assert "is not in the store of operator O" in said.out


def test_no_answer_shows_a_seed_or_a_token(town: Nsc) -> None:
    token = town("describe", "user", "-a", "Orders", "shop", "--raw").out.strip()
    seed = KeyPair.create(Role.USER).seed
    Path("mixed.creds").write_text(write_creds(token, seed))
    for more in ((), ("--json",)):
        said = town("explain", "denied", "pub", "--creds", "mixed.creds", "orders.eu.7", *more, exit=1)
        assert token not in said.out + said.err
        assert seed not in said.out + said.err


def test_control_characters_of_a_subject_do_not_reach_the_terminal(town: Nsc) -> None:
    subject = "a.\x1b[31mred"
    for words in (("pub",), ("sub",), ("pub", "--dot"), ("sub", "--mermaid")):
        assert "\x1b" not in town("explain", *words, "--account", "Team", subject).out
    assert "\x1b" not in town("explain", "denied", "pub", "--account", "Team", subject).out


def test_a_store_of_2019_is_explained_too(town: Nsc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSC_PROFILE", "2019")
    for command in (
        "add operator --name Old",
        "add account --name A",
        "add user --name u",
        "add export --subject a.b.>",
        "add account --name B",
        "add user --name v",
    ):
        run(town, command)
    key = town("describe", "account", "A", "--json").json["sub"]
    run(town, f"add import --account B --src-account {key} --remote-subject a.b.> --local-subject abc.>")
    assert '-> in B as "abc.a.b.c"' in town("explain", "pub", "--account", "A", "--user", "u", "a.b.c").out
    assert '-> in A on "a.b.>"' in town("explain", "sub", "--account", "B", ">").out
