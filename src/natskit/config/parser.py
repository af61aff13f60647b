"""Reads the configuration language, a key and a value at a time.

Where a value stands decides what may end it: at the top a new line, in a map also ``}``, in a list ``]``.
Nesting, included files, variables and size are bounded, so that a hostile file costs an error and nothing more.

Source: spec/server-config.md sections 1.1 to 1.3.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, NoReturn

from natskit.config.tree import Node
from natskit.config.values import number
from natskit.errors import ConfigError

MAX_BYTES = 16 << 20
MAX_DEPTH = 128
MAX_INCLUDES = 32

Where = Literal["top", "map", "list"]

_BLANKS = " \t\r"
_ENDS = _BLANKS + "\n,;]}"
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_BCRYPT = "$2a$"


def parse(text: str, file: str = "", *, environment: Iterable[tuple[str, str]] | None = None) -> Node:
    """The tree of a configuration text; its node is a map. ``file`` is for messages and for finding includes.

    ``environment`` stands in for the process's. Raises ConfigError.
    """
    variables = dict(os.environ.items() if environment is None else environment)
    return _Parser(text, file, variables, includes=(), depth=0).document()


def parse_file(path: str | os.PathLike[str], *, environment: Iterable[tuple[str, str]] | None = None) -> Node:
    """The tree of a file. Raises ConfigError, also for a file that cannot be read or is too large."""
    name = os.fspath(path)
    return parse(_read(name), name, environment=environment)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the configuration {path} is larger than {MAX_BYTES} bytes")
    return data.decode("utf-8", "surrogateescape")


class _Parser:
    """One text. ``scopes`` are the maps around the current place, innermost last; variables are looked up there."""

    def __init__(
        self, text: str, file: str, environment: dict[str, str], includes: tuple[str, ...], depth: int
    ) -> None:
        self.text = text
        self.file = file
        self.environment = environment
        self.includes = includes
        self.depth = depth
        self.at = 0
        self.line = 1
        self.line_start = 0
        self.scopes: list[dict[str, Node]] = []
        self.pending: set[str] = set()

    # places and errors

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of a position on the current line or before it."""
        line, start = self.line, self.line_start
        while at < start:
            line -= 1
            start = self.text.rfind("\n", 0, start - 1) + 1
        return line, at - start + (line > 1)

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        line, column = self.place(self.at if at is None else at)
        raise ConfigError(message, file=self.file or "configuration", line=line, column=column)

    def node(self, value: object, at: int, key: str = "") -> Node:
        line, column = self.place(at)
        return Node(value, key=key, file=self.file, line=line, column=column)  # type: ignore[arg-type]

    # characters

    def peek(self) -> str:
        """The current character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def step(self) -> str:
        char = self.text[self.at]
        self.at += 1
        if char == "\n":
            self.line += 1
            self.line_start = self.at
        return char

    def skip(self, chars: str) -> None:
        while (char := self.peek()) and char in chars:
            self.step()

    def skip_comment(self) -> bool:
        if self.peek() == "#" or self.text.startswith("//", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
            return True
        return False

    def skip_space(self) -> None:
        """Blanks, line ends and comments."""
        self.skip(_BLANKS + "\n")
        while self.skip_comment():
            self.skip(_BLANKS + "\n")

    # structure

    def document(self) -> Node:
        self.skip_space()
        start = self.at
        if self.peek() == "{":
            members = self.map(start)
            self.skip_space()
            if self.peek():
                self.fail("nothing may follow the closing '}' of the file")
        else:
            members = {}
            self.members(members, "top")
        return self.node(members, 0)

    def members(self, members: dict[str, Node], where: Where) -> None:
        """Keys and values up to the end of the text, or of the map."""
        self.scopes.append(members)
        while True:
            self.skip_space()
            char = self.peek()
            if not char or (char == "}" and where == "map"):
                break
            self.member(members, where)
        self.scopes.pop()

    def map(self, start: int) -> dict[str, Node]:
        self.enter()
        self.step()
        members: dict[str, Node] = {}
        self.members(members, "map")
        if not self.peek():
            self.fail("the map that begins here has no closing '}'", start)
        self.step()
        self.depth -= 1
        return members

    def list(self, start: int) -> list[Node]:
        self.enter()
        self.step()
        elements: list[Node] = []
        while True:
            self.skip_space()
            if not self.peek():
                self.fail("the list that begins here has no closing ']'", start)
            if self.peek() == "]":
                break
            at = self.at
            if self.peek() in ",;":
                self.fail(f"expected a value and found '{self.peek()}'")
            elements.append(self.node(self.value("list"), at))
            self.end_of_value("list")
        self.step()
        self.depth -= 1
        return elements

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"maps and lists are nested more than {MAX_DEPTH} deep")

    def member(self, members: dict[str, Node], where: Where) -> None:
        at = self.at
        bare = self.peek() not in "'\""
        key = self.key()
        if bare and key.lower() == "include" and self.peek() in (" ", "\t") and self.included(members):
            self.end_of_value(where)
            return
        self.separator(key, at, where)
        members[key] = self.node(self.value(where, key), at, key)
        self.end_of_value(where)

    def key(self) -> str:
        start, quote = self.at, self.peek()
        if quote in "'\"":
            end = self.text.find(quote, start + 1)
            if end < 0 or "\n" in self.text[start:end]:
                self.fail(f"the key that begins here has no closing {quote}")
            self.at = end + 1
            return self.text[start + 1 : end]
        while (char := self.peek()) and char not in _BLANKS + "\n=:":
            self.at += 1
        key = self.text[start : self.at]
        if not key or key[0] in ",;]}{[":
            self.fail(f"expected a key and found '{self.text[start : start + 1]}'", start)
        return key

    def separator(self, key: str, at: int, where: Where) -> None:
        self.skip(_BLANKS + "\n")
        if self.peek() and self.peek() in ":=":
            self.step()
            self.skip(_BLANKS if where == "top" else _BLANKS + "\n")
            if self.peek() == "\n":
                self.fail(f"expected a value for '{key}' and found a new line")
        if not self.peek() or (self.peek() == "}" and where == "map"):
            self.fail(f"config is invalid: the key '{key}' has no value", at)

    def end_of_value(self, where: Where) -> None:
        self.skip(_BLANKS)
        if self.skip_comment():
            return
        char = self.peek()
        closing = {"top": "}", "map": "}", "list": "]"}[where]
        if not char or char == closing:
            if char == "}" and where == "top":
                self.fail("'}' closes nothing")
            return
        if char == "\n" or char == "," or (char == ";" and where != "list"):
            self.step()
            return
        self.fail(f"expected a new line or ',' after the value and found '{char}'")

    # values

    def value(self, where: Where, key: str = "") -> object:
        start, char = self.at, self.peek()
        if char == "{":
            return self.map(start)
        if char == "[":
            return self.list(start)
        if char == "'":
            return self.raw(start)
        if char == '"':
            return self.quoted(start)
        if char == "(":
            return self.block(start)
        if char in ".,;]}":
            self.fail(f"expected a value and found '{char}'")
        if char.isascii() and (char.isdigit() or char == "-"):
            return self.number(start, where)
        return self.bare(start, key)

    def raw(self, start: int) -> str:
        end = self.text.find("'", start + 1)
        if end < 0:
            self.fail("the text that begins here has no closing '", start)
        self.forward(end + 1)
        return self.text[start + 1 : end]

    def forward(self, at: int) -> None:
        """Go on at ``at``, counting lines."""
        lines = self.text.count("\n", self.at, at)
        if lines:
            self.line += lines
            self.line_start = self.text.rfind("\n", self.at, at) + 1
        self.at = at

    def quoted(self, start: int) -> str:
        self.step()
        parts: list[str] = []
        while True:
            char = self.peek()
            if not char:
                self.fail('the text that begins here has no closing "', start)
            if char == '"':
                self.step()
                return "".join(parts)
            parts.append(self.escape() if char == "\\" else self.step())

    def escape(self) -> str:
        """One escaped character; ``\\xHH`` is a byte."""
        at = self.at
        self.step()
        char = self.peek()
        if char in _ESCAPES and char:
            self.step()
            return _ESCAPES[char]
        digits = self.text[self.at + 1 : self.at + 3]
        if char != "x" or len(digits) < 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            self.fail(
                f"Invalid escape character '{char}'. Only the following escape characters are allowed:"
                ' \\xXX, \\t, \\n, \\r, \\", \\\\.',
                at,
            )
        self.at += 3
        return bytes([int(digits, 16)]).decode("utf-8", "surrogateescape")

    def block(self, start: int) -> str:
        end = self.at
        while True:
            end = self.text.find("\n)", end)
            if end < 0:
                self.fail("the block that begins here has no ')' on a line of its own", start)
            if self.text[end + 2 : end + 3] in ("", "\n") or self.text.startswith("\r\n", end + 2):
                break
            end += 1
        self.forward(end + 2)
        return self.text[start + 1 : end + 1]

    def word(self) -> str:
        """The characters up to what ends a bare value."""
        start = self.at
        while (char := self.peek()) and char not in _ENDS:
            self.at += 1
        return self.text[start : self.at]

    def number(self, start: int, where: Where) -> object:
        text = self.word()
        try:
            value = number(text)
        except ValueError as error:
            self.fail(str(error), start)
        if where == "list" and self.peek() == "]" and not isinstance(value, str):
            self.fail(f"a blank or ',' must stand between the number '{text}' and ']'")
        return value

    def bare(self, start: int, key: str) -> object:
        parts: list[str] = []
        escaped = False
        while (char := self.peek()) and char not in _ENDS and char != "'":
            if char == "\\":
                escaped = True
                parts.append(self.escape())
            else:
                parts.append(self.step())
        if self.peek() == "'":
            self.step()
        text = "".join(parts)
        if escaped:
            return text
        if text.lower() in _TRUE or text.lower() in _FALSE:
            return text.lower() in _TRUE
        if text.startswith("$") and not text.startswith(_BCRYPT):
            return self.variable(text[1:], start)
        return text

    # variables and includes

    def variable(self, name: str, at: int) -> object:
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name].used = True
                return scope[name].value
        if name in self.pending:
            self.fail(f"variable reference cycle for '{name}'", at)
        if name not in self.environment:
            self.fail(f"variable reference for '{name}' can not be found in the file or the environment", at)
        inner = _Parser(f"value: {self.environment[name]}", f"${name}", self.environment, self.includes, self.depth)
        inner.pending = self.pending | {name}
        try:
            return inner.document().members["value"].value
        except ConfigError as error:
            self.fail(f"variable reference for '{name}' could not be parsed: {error.message}", at)

    def included(self, members: dict[str, Node]) -> bool:
        """Merge an included file; False if this is a key called include after all."""
        at = self.at
        self.skip(_BLANKS)
        if self.peek() in (":", "=", "\n", "{", "[", ""):
            self.at = at
            return False
        name = self.raw(self.at) if self.peek() == "'" else self.quoted(self.at) if self.peek() == '"' else self.word()
        path = os.path.join(os.path.dirname(self.file), name.lstrip("/"))
        if len(self.includes) >= MAX_INCLUDES or path in self.includes:
            self.fail(f"error parsing include file '{name}', it includes itself or too many others", at)
        try:
            inner = _Parser(_read(path), path, self.environment, (*self.includes, path), self.depth)
            members.update(inner.document().members)
        except ConfigError as error:
            self.fail(f"error parsing include file '{name}', {error}", at)
        return True
