"""Operators, accounts and users through the front door: what golden runs of the Go tool do not tell."""

import json
import re
import stat

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role

DATA = ".local/share/nats/nsc"


@pytest.fixture
def demo(home):
    """A home with operator, account and user demo, and a system account."""
    home.run("nsc", "init", "--name", "demo")
    return home


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_json_says_what_was_made_with_keys_and_files(home):
    made = home.document("add", "operator", "O", "--sys", "--generate-signing-key")
    assert made["operator"]["id"].startswith("O")
    assert made["signing_key"].startswith("O")
    assert made["system_account"]["name"] == "SYS"
    assert all(path.startswith(str(home.path)) for path in made["written"])
    account = home.document("add", "account", "A")["account"]
    user = home.document("add", "user", "U")["user"]
    assert (account["name"], user["name"]) == ("A", "U")
    claims = jwt.decode((home.path / DATA / "stores/O/accounts/A/users/U.jwt").read_text(), jwt.UserClaims)
    assert (claims.subject, claims.issuer) == (user["id"], account["id"])


def test_errors_are_json_too_and_the_exit_status_is_1(demo):
    done = demo.try_run("nsc", "add", "account", "demo", "--json")
    assert done.returncode == 1
    assert not done.stdout
    assert 'the account "demo" already exists' in json.loads(done.stderr)["error"]


def test_secrets_are_for_their_owner_alone(demo):
    for path in (demo.path / DATA).rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if "natskit" not in path.name:
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_refused_command_leaves_nothing_behind(demo):
    before = files_below(demo.path)
    for argv in (
        ["add", "account", "demo"],
        ["add", "account", "x/y"],
        ["add", "account", "B", "--expiry", "sometime"],
        ["add", "account", "B", "-K", KeyPair.create(Role.OPERATOR).seed],
        ["add", "account", "B", "-K", "misspelt"],
        ["add", "user", "demo"],
        ["add", "user", "v", "--allow-pub", "a b"],
        ["add", "user", "v", "--source-network", "nowhere"],
        ["add", "operator", "demo"],
        ["init", "--name", "demo"],
    ):
        done = demo.try_run("nsc", *argv)
        assert done.returncode in (1, 2), argv
        assert "Traceback" not in done.stderr
        assert not re.search(r"\bSO", done.stderr)  # no seed; within a public key the letters may stand
    assert files_below(demo.path) == before


def test_delete_operator_asks_for_force_and_then_leaves_nothing(demo):
    refused = demo.try_run("nsc", "delete", "operator", "demo")
    assert refused.returncode == 1
    assert 'deletes operator "demo" with 2 accounts and 2 users: specify --force' in refused.stderr
    assert "nsc delete operator" in refused.stderr
    demo.run("nsc", "delete", "operator", "demo", "--force", "--rm-nkey", "--rm-creds")
    left = files_below(demo.path / DATA)
    assert not [name for name in left if name.endswith((".jwt", ".nk", ".creds"))]
    assert demo.run("nsc", "env", "--json")
    assert demo.document("env")["operator"] == ""


def test_deleting_an_operator_keeps_keys_unless_asked(demo):
    demo.run("nsc", "delete", "operator", "demo", "-F")
    names = files_below(demo.path / DATA)
    assert [name for name in names if name.endswith(".nk")]
    assert not [name for name in names if name.endswith(".jwt")]


def test_a_revoked_user_is_told_to_servers_by_its_account(demo):
    demo.run("nsc", "add", "user", "-a", "demo", "gone")
    demo.run("nsc", "delete", "user", "-a", "demo", "gone", "--revoke", "--rm-nkey", "--rm-creds")
    account = jwt.decode((demo.path / DATA / "stores/demo/accounts/demo/demo.jwt").read_text(), jwt.AccountClaims)
    assert len(account.nats.revocations) == 1
    assert demo.document("revocations", "list-users", "-a", "demo")["revocations"] == account.nats.revocations


def test_a_role_decides_what_its_users_may_do(demo):
    demo.run("nsc", "edit", "signing-key", "-a", "demo", "--sk", "generate", "--role", "reader", "--allow-sub", "r.>")
    demo.run("nsc", "add", "user", "-a", "demo", "r", "-K", "reader")
    user = jwt.decode((demo.path / DATA / "stores/demo/accounts/demo/users/r.jwt").read_text(), jwt.UserClaims)
    account = jwt.decode((demo.path / DATA / "stores/demo/accounts/demo/demo.jwt").read_text(), jwt.AccountClaims)
    scope = account.nats.scope_of(user.issuer)
    assert scope.role == "reader"
    jwt.check_scoped_user(user, scope.key)
    refused = demo.try_run("nsc", "add", "user", "-a", "demo", "s", "-K", "reader", "--allow-pub", "x")
    assert refused.returncode == 1
    assert "scoped users require no permissions or limits set" in refused.stderr


def test_an_edit_changes_what_it_names_and_nothing_else(demo):
    demo.run("nsc", "edit", "account", "demo", "--wildcard-exports=false", "--disallow-bearer", "--conns", "5")
    demo.run("nsc", "edit", "account", "demo", "--tag", "blue")
    limits = demo.document("describe", "account", "demo")["nats"]["limits"]
    assert "wildcards" not in limits
    assert limits["disallow_bearer"]
    assert limits["conn"] == 5


def test_strict_operators_need_signing_keys_everywhere(demo):
    refused = demo.try_run("nsc", "edit", "operator", "--require-signing-keys")
    assert refused.returncode == 1
    assert "operator requires at least one signing key" in refused.stderr
    demo.run("nsc", "edit", "operator", "--sk", "generate")
    refused = demo.try_run("nsc", "edit", "operator", "--require-signing-keys")
    assert "needs to be issued with a signing key first" in refused.stderr


def test_the_profile_is_remembered(home):
    home.run("nsc", "env", "--profile", "2019")
    home.env["NKEYS_PATH"] = str(home.path / ".nkeys")
    home.run("nsc", "add", "operator", "Old")
    assert (home.path / ".nsc/nats/Old/Old.jwt").is_file()
    assert (home.path / ".nkeys/Old/Old.nk").is_file()
    home.run("nsc", "env", "--profile", "current")
    home.run("nsc", "add", "operator", "New", "--data-dir", str(home.work / "stores"))


def test_the_operator_and_account_can_be_named_everywhere(demo):
    demo.run("nsc", "add", "operator", "other")
    demo.run("nsc", "add", "account", "--operator", "demo", "B")
    demo.run("nsc", "add", "user", "--operator", "demo", "--account", "B", "u")
    assert (demo.path / DATA / "stores/demo/accounts/B/users/u.jwt").is_file()
    demo.run("nsc", "add", "user", "v", NSC_OPERATOR="demo", NSC_ACCOUNT="B")
    assert (demo.path / DATA / "stores/demo/accounts/B/users/v.jwt").is_file()


def test_keys_are_listed_with_what_is_stored(demo):
    keys = demo.document("list", "keys", "--all")
    assert {key["expected_kind"] for key in keys} == {"operator", "account", "user"}
    assert all(key["key_path"] for key in keys)
    assert "seed" not in keys[0]
    shown = demo.run("nsc", "list", "keys", "--all", "--show-seeds")
    assert all(key["pub"] not in shown for key in keys)
