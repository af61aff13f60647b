"""Edits of claims that several commands share: tags, signing keys, dates.

Pure: values in, values out, with what was done as lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natskit.errors import Error, UsageError
from natskit.nkeys import KeyPair, Role, is_public

if TYPE_CHECKING:
    from .workspace import Workspace

__all__ = ["edited_tags", "signing_key_of"]


def edited_tags(tags: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The tags with some more and some less, trimmed, in lower case and sorted; and what was done."""
    wanted = [tag.strip().lower() for tag in add if tag.strip()]
    gone = [tag.strip().lower() for tag in remove if tag.strip()]
    if not wanted and not gone:
        return tuple(tags), []
    done = [f'added tag "{tag}"' for tag in wanted] + [f'removed tag "{tag}"' for tag in gone]
    return tuple(sorted({*tags, *wanted} - set(gone))), done


def signing_key_of(workspace: Workspace, given: str, role: Role) -> tuple[str, KeyPair | None]:
    """The public key that ``--sk`` names; with ``generate`` a new pair, which is to be stored, as well.

    Raises UsageError for what is no key of ``role``.
    """
    from .signing import read_key

    if given.lower() == "generate":
        pair = KeyPair.create(role)
        return pair.public, pair
    if is_public(given, role):
        return given, None
    try:
        return read_key(workspace, given, role).public, None
    except Error as error:
        kind = "curve" if role is Role.CURVE else "signing"
        raise UsageError(f"a {kind} key is required: {error}") from None
