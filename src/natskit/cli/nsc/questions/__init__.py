"""Interactive mode: what each command asks for before it runs (spec/nsc.md 2.7).

Answers become the values of flags, so that a command does not know whether it was asked or told. What was given on the
command line is not asked again. Questions come first: Ctrl-C at any of them leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import edits, exchange, identities, sharing
from .questions import Questions

if TYPE_CHECKING:
    from natskit.cli.command import Command, Parsed

    from ..run import Run

__all__ = ["ASKED", "ask"]

ASKED: dict[str, Callable[[Questions], None]] = {
    **identities.ASKED,
    **edits.ASKED,
    **sharing.ASKED,
    **exchange.ASKED,
}
"""Commands that have questions."""


def ask(path: str, run: Run, command: Command, parsed: Parsed) -> None:
    """Ask what the command at ``path`` asks, if it asks anything. Raises UsageError without a terminal."""
    questions = ASKED.get(path)
    if questions is not None:
        questions(Questions(run, command, parsed.values))
