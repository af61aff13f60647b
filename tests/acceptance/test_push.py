"""Accounts go to the resolvers of running servers and come back: on both engines."""

import json
import re

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from natskit.store import Plan, Workspace, accounts

DATA = ".local/share/nats/nsc"


@pytest.fixture
def shop(home):
    """A home with an operator, a system account, and accounts A and B."""
    home.run("nsc", "add", "operator", "O", "--sys", "--generate-signing-key")
    home.run("nsc", "add", "account", "A")
    home.run("nsc", "add", "user", "u")
    home.run("nsc", "add", "account", "B")
    return home


@pytest.fixture
def server(shop, engine):
    """A server with the full resolver of the operator, which knows its system account only."""
    shop.run("nsc", "generate", "config", "--nats-resolver", "--config-file", "resolver.conf")
    text = (shop.work / "resolver.conf").read_text()
    text = text.replace("allow_delete: false", "allow_delete: true").replace("./jwt", str(shop.work / "jwt"))
    running = engine.start(text)
    shop.run("nsc", "edit", "operator", "--account-jwt-server-url", running.url)
    return running


def key_of(home, account):
    return jwt.decode((home.path / DATA / f"stores/O/accounts/{account}/{account}.jwt").read_text()).subject


def test_pushed_accounts_are_known_and_users_may_connect(shop, server):
    receipt = shop.document("push", "--all", "--verify")
    assert receipt["servers"] == 1
    assert {each["account"] for each in receipt["pushed"]} == {"A", "B", "SYS"}
    assert all(len(each["servers"]) == 1 for each in receipt["pushed"])
    assert receipt["verified"]["identical"]
    assert {each["sha256"] for each in receipt["verified"]["accounts"]} == {
        each["sha256"] for each in receipt["pushed"]
    }
    creds = shop.path / DATA / "keys/creds/O/A/u.creds"
    shop.run("nats-pub", "-s", server.url, "-creds", str(creds), "subject", "hello")


def test_what_is_missing_or_old_does_not_pass_verification(shop, server):
    receipt = shop.document("push", "-a", "A", "--verify")
    assert [each["account"] for each in receipt["verified"]["accounts"]] == ["A"]
    report = shop.document("push", "--diff", "--verify", exit=1)
    held = {each["account"]: each["servers"] for each in report["verified"]["accounts"]}
    assert held["A"] == 1
    assert held["B"] == 0
    shop.run("nsc", "push", "--all", "--verify")
    shop.run("nsc", "edit", "account", "B", "--tag", "newer")
    report = shop.document("push", "--diff", "--verify", exit=1)
    assert {each["account"]: each["servers"] for each in report["verified"]["accounts"]}["B"] == 0
    assert "1 have another token of it" in json.dumps(report)


def test_servers_are_compared_and_pruned(shop, server):
    shop.run("nsc", "push", "--all")
    gone = key_of(shop, "B")
    shop.run("nsc", "delete", "account", "B", "--rm-nkey")
    (diff,) = shop.document("push", "--diff", exit=3)["diff"]
    assert diff["only_server"] == [gone]
    assert key_of(shop, "A") in diff["both"]
    assert shop.document("push", "--prune")["pruned"] == [gone]
    assert shop.document("push", "--prune", exit=3)["pruned"] == []
    assert shop.document("push", "--diff")["diff"][0]["only_server"] == []
    shop.document("push", "--account-removal", "A")
    (diff,) = shop.document("push", "--diff", exit=3)["diff"]
    assert diff["only_store"] == [key_of(shop, "A")]


def test_what_was_done_is_told_also_if_the_rest_cannot_be(shop, engine):
    """Resolvers that are caches take accounts, but have nothing to prove."""
    shop.run("nsc", "generate", "config", "--nats-resolver-cache", "--config-file", "cache.conf")
    text = (shop.work / "cache.conf").read_text().replace("./jwt", str(shop.work / "jwt"))
    server = engine.start(text)
    report = shop.document("push", "-a", "SYS", "--verify", "-u", server.url, exit=1)
    assert [each["account"] for each in report["pushed"]] == ["SYS"]
    assert len(report["pushed"][0]["servers"]) == 1
    assert "no server takes such requests" in json.dumps(report["report"])


def test_pulled_accounts_are_those_that_were_pushed(shop, server):
    shop.run("nsc", "push", "--all")
    path = shop.path / DATA / "stores/O/accounts/A/A.jwt"
    pushed = path.read_text()
    path.unlink()
    pulled = shop.document("pull", "--all")
    assert {each["name"] for each in pulled["accounts"]} >= {"A", "B"}
    assert path.read_text() == pushed


def test_a_refusal_is_told_with_the_servers_reason(shop, server):
    shop.run("nsc", "add", "operator", "Other", "--sys")
    shop.run("nsc", "add", "account", "X")
    done = shop.try_run("nsc", "push", "-u", server.url, "-a", "X")
    assert done.returncode == 1
    assert "failed to connect" in done.stderr
    assert re.search("uthorization", done.stderr)


def test_one_connection_carries_many_accounts(shop, server):
    workspace = Workspace.open({"HOME": str(shop.path)}, cwd=str(shop.work))
    with workspace.locked():
        plan, store = Plan(workspace), workspace.operator()
        for number in range(500):
            key = KeyPair.create(Role.ACCOUNT)
            accounts.add_account(plan, store, jwt.new_account(key.public, f"N{number}"), key, own=True)
        plan.commit()
    receipt = shop.document("push", "--all", "--verify")
    assert len(receipt["pushed"]) == 503
    assert all(len(each["servers"]) == 1 for each in receipt["pushed"])
    assert receipt["verified"]["identical"]
