"""Parameters of requests, read as Go reads them, with its words for what cannot be read.

Source: spec/server-config.md section 9.
"""

from __future__ import annotations

from collections.abc import Mapping

from natskit.errors import UsageError

__all__ = ["Query"]

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class Query:
    """The parameters of one request. Every reader raises UsageError for what it cannot read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def boolean(self, name: str) -> bool:
        given = self.text(name)
        if given in _TRUE:
            return True
        if given and given not in _FALSE:
            raise _unreadable("boolean", name, "ParseBool", given)
        return False

    def integer(self, name: str) -> int:
        """A number, 0 if there is none."""
        return self._number(name, "int", "Atoi", 63, signed=True)

    def unsigned(self, name: str) -> int:
        """A number that is not negative, 0 if there is none."""
        return self._number(name, "uint64", "ParseUint", 64, signed=False)

    def details(self, name: str) -> tuple[bool, bool]:
        """A boolean or ``detail``: whether it is wanted, and with all details."""
        if self.text(name).lower() == "detail":
            return True, True
        return self.boolean(name), False

    def choice(self, name: str, choices: Mapping[str, int]) -> int:
        """What one of these words, in any case, stands for."""
        found = choices.get(self.text(name).lower())
        if found is None:
            raise UsageError(f"Error decoding {name} for {self.text(name)}")
        return found

    def _number(self, name: str, kind: str, reader: str, bits: int, *, signed: bool) -> int:
        given = self.text(name)
        if not given:
            return 0
        digits = given[1:] if signed and given[0] in "+-" else given
        if not (digits.isascii() and digits.isdigit()):
            raise _unreadable(kind, name, reader, given)
        # The first digits tell whether it is too large; all of them could be too many to convert.
        if len(digits.lstrip("0")) > 20 or int(digits) >= 1 << bits:
            raise _unreadable(kind, name, reader, given, "value out of range")
        return int(given)


def _unreadable(kind: str, name: str, reader: str, given: str, why: str = "invalid syntax") -> UsageError:
    quoted = given.replace("\\", "\\\\").replace('"', '\\"')
    return UsageError(f"Error decoding {kind} for '{name}': strconv.{reader}: parsing \"{quoted}\": {why}")
