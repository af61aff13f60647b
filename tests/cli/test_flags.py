"""Value syntaxes of flags: what they mean, what they refuse, and the same values in words."""

from __future__ import annotations

import calendar
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.cli import flags
from natskit.errors import UsageError

NOW = calendar.timegm((2024, 1, 31, 10, 30, 0))


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("-1", -1),
        ("1500", 1500),
        ("2,048", 2048),
        ("1.5M", 1_500_000),
        ("1k", 1000),
        ("1 kb", 1000),
        ("1Ki", 1024),
        ("2GiB", 2 << 30),
        ("10b", 10),
        ("1E", 10**18),
    ],
)
def test_size_with_unit(text, value):
    assert flags.parse_size(text) == value


@pytest.mark.parametrize("text", ["ten", "1e3", "5x", "1.2.3", "--1", "k", "9E9", "99999999999999999999", "1k\n", "１"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError):
        flags.parse_size(text)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (10, "10 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2_147_483_648, "2.1 GB"),
        (12_345, "12 kB"),
        (10**18, "1.0 EB"),
    ],
)
def test_size_in_words(size, words):
    assert flags.format_bytes(size) == words


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("300ms", 0.3, "300ms"),
        ("5s", 5, "5s"),
        ("1m30s", 90, "1m30s"),
        ("2h", 7200, "2h0m0s"),
        ("1.5h", 5400, "1h30m0s"),
        ("0", 0, "0s"),
        ("-2m", -120, "-2m0s"),
        ("1500ms", 1.5, "1.5s"),
        ("122934ns", 0.000122934, "122.934µs"),
    ],
)
def test_duration_as_go_reads_and_prints_it(text, seconds, printed):
    nanoseconds = flags.parse_duration(text)
    assert nanoseconds == round(seconds * 1e9)
    assert flags.format_duration(nanoseconds) == printed


@pytest.mark.parametrize("text", ["", "10", "soon", "5 s", "1d", "s", ".s", "1m-3s", "99999999999h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UsageError):
        flags.parse_duration(text)


@given(st.integers(0, (1 << 63) - 1))
def test_printed_duration_reads_back(nanoseconds):
    assert flags.parse_duration(flags.format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2030-01-31", (2030, 1, 31, 0, 0, 0)),
        ("2030-01-31 12:30:45 UTC", (2030, 1, 31, 12, 30, 45)),
        ("2030-01-31T12:30:45Z", (2030, 1, 31, 12, 30, 45)),
        ("2030-01-31T12:30:45+02:00", (2030, 1, 31, 10, 30, 45)),
        ("30m", (2024, 1, 31, 11, 0, 0)),
        ("2h", (2024, 1, 31, 12, 30, 0)),
        ("-1d", (2024, 1, 30, 10, 30, 0)),
        ("2w", (2024, 2, 14, 10, 30, 0)),
        ("1M", (2024, 3, 2, 10, 30, 0)),  # the 31st of February, as Go counts
        ("11M", (2024, 12, 31, 10, 30, 0)),
        ("-1M", (2023, 12, 31, 10, 30, 0)),
        ("1y", (2025, 1, 31, 10, 30, 0)),
        ("1y2d", (2025, 2, 2, 10, 30, 0)),
    ],
)
def test_moment(text, date):
    assert flags.parse_moment(text, NOW) == calendar.timegm(date)


@pytest.mark.parametrize("text", ["", "0", "0d"])
def test_no_moment(text):
    assert flags.parse_moment(text, NOW) == 0


def test_days_are_calendar_days_where_clocks_change(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    noon_before_summer_time = calendar.timegm((2024, 3, 30, 11, 0, 0))
    assert flags.parse_moment("1d", noon_before_summer_time) - noon_before_summer_time == 23 * 3600


@pytest.mark.parametrize(
    "text", ["never", "1.5d", "3x", "2d3", "2030-13-01", "2030-02-30", "until 2030-01-01", "d", "999999999y", "1d\x00"]
)
def test_what_is_no_moment_is_refused_with_name_and_value(text):
    with pytest.raises(UsageError, match="start") as refusal:
        flags.parse_moment(text, NOW, "start")
    assert text in str(refusal.value)


@given(st.text(max_size=20))
def test_moment_parser_raises_usage_errors_only(text):
    with contextlib.suppress(UsageError):
        assert isinstance(flags.parse_moment(text, NOW), int)


def test_instant_is_unix_seconds_or_rfc_3339():
    assert flags.parse_instant("1577836800") == 1577836800
    assert flags.parse_instant("2021-05-06T07:08:09Z") == calendar.timegm((2021, 5, 6, 7, 8, 9))
    with pytest.raises(UsageError, match="yesterday"):
        flags.parse_instant("yesterday")


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (-59, "59 seconds ago"),
        (86_399, "in 23 hours"),
        (86_400, "in 1 day"),
        (-8 * 86_400, "1 week ago"),
        (40 * 86_400, "in 1 month"),
        (366 * 86_400, "in 1 year"),
        (-600 * 86_400, "2 years ago"),
        (10 * 360 * 86_400, "in 10 years"),
        (40 * 360 * 86_400, "in a long while"),
    ],
)
def test_distance_in_words(distance, words):
    assert flags.relative(NOW + distance, NOW) == words


def test_date_in_words():
    assert flags.format_date(0) == ""
    assert flags.format_date(NOW) == "2024-01-31 10:30:00 UTC"
    assert flags.format_date(1 << 62) == f"{1 << 62} (Unix seconds)"


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ('"a,b",c', ["a,b", "c"]),
        ('"say ""hi""",', ['say "hi"', ""]),
        ("a,,b", ["a", "", "b"]),
    ],
)
def test_list_is_one_csv_record(text, elements):
    assert flags.parse_list(text) == elements


@pytest.mark.parametrize("text", ['"a', 'a"b', '"a"b'])
def test_quotes_that_do_not_fit_are_refused(text):
    with pytest.raises(UsageError):
        flags.parse_list(text)
