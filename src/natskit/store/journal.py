"""Several files changed as one: all of them or none, whatever happens in between.

A commit goes through two states that leave a trace in the folder ``root``, under names the Go tool ignores::

    .natskit.prepare   the temporary files and folders that are being made; a process that died here is undone
    .natskit.journal   every temporary file is whole and on disk; a process that died here is completed

Turning the first into the second by a rename is the commit point. Both say the same, as JSON. Whoever takes the lock
next calls :func:`recover`. A journal may have come with a copied or checked-out store, so it is not trusted: it can
only rename a temporary file of ours within its folder and remove what lies below ``root`` or beside a temporary file
that the same commit has put there as a mark.
"""

from __future__ import annotations

import contextlib
import os
import sys

import msgspec

from natskit.errors import Error, StoreError

from .files import DIR_MODE, FILE_MODE, make_dirs, read_bytes, refused, remove_empty
from .staging import Change

__all__ = ["Change", "commit", "is_staged_name", "pending", "recover"]

_PREPARE, _JOURNAL = ".natskit.prepare", ".natskit.journal"
_PREFIX, _SUFFIX = ".natskit-", ".tmp"
_SYNC_ALL_ABOVE = 64


class _Entry(msgspec.Struct, frozen=True):
    """A change as the journal has it: the temporary file ``staged`` (if any), the folders ``made`` on the way.

    What is ``removed`` outside of the root has a temporary file too, the mark.
    """

    path: str
    staged: str = ""
    made: tuple[str, ...] = ()
    removed: bool = False


def pending(root: str) -> bool:
    """Whether a commit is under way or was cut short."""
    return os.path.lexists(os.path.join(root, _JOURNAL)) or os.path.lexists(os.path.join(root, _PREPARE))


def commit(root: str, changes: list[Change]) -> None:
    """Carry out ``changes`` in order, all or nothing. The caller holds the lock of ``root``. Raises StoreError.

    Raises Error (no StoreError) when all is done but for a file outside of ``root`` that cannot be removed.
    """
    entries = _entries(root, changes)
    prepare, journal = os.path.join(root, _PREPARE), os.path.join(root, _JOURNAL)
    try:
        single = len(changes) == 1
        _write(prepare, msgspec.json.encode(entries), FILE_MODE, sync=not single)
        try:
            _stage(entries, changes)
        except BaseException:
            _undo(root, entries)
            os.unlink(prepare)
            raise
        if not single:
            os.rename(prepare, journal)
            _sync_directory(root)
        kept = _apply(root, entries)
        os.unlink(prepare if single else journal)
    except OSError as error:
        raise refused(error, error.filename or root, "write") from None
    if kept:
        raise Error(f"{refused(kept, kept.filename, 'remove')} - what comes before that is done")


