"""``nsc describe export`` and ``nsc describe import``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import to_builtins

from natskit.cli.command import command, text
from natskit.cli.flags import format_date, format_duration
from natskit.cli.tables import Table
from natskit.errors import NotFound, UsageError

from .names import name_of_account
from .output import FORM, OUTPUT_FILE, Subject, show
from .rows import yes
from .sharing import expires, export_type, local_subject, sharing_type, tracking

if TYPE_CHECKING:
    from natskit.jwt import Export, Import

    from ..run import Run

__all__ = ["describe_export", "describe_import"]

_Shared = TypeVar("_Shared", "Export", "Import")

_SUBJECT = text("subject", "s", "its subject or name, default the only one", metavar="SUBJECT")


@command(
    _SUBJECT,
    *FORM,
    OUTPUT_FILE,
    arguments=("[subject]",),
    examples=[
        ("nsc describe export orders.>", "the export of this subject, or of this name, in the current account"),
        ("nsc describe export -a A orders.> --json", "as JSON"),
    ],
)
def describe_export(run: Run, *, subject: str, raw: bool, field: str, output_file: str) -> None:
    """Show one export of an account."""
    account = run.workspace.account_name()
    exports = run.workspace.operator().account(account).nats.exports
    found = _pick(exports, subject, account, "export")
    shown = Subject("export", lambda: [_export_table(run, found)], value=to_builtins(found))
    show(run, shown, raw=raw, field=field, output_file=output_file)


@command(
    _SUBJECT,
    text("src-account", "", "the exporter, if several export that subject", metavar="ACCOUNT", completes="account"),
    *FORM,
    OUTPUT_FILE,
    arguments=("[subject]",),
    examples=[("nsc describe import orders.>", "the import of this subject, or of this name, in the current account")],
)
def describe_import(run: Run, *, subject: str, src_account: str, raw: bool, field: str, output_file: str) -> None:
    """Show one import of an account, and the activation that it rests on."""
    account = run.workspace.account_name()
    imports = run.workspace.operator().account(account).nats.imports
    if src_account and imports:
        from ..import_ import account_key

        source = account_key(run, src_account)
        imports = tuple(each for each in imports if each.account == source)
        if not imports:
            hint = _to_list("imports", account)
            raise NotFound(f'account "{account}" imports nothing from {src_account}', hint=hint)
    found = _pick(imports, subject, account, "import")
    shown = Subject("import", lambda: [_import_table(run, found)], token=found.token, value=to_builtins(found))
    show(run, shown, raw=raw, field=field, output_file=output_file)


def _to_list(what: str, account: str) -> str:
    from natskit.store.commands import typed

    return typed("list", what, "--account", account)


def _pick(candidates: Sequence[_Shared], subject: str, account: str, what: str) -> _Shared:
    if not candidates:
        raise NotFound(f'account "{account}" doesn\'t have {what}s')
    if not subject and len(candidates) > 1:
        raise UsageError("subject is required", hint=_to_list(f"{what}s", account))
    found = [each for each in candidates if not subject or subject == each.subject]
    found = found or [each for each in candidates if subject == each.name]
    if not found:
        raise NotFound(f'no {what} matching "{subject}" found', hint=_to_list(f"{what}s", account))
    if len(found) > 1:
        raise UsageError(f'more than one {what} "{subject}" found', hint="specify --src-account")
    return found[0]


def _export_table(run: Run, export: Export) -> Table:
    table = Table("Export")
    table.row("Name", export.name)
    table.row("Type", export_type(export))
    table.row("Subject", export.subject)
    table.row("Public", yes(not export.token_req))
    if export.account_token_position:
        table.row("Account Token Position", export.account_token_position)
    if export.is_service:
        table.row("Response Threshold", format_duration(export.response_threshold))
        table.row("Tracking", tracking(export))
        table.row("Allow Trace", yes(export.allow_trace))
    table.row("Advertise", yes(export.advertise))
    if export.description or export.info_url:
        table.separator()
        table.row("Description", export.description)
        table.row("Info Url", export.info_url)
    table.separator()
    table.rows("Revocations", [f"{_named(run, key)} {format_date(at)}" for key, at in export.revocations.items()])
    return table


def _import_table(run: Run, each: Import) -> Table:
    table = Table("Import")
    table.row("Name", each.name)
    table.row("Type", sharing_type(each))
    table.row("Remote", each.remote_subject)
    table.row("Local", local_subject(each))
    table.row("From Account", _named(run, each.account))
    table.row("Public", yes(not each.token))
    if each.is_service:
        table.row("Share Latency Info", yes(each.share))
    else:
        table.row("Allow Trace", yes(each.allow_trace))
    if each.token:
        table.separator()
        table.row("Activation Expires", expires(each) or "Never")
    return table


def _named(run: Run, key: str) -> str:
    name = "[All Accounts]" if key == "*" else name_of_account(run.workspace, key)
    return f"{run.key(key)} {name}".rstrip()
