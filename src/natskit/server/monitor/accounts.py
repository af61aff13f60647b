"""Accounts: which are in use, what each exports, imports and maps, what it moved.

Source: spec/server-config.md section 9 (accountz, accstatz).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.errors import UsageError
from natskit.graph import SERVICE, Export, Import, RefusedImport
from natskit.server.events import account_statistics
from natskit.server.monitor.subscriptions import index_statistics
from natskit.server.monitor.writing import present
from natskit.server.requests import account_info
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.server import Server

__all__ = ["report_account_statistics", "report_accounts"]

_RESPONSES = {"singleton": "Singleton", "stream": "Stream", "chunked": "Chunked"}


def report_accounts(server: Server, account_id: str = "") -> dict[str, Any]:
    """The names of all accounts, or everything about one. Raises UsageError if it is not in use."""
    system = server.accounts.system
    report: dict[str, Any] = {"server_id": server.id, "now": timestamp(server.clock.now())}
    if system is not None:
        report["system_account"] = system.id
    if not account_id:
        return report | {"accounts": [account.id for account in server.accounts]}
    account = server.accounts.find(account_id)
    if account is None:
        raise UsageError(f"Account {account_id} does not exist")
    return report | {"account_detail": _detail(server, account)}


def _detail(server: Server, account: Account) -> dict[str, Any]:
    model = account.model
    answers = server.accounts.graph.imports_of(account.id)
    refused = {answer.number for answer in answers if isinstance(answer, RefusedImport)}
    told = account_info(account, server.clock.now())
    told |= present(
        {
            "mappings": {
                mapping.source: [{"subject": each.subject, "weight": each.weight} for each in mapping.destinations]
                for mapping in model.mappings
            },
            "exports": [_export(export) for export in model.exports],
            "imports": [_import(wanted, number in refused) for number, wanted in enumerate(model.imports)],
            "name_tag": account.name,
        }
    )
    return told | {"sublist_stats": index_statistics([account])}


def _export(export: Export) -> dict[str, Any]:
    told: dict[str, Any] = {"subject": export.subject, "type": export.kind}
    if export.kind == SERVICE:
        told["response_type"] = _RESPONSES[export.response_type]
    if export.latency is not None:
        told["service_latency"] = {"sampling": export.latency.sampling, "results": export.latency.subject}
    return told | present(
        {
            "token_req": export.token_required,
            "account_token_position": export.account_token_position,
            "allow_trace": export.allow_trace,
            "approved_accounts": sorted(export.accounts or ()),
            "revoked_activations": {key: timestamp(at) for key, at in export.revocations.items()},
        }
    )


def _import(wanted: Import, invalid: bool) -> dict[str, Any]:
    local = wanted.local or wanted.subject
    if wanted.prefix:
        local = f"{wanted.prefix.removesuffix('.')}.{wanted.subject}"
    told = {"subject": wanted.subject, "account": wanted.account}
    if wanted.kind == SERVICE:
        told["to"] = local
    return told | {
        "local_subject": local,
        "type": wanted.kind,
        "invalid": invalid,
        "share": wanted.share,
        "tracking": False,
    }


def report_account_statistics(server: Server, unused: bool = False) -> dict[str, Any]:
    """What the accounts moved; ``unused``: also of those that have no connection."""
    return {
        "server_id": server.id,
        "now": timestamp(server.clock.now()),
        "account_statz": [account_statistics(each) for each in server.accounts if each.members or unused],
    }
