"""Reads a configuration text piece by piece: blanks, comments, keys and scalars.

``parser.py`` adds maps, lists, ``include`` and variables. The pieces are::

    key      = bare, up to a blank, "=" or ":"  |  'quoted'  |  "quoted"
    string   = bare, up to a blank, "," ";" "]" "}" or "'"  |  'raw'  |  "with escapes"  |  block
    block    = "(" raw text up to a line that is ")" alone
    integer  = ["-"] digits [suffix]       suffix: k kb ki kib ... e eb ei eib, in any case
    float    = ["-"] digits "." digits
    address  = a float that goes on with another "."
    datetime = YYYY-MM-DDTHH:MM:SSZ
    anything else that begins with a digit is a bare string

Source: spec/server-config.md sections 1.1 and 1.2, compared with nats-server 2.15.1.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime
from itertools import accumulate
from typing import NoReturn

from natskit.config.tree import Scalar
from natskit.errors import ConfigError

BLANK = re.compile(r"[ \t]*")
SPACE = re.compile(r"\s*")
COMMENT = re.compile(r"(?:#|//)[^\r\n]*")
BARE_KEY = re.compile(r"[^=:\s]+")
BARE_PART = re.compile(r"[^\\'\t\n\r ,;\]}]*")
QUOTED_PART = re.compile(r'[^\\"]*')
PATH = re.compile(r"[^\t\n\r ;}]+")
DIGITS = re.compile(r"[0-9]+")
SUFFIX = re.compile(r"[kmgtpe][bi]*", re.IGNORECASE)
ADDRESS = re.compile(r"[0-9.:-]*")
DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
HEX_BYTE = re.compile(r"[0-9A-Fa-f]{2}")
BLOCK_END = re.compile(r"^\)(?=\r?\n|\Z)", re.MULTILINE)

ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\"}
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
POWERS = {letter: power for power, letter in enumerate("kmgtpe", 1)}
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
MAX_DIGITS = 40
BLOCK = 1024
"""Bytes are counted by so many characters, so that a place in a long line is found as soon as any other."""


class Reference(str):
    """An unquoted ``$NAME``, without the dollar sign."""

    __slots__ = ()


class Scanner:
    """A cursor over a text. Every method reads at the cursor and moves it; what is wrong is a ConfigError there."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self._lines = [match.end() for match in re.finditer("\n", text)]
        blocks = (text[start : start + BLOCK] for start in range(0, len(text), BLOCK))
        self._bytes = list(accumulate((len(block.encode("utf-8", "surrogatepass")) for block in blocks), initial=0))
        try:
            text.encode()
        except UnicodeEncodeError as error:
            self.fail("the text is not UTF-8 from here on", error.start)

    # places

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of a position, as `Node` counts them."""
        line = bisect_right(self._lines, at) + 1
        start = self._lines[line - 2] if line > 1 else 0
        return line, self._bytes_before(at) - self._bytes_before(start) + (line > 1)

    def _bytes_before(self, at: int) -> int:
        block = at // BLOCK
        return self._bytes[block] + len(self.text[block * BLOCK : at].encode())

    def fail(self, message: str, at: int | None = None, *, hint: str | None = None) -> NoReturn:
        line, column = self.place(self.at if at is None else at)
        raise ConfigError(message, file=self.file, line=line, column=column, hint=hint)

    def peek(self) -> str:
        """The current character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def found(self) -> str:
        """The current character, for a message."""
        return {"": "the end of the text", "\n": "a new line", "\r": "a new line"}.get(self.peek(), f"'{self.peek()}'")

    # skipping

    def take(self, pattern: re.Pattern[str]) -> str:
        """What ``pattern`` matches here, possibly nothing."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def skip_space(self) -> None:
        """Blanks, line ends and comments."""
        while self.take(SPACE) or self.take(COMMENT):
            pass

    # keys

    def key(self) -> tuple[str, bool]:
        """A key, and whether it is bare."""
        char = self.peek()
        if char in "'\"":
            return self._until_quote("key"), False
        if char in "=:,;]}{[/":
            hint = "comments begin with '#' or '//'" if char == "/" else None
            self.fail(f"expected a key and found '{char}'", hint=hint)
        return self.take(BARE_KEY), True

    def path(self) -> str:
        """What follows the word ``include``."""
        self.take(BLANK)
        if self.peek() in ("'", '"'):
            return self._until_quote("path")
        if self.peek() in ("=", ":") or not (path := self.take(PATH)):
            self.fail(f"expected the path of a file to include and found {self.found()}", hint="write: include 'path'")
        if path[0].isdigit():
            self.fail("a path that begins with a digit must be in quotes", self.at - len(path))
        return path

    def _until_quote(self, what: str) -> str:
        start, quote = self.at, self.peek()
        end = self.text.find(quote, start + 1)
        if end < 0:
            self.fail(f"the {what} that begins here has no closing {quote}", start)
        self.at = end + 1
        return self.text[start + 1 : end]

    # scalars

    def scalar(self) -> Scalar | Reference:
        """A string, number, boolean, datetime or reference."""
        char = self.peek()
        if char == "'":
            return self._until_quote("text")
        if char == '"':
            return self._quoted()
        if char == "(":
            return self._block()
        if char == "-":
            return self._negative()
        if "0" <= char <= "9":
            return self._digits_first()
        if char == ".":
            self.fail("a number must begin with a digit, not with '.'", hint="write 0.5, or quote a text")
        return self._bare(self.at)

    def _quoted(self) -> str:
        start = self.at
        self.at += 1
        parts = [self.take(QUOTED_PART)]
        while self.peek() == "\\":
            parts += self._escape(), self.take(QUOTED_PART)
        if not self.peek():
            self.fail('the text that begins here has no closing "', start)
        self.at += 1
        return self._joined(parts, start)

    def _block(self) -> str:
        start = self.at
        end = BLOCK_END.search(self.text, start + 1)
        if end is None:
            self.fail("the block that begins here has no ')' on a line of its own", start)
        self.at = end.end()
        return self.text[start + 1 : end.start()]

    def _bare(self, start: int) -> Scalar | Reference:
        """An unquoted word that began at ``start``."""
        parts = [self.text[start : self.at] + self.take(BARE_PART)]
        while self.peek() == "\\":
            parts += self._escape(), self.take(BARE_PART)
        word = self._joined(parts, start)
        closed = self.peek() == "'"
        self.at += closed
        if not word and not closed:
            self.fail(f"expected a value and found {self.found()}", hint='an empty text is written ""')
        if len(parts) > 1 or closed:
            return word
        # Of bcrypt's hashes only this kind needs no quotes.
        if word.startswith("$") and not word.startswith("$2a$"):
            return Reference(word[1:])
        return BOOLEANS.get(word.lower(), word)

    def _escape(self) -> str:
        r"""One escaped character; ``\xHH`` is a byte."""
        start = self.at
        char = self.text[start + 1 : start + 2]
        self.at += 2
        if char == "x" and (digits := self.take(HEX_BYTE)):
            return bytes([int(digits, 16)]).decode("utf-8", "surrogateescape")
        if char not in ESCAPES:
            self.fail(
                f"Invalid escape character '{char}'. Only the following escape characters are allowed:"
                ' \\xXX, \\t, \\n, \\r, \\", \\\\.',
                start,
                hint="between '...' a backslash is a character like any other",
            )
        return ESCAPES[char]

    def _joined(self, parts: list[str], start: int) -> str:
        r"""The parts as one text, in which ``\xHH`` bytes must make up UTF-8."""
        text = "".join(parts)
        if len(parts) == 1:
            return text
        try:
            return text.encode("utf-8", "surrogateescape").decode()
        except UnicodeDecodeError:
            self.fail(r"the \x bytes of this text are not UTF-8", start)

    # numbers and what looks like them

    def _negative(self) -> Scalar | Reference:
        start = self.at
        self.at += 1
        if not self.take(DIGITS):
            self.fail(f"expected a digit after '-' and found {self.found()}", hint="quote a text that begins so")
        if self.peek() == ".":
            return self._fraction(start)
        return self._integer(start, lone=True)

    def _digits_first(self) -> Scalar | Reference:
        start = self.at
        self.take(DIGITS)
        char = self.peek()
        if char == "-":
            return self._datetime(start)
        if char == ".":
            return self._fraction(start)
        if char == "]":
            self.fail(f"a blank or ',' must stand between the number '{self.text[start : self.at]}' and ']'")
        if char in ("\\", "'"):
            self.at += 1  # plain characters here, and only here
            return self._bare(start)
        return self._integer(start, lone=False)

    def _integer(self, start: int, *, lone: bool) -> Scalar | Reference:
        """An integer, or a bare string that began like one. ``lone``: without a suffix nothing else can be meant."""
        end = self.at
        suffix = self.take(SUFFIX)
        if not (lone and not suffix) and self.peek() not in ("", "\t", "\n", "\r", " ", ",", ";", "}"):
            return self._bare(start)
        factor = self._factor(suffix, start)
        value = int(self.text[start:end]) * factor if end - start <= MAX_DIGITS else INT64_MAX + 1
        if not INT64_MIN <= value <= INT64_MAX:
            self.fail(f"integer '{self.text[start : min(self.at, start + MAX_DIGITS)]}' is out of the range", start)
        return value

    def _factor(self, suffix: str, start: int) -> int:
        if not suffix:
            return 1
        power, unit = POWERS[suffix[0].lower()], suffix[1:].lower()
        if unit not in ("", "b", "i", "ib"):
            self.fail(f"unknown size suffix '{suffix}'", start, hint="write k, kb, ki or kib, and so on with m, g, t")
        factor: int = (1024 if unit else 1000) ** power
        return factor

    def _fraction(self, start: int) -> float | str:
        self.at += 1
        if not self.take(DIGITS):
            self.fail(f"expected a digit after '.' and found {self.found()}")
        if self.peek() == ".":
            self.take(ADDRESS)
            return self.text[start : self.at]
        if self.at - start > 10 * MAX_DIGITS:
            self.fail("a number of so many digits is out of the range", start)
        return float(self.text[start : self.at])

    def _datetime(self, start: int) -> datetime:
        self.at = start
        try:
            return datetime.strptime(self.take(DATETIME), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            self.fail("a time must be complete, like 2026-01-31T12:00:00Z", start, hint="quote a text that begins so")
