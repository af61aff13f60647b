"""Where account tokens are kept: in memory, in a directory, in nsc's folder of an operator.

A store reads and writes bytes under account keys and judges nothing. ``keys_in`` says which accounts files on disk that
have changed belong to. Source: spec/account-server.md section 3.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from natskit.account_server import options
from natskit.account_server.record import bare, record_of
from natskit.errors import Error, StoreError
from natskit.nkeys import Role, is_public
from natskit.store.files import make_dirs, read_bytes, sub_directories
from natskit.store.operator_store import find_store
from natskit.store.output import write_output

__all__ = ["DirectoryStore", "MemoryStore", "NscStore", "Store", "open_store"]

_SUFFIX = ".jwt"


class Store(Protocol):
    """What the account server asks of a store. Files may be written by others at any time."""

    writable: bool

    @property
    def folder(self) -> str | None:
        """The folder to watch, if there is one."""

    def load(self, key: str) -> bytes | None:
        """What is stored for an account key, None if nothing is. Raises StoreError."""

    def save(self, key: str, token: bytes) -> None:
        """Store a token, whole or not at all. Raises StoreError."""

    def keys(self) -> Iterator[str]:
        """The keys that something is stored for."""

    def keys_in(self, paths: Iterable[str]) -> set[str]:
        """The accounts that changed files and folders concern, those included that are no more."""


def open_store(where: options.Memory | options.Directory | options.Nsc) -> Store:
    """The store that the options name. Raises StoreError."""
    if isinstance(where, options.Nsc):
        return NscStore(where.path)
    if isinstance(where, options.Directory):
        return DirectoryStore(where.path, sharded=where.sharded, read_only=where.read_only)
    return MemoryStore(read_only=where.read_only)


def is_account(text: str) -> bool:
    """Whether a text is an account's public key: the only thing that ever becomes part of a path."""
    return is_public(text, Role.ACCOUNT)


class MemoryStore:
    """Tokens that end with the process."""

    folder = None

    def __init__(self, *, read_only: bool = False) -> None:
        self.writable = not read_only
        self._tokens: dict[str, bytes] = {}

    def load(self, key: str) -> bytes | None:
        """What is stored for a key."""
        return self._tokens.get(key)

    def save(self, key: str, token: bytes) -> None:
        """Keep a token."""
        self._tokens[key] = token

    def keys(self) -> Iterator[str]:
        """The keys that something is stored for."""
        return iter(tuple(self._tokens))

    def keys_in(self, paths: Iterable[str]) -> set[str]:
        """Nothing here is on disk."""
        return set()


class DirectoryStore:
    """``DIR/KEY.jwt``, or sharded ``DIR/<last two characters of KEY>/KEY.jwt``."""

    def __init__(self, path: str, *, sharded: bool = False, read_only: bool = False) -> None:
        self.folder = os.path.realpath(os.path.expanduser(path))
        self.writable = not read_only
        self._sharded = sharded
        if self.writable:
            make_dirs(self.folder)
        elif not os.path.isdir(self.folder):
            raise StoreError(f"`{self.folder}` is not a folder", hint="a read-only store must be there already")

    def load(self, key: str) -> bytes | None:
        """What the key's file holds. Raises StoreError."""
        return read_bytes(self._path(key)) if is_account(key) else None

    def save(self, key: str, token: bytes) -> None:
        """Write the key's file, whole or not at all. Raises StoreError."""
        if not is_account(key):
            raise StoreError(f'"{key}" is not an account key')
        path = self._path(key)
        make_dirs(os.path.dirname(path))
        write_output(path, token)

    def keys(self) -> Iterator[str]:
        """The keys that have a file."""
        for folder in self._folders():
            yield from self._keys_of(folder)

    def keys_in(self, paths: Iterable[str]) -> set[str]:
        """Accounts of files by their names; of folders (made, renamed) by what is in them now."""
        keys: set[str] = set()
        for path in paths:
            key = _key_of(os.path.basename(path))
            if key:
                keys.add(key)
            elif os.path.normpath(path) == self.folder:
                keys.update(self.keys())
            else:
                keys.update(self._keys_of(path))
        return keys

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, *([key[-2:]] if self._sharded else []), key + _SUFFIX)

    def _folders(self) -> list[str]:
        if not self._sharded:
            return [self.folder]
        return [os.path.join(self.folder, name) for name in sub_directories(self.folder) if len(name) == 2]

    def _keys_of(self, folder: str) -> list[str]:
        """Keys of the files in a folder that lie where they belong."""
        try:
            names = os.listdir(folder)
        except OSError:
            return []
        keys = filter(None, map(_key_of, names))
        return [key for key in keys if os.path.dirname(self._path(key)) == os.path.normpath(folder)]


