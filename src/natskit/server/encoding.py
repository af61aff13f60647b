"""Compressing what the server itself says, for receivers that ask for it (``Accept-Encoding``).

Source: spec/server-protocol.md section 21, spec/server-accounts.md section 8.
"""

from __future__ import annotations

__all__ = ["encode"]


def encode(payload: bytes, accepted: str) -> tuple[bytes, bytes]:
    """A header block with ``Content-Encoding``, one of those ``accepted``, and the payload in that encoding.

    What is not known is ``identity``: the payload stays as it was. Snappy comes in its framing format, which readers of
    S2 understand too.
    """
    name, encoded = _encoded(payload, accepted.lower())
    return f"NATS/1.0\r\nContent-Encoding: {name}\r\n\r\n".encode(), encoded


def _encoded(payload: bytes, wanted: str) -> tuple[str, bytes]:
    if "snappy" in wanted or "s2" in wanted:
        import cramjam

        return "snappy", bytes(cramjam.snappy.compress(payload))
    if "gzip" in wanted:
        import gzip

        return "gzip", gzip.compress(payload, 6, mtime=0)
    return "identity", payload
