"""migrate: accounts of another operator become the current one's."""

from __future__ import annotations

import pytest


@pytest.fixture
def two_operators(nsc, home):
    """Operator Old with accounts A (users u, v) and B, and New, which is current; return nsc and Old's folder."""
    nsc("add", "operator", "Old")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    nsc("add", "user", "v")
    nsc("add", "account", "B")
    nsc("add", "operator", "New")
    return nsc, home / ".local/share/nats/nsc/stores/Old"


def test_account_is_signed_by_the_new_operator_and_users_come_along(two_operators):
    nsc, old = two_operators
    before = nsc("describe", "user", "u", "-a", "A", "--operator", "Old", "--raw").out
    printed = nsc("migrate", "--url", str(old / "accounts/A/A.jwt")).out
    assert printed == 'Success! - migrated "A" to operator "New" [2 users migrated]\n'
    operator = nsc("describe", "operator", "--json").json["sub"]
    assert nsc("describe", "account", "A", "--json").json["iss"] == operator
    assert nsc("describe", "user", "u", "-a", "A", "--raw").out == before
    assert "No issues found" in nsc("validate", "-A").out


def test_all_accounts_of_an_operator(two_operators):
    nsc, old = two_operators
    nsc("add", "account", "b2")
    document = nsc("migrate", "--operator-dir", str(old), "--json").json
    assert [each["status"] for each in document["report"]] == ["success", "success"]
    assert [each["name"] for each in nsc("list", "accounts", "--json").json] == ["A", "B", "b2"]
    result = nsc("migrate", "--operator-dir", str(old), exit=1)
    assert result.err.count("already exists") == 2
    assert "all jobs failed" in result.err
    nsc("migrate", "--operator-dir", str(old), "--force")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "is required"),
        (["--url", "x", "--operator-dir", "y"], "specify one of"),
        (["--url", "missing.jwt"], "missing.jwt"),
        (["--operator-dir", "missing"], "has no accounts"),
    ],
)
def test_what_cannot_be_migrated(words, told, two_operators):
    nsc, _ = two_operators
    assert told in nsc("migrate", *words, exit=(1, 2)).err


def test_an_operator_is_not_migrated_onto_itself(two_operators):
    nsc, old = two_operators
    assert "onto itself" in nsc("migrate", "--operator-dir", str(old.parent / "New"), exit=1).err


def test_a_key_of_the_account_is_needed(two_operators, home):
    nsc, old = two_operators
    for path in home.rglob("A*.nk"):
        path.unlink()
    error = nsc("migrate", "--url", str(old / "accounts/A/A.jwt"), exit=1).err
    assert 'unable to find an account key for "A"' in error


def test_another_account_of_the_same_name_is_not_overwritten(two_operators):
    nsc, old = two_operators
    nsc("add", "account", "A")
    before = nsc("describe", "account", "A", "--raw").out
    assert "another one here" in nsc("migrate", "--url", str(old / "accounts/A/A.jwt"), "--force", exit=1).err
    assert nsc("describe", "account", "A", "--raw").out == before
