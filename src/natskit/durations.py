"""Durations as Go reads and prints them: ``300ms``, ``1m30s``, ``-2h``, ``1.5h``; in nanoseconds."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def parse_duration(text: str) -> int:
    """The nanoseconds of a duration. Raises ValueError for another text, and for more than 64 bits hold."""
    body = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if body == "0":
        return 0
    total = 0
    position = 0
    for part in re.finditer(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)", body):
        whole, fraction = part[1], (part[2] or "")[:40]  # more digits make no nanosecond, but a costly number
        if part.start() != position or not (whole or fraction) or len(whole) > 19:
            break
        total += int((whole or "0") + fraction) * _NANOSECONDS[part[3]] // 10 ** len(fraction)
        position = part.end()
    if not body or position != len(body):
        raise ValueError(f'"{text}" is not a duration: use a number and a unit, such as 300ms, 5s, 1m30s or 2h')
    if total >= 1 << 63:
        raise ValueError(f'the duration "{text}" is too long')
    return -total if text.startswith("-") else total


def format_duration(nanoseconds: int) -> str:
    """A duration in words: ``5s``, ``1m0s``, ``2h0m0s``, ``500ms``, ``1.5s``, ``122.934µs``."""
    if nanoseconds < 0:
        return f"-{format_duration(-nanoseconds)}"
    if nanoseconds < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if nanoseconds >= size:
                return f"{_decimal(nanoseconds, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else f"{whole}"
