"""A stored account token, and what serving it needs to know of it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from natskit.errors import InvalidToken
from natskit.jwt import AccountClaims, decode
from natskit.jwt.files import parse_jwt

__all__ = ["Record", "Records", "bare", "record_of", "short"]

_REMEMBERED = 16_384


class Record(NamedTuple):
    """An account's token with its id and dates (Unix seconds, 0 for none)."""

    key: str
    token: bytes
    id: str
    expires: int
    issued_at: int


def short(key: str) -> str:
    """A key as logs show it: its first 12 characters."""
    return key[:12]


def bare(data: bytes) -> bytes:
    """The token in a file's content, without markers and line ends."""
    if data.startswith(b"eyJ"):
        return data.rstrip()
    return parse_jwt(data.decode("utf-8", "replace")).strip().encode()


def record_of(token: bytes) -> Record:
    """The record of a signed account token. Raises InvalidToken, VerifyError."""
    claims = decode(token, AccountClaims)
    return Record(claims.subject, token, claims.id, claims.expires, claims.issued_at)


class Records:
    """Reads stored tokens; a token seen before is known by its hash and not verified again. Bounded."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, str, int, int]] = {}

    def read(self, key: str, data: bytes) -> Record:
        """The record of what is stored for ``key``. Raises InvalidToken, VerifyError."""
        token = bare(data)
        digest = hashlib.sha256(token).digest()
        known = self._known.get(digest)
        if known is None:
            fresh = record_of(token)
            known = self._known[digest] = (fresh.key, fresh.id, fresh.expires, fresh.issued_at)
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        subject, id, expires, issued_at = known
        if subject != key:
            raise InvalidToken(f"the token stored for {key} is that of {subject}")
        return Record(key, token, id, expires, issued_at)
