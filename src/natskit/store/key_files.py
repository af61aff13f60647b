"""Keys that leave the keystore for a folder, and keys that come in from one (spec/nsc-commands.md 3.8).

In such a folder a seed is ``<PUBLIC KEY>.nk`` and a token ``<PUBLIC KEY>.jwt``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from natskit.errors import AlreadyExists, KeyUseError, NotFound, StoreError
from natskit.nkeys import KeyPair

from .files import read_text
from .output import write_output
from .signing import seed_in

if TYPE_CHECKING:
    from .inventory import KnownKey
    from .keystore import Keystore

__all__ = ["export_key", "export_token", "key_files", "load_key"]


def export_key(keystore: Keystore, key: KnownKey, folder: str, *, force: bool) -> str:
    """Write the seed of ``key`` into ``folder``; its path. Raises NotFound (no seed), AlreadyExists, StoreError."""
    pair = keystore.pair(key.public)
    if pair is None:
        raise NotFound(f'skipped "{key.public}" - no seed available')
    return _write(os.path.join(folder, f"{key.public}.nk"), pair.seed, force=force)


def export_token(key: KnownKey, folder: str, *, force: bool) -> str:
    """Write the token of ``key``, an identity key, into ``folder``; its path. Raises AlreadyExists, StoreError."""
    return _write(os.path.join(folder, f"{key.public}.jwt"), key.token, force=force)


def _write(path: str, text: str, *, force: bool) -> str:
    try:
        write_output(path, text.encode(), overwrite=force)
    except AlreadyExists:
        raise AlreadyExists(f"`{path}` already exists - specify --force to overwrite") from None
    return path


def key_files(folder: str, *, recurse: bool) -> Iterator[str]:
    """Every ``*.nk`` file in ``folder``, and in those below it if ``recurse``. Raises NotFound, StoreError."""
    if not os.path.exists(folder):
        raise NotFound(f"stat {folder}: no such file or directory")
    if not os.path.isdir(folder):
        raise StoreError(f"`{folder}` is not a directory")
    for current, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(current, name) for name in sorted(files) if name.endswith(".nk"))
        if not recurse:
            return


def load_key(path: str) -> KeyPair:
    """The key in a file: a seed, bare or decorated. Raises InvalidKey, KeyUseError (a public key), StoreError."""
    seed = seed_in(read_text(path) or "")
    if seed[:1] != "S" and seed:
        KeyPair.from_public(seed)
        raise KeyUseError("nkeys: no seed or private key available")
    return KeyPair.from_seed(seed)
