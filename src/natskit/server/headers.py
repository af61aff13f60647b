"""Header blocks of messages, as far as the server itself reads and writes them."""

from __future__ import annotations

__all__ = ["read_headers", "with_header"]


def read_headers(block: bytes) -> dict[str, list[str]]:
    """Names, as they are written, and their values.

    As in nats-server, a name ends at the next colon, be it some lines further on, and what is empty does not count.
    """
    found: dict[str, list[str]] = {}
    rest = block.partition(b"\r\n")[2]
    while True:
        name, _, rest = rest.partition(b":")
        value, end, rest = rest.lstrip(b" \t").partition(b"\r\n")
        if not end:
            return found
        value = value.rstrip(b" \t")
        if name and value:
            found.setdefault(name.decode("utf-8", "replace"), []).append(value.decode("utf-8", "replace"))


def with_header(block: bytes, name: bytes, value: bytes) -> bytes:
    """The block (may be empty), its last header ``name: value``, the only one of this name in any spelling."""
    start = name.lower() + b":"
    lines = block.removesuffix(b"\r\n\r\n").split(b"\r\n") if block else [b"NATS/1.0"]
    kept = [line for line in lines if not line.lower().startswith(start)]
    return b"\r\n".join([*kept, b"%b: %b" % (name, value), b"", b""])
