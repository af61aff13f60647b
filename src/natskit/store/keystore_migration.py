"""From the keystore of before August 2019, named after entities, to today's layout (spec/nsc.md 1.8).

The old files are copied aside first; then the new ones are written where the old ones are, as one commit; then the old
ones go. At no moment is a key missing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from natskit.errors import StoreError

from .files import read_bytes, read_text, refused
from .keystore import Keystore, read_pair

if TYPE_CHECKING:
    from .plan import Committed, Plan

__all__ = ["migrate_keystore"]


def migrate_keystore(plan: Plan) -> tuple[str, Committed]:
    """Move every key and creds file to its place today; where the copy of the old keystore is, and what was written.

    The caller holds the lock. Raises StoreError; then nothing has changed.
    """
    keystore = Keystore(plan.workspace.keystore.root)
    old = list(keystore.outdated())
    for path in old:
        if path.endswith(".nk"):
            pair = read_pair(path)
            if pair is None or not pair.can_sign:
                raise StoreError(f"`{path}` does not hold a seed")
            plan.key(pair)
        else:
            plan.creds(_creds_place(keystore, path), read_text(path) or "")
    copy = f"{keystore.root}_{os.urandom(11).hex()}"
    try:
        shutil.copytree(keystore.root, copy, symlinks=True)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(copy, ignore_errors=True)
        raise StoreError(f"cannot copy `{keystore.root}` to `{copy}`: {error}") from None
    committed = plan.commit()
    for path in old:
        _remove(keystore.root, path)
    return copy, committed


def _creds_place(keystore: Keystore, path: str) -> str:
    """Where the creds file ``<Op>/accounts/<Acct>/users/<User>.creds`` belongs today. Raises StoreError."""
    relative = os.path.relpath(path, keystore.root)
    parts = relative.split(os.sep)
    if len(parts) != 5:
        raise StoreError(f"unexpected creds filepath len of {len(parts)}: `{relative}`")
    operator, _, account, _, name = parts
    place = keystore.creds_path(operator, account, name.removesuffix(".creds"))
    there = read_bytes(place)
    if there is not None and there != read_bytes(path):
        raise StoreError(f"`{relative}` and `{os.path.relpath(place, keystore.root)}` differ: move one of them away")
    return place


def _remove(root: str, path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise refused(error, path, "remove") from None
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):  # until one is not empty
        while folder != root:
            os.rmdir(folder)
            folder = os.path.dirname(folder)
