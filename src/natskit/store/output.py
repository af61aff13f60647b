"""Files that a user asked for by name: creds, tokens, configurations. They lie outside the store."""

from __future__ import annotations

import contextlib
import os
import stat

from natskit.errors import AlreadyExists

from .files import FILE_MODE, exists, is_dir, refused
from .staging import Change, staged

__all__ = ["write_output"]


def write_output(path: str, data: bytes, mode: int = FILE_MODE, *, overwrite: bool = True) -> None:
    """Write a file at the absolute ``path``, whole or not at all; its mode is ``mode``, also where one was there.

    Something that is no regular file (a pipe, ``/dev/stdout``) is written to as it is. Raises AlreadyExists unless
    ``overwrite``, StoreError.
    """
    on_stage = staged()
    try:
        if (exists(path) or os.path.islink(path)) and not overwrite:
            raise AlreadyExists(f"`{path}` already exists")
        if on_stage is not None and _is_plain(path):
            on_stage.take([Change(path, data, mode)])
        elif os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            _write_into(path, data)
        else:
            _replace(os.path.realpath(path), data, mode)
    except OSError as error:
        raise refused(error, path, "write") from None


def _is_plain(path: str) -> bool:
    """Whether a rename can put a file there, in a folder that is there, and nothing else is replaced by it."""
    free = not os.path.lexists(path) or (os.path.isfile(path) and not os.path.islink(path))
    return free and is_dir(os.path.dirname(path))


def _write_into(path: str, data: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        while data:
            data = data[file.write(data) or 0 :]


def _replace(path: str, data: bytes, mode: int) -> None:
    temporary = os.path.join(os.path.dirname(path), f".natskit-{os.getpid()}-{os.urandom(6).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
