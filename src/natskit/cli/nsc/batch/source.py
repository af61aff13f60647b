"""The file of a batch: one command a line, as a shell would take it apart, or as a JSON array of words.

Quotes and backslashes mean what they do in a shell, ``#`` at the start of a word begins a comment, a backslash at the
end of a line continues it. Nothing is expanded: ``$``, ``*`` and ``>`` stand for themselves, as subjects need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from natskit.cli.command import Parsed, parse, place
from natskit.cli.console import masked
from natskit.cli.nsc import find, tree
from natskit.cli.nsc.run import merged
from natskit.cli.rows import Problems
from natskit.errors import UsageError
from natskit.store.commands import typed

if TYPE_CHECKING:
    from natskit.cli.command import Command, Flag

__all__ = ["BatchCommand", "read_commands"]

_WORD = re.compile(
    r"""[ \t]*(?:(?P<comment>\#.*)|(?P<word>(?:[^ \t'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+))[ \t]*""", re.DOTALL
)
_PART = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_NEVER = ("batch", "completion bash", "completion fish", "completion zsh")


class BatchCommand:
    """A command of the file: the number of its line, its words as they are written, what they mean."""

    __slots__ = ("command", "number", "parsed", "path", "words")

    def __init__(self, number: int, words: Sequence[str], path: str, command: Command, parsed: Parsed) -> None:
        self.number = number
        self.words = words
        self.path = path
        self.command = command
        self.parsed = parsed

    @property
    def text(self) -> str:
        """The command as one would type it."""
        return typed(*self.words)


def read_commands(text: str, name: str) -> list[BatchCommand]:
    """Every command of the file ``name``, whose flags and arguments fit. Raises InvalidFile with all that do not."""
    found: list[BatchCommand] = []
    problems = Problems(name)
    loaded: dict[str, tuple[Command, list[Flag]]] = {}
    for number, line in _lines(text):
        try:
            words = _words(line)
            if words:
                found.append(_command(number, words, loaded))
        except UsageError as error:
            problems.add(number, f"{masked(line.strip())[:100]}: {error.message}")
    problems.check()
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with the number of its first part."""
    first, parts = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        first = first or number
        if (len(line) - len(line.rstrip("\\"))) % 2 and not (parts + line).lstrip().startswith("#"):
            parts += line[:-1]
            continue
        yield first, parts + line
        first, parts = 0, ""
    if parts:
        yield first, parts


def _words(line: str) -> list[str]:
    """The words of a line, without the name of the program. Raises UsageError."""
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return []
    if stripped.startswith("["):
        words = _json_words(stripped)
    elif "'" in line or '"' in line or "\\" in line or "#" in line:
        words = list(_shell_words(stripped))
    else:
        words = [word for word in stripped.replace("\t", " ").split(" ") if word]
    return words[1:] if words[:1] == ["nsc"] else words


def _json_words(line: str) -> list[str]:
    import msgspec

    try:
        return msgspec.json.decode(line, type=list[str])
    except msgspec.DecodeError as error:
        raise UsageError(f"a line that begins with [ is a JSON array of words: {error}") from None


def _shell_words(line: str) -> Iterator[str]:
    position = 0
    while position < len(line):
        match = _WORD.match(line, position)
        if match is None:
            raise UsageError("a quote is not closed")
        if match["comment"] is not None:
            return
        yield "".join(_unquoted(match["word"]))
        position = match.end()


def _unquoted(word: str) -> Iterator[str]:
    for single, double, escaped, plain in _PART.findall(word):
        yield single or re.sub(r'\\(["\\$`])', r"\1", double) or escaped or plain


def _command(number: int, words: Sequence[str], loaded: dict[str, tuple[Command, list[Flag]]]) -> BatchCommand:
    path, rest = find(words)
    leaf = tree.leaf_of(path)
    if leaf is None:
        raise UsageError(f'"{" ".join(["nsc", *words])}" is no command', hint="nsc --help")
    if path in _NEVER:
        raise UsageError(f"nsc {path} does not go into a batch")
    if path not in loaded:
        command = leaf.load()
        loaded[path] = command, merged(command.flags)
    command, flags = loaded[path]
    parsed = parse(rest, flags)
    if parsed.values["help"]:
        raise UsageError("--help does not go into a batch")
    place(parsed, command.arguments)
    return BatchCommand(number, words, path, command, parsed)
