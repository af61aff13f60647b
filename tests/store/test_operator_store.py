"""Stores of the Go tool are read whole, and written the same."""

import json
import os
import stat

import pytest

from natskit.errors import DecodeError, NotFound, StoreError, VerifyError
from natskit.jwt import files
from natskit.store import OperatorStore, Plan, operators
from natskit.store.operator_store import find_store


def test_the_golden_stores_are_read_whole(open_workspace, current):
    workspace = open_workspace()
    read = 0
    for operator in workspace.operators():
        store = workspace.operator(operator)
        assert store.operator().name == operator
        for account in store.accounts():
            claims = store.account(account)
            assert claims.name == account
            assert store.find_account(claims.subject) == account
            for user in store.users(account):
                member = store.user(account, user)
                assert store.find_user(account, member.subject) == user
                creds = workspace.keystore.creds(operator, account, user)
                if creds is not None:
                    token, _ = files.parse_creds(creds)
                    assert token == store.user_token(account, user)
                read += 1
    assert read == len(list(current.rglob("users/*.jwt"))) > 10


def test_a_new_operator_has_the_files_of_the_go_tool(open_workspace, home):
    workspace = open_workspace()
    plan = Plan(workspace)
    operators.create_operator(plan, "O", root=workspace.stores_root)
    plan.commit()
    root = home / ".local/share/nats/nsc/stores/O"
    assert (root / ".nsc").read_text() == '{"managed":false,"name":"O","kind":"operator","version":"1"}'
    assert sorted(os.listdir(root)) == [".nsc", "O.jwt", "accounts"]
    assert not (root / "O.jwt").read_text().endswith("\n")
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_token_that_does_not_verify_is_refused_with_its_path(open_workspace, current):
    path = current / "stores/Main/accounts/Beta/Beta.jwt"
    token = path.read_text()
    path.write_text(token[:-8] + "AAAAAAAA")
    with pytest.raises(VerifyError, match=r"Beta\.jwt"):
        open_workspace().operator("Main").account("Beta")
    path.write_text("nonsense")
    with pytest.raises(DecodeError, match=r"Beta\.jwt"):
        open_workspace().operator("Main").account("Beta")
    assert open_workspace().operator("Main").find_account("A" * 56) is None


def test_a_trailing_newline_does_no_harm(open_workspace, current):
    path = current / "stores/Main/accounts/Beta/Beta.jwt"
    token = path.read_text()
    path.write_text(token + "\n")
    assert open_workspace().operator("Main").account_token("Beta") == token


def test_only_folders_with_a_token_are_accounts(open_workspace, current):
    (current / "stores/Main/accounts/Empty").mkdir()
    (current / "stores/Main/accounts/file").write_text("")
    assert open_workspace().operator("Main").accounts() == ["Alpha", "Beta", "Delta", "Gamma", "SYS"]


@pytest.mark.parametrize("name", ["", ".", "..", "../Main", "Main/accounts", "Nobody", "\0"])
def test_what_is_no_store_is_not_found(open_workspace, current, name):
    with pytest.raises(NotFound, match="is not a valid data directory"):
        find_store(open_workspace().stores_root, name)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind":"operator"}', '{"kind":"cluster","name":"O"}'])
def test_a_folder_is_a_store_by_what_its_info_says(open_workspace, current, text):
    (current / "stores/Main/.nsc").write_text(text)
    with pytest.raises(StoreError):
        open_workspace().operator("Main")


def test_missing_tokens_are_told_by_name(open_workspace, current):
    store = open_workspace().operator("Main")
    assert isinstance(store, OperatorStore)
    with pytest.raises(NotFound, match="account X does not exist in the current operator"):
        store.account("X")
    with pytest.raises(NotFound, match="user X does not exist in the current account"):
        store.user("Beta", "X")
    with pytest.raises(NotFound, match=r"user \.\./\.\./Gamma/users/callout does not exist"):
        store.user_token("Beta", "../../Gamma/users/callout")


def test_info_of_2019_is_understood(open_workspace, of_2019):
    info = json.loads((of_2019 / ".nsc/nats/Test/.nsc").read_text())
    assert info["env"] == "Test"
    store = open_workspace(NSC_PROFILE="2019").operator()
    assert not store.managed
    assert store.name == "Test"
