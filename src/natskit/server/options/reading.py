"""Typed access to a configuration tree: every fault is collected with its place, reading goes on.

Keys match in any case and under any of their names, once; what nobody asked for is an unknown field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from natskit import subjects
from natskit.config import Node, duration_s
from natskit.errors import ConfigError, InvalidSubject

T = TypeVar("T")
D = TypeVar("D")

MAX_INT32 = (1 << 31) - 1
MAX_SECONDS = (1 << 63) // 10**9
"""Durations have 64 bits of nanoseconds."""

Numbers = Literal["seconds", "warned about", "refused"]
"""What a number is where a duration is expected."""


class Reading:
    """The faults and warnings of one load, and where that stands which only the whole can judge.

    ``users`` by name or nkey; ``imports`` by importer and number; ``exported_to`` are the importers that exports name,
    with the kind of the export; ``latencies``, with the subject of the service, ask for a system account.
    """

    def __init__(self) -> None:
        self.users: dict[str, Node] = {}
        self.imports: dict[tuple[str, int], Node] = {}
        self.exported_to: list[tuple[Node, str]] = []
        self.latencies: list[tuple[Node, str]] = []
        self.errors: list[ConfigError] = []
        self.warnings: list[ConfigError] = []

    def fault(self, node: Node, message: str, hint: str | None = None) -> None:
        """Note that ``node`` is wrong."""
        self.errors.append(node.error(message, hint))

    def members(self, node: Node) -> dict[str, Node]:
        """The entries of a map."""
        try:
            return node.members
        except ConfigError as error:
            self.errors.append(error)
            return {}

    def finish(self) -> None:
        """Raise a ConfigError with all faults if there are any, warnings first, in the order of their places."""
        if not self.errors:
            return
        if len(self.errors) == 1 and not self.warnings:
            raise self.errors[0]
        problems = (*sorted(self.warnings, key=_place), *sorted(self.errors, key=_place))
        raise ConfigError("\n".join(map(str, problems)), hint=self.errors[0].hint, problems=problems)

    # scalars

    def text(self, node: Node) -> str:
        """A text."""
        if not isinstance(node.value, str):
            quotes = "" if isinstance(node.value, dict | list) else ": put it in quotes"
            self.fault(node, f'"{node.key}" must be a text{quotes}')
            return ""
        if "\0" in node.value:
            self.fault(node, f'"{node.key}" holds a NUL character')
            return ""
        return node.value

    def integer(self, node: Node, *, least: int | None = None, most: int | None = None) -> int:
        """A whole number within bounds."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int):
            quoted = " without quotes" if isinstance(value, str) else ""
            self.fault(node, f'"{node.key}" must be a whole number{quoted}, such as 1024 or 64MB')
        elif (least is not None and value < least) or (most is not None and value > most):
            self.fault(node, f'"{node.key}" is {value}, which is out of range {_range(least, most)}')
        else:
            return value
        return least or 0

    def boolean(self, node: Node) -> bool:
        """``true`` or ``false``, unquoted."""
        if isinstance(node.value, bool):
            return node.value
        self.fault(node, f'"{node.key}" must be true or false, without quotes')
        return False

    def seconds(self, node: Node, *, numbers: Numbers = "warned about") -> float:
        """A duration, or a number of seconds."""
        value = node.value
        if isinstance(value, str):
            try:
                return duration_s(value)
            except ValueError as error:
                self.fault(node, f'error parsing "{node.key}": {error}')
                return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or numbers == "refused":
            self.fault(node, f'"{node.key}" must be a duration such as "2s" or "1m30s"')
            return 0.0
        if not abs(value) <= MAX_SECONDS:  # neither is what is no number at all
            self.fault(node, f'"{node.key}" is out of range: at most {MAX_SECONDS} seconds')
            return 0.0
        if numbers == "warned about":
            should = f'{node.key} should be converted to a duration, write "{value}s"'
            self.warnings.append(node.error(f'invalid use of field "{node.key}": {should}'))
        return float(value)

    def span(self, node: Node, default: D, *, numbers: Numbers = "warned about") -> float | D:
        """How long something may take or how often it happens: never less than no time; 0 stands for the default."""
        seconds = self.seconds(node, numbers=numbers)
        if seconds < 0:
            self.fault(node, f'"{node.key}" is {seconds:g}s, less than no time')
        return seconds if seconds > 0 else default

    # lists and maps

    def list(self, node: Node) -> list[Node]:
        """The elements of a list, each under the list's name in messages."""
        if not isinstance(node.value, list):
            self.fault(node, f'"{node.key}" must be a list: write {node.key}: [ ... ]')
            return []
        for element in node.value:
            element.key = element.key or node.key
        return node.value

    def texts(self, node: Node, *, alone: bool = True) -> tuple[str, ...]:
        """A list of texts; ``alone``: or a text."""
        if alone and isinstance(node.value, str):
            return (self.text(node),)
        return tuple(map(self.text, self.list(node)))

    def text_map(self, node: Node) -> dict[str, str]:
        """A map from text to text."""
        return {key: self.text(member) for key, member in self.members(node).items()}

    def subject(self, node: Node) -> str:
        """A subject, wildcards allowed."""
        text = self.text(node)
        try:
            subjects.validate(text)
        except InvalidSubject:
            self.fault(node, f'subject "{text}" is not a valid subject')
        return text

    def address(self, node: Node) -> tuple[str, int]:
        """``host:port``, ``:port`` or a port."""
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool):
            return "", self._port(node, value)
        text = value if isinstance(value, str) else ""
        try:
            host, port = split_address(text)
        except ValueError:
            self.fault(node, f'could not parse address string "{text}": write host:port')
            return "", 0
        return host, self._port(node, port)

    def _port(self, node: Node, port: int) -> int:
        if not -1 <= port <= 65535:
            self.fault(node, f'"{node.key}": {port} is not a port: use 1 to 65535, or -1 for any free one')
        return port

    def port(self, node: Node) -> int:
        """A port; -1: any free one."""
        return self._port(node, self.integer(node))

    def block(self, node: Node, what: str = "") -> Block:
        """The members of a map."""
        return Block(self, node, what)


