"""Subject mappings: what a message is called when it enters an account, possibly by chance.

Source: spec/server-accounts.md section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.graph.flow import Flow
from natskit.subjects import Transform

__all__ = ["Branch", "Destination", "Mapping", "Mappings"]

SCALE = 1_000_000
"""Weights are in millionths of a percent, so that a choice by chance within a destination divides evenly enough."""

MAX_OUTCOMES = 1024
"""So many outcomes of chance within one destination are told apart; beyond, as many are drawn."""


class Destination(Struct, frozen=True, kw_only=True):
    """One of the subjects that a source is mapped to, for ``weight`` percent of the messages."""

    subject: str
    weight: int = 100


class Mapping(Struct, frozen=True, kw_only=True):
    """Where messages on ``source`` go. What the weights leave over keeps its subject, or is dropped if the source is
    one of the destinations. No destination: nothing is changed.
    """

    source: str
    destinations: tuple[Destination, ...]


class Branch(Struct, frozen=True, kw_only=True):
    """What mappings do with a part of the messages: ``before`` is what they are published on, ``after`` what they are
    called then (None: they are dropped), for ``chance`` (0 to 1) of those on ``before``.

    ``mapping`` None: none concerns them. Not ``exact``: some subjects of ``before`` become none of ``after``, since
    what a function of the mapping makes of them cannot be told from outside.
    """

    before: Flow
    after: Flow | None
    chance: float = 1.0
    mapping: Mapping | None = None
    exact: bool = True


class Mappings:
    """The mappings of one account. Of several that match, the one of just this subject counts, else the narrowest."""

    def __init__(self, mappings: tuple[Mapping, ...]) -> None:
        self._mappings = sorted(map(_Compiled, mappings), key=_Compiled.width)

    @classmethod
    def compile(cls, mappings: Iterable[Mapping]) -> Mappings:
        """Prepare mappings. Raises InvalidSubject with the server's text if one cannot work."""
        return _compile(tuple(mappings))

    def __bool__(self) -> bool:
        return bool(self._mappings)

    def choices(self, subject: str) -> tuple[tuple[int, str], ...] | None:
        """What a message published on ``subject`` is called: None for "as it is", else one of these, by weight.

        An empty subject stands for a message that is dropped.
        """
        for mapping in self._mappings:
            if subjects.matches(mapping.source, subject):
                return mapping.choices(subject)
        return None

    def overlapping(self, flow: Flow) -> tuple[Mapping, ...]:
        """The mappings that match some subject of ``flow``, the one that counts first coming first."""
        return tuple(each.mapping for each in self._mappings if flow.within(each.source) is not None)

    def forward(self, flow: Flow) -> Iterator[Branch]:
        """What becomes of messages published on ``flow``."""
        rest: Flow | None = flow
        for mapping in self._mappings:
            here = rest.within(mapping.source) if rest is not None else None
            if rest is None or here is None:
                continue
            yield from mapping.forward(here)
            rest = rest.minus(mapping.source)
        if rest is not None:
            yield Branch(before=rest, after=rest)

    def backward(self, flow: Flow) -> Iterator[Branch]:
        """What must be published to be called ``flow`` after the mappings."""
        narrower: list[str] = []
        for mapping in self._mappings:
            for branch in mapping.backward(flow):
                before = branch.before.minus(*narrower)
                if before is not None:
                    yield replace(branch, before=before)
            narrower.append(mapping.source)
        rest = flow.minus(*narrower)
        if rest is not None:
            yield Branch(before=rest, after=rest)


@lru_cache(maxsize=256)
def _compile(mappings: tuple[Mapping, ...]) -> Mappings:
    return Mappings(mappings)


