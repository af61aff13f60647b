"""Changes that are decided but not on disk yet, seen by whoever reads the store as if they were.

Many commands can be written as one commit: what each of them plans is taken in here, and later ones see it. Everything
that reads the store does so through ``files``, which asks the :class:`Staged` of its context, if there is one, first.
The lock is held from the first to the last of these commands, so what was listed once holds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import msgspec

__all__ = ["Change", "Staged", "staged", "staging"]

FILE_MODE = 0o600


class Change(msgspec.Struct, frozen=True):
    """One path and what becomes of it: a file with ``data`` and ``mode``, or nothing (``data`` None) if it is there.

    A path that ends in a slash is a folder: made with ``mode`` (``data`` empty) or removed if empty (``data`` None).
    """

    path: str
    data: bytes | None
    mode: int = FILE_MODE


class Staged:
    """What becomes of which path. Paths are absolute and in normal form; those of folders have no slash at the end.

    ``urgent``: something outside of this machine knows of it already, so it should be written soon.
    ``rehearsal``: it never will be written, so nobody outside may be told.
    """

    def __init__(self, *, rehearsal: bool = False) -> None:
        self.rehearsal = rehearsal
        self.urgent = False
        self._files: dict[str, Change | None] = {}
        self._folders: dict[str, int | None] = {}
        self._tidied: dict[str, None] = {}
        self._below: dict[str, dict[str, bool | None]] = {}
        self._listings: dict[str, dict[str, bool]] = {}
        self._spellings: dict[str, dict[str, set[str]]] = {}

    # ---- taking changes in

    def take(self, changes: Sequence[Change]) -> None:
        """Take the changes of one command in, in order."""
        for change in changes:
            path = change.path.rstrip("/")
            if change.path.endswith("/"):
                self._take_folder(path, change)
            elif change.data is None:
                self._files[path] = None
                self._unlist(path)
            else:
                self._make_folders(os.path.dirname(path))
                self._files[path] = change
                self._list(path, folder=False)

    def _take_folder(self, path: str, change: Change) -> None:
        if change.data is not None:
            self._make_folders(path, change.mode)
        elif self.kind(path) != "nothing" and not self.names(path):
            self._folders[path] = None
            self._unlist(path)

    def _make_folders(self, path: str, mode: int = 0o700) -> None:
        while self._folders.get(path, -1) is None or (path not in self._folders and not os.path.isdir(path)):
            self._folders[path] = mode
            self._tidied.pop(path, None)
            self._list(path, folder=True)
            path, mode = os.path.dirname(path), 0o700

    def discard(self, path: str) -> bool:
        """Remove a file of the keystore, or (final slash) a folder of it if it is empty; was it a file?

        The folder of a key goes with the last key in it.
        """
        there = not path.endswith("/") and (self.kind(path) or os.path.lexists(path)) not in ("nothing", False)
        if there:
            self._files[path] = None
            self._unlist(path)
        folder = path[:-1] if path.endswith("/") else os.path.dirname(path) if there and path.endswith(".nk") else ""
        if folder and not self.names(folder):
            self._folders[folder] = None
            self._tidied[folder] = None
            self._unlist(folder)
        return there

    def _list(self, path: str, *, folder: bool) -> None:
        parent, name = os.path.split(path)
        self._below.setdefault(parent, {})[name] = folder
        if parent in self._listings:
            self._listings[parent][name] = folder
        if parent in self._spellings:
            self._spellings[parent].setdefault(name.lower(), set()).add(name)

    def _unlist(self, path: str) -> None:
        parent, name = os.path.split(path)
        self._below.setdefault(parent, {})[name] = None
        if parent in self._listings:
            self._listings[parent].pop(name, None)
        if parent in self._spellings:
            self._spellings[parent].get(name.lower(), set()).discard(name)

    # ---- reading

    def kind(self, path: str) -> str:
        """What the changes make of ``path``: ``file``, ``folder`` or ``nothing``; empty if they leave it alone."""
        if path in self._files:
            return "nothing" if self._files[path] is None else "file"
        if path in self._folders:
            return "nothing" if self._folders[path] is None else "folder"
        return ""

    def data(self, path: str) -> bytes | None:
        """The content of a file that the changes make; None for all else."""
        change = self._files.get(path)
        return change.data if change else None

    def names(self, folder: str) -> dict[str, bool]:
        """What is in a folder: names, and whether they are folders. Not to be changed."""
        if folder not in self._listings:
            found: dict[str, bool] = {}
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                found = {entry.name: entry.is_dir() for entry in entries}
            for name, is_folder in self._below.get(folder, {}).items():
                found.pop(name, None)
                if is_folder is not None:
                    found[name] = is_folder
            self._listings[folder] = found
        return self._listings[folder]

    def spellings(self, folder: str, name: str) -> set[str]:
        """Names in a folder that differ from ``name`` in upper and lower case at most."""
        if folder not in self._spellings:
            index: dict[str, set[str]] = {}
            for each in self.names(folder):
                index.setdefault(each.lower(), set()).add(each)
            self._spellings[folder] = index
        return set(self._spellings[folder].get(name.lower(), ()))

    # ---- writing

    @property
    def count(self) -> int:
        """How many paths change."""
        return len(self._files) + len(self._folders)

    def changes(self) -> list[Change]:
        """Everything that differs from what is on disk: folders and files first, then removals, innermost first."""
        made = [Change(f"{path}/", b"", mode) for path, mode in self._folders.items() if mode is not None]
        made.sort(key=lambda change: change.path)
        written = [change for change in self._files.values() if change is not None]
        gone = [path for path, change in self._files.items() if change is None]
        emptied = [f"{path}/" for path, mode in self._folders.items() if mode is None and path not in self._tidied]
        removed = [Change(path, None) for path in (*gone, *sorted(emptied, reverse=True)) if os.path.lexists(path)]
        return [*made, *written, *removed]

    @property
    def tidied(self) -> list[str]:
        """Folders of the keystore that are to be removed when the changes are on disk."""
        return list(self._tidied)


_CURRENT: ContextVar[Staged | None] = ContextVar("staged", default=None)


def staged() -> Staged | None:
    """The changes that this context sees as if they were on disk."""
    return _CURRENT.get()


@contextlib.contextmanager
def staging(changes: Staged) -> Iterator[None]:
    """See ``changes`` as if they were on disk, and add to them what is committed inside."""
    token = _CURRENT.set(changes)
    try:
        yield
    finally:
        _CURRENT.reset(token)
