"""What parsing yields: values that know where they stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from natskit.errors import ConfigError

Scalar = str | int | float | bool | datetime


class Node:
    """One value: a scalar, a list of nodes, or a map of nodes by key.

    ``line`` and ``column`` are those of the key, for an element of a list those of the element; the column counts
    bytes, from 0 on the first line and from 1 on the others, as nats-server's messages do. ``used`` tells that a
    ``$variable`` read it, ``size`` how many values it holds, itself included.
    """

    __slots__ = ("column", "file", "key", "line", "size", "used", "value")

    def __init__(
        self,
        value: Scalar | list[Node] | dict[str, Node],
        *,
        key: str = "",
        file: str = "",
        line: int = 0,
        column: int = 0,
        size: int = 1,
    ) -> None:
        self.value = value
        self.key = key
        self.file = file
        self.line = line
        self.column = column
        self.size = size
        self.used = False

    def __repr__(self) -> str:
        return f"Node({self.key!r} at {self.line}:{self.column})"

    @property
    def members(self) -> dict[str, Node]:
        """The entries of a map. Raises ConfigError if it is none."""
        if not isinstance(self.value, dict):
            raise self.error(f'"{self.key}" must be a map: write {self.key} {{ ... }}')
        return self.value

    @property
    def elements(self) -> list[Node]:
        """The elements of a list; a single value counts as a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        """A ConfigError at this place."""
        return ConfigError(message, file=self.file, line=self.line, column=self.column, hint=hint)


def plain(node: Node) -> Any:
    """The value without positions: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(member) for key, member in node.value.items()}
    if isinstance(node.value, list):
        return [plain(element) for element in node.value]
    return node.value


def digest(node: Node) -> str:
    """``sha256:`` and the hash of the resolved configuration, equal to nats-server's (section 1.4)."""
    import hashlib

    return "sha256:" + hashlib.sha256(_json(node).encode() + b"\n").hexdigest()


def _json(node: Node) -> str:
    """Compact JSON with sorted keys, each scalar as Go's encoder writes it."""
    value = node.value
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(key)}:{_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, datetime):
        return f'"{value:%Y-%m-%dT%H:%M:%SZ}"'
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _float(value: float) -> str:
    """The shortest digits that read back, with an exponent only below 1e-6 and from 1e21 on."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        from decimal import Decimal

        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