def recover(root: str) -> None:
    """Finish or undo what a process that died has left. The caller holds the lock of ``root``."""
    prepare, journal = os.path.join(root, _PREPARE), os.path.join(root, _JOURNAL)
    for path, settle in ((journal, _apply), (prepare, _undo)):
        data = read_bytes(path)
        if data is None:
            continue
        try:
            settle(root, msgspec.json.decode(data, type=list[_Entry]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            if settle is _apply:
                raise StoreError(f"`{path}` is damaged: move it away and check the store") from None
        except OSError as error:
            raise refused(error, error.filename or path, "recover") from None
        os.unlink(path)


# ---- one step each --------------------------------------------------------------------------------


def _entries(root: str, changes: list[Change]) -> list[_Entry]:
    mark = os.urandom(6).hex()
    made: set[str] = set()
    entries = []
    for number, change in enumerate(changes):
        folder, name = os.path.split(change.path)
        staged = os.path.join(folder, f"{_PREFIX}{mark}-{number}{_SUFFIX}") if name else ""
        if change.data is None:
            entries.append(_Entry(change.path, "" if _is_below(root, change.path) else staged, removed=True))
        else:
            entries.append(_Entry(change.path, staged, tuple(_missing(folder, made))))
    return entries


def _missing(folder: str, made: set[str]) -> list[str]:
    """The folders that must be made for ``folder``, outermost first, without those in ``made``.

    To these go all that are there in the end.
    """
    missing: list[str] = []
    while folder not in made:
        made.add(folder)
        if os.path.isdir(folder):
            break
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def _stage(entries: list[_Entry], changes: list[Change]) -> None:
    together = len(entries) > _SYNC_ALL_ABOVE and sys.platform == "linux"
    for entry, change in zip(entries, changes, strict=True):
        for folder in entry.made:
            make_dirs(folder, change.mode if entry.path == folder + "/" else DIR_MODE)
            if not together:
                _sync_directory(os.path.dirname(folder))
        if entry.staged and change.data is not None:
            if os.path.isdir(entry.path) and not os.path.islink(entry.path):  # no rename can do that, once committed
                raise StoreError(f"`{entry.path}` is in the way: it is a folder")
            _write(entry.staged, change.data, change.mode, sync=not together)
        elif entry.staged:
            _write(entry.staged, b"", FILE_MODE, sync=not together)
    if together:
        os.sync()


def _apply(root: str, entries: list[_Entry]) -> OSError | None:
    """Rename and remove; why a file outside of the root could not be removed."""
    folders: dict[str, None] = {}
    kept: OSError | None = None
    for entry in entries:
        if entry.removed and entry.staged:
            kept = _remove_marked(entry) or kept
        elif entry.removed:
            _remove(root, entry.path)
        elif entry.staged:
            _rename(entry)
        folders[os.path.dirname(entry.path.rstrip("/"))] = None
    if len(folders) > _SYNC_ALL_ABOVE and sys.platform == "linux":
        os.sync()
        return kept
    for folder in folders:
        _sync_directory(folder)
    return kept


def _undo(root: str, entries: list[_Entry]) -> None:
    for entry in entries:
        if entry.staged and _is_ours(entry):
            _unlink(entry.staged)
    for entry in reversed(entries):
        for folder in reversed(entry.made):
            if entry.path.startswith(folder + "/"):
                remove_empty(folder)


def is_staged_name(name: str) -> bool:
    """Whether a file of this name is one that a commit was making."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _is_ours(entry: _Entry) -> bool:
    folder, name = os.path.split(entry.staged)
    return is_staged_name(name) and folder == os.path.dirname(entry.path)


def _rename(entry: _Entry) -> None:
    if not _is_ours(entry):
        raise StoreError(f"the journal of the store is not ours: it renames `{entry.staged}`")
    with contextlib.suppress(FileNotFoundError):  # done before the process died
        os.rename(entry.staged, entry.path)


def _is_below(root: str, path: str) -> bool:
    folder, root = os.path.realpath(os.path.dirname(path.rstrip("/"))), os.path.realpath(root)
    return os.path.commonpath([folder, root]) == root


def _remove(root: str, path: str) -> None:
    if not _is_below(root, path):
        raise StoreError(f"the journal of the store is not ours: it removes `{path}`")
    remove_empty(path) if path.endswith("/") else _unlink(path)


def _remove_marked(entry: _Entry) -> OSError | None:
    """Remove a file outside of the root, and then its mark; why it could not be removed."""
    if not _is_ours(entry):
        raise StoreError(f"the journal of the store is not ours: it removes `{entry.path}`")
    kept = None
    if os.path.lexists(entry.staged):  # else it was done before the process died
        try:
            _unlink(entry.path)
        except OSError as error:
            kept = error  # the rest must come to its end
        _unlink(entry.staged)
    return kept


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def _write(path: str, data: bytes, mode: int, *, sync: bool) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        if sync:
            os.fsync(file)
    finally:
        os.close(file)


def _sync_directory(path: str) -> None:
    """Make renames in a folder last through a power cut, where the file system can."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(file)
    finally:
        os.close(file)
