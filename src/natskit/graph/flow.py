"""The subjects that a question is about: one, or all that a pattern matches but for some."""

from __future__ import annotations

from msgspec import Struct

from natskit import subjects
from natskit.subjects import Transform

__all__ = ["Flow"]


class Flow(Struct, frozen=True):
    """The subjects that ``subject`` matches, but for those that a pattern of ``without`` matches.

    >>> Flow("orders.>").minus("orders.old.>").within("orders.*.eu")
    Flow(subject='orders.*.eu', without=('orders.old.>',))
    """

    subject: str
    without: tuple[str, ...] = ()

    @property
    def is_one(self) -> bool:
        """Whether it is a single subject."""
        return not subjects.has_wildcard(self.subject)

    def has(self, literal: str) -> bool:
        """Whether ``literal`` is one of the subjects."""
        return subjects.matches(self.subject, literal) and not any(
            subjects.matches(pattern, literal) for pattern in self.without
        )

    def within(self, pattern: str) -> Flow | None:
        """Those that ``pattern`` matches too; None if there are none."""
        common = subjects.intersection(self.subject, pattern)
        return Flow(common).minus(*self.without) if common is not None else None

    def minus(self, *patterns: str) -> Flow | None:
        """Those that no pattern matches; None if there are none."""
        left = self.without
        for pattern in patterns:
            if subjects.covers(pattern, self.subject):
                return None
            if pattern not in left and subjects.overlaps(pattern, self.subject):
                left = (*left, pattern)
        return Flow(self.subject, left)

    def through(self, transform: Transform) -> Flow:
        """What the subjects, all within the transform's source, become; possibly more than that."""
        kept: list[str] = []
        for pattern in self.without if transform.keeps_all else ():
            common = subjects.intersection(pattern, self.subject)
            if common is not None:
                kept.append(transform.image(common))
        return Flow(transform.image(self.subject), tuple(kept))
