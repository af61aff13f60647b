"""All or nothing, at whatever point it stops."""

import contextlib
import gc
import os
import stat

import msgspec
import pytest

from natskit.errors import StoreError
from natskit.store import journal
from natskit.store.journal import Change

CALLS = ("open", "write", "fsync", "rename", "unlink", "mkdir", "close", "rmdir")


class Died(BaseException):
    """The process ends here."""


def changes(root):
    return [
        Change(f"{root}/keys/a/new.nk", b"seed"),
        Change(f"{root}/old.jwt", b"after"),
        Change(f"{root}/folder/", b"", 0o700),
        Change(f"{root}/gone/gone.jwt", None),
        Change(f"{root}/gone/", None),
    ]


def before(root):
    (root / "old.jwt").write_text("before")
    (root / "gone").mkdir()
    (root / "gone/gone.jwt").write_text("here")


def state(root):
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else None for path in sorted(root.rglob("*"))
    }


OLD = {"old.jwt": "before", "gone": None, "gone/gone.jwt": "here"}
NEW = {"keys": None, "keys/a": None, "keys/a/new.nk": "seed", "old.jwt": "after", "folder": None}


def test_a_commit_carries_out_everything(tmp_path):
    before(tmp_path)
    journal.commit(str(tmp_path), changes(tmp_path))
    assert state(tmp_path) == NEW
    assert not journal.pending(str(tmp_path))
    assert stat.S_IMODE((tmp_path / "keys/a/new.nk").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("count", [1, 2, 5])
def test_files_are_on_disk_before_they_get_their_names(tmp_path, monkeypatch, count):
    synced = set()
    fsync, rename = os.fsync, os.rename

    def note(file):
        synced.add(os.fstat(file).st_ino)
        fsync(file)

    def check(source, target):
        assert os.stat(source).st_ino in synced, f"{target} may be empty after a power cut"
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", check)
    journal.commit(str(tmp_path), [Change(f"{tmp_path}/{number}.jwt", b"token") for number in range(count)])
    assert len(list(tmp_path.glob("*.jwt"))) == count


def test_a_commit_that_fails_changes_nothing(tmp_path):
    before(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        journal.commit(str(tmp_path), [*changes(tmp_path), Change(f"{tmp_path}/file/below.jwt", b"x")])
    (tmp_path / "file").unlink()
    assert state(tmp_path) == OLD


def test_a_folder_in_the_place_of_a_file_is_found_out_in_time(tmp_path):
    before(tmp_path)
    (tmp_path / "u.creds").mkdir()
    with pytest.raises(StoreError, match=r"u\.creds` is in the way: it is a folder"):
        journal.commit(str(tmp_path), [*changes(tmp_path), Change(f"{tmp_path}/u.creds", b"x")])
    assert state(tmp_path) == {**OLD, "u.creds": None}
    journal.recover(str(tmp_path))


def die_at(monkeypatch, number):
    """Let the process die at the ``number``-th system call of a commit; returns the list of calls so far."""
    calls = []
    gc.collect()  # what other tests left must not close its files through these calls

    def dying(name, real):
        def call(*args, **more):
            calls.append(name)
            if len(calls) >= number:
                raise Died
            return real(*args, **more)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, dying(name, getattr(os, name)))
    return calls


@pytest.mark.parametrize("number", range(1, 70))
def test_a_process_that_dies_leaves_the_old_or_the_new(tmp_path, monkeypatch, number):
    before(tmp_path)
    with monkeypatch.context() as patch:
        calls = die_at(patch, number)
        try:
            journal.commit(str(tmp_path), changes(tmp_path))
        except Died:
            pass  # as planned
        else:
            assert len(calls) < number
    journal.recover(str(tmp_path))
    assert state(tmp_path) in (OLD, NEW)


@pytest.mark.parametrize("number", range(1, 60))
def test_a_file_outside_of_the_root_goes_with_the_rest_or_stays(tmp_path, monkeypatch, number):
    root, key = tmp_path / "root", tmp_path / "keys/U.nk"
    root.mkdir()
    key.parent.mkdir()
    key.write_text("seed")
    before(root)
    with monkeypatch.context() as patch:
        die_at(patch, number)
        with contextlib.suppress(Died):
            journal.commit(str(root), [*changes(root), Change(str(key), None)])
    journal.recover(str(root))
    assert (state(root), os.listdir(key.parent)) in ((OLD, ["U.nk"]), (NEW, []))


@pytest.mark.parametrize("number", range(1, 30))
def test_a_recovery_that_dies_is_taken_up_again(tmp_path, monkeypatch, number):
    before(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_apply", lambda root, entries: (_ for _ in ()).throw(Died))
        with pytest.raises(Died):
            journal.commit(str(tmp_path), changes(tmp_path))
    with monkeypatch.context() as patch:
        die_at(patch, number)
        with contextlib.suppress(Died):
            journal.recover(str(tmp_path))
    journal.recover(str(tmp_path))
    assert state(tmp_path) == NEW


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "{outside}/victim", "removed": True},
        {"path": "{root}/link/victim", "removed": True},
        {"path": "{outside}/victim", "removed": True, "staged": "{root}/.natskit-1.tmp"},
        {"path": "{root}/x.jwt", "staged": "{outside}/victim"},
        {"path": "{outside}/copy", "staged": "{outside}/victim"},
    ],
)
def test_a_journal_from_elsewhere_does_no_harm(tmp_path, entry):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "victim").write_text("precious")
    (root / "link").symlink_to(outside)
    filled = {
        name: value.format(root=root, outside=outside) if isinstance(value, str) else value
        for name, value in entry.items()
    }
    (root / ".natskit.journal").write_bytes(msgspec.json.encode([filled]))
    with pytest.raises(StoreError, match="not ours"):
        journal.recover(str(root))
    assert (outside / "victim").read_text() == "precious"


def test_a_journal_without_its_mark_removes_nothing_outside(tmp_path):
    root, victim = tmp_path / "root", tmp_path / "victim"
    root.mkdir()
    victim.write_text("precious")
    entry = {"path": str(victim), "removed": True, "staged": f"{tmp_path}/.natskit-1.tmp"}
    (root / ".natskit.journal").write_bytes(msgspec.json.encode([entry]))
    journal.recover(str(root))
    assert victim.read_text() == "precious"


def test_a_damaged_journal_is_told(tmp_path):
    (tmp_path / ".natskit.journal").write_text("[{")
    with pytest.raises(StoreError, match="damaged"):
        journal.recover(str(tmp_path))


def test_many_files_at_once(tmp_path):
    many = [Change(f"{tmp_path}/{number % 10}/{number}.jwt", str(number).encode()) for number in range(500)]
    journal.commit(str(tmp_path), many)
    assert len(list(tmp_path.rglob("*.jwt"))) == 500
    assert not list(tmp_path.rglob(".natskit*"))
