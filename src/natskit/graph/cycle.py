"""Imports that come back to the account they start from.

An import goes on into those imports of its exporter whose local subjects overlap with what is imported. When such a
walk reaches an account again that it started from, no import on it delivers: whichever was meant, it would feed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from natskit import subjects
from natskit.graph.account import SERVICE
from natskit.graph.link import ImportAnswer, Link

__all__ = ["comes_back_by_name", "cycle_through"]

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


def comes_back_by_name(link: Link, imports_of: Callable[[str], tuple[ImportAnswer, ...]]) -> bool:
    """Whether nats-server may refuse a service import that delivers here, since it counts it as part of a cycle.

    It goes by what the exporters call their services, whatever the accounts in between call them; where there are
    several ways, chance decides. Source: nats-server server/accounts.go, checkServiceImportsForCycles.
    """
    passed = {link.importer}
    waiting = [(link.exporter, link.local)]
    while waiting and len(passed) < MAX_STEPS:
        account, name = waiting.pop()
        for onward in imports_of(account):
            if onward.kind != SERVICE or not isinstance(onward, Link) or not subjects.overlaps(name, onward.remote):
                continue
            if onward.exporter in passed:
                return True
            passed.add(account)
            name = onward.local if subjects.covers(name, onward.local) else name
            waiting.append((onward.exporter, name))
    return False


def _goes_on(here: ImportAnswer, onward: ImportAnswer) -> bool:
    """Whether what ``here`` takes from its exporter includes what the exporter gets by ``onward``."""
    return onward.kind == here.kind and isinstance(onward, Link) and subjects.overlaps(onward.local, here.remote)


def _way(step: tuple[str, int] | None, came_from: Mapping[tuple[str, int], tuple[str, int] | None]) -> tuple[str, ...]:
    accounts: list[str] = []
    while step is not None:
        accounts.append(step[0])
        step = came_from[step]
    return tuple(reversed(accounts))
