"""What a command did, line by line (spec/nsc.md 0.3), for people and as JSON.

A report is a tree. A ``note`` is something done or found on the way, ``success`` what the command was called for; a
warning needs attention, an error is a part that failed while others may not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .console import masked
from .tables import printable

__all__ = ["Report"]

_RANK = {"none": 0, "note": 1, "success": 1, "server": 1, "warning": 2, "error": 3}
_PREFIX = {"success": "Success! - ", "warning": "Warning: ", "error": "Error: ", "server": "> "}


class Report:
    """A node: a line and what belongs below it."""

    __slots__ = ("children", "kind", "text")

    def __init__(self, kind: str = "none", text: str = "") -> None:
        self.kind = kind
        self.text = text
        self.children: list[Report] = []

    # ---- adding lines; each returns the new node, so that details can go below it

    def note(self, text: str) -> Report:
        """Something done or found on the way."""
        return self._add("note", text)

    def success(self, text: str) -> Report:
        """What the command was called for is done: ``Success! - ...``."""
        return self._add("success", text)

    def warn(self, text: str) -> Report:
        """Done, but it needs attention."""
        return self._add("warning", text)

    def fail(self, text: str) -> Report:
        """A part that failed; the command goes on, and its exit status is 1."""
        return self._add("error", text)

    def forget_notes(self) -> None:
        """Drop what needs no attention."""
        self.children = [child for child in self.children if child.level in ("warning", "error")]

    def server(self, text: str) -> None:
        """What a server answered, line by line."""
        for line in text.splitlines():
            if line.strip():
                self._add("server", line.strip())

    def _add(self, kind: str, text: str) -> Report:
        child = Report(kind, masked(text))
        self.children.append(child)
        return child

    # ---- reading it

    @property
    def level(self) -> str:
        """The worst of this node and all below it: ``none``, ``note``, ``warning`` or ``error``."""
        return max((self.kind, *(child.level for child in self.children)), key=_RANK.__getitem__)

    @property
    def failed(self) -> bool:
        """Whether a part failed."""
        return self.level == "error"

    @property
    def first_error(self) -> str:
        """What failed first, in its own words."""
        for child in self.children:
            if child.failed:
                return child.first_error or child.text
        return ""

    def lines(self, depth: int = 0) -> Iterator[tuple[str, str]]:
        """Every line below this node with its kind, indented by depth."""
        for child in self.children:
            yield child.kind, f"{'  ' * depth}{_PREFIX.get(child.kind, '')}{printable(child.text)}"
            yield from child.lines(depth + 1)

    def summary(self) -> str:
        """``E jobs failed - O jobs succeeded and W had warnings``; empty if one thing failed alone."""
        levels = [child.level for child in self.children]
        failed, warned = levels.count("error"), levels.count("warning")
        succeeded = len(levels) - failed - warned
        if len(levels) < 2:
            return ""
        if failed == len(levels):
            return "all jobs failed"
        return f"{_jobs(failed)} failed - {_jobs(succeeded)} succeeded and {warned} had warnings"

    def documents(self) -> list[dict[str, Any]]:
        """The lines as JSON: ``status``, ``text`` and, if there are, ``details``."""
        return [
            {"status": child.kind, "text": child.text, **({"details": child.documents()} if child.children else {})}
            for child in self.children
        ]


def _jobs(count: int) -> str:
    return f"{count} job" if count < 2 else f"{count} jobs"
