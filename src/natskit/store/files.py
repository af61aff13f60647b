"""Files and folders as nsc keeps them: folders 0700, files 0600, errors of the system told as StoreError.

The store is read through these functions only: they also see what is staged (see ``staging``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from natskit.errors import StoreError

from .staging import FILE_MODE, staged

__all__ = [
    "DIR_MODE",
    "FILE_MODE",
    "absolute",
    "exists",
    "file_names",
    "is_dir",
    "is_file",
    "make_dirs",
    "names_like",
    "read_bytes",
    "read_text",
    "remove_empty",
    "sub_directories",
    "walk",
]

DIR_MODE = 0o700


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
    changes = staged()
    if changes is not None and changes.kind(path):
        return changes.data(path)
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


def remove_empty(path: str) -> None:
    """Remove a folder, unless something is in it."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _staged_kind(path: str) -> str:
    changes = staged()
    return changes.kind(path) if changes is not None else ""


def is_file(path: str) -> bool:
    """Whether there is a file."""
    kind = _staged_kind(path)
    return kind == "file" if kind else os.path.isfile(path)


def is_dir(path: str) -> bool:
    """Whether there is a folder."""
    kind = _staged_kind(path)
    return kind == "folder" if kind else os.path.isdir(path)


def exists(path: str) -> bool:
    """Whether there is something."""
    kind = _staged_kind(path)
    return kind != "nothing" if kind else os.path.exists(path)


def sub_directories(path: str) -> list[str]:
    """Names of the folders in a folder, sorted; none if it is not there. Raises StoreError."""
    changes = staged()
    if changes is not None:
        return sorted(name for name, is_folder in changes.names(path).items() if is_folder)
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refused(error, path, "list") from None


def file_names(path: str) -> list[str]:
    """Names of everything in a folder, in no order; none if it is not there. Raises StoreError."""
    changes = staged()
    if changes is not None:
        return list(changes.names(path))
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refused(error, path, "list") from None


def names_like(path: str, name: str) -> list[str]:
    """Names in a folder that differ from ``name`` in upper and lower case at most. Raises StoreError."""
    changes = staged()
    if changes is not None:
        return sorted(changes.spellings(path, name))
    wanted = name.lower()
    return [each for each in file_names(path) if each.lower() == wanted]


def walk(path: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Like ``os.walk`` from the top, sorted: folder, folders in it (take some out to pass them over), files in it."""
    changes = staged()
    if changes is None:
        for folder, folders, files in os.walk(path):
            folders.sort()
            yield folder, folders, sorted(files)
        return
    names = changes.names(path)
    folders = sorted(name for name, is_folder in names.items() if is_folder)
    yield path, folders, sorted(name for name, is_folder in names.items() if not is_folder)
    for name in sorted(folders):
        if not os.path.islink(os.path.join(path, name)):
            yield from walk(os.path.join(path, name))
