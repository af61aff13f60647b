"""One writer at a time: an exclusive lock on a folder, held through a file that the Go tool ignores.

The file exists only while somebody holds or wants the lock. The holder removes it before letting go, so whoever gets
a lock must see whether the file is still the one in the folder, and start over if it is not.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable

from natskit.errors import StoreError

from .files import FILE_MODE, refused

__all__ = ["Lock"]

LOCK_NAME = ".natskit.lock"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


class Lock:
    """The lock of a folder; nests within one object. Not for threads: each thread opens its own workspace.

    ``settle`` is called with the folder each time the lock has been got, before anything is read under it.
    """

    __slots__ = ("_depth", "_file", "_settle", "_wait_s", "path")

    def __init__(
        self, directory: str, wait_s: float = 60.0, settle: Callable[[str], None] = lambda directory: None
    ) -> None:
        self.path = os.path.join(directory, LOCK_NAME)
        self._wait_s = wait_s
        self._settle = settle
        self._file = -1
        self._depth = 0

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now."""
        return self._depth > 0

    def __enter__(self) -> Lock:
        if not self._depth:
            self._acquire()
            try:
                self._settle(os.path.dirname(self.path))
            except BaseException:
                self._release()
                raise
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._release()

    def _acquire(self) -> None:
        """Wait for the lock. Raises StoreError after ``wait_s`` seconds, or if the folder cannot be written."""
        deadline, pause = time.monotonic() + self._wait_s, _FIRST_PAUSE_S
        while True:
            file = self._open()
            if self._lock(file) and self._is_current(file):
                self._file = file
                return
            os.close(file)
            if time.monotonic() > deadline:
                folder = os.path.dirname(self.path)
                raise StoreError(f"another process is working on `{folder}`", hint="try again when it is done")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise refused(error, self.path, "lock") from None

    def _lock(self, file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            os.close(file)
            raise refused(error, self.path, "lock") from None
        return True

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self.path, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def _release(self) -> None:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        finally:
            os.close(self._file)
            self._file = -1
