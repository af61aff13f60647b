"""Box tables with the title inside the box, aligned by what a terminal shows.

::

    ╭──────────────────╮
    │     Exports      │
    ├──────┬───────────┤
    │ Name │ Subject   │
    ├──────┼───────────┤
    │ abc  │ a.b.c.>   │
    ╰──────┴───────────╯
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Table", "printable", "width"]


class Table:
    """A titled table. ``headers`` may be empty: then the first column holds labels."""

    def __init__(self, title: str, headers: Sequence[str] = ()) -> None:
        self.title = title
        self._rows: list[tuple[str, ...] | None] = []
        self._bold: set[int] = set()
        if headers:
            self.row(*headers)
            self.separator()

    def row(self, *cells: object, bold: bool = False) -> None:
        """Add a row; what is not text is shown as ``str`` does."""
        if bold:
            self._bold.add(len(self._rows))
        self._rows.append(tuple(printable(str(cell)) for cell in cells))

    def rows(self, label: str, values: Sequence[object]) -> None:
        """Add one row for each value, with the label on the first only."""
        for number, value in enumerate(values):
            self.row("" if number else label, value)

    def separator(self) -> None:
        """Add a line between rows. At either end, or next to another one, it does not show."""
        if self._rows and self._rows[-1] is not None:
            self._rows.append(None)

    def render(self, *, colour: bool = False) -> str:
        """The table, without a final newline. ``colour`` shows bold rows as a terminal does."""
        rows = self._rows[:-1] if self._rows and self._rows[-1] is None else self._rows
        widths = _widths(self.title, rows)
        total = sum(widths) + 3 * (len(widths) - 1)
        left = (total - width(self.title)) // 2
        lines = [
            f"╭{'─' * (total + 2)}╮",
            f"│ {' ' * left}{_fill(printable(self.title), total - left)} │",
            _border("├┬┤", widths),
        ]
        for number, row in enumerate(rows):
            bold = colour and number in self._bold
            lines.append(_border("├┼┤", widths) if row is None else _line(row, widths, bold=bold))
        lines.append(_border("╰┴╯", widths))
        return "\n".join(lines)


def _widths(title: str, rows: Sequence[tuple[str, ...] | None]) -> list[int]:
    count = max((len(row) for row in rows if row), default=1)
    widths = [0] * count
    for row in rows:
        for column, cell in enumerate(row or ()):
            widths[column] = max(widths[column], width(cell))
    widths[-1] += max(0, width(title) - sum(widths) - 3 * (count - 1))
    return widths


def _border(corners: str, widths: Sequence[int]) -> str:
    return corners[0] + corners[1].join("─" * (size + 2) for size in widths) + corners[2]


def _line(row: tuple[str, ...], widths: Sequence[int], *, bold: bool) -> str:
    cells = [*row, *[""] * (len(widths) - len(row))]
    on, off = ("\x1b[1m", "\x1b[0m") if bold else ("", "")
    padded = (f"{on}{cell}{off}{' ' * (size - width(cell))}" for cell, size in zip(cells, widths, strict=True))
    return f"│ {' │ '.join(padded)} │"


def _fill(text: str, size: int) -> str:
    return text + " " * (size - width(text))


def printable(text: str) -> str:
    """``text`` with control characters shown as escapes: names come from other people's tokens."""
    if text.isprintable():
        return text
    return "".join(char if _may_show(char) else char.encode("unicode_escape").decode() for char in text)


def _may_show(char: str) -> bool:
    # The joiner makes one emoji of several; other format characters can reorder or hide text.
    return char.isprintable() or char == "\u200d"


def width(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    total = last = 0
    joined = False
    for char in text:
        if char == "\ufe0f":  # show the character before as an emoji
            total += last == 1
        elif not joined:
            size = _char_width(char, last)
            total += size
            last = size or last
        joined = char == "\u200d"
    return total


def _char_width(char: str, before: int) -> int:
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":  # marks, final parts of Hangul syllables
        return 0
    if "\U0001f3fb" <= char <= "\U0001f3ff" and before == 2:  # skin tones
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
