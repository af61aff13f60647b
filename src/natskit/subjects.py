"""Subjects: their grammar, which subjects a pattern matches, and how one subject is rewritten into another.

Grammar (spec/server-protocol.md section 7): tokens separated by ``.``, none empty, no white space. A whole token ``*``
stands for one token, a last token ``>`` for one or more. Inside a longer token both are ordinary characters.

A :class:`Transform` rewrites (spec/server-accounts.md sections 4.2 and 6): the ``*`` of the source are numbered from 1,
the destination refers to them by ``$n`` or by functions such as ``{{partition(10,1)}}``; ``>`` carries the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from natskit.errors import InvalidSubject

__all__ = [
    "Transform",
    "covers",
    "has_wildcard",
    "intersection",
    "is_literal",
    "is_valid",
    "matches",
    "overlaps",
    "tokens",
    "validate",
]

_WHITE_SPACE = (" ", "\t", "\r", "\n", "\f", "\v")


# ---- grammar -------------------------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """The parts between the dots."""
    return text.split(".")


def _fault(text: str) -> str:
    """What is wrong with ``text`` as a subject; empty if nothing is."""
    if not text:
        return "a subject cannot be empty"
    if any(blank in text for blank in _WHITE_SPACE):
        return f'subject "{text}" cannot have white space'
    parts = tokens(text)
    if "" in parts:
        return f'subject "{text}" has an empty token: dots stand between tokens only'
    if ">" in parts[:-1]:
        return f'subject "{text}" has ">" before its end: it can only be the last token'
    return ""


def validate(text: str) -> None:
    """Raise InvalidSubject unless ``text`` is a subject (wildcards allowed)."""
    if fault := _fault(text):
        raise InvalidSubject(fault, subject=text)


def is_valid(text: str) -> bool:
    """Whether ``text`` is a subject (wildcards allowed)."""
    return not _fault(text)


def has_wildcard(text: str) -> bool:
    """Whether a token of ``text`` is ``*`` or ``>``."""
    return ("*" in text or ">" in text) and any(token in ("*", ">") for token in tokens(text))


def is_literal(text: str) -> bool:
    """Whether ``text`` is a subject without wildcards: one that a message can be published on."""
    return is_valid(text) and not has_wildcard(text)


# ---- matching ------------------------------------------------------------------------------------


def matches(pattern: str, literal: str) -> bool:
    """Whether a message on ``literal`` reaches a subscription to ``pattern``.

    ``literal`` is taken as it is: a ``*`` in it is an ordinary token.
    """
    if pattern == literal:
        return True
    wanted, given = tokens(pattern), tokens(literal)
    return _covers(wanted, given, literal_rest=True)


def covers(pattern: str, other: str) -> bool:
    """Whether every subject that ``other`` matches is matched by ``pattern`` too (``a.*`` does not cover ``a.>``)."""
    return pattern == other or _covers(tokens(pattern), tokens(other), literal_rest=False)


def _covers(wanted: Sequence[str], given: Sequence[str], *, literal_rest: bool) -> bool:
    last = len(wanted) - 1
    for position, token in enumerate(wanted):
        if position >= len(given):
            return False
        if token == ">" and position == last:
            return True
        if token == "*":
            if given[position] == ">" and not literal_rest:
                return False
        elif token != given[position]:
            return False
    return len(wanted) == len(given)


def overlaps(one: str, other: str) -> bool:
    """Whether some subject is matched by both patterns."""
    first, second = tokens(one), tokens(other)
    for position in range(max(len(first), len(second))):
        left = first[position] if position < len(first) else None
        right = second[position] if position < len(second) else None
        if left is None or right is None:
            return False
        if ">" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return True


def intersection(one: str, other: str) -> str | None:
    """The pattern of the subjects that both patterns match; None if there are none.

    >>> intersection("orders.*.new", "orders.eu.>")
    'orders.eu.new'
    """
    first, second = tokens(one), tokens(other)
    common: list[str] = []
    for position in range(max(len(first), len(second))):
        if position >= len(first) or position >= len(second):
            return None
        left, right = first[position], second[position]
        if left == ">" or right == ">":
            rest = second if left == ">" else first
            return ".".join([*common, *rest[position:]])
        if left != right and "*" not in (left, right):
            return None
        common.append(right if left == "*" else left)
    return ".".join(common)


# ---- rewriting -----------------------------------------------------------------------------------

Choose = Callable[[int], int]
"""Draws a number from 0 to below its argument."""

_Part = Callable[[list[str], str, Choose], str]
"""Makes one part of the result from the tokens of the wildcards, the whole subject, and chance."""

_FUNCTIONS = (
    "wildcard",
    "partition",
    "random",
    "split",
    "splitFromLeft",
    "splitFromRight",
    "sliceFromLeft",
    "sliceFromRight",
    "left",
    "right",
)


class Transform:
    """Rewrites subjects that match ``source`` into ``destination``.

    ``varies`` tells that the result depends on chance, so that it must not be cached.
    """

    __slots__ = ("_parts", "_rest", "destination", "source", "varies")

    source: str
    destination: str
    varies: bool

    def __init__(self, source: str, destination: str, parts: tuple[_Part, ...], rest: bool, varies: bool) -> None:
        self.source = source
        self.destination = destination
        self.varies = varies
        self._parts = parts
        self._rest = rest

    @classmethod
    def compile(cls, source: str, destination: str, *, strict: bool = False) -> Transform:
        """Prepare a rewrite. Raises InvalidSubject with the server's text.

        ``strict`` is for imports: only wildcards may be used, every one of the source must be, and ``*`` in the
        destination stands for the next one in order.
        """
        validate(source)
        _validate_destination(destination)
        count = sum(token == "*" for token in tokens(source))
        rest = source == ">" or source.endswith(".>")
        if rest != (destination == ">" or destination.endswith(".>")):
            raise InvalidSubject(
                f'invalid transform: "{source}" and "{destination}" must both end in ">" or neither',
                subject=destination,
            )
        compiler = _Compiler(count, strict)
        wanted = tokens(destination)[: -1 if rest else None]
        parts = tuple(compiler.part(token) for token in wanted)
        compiler.finish(destination)
        return cls(source, destination, parts, rest, compiler.varies)

    def __repr__(self) -> str:
        return f"Transform({self.source!r} -> {self.destination!r})"

    def apply(self, literal: str, choose: Choose | None = None) -> str | None:
        """The rewritten subject, or None if ``literal`` does not match the source."""
        if not matches(self.source, literal):
            return None
        wanted, given = tokens(self.source), tokens(literal)
        found = [given[position] for position, token in enumerate(wanted) if token == "*"]
        result = [part(found, literal, choose or _draw) for part in self._parts]
        if self._rest:
            result.extend(given[len(wanted) - 1 :])
        return ".".join(result)

    @property
    def keeps_all(self) -> bool:
        """Whether different subjects get different names, so that the rewrite can be undone."""
        carried = [part.index for part in self._parts if isinstance(part, _Wildcard)]
        plain = not any(isinstance(part, _Computed) for part in self._parts)
        return plain and sorted(carried) == list(range(tokens(self.source).count("*")))

    def image(self, pattern: str) -> str:
        """The pattern of what the subjects of ``pattern``, all within the source, become.

        What depends on chance or on tokens that ``pattern`` leaves open is a wildcard; that may stand for more than can
        come out. One subject, without chance: exactly what it becomes.
        """
        wanted, given = tokens(self.source), tokens(pattern)
        found = [given[position] for position, token in enumerate(wanted) if token == "*"]
        result: list[str] = []
        for part in self._parts:
            if isinstance(part, _Computed) and (part.by_chance or has_wildcard(pattern)):
                if part.lengthens:
                    return ".".join([*result, ">"])
                result.append("*")
            else:
                result.append(part(found, pattern, _draw))
        if self._rest:
            result.extend(given[len(wanted) - 1 :])
        return ".".join(result)

    def inverse(self) -> Transform:
        """The transform that undoes this one, which must be strict. Its source is the pattern of all results.

        Raises InvalidSubject if the destination does not keep every wildcard of the source.
        """
        carried = [part.index for part in self._parts if isinstance(part, _Wildcard)]
        pattern = [
            "*" if isinstance(part, _Wildcard) else token
            for part, token in zip(self._parts, tokens(self.destination), strict=False)
        ]
        stars = itertools.count()
        back: list[str] = []
        parts: list[_Part] = []
        for token in tokens(self.source)[: -1 if self._rest else None]:
            if token != "*":
                back.append(token)
                parts.append(_literal(token))
            elif (index := next(stars)) in carried:
                back.append(f"${carried.index(index) + 1}")
                parts.append(_Wildcard(carried.index(index)))
            else:
                raise _destination_error("not using all of the token wildcard(s)", self.destination)
        tail = [">"] if self._rest else []
        return Transform(".".join(pattern + tail), ".".join(back + tail), tuple(parts), self._rest, varies=False)


class _Wildcard:
    """The part that is the token of a wildcard of the source, the first one having ``index`` 0."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, found: list[str], literal: str, choose: Choose) -> str:
        return found[self.index]


