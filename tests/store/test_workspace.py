"""Where things are, and what is current (directories, nsc.json, the current folder, profiles)."""

import json
import os
import stat
import subprocess
import sys

import pytest

from natskit.errors import NotFound, StoreError, UsageError
from natskit.jwt.files import parse_creds
from natskit.store import Flags, Plan, Profile, journal, operators


def make_operator(workspace, name, *, system=False):
    with workspace.locked():
        plan = Plan(workspace)
        made = operators.create_operator(plan, name, root=workspace.stores_root, system=system)
        plan.commit()
    return made


def config_of(workspace):
    with open(workspace.directories.config_file) as file:
        return json.load(file)


def test_a_first_run_makes_configuration_and_stores(open_workspace, home):
    workspace = open_workspace()
    assert config_of(workspace) == {
        "store_root": f"{home}/.local/share/nats/nsc/stores",
        "operator": "",
        "account": "",
        "github_updates": "nats-io/nsc",
        "last_update": workspace.now(),
    }
    text = (home / ".config/nats/nsc/nsc.json").read_text()
    assert " " not in text
    assert not text.endswith("\n")
    assert stat.S_IMODE((home / ".config").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / ".config/nats/nsc/nsc.json").stat().st_mode) == 0o600
    assert not (home / ".local/share/nats/nsc/keys").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_a_first_look_at_a_folder_without_operators_does_not_make_it_the_stores_root(
    open_workspace, home, tmp_path, exists
):
    (tmp_path / "empty").mkdir()
    named = tmp_path / ("empty" if exists else "misspelt")
    workspace = open_workspace(flags=Flags(data_dir=str(named)))
    assert workspace.operators() == []
    assert workspace.stores_root == str(named)
    assert config_of(workspace)["store_root"] == f"{home}/.local/share/nats/nsc/stores"
    assert not (tmp_path / "misspelt").exists()
    assert open_workspace().stores_root == f"{home}/.local/share/nats/nsc/stores"


def test_a_first_operator_in_another_folder_makes_it_the_stores_root(open_workspace, home, tmp_path):
    make_operator(open_workspace(flags=Flags(data_dir="d")), "O")
    assert open_workspace().stores_root == f"{tmp_path}/d"
    assert open_workspace().operators() == ["O"]
    (home / ".config/nats/nsc/nsc.json").unlink()
    assert open_workspace(flags=Flags(data_dir="d")).operators() == ["O"]
    assert open_workspace().stores_root == f"{tmp_path}/d"


def test_a_configuration_of_its_own_takes_the_folder_that_is_named_with_it(open_workspace, tmp_path):
    workspace = open_workspace(flags=Flags(config_dir="c", data_dir="d"))
    assert config_of(workspace)["store_root"] == f"{tmp_path}/d"
    assert config_of(open_workspace(flags=Flags(all_dirs="all")))["store_root"] == f"{tmp_path}/all"


def test_variables_and_flags_say_where(open_workspace, home, tmp_path):
    directories = open_workspace(XDG_CONFIG_HOME=f"{tmp_path}/c", XDG_DATA_HOME=f"{tmp_path}/d").directories
    assert directories.config == f"{tmp_path}/c/nats/nsc"
    assert (directories.stores, directories.keystore) == (
        f"{tmp_path}/d/nats/nsc/stores",
        f"{tmp_path}/d/nats/nsc/keys",
    )
    directories = open_workspace(NSC_HOME="~/h", NKEYS_PATH="k").directories
    assert (directories.config, directories.keystore) == (f"{home}/h", f"{tmp_path}/k")
    directories = open_workspace(NSC_HOME="~/h", flags=Flags(all_dirs="all", config_dir="other")).directories
    assert {directories.config, directories.stores, directories.keystore} == {f"{tmp_path}/all"}


def test_the_places_of_before_2022_are_found_each_by_itself(open_workspace, home):
    (home / ".nkeys").mkdir()
    (home / ".nsc/nats").mkdir(parents=True)
    directories = open_workspace().directories
    assert directories.config == f"{home}/.config/nats/nsc"
    assert directories.stores == f"{home}/.nsc/nats"
    assert directories.keystore == f"{home}/.nkeys"


