"""Accounts go to every server of a cluster, and each proves that it has them: two real servers, routed."""

import json
import signal
import time

import pytest

from conftest import Engine, wait_for
from natskit import jwt
from natskit.nkeys import KeyPair, Role

DATA = ".local/share/nats/nsc"


@pytest.fixture
def shop(home):
    """A home with an operator, a system account, and accounts A and B."""
    home.run("nsc", "add", "operator", "O", "--sys")
    home.run("nsc", "add", "account", "A")
    home.run("nsc", "add", "user", "u")
    home.run("nsc", "add", "account", "B")
    return home


@pytest.fixture
def cluster(shop, real_server, start, free_port, tmp_path):
    """S1 and S2, which know the system account only."""
    shop.run("nsc", "generate", "config", "--nats-resolver", "--config-file", "resolver.conf")
    text = (shop.work / "resolver.conf").read_text().replace("allow_delete: false", "allow_delete: true")
    ports = [free_port(), free_port()]
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
    servers = []
    for number, port in enumerate(ports, 1):
        config = text.replace("./jwt", str(shop.work / f"jwt{number}")) + f"\nserver_name: S{number}"
        config += f"\ncluster {{ name: C, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
        servers.append(Engine("real", real_server, start, tmp_path).start(config))
    shop.run("nsc", "edit", "operator", "--account-jwt-server-url", servers[0].url)
    wait_for(lambda: shop.document("push", "--diff", exit=None).get("servers") == 2, "the cluster to form")
    return servers


def token_of(home, account):
    return (home.path / DATA / f"stores/O/accounts/{account}/{account}.jwt").read_text()


def key_of(home, account):
    return jwt.decode(token_of(home, account)).subject


def test_every_server_proves_what_it_has_and_nobody_waits(shop, cluster):
    start = time.monotonic()
    receipt = shop.document("push", "--all", "--verify", "--timeout", "60")
    assert time.monotonic() - start < 10
    assert receipt["servers"] == 2
    assert {each["account"]: sorted(each["servers"]) for each in receipt["pushed"]} == {
        name: ["S1", "S2"] for name in ("A", "B", "SYS")
    }
    assert receipt["verified"]["servers"] == ["S1", "S2"]
    assert [each["servers"] for each in receipt["verified"]["accounts"]] == [2, 2, 2]
    creds = shop.path / DATA / "keys/creds/O/A/u.creds"
    for server in cluster:
        shop.run("nats-pub", "-s", server.url, "-creds", str(creds), "subject", "hello")


def test_what_one_server_has_not_is_found_whichever_answers(shop, cluster):
    shop.run("nsc", "push", "--all")
    (shop.work / f"jwt2/{key_of(shop, 'A')}.jwt").write_text(token_of(shop, "B"))
    (shop.work / f"jwt2/{key_of(shop, 'B')}.jwt").unlink()
    report = shop.document("push", "--diff", "--verify", exit=1)
    held = {each["account"]: each["servers"] for each in report["verified"]["accounts"]}
    assert (held["A"], held["B"], held["SYS"]) == (1, 1, 2)
    assert "1 have another token of it" in json.dumps(report)


def test_pull_is_over_with_the_last_account(shop, cluster):
    shop.run("nsc", "push", "--all")
    before = {account: token_of(shop, account) for account in ("A", "B", "SYS")}
    for account in before:
        (shop.path / DATA / f"stores/O/accounts/{account}/{account}.jwt").unlink()
    restored = (shop.path / DATA / "stores/O/accounts/SYS/SYS.jwt", before["SYS"])
    restored[0].write_text(restored[1])
    start = time.monotonic()
    assert shop.document("pull", "--all")["servers"] == 2
    assert time.monotonic() - start < 4
    assert {account: token_of(shop, account) for account in before} == before


def test_prune_and_removal_reach_every_server(shop, cluster):
    shop.run("nsc", "push", "--all")
    gone, other = key_of(shop, "B"), key_of(shop, "A")
    shop.run("nsc", "delete", "account", "B")
    assert shop.document("push", "--prune")["pruned"] == [gone]
    assert shop.document("push", "--account-removal", "A")["pruned"] == [other]
    for folder in ("jwt1", "jwt2"):
        assert sorted(path.stem for path in (shop.work / folder).glob("*.jwt")) == [key_of(shop, "SYS")]


def test_a_server_that_is_silent_is_named(shop, cluster):
    shop.run("nsc", "push", "--all")
    process = cluster[1].program.process
    process.send_signal(signal.SIGSTOP)
    try:
        report = shop.document("push", "--all", "--verify", exit=1)
    finally:
        process.send_signal(signal.SIGCONT)
    assert {tuple(each["servers"]) for each in report["pushed"]} == {("S1",)}
    assert "only 1 of 2 nats-server answered" in json.dumps(report)
    assert not report["verified"]["identical"]


def test_a_server_that_is_not_there_is_told(shop, cluster):
    done = shop.try_run("nsc", "push", "--all", "-u", "nats://127.0.0.1:1")
    assert done.returncode == 1
    assert "failed to connect: no connection to nats://127.0.0.1:1: connection refused" in done.stderr


@pytest.mark.parametrize("fault", ["stranger", "no rights", "no seed"])
def test_a_wrong_system_user_is_told(shop, cluster, fault):
    words = ["--system-account", "SYS", "--system-user", "x"]
    if fault == "stranger":
        shop.run("nsc", "push", "--all")
        words = ["--system-account", "A", "--system-user", "u"]
    elif fault == "no rights":
        shop.run("nsc", "add", "user", "-a", "SYS", "x", "--deny-pub", "$SYS.REQ.CLAIMS.>")
    else:
        public = KeyPair.create(Role.USER).public
        shop.run("nsc", "add", "user", "-a", "SYS", "x", "--public-key", public)
    done = shop.try_run("nsc", "push", "--all", *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    expected = {
        "stranger": "no server takes such requests",
        "no rights": 'Permissions Violation for publish to "$SYS.REQ.CLAIMS.UPDATE"',
        "no seed": "no system account user with corresponding nkey found",
    }
    assert done.stderr.count(expected[fault]) == (1 if fault == "no seed" else 3)
