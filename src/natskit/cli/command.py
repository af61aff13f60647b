"""Commands declared as data, and a command line parsed as pflag does (spec/nsc.md 0.1).

::

    @command(
        text("subject", "s", "what to export", metavar="SUBJECT"),
        switch("private", "p", "importers need an activation"),
        arguments=("[name]",),
        examples=[("nsc add export -s 'a.b.>'", "share a stream")],
    )
    def add_export(run: Run, *, subject: str, private: bool, name: str) -> None: ...

The function gets every flag and argument as a keyword, with ``_`` for ``-``. A flag that was not given has its default;
``run.given`` says which were. An argument of the same name as a flag stands for that flag.

Flags and arguments may be mixed, ``--`` ends flags, letters bundle, a value may follow as the next word, behind ``=``
or (letters) at once; switches take a value only behind ``=``. No option parser at hand reads that grammar, and the
time that importing one takes is most of what a short command may use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from natskit.errors import UsageError

from .flags import parse_boolean, parse_integer, parse_list, parse_size

__all__ = [
    "Command",
    "Flag",
    "Parsed",
    "command",
    "flag",
    "integer",
    "parse",
    "place",
    "size",
    "strings",
    "switch",
    "text",
]

Example = tuple[str, str]
Parser = Callable[[str], Any]


class Flag:
    """One flag: its names, how its value is read, what it is without."""

    __slots__ = ("bare", "completes", "default", "deprecated", "hidden", "letter", "metavar", "name", "read", "summary")

    def __init__(
        self,
        name: str,
        letter: str,
        summary: str,
        *,
        read: Parser = str,
        default: Any = "",
        bare: str | None = None,
        metavar: str = "",
        completes: str | Sequence[str] = "",
        hidden: bool = False,
        deprecated: str = "",
    ) -> None:
        self.name = name
        self.letter = letter
        self.summary = summary
        self.read = read
        self.default = default
        self.bare = bare
        self.metavar = metavar
        self.completes = completes
        self.hidden = hidden
        self.deprecated = deprecated

    @property
    def key(self) -> str:
        """The keyword under which a command gets it."""
        return self.name.replace("-", "_")

    @property
    def spelling(self) -> str:
        """How errors call it."""
        return f"-{self.letter}, --{self.name}" if self.letter else f"--{self.name}"

    def value(self, text: str) -> Any:
        """The value that ``text`` means. Raises UsageError."""
        try:
            return self.read(text)
        except UsageError as error:
            reason = f'invalid argument "{text}" for "{self.spelling}" flag: {error.message}'
            raise UsageError(reason, hint=error.hint) from None


# One maker for each kind of value. Those of numbers have no default value: None is "not given".


def flag(name: str, letter: str, summary: str, read: Parser, **more: Any) -> Flag:
    """A flag whose text is read by ``read``, which raises UsageError with the reason; None if not given."""
    return Flag(name, letter, summary, read=read, **{"default": None, "metavar": "VALUE", **more})


def text(name: str, letter: str = "", summary: str = "", **more: Any) -> Flag:
    """A flag with any text; "" if not given."""
    return Flag(name, letter, summary, **{"metavar": "TEXT", **more})


def switch(name: str, letter: str = "", summary: str = "", **more: Any) -> Flag:
    """A flag that is on or off; off if not given."""
    return Flag(name, letter, summary, read=parse_boolean, **{"default": False, "bare": "true", **more})


def integer(name: str, letter: str = "", summary: str = "", **more: Any) -> Flag:
    """A flag with a whole number."""
    return Flag(name, letter, summary, read=parse_integer, **{"default": None, "metavar": "N", **more})


def size(name: str, letter: str = "", summary: str = "", **more: Any) -> Flag:
    """A flag with a number that may have a unit, such as ``1500``, ``2k`` or ``1GiB``."""
    return Flag(name, letter, summary, read=parse_size, **{"default": None, "metavar": "N", **more})


def strings(name: str, letter: str = "", summary: str = "", **more: Any) -> Flag:
    """A flag that may repeat, each time with one or more elements between commas; a tuple."""
    return Flag(name, letter, summary, read=_Elements, **{"default": (), "metavar": "LIST", **more})


class _Elements(tuple[str, ...]):
    """The elements of one occurrence of a list flag: occurrences add up."""

    def __new__(cls, text: str) -> _Elements:
        return super().__new__(cls, parse_list(text))


class Command:
    """What a leaf of the command tree can do. Made by `command`."""

    __slots__ = ("arguments", "description", "examples", "flags", "function", "stores")

    def __init__(
        self,
        function: Callable[..., int | None],
        flags: Sequence[Flag],
        arguments: Sequence[str],
        examples: Sequence[Example],
        stores: bool,
    ) -> None:
        self.function = function
        self.description = function.__doc__ or ""
        self.flags = flags
        self.arguments = arguments
        self.examples = examples
        self.stores = stores


def command(
    *flags: Flag,
    arguments: Sequence[str] = (),
    examples: Sequence[Example] = (),
    stores: bool = True,
) -> Callable[[Callable[..., int | None]], Command]:
    """Make a `Command` of a function, whose docstring is the text of its help.

    ``arguments`` are positional: ``name``, ``[name]`` if it may be missing, ``name...`` and ``[name...]`` for several.
    ``examples`` are (command line, what it does). ``stores=False``: it also works where the store or the keystore is
    of another generation.
    """

    def decorate(function: Callable[..., int | None]) -> Command:
        return Command(function, flags, arguments, examples, stores)

    return decorate


class Parsed:
    """A command line taken apart: values by keyword, the names of the flags that were given, what to warn of.

    ``words`` are what is no flag, until `place` gives them names.
    """

    __slots__ = ("given", "values", "warnings", "words")

    def __init__(self, flags: Sequence[Flag]) -> None:
        self.values: dict[str, Any] = {each.key: each.default for each in flags}
        self.given: set[str] = set()
        self.warnings: list[str] = []
        self.words: list[str] = []

    def take(self, flag: Flag, text: str) -> None:
        """Note one occurrence of a flag. Raises UsageError."""
        value = flag.value(text)
        if isinstance(value, _Elements):
            value = (*self.values[flag.key], *value) if flag.name in self.given else tuple(value)
        self.values[flag.key] = value
        self.given.add(flag.name)
        if flag.deprecated:
            self.warnings.append(f"Flag --{flag.name} has been deprecated, {flag.deprecated}")


_DASHES = ("–", "—")
"""What documentation pages turn two dashes into."""


def parse(words: Sequence[str], flags: Sequence[Flag]) -> Parsed:
    """Take the words after a command's name apart. Raises UsageError."""
    long = {each.name: each for each in flags}
    short = {each.letter: each for each in flags if each.letter}
    parsed = Parsed(flags)
    queue = list(reversed(words))
    while queue:
        word = queue.pop()
        if word[:1] in _DASHES:
            word = f"--{word[1:]}"
        if word == "--":
            parsed.words.extend(reversed(queue))
            break
        if word.startswith("--"):
            _take_long(parsed, long, word, queue)
        elif word.startswith("-") and word != "-":
            _take_letters(parsed, short, word, queue)
        else:
            parsed.words.append(word)
    return parsed


