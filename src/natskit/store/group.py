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

from natskit.errors import Error, StoreError

from . import journal
from .files import remove_empty
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
        """Write everything that is staged, and ``more`` after it. Raises StoreError; then nothing was written.

        Either way nothing is staged afterwards; a rehearsal keeps it, and writes nothing. Raises Error (no StoreError)
        for what fails when all else is written: a key that cannot be removed, a lock that does not come back.
        """
        if self.rehearsal:
            return
        done, self._staged = self._staged, Staged()
        changes = [*done.changes(), *more]
        if changes:
            with self._lock, self.workspace.config_locked():
                journal.commit(self.workspace.journal_root, changes)
        for folder in done.tidied:
            remove_empty(folder)
        try:
            if self._lock.held and self._lock.wanted:
                self._lock.give_way()
        except StoreError as error:
            raise Error(f"{error} - what comes before that is done", hint=error.hint) from None
        self._begun_at = time.monotonic()

    def forget(self) -> None:
        """Forget what is staged and not committed."""
        self._staged = Staged(rehearsal=self.rehearsal)

    def move_to(self, workspace: Workspace) -> None:
        """Go on in a workspace that has been opened again, perhaps with another stores root."""
        self.let_go()
        self.workspace = workspace
        self._lock = workspace.locked()

    def let_go(self) -> None:
        """Let go of the lock; what is staged and not committed is forgotten."""
        if not self.rehearsal:
            self._staged = Staged()
        if self._lock.held:
            self._lock.__exit__()
