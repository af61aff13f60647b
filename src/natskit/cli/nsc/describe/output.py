"""The forms in which ``describe`` shows claims, and where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import switch, text
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.cli.tables import Table

    from ..run import Run

__all__ = ["FORM", "OUTPUT_FILE", "Subject", "body", "show"]

FORM = (
    switch("raw", "R", "the token itself; in a file, between its markers"),
    text("field", "F", "one field of the claims as JSON, such as nats.exports[0].subject", metavar="PATH"),
)
OUTPUT_FILE = text("output-file", "o", 'write to this file instead of stdout ("--")', default="--", metavar="FILE")


class Subject:
    """What is shown: ``value`` as JSON has it, ``token`` if it stands in one (of a claim of ``kind``), its tables."""

    __slots__ = ("kind", "tables", "token", "value")

    def __init__(self, kind: str, tables: Callable[[], Sequence[Table]], *, token: str = "", value: Any = None) -> None:
        self.kind = kind
        self.tables = tables
        self.token = token
        self.value = body(token) if value is None else value


def show(run: Run, subject: Subject, *, raw: bool, field: str, output_file: str) -> None:
    """Show ``subject`` in the form asked for: the token before a field and JSON before tables. Raises UsageError."""
    if raw and not subject.token:
        raise UsageError(f"this {subject.kind} has no token of its own", hint="try it with --json")
    if output_file != "--":
        return _write(run, subject, raw=raw, field=field, path=output_file)
    if raw:
        return run.result(subject.token, jwt=subject.token)
    if field:
        return run.answer(_field_text(subject.value, field))
    if run.json:
        return run.answer(f"{_json_text(subject.value)}\n")
    return run.table(*subject.tables())


def _write(run: Run, subject: Subject, *, raw: bool, field: str, path: str) -> None:
    full = run.write_file(path, _as_file(run, subject, raw=raw, field=field))
    run.success(f"wrote {subject.kind} {'jwt' if raw else 'description'} to `{run.path(full)}`")


def _as_file(run: Run, subject: Subject, *, raw: bool, field: str) -> str:
    if raw:
        from natskit.jwt.files import decorate

        return decorate(subject.token, "activation" if subject.kind == "import" else subject.kind)
    if field:
        return _field_text(subject.value, field)
    if run.json:
        return f"{_json_text(subject.value)}\n"
    return "\n\n".join(table.render() for table in subject.tables()) + "\n"


def body(token: str) -> dict[str, Any]:
    """What a token says, as it says it. Raises InvalidToken."""
    from natskit.jwt.chunks import Chunks, read_json

    return read_json(Chunks(token).payload)


def _json_text(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1).decode()


def _field_text(value: Any, path: str) -> str:
    from natskit.jwt.chunks import write_json

    from .paths import pick

    return write_json(pick(value, path)).decode()
