"""Tables of exports and imports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from natskit.cli.flags import format_date
from natskit.cli.tables import Table
from natskit.errors import Error

from .rows import yes

if TYPE_CHECKING:
    from natskit.jwt import Export, Import

    from ..run import Run

__all__ = ["expires", "export_tables", "import_table", "sharing_type"]

_EXPORT_HEADERS = (
    *("Name", "Type", "Subject", "Account Token Position", "Public", "Revocations", "Tracking", "Allow Trace"),
)
_IMPORT_HEADERS = ("Name", "Type", "Remote", "Local", "Expires", "From Account", "Public", "Allow Trace")


def export_tables(exports: Sequence[Export]) -> Iterator[Table]:
    """One table of all exports, one of those that are described."""
    if not exports:
        return
    table = Table("Exports", _EXPORT_HEADERS)
    for each in exports:
        table.row(
            each.name,
            export_type(each),
            each.subject,
            each.account_token_position or "-",
            yes(not each.token_req),
            len(each.revocations),
            tracking(each),
            "N/A" if each.is_stream else yes(each.allow_trace),
        )
    yield table
    described = [each for each in exports if each.description or each.info_url]
    if described:
        table = Table("Exports - Descriptions", ("Name", "Description", "Info Url"))
        for each in described:
            table.row(each.name, each.description.replace("\n", " "), each.info_url)
        yield table


def sharing_type(each: Export | Import) -> str:
    """``Stream`` or ``Service``."""
    return "Stream" if each.is_stream else "Service" if each.is_service else "Unknown"


def export_type(export: Export) -> str:
    """The type, and how a service answers if not with one message."""
    kind = export.response_type if export.is_service and export.response_type not in ("", "Singleton") else ""
    return f"{sharing_type(export)} [{kind}]" if kind else sharing_type(export)


def tracking(export: Export) -> str:
    """Where a service's latency is reported, and how often."""
    if export.is_stream:
        return "N/A"
    latency = export.service_latency
    if latency is None:
        return "-"
    return f"{latency.results} ({latency.sampling if isinstance(latency.sampling, int) else 0}%)"


def import_table(run: Run, imports: Sequence[Import]) -> Table:
    """All imports. Exporters are shown by name where the stores know one, unless ``--long-ids``."""
    from .names import names_of_accounts

    names = {} if run.values["long_ids"] else names_of_accounts(run.workspace, (each.account for each in imports))
    table = Table("Imports", _IMPORT_HEADERS)
    for each in imports:
        table.row(
            each.name,
            sharing_type(each),
            each.remote_subject,
            local_subject(each),
            expires(each),
            names.get(each.account) or run.key(each.account),
            yes(not each.token),
            yes(each.allow_trace) if each.is_stream else "N/A",
        )
    return table


def local_subject(each: Import) -> str:
    """The subject that the importer uses, empty if it is the exporter's. An old stream's ``to`` is a prefix."""
    if each.to and not each.local_subject:
        return each.subject if each.is_service else f"{each.to}.{each.subject}"
    return each.local_subject


def expires(each: Import) -> str:
    """When the activation of an import ends; what is wrong if it does not read."""
    from natskit.jwt import ActivationClaims, decode

    if not each.token:
        return ""
    if each.token.startswith(("http://", "https://")):
        return "see the token's URL"
    try:
        return format_date(decode(each.token, ActivationClaims).expires)
    except Error as error:
        return f"error decoding: {error}"
