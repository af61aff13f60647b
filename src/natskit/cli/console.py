"""Where output goes: results to stdout, notices to stderr, colour to terminals only; errors as one line or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from natskit.errors import Error, InvalidSubject, UsageError

from .exits import INTERRUPTED, MISUSED, NO_READER, REFUSED
from .tables import printable

__all__ = ["Console", "error_document", "format_json", "guard", "masked"]


class Console:
    """The two streams of one run. With ``json``, what is meant for people stays off both.

    ``lead`` opens the line of an error; ``done`` is what was done before it, told with it in JSON.
    """

    def __init__(self, *, json: bool = False, lead: str = "Error:") -> None:
        self.json = json
        self.lead = lead
        self.done: dict[str, Any] = {}

    def write(self, text: str) -> None:
        """Write a line of results (or several) to stdout."""
        _write(sys.stdout, text)

    def document(self, value: object) -> None:
        """Write a JSON document to stdout."""
        _write(sys.stdout, format_json(value))

    def line(self, value: object) -> None:
        """Write JSON on one line to stdout: one of many documents."""
        import msgspec

        _write(sys.stdout, msgspec.json.encode(value).decode())

    def flush(self) -> None:
        """Let the reader of stdout see now what was written."""
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Write a line for people to stderr; in JSON an object with ``notice``, on one line."""
        if self.json:
            import msgspec

            text = msgspec.json.encode({"notice": text}).decode()
        _write(sys.stderr, text)

    def fail(self, error: Error) -> None:
        """Tell an error: lead, message, the hint below; or one JSON object."""
        if self.json:
            _write(sys.stderr, format_json(error_document(error) | self.done))
            return
        _write(sys.stderr, f"{paint(self.lead, '31', sys.stderr)} {_shown(str(error))}")
        if error.hint:
            _write(sys.stderr, _shown(error.hint))

    def has_colour(self) -> bool:
        """Whether stdout shows colours."""
        return _has_colour(sys.stdout)


def error_document(error: Error) -> dict[str, Any]:
    """An error as JSON: ``error``, ``code``, and ``hint``, ``issues``, ``problems`` where there are (docs/json.md)."""
    document: dict[str, Any] = {"error": masked(str(error)), "code": error.code}
    if error.hint:
        document["hint"] = masked(error.hint)
    for name, entries in error.details.items():
        document[name] = [
            {member: masked(value) if isinstance(value, str) else value for member, value in entry.items()}
            for entry in entries
        ]
    return document


_SECRET_MARKS = ("SOA", "SAA", "SUA", "SNA", "SCA", "SXA", "eyJ", "://")
"""What is in every seed, token or URL; most texts have none of it."""


def masked(text: str) -> str:
    """``text`` with seeds and tokens shortened and passwords of URLs hidden.

    Messages name the value that is wrong, and people paste secrets where something else is meant.
    """
    if not any(mark in text for mark in _SECRET_MARKS):
        return text
    import re

    text = re.sub(r"\b(S[OAUNCX]A)[A-P][A-Z2-7]{12,}", r"\1...", text)
    text = re.sub(r"\beyJ[\w-]{16,}\.[\w.-]+", "eyJ...", text)
    # A reason after the URL may repeat a part of it: "nonnumeric port: 'PASSWORD@host'".
    for password in set(re.findall(r"://[^\s/@:]*:([^\s/@]+)@", text)):
        text = text.replace(f"{password}@", "xxxxx@")
    return text


def _shown(text: str) -> str:
    """``text``, which may have several lines, as people may see it."""
    return "\n".join(printable(line) for line in masked(text).splitlines())


def paint(text: str, code: str, stream: TextIO) -> str:
    """``text`` in the colour ``code`` (an SGR parameter) if the stream shows colours."""
    return f"\x1b[{code}m{text}\x1b[0m" if _has_colour(stream) else text


def _has_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(f"{text}\n")
    except UnicodeEncodeError:  # a terminal or pipe of a small character set
        encoding = stream.encoding or "ascii"
        stream.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")


def format_json(value: object) -> str:
    """``value`` as JSON, indented by two; structs become objects."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _replace_closed_streams() -> None:
    """Let a program whose caller closed stdin, stdout or stderr run as with /dev/null.

    Else the first file that it opens would get the number of stdout, and whatever writes to stdout would write into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the program runs


def guard(console: Console, action: Callable[[], int | None], *, misused: int = MISUSED) -> int:
    """Run ``action`` and return the exit status: its own, or that of what it raised, which is told in one line.

    ``misused`` is the status for a command line that makes no sense. Only defects of natskit itself leave a traceback.
    """
    _replace_closed_streams()
    try:
        status = action() or 0
        sys.stdout.flush()
    except Error as error:
        console.fail(error)
        return misused if isinstance(error, (UsageError, InvalidSubject)) else REFUSED
    except BrokenPipeError:
        # Point stdout nowhere, so that the interpreter's last flush does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        console.fail(_with_code(Error(f"{where}{error.strerror or error}"), "system"))
        return REFUSED
    except KeyboardInterrupt:
        if console.json:
            console.fail(_with_code(Error("interrupted"), "interrupted"))
        return INTERRUPTED
    return status


def _with_code(error: Error, code: str) -> Error:
    """An error that natskit has no class for."""
    error.code = code
    return error
