"""What validation finds."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning", "time"]


class Issue(msgspec.Struct, frozen=True):
    """One finding. Errors block; a ``time`` finding blocks where the clock counts: on servers, not on editing."""

    severity: Severity
    text: str
    path: str = ""

    @property
    def blocking(self) -> bool:
        """Whether it is an error."""
        return self.severity == "error"

    @property
    def refused(self) -> bool:
        """Whether servers refuse the token for it: an error, or a date."""
        return self.severity != "warning"


class Issues:
    """Collects findings in order."""

    def __init__(self) -> None:
        self.found: list[Issue] = []

    def error(self, text: str, path: str = "") -> None:
        """Add an error."""
        self.found.append(Issue("error", text, path))

    def warning(self, text: str, path: str = "") -> None:
        """Add a warning."""
        self.found.append(Issue("warning", text, path))

    def time(self, text: str, path: str = "") -> None:
        """Add a finding about dates."""
        self.found.append(Issue("time", text, path))


_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    """The text as the reference quotes values in its messages: double quotes, backslash escapes."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if (known := _ESCAPES.get(char)) or char.isprintable():
        return known or char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
