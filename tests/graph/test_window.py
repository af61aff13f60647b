"""Times of day: when a user may be connected, and until when."""

from __future__ import annotations

import pytest

from natskit.errors import AuthenticationError
from natskit.graph.window import window_end
from natskit.jwt import TimeRange

MIDNIGHT = 1_800_057_600  # in UTC
HOUR = 3600


@pytest.mark.parametrize(
    ("ranges", "hour", "end"),
    [
        (["08:00:00-09:00:00"], 8.5, 9),
        (["08:00:00-09:00:00"], 8, None),  # a range is without its ends
        (["08:00:00-09:00:00"], 9, None),
        (["08:00:00-09:00:00", "08:15:00-10:00:00"], 8.5, 10),
        (["22:00:00-02:00:00"], 23, 26),
        (["22:00:00-02:00:00"], 1, 2),
        (["22:00:00-02:00:00"], 12, None),
    ],
)
def test_the_latest_end_of_the_ranges_around_a_moment(ranges: list[str], hour: float, end: float | None) -> None:
    found = window_end([TimeRange(*each.split("-")) for each in ranges], "UTC", MIDNIGHT + hour * HOUR)
    assert found == (None if end is None else MIDNIGHT + end * HOUR)


def test_a_range_or_zone_that_cannot_be_read_lets_nobody_in() -> None:
    with pytest.raises(AuthenticationError, match="invalid time"):
        window_end([TimeRange("8", "9")], "UTC", MIDNIGHT)
    with pytest.raises(AuthenticationError, match="unknown time zone"):
        window_end([TimeRange("08:00:00", "09:00:00")], "../etc/passwd", MIDNIGHT)
