"""Header blocks of messages, as far as the server itself reads and writes them."""

from __future__ import annotations

__all__ = ["read_headers", "with_header"]


def read_headers(block: bytes) -> dict[str, list[str]]:
    """Names, as they are written, and their values."""
    found: dict[str, list[str]] = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.decode("utf-8", "replace"), []).append(value.strip().decode("utf-8", "replace"))
    return found


def with_header(block: bytes, name: bytes, value: bytes) -> bytes:
    """The block (may be empty), its last header ``name: value``, the only one of this name in any spelling."""
    start = name.lower() + b":"
    lines = block.removesuffix(b"\r\n\r\n").split(b"\r\n") if block else [b"NATS/1.0"]
    kept = [line for line in lines if not line.lower().startswith(start)]
    return b"\r\n".join([*kept, b"%b: %b" % (name, value), b"", b""])
