"""Durations, which the language knows as texts only.

Source: spec/server-config.md section 1.2.
"""

from __future__ import annotations

from natskit.durations import parse_duration


def duration_s(text: str) -> float:
    """Seconds of a duration such as ``1m30s`` or ``1.5h``. Raises ValueError."""
    return parse_duration(text) / 1e9
