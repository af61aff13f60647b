"""Exit statuses of the programs: a contract that scripts live on (docs/json.md)."""

from __future__ import annotations

__all__ = ["DONE", "DRIFT", "INTERRUPTED", "MISUSED", "NO_READER", "REFUSED", "UNCHANGED"]

DONE = 0
REFUSED = 1
"""The state of things does not allow it, a part of it failed, or a server does not answer."""
MISUSED = 2
"""The command line makes no sense: unknown command or flag, missing argument, bad value."""
UNCHANGED = 3
"""Everything is as asked for already, nothing was written."""
DRIFT = 3
"""A comparison found a difference, a check found something to mend."""
INTERRUPTED = 130
"""Ctrl-C, at a question too: nothing was written; of a batch, whole commands were."""
NO_READER = 141
"""The reader of stdout has gone."""
