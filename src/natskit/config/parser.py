"""Makes a tree of a configuration text: maps, lists, included files, variables.

Where a value stands decides what may end it: at the top a new line, in a map also ``}``, in a list ``]``.
Nesting, included files, variables and size are bounded, so that a hostile file costs an error and nothing more.

Source: spec/server-config.md sections 1.1 and 1.3.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from natskit.config.scanner import BLANK, SPACE, Reference, Scanner
from natskit.config.tree import Node, Scalar
from natskit.errors import ConfigError

MAX_BYTES = 64 << 20
"""All files together."""
MAX_FILES = 1000
MAX_INCLUDES = 32
"""Files that include one another."""
MAX_DEPTH = 128
MAX_VALUES = 2_000_000
"""Values in the tree, counted again wherever a variable repeats them."""

BYTE_ORDER_MARK = "\ufeff"

Where = Literal["top", "map", "list"]
Value = Scalar | list[Node] | dict[str, Node]

_CLOSING = {"top": "", "map": "}", "list": "]"}
_SEPARATING = {"top": ",;", "map": ",;", "list": ","}


def parse(text: str, file: str = "", *, environment: Iterable[tuple[str, str]] | None = None) -> Node:
    """The tree of a configuration text; its node is a map. ``file`` is for messages and for finding includes.

    ``environment`` stands in for the process's. Raises ConfigError.
    """
    return _Parser(text, file, _Loading(environment)).document()


def parse_file(path: str | os.PathLike[str], *, environment: Iterable[tuple[str, str]] | None = None) -> Node:
    """The tree of a file. Raises ConfigError, also for a file that cannot be read or is too large."""
    name = os.fspath(path)
    loading = _Loading(environment)
    return _Parser(loading.read(name), name, loading).document()


class _Loading:
    """What the files of one configuration share: the environment, and what all of them together may cost."""

    def __init__(self, environment: Iterable[tuple[str, str]] | None) -> None:
        self.environment = dict(os.environ.items() if environment is None else environment)
        self.variables: dict[str, Node] = {}
        self.bytes_left = MAX_BYTES
        self.files_left = MAX_FILES

    def read(self, path: str) -> str:
        """The text of a file. Raises ConfigError."""
        try:
            with open(path, "rb") as stream:
                data = stream.read(self.bytes_left + 1)
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
        except ValueError:
            raise ConfigError("the name of a file holds no NUL") from None
        self.bytes_left -= len(data)
        self.files_left -= 1
        if self.bytes_left < 0:
            raise ConfigError(f"the configuration {path} and what it includes is larger than {MAX_BYTES} bytes")
        if self.files_left < 0:
            raise ConfigError(f"the configuration includes more than {MAX_FILES} files")
        return data.decode("utf-8", "surrogateescape")  # what is not UTF-8 is refused where it stands


class _Parser(Scanner):
    """One text. ``scopes`` are the maps around the cursor, innermost last: variables are looked up there.

    ``including`` are the files that led here, ``resolving`` the variables of the environment that did.
    """

    def __init__(
        self,
        text: str,
        file: str,
        loading: _Loading,
        *,
        depth: int = 0,
        including: tuple[str, ...] = (),
        resolving: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(text, file)
        self.loading = loading
        self.depth = depth
        self.including = including
        self.resolving = resolving
        self.scopes: list[dict[str, Node]] = []

    def node(self, value: Value, at: int, key: str = "", size: int = 1) -> Node:
        line, column = self.place(at)
        return Node(value, key=key, file=self.file, line=line, column=column, size=size)

    # structure

    def document(self) -> Node:
        """The whole text, with or without braces around it."""
        if self.peek() == BYTE_ORDER_MARK:
            self.fail("the file begins with a byte order mark", hint="save it as UTF-8 without one")
        self.skip_space()
        start = self.at
        if self.peek() != "{":
            return self.members({}, start, "top")
        root = self.map("")
        self.skip_space()
        if self.peek():
            self.fail("nothing may follow the closing '}' of the file")
        return root

    def members(self, members: dict[str, Node], start: int, where: Where, key: str = "") -> Node:
        """Keys and values up to what closes them."""
        self.scopes.append(members)
        self.skip_space()
        while (char := self.peek()) and char != _CLOSING[where]:
            if char == "}":
                self.fail("'}' closes nothing")
            self.member(members, where)
            self.skip_space()
        self.scopes.pop()
        return self.sized(members, members.values(), start, key)

    def sized(self, value: Value, inner: Iterable[Node], at: int, key: str) -> Node:
        size = 1 + sum(each.size for each in inner)
        if size > MAX_VALUES:
            self.fail(f"the configuration has more than {MAX_VALUES} values", at)
        return self.node(value, at, key, size)

    def map(self, key: str) -> Node:
        start = self.enter()
        result = self.members({}, start, "map", key)
        self.leave(start, "map")
        return result

    def list(self, key: str) -> Node:
        start = self.enter()
        elements: list[Node] = []
        self.skip_space()
        while self.peek() not in ("", "]"):
            if self.peek() in ",;/":
                self.fail(f"expected a value and found {self.found()}", hint="quote a text that begins so")
            elements.append(self.value(self.at, "list"))
            self.end_of_value("list")
            self.skip_space()
        self.leave(start, "list")
        return self.sized(elements, elements, start, key)

    def enter(self) -> int:
        """Past an opening brace or bracket; where it stands."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"maps and lists are nested more than {MAX_DEPTH} deep")
        self.at += 1
        return self.at - 1

    def leave(self, start: int, what: Literal["map", "list"]) -> None:
        if not self.peek():
            self.fail(f"the {what} that begins here has no closing '{_CLOSING[what]}'", start)
        self.at += 1
        self.depth -= 1

    def member(self, members: dict[str, Node], where: Where) -> None:
        at = self.at
        key, bare = self.key()
        at += not bare  # nats-server counts from behind the quote
        if bare and key.lower() == "include" and self.peek().isspace():
            self.include(members)
        else:
            self.separator(key, at, where)
            members[key] = self.value(at, where, key)
        self.end_of_value(where)

    def separator(self, key: str, at: int, where: Where) -> None:
        """Past what stands between a key and its value."""
        self.take(SPACE)
        if self.peek() in ("=", ":"):
            self.at += 1
            self.take(BLANK if where == "top" else SPACE)
            if self.peek() in ("\n", "\r"):
                self.fail(f"expected a value for '{key}' and found a new line")
        if self.peek() in ("", "}"):
            self.fail(f"config is invalid: the key '{key}' has no value", at)

    def end_of_value(self, where: Where) -> None:
        self.take(BLANK)
        char = self.peek()
        if char and char in _SEPARATING[where]:
            self.at += 1
        elif char not in ("", "\n", "\r", "#", _CLOSING[where]) and not self.text.startswith("//", self.at):
            if char == "}":
                self.fail("'}' closes nothing")
            self.fail(f"expected a new line or ',' after the value and found {self.found()}")

    def value(self, at: int, where: Where, key: str = "") -> Node:
        """A value that stands ``at`` its key, or at itself in a list."""
        char = self.peek()
        if char == "{":
            return self.moved(self.map(key), at)
        if char == "[":
            return self.moved(self.list(key), at)
        start = self.at
        scalar = self.scalar()
        if isinstance(scalar, Reference):
            found = self.variable(scalar, start)
            return self.node(found.value, at, key, found.size)
        return self.node(scalar, at, key)

    def moved(self, node: Node, at: int) -> Node:
        node.line, node.column = self.place(at)
        return node

    # variables and includes

    def variable(self, name: str, at: int) -> Node:
        """What ``$name`` stands for: a key of the maps around, then of the environment."""
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name].used = True
                return scope[name]
        known = self.loading.variables
        if name not in known:
            known[name] = self.from_environment(name, at)
        return known[name]

    def from_environment(self, name: str, at: int) -> Node:
        """A variable of the environment, whose text is read like a value of the file."""
        if name in self.resolving:
            self.fail(f"variable reference cycle for '{name}'", at)
        if name not in self.loading.environment:
            self.fail(f"variable reference for '{name}' can not be found in the file or the environment", at)
        text, resolving = self.loading.environment[name], self.resolving | {name}
        inner = _Parser(text, f"${name}", self.loading, depth=self.depth, resolving=resolving)
        try:
            value = inner.value(0, "top")
            inner.end_of_value("top")
            inner.skip_space()
            if inner.peek():
                inner.fail(f"expected one value and found {inner.found()}")
        except ConfigError as error:
            self.fail(f"variable reference for '{name}' could not be parsed: {error.message}", at)
        return value

    def include(self, members: dict[str, Node]) -> None:
        """Merge the keys of a file that is named relative to this one."""
        at = self.at
        name = self.path()
        path = os.path.join(os.path.dirname(self.file), name.lstrip("/"))
        try:
            members.update(self.included(path).members)
        except ConfigError as error:
            self.fail(f"error parsing include file '{name}', {error}", at, hint=error.hint)

    def included(self, path: str) -> Node:
        if path in self.including or len(self.including) >= MAX_INCLUDES:
            raise ConfigError(f"it includes itself, or more than {MAX_INCLUDES} files include one another")
        text = self.loading.read(path)
        return _Parser(text, path, self.loading, depth=self.depth, including=(*self.including, path)).document()
