"""What validation finds."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "time"]


class Issue(NamedTuple):
    """One finding. Errors block; a ``time`` finding blocks where the clock counts: on servers, not on editing."""

    severity: Severity
    text: str
    path: str = ""

    @property
    def blocking(self) -> bool:
        """Whether it is an error."""
        return self.severity == "error"


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
