"""``nsc batch``: what is asked for, and what of it is done already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.cli.nsc.run import GLOBAL_FLAGS
from natskit.errors import StoreError, UsageError
from natskit.store.commands import typed
from natskit.store.group import Group

from .playing import Player
from .record import Record
from .source import BatchCommand, read_commands

if TYPE_CHECKING:
    from natskit.cli.nsc.run import Run

__all__ = ["batch"]


@command(
    switch("resume", "", "go on where it was stopped; what is done is not done again"),
    switch("anew", "", "start with the first command, though some were carried out before"),
    switch("keep-going", "k", "go on after a command that is refused"),
    switch("dry-run", "n", "try everything, write nothing"),
    switch("quiet", "q", "say nothing of commands that went well"),
    text("record", "", "where to note what is done, default FILE.done", metavar="FILE"),
    arguments=("file",),
    examples=[
        ("nsc batch commands.txt", "carry out a file with one command on each line"),
        ("nsc batch commands.txt --resume", "go on with it after it was stopped or killed"),
        ("nsc batch - --json", "from stdin, with one line of JSON for each command"),
        ("nsc batch commands.txt --dry-run", "see what it would do"),
    ],
)
def batch(
    run: Run, *, file: str, resume: bool, anew: bool, keep_going: bool, dry_run: bool, quiet: bool, record: str
) -> int:
    """Carry out the commands in a file, one on each line, as if they were typed one after the other.

    Words are quoted as in a shell, but nothing is expanded; # begins a comment; a line may be a JSON array of words.
    All of the file is read first: if a command is misspelt, nothing is done. Flags given to nsc batch itself, such as
    --operator and --account, hold for each command that has none of its own.
    """
    if run.interactive:
        raise UsageError("--interactive goes to the commands of a batch, not to the batch")
    if resume and anew:
        raise UsageError("--resume and --anew are mutually exclusive")
    commands = read_commands(run.read_file(file), file)
    _hand_down(run, commands)
    place = run.full_path(record or f"{file}.done") if record or file != "-" else ""
    if resume and not place:
        raise UsageError("what came from stdin leaves no record to resume from", hint="name a file, or use --record")
    to_resume = typed("batch", file, "--resume", *(("--record", record) if record else ()))
    begun = _begin(place, commands, to_resume, file, resume=resume, anew=anew or (dry_run and not resume))
    run.answered()
    player = Player(run, file, commands, begun, keep_going=keep_going, quiet=quiet, to_resume=to_resume)
    with Group(run.workspace, rehearsal=dry_run) as group:
        return player.play(group, "" if dry_run else place)


def _hand_down(run: Run, commands: Sequence[BatchCommand]) -> None:
    """Let global flags of the batch hold for each command that has none of its own."""
    given = [flag for flag in GLOBAL_FLAGS if flag.name in run.given and flag.name != "json"]
    for each in commands:
        own = {flag.name for flag in each.command.flags} if given else set()
        for flag in given:
            if flag.name not in own and flag.name not in each.parsed.given:
                each.parsed.values[flag.key] = run.values[flag.key]
        each.parsed.values["json"] = run.json or each.parsed.values["json"]


def _begin(
    place: str, commands: Sequence[BatchCommand], to_resume: str, file: str, *, resume: bool, anew: bool
) -> Record:
    """What is done already. Raises StoreError if that is not for this run to decide."""
    known = Record.read(place) if place and not anew else None
    if known is None:
        return Record(total=len(commands))
    if resume:
        known.check(commands, file)
        return known
    if not known.is_through and known.digest:
        raise StoreError(
            f"{file} was begun before: {known.reached - len(known.failed)} of {known.total} commands are done",
            hint=f"go on with: {to_resume}; or start with the first command: --anew",
        )
    return Record(total=len(commands))