class _Compiled:
    """One mapping with its transforms; None is the source itself."""

    def __init__(self, mapping: Mapping) -> None:
        subjects.validate(mapping.source)
        self.mapping = mapping
        self.source = mapping.source
        transforms = ((each, Transform.compile(mapping.source, each.subject)) for each in mapping.destinations)
        self._destinations = [
            (each.weight, None if each.subject == mapping.source else transform) for each, transform in transforms
        ]
        total = sum(each.weight for each in mapping.destinations)
        if total > 100:
            raise InvalidSubject(f'mapping "{mapping.source}": total weight needs to be <= 100', subject=mapping.source)
        listed = any(transform is None for _, transform in self._destinations)
        self._rest = 100 - total if self._destinations else 0
        self._rest_is_dropped = listed

    def width(self) -> tuple[int, int, int]:
        """Orders mappings from narrow to wide."""
        tokens = subjects.tokens(self.source)
        return tokens[-1] == ">", tokens.count("*"), -len(tokens)

    def choices(self, subject: str) -> tuple[tuple[int, str], ...] | None:
        if not self._destinations:
            return None
        found: list[tuple[int, str]] = []
        for weight, transform in self._destinations:
            if weight <= 0:
                continue
            if transform is None:
                found.append((weight * SCALE, subject))
            else:
                results = list(_outcomes(transform, subject))
                found += ((weight * SCALE // len(results), result) for result in results)
        if self._rest > 0:
            found.append((self._rest * SCALE, "" if self._rest_is_dropped else subject))
        return tuple(found)

    def forward(self, here: Flow) -> Iterator[Branch]:
        """What becomes of ``here``, which is within the source."""
        if not self._destinations:
            yield Branch(before=here, after=here, mapping=self.mapping)
            return
        for weight, transform in self._destinations:
            after = here if transform is None else here.through(transform)
            if weight > 0:
                yield Branch(before=here, after=after, chance=weight / 100, mapping=self.mapping)
        if self._rest > 0:
            after_rest = None if self._rest_is_dropped else here
            yield Branch(before=here, after=after_rest, chance=self._rest / 100, mapping=self.mapping)

    def backward(self, flow: Flow) -> Iterator[Branch]:
        """What must be published, within the source, to become ``flow``."""
        kept = flow.within(self.source)
        if kept is not None and not self._destinations:
            yield Branch(before=kept, after=kept, mapping=self.mapping)
        for weight, transform in self._destinations:
            found = None
            if transform is not None:
                found = _undone(transform, flow)
            elif kept is not None:
                found = kept, kept, True
            if found is not None and weight > 0:
                before, after, exact = found
                yield Branch(before=before, after=after, chance=weight / 100, mapping=self.mapping, exact=exact)
        if kept is not None and self._rest > 0 and not self._rest_is_dropped:
            yield Branch(before=kept, after=kept, chance=self._rest / 100, mapping=self.mapping)


def _undone(transform: Transform, flow: Flow) -> tuple[Flow, Flow, bool] | None:
    """The subjects that a transform turns into ``flow``, the part of ``flow`` that they become, and whether all do."""
    image = transform.image(transform.source)
    part = flow.within(image)
    if part is None:
        return None
    if transform.keeps_all:
        return part.through(transform.inverse()), part, True
    return Flow(transform.source), part, part == Flow(image)


def _outcomes(transform: Transform, subject: str) -> Iterator[str]:
    """Every result of a transform, each as likely as the others."""
    if not transform.varies:
        yield transform.apply(subject) or ""
        return
    waiting: list[list[int]] = [[]]
    made = 0
    while waiting:
        drawn = waiting.pop()
        chance = _Script(drawn)
        result = transform.apply(subject, chance) or ""
        if chance.more is None:
            made += 1
            yield result
        elif (made + len(waiting) + 1) * chance.more > MAX_OUTCOMES:
            import random

            draw = random.Random()  # noqa: S311 - spreads load, guards nothing
            for _ in range(MAX_OUTCOMES):
                yield transform.apply(subject, draw.randrange) or ""
            return
        else:
            waiting += ([*drawn, number] for number in range(chance.more))


class _Script:
    """Draws the numbers it is given; ``more`` is the range of the first one that it was not given."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = iter(numbers)
        self.more: int | None = None

    def __call__(self, below: int) -> int:
        number = next(self._numbers, None)
        if number is None:
            self.more = self.more or below
            return 0
        return number
