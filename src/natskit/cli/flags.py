"""Value syntaxes of command line flags, and the same values in words (spec/nsc.md 4.2 and 5).

Each ``parse_*`` takes the text of a flag and raises UsageError with the reason only: the parser of the command line
says which flag it was.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from natskit import durations
from natskit.durations import format_duration
from natskit.errors import UsageError

__all__ = [
    "format_bytes",
    "format_date",
    "format_duration",
    "parse_boolean",
    "parse_duration",
    "parse_instant",
    "parse_integer",
    "parse_list",
    "parse_moment",
    "parse_size",
    "relative",
]

_INT64 = 1 << 63


def parse_boolean(text: str) -> bool:
    """A truth value as Go reads it: ``1 t true`` and ``0 f false``, in lower, upper or title case."""
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise UsageError("must be true or false")


def parse_integer(text: str) -> int:
    """A whole number of 64 bits."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise UsageError("must be a whole number")
    value = int(text) if len(text) < 21 else _INT64
    if not -_INT64 <= value < _INT64:
        raise UsageError("value out of range")
    return value


def parse_list(text: str) -> list[str]:
    """One CSV record: elements between commas, each of which may be in double quotes (``""`` is a quote in them)."""
    if '"' not in text:
        return text.split(",") if text else []
    elements = []
    rest: str | None = text
    while rest is not None:
        element, rest = _element(rest)
        elements.append(element)
    return elements


def _element(text: str) -> tuple[str, str | None]:
    """The first element of a record and what follows its comma, None if it was the last."""
    if not text.startswith('"'):
        element, comma, rest = text.partition(",")
        if '"' in element:
            raise UsageError('a double quote (") belongs around a whole element')
        return element, rest if comma else None
    match = re.match(r'"((?:[^"]|"")*)"(,|$)', text)
    if match is None:
        raise UsageError('a double quote (") is never closed, or something follows it')
    return match[1].replace('""', '"'), text[match.end() :] if match[2] else None


# ---- sizes

_UNITS = {"": 1, "b": 1} | {
    name: base**power
    for power, letter in enumerate("kmgtpe", 1)
    for base, names in ((1000, (letter, f"{letter}b")), (1024, (f"{letter}i", f"{letter}ib")))
    for name in names
}


def parse_size(text: str) -> int:
    """A number with an optional unit: ``1500``, ``2,048``, ``1.5M`` (powers of 1000), ``2GiB`` (of 1024).

    Empty is 0, -1 is unlimited; fractions of one are cut off.
    """
    if not text:
        return 0
    match = re.fullmatch(r"(-?)([0-9.,]*) ?([A-Za-z]*)(.*)", text, re.DOTALL)
    assert match
    sign, digits, unit, rest = match[1], match[2].replace(",", ""), match[3].lower() + match[4], match[4]
    if not re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", digits):
        raise UsageError('must be a number, with a unit such as "k", "MB" or "GiB" if you like')
    if rest or unit not in _UNITS:
        raise UsageError(f"unhandled size name: {unit}")
    whole, _, fraction = digits.partition(".")
    if len(digits) > 40:
        raise UsageError("value out of range")
    value: int = int((whole or "0") + fraction) * _UNITS[unit] // 10 ** len(fraction)
    if value >= _INT64:
        raise UsageError("value out of range")
    return -value if sign else value


def format_bytes(size: int) -> str:
    """A size in SI units: ``9 B``, ``10 B``, ``1.0 kB``, ``2.1 GB``."""
    if size < 10:
        return f"{size} B"
    value, unit = size, 0
    while value >= 1000 and unit < 6:
        value //= 1000
        unit += 1
    # The first decimal is rounded half up, and only then does the number of digits decide whether it is shown.
    tenths = (size * 20 // 1000**unit + 1) // 2
    number = f"{tenths // 10}.{tenths % 10}" if tenths < 100 else f"{round(tenths / 10)}"
    return f"{number} {('B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[unit]}"


# ---- durations


def parse_duration(text: str) -> int:
    """A duration as Go writes it (``300ms``, ``1m30s``, ``-2h``, ``1.5h``), in nanoseconds."""
    try:
        return durations.parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


# ---- points in time

# Compiled when a flag needs them: hardly any command line has a date, and a dash in it.
_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?: ([0-9]{2}):([0-9]{2}):([0-9]{2}) UTC)?"
_RFC3339 = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_PART = r"([+-]?[0-9]{1,9})([mhdwMy])"


