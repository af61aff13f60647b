"""Typed access to a configuration tree: every fault is collected with its place, reading goes on.

Keys match in any case and under any of their names; what nobody asked for is an unknown field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from natskit import subjects
from natskit.config import Node, duration_s
from natskit.errors import ConfigError, InvalidSubject

T = TypeVar("T")
D = TypeVar("D")

MAX_INT32 = (1 << 31) - 1


class Reading:
    """The faults and warnings of one load."""

    def __init__(self) -> None:
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
        """Raise a ConfigError with all faults if there are any, warnings first."""
        if not self.errors:
            return
        if len(self.errors) == 1 and not self.warnings:
            raise self.errors[0]
        raise ConfigError("\n".join(map(str, (*self.warnings, *self.errors))), hint=self.errors[0].hint)

    # scalars

    def text(self, node: Node) -> str:
        """A text."""
        if isinstance(node.value, str):
            return node.value
        self.fault(node, f'"{node.key}" must be a text')
        return ""

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

    def seconds(self, node: Node, *, number_is_fine: bool = False) -> float:
        """A duration; a bare number counts as seconds, with a warning unless it is usual for the key."""
        value = node.value
        if isinstance(value, str):
            try:
                return duration_s(value)
            except ValueError as error:
                self.fault(node, f'error parsing "{node.key}": {error}')
                return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(node, f'"{node.key}" must be a duration such as "2s" or "1m30s"')
            return 0.0
        if not number_is_fine:
            self.warnings.append(
                node.error(
                    f'invalid use of field "{node.key}": {node.key} should be converted to a duration, write "{value}s"'
                )
            )
        return float(value)

    # lists and maps

    def texts(self, node: Node) -> tuple[str, ...]:
        """A text or a list of texts."""
        if isinstance(node.value, dict):
            self.fault(node, f'"{node.key}" must be a text or a list of texts')
            return ()
        return tuple(self.text(_named(element, node.key)) for element in node.elements)

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
        host, colon, port = text.rpartition(":")
        try:
            number = int(port)
        except ValueError:
            colon = ""
            number = 0
        if not colon:
            self.fault(node, f'could not parse address string "{text}": write host:port')
        return host.removeprefix("[").removesuffix("]"), self._port(node, number)

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


def _named(element: Node, key: str) -> Node:
    """An element of a list, under the list's name in messages."""
    element.key = element.key or key
    return element


def _range(least: int | None, most: int | None) -> str:
    return f"{'' if least is None else least} to {'' if most is None else most}".strip()


class Block:
    """A map whose members are taken one by one."""

    def __init__(self, reading: Reading, node: Node, what: str = "") -> None:
        self.reading = reading
        self.node = node
        self.what = what
        self.left: dict[str, list[Node]] = {}
        for key, member in reading.members(node).items():
            self.left.setdefault(key.lower(), []).append(member)

    def take(self, *names: str) -> Node | None:
        """The member under any of its names; the last one if it is given more than once."""
        found = [node for name in names for node in self.left.pop(name, ())]
        return max(found, key=lambda node: (node.line, node.column)) if found else None

    def read(self, read: Callable[[Node], T], default: D, *names: str) -> T | D:
        """The value of a member, or the default."""
        node = self.take(*names)
        return default if node is None else read(node)

    def text(self, *names: str, default: str = "") -> str:
        """A text."""
        return self.read(self.reading.text, default, *names)

    def texts(self, *names: str) -> tuple[str, ...]:
        """A text or a list of texts."""
        return self.read(self.reading.texts, (), *names)

    def boolean(self, *names: str, default: bool = False) -> bool:
        """True or false."""
        return self.read(self.reading.boolean, default, *names)

    def integer(self, *names: str, default: int = 0, least: int | None = None, most: int | None = None) -> int:
        """A whole number."""
        return self.read(lambda node: self.reading.integer(node, least=least, most=most), default, *names)

    def seconds(self, *names: str, default: float, number_is_fine: bool = False) -> float:
        """A duration."""
        return self.read(lambda node: self.reading.seconds(node, number_is_fine=number_is_fine), default, *names)

    def subject(self, *names: str) -> str:
        """A subject; empty if there is none."""
        return self.read(self.reading.subject, "", *names)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for nodes in self.left.values():
            for node in nodes:
                if not node.used:
                    where = f" parsing {self.what}" if self.what else ""
                    word = "Unknown" if self.what else "unknown"
                    self.reading.fault(node, f'{word} field "{node.key}"{where}')
        self.left.clear()
