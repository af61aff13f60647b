"""Header blocks of messages, as far as the server itself reads and writes them."""

from __future__ import annotations

__all__ = ["read_headers", "with_request_info"]

_REQUEST_INFO = b"nats-request-info:"


def read_headers(block: bytes) -> dict[str, list[str]]:
    """Names, as they are written, and their values."""
    found: dict[str, list[str]] = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.decode("utf-8", "replace"), []).append(value.strip().decode("utf-8", "replace"))
    return found


def with_request_info(block: bytes, info: bytes) -> bytes:
    """The block (may be empty), its last header ``Nats-Request-Info: info``, the only one of this name."""
    lines = block.removesuffix(b"\r\n\r\n").split(b"\r\n") if block else [b"NATS/1.0"]
    kept = [line for line in lines if not line.lower().startswith(_REQUEST_INFO)]
    return b"\r\n".join([*kept, b"Nats-Request-Info: " + info, b"", b""])
