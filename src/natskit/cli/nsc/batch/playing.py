"""Commands of a batch carried out, one after the other, many as one commit.

A command that works on the store alone is staged, and shown when the commit that it is in has been written, together
with the record of what is done. One that does more (asks, talks to servers, writes folders of files) is carried out
between two commits, as if it were alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from natskit.cli.console import guard
from natskit.cli.exits import DONE, INTERRUPTED, REFUSED, UNCHANGED
from natskit.cli.nsc import carry_out
from natskit.cli.nsc.run import start
from natskit.errors import Error, StoreError
from natskit.store.files import read_bytes
from natskit.store.staging import Change

from .telling import Live, Recorder, Teller

if TYPE_CHECKING:
    from natskit.cli.nsc.run import Run
    from natskit.store import Flags, Workspace
    from natskit.store.group import Group

    from .record import Record
    from .source import BatchCommand

__all__ = ["Player"]

_TOGETHER = ("add", "delete", "describe", "edit", "list", "reissue", "rename", "revocations", "select", "validate")
"""Groups of commands that work on the store alone."""

_TOGETHER_TOO = ("generate activation", "generate creds", "generate nkey")

_GOOD = (DONE, UNCHANGED)
"""Exit statuses of commands that were not refused: done, nothing to change."""


class _Outcome(NamedTuple):
    """How a command went: its number, its exit status, what it said."""

    number: int
    status: int
    said: Live

    @property
    def good(self) -> bool:
        """Whether it was not refused."""
        return self.status in _GOOD


class _Elsewhere(Error):
    """The command does not work on the store of the batch. Never told."""


class _Interruption:
    """Ctrl-C: the command under way comes to its end, unless it is pressed again."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def aside(self, action: Callable[[], int]) -> int:
        """Run something that Ctrl-C ends at once."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return action()
        finally:
            signal.signal(signal.SIGINT, self._ask)


class Player:
    """Carries out what ``begun`` leaves of ``commands``; ``to_resume`` is the command line that takes up the rest."""

    def __init__(
        self,
        run: Run,
        file: str,
        commands: Sequence[BatchCommand],
        begun: Record,
        *,
        keep_going: bool,
        quiet: bool,
        to_resume: str,
    ) -> None:
        self._run = run
        self._file = file
        self._commands = commands
        self._record = begun
        self._keep_going = keep_going
        self._to_resume = to_resume
        self._left = begun.left(commands)
        self._teller = Teller(run.console, file, len(self._left), json=run.json, quiet=quiet)
        self._pending: list[_Outcome] = []
        self._done = self._failed = self._not_tried = 0
        self._status = 0
        self._place = ""
        self._recorded: bytes | None = None

    def play(self, group: Group, place: str) -> int:
        """Do it; the exit status. ``place`` is where the record goes, empty for nowhere."""
        self._group, self._place = group, place
        self._recorded = read_bytes(place) if place else None
        try:
            with _Interruption() as interruption:
                for number in self._left:
                    if self._is_over() or interruption.asked:
                        break
                    self._play_one(number, interruption)
                self._write()
        finally:
            self._teller.close()
        if interruption.asked and not self._status:
            self._status = INTERRUPTED
        self._sum_up()
        if self._status == INTERRUPTED and self._run.json:
            self._run.console.done = {"report": self._run.report.documents()}
            raise KeyboardInterrupt  # told as an error, as from every command
        return self._status

    def _is_over(self) -> bool:
        return self._status == INTERRUPTED or (bool(self._status) and not self._keep_going)

    # ---- one command

    def _play_one(self, number: int, interruption: _Interruption) -> None:
        outcome = self._staged(number) if self._goes_together(self._commands[number]) else None
        if outcome is None:
            self._write()
            if not self._is_over():
                self._play_alone(number, interruption)
            return
        if outcome.status == INTERRUPTED:  # a second Ctrl-C: what it had staged may be half of it
            self._group.forget()
            self._pending.clear()
            self._status = INTERRUPTED
            return
        self._pending.append(outcome)
        if (not outcome.good and not self._keep_going) or self._group.is_due():
            self._write()

    @staticmethod
    def _goes_together(command: BatchCommand) -> bool:
        values = command.parsed.values
        group = command.path.partition(" ")[0]
        known = group in _TOGETHER or command.path in _TOGETHER_TOO
        return known and not values["interactive"] and not values.get("push")

    def _staged(self, number: int) -> _Outcome | None:
        """Carry a command out on the staged store; None if it works on another one."""
        command = self._commands[number]
        said = Recorder(json=bool(command.parsed.values["json"]), gathers=self._run.json)

        def action() -> int:
            with self._group.staging():
                run = start(command.parsed, command.command.flags, said, self._opened)
                return carry_out(run, command.path, command.command, command.parsed)

        status = guard(said, action)
        return None if isinstance(said.error, _Elsewhere) else _Outcome(number, status, said)

    def _opened(self, flags: Flags) -> Workspace:
        workspace = self._group.workspace.again(flags)
        if workspace is None:
            raise _Elsewhere("another store")
        return workspace

    def _play_alone(self, number: int, interruption: _Interruption) -> None:
        command = self._commands[number]
        said = Recorder(json=True, gathers=True) if self._run.json else Live(json=bool(command.parsed.values["json"]))
        if self._group.rehearsal:
            said.error = Error("not tried: it does more than change the store")
            self._not_tried += 1
            self._teller.tell(command, 0, said, good=False)
            return
        self._group.let_go()
        self._teller.clear()

        def action() -> int:
            run = start(command.parsed, command.command.flags, said)
            return carry_out(run, command.path, command.command, command.parsed)

        outcome = _Outcome(number, interruption.aside(lambda: guard(said, action)), said)
        try:
            self._group.move_to(self._group.workspace.reopened())
            self._commit([outcome])
        except Error as error:  # it must not be carried out again
            self._tell(outcome)
            raise Error(f"{error} - {command.text} was carried out, but that is not noted") from None
        self._tell(outcome)

    # ---- writing what is staged, and showing it

    def _write(self) -> None:
        """Commit what the pending commands did, with the record, and show them; else find out which cannot."""
        pending, self._pending = self._pending, []
        try:
            self._commit(pending)
        except StoreError:
            for outcome in pending:
                if self._is_over():
                    return
                self._write_again(outcome)
            return
        for outcome in pending:
            self._tell(outcome)

    def _write_again(self, outcome: _Outcome) -> None:
        """Carry out a command of a commit that could not be written, on its own."""
        again = self._staged(outcome.number) if outcome.good else outcome
        again = again or outcome
        try:
            self._commit([again])
        except StoreError as error:
            again.said.error = error
            again = again._replace(status=REFUSED)
            self._commit([again])
        self._tell(again)

    def _commit(self, outcomes: Sequence[_Outcome]) -> None:
        done = [each.number for each in outcomes if each.good]
        failed = [each.number for each in outcomes if not each.good] if self._keep_going else []
        if not self._place or not (done or failed):
            return self._group.commit()
        record = self._record.after(self._commands, done, failed)
        data = msgspec.json.encode(record)
        with self._group.staging():  # holds the lock
            if read_bytes(self._place) != self._recorded:
                raise Error(f"another process works on {self._file}: its record `{self._place}` has changed")
        self._group.commit(Change(self._place, data))
        self._record, self._recorded = record, data
        return None

    def _tell(self, outcome: _Outcome) -> None:
        if outcome.status == INTERRUPTED:  # at a question, or while it waited: it is left
            self._status = INTERRUPTED
            return
        self._done += outcome.good
        self._failed += not outcome.good
        if not outcome.good and not self._is_over():
            self._status = REFUSED
        self._teller.tell(self._commands[outcome.number], outcome.status, outcome.said, good=outcome.good)
        self._teller.advance()

    def _sum_up(self) -> None:
        before = len(self._commands) - len(self._left)
        left = len(self._left) - self._done - self._failed - self._not_tried
        self._teller.sum_up(
            total=len(self._commands), done=self._done, failed=self._failed, before=before, left=left + self._not_tried
        )
        are = "would be" if self._group.rehearsal else "are"
        words = [f"{self._done} of {len(self._commands)} commands {are} carried out"]
        if not self._left:
            words = [f"nothing is left to do: all {len(self._commands)} commands are done"]
        elif before:
            words.append(f"{before} done before")
        for count, how in ((self._failed, "failed"), (self._not_tried, "not tried"), (left, "left")):
            words += [f"{count} {how}"] if count else []
        if self._failed or left:
            refused = self._failed and self._status != INTERRUPTED
            node = (self._run.fail if refused else self._run.warn)(", ".join(words))
            if self._place:
                node.note(f"go on with: {self._to_resume}")
        else:
            self._run.success(", ".join(words))
