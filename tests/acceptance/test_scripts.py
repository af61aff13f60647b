"""Scripts that live on JSON and exit statuses, and teams that share a machine: as their authors would write them."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

DATA = ".local/share/nats/nsc"

DEPLOY = r"""
set -eu
# Bring the store to what the repository says, as often as you like: 3 is "like that already".
ensure() {
    status=0
    nsc "$@" --json >result.json 2>error.json || status=$?
    case $status in
        0) echo "changed: $1 $2" ;;
        3) ;;
        1) grep -q '"code": "already_exists"' error.json || { cat error.json >&2; exit 1; } ;;
        *) cat error.json >&2; exit $status ;;
    esac
}
ensure add operator Shop --sys
ensure add account Orders
ensure edit account Orders --conns 100 --payload 64Ki
ensure add user gateway -a Orders --allow-pub 'orders.>'
ensure add user reader -a Orders --allow-sub 'orders.>'
ensure edit user gateway -a Orders --tag "$1"
ensure edit operator --account-jwt-server-url "$2"
status=0
nsc push --diff --json >diff.json || status=$?
case $status in
    0) ;;
    3) nsc push --all --json >receipt.json; echo pushed ;;
    *) exit $status ;;
esac
"""


def deploy(home, *arguments, exit=0):
    done = subprocess.run(
        ["/bin/sh", "deploy.sh", *arguments],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == exit, done.stdout + done.stderr
    return done


@pytest.fixture
def server(home, engine):
    """A server whose resolver knows the system account of the shop only."""
    home.run("nsc", "add", "operator", "Shop", "--sys")
    made = json.loads(home.run("nsc", "generate", "config", "--nats-resolver", "--json"))
    return engine.start(made["config"].replace("./jwt", str(home.work / "jwt")))


def test_a_deployment_that_runs_again_and_again(home, server):
    (home.work / "deploy.sh").write_text(DEPLOY)
    first = deploy(home, "v1", server.url).stdout.splitlines()
    assert first == [
        *("changed: add account", "changed: edit account", "changed: add user", "changed: add user"),
        *("changed: edit user", "changed: edit operator", "pushed"),
    ]
    receipt = json.loads((home.work / "receipt.json").read_text())
    assert {each["account"] for each in receipt["pushed"]} == {"Orders", "SYS"}
    before = {path: path.read_bytes() for path in (home.path / DATA).rglob("*.jwt")}
    assert deploy(home, "v1", server.url).stdout == ""
    assert {path: path.read_bytes() for path in before} == before
    assert deploy(home, "v2", server.url).stdout.splitlines() == ["changed: edit user"]
    creds = json.loads(home.run("nsc", "generate", "creds", "-a", "Orders", "gateway", "--json"))["creds"]
    (home.work / "gateway.creds").write_text(creds)
    home.run("nats-pub", "-s", server.url, "-creds", "gateway.creds", "orders.1", "hello")
    refused = home.try_run("nats-pub", "-s", server.url, "-creds", "gateway.creds", "-json", "other", "hello")
    assert refused.returncode == 1
    assert json.loads(refused.stderr)["code"] == "denied"


def test_a_deployment_stops_where_something_is_wrong(home, server):
    (home.work / "deploy.sh").write_text(DEPLOY.replace("64Ki", "large"))
    assert json.loads(deploy(home, "v1", server.url, exit=2).stderr)["code"] == "usage"
    (home.work / "deploy.sh").write_text(DEPLOY.replace("'orders.>'", "'orders..>'"))
    error = json.loads(deploy(home, "v1", server.url, exit=1).stderr)
    assert error["code"] == "invalid_claims"
    assert error["issues"][0]["severity"] == "error"


def test_two_teams_on_one_machine_and_somebody_who_changes_what_is_current(home):
    """Jobs of two teams run at once, one with flags, one with variables, while a person works on a third operator."""
    for operator in ("Red", "Blue", "Person"):
        home.run("nsc", "add", "operator", operator)
        home.run("nsc", "add", "account", f"{operator}-account")
    failures: list[str] = []

    def job(count: int, flags: list[str], variables: dict[str, str]) -> None:
        for number in range(count):
            done = home.try_run("nsc", "add", "user", f"user{number}", "--json", *flags, **variables)
            if done.returncode:
                failures.append(done.stderr)

    def person() -> None:
        for operator in ("Red", "Person", "Blue", "Person") * 2:
            home.run("nsc", "env", "-o", operator)
            home.run("nsc", "select", "account", f"{operator}-account")

    jobs = [
        threading.Thread(target=job, args=(4, ["--operator", "Red", "--account", "Red-account"], {})),
        threading.Thread(target=job, args=(4, [], {"NSC_OPERATOR": "Blue", "NSC_ACCOUNT": "Blue-account"})),
        threading.Thread(target=person),
    ]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    assert failures == []
    made = {operator: {path.stem for path in users(home, operator)} for operator in ("Red", "Blue", "Person")}
    everybody = {f"user{number}" for number in range(4)}
    assert made == {"Red": everybody, "Blue": everybody, "Person": set()}
    current = json.loads(home.run("nsc", "env", "--json"))
    assert (current["operator"], current["account"]) == ("Person", "Person-account")


def users(home, operator: str) -> list[Path]:
    return list((home.path / DATA / f"stores/{operator}/accounts/{operator}-account/users").glob("*.jwt"))


def test_a_first_tab_in_an_empty_home_leaves_it_empty(home):
    for words in (("add", ""), ("describe", "account", ""), ("edit", "user", "--name", "")):
        home.run("nsc", "__complete", *words)
    assert list(home.path.iterdir()) == []
