"""File modes, and what commands that were killed have left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import journal
from ..files import refused
from ..journal import is_staged_name
from .finding import Finding

if TYPE_CHECKING:
    from .survey import Survey

__all__ = ["file_complaints", "mend"]

_YOUNG_S = 60
_SECRET = (".nk", ".creds")


def file_complaints(survey: Survey) -> Iterator[Finding]:
    """Every file and folder of the operator's store and of the keystore, and the configuration."""
    workspace = survey.workspace
    root = workspace.journal_root
    if root and journal.pending(root):
        text = f"`{root}` has changes that were begun and not finished"
        yield Finding(code="journal-pending", text=text, path=root)
    seen: set[str] = set()
    for folder in (survey.store.path, survey.keystore.root):
        if os.path.isdir(folder):
            yield from _mode(folder, is_folder=True)
            yield from _below(survey, os.path.realpath(folder), seen)
    for path in (workspace.directories.config, workspace.directories.config_file, workspace.stores_root):
        if path and os.path.exists(path) and path not in seen:
            yield from _mode(path, is_folder=os.path.isdir(path))


def _below(survey: Survey, folder: str, seen: set[str]) -> Iterator[Finding]:
    """Symbolic links are left alone: they lead to what somebody else arranged."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        try:
            with os.scandir(here) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder:
                waiting.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                continue
            elif is_staged_name(entry.name):
                yield from _leftover(entry.path, survey.now)
                continue
            yield from _judge(entry.path, entry.stat(follow_symlinks=False).st_mode, is_folder=is_folder)


def _leftover(path: str, now: int) -> Iterator[Finding]:
    """A file that a commit was making. A young one may be in the making."""
    try:
        age = now - os.lstat(path).st_mtime
    except OSError:
        return
    if age > _YOUNG_S:
        text = f"`{path}` was being written when a command was killed"
        yield Finding(code="file-leftover", text=text, path=path, fix=(("rm", path),), safe=True)


def _mode(path: str, *, is_folder: bool) -> Iterator[Finding]:
    return _judge(path, os.stat(path).st_mode, is_folder=is_folder)


def _judge(path: str, mode: int, *, is_folder: bool) -> Iterator[Finding]:
    """What others may do with a file. A group may be meant to share it, so its rights are only told of."""
    shown = f"`{path}` has mode {stat.S_IMODE(mode):04o}"
    if path.endswith(_SECRET) and not is_folder:
        if mode & stat.S_IRWXO:
            fix = (("chmod", "o=" if _is_shared(mode) else "600", path),)
            text = f"{shown}: others can read the secret in it"
            yield Finding(code="secret-readable", text=text, path=path, fix=fix, safe=True)
        elif mode & stat.S_IRWXG:
            text = f"{shown}: its group can read the secret in it"
            yield Finding(code="secret-shared", text=text, path=path, fix=(("chmod", "600", path),))
    elif mode & stat.S_IWOTH:
        text = f"{shown}: others can write {'in it' if is_folder else 'it'}"
        yield Finding(code="file-writable", text=text, path=path, fix=(("chmod", "o-w", path),), safe=True)


def _is_shared(mode: int) -> bool:
    """Whether the group has been given more than everybody."""
    return (mode & stat.S_IRWXG) >> 3 != mode & stat.S_IRWXO


def mend(finding: Finding) -> None:
    """Do what the fix of a safe finding says. Raises StoreError."""
    try:
        if finding.code == "file-leftover":
            os.unlink(finding.path)
            return
        file = os.open(finding.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mode = stat.S_IMODE(os.fstat(file).st_mode)
            if finding.code == "file-writable":
                os.fchmod(file, mode & ~stat.S_IWOTH)
            else:
                os.fchmod(file, mode & ~stat.S_IRWXO if _is_shared(mode) else 0o600)
        finally:
            os.close(file)
    except OSError as error:
        raise refused(error, finding.path, "mend") from None