def test_the_old_configuration_is_used_while_there_is_no_new_one(open_workspace, home):
    (home / ".nsc").mkdir()
    (home / ".nsc/nsc.json").write_text('{"store_root":"/nowhere","operator":"O","account":"A","unknown":1}')
    workspace = open_workspace()
    assert workspace.directories.config == f"{home}/.nsc"
    assert workspace.stores_root == "/nowhere"


@pytest.mark.parametrize("text", ["{", "[]", '{"operator":1}', "\xff"])
def test_a_damaged_configuration_is_told_and_kept(open_workspace, home, text):
    path = home / ".config/nats/nsc/nsc.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match="damaged"):
        open_workspace()
    assert path.read_bytes() == text.encode("latin-1")


def test_a_home_is_shown_as_tilde_and_its_neighbours_are_not(open_workspace, home):
    shorten = open_workspace().directories.shorten
    assert shorten(f"{home}/x") == "~/x"
    assert shorten(str(home)) == "~"
    assert shorten(f"{home}2/x") == f"{home}2/x"


# ---- operator and account


def test_defaults_none_one_several(open_workspace):
    workspace = open_workspace()
    assert workspace.config.operator == ""
    make_operator(workspace, "One", system=True)
    assert (workspace.config.operator, workspace.config.account) == ("One", "SYS")
    make_operator(open_workspace(), "Two")
    workspace = open_workspace()
    assert (workspace.config.operator, workspace.config.account) == ("Two", "")
    workspace.save_context(operator="Nobody")
    assert open_workspace().config.operator == ""


def test_names_for_one_run_are_not_remembered(open_workspace):
    make_operator(open_workspace(), "One", system=True)
    make_operator(open_workspace(), "Two")
    workspace = open_workspace(NSC_OPERATOR="One")
    assert (workspace.config.operator, workspace.account_name()) == ("One", "SYS")
    assert open_workspace(flags=Flags(operator="One"), NSC_OPERATOR="Two").config.operator == "One"
    assert open_workspace().config.operator == "Two"
    with pytest.raises(NotFound, match='operator "Three" not in'):
        open_workspace(NSC_OPERATOR="Three")


def test_what_a_killed_process_left_is_settled_before_anything_is_looked_up(open_workspace, monkeypatch):
    make_operator(open_workspace(), "One")
    workspace = open_workspace()
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_apply", lambda root, entries: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_operator(workspace, "Two")
    assert open_workspace(NSC_OPERATOR="Two").config.operator == "Two"


def test_an_account_is_named_by_name_or_key(open_workspace, current):
    workspace = open_workspace()
    store = workspace.operator("Main")
    workspace.use_operator("Main")
    key = store.account("Beta").subject
    assert workspace.account_name(key) == "Beta"
    assert open_workspace(NSC_OPERATOR="Main", NSC_ACCOUNT="Gamma").account_name() == "Gamma"
    with pytest.raises(NotFound, match='"nope" not in accounts for operator "Main"'):
        workspace.account_name("nope")
    with pytest.raises(NotFound, match="no account found with public key"):
        workspace.account_name(open_workspace().operator("Strict").account("SYS").subject)
    with pytest.raises(NotFound):
        workspace.account_name("../../Strict/accounts/SYS")


def test_without_operator_it_says_what_to_do(open_workspace):
    with pytest.raises(UsageError, match="set an operator -- 'nsc env -o operatorName'"):
        open_workspace().operator()


@pytest.mark.parametrize(
    ("inside", "operator", "account"),
    [("Main", "Main", ""), ("Main/accounts", "Main", ""), ("Main/accounts/Beta/users", "Main", "Beta"), ("", "", "")],
)
def test_the_current_folder_says_what_is_current(open_workspace, current, inside, operator, account):
    workspace = open_workspace(cwd=current / "stores" / inside, NSC_CWD_ONLY="")
    assert workspace.stores_root == str(current / "stores")
    assert (workspace.config.operator, workspace.config.account) == (operator, account)
    assert workspace.from_cwd


