"""Files and folders as nsc keeps them: folders 0700, files 0600, errors of the system told as StoreError."""

from __future__ import annotations

import os

from natskit.errors import StoreError

__all__ = ["DIR_MODE", "FILE_MODE", "absolute", "make_dirs", "read_bytes", "read_text", "sub_directories"]

DIR_MODE = 0o700
FILE_MODE = 0o600


def refused(error: OSError, path: str, doing: str) -> StoreError:
    """The StoreError for a system call that failed."""
    return StoreError(f"cannot {doing} `{path}`: {error.strerror or error}")


def absolute(path: str, home: str, cwd: str) -> str:
    """``path`` with a leading ``~`` replaced by ``home``, relative to ``cwd``, without ``.`` and ``..``."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return os.path.normpath(os.path.join(cwd, path))


def read_bytes(path: str) -> bytes | None:
    """The content of a file, None if there is none. Raises StoreError if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refused(error, path, "read") from None
    except ValueError:  # a NUL in the name
        return None


def read_text(path: str) -> str | None:
    """The content of a text file, None if there is none. Raises StoreError if it cannot be read or is not UTF-8."""
    data = read_bytes(path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        raise StoreError(f"`{path}` is not a text file") from None


def make_dirs(path: str, mode: int = DIR_MODE) -> list[str]:
    """Make a folder and those above it, each with ``mode``; return what was made, outermost first."""
    if os.path.isdir(path):
        return []
    parent = os.path.dirname(path)
    made = make_dirs(parent, mode) if parent != path else []
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise StoreError(f"`{path}` is in the way: it is not a folder") from None
        return made
    except OSError as error:
        raise refused(error, path, "make the folder") from None
    made.append(path)
    return made


def sub_directories(path: str) -> list[str]:
    """Names of the folders in a folder, sorted; none if it is not there."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refused(error, path, "list") from None
