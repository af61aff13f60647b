"""How reports are written: times that went by, and JSON as Go writes it."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["document", "elapsed", "present", "text_of"]

_ESCAPED = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


def document(report: object) -> bytes:
    """JSON, indented by two, safe to put into a page of HTML."""
    written = msgspec.json.format(msgspec.json.encode(report), indent=2)
    for raw, escaped in _ESCAPED:  # these occur inside of strings only
        written = written.replace(raw, escaped)
    return written


def elapsed(seconds: float) -> str:
    """``1y2d3h4m5s``, ``3h4m5s`` or ``5s``: from the largest unit that is not zero."""
    minutes, second = divmod(max(int(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    years, day = divmod(days, 365)
    parts = [(years, "y"), (day, "d"), (hour, "h"), (minute, "m"), (second, "s")]
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    return "".join(f"{value}{unit}" for value, unit in parts)


def text_of(raw: bytes) -> str:
    """Bytes of a client as JSON can hold them."""
    return raw.decode("utf-8", "replace")


def present(members: dict[str, Any]) -> dict[str, Any]:
    """The members that are not empty."""
    return {name: value for name, value in members.items() if value}
