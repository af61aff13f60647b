"""What the commands of a batch say: kept until it is certain that they were carried out, then shown in their order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from natskit.cli.console import Console, error_document, format_json, masked
from natskit.errors import Error

if TYPE_CHECKING:
    from .source import BatchCommand

__all__ = ["Live", "Recorder", "Teller"]

_CLEAR_LINE = "\r\x1b[K"


class Live(Console):
    """Shows what a command says at once; its error is for the batch to tell."""

    error: Error | None = None

    def fail(self, error: Error) -> None:
        self.error = error


class Recorder(Live):
    """Keeps what a command says: lines, and whether they are notices.

    Where it ``gathers`` (the batch speaks JSON), its documents and its notices instead.
    """

    def __init__(self, *, json: bool, gathers: bool) -> None:
        super().__init__(json=json)
        self.lines: list[tuple[bool, str]] = []
        self.documents: list[msgspec.Raw] = []
        self.notices: list[str] = []
        self._gathers = gathers

    def write(self, text: str) -> None:
        if not self._gathers:
            self.lines.append((False, text))
            return
        try:
            document = msgspec.json.format(text, indent=-1)
        except msgspec.DecodeError:  # a token, say
            document = msgspec.json.encode(text).decode()
        self.documents.append(msgspec.Raw(document.encode()))

    def document(self, value: object) -> None:
        self.write(format_json(value))

    def line(self, value: object) -> None:
        self.write(msgspec.json.encode(value).decode())

    def flush(self) -> None:
        """Nothing is shown yet."""

    def notice(self, text: str) -> None:
        if self._gathers:
            self.notices.append(masked(text))
        else:
            self.lines.append((True, text))


class Teller:
    """Shows outcomes: for people as if the commands were run alone, with ``json`` one line each; and how far it is.

    ``quiet`` leaves out what good commands say.
    """

    def __init__(self, console: Console, file: str, total: int, *, json: bool, quiet: bool) -> None:
        self._console = console
        self._file = file
        self._json = json
        self._quiet = quiet
        self._bar = self._make_bar(total) if total else None

    @staticmethod
    def _make_bar(total: int) -> Any:
        """A progress bar, on a terminal."""
        if not sys.stderr.isatty():
            return None
        import click

        bar = click.progressbar(length=total, file=sys.stderr, show_pos=True, width=30)
        bar.render_progress()
        return bar

    def advance(self) -> None:
        """One more command is done."""
        if self._bar is not None:
            self._bar.update(1)

    def close(self) -> None:
        """The bar goes."""
        self.clear()
        self._bar = None

    def clear(self) -> None:
        """Take the bar away, for others to write."""
        if self._bar is not None:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()

    def tell(self, command: BatchCommand, status: int, said: Live, *, good: bool) -> None:
        """Show how a command went."""
        self.clear()
        if isinstance(said, Recorder):
            for aside, line in said.lines if not (self._quiet and good) else ():
                (self._console.notice if aside else self._console.write)(line)
        if self._json:
            if not (self._quiet and good):
                self._console.line(self._document(command, status, said))
        elif not good:
            error = said.error or Error(f"it failed with exit status {status}")
            where = f"{self._file}:{command.number}: {command.text}"
            self._console.fail(Error(f"{where}: {error}", hint=error.hint))

    @staticmethod
    def _document(command: BatchCommand, status: int, said: Live) -> dict[str, Any]:
        document: dict[str, Any] = {"line": command.number, "command": masked(command.text), "exit": status}
        documents = said.documents if isinstance(said, Recorder) else []
        if isinstance(said, Recorder) and said.notices:
            document["notices"] = said.notices
        if len(documents) == 1:
            document["result"] = documents[0]
        elif documents:
            document["results"] = documents
        if said.error is not None:
            document |= error_document(said.error) | said.done
        return document

    def sum_up(self, **counts: int) -> None:
        """How many commands went how, on the last line of JSON."""
        if self._json:
            self._console.line({"batch": counts})
