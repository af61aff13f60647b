"""The ``nsc`` command: find the command that is meant, import that one only, run it, print what it says."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from natskit.cli.startup import import_msgspec

import_msgspec()

from natskit.cli.command import Command, Parsed, parse, place  # noqa: E402
from natskit.cli.console import Console, guard  # noqa: E402
from natskit.errors import Error, UsageError  # noqa: E402

from . import tree  # noqa: E402
from .run import GLOBAL_FLAGS, Run, merged, start  # noqa: E402

__all__ = ["carry_out", "execute", "find", "first_word", "main"]

_SWITCHES = {name for flag in GLOBAL_FLAGS if flag.bare is not None for name in (flag.name, flag.letter)}
_SWITCHES |= {"version", "v", "raw", "R", "tls-first"}
"""Flags that take no value, of those that may stand before the words of a command."""


def main() -> NoReturn:
    """Run the command line of this process and end it.

    Taking the interpreter apart would be a tenth of a short command's time.
    """
    status = execute(sys.argv[1:])
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def execute(words: Sequence[str]) -> int:
    """Run ``nsc`` with these arguments; return the exit status. Failures are told on stderr, never raised."""
    console = Console(json=_wants_json(words))
    return guard(console, lambda: _execute(console, words))


def _wants_json(words: Sequence[str]) -> bool:
    """Whether errors of parsing are to be told in JSON too: what the last ``--json``, ``-J`` or ``-AJ`` says."""
    found = False
    for word in words:
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == "--json" or (name[:1] == "-" and name[1:2] not in ("", "-") and name.endswith("J")):
            found = not equals or value.lower() in ("1", "t", "true")
    return found


def _execute(console: Console, words: Sequence[str]) -> int:
    if words and words[0] == "__complete":
        return _complete(console, words[1:])
    asks_help = bool(words) and words[0] == "help"
    path, rest = find(words[1:] if asks_help else words)
    leaf = tree.leaf_of(path)
    if leaf is None:
        return _show_group(console, path, rest, teaches=asks_help)
    command = leaf.load()
    return _help(console, path, command) if asks_help else _run(console, path, command, rest)


def _complete(console: Console, words: Sequence[str]) -> int:
    from .completion import complete

    for word, meaning in complete(words):
        console.write(f"{word}\t{meaning}" if meaning else word)
    return 0


def find(words: Sequence[str]) -> tuple[str, list[str]]:
    """The path of the command or group that is meant, and the other words. Flags may stand before its words."""
    path, rest = "", list(words)
    while tree.leaf_of(path) is None:
        position = first_word(rest)
        if position is None:
            break
        found = tree.names_in(path).get(tree.canonical(rest[position]))
        if found is None:
            if not path:
                raise _unknown(rest[position])
            break
        path = found
        del rest[position]
    return path, rest


def first_word(words: Sequence[str]) -> int | None:
    """Where the first word is that is neither a flag nor the value of one."""
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return None
        elif not word.startswith("-") or word == "-":
            return position
        elif "=" not in word and (word.startswith("--") or len(word) == 2):
            skip = word.lstrip("-") not in _SWITCHES
    return None


def _unknown(word: str) -> UsageError:
    close = [name for name in tree.names_in("") if name.startswith(word) or _distance(word, name) <= 2]
    hint = "Run 'nsc --help' for the list."
    if close:
        hint = f"Did you mean {' or '.join(close)}? {hint}"
    return UsageError(f'unknown command "{word}" for "nsc"', hint=hint)


def _distance(one: str, other: str) -> int:
    """How many letters must be changed, added or left out (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        previous, row[0] = row[0], number
        for column, against in enumerate(other, 1):
            change = previous + (letter != against)
            previous, row[column] = row[column], min(change, row[column] + 1, row[column - 1] + 1)
    return row[-1]


def _show_group(console: Console, path: str, rest: Sequence[str], *, teaches: bool) -> int:
    from natskit import __version__

    from .help import group_help, guide

    if not path and ("--version" in rest or "-v" in rest):
        console.write(f"nsc version {__version__} (natskit)")
    else:
        console.write(guide() if teaches and not path else group_help(path))
    return 0


def _help(console: Console, path: str, command: Command) -> int:
    from .help import command_help

    own = {flag.name for flag in command.flags}
    console.write(command_help(path, command, [flag for flag in GLOBAL_FLAGS if flag.name not in own]))
    return 0


def _optional(argument: str) -> str:
    return argument if argument.startswith("[") else f"[{argument}]"


def _check_arguments(path: str, command: Command, values: Mapping[str, Any]) -> None:
    """Refuse a command line whose arguments were neither given nor asked for. Raises UsageError."""
    for argument in command.arguments:
        if not argument.startswith("[") and not values[argument.strip(".")]:
            raise UsageError(f"an argument is missing: {argument.upper()}", hint=f"nsc {path} --help")


def _run(console: Console, path: str, command: Command, words: Sequence[str]) -> int:
    try:
        parsed = parse(words, merged(command.flags))
        if parsed.values.get("help"):
            return _help(console, path, command)
        interactive = bool(parsed.values["interactive"])
        place(parsed, [_optional(each) for each in command.arguments] if interactive else command.arguments)
    except UsageError as error:
        error.hint = error.hint or f"nsc {path} --help"
        raise
    console.json = bool(parsed.values["json"])
    return carry_out(start(parsed, command.flags, console), path, command, parsed)


def carry_out(run: Run, path: str, command: Command, parsed: Parsed) -> int:
    """Run a command whose flags and arguments are known, in an open workspace; the exit status."""
    if command.stores:
        run.workspace.check_generation()
    if run.interactive:
        from .questions import ask

        ask(path, run, command, parsed)
        _check_arguments(path, command, parsed.values)
    own = {flag.key for flag in command.flags} | {each.strip("[].") for each in command.arguments}
    try:
        status = command.function(run, **{key: parsed.values[key] for key in own})
    except Error:
        run.abandon()
        raise
    return run.finish() or status or 0
