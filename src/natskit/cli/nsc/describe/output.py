"""The forms in which ``describe`` shows claims, and where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import switch, text

if TYPE_CHECKING:
    from natskit.cli.tables import Table

    from ..run import Run

__all__ = ["FORM", "OUTPUT_FILE", "body", "show"]

FORM = (
    switch("raw", "R", "the token itself; in a file, between its markers"),
    text("field", "F", "one field of the claims as JSON, such as nats.exports[0].subject", metavar="PATH"),
)
OUTPUT_FILE = text("output-file", "o", 'write to this file instead of stdout ("--")', default="--", metavar="FILE")


def show(
    run: Run, token: str, kind: str, tables: Callable[[], Sequence[Table]], *, raw: bool, field: str, output_file: str
) -> None:
    """Show ``token``, of a claim of ``kind``, in the form asked for: raw before field and JSON before tables."""
    if output_file != "--":
        return _write(run, _as_file(run, token, kind, tables, raw=raw, field=field), kind, raw=raw, path=output_file)
    if raw:
        return run.result(token, jwt=token)
    if field:
        return run.answer(_field_text(token, field))
    if run.json:
        return run.answer(f"{_body_text(token)}\n")
    return run.table(*tables())


def _as_file(run: Run, token: str, kind: str, tables: Callable[[], Sequence[Table]], *, raw: bool, field: str) -> str:
    if raw:
        from natskit.jwt.files import decorate

        return decorate(token, kind)
    if field:
        return _field_text(token, field)
    if run.json:
        return f"{_body_text(token)}\n"
    return "\n\n".join(table.render() for table in tables()) + "\n"


def _write(run: Run, content: str, kind: str, *, raw: bool, path: str) -> None:
    full = run.write_file(path, content)
    run.success(f"wrote {kind} {'jwt' if raw else 'description'} to `{run.path(full)}`")


def body(token: str) -> dict[str, Any]:
    """What a token says, as it says it. Raises InvalidToken."""
    from natskit.jwt.chunks import Chunks, read_json

    return read_json(Chunks(token).payload)


def _body_text(token: str) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(body(token), order="sorted"), indent=1).decode()


def _field_text(token: str, path: str) -> str:
    from natskit.jwt.chunks import write_json

    from .paths import pick

    return write_json(pick(body(token), path)).decode()
