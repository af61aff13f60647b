"""One writer at a time: an exclusive lock on a folder, held through a file that the Go tool ignores.

The file exists only while somebody holds or wants the lock. The holder removes it before letting go, so whoever gets
a lock must see whether the file is still the one in the folder, and start over if it is not.

Who holds the lock for long gives way to those who wait: the first of them holds a second file while it waits, and
``give_way`` lets go until that one had its turn.
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

LOCK_NAME, QUEUE_NAME = ".natskit.lock", ".natskit.queue"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


class Lock:
    """The lock of a folder; nests within one object. Not for threads: each thread opens its own workspace.

    ``settle`` is called with the folder each time the lock has been got, before anything is read under it.
    """

    __slots__ = ("_depth", "_file", "_queue", "_settle", "_wait_s", "path")

    def __init__(
        self, directory: str, wait_s: float = 60.0, settle: Callable[[str], None] = lambda directory: None
    ) -> None:
        self.path = os.path.join(directory, LOCK_NAME)
        self._queue = os.path.join(directory, QUEUE_NAME)
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

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for the lock."""
        if not os.path.lexists(self._queue):
            return False
        file = _try(self._queue)  # who waited may have died
        if file is not None:
            _let_go(self._queue, file)
        return file is None

    def give_way(self) -> None:
        """Let somebody who waits for the lock have it. What was read under the lock may be outdated afterwards."""
        depth, self._depth = self._depth, 0
        self._release()
        _let_go(self._queue, self._wait(self._queue, time.monotonic() + self._wait_s))
        self.__enter__()
        self._depth = depth

    def _acquire(self) -> None:
        """Wait for the lock. Raises StoreError after ``wait_s`` seconds, or if the folder cannot be written."""
        file = _try(self.path)
        if file is None:
            deadline = time.monotonic() + self._wait_s
            queue = self._wait(self._queue, deadline)
            try:
                file = self._wait(self.path, deadline)
            finally:
                _let_go(self._queue, queue)
        self._file = file

    def _wait(self, path: str, deadline: float) -> int:
        pause = _FIRST_PAUSE_S
        while (file := _try(path)) is None:
            if time.monotonic() > deadline:
                folder = os.path.dirname(self.path)
                raise StoreError(f"another process is working on `{folder}`", hint="try again when it is done")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return file

    def _release(self) -> None:
        file, self._file = self._file, -1
        _let_go(self.path, file)


def _try(path: str) -> int | None:
    """Lock the file, made if need be; its descriptor, None if somebody else has it. Raises StoreError."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise refused(error, path, "lock") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False)):
            return file
    except FileNotFoundError:  # removed by who had the lock
        pass
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            os.close(file)
            raise refused(error, path, "lock") from None
    os.close(file)
    return None


def _let_go(path: str, file: int) -> None:
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    finally:
        os.close(file)