class _Computed:
    """A part that a function makes. ``lengthens``: of any number of tokens."""

    __slots__ = ("_make", "by_chance", "lengthens")

    def __init__(self, make: _Part, *, lengthens: bool = False, by_chance: bool = False) -> None:
        self._make = make
        self.lengthens = lengthens
        self.by_chance = by_chance

    def __call__(self, found: list[str], literal: str, choose: Choose) -> str:
        return self._make(found, literal, choose)


def _literal(token: str) -> _Part:
    return lambda found, literal, choose: token


def _validate_destination(text: str) -> None:
    """Like :func:`validate`, but blanks may stand inside a token ``{{ }}``."""
    if _fault(".".join("_" if _is_call(token) else token for token in tokens(text))):
        raise InvalidSubject(f'invalid mapping destination: invalid subject "{text}"', subject=text)


def _is_call(token: str) -> bool:
    return token.startswith("{{") and token.endswith("}}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _draw(below: int) -> int:
    import random

    return random.randrange(below)  # noqa: S311 - spreads load, guards nothing


class _Compiler:
    """Turns destination tokens into parts and keeps count of the wildcards used."""

    def __init__(self, count: int, strict: bool) -> None:
        self.count = count
        self.strict = strict
        self.used: set[int] = set()
        self.next = 1
        self.varies = False

    def part(self, token: str) -> _Part:
        if _is_call(token):
            return self.function(token)
        if token == "*":
            if not self.strict:
                raise InvalidSubject(f'invalid mapping destination: invalid subject "{token}"', subject=token)
            self.next += 1
            return self.wildcard(self.next - 1, token)
        if token[:1] == "$" and _is_number(token[1:].removeprefix("-")):
            return self.wildcard(int(token[1:]), token)
        return _literal(token)

    def finish(self, destination: str) -> None:
        if self.strict and len(self.used) < self.count:
            raise _destination_error("not using all of the token wildcard(s)", destination)

    def wildcard(self, number: int, token: str) -> _Part:
        return _Wildcard(self.index(number, token))

    def index(self, number: int, token: str) -> int:
        if not 1 <= number <= self.count:
            tail = f": [{number}]" if self.count else ""
            raise InvalidSubject(
                f"invalid mapping destination: wildcard index out of range in {token}{tail}", subject=token
            )
        self.used.add(number)
        return number - 1

    def function(self, token: str) -> _Part:
        name, arguments = _parse_call(token)
        if name == "wildcard":
            _expect(arguments, 1, token)
            return self.wildcard(_number(arguments[0], token), token)
        if self.strict:
            raise _destination_error("the only mapping function allowed for import transforms is {{Wildcard()}}", token)
        if name == "partition":
            return self.partition(arguments, token)
        if name == "random":
            return self.random(arguments, token)
        _expect(arguments, 2, token)
        index = self.index(_number(arguments[0], token), token)
        if name == "split":
            separator = arguments[1]
            if not separator or " " in separator or "." in separator:
                raise _destination_error("function argument is invalid or in the wrong format", token)
            return _Computed(
                lambda found, literal, choose: ".".join(filter(None, found[index].split(separator))), lengthens=True
            )
        cut, size = _CUTS[name], _number(arguments[1], token)
        lengthens = name not in ("left", "right")
        # Sizes are in bytes, wherever in a character that may cut.
        return _Computed(lambda found, literal, choose: _text(cut(_bytes(found[index]), size)), lengthens=lengthens)

    def partition(self, arguments: list[str], token: str) -> _Part:
        buckets, *numbers = (_number(argument, token) for argument in arguments or [""])
        indices = [self.index(number, token) for number in numbers]
        if not indices:
            return _Computed(lambda found, literal, choose: str(_bucket(literal, buckets)))
        return _Computed(
            lambda found, literal, choose: str(_bucket("".join(found[index] for index in indices), buckets))
        )

    def random(self, arguments: list[str], token: str) -> _Part:
        if len(arguments) > 1:
            raise _destination_error("not enough arguments passed to the function", token)  # in the server's words
        below = _number("".join(arguments), token)
        self.varies = True
        return _Computed(lambda found, literal, choose: str(choose(below) if below > 0 else 0), by_chance=True)


def _parse_call(token: str) -> tuple[str, list[str]]:
    """Name (as in the list of functions, lower case) and arguments of ``{{name(a,b)}}``."""
    body = token[2:-2].strip()
    name, bracket, inner = body.partition("(")
    name = name.strip()
    if not bracket or not inner.endswith(")") or not _known(name):
        raise _destination_error("unknown function", token)
    inner = inner[:-1]
    arguments = [argument.strip() for argument in inner.split(",")] if inner.strip() else []
    return name.lower(), arguments


def _known(name: str) -> bool:
    """Whether ``name`` is a function's, where the first letter of each of its words may be of either case."""
    return any(
        name.lower() == known.lower()
        and all(
            given == letter or letter.isupper() or not place
            for place, (given, letter) in enumerate(zip(name, known, strict=True))
        )
        for known in _FUNCTIONS
    )


def _destination_error(what: str, token: str) -> InvalidSubject:
    return InvalidSubject(f"invalid mapping destination: {what} in {token}", subject=token)


def _expect(arguments: list[str], count: int, token: str) -> None:
    if len(arguments) < count:
        raise _destination_error("not enough arguments passed to the function", token)
    if len(arguments) > count:
        raise _destination_error("too many arguments passed to the function", token)


def _number(text: str, token: str) -> int:
    if not _is_number(text):
        raise _destination_error("function argument is invalid or in the wrong format", token)
    return int(text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bucket(text: str, buckets: int) -> int:
    """FNV-1a, 32 bits, of the text's bytes, modulo ``buckets`` (0 gives 0)."""
    value = 2166136261
    for byte in _bytes(text):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value % buckets if buckets else 0


def _split_from_left(token: bytes, size: int) -> bytes:
    return token[:size] + b"." + token[size:] if 0 < size < len(token) else token


def _split_from_right(token: bytes, size: int) -> bytes:
    return token[:-size] + b"." + token[-size:] if 0 < size < len(token) else token


def _slice_from_left(token: bytes, size: int) -> bytes:
    if not 0 < size < len(token):
        return token
    return b".".join(token[start : start + size] for start in range(0, len(token), size))


def _slice_from_right(token: bytes, size: int) -> bytes:
    if not 0 < size < len(token):
        return token
    first = len(token) % size
    chunks = [token[start : start + size] for start in range(first, len(token), size)]
    return b".".join([token[:first], *chunks] if first else chunks)


def _left(token: bytes, size: int) -> bytes:
    return token[:size] if 0 < size < len(token) else token


def _right(token: bytes, size: int) -> bytes:
    return token[-size:] if 0 < size < len(token) else token


_CUTS: dict[str, Callable[[bytes, int], bytes]] = {
    "splitfromleft": _split_from_left,
    "splitfromright": _split_from_right,
    "slicefromleft": _slice_from_left,
    "slicefromright": _slice_from_right,
    "left": _left,
    "right": _right,
}
