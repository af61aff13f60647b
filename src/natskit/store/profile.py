"""Which nsc to be: today's, or that of April 2019 whose documentation page many people still follow.

The 2019 profile writes v1 tokens and names keys after entities; it is chosen by ``NSC_PROFILE=2019`` or remembered in a
stores root, in a file that the Go tool ignores.
"""

from __future__ import annotations

import enum
import os

import msgspec

from natskit.errors import StoreError, UsageError

from .files import read_bytes

__all__ = ["Profile", "marker_path", "remembered"]

MARKER_NAME = ".natskit.json"


class Profile(enum.Enum):
    """A generation of nsc; the value is what people write."""

    CURRENT = "current"
    Y2019 = "2019"

    @property
    def token_version(self) -> int:
        """Version of the tokens it writes."""
        return 1 if self is Profile.Y2019 else 2

    @classmethod
    def parse(cls, text: str) -> Profile:
        """The profile called ``text``. Raises UsageError."""
        for profile in cls:
            if text.lower() == profile.value:
                return profile
        raise UsageError(f'"{text}" is not a profile', hint='use "current" or "2019"')


class Marker(msgspec.Struct):
    """What a stores root remembers for natskit."""

    profile: str = Profile.CURRENT.value


def marker_path(stores_root: str) -> str:
    """The file that remembers the profile of a stores root."""
    return os.path.join(stores_root, MARKER_NAME)


def remembered(stores_root: str) -> Profile | None:
    """The profile that a stores root remembers, None if it remembers none. Raises StoreError, UsageError."""
    path = marker_path(stores_root)
    data = read_bytes(path)
    if data is None:
        return None
    try:
        return Profile.parse(msgspec.json.decode(data, type=Marker).profile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StoreError(f"`{path}` is damaged", hint="choose again with: nsc env --profile current") from None
