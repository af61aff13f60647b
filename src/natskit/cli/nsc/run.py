"""One run of a command: its workspace, what it reports, what it prints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import Flag, Parsed, switch, text
from natskit.cli.console import Console, format_json
from natskit.cli.exits import DONE, REFUSED, UNCHANGED
from natskit.cli.report import Report
from natskit.cli.tables import Table
from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.store import Committed, Flags, Workspace

__all__ = ["GLOBAL_FLAGS", "Run"]

GLOBAL_FLAGS = (
    text("config-dir", summary="folder of nsc.json", metavar="DIR"),
    text("data-dir", summary="folder of the operators' stores", metavar="DIR"),
    text("keystore-dir", summary="folder of keys and creds", metavar="DIR"),
    text("all-dirs", "H", "all three of them", metavar="DIR"),
    text("operator", summary="operator to work on, default $NSC_OPERATOR or the current one", metavar="NAME"),
    text("account", "a", "account to work on, default $NSC_ACCOUNT or the current one", metavar="NAME"),
    text("private-key", "K", "key to sign with: role of a scoped key, public key, seed or key file", metavar="KEY"),
    switch("interactive", "i", "ask for what is missing"),
    switch("json", "J", "print one JSON document"),
    switch("short-ids", summary="show the first 12 characters of keys"),
    switch("long-ids", "W", "show whole keys, also where a name is known"),
    switch("help", "h", "show help"),
)


_PLACES = ("config-dir", "data-dir", "keystore-dir", "all-dirs", "operator")


class Run:
    """What a command works with. Everything it prints goes through here, so that ``--json`` is one document.

    ``workspace`` is open; ``values`` are those of the global flags, ``given`` the names of all flags that were given.
    """

    def __init__(self, workspace: Workspace, console: Console, values: dict[str, Any], given: set[str]) -> None:
        self.workspace = workspace
        self.console = console
        self.values = values
        self.given = given
        self.report = Report()
        self._facts: dict[str, Any] = {}
        self._results: list[str] = []
        self._written: list[str] = []
        self._removed: list[str] = []
        self._answered = False

    # ---- what was asked for

    @property
    def json(self) -> bool:
        """Whether one JSON document is wanted."""
        return self.console.json

    @property
    def interactive(self) -> bool:
        """Whether to ask questions."""
        return bool(self.values["interactive"])

    @property
    def private_key(self) -> str:
        """The value of ``-K``: how the user named the signing key."""
        return str(self.values["private_key"])

    @property
    def is_2019(self) -> bool:
        """Whether this is the nsc of April 2019."""
        return self.workspace.profile.value == "2019"

    def moment(self, name: str, value: str) -> int | None:
        """Unix seconds of flag ``name`` (start, expiry), 0 for none; None if it was not given. Raises UsageError."""
        from natskit.cli.flags import parse_moment

        return parse_moment(value, self.workspace.now(), name) if name in self.given else None

    # ---- showing

    @property
    def places(self) -> list[str]:
        """The flags without which a command that is typed next would look elsewhere than this one did."""
        given = ((name, self.values[name.replace("-", "_")]) for name in _PLACES)
        return [f"--{name}={value}" for name, value in given if value]

    def key(self, public: str) -> str:
        """A public key as it is shown: whole unless ``--short-ids``; in 2019 short unless ``--long-ids``."""
        short = self.values["short_ids"] or (self.is_2019 and not self.values["long_ids"])
        return public[:12] if short else public

    def path(self, path: str) -> str:
        """A path as it is shown: with the home folder as ``~``."""
        return self.workspace.directories.shorten(path)

    def key_path(self, path: str) -> str:
        """The path of a key as it is shown. The page of 2019 leaves the suffix away."""
        shown = self.path(path)
        return shown.removesuffix(".nk") if self.is_2019 else shown

    def success(self, text: str) -> Report:
        """Report what the command was called for."""
        return self.report.success(text)

    def note(self, text: str) -> Report:
        """Report something done or found on the way."""
        return self.report.note(text)

    def warn(self, text: str) -> Report:
        """Report what needs attention."""
        return self.report.warn(text)

    def fail(self, text: str) -> Report:
        """Report a part that failed; the exit status is 1 then."""
        return self.report.fail(text)

    def unchanged(self, what: str) -> int:
        """Say that ``what`` is as asked for already, instead of what was noted on the way; the exit status of that."""
        self.report.forget_notes()
        self.report.note(f"nothing to change: {what} is like that already")
        self.fact(changed=False)
        return UNCHANGED

    def fact(self, **facts: Any) -> None:
        """Add members to the JSON document: entities with their keys, what was set, counts ..."""
        self._facts |= facts

    def files(self, committed: Committed) -> Committed:
        """Add the files that were written and removed to the JSON document; report exchanges with servers."""
        self._written += committed.written
        self._removed += committed.removed
        if committed.exchanges:
            from .exchanges import tell_exchange

            for operator, exchange in committed.exchanges:
                tell_exchange(self, operator, exchange)
        return committed

    def forget_files(self) -> None:
        """Take back what `files` added: it was not written after all."""
        self._written.clear()
        self._removed.clear()

    def full_path(self, path: str) -> str:
        """The absolute path of a file that the user named: ``~`` is the home folder."""
        from natskit.store.files import absolute

        return absolute(path, self.workspace.directories.home, self.workspace.cwd)

    def read_file(self, path: str) -> str:
        """The text of a file that the user named, ``-`` for stdin, without a byte order mark. Raises StoreError."""
        import sys

        from natskit.errors import NotFound, StoreError
        from natskit.store.files import read_text

        if path == "-":
            try:
                content: str | None = sys.stdin.buffer.read().decode()
            except UnicodeDecodeError:
                raise StoreError("what comes from stdin is not text") from None
        else:
            content = read_text(self.full_path(path))
        if content is None:
            raise NotFound(f"open {self.full_path(path)}: no such file or directory")
        return content.removeprefix("\ufeff")

    def write_file(self, path: str, text: str, *, mode: int = 0o600, overwrite: bool = True) -> str:
        """Write a file that the user named; return its absolute path. Raises StoreError, AlreadyExists."""
        from natskit.store.output import write_output

        full = self.full_path(path)
        write_output(full, text.encode(), mode, overwrite=overwrite)
        self.wrote(full)
        return full

    def wrote(self, path: str) -> None:
        """Add a file that was written outside of the store to the JSON document."""
        self._written.append(path)

    def result(self, text: str, **facts: Any) -> None:
        """Print ``text`` as the result (stdout; the report goes to stderr); ``facts`` stand for it in JSON."""
        self._results.append(text)
        self._facts |= facts

    def table(self, *tables: Table, **facts: Any) -> None:
        """Print tables as the result, with an empty line between; ``facts`` stand for them in JSON."""
        colour = self.console.has_colour()
        self.result("\n\n".join(table.render(colour=colour) for table in tables), **facts)

    def document(self, value: Any) -> None:
        """Print ``value`` as JSON now, as the only document of this run."""
        self.answer(format_json(value))

    def answer(self, text: str) -> None:
        """Print ``text`` now; with ``--json`` it is the document."""
        self.console.write(text)
        self.answered()

    def answered(self) -> None:
        """Say that the command has printed its documents itself."""
        self._answered = True

    # ---- the end

    def finish(self) -> int:
        """Print everything; return the exit status: whether a part failed."""
        if self.json:
            self._print_document()
        else:
            self._print_lines()
        return REFUSED if self.report.failed else DONE

    def abandon(self) -> None:
        """Tell what was reported before an error, if any of it was done."""
        if not (self._written or self._removed):
            return
        if self.json:
            self.console.done = self._told()
        else:
            for _, line in self.report.lines():
                self.console.notice(line)

    def _print_document(self) -> None:
        """The document on stdout; if a part failed, an error on stderr too, as for any failure."""
        if not self._answered:
            self.console.document(self._facts | self._told())
        if self.report.failed:
            self.console.done = {"report": self.report.documents()} if self._answered else {}
            self.console.fail(Error(self.report.summary() or self.report.first_error))

    def _print_lines(self) -> None:
        for text_ in self._results:
            self.console.write(text_)
        aside = bool(self._results) or self._answered
        problem = False
        for kind, line in self.report.lines():
            problem = problem if kind == "server" else kind in ("warning", "error")
            (self.console.notice if aside or problem else self.console.write)(line)
        summary = self.report.summary() if self.report.failed else ""
        if summary:
            self.console.notice(f"Error: {summary}")

    def _told(self) -> dict[str, Any]:
        """The lines, and the files that were written and removed; those that there are."""
        told = {"report": self.report.documents(), "written": self._written, "removed": self._removed}
        return {name: value for name, value in told.items() if value}


def merged(flags: Sequence[Flag]) -> list[Flag]:
    """A command's flags and the global ones that it has no own version of."""
    names = {flag.name for flag in flags}
    letters = {flag.letter for flag in flags}
    return [*flags, *(_without_letter(each, letters) for each in GLOBAL_FLAGS if each.name not in names)]


def _without_letter(flag: Flag, taken: set[str]) -> Flag:
    if not flag.letter or flag.letter not in taken:
        return flag
    return Flag(flag.name, "", flag.summary, read=flag.read, default=flag.default, bare=flag.bare, metavar=flag.metavar)


def start(
    parsed: Parsed, own: Sequence[Flag], console: Console, opened: Callable[[Flags], Workspace] | None = None
) -> Run:
    """Open the workspace of the global flags, by ``opened`` if given. Raises StoreError, NotFound, UsageError."""
    from natskit.store import Flags, Workspace

    taken = {flag.name for flag in own}
    values = {flag.key: flag.default if flag.name in taken else parsed.values[flag.key] for flag in GLOBAL_FLAGS}
    names = ("config_dir", "data_dir", "keystore_dir", "all_dirs", "operator", "account")
    flags = Flags(**{name: values[name] for name in names})
    workspace = opened(flags) if opened else Workspace.open(os.environ, flags)
    run = Run(workspace, console, values, parsed.given)
    for warning in parsed.warnings:
        run.warn(warning)
    return run