def _take_long(parsed: Parsed, flags: Mapping[str, Flag], word: str, queue: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    flag = flags.get(name) or flags.get(name.replace("_", "-"))
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if equals:
        parsed.take(flag, value)
    elif flag.bare is not None:
        parsed.take(flag, flag.bare)
    elif queue:
        parsed.take(flag, queue.pop())
    else:
        raise UsageError(f"flag needs an argument: --{name}")


def _take_letters(parsed: Parsed, flags: Mapping[str, Flag], word: str, queue: list[str]) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = flags.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
        if letters.startswith("="):
            return parsed.take(flag, letters[1:])
        if flag.bare is not None:
            parsed.take(flag, flag.bare)
        elif letters or queue:
            return parsed.take(flag, letters or queue.pop())
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {word}")
    return None


def place(parsed: Parsed, arguments: Sequence[str]) -> None:
    """Give the positional words their names. Raises UsageError if there are too few or too many."""
    names = [each.strip("[].") for each in arguments]
    needed = sum(not each.startswith("[") for each in arguments)
    endless = bool(arguments) and arguments[-1].strip("[]").endswith("...")
    words = parsed.words
    if len(words) < needed and endless:
        raise UsageError(f"requires at least {needed} arg(s), only received {len(words)}")
    if len(words) < needed or (len(words) > len(names) and not endless):
        exactly = "" if needed == len(names) and needed else "at most "
        raise UsageError(f"accepts {exactly}{len(names)} arg(s), received {len(words)}")
    for number, name in enumerate(names):
        if endless and number == len(names) - 1:
            parsed.values[name] = tuple(words[number:])
        elif name not in parsed.given:
            parsed.values[name] = words[number] if number < len(words) else parsed.values.get(name, "")
            parsed.given.update([name] if number < len(words) else [])
