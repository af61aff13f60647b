"""What is staged reads as if it were on disk, and is on disk in the end."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natskit import jwt
from natskit.errors import AlreadyExists, StoreError
from natskit.nkeys import KeyPair, Role
from natskit.store import Plan, Workspace, accounts, files, journal, operators, users
from natskit.store import group as group_module
from natskit.store.group import Group
from natskit.store.lock import Lock
from natskit.store.output import write_output
from natskit.store.staging import Change, Staged, staged, staging

FOLDERS = ("a", "a/B", "a/b", "c")
PATHS = [f"{folder}/{name}" for folder in FOLDERS for name in ("x.jwt", "X.jwt")]
KEYS = ["a/B/y.nk", "a/B/z.nk"]  # their folders are made and go with them only
PATHS += KEYS

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(PATHS), st.binary(max_size=3)),
        st.tuples(st.just("remove"), st.sampled_from(PATHS), st.none()),
        st.tuples(st.just("discard"), st.sampled_from(PATHS), st.none()),
        st.tuples(st.just("make"), st.sampled_from(["a", "a/b", "c"]), st.none()),
        st.tuples(st.just("empty"), st.sampled_from(FOLDERS), st.none()),
    ),
    max_size=12,
)


def change_of(root, step):
    kind, path, data = step
    return {
        "write": Change(f"{root}/{path}", data),
        "remove": Change(f"{root}/{path}", None),
        "make": Change(f"{root}/{path}/", b"", 0o700),
        "empty": Change(f"{root}/{path}/", None),
    }[kind]


def on_disk(root, step):
    if step[0] == "discard":
        path = f"{root}/{step[1]}"
        if os.path.lexists(path):
            journal.commit(root, [Change(path, None)])
            if path.endswith(".nk"):
                files.remove_empty(os.path.dirname(path))
    else:
        journal.commit(root, [change_of(root, step)])


def on_stage(root, step):
    if step[0] == "discard":
        staged().discard(f"{root}/{step[1]}")
    else:
        staged().take([change_of(root, step)])


def view(root):
    """Everything that the functions of ``files`` say about a folder."""
    return {
        "kinds": {path: (files.is_file(f"{root}/{path}"), files.exists(f"{root}/{path}")) for path in PATHS},
        "folders": {path: (files.is_dir(f"{root}/{path}"), files.exists(f"{root}/{path}")) for path in FOLDERS},
        "data": {path: files.read_bytes(f"{root}/{path}") for path in PATHS},
        "names": {folder: sorted(files.file_names(f"{root}/{folder}")) for folder in FOLDERS},
        "below": {folder: files.sub_directories(f"{root}/{folder}") for folder in FOLDERS},
        "like": {folder: sorted(files.names_like(f"{root}/{folder}", "x.JWT")) for folder in FOLDERS},
        "walk": [(each[0].removeprefix(root), each[1], each[2]) for each in files.walk(root)],
    }


@settings(max_examples=40, deadline=None)
@given(before=steps, first=steps, then=steps)
def test_the_staged_store_is_the_store_on_disk(tmp_path_factory, before, first, then):
    direct, written = (str(tmp_path_factory.mktemp(name)) for name in ("direct", "written"))
    changes = Staged()
    for step in before:
        on_disk(direct, step)
        on_disk(written, step)
    for part in (first, then):
        for step in part:
            on_disk(direct, step)
            with staging(changes):
                on_stage(written, step)
        expected = view(direct)
        with staging(changes):
            assert view(written) == expected
    journal.commit(written, changes.changes()) if changes.changes() else None
    for folder in changes.tidied:
        files.remove_empty(folder)
    assert view(written) == expected


def test_nothing_is_staged_outside_and_in_other_threads(tmp_path):
    path = str(tmp_path / "x")
    seen = []
    with staging(Staged()):
        staged().take([Change(path, b"data")])
        thread = threading.Thread(target=lambda: seen.append(files.read_bytes(path)))
        thread.start()
        thread.join()
        assert files.read_bytes(path) == b"data"
    assert seen == [None]
    assert files.read_bytes(path) is None


def test_files_that_users_name_are_staged_too(tmp_path):
    path = str(tmp_path / "out.creds")
    with staging(Staged()):
        write_output(path, b"creds")
        assert files.read_bytes(path) == b"creds"
        with pytest.raises(AlreadyExists):
            write_output(path, b"creds", overwrite=False)
    assert not os.path.exists(path)


# ---- groups


@pytest.fixture
def workspace(open_workspace) -> Workspace:
    opened = open_workspace()
    with opened.locked():
        filled = Plan(opened)
        operators.create_operator(filled, "O", root=opened.stores_root, signing_key=True)
        filled.commit()
    return opened


def add_account(workspace, name):
    with workspace.locked():
        filled = Plan(workspace)
        key = KeyPair.create(Role.ACCOUNT)
        accounts.add_account(filled, workspace.operator(), jwt.new_account(key.public, name), key, own=True)
        filled.commit()


def add_user(workspace, account, name):
    with workspace.locked():
        filled = Plan(workspace)
        key = KeyPair.create(Role.USER)
        users.add_user(filled, workspace.operator(), account, jwt.new_user(key.public, name), key, own=True)
        filled.commit()


def test_a_group_is_written_as_one(workspace, open_workspace):
    with Group(workspace) as group:
        with group.staging():
            add_account(workspace, "A")
            add_user(workspace, "A", "u")
            with pytest.raises(AlreadyExists):
                add_account(workspace, "a")
            with pytest.raises(AlreadyExists):
                add_user(workspace, "A", "u")
            assert workspace.operator().users("A") == ["u"]
        assert workspace.operator().accounts() == []
        group.commit()
    later = open_workspace()
    assert later.operator().accounts() == ["A"]
    assert later.operator().users("A") == ["u"]
    assert later.config.account == "A"
    assert later.keystore.has(later.operator().user("A", "u").subject)


def test_what_was_not_committed_is_forgotten(workspace, open_workspace):
    with Group(workspace) as group, group.staging():
        add_account(workspace, "A")
    assert open_workspace().operator().accounts() == []
    assert not list(Path(workspace.stores_root).rglob(".natskit*"))


def test_a_rehearsal_is_never_written(workspace, open_workspace):
    with Group(workspace, rehearsal=True) as group:
        with group.staging():
            add_account(workspace, "A")
        group.commit()
        with group.staging():
            assert workspace.operator().accounts() == ["A"]
    assert open_workspace().operator().accounts() == []


def test_a_group_that_cannot_be_written_changes_nothing(workspace, open_workspace):
    with Group(workspace) as group:
        with group.staging():
            add_account(workspace, "A")
        with pytest.raises(StoreError):
            group.commit(Change(f"{workspace.directories.config_file}/below", b"x"))
        with group.staging():
            assert workspace.operator().accounts() == []
    assert open_workspace().operator().accounts() == []


def test_a_group_gives_way_to_who_waits(workspace):
    waiting = (
        "import sys; from natskit.store.lock import Lock\n"
        "print('asks', flush=True)\n"
        "with Lock(sys.argv[1]): print('has it', flush=True)"
    )
    with Group(workspace) as group:
        with group.staging():
            add_account(workspace, "A")
        process = subprocess.Popen(
            [sys.executable, "-c", waiting, workspace.journal_root], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "asks\n"
        while not group.is_due():
            pass
        group.commit()
        assert process.stdout.readline() == "has it\n"
        assert process.wait(30) == 0
        process.stdout.close()
        with group.staging():
            assert workspace.operator().accounts() == ["A"]


def test_a_group_is_due_after_a_while_when_it_is_large_and_when_others_know_of_it(workspace, monkeypatch):
    monkeypatch.setattr(group_module, "_LONGEST_S", 1e9)
    with Group(workspace) as group:
        with group.staging():
            add_account(workspace, "A")
        assert not group.is_due()
        for name, value in (("_LONGEST_S", -1.0), ("_MOST_PATHS", 1)):
            with monkeypatch.context() as patch:
                patch.setattr(group_module, name, value)
                assert group.is_due()
        with group.staging():
            staged().urgent = True
        assert group.is_due()


def test_a_group_waits_for_who_writes_the_configuration(workspace):
    workspace.config_locked()._wait_s = 0
    with Group(workspace) as group:
        with group.staging():
            add_account(workspace, "A")
        with Lock(workspace.directories.config), pytest.raises(StoreError, match="another process"):
            group.commit()


def test_what_was_never_there_is_not_removed(tmp_path):
    changes = Staged()
    changes.take([Change(f"{tmp_path}/a/new.jwt", b"x"), Change(f"{tmp_path}/a/new.jwt", None)])
    assert [each.path for each in changes.changes()] == [f"{tmp_path}/a/"]


def test_a_link_that_a_user_names_is_written_through(tmp_path):
    target, link = tmp_path / "target.creds", tmp_path / "link.creds"
    target.write_text("old")
    link.symlink_to(target)
    with staging(Staged()):
        write_output(str(link), b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
