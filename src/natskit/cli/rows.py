"""A file with one entity a row: CSV with a header, or a JSON object on each line.

Columns are flags of the command that makes such an entity, by their names; a cell is read as the value of that flag is.
An empty cell, ``null`` or a missing member is a flag that was not given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from natskit.errors import InvalidFile, UsageError

from .command import Flag, Parsed

__all__ = ["Problems", "Row", "read_rows"]


class Row:
    """One row: the number of its line, values by keyword as a command gets them, the names of flags given."""

    __slots__ = ("given", "number", "values")

    def __init__(self, number: int, parsed: Parsed) -> None:
        self.number = number
        self.values = parsed.values
        self.given = parsed.given


class Problems:
    """What is wrong with a file, line by line: all of it is told at once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        """Something is wrong with a line."""
        self._found.append((line, text))

    def check(self) -> None:
        """Raise InvalidFile if there are any."""
        if self._found:
            raise InvalidFile(self._file, sorted(self._found), hint="nothing was done: correct the file and try again")


def read_rows(text: str, file: str, flags: Sequence[Flag], aliases: Mapping[str, str]) -> list[Row]:
    """The rows of ``text``. ``aliases`` are other names of flags. Raises InvalidFile with every line that is wrong."""
    problems = Problems(file)
    columns = _Columns(flags, aliases)
    cells = _objects(text, problems) if text.lstrip()[:1] == "{" else _records(text, columns, problems)
    rows = []
    for number, members in cells:
        try:
            rows.append(Row(number, _parsed(members, columns)))
        except UsageError as error:
            problems.add(number, error.message)
    problems.check()
    if not rows:
        raise InvalidFile(file, [(1, "there are no rows")])
    return rows


class _Columns:
    """The columns that a table may have."""

    def __init__(self, flags: Sequence[Flag], aliases: Mapping[str, str]) -> None:
        self.flags = flags
        self._known = {flag.name: flag for flag in flags}
        self._aliases = aliases

    def find(self, column: str) -> Flag:
        """The flag of a column. Raises UsageError."""
        name = column.strip().lower().replace("_", "-").replace(" ", "-")
        flag = self._known.get(self._aliases.get(name, name))
        if flag is None:
            known = ", ".join(each.name for each in self.flags if not each.hidden)
            raise UsageError(f'unknown column "{column}": known are {known}')
        return flag


def _parsed(members: Mapping[str, Any], columns: _Columns) -> Parsed:
    parsed = Parsed(columns.flags)
    for column, value in members.items():
        flag = columns.find(column)
        if flag.name in parsed.given:
            raise UsageError(f'column "{column}" is there twice')
        text = _text(flag, value)
        if text:
            parsed.take(flag, text)
    return parsed


def _text(flag: Flag, value: Any) -> str:
    """A cell as the text of a flag."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list) and flag.default == () and all(isinstance(each, str) for each in value):
        return ",".join(f'"{each.replace(chr(34), chr(34) * 2)}"' for each in value)
    raise UsageError(f'"{flag.name}" cannot be {value!r}')


def _objects(text: str, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    import msgspec

    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            problems.add(number, f"no JSON object: {error}")


def _records(text: str, columns: _Columns, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    import csv
    import io

    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next((row for row in reader if any(row)), [])
        if len({columns.find(name).name for name in header}) < len(header):
            raise UsageError("a column is there twice")
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                problems.add(reader.line_num, f"{len(row)} cells, the header has {len(header)}")
                continue
            yield reader.line_num, dict(zip(header, row, strict=True))
    except (UsageError, csv.Error) as error:
        problems.add(reader.line_num, str(error))
