"""Values that begin with a digit or a sign, and durations.

Source: spec/server-config.md section 1.2.
"""

from __future__ import annotations

import re

_SUFFIXES = {"": 1}
for _power, _letter in enumerate("kmgtpe", start=1):
    _SUFFIXES[_letter] = 1000**_power
    for _binary in ("b", "i", "ib"):
        _SUFFIXES[_letter + _binary] = 1024**_power

_INTEGER = re.compile(r"(-?\d+)([kmgtpe]?[bi]*)", re.IGNORECASE | re.ASCII)
_FLOAT = re.compile(r"-?\d+\.\d+", re.ASCII)
_ADDRESS = re.compile(r"\d+\.\d*\.[0-9.:-]*", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_WORD = re.compile(r"\d+[A-Za-z_].*", re.ASCII | re.DOTALL)

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def number(text: str) -> int | float | str:
    """The value of a bare text that begins with a digit or ``-``. Raises ValueError with the reason."""
    if match := _INTEGER.fullmatch(text):
        return _integer(match[1], match[2], text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _ADDRESS.fullmatch(text) or _TIME.fullmatch(text):
        return text
    if text[0] == "-":
        raise ValueError(f"'{text}' is not a number: digits must follow the '-'")
    if text[4:5] == "-" and text[:4].isdigit():
        raise ValueError(f"'{text}' is not a time: write it as 2006-01-02T15:04:05Z, or quote it")
    if _WORD.fullmatch(text):
        return text
    raise ValueError(f"'{text}' is neither a number nor a word: quote it")


def _integer(digits: str, suffix: str, text: str) -> int:
    factor = _SUFFIXES.get(suffix.lower())
    if factor is None:
        raise ValueError(f"'{text}' has an unknown size suffix '{suffix}': use k, kb, kib, m, mb ... or quote it")
    if len(digits) > 20 or not -(1 << 63) <= (value := int(digits) * factor) < 1 << 63:
        raise ValueError(f"integer '{text}' is out of the range")
    return value


def duration_s(text: str) -> float:
    """Seconds of a duration such as ``1m30s`` or ``1.5h``. Raises ValueError."""
    sign, rest = (-1.0, text[1:]) if text[:1] == "-" else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, position = 0.0, 0
    while position < len(rest) and (match := _DURATION.match(rest, position)):
        total += float(match[1]) * _UNITS_S[match[2]]
        position = match.end()
    if not rest or position < len(rest):
        raise ValueError(f'"{text}" is not a duration: write 500ms, 2s, 1m30s or 1h')
    return sign * total
