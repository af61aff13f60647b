"""The times of day at which a user may be connected.

Ranges are ``HH:MM:SS`` in a time zone; one that ends before it starts goes over midnight. A moment is inside if it is
after the start and before the end. Source: spec/server-accounts.md section 1.4 row 14.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from natskit.errors import AuthenticationError

if TYPE_CHECKING:
    from natskit.jwt import TimeRange

__all__ = ["window_end"]


def window_end(ranges: Iterable[TimeRange], location: str, now: float) -> float | None:
    """When the user has to leave, if it may be connected ``now``: the latest end of the ranges around it.

    None if no range is around ``now``. Raises AuthenticationError if a range or the zone cannot be read.
    """
    zone = _zone(location)
    today = datetime.datetime.fromtimestamp(now, zone).date()
    ends = []
    for each in ranges:
        start, end = _time(each.start), _time(each.end)
        for day in (today - datetime.timedelta(days=1), today):
            last = day + datetime.timedelta(days=1) if start > end else day
            begins, finishes = _moment(day, start, zone), _moment(last, end, zone)
            if begins < now < finishes:
                ends.append(finishes)
    return max(ends, default=None)


def _moment(day: datetime.date, time: datetime.time, zone: datetime.tzinfo | None) -> float:
    return datetime.datetime.combine(day, time, zone).timestamp()


def _time(text: str) -> datetime.time:
    try:
        hours, minutes, seconds = text.split(":")
        return datetime.time(int(hours), int(minutes), int(float(seconds)))
    except ValueError:
        raise AuthenticationError(f'invalid time "{text}" in the time ranges of the user: write HH:MM:SS') from None


def _zone(location: str) -> datetime.tzinfo | None:
    """The zone called ``location``; None, the server's own, for an empty name or ``Local``."""
    if location in ("", "Local"):
        return None
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(location)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise AuthenticationError(f'could not parse iana time zone by name: unknown time zone "{location}"') from None
