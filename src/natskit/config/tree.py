"""What parsing yields: values that know where they stand."""

from __future__ import annotations

from typing import Any

from natskit.errors import ConfigError

Scalar = str | int | float | bool


class Node:
    """One value: a scalar, a list of nodes, or a map of nodes by key.

    ``line`` and ``column`` are those of the key, for an element of a list those of the element; the column counts
    from 0 on the first line and from 1 on the others, as nats-server's messages do. ``used`` tells that a
    ``$variable`` read it.
    """

    __slots__ = ("column", "file", "key", "line", "used", "value")

    def __init__(
        self,
        value: Scalar | list[Node] | dict[str, Node],
        *,
        key: str = "",
        file: str = "",
        line: int = 0,
        column: int = 0,
    ) -> None:
        self.value = value
        self.key = key
        self.file = file
        self.line = line
        self.column = column
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
    import json

    text = json.dumps(plain(node), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for raw in "<>&\u2028\u2029":
        text = text.replace(raw, f"\\u{ord(raw):04x}")
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape") + b"\n").hexdigest()