def test_nsc_cwd_only_neither_reads_nor_writes_the_configuration(open_workspace, current, home):
    path = home / ".config/nats/nsc/nsc.json"
    was = path.read_text()
    workspace = open_workspace(NSC_CWD_ONLY="")
    assert (workspace.stores_root, workspace.config.operator) == ("", "")
    workspace = open_workspace(cwd=current / "stores/Main", NSC_CWD_ONLY="1")
    workspace.save_context(account="Beta")
    assert path.read_text() == was


# ---- generations


def test_a_store_of_2019_needs_its_profile(open_workspace, of_2019):
    with pytest.raises(StoreError, match="only supports jwtV2"):
        open_workspace().check_generation()
    workspace = open_workspace(NSC_PROFILE="2019")
    workspace.check_generation()
    assert workspace.profile is Profile.Y2019
    store = workspace.operator()
    assert store.operator().nats.version == 1
    for account in store.accounts():
        claims = store.account(account)
        assert workspace.keystore.require(claims.subject).public == claims.subject
        for user in store.users(account):
            token, seed = parse_creds(workspace.keystore.creds(store.name, account, user) or "")
            assert workspace.keystore.seed(store.user(account, user).subject) == seed
            assert store.user_token(account, user) == token
    assert workspace.account_name("TestAccount") == "TestAccount"


def test_a_store_of_today_is_refused_under_2019(open_workspace, current, home):
    (home / ".nsc").mkdir()
    (current / "stores").rename(home / ".nsc/nats")
    with pytest.raises(StoreError, match="version 2 tokens"):
        open_workspace(NSC_PROFILE="2019", NSC_OPERATOR="Main").check_generation()


def test_keys_in_the_old_places_need_migration(open_workspace, current):
    open_workspace(NSC_OPERATOR="Main").check_generation()
    (current / "keys/Main").mkdir()
    (current / "keys/Main/Main.nk").write_text("SO")
    with pytest.raises(StoreError, match="needs migration - type `nsc keys migrate`"):
        open_workspace(NSC_OPERATOR="Main").check_generation()


def test_an_unknown_profile_is_refused(open_workspace):
    with pytest.raises(UsageError, match='"2018" is not a profile'):
        open_workspace(NSC_PROFILE="2018")


# ---- many at once

FIRST = """
import os, sys
from natskit.store import Plan, Workspace, operators
workspace = Workspace.open({"HOME": sys.argv[1]}, None, "/")
with workspace.locked():
    plan = Plan(workspace)
    operators.create_operator(plan, sys.argv[2], root=workspace.stores_root)
    plan.commit()
for _ in range(20):
    workspace.save_context(operator=sys.argv[2])
"""


def test_first_runs_and_choices_at_once_all_succeed(home):
    running = [subprocess.Popen([sys.executable, "-c", FIRST, str(home), f"O{number}"]) for number in range(8)]
    assert [process.wait(timeout=120) for process in running] == [0] * 8
    config = json.loads((home / ".config/nats/nsc/nsc.json").read_text())
    assert config["operator"] in {f"O{number}" for number in range(8)}
    assert sorted(os.listdir(home / ".local/share/nats/nsc/stores")) == [f"O{number}" for number in range(8)]
    assert os.listdir(home / ".config/nats/nsc") == ["nsc.json"]


def test_configuration_and_stores_in_one_folder_do_not_lock_each_other_out(open_workspace, tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "all")
    workspace = open_workspace(flags=Flags(config_dir="link", data_dir="all", keystore_dir="all/k"))
    make_operator(workspace, "O")
    assert config_of(workspace)["operator"] == "O"


def test_what_a_killed_process_left_is_settled_before_anything_is_read(open_workspace, monkeypatch):
    from natskit.store import journal

    first, second = open_workspace(), open_workspace()
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_apply", lambda root, entries: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_operator(first, "Half")
    with second.locked():
        assert second.operators() == ["Half"]
