"""Comparing passwords and tokens with what the configuration has: plain text, or a bcrypt hash."""

from __future__ import annotations

import hmac

__all__ = ["is_bcrypt", "matches_password"]

_BCRYPT_BYTES = 72
"""bcrypt looks at no more than this many bytes."""


def is_bcrypt(stored: str) -> bool:
    """Whether ``stored`` is a bcrypt hash: ``$2a$``, ``$2b$``, ``$2x$`` or ``$2y$``, two digits, ``$``."""
    return (
        stored[:2] == "$2" and stored[2:3] in tuple("abxy") and stored[3:4] == "$" and stored[4:6].isdigit()
    ) and stored[6:7] == "$"


async def matches_password(stored: str, given: str) -> bool:
    """Whether ``given`` is the password that is ``stored``. A hash is computed in a thread, it takes tens of ms."""
    if not is_bcrypt(stored):
        return hmac.compare_digest(stored.encode(), given.encode())
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, _check_bcrypt, stored, given)


def _check_bcrypt(stored: str, given: str) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(given.encode()[:_BCRYPT_BYTES], stored.encode())
    except ValueError:
        return False
