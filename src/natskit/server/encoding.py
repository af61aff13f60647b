"""Compressing what the server itself says, for receivers that ask for it (``Accept-Encoding``).

Source: spec/server-protocol.md section 21, spec/server-accounts.md section 8.
"""

from __future__ import annotations

__all__ = ["encode"]


def encode(payload: bytes, accepted: str) -> tuple[str, bytes]:
    """The name of an encoding that is among the ``accepted`` ones, and the payload in it; ``identity``: as it was.

    Snappy comes in its framing format, which readers of S2 understand too.
    """
    wanted = accepted.lower()
    if "snappy" in wanted or "s2" in wanted:
        import cramjam

        return "snappy", bytes(cramjam.snappy.compress(payload))
    if "gzip" in wanted:
        import gzip

        return "gzip", gzip.compress(payload, 6, mtime=0)
    return "identity", payload
