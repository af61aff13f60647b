"""What has grown between two moments of rest that should not have."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

EQUAL = ("descriptors", "tasks", "members", "accounts", "subscriptions")
"""As many at rest, however much has come and gone."""

TIMERS = 10
"""Requests that nobody answered wait for their time."""

MARGINS = {"objects": 1_500, "rss_mb": 8.0}
"""Garbage that is due, fragments, pages touched late: from the warm server to the last third."""

THREADS = min(32, (os.cpu_count() or 1) + 4) + 2
"""The pool that hashes passwords grows up to this when it is needed."""


def growths(before: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each thing that has grown from ``before`` to the last samples; none: there is no leak."""
    after = samples[-1]
    found = [f"{name}: {before[name]} -> {after[name]}" for name in EQUAL if after[name] > before[name]]
    if after["connections"]:
        found.append(f"connections that nobody holds: {after['connections']}")
    if after["threads"] > max(before["threads"], THREADS):
        found.append(f"threads: {before['threads']} -> {after['threads']}")
    if after["timers"] > before["timers"] + TIMERS:
        found.append(f"timers: {before['timers']} -> {after['timers']}")
    last = samples[-max(len(samples) // 3, 1) :]
    for name, margin in MARGINS.items():
        typical = statistics.median(each[name] for each in last)
        if typical > before[name] + margin:
            found.append(f"{name}: {before[name]} -> {typical}, where {margin} more may be")
    if after["faults"]:
        found.append(f"{after['faults']} internal errors, the first: {after['fault']}")
    return found
