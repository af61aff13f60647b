"""A team finds out why nothing arrives any more, types what the doctor says, and it arrives: on both engines."""

import json
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_for
from natskit import jwt
from natskit.store.doctor import CODES

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
DATA = ".local/share/nats/nsc"


@pytest.fixture
def shop(home):
    """Orders shares a stream privately, signed by a signing key; Billing imports it."""
    home.run("nsc", "add", "operator", "Demo", "--sys", "--generate-signing-key")
    home.run("nsc", "add", "account", "Orders")
    home.run("nsc", "edit", "account", "Orders", "--sk", "generate")
    home.run("nsc", "add", "user", "shop")
    home.run("nsc", "add", "export", "--subject", "orders.>", "--private")
    home.run("nsc", "add", "account", "Billing")
    home.run("nsc", "add", "user", "clerk")
    key = home.path / DATA
    signing_key = home.document("describe", "account", "Orders")["nats"]["signing_keys"][0]
    token = home.run(
        "nsc", "generate", "activation", "-a", "Orders", "-t", "Billing", "--expiry", "90d", "-K", signing_key
    )
    path = home.work / "activation.jwt"
    path.write_text(token)
    home.run("nsc", "add", "import", "-a", "Billing", "--token", str(path), "--local-subject", "in.orders.>")
    assert key.is_dir()
    return home


def creds(home, account, user):
    return home.path / DATA / f"keys/creds/Demo/{account}/{user}.creds"


def type_in(home, lines):
    for line in lines:
        words = shlex.split(line)
        if words[0] == "nsc":
            home.run(*words)
        else:
            subprocess.run(words, check=True)


def received(town, home):
    """What a clerk gets of an order, on a server with the store as it is."""
    config = home.run("nsc", "generate", "config", "--mem-resolver")
    server = town.engine.start(config)
    clerk = town.start(
        f"{town.bin}/nats-sub", "-s", server.url, "-creds", str(creds(home, "Billing", "clerk")), ">", env=home.env
    )
    clerk.wait_for("Listening on [>]")
    town.publish(server, creds(home, "Orders", "shop"), "orders.1", "a coat")
    town.publish(server, creds(home, "Billing", "clerk"), "end", "end")
    clerk.wait_for("[end]")
    server.stop()
    return re.findall(r"Received on \[(.*?)\]", clerk.output)


def test_why_nothing_arrives_and_what_mends_it(town, shop):
    assert received(town, shop) == ["in.orders.1", "end"]
    assert shop.try_run("nsc", "doctor").returncode == 0

    # A signing key leaks and is taken away. Every token is still in its place, and nothing arrives.
    key = shop.document("describe", "account", "Orders")["nats"]["signing_keys"][0]
    shop.run("nsc", "edit", "account", "Orders", "--rm-sk", key)
    assert received(town, shop) == ["end"]

    # The doctor says why, and what to type.
    report = shop.document("doctor", exit=3)
    (found,) = report["findings"]
    assert found["code"] == "activation-foreign"
    assert (found["account"], found["about"]) == ("Billing", "orders.>")
    done = shop.try_run("nsc", "doctor")
    assert done.returncode == 3
    assert f"fix: {found['fix'][0]}" in done.stdout
    assert done.stderr == ""
    type_in(shop, found["fix"])

    # It arrives, under the name that it had.
    assert received(town, shop) == ["in.orders.1", "end"]
    assert shop.try_run("nsc", "doctor").returncode == 0


def test_users_of_a_key_that_was_taken_away_get_in_again(town, shop):
    key = shop.document("describe", "account", "Orders")["nats"]["signing_keys"][0]
    shop.run("nsc", "add", "user", "-a", "Orders", "late", "-K", key)
    shop.run("nsc", "edit", "account", "Orders", "--rm-sk", key)
    server = town.engine.start(shop.run("nsc", "generate", "config", "--mem-resolver"))
    late = creds(shop, "Orders", "late")
    refused = shop.try_run("nats-pub", "-s", server.url, "-creds", str(late), "orders.1", "x")
    assert refused.returncode != 0
    for found in shop.document("doctor", exit=3)["findings"]:
        if found["code"] == "user-untrusted":
            type_in(shop, found["fix"])
    town.publish(server, late, "orders.1", "x")


