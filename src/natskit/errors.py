"""All errors of natskit, in one tree.

::

    Error
    ├── DecodeError            text or bytes that are not what they should be
    │   ├── InvalidKey         an nkey that does not decode, or has another role
    │   ├── InvalidSubject     a subject that breaks the grammar
    │   ├── InvalidToken       a JWT, creds or decorated file that does not decode
    │   ├── InvalidFile        a file of commands or rows, with every line that is wrong
    │   └── ConfigError        a server configuration, with file, line and column
    ├── KeyUseError            a key that cannot do what was asked (sign without a seed, seal with a user key)
    ├── VerifyError            a signature or a chain of trust that does not hold
    ├── ClaimsError            claims that must not be issued; carries the issues found
    ├── StoreError             the store on disk cannot do what was asked
    │   ├── NotFound           no such operator, account, user, key, export ...
    │   └── AlreadyExists      the name or file is taken
    ├── UsageError             a command or call whose arguments do not fit together
    ├── Cancelled              the user said no to a question
    ├── DeniedError            policy says no; carries the reason
    │   └── AuthenticationError
    ├── ProtocolError          a peer broke the NATS protocol; carries the text it is told
    ├── ServerError            a server cannot start or go on (address in use, no resolver ...)
    └── Unreachable            a server that does not answer, or a connection that broke

Messages name what happened, with which value, and what to do. They never hold a seed, a password or a token.
Each kind has a ``code``, a word that programs may rely on while messages may change (docs/json.md).
"""

from __future__ import annotations

from collections.abc import Sequence


class Error(Exception):
    """Base of every error that natskit raises on purpose.

    ``hint`` is the next thing to do, often a command to type; commands print it below the message.
    """

    code = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    @property
    def details(self) -> dict[str, list[dict[str, str | int]]]:
        """What is known beyond the message, for programs; texts may hold what `__str__` may hold."""
        return {}


class DecodeError(Error):
    """Text or bytes that are not what they should be."""

    code = "malformed"


class InvalidKey(DecodeError):
    """An nkey that does not decode, or is of another role than asked for."""

    code = "invalid_key"


class InvalidSubject(DecodeError):
    """A subject that breaks the grammar; ``subject`` is the offending text."""

    code = "invalid_subject"

    def __init__(self, message: str, *, subject: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.subject = subject


class InvalidToken(DecodeError):
    """A JWT, creds or decorated file that does not decode."""

    code = "invalid_token"


class InvalidFile(DecodeError):
    """A file of commands or rows of which nothing was carried out; ``problems`` are (line from 1, what is wrong)."""

    code = "invalid_file"
    _SHOWN = 10

    def __init__(self, file: str, problems: Sequence[tuple[int, str]], *, hint: str | None = None) -> None:
        more = len(problems) - self._SHOWN
        lines = [f"{file}:{line}: {text}" for line, text in problems[: self._SHOWN]]
        super().__init__("\n".join([*lines, f"and {more} more"] if more > 0 else lines), hint=hint)
        self.file = file
        self.problems = tuple(problems)

    @property
    def details(self) -> dict[str, list[dict[str, str | int]]]:
        """``problems``, each with ``error``, ``file`` and ``line``."""
        return {"problems": [{"error": text, "file": self.file, "line": line} for line, text in self.problems]}


class ConfigError(DecodeError):
    """A server configuration that cannot be used. ``line`` counts from 1, ``column`` as ``server-config.md`` says.

    ``problems``: everything that is wrong, if that is more than one thing; each has its own place.
    """

    code = "invalid_config"

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        hint: str | None = None,
        problems: Sequence[ConfigError] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.problems = tuple(problems) or (self,)

    def __str__(self) -> str:
        if not self.line:
            return self.message
        return f"{self.file or 'configuration'}:{self.line}:{self.column}: {self.message}"

    @property
    def details(self) -> dict[str, list[dict[str, str | int]]]:
        """``problems``, each with ``error``, ``file``, ``line`` and ``column``."""
        return {
            "problems": [
                {"error": each.message, "file": each.file, "line": each.line, "column": each.column}
                for each in self.problems
            ]
        }


class KeyUseError(Error):
    """A key that cannot do what was asked: sign without a seed, seal with a user key."""

    code = "unusable_key"


class VerifyError(Error):
    """A signature or a chain of trust that does not hold."""

    code = "not_verified"


class ClaimsError(Error):
    """Claims that must not be issued; ``issues`` are the findings, blocking ones first."""

    code = "invalid_claims"

    def __init__(self, message: str, *, issues: Sequence[object] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.issues = tuple(issues)

    @property
    def details(self) -> dict[str, list[dict[str, str | int]]]:
        """``issues``, each with ``severity``, ``text`` and ``path``."""
        members = ("severity", "text", "path")
        return {"issues": [{name: str(getattr(each, name, "")) for name in members} for each in self.issues]}


class StoreError(Error):
    """The store on disk cannot do what was asked."""

    code = "store"


class NotFound(StoreError):
    """No such operator, account, user, key, export or import."""

    code = "not_found"


class AlreadyExists(StoreError):
    """The name or file is taken."""

    code = "already_exists"


class UsageError(Error):
    """Arguments that do not fit together."""

    code = "usage"


class Cancelled(Error):
    """The user said no to a question; nothing was done."""

    code = "cancelled"


class DeniedError(Error):
    """Policy says no; the message is the reason."""

    code = "denied"


class AuthenticationError(DeniedError):
    """A login that is refused. The message is for the log; the peer is told ``reply`` only.

    ``reason`` is the state that monitoring shows for the closed connection. Where an auth callout decided,
    ``callout`` is the account of its service, which is told ``verdict`` (empty: the service said nothing).
    """

    code = "not_authenticated"

    def __init__(
        self,
        message: str,
        *,
        reply: str = "Authorization Violation",
        reason: str = "Authentication Failure",
        callout: str = "",
        verdict: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.reply = reply
        self.reason = reason
        self.callout = callout
        self.verdict = verdict


class ProtocolError(Error):
    """A peer broke the protocol. ``reply`` is what it is told (empty: nothing), ``fatal`` whether it is cut off."""

    code = "protocol"

    def __init__(self, message: str, *, reply: str = "", fatal: bool = True, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reply = reply
        self.fatal = fatal


class ServerError(Error):
    """A server cannot start or go on."""

    code = "server"


class Unreachable(Error):
    """A server that does not answer, or a connection that broke."""

    code = "unreachable"