def _key_of(name: str) -> str:
    """The account key that a file is named after; empty if it is not."""
    key = name.removesuffix(_SUFFIX)
    return key if key != name and is_account(key) else ""


class _Seen(NamedTuple):
    """An account's file as it was read last."""

    stamp: tuple[int, int, int]
    key: str
    issued_at: int


class NscStore:
    """The accounts of an operator in nsc's store: ``DIR/accounts/NAME/NAME.jwt``, found by their subject.

    Files are read once and again when they change. One that holds no account token is left out, and is named by
    ``damaged``.
    """

    writable = False

    def __init__(self, path: str) -> None:
        self.folder = os.path.realpath(os.path.expanduser(path))
        try:
            self._store = find_store(os.path.dirname(self.folder), os.path.basename(self.folder))
        except StoreError as error:
            hint = "give the folder of one operator, such as ~/.local/share/nats/nsc/stores/MyOperator"
            raise StoreError(f'"{path}" is not a valid configuration directory: {error.message}', hint=hint) from None
        self.damaged: dict[str, str] = {}
        self._seen: dict[str, _Seen] = {}
        self._names: dict[str, str] = {}
        self._listed = 0
        self._read_all()

    @property
    def operator_path(self) -> str:
        """The file of the operator's token."""
        return self._store.operator_path

    def load(self, key: str) -> bytes | None:
        """The token of the account with this key. Raises StoreError."""
        data = self._load(key)
        if data is None and self._changed_on() != self._listed:
            self._read_all()  # made or renamed a moment ago: the watcher has not told yet
            data = self._load(key)
        return data

    def save(self, key: str, token: bytes) -> None:
        """Never: nsc writes here."""
        raise StoreError("the store of nsc is written by nsc only")

    def keys(self) -> Iterator[str]:
        """The keys of all accounts."""
        return iter(tuple(self._names))

    def keys_in(self, paths: Iterable[str]) -> set[str]:
        """The accounts whose files are others than those read before: the account there was and the one there is."""
        parts = [os.path.relpath(path, self.folder).split(os.sep) for path in paths]
        if any(each in (["."], ["accounts"]) for each in parts):
            names = {*self._seen, *sub_directories(self._store.accounts_path)}
        else:
            names = {each[1] for each in parts if each[0] == "accounts"}
        before = {name: self._seen.get(name) for name in names}
        for name in names:
            self._read(name)
        self._index()
        differing = [(old, self._seen.get(name)) for name, old in before.items() if old != self._seen.get(name)]
        return {seen.key for pair in differing for seen in pair if seen}

    def _load(self, key: str) -> bytes | None:
        name = self._names.get(key)
        return read_bytes(self._store.account_path(name)) if name else None

    def _changed_on(self) -> int:
        try:
            return os.stat(self._store.accounts_path).st_mtime_ns
        except OSError:
            return 0

    def _read_all(self) -> None:
        self._listed = self._changed_on()
        for name in {*self._seen, *sub_directories(self._store.accounts_path)}:
            self._read(name)
        self._index()

    def _read(self, name: str) -> None:
        """Look at an account's file, and read it if it is not the one that was read last."""
        path = self._store.account_path(name)
        seen = self._seen.get(name)
        try:
            found = os.stat(path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen and seen.stamp == stamp:
                return
            record = record_of(bare(read_bytes(path) or b""))
            self._seen[name] = _Seen(stamp, record.key, record.issued_at)
            self.damaged.pop(path, None)
        except (OSError, Error) as error:
            self._seen.pop(name, None)
            if isinstance(error, FileNotFoundError):
                self.damaged.pop(path, None)
            else:
                self.damaged[path] = str(error)

    def _index(self) -> None:
        # The newest token comes last and wins, should two folders hold the same account.
        newest_last = sorted(self._seen.items(), key=lambda item: item[1].issued_at)
        self._names = {seen.key: name for name, seen in newest_last}