def parse_moment(text: str, now: float, name: str = "expiry") -> int:
    """Unix seconds of a ``--start`` or ``--expiry`` value; 0 for none (empty or ``0``).

    A date (``2030-01-31``, ``2030-01-31 12:00:00 UTC``, RFC 3339) or one or more counts from now, each with its
    unit: ``m`` minutes, ``h``, ``d``, ``w``, ``M`` months, ``y``; negative counts lie in the past, and a count of 0
    is none. Raises UsageError that names ``name`` and the value.
    """
    text = text.strip()
    if text in ("", "0"):
        return 0
    try:
        if "-" not in text[1:]:
            return _from_now(text, now)
        date = re.fullmatch(_DATE, text, re.ASCII)
        if date:
            return _timestamp([int(part or 0) for part in date.groups()])
        return parse_instant(text) if re.fullmatch(_RFC3339, text, re.ASCII) else _from_now(text, now)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f'{name} "{text}" is invalid: there is no such date') from None
    except UsageError as error:
        raise UsageError(f'{name} "{text}" is invalid: {error.message}', hint=error.hint) from None


def _from_now(text: str, now: float) -> int:
    if "." in text:
        raise UsageError(f"start/expiry must be an integer value: {text}")
    parts = re.findall(_PART, text)
    if not parts or "".join(count + unit for count, unit in parts) != text:
        raise UsageError(
            f"couldn't parse expiry: {text}",
            hint="use a date (2030-01-31) or a count and a unit from now: 30m, 12h, 7d, 2w, 3M (months), 1y",
        )
    counts = dict.fromkeys("mhdwMy", 0)
    for count, unit in parts:
        counts[unit] += int(count)
    if not any(counts.values()):
        return 0
    # The calendar goes by local time, as people do: a month from the 31st is the same hour whatever the clocks do.
    then = time.localtime(now)
    month = then.tm_mon - 1 + counts["M"] + 12 * counts["y"]
    year, month = then.tm_year + month // 12, month % 12 + 1
    if not 1970 <= year <= 9999:
        raise ValueError
    day = then.tm_mday + counts["d"] + 7 * counts["w"]
    clock = (then.tm_hour, then.tm_min, then.tm_sec, 0, 0, -1)
    return int(time.mktime((year, month, day, *clock))) + counts["h"] * 3600 + counts["m"] * 60


def parse_instant(text: str) -> int:
    """Unix seconds of an ``--at`` value: Unix seconds themselves or RFC 3339."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    match = re.fullmatch(_RFC3339, text, re.ASCII)
    if match is None:
        raise UsageError(f'provided value "{text}" is not a number nor parsable as RFC3339')
    zone = match[7]
    ahead = 0 if zone in "Zz" else int(f"{zone[0]}1") * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    try:
        return _timestamp([int(part) for part in match.groups()[:6]]) - ahead
    except (ValueError, OverflowError):
        raise UsageError(f'there is no such date: "{text}"') from None


def _timestamp(parts: list[int]) -> int:
    year, month, day, hour, minute, second = parts
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def format_date(moment: int) -> str:
    """``2006-01-02 15:04:05 UTC``; empty for 0."""
    if not moment:
        return ""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{moment} (Unix seconds)"


_MINUTE, _HOUR, _DAY, _WEEK, _MONTH, _YEAR = 60, 3600, 86400, 604800, 2592000, 31104000
_STEPS = (
    (2, 0, "1 second"),
    (_MINUTE, 1, "seconds"),
    (2 * _MINUTE, 0, "1 minute"),
    (_HOUR, _MINUTE, "minutes"),
    (2 * _HOUR, 0, "1 hour"),
    (_DAY, _HOUR, "hours"),
    (2 * _DAY, 0, "1 day"),
    (_WEEK, _DAY, "days"),
    (2 * _WEEK, 0, "1 week"),
    (_MONTH, _WEEK, "weeks"),
    (2 * _MONTH, 0, "1 month"),
    (12 * _MONTH, _MONTH, "months"),
    (18 * _MONTH, 0, "1 year"),
    (2 * _YEAR, 0, "2 years"),
    (37 * _YEAR, _YEAR, "years"),
)


def relative(moment: int, now: float) -> str:
    """How far ``moment`` is from ``now`` in words, as the tool says it: ``in 23 hours``, ``6 years ago``, ``now``."""
    seconds = int(abs(moment - now))
    if seconds < 1:
        return "now"
    for limit, unit, words in _STEPS:
        if seconds < limit:
            distance = f"{seconds // unit} {words}" if unit else words
            break
    else:
        distance = "a long while"
    return f"in {distance}" if moment > now else f"{distance} ago"
