"""Many commands carried out as one commit: locked, staged, written together.

::

    with Group(workspace) as group:
        for command in commands:
            with group.staging():
                carry_out(command)      # its plans are staged; refused ones stage nothing
            if group.is_due():
                group.commit()          # all of them, or StoreError and none

A process that is killed leaves the store as it was after one of the commits. The lock is let go between two commits if
somebody waits for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from . import journal, plan
from .staging import Change, Staged, staging

if TYPE_CHECKING:
    from .workspace import Workspace

__all__ = ["Group"]

_MOST_PATHS, _LONGEST_S, _SHORTEST_S = 4000, 1.0, 0.1


class Group:
    """Commands of one workspace. ``with`` holds the lock from the first `staging` to the end or to `let_go`.

    ``rehearsal``: everything is staged, nothing is ever written.
    """

    def __init__(self, workspace: Workspace, *, rehearsal: bool = False) -> None:
        self.workspace = workspace
        self.rehearsal = rehearsal
        self._lock = workspace.locked()
        self._begun_at = 0.0
        self._staged = Staged(rehearsal=rehearsal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    @contextlib.contextmanager
    def staging(self) -> Iterator[None]:
        """See what was staged so far as if it were on disk; what is committed inside is staged as well."""
        if not self._lock.held:
            self._lock.__enter__()
            self._begun_at = time.monotonic()
        with staging(self._staged):
            yield

    def is_due(self) -> bool:
        """Whether it is time to commit: much to write, a while since the last, or somebody waits for the lock."""
        age = time.monotonic() - self._begun_at
        return not self.rehearsal and (
            self._staged.urgent
            or self._staged.count >= _MOST_PATHS
            or age > _LONGEST_S
            or (age > _SHORTEST_S and self._lock.wanted)
        )

    def commit(self, *more: Change) -> None:
        """Write everything that is staged, and ``more`` after it, all or nothing. Raises StoreError.

        Either way nothing is staged afterwards; a rehearsal keeps it, and writes nothing.
        """
        if self.rehearsal:
            return
        done, self._staged = self._staged, Staged()
        changes = [*done.changes(), *more]
        if changes:
            with self._lock, self.workspace.config_locked():
                journal.commit(self.workspace.journal_root, changes)
        plan.discard(done.discards)
        if self._lock.held and self._lock.wanted:
            self._lock.give_way()
        self._begun_at = time.monotonic()

    def let_go(self) -> None:
        """Let go of the lock; what is staged and not committed is forgotten."""
        if not self.rehearsal:
            self._staged = Staged()
        if self._lock.held:
            self._lock.__exit__()