def codes(home, *words):
    """Code and account of everything that has to do with servers."""
    findings = json.loads(home.try_run("nsc", "doctor", "--servers", "--severity", "note", "--json", *words).stdout)
    return {(each["code"], each["account"]): each for each in findings["findings"] if each["code"].startswith("server")}


def mend(home, code, account):
    type_in(home, codes(home)[code, account]["fix"])
    assert (code, account) not in codes(home)


@pytest.fixture
def resolver(town, shop):
    """A server that takes pushes of the operator's accounts."""
    text = shop.run("nsc", "generate", "config", "--nats-resolver")
    server = town.engine.start(text.replace("./jwt", str(shop.work / "jwt")))
    shop.run("nsc", "edit", "operator", "--account-jwt-server-url", server.url)
    return server


def test_what_a_server_does_not_have_is_pushed_and_what_is_newer_there_is_pulled(shop, resolver):
    assert set(codes(shop)) == {("server-missing", "Orders"), ("server-missing", "Billing")}
    mend(shop, "server-missing", "Orders")
    mend(shop, "server-missing", "Billing")
    assert codes(shop) == {}

    path = shop.path / DATA / "stores/Demo/accounts/Orders/Orders.jwt"
    before = path.read_text()
    wait_until_later(shop, before)
    shop.run("nsc", "edit", "account", "Orders", "--tag", "new")
    assert set(codes(shop)) == {("server-older", "Orders")}
    mend(shop, "server-older", "Orders")

    path.write_text(before)
    assert set(codes(shop, "-a", "Orders")) == {("server-newer", "Orders")}
    mend(shop, "server-newer", "Orders")
    assert path.read_text() != before

    shop.run("nsc", "delete", "account", "Billing", "--rm-nkey", "--rm-creds")
    (found,) = codes(shop).values()
    assert found["code"] == "server-unknown"
    type_in(shop, found["fix"])
    assert codes(shop) == {}


def wait_until_later(home, token):
    """Tokens are told apart by the second in which they were issued."""
    wait_for(lambda: time.time() >= jwt.decode(token).issued_at + 1, "the next second")


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_an_account_server_is_compared_too(town, shop):
    folder = shop.work / "accounts"
    folder.mkdir()
    port = town.free_port()
    operator = str(shop.path / DATA / "stores/Demo/Demo.jwt")
    address = f"127.0.0.1:{port}"
    words = ("-dir", str(folder), "-operator", operator, "-hp", address)
    program = town.start(f"{town.bin}/nats-account-server", *words, env=shop.env)
    program.wait_for("configure the nats-server with:")
    shop.run("nsc", "edit", "operator", "--account-jwt-server-url", f"http://{address}/jwt/v1")
    assert ("server-missing", "Orders") in codes(shop)
    mend(shop, "server-missing", "Orders")


def test_secrets_that_others_can_read_are_closed(shop):
    path = creds(shop, "Orders", "shop")
    path.chmod(0o644)
    done = shop.try_run("nsc", "doctor", "--fix")
    assert done.returncode == 0
    assert f"done: chmod 600 {path}" in done.stdout
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_page_lists_every_code_with_its_severity():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == {code: complaint.severity for code, complaint in CODES.items()}
    assert len(rows) == len(CODES)


def test_the_json_of_the_page_has_the_members_of_the_document(shop):
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    shop.run("nsc", "delete", "export", "-a", "Orders", "orders.>")
    real = shop.document("doctor", exit=3)
    assert set(shown) == set(real)
    assert set(shown["findings"][0]) == set(real["findings"][0])
