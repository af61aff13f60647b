"""Imports that come back to the account they start from.

An import goes on into those imports of its exporter whose local subjects overlap with what is imported. When such a
walk reaches an account again that it started from, no import on it delivers: whichever was meant, it would feed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from natskit import subjects
from natskit.graph.link import ImportAnswer, Link

__all__ = ["cycle_through"]

MAX_STEPS = 1024
"""Imports looked at in one search; a longer chain counts as a cycle, as in nats-server."""


def cycle_through(account: str, number: int, candidates: Callable[[str], tuple[ImportAnswer, ...]]) -> tuple[str, ...]:
    """The accounts on a way from import ``number`` of ``account`` back to ``account``; empty if there is none.

    ``candidates`` gives the imports of an account as far as importer and exporter alone decide.
    """
    first = candidates(account)[number]
    came_from: dict[tuple[str, int], tuple[str, int] | None] = {(account, number): None}
    waiting = [first]
    while waiting:
        here = waiting.pop()
        for onward in candidates(here.exporter):
            step = onward.importer, onward.number
            if step in came_from or not _goes_on(here, onward):
                continue
            came_from[step] = here.importer, here.number
            if onward.exporter == account or len(came_from) > MAX_STEPS:
                return _way(step, came_from)
            waiting.append(onward)
    return ()


def _goes_on(here: ImportAnswer, onward: ImportAnswer) -> bool:
    """Whether what ``here`` takes from its exporter includes what the exporter gets by ``onward``."""
    return onward.kind == here.kind and isinstance(onward, Link) and subjects.overlaps(onward.local, here.remote)


def _way(step: tuple[str, int] | None, came_from: Mapping[tuple[str, int], tuple[str, int] | None]) -> tuple[str, ...]:
    accounts: list[str] = []
    while step is not None:
        accounts.append(step[0])
        step = came_from[step]
    return tuple(reversed(accounts))