def split_address(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[host]:port``. Raises ValueError, also without port and default."""
    if default_port is not None and (":" not in text or (text[:1] == "[" and text[-1:] == "]")):
        return text.removeprefix("[").removesuffix("]"), default_port
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed) or not port.removeprefix("-").isdecimal():
        raise ValueError(text)
    return host[1:-1] if bracketed else host, int(port)


def _place(error: ConfigError) -> tuple[str, int, int]:
    return error.file, error.line, error.column


def _range(least: int | None, most: int | None) -> str:
    return f"{'' if least is None else least} to {'' if most is None else most}".strip()


class Block:
    """A map whose members are taken one by one. ``overrides`` win over them, under whatever name they are."""

    def __init__(self, reading: Reading, node: Node, what: str = "") -> None:
        self.reading = reading
        self.node = node
        self.what = what
        self.overrides: dict[str, Node] = {}
        self.left: dict[str, list[Node]] = {}
        self.taken: dict[str, Node] = {}
        for key, member in reading.members(node).items():
            self.left.setdefault(key.lower(), []).append(member)

    def take(self, *names: str) -> Node | None:
        """The member under any of its names."""
        found = [node for name in names for node in self.left.pop(name, ())]
        if won := [self.overrides.pop(name) for name in names if name in self.overrides]:
            found = won
        for node in found[1:]:
            first = found[0]
            self.reading.fault(node, f'"{node.key}" is given already: "{first.key}" in line {first.line}')
        if not found:
            return None
        self.taken[names[0]] = found[0]
        return found[0]

    def place(self, name: str) -> Node:
        """Where a member was that has been taken, by the first of its names; where the map is if it was not given."""
        return self.taken.get(name, self.node)

    def read(self, read: Callable[[Node], T], default: D, *names: str) -> T | D:
        """The value of a member, or the default."""
        node = self.take(*names)
        return default if node is None else read(node)

    def text(self, *names: str, default: str = "") -> str:
        """A text."""
        return self.read(self.reading.text, default, *names)

    def texts(self, *names: str, alone: bool = True) -> tuple[str, ...]:
        """A list of texts; ``alone``: or a text."""
        return self.read(lambda node: self.reading.texts(node, alone=alone), (), *names)

    def list(self, *names: str) -> list[Node]:
        """The elements of a list."""
        return self.read(self.reading.list, [], *names)

    def boolean(self, *names: str, default: bool = False) -> bool:
        """True or false."""
        return self.read(self.reading.boolean, default, *names)

    def integer(self, *names: str, default: int = 0, least: int | None = None, most: int | None = None) -> int:
        """A whole number."""
        return self.read(lambda node: self.reading.integer(node, least=least, most=most), default, *names)

    def seconds(self, *names: str, default: float, numbers: Numbers = "warned about") -> float:
        """A duration."""
        return self.read(lambda node: self.reading.seconds(node, numbers=numbers), default, *names)

    def span(self, *names: str, default: D, numbers: Numbers = "warned about") -> float | D:
        """A duration above zero; 0 stands for the default."""
        return self.read(lambda node: self.reading.span(node, default, numbers=numbers), default, *names)

    def subject(self, *names: str) -> str:
        """A subject; empty if there is none."""
        return self.read(self.reading.subject, "", *names)

    def finish(self, unknown: str = "") -> None:
        """Refuse what nobody took; ``unknown`` is the message, with ``{}`` for the key."""
        default = f'Unknown field "{{}}" parsing {self.what}' if self.what else 'unknown field "{}"'
        for nodes in self.left.values():
            for node in nodes:
                if not node.used:
                    self.reading.fault(node, (unknown or default).format(node.key))
        self.left.clear()
