"""Accounts: which are in use, what each exports, imports and maps, what it moved.

Source: spec/server-config.md section 9 (accountz, accstatz).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from natskit import jwt
from natskit.errors import UsageError
from natskit.graph import SERVICE, Export, Latency, Mapping, RefusedImport, governing_export
from natskit.server.events import account_statistics
from natskit.server.monitor.subscriptions import index_statistics
from natskit.server.monitor.writing import present
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.server import Server

__all__ = ["describe_account", "report_account_statistics", "report_accounts"]

_RESPONSES = {"singleton": "Singleton", "stream": "Streamed", "chunked": "Chunked"}


def report_accounts(server: Server, account_id: str = "") -> dict[str, Any]:
    """The names of all accounts, or everything about one. Raises UsageError if it is not in use."""
    system = server.accounts.system
    report: dict[str, Any] = {"server_id": server.id, "now": timestamp(server.clock.now())}
    if system is not None:
        report["system_account"] = system.id
    if not account_id:
        return report | {"accounts": [account.id for account in server.accounts]}
    return report | {"account_detail": describe_account(server, account_id)}


def describe_account(server: Server, account_id: str) -> dict[str, Any]:
    """Everything about an account in use. Raises UsageError if it is not."""
    account = server.accounts.find(account_id)
    if account is None:
        raise UsageError(f"Account {account_id} does not exist")
    model, now = account.model, server.clock.now()
    answers = server.accounts.graph.imports_of(account.id)
    refused = {answer.number for answer in answers if isinstance(answer, RefusedImport)}
    told = {
        "account_name": account.id,
        "update_time": timestamp(account.asked_at),
        **present({"is_system": account.is_system}),
        "expired": bool(model.lapse(now)),
        "complete": not refused,
        "jetstream_enabled": False,
        "leafnode_connections": 0,
        "client_connections": len(account.members),
        "subscriptions": account.space.subscription_count,
    }
    told |= present(
        {
            "mappings": {mapping.source: _weights(mapping) for mapping in model.mappings},
            "exports": [_export(export) for export in model.exports],
            "imports": [_import(server, account, number, number in refused) for number in range(len(model.imports))],
            "name_tag": account.name,
        }
    )
    if account.claims is not None:
        told |= _token(account.token, account.claims, int(now))
    return told | {"sublist_stats": index_statistics([account])}


def _weights(mapping: Mapping) -> list[dict[str, Any]]:
    """The destinations, each with its weight and all before it; the source has what is left over."""
    shares = [(each.weight, each.subject) for each in mapping.destinations]
    rest = 100 - sum(weight for weight, _ in shares)
    if rest > 0 and all(subject != mapping.source for _, subject in shares):
        shares.append((rest, mapping.source))
    shares.sort()
    sums = itertools.accumulate(weight for weight, _ in shares)
    return [{"subject": subject, "weight": total} for (_, subject), total in zip(shares, sums, strict=True)]


def _token(token: str, claims: jwt.AccountClaims, now: int) -> dict[str, Any]:
    return present(
        {
            "jwt": token,
            "issuer_key": claims.issuer,
            "name_tag": claims.name,
            "tags": list(claims.nats.tags),
            "decoded_jwt": msgspec.to_builtins(claims),
            "validation_result_jwt": [
                {"description": each.text, "blocking": each.blocking, "time_check": each.severity == "time"}
                for each in jwt.issues(claims, now)
            ],
            "revoked_user": {key: timestamp(at) for key, at in claims.nats.revocations.items()},
        }
    )


def _export(export: Export) -> dict[str, Any]:
    told: dict[str, Any] = {"subject": export.subject, "type": export.kind}
    if export.kind == SERVICE:
        told["response_type"] = _RESPONSES[export.response_type]
    if export.latency is not None:
        told["service_latency"] = _latency(export.latency)
    return told | present(
        {
            "token_req": export.token_required,
            "approved_accounts": sorted(export.accounts or ()),
            "revoked_activations": {key: timestamp(at) for key, at in export.revocations.items()},
        }
    )


def _import(server: Server, account: Account, number: int, invalid: bool) -> dict[str, Any]:
    wanted = account.model.imports[number]
    told: dict[str, Any] = {"subject": wanted.subject, "account": wanted.account}
    if wanted.kind == SERVICE:
        told["to"] = wanted.destination
    told |= {
        "local_subject": wanted.destination,
        "type": wanted.kind,
        "invalid": invalid,
        "share": wanted.share,
        "tracking": False,
    }
    exporter = server.accounts.find(wanted.account)
    if exporter is not None and not invalid:
        export = governing_export(exporter.model, wanted.kind, wanted.subject)
        if export is not None and export.latency is not None:
            told["latency"] = _latency(export.latency)
    return told


def _latency(latency: Latency) -> dict[str, Any]:
    return {"sampling": latency.sampling or "headers", "results": latency.subject}


def report_account_statistics(server: Server, unused: bool = False) -> dict[str, Any]:
    """What the accounts moved; ``unused``: also of those that have no connection."""
    return {
        "server_id": server.id,
        "now": timestamp(server.clock.now()),
        "account_statz": [account_statistics(each) for each in server.accounts if each.members or unused],
    }
