"""Durations, which the language knows as texts only.

Source: spec/server-config.md section 1.2.
"""

from __future__ import annotations

import re

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


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
