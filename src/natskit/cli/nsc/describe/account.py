"""``nsc describe account``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.flags import format_bytes
from natskit.cli.tables import Table

from .output import FORM, OUTPUT_FILE, Subject, show
from .rows import add_head, add_permissions, limit, sized_limit
from .scope import scope_table
from .sharing import export_tables, import_table

if TYPE_CHECKING:
    from natskit.jwt import Account, AccountClaims, AccountLimits, JetStreamLimits

    from ..run import Run

__all__ = ["account_tables", "describe_account"]


@command(
    text("name", "n", "name or public key of the account, default: current", metavar="NAME", completes="account"),
    *FORM,
    OUTPUT_FILE,
    arguments=("[name]",),
    examples=[
        ("nsc describe account", "the current account as tables"),
        ("nsc describe account A --json", "its claims as JSON"),
        ("nsc describe account A --field nats.exports[0].subject", "one field, as JSON"),
    ],
)
def describe_account(run: Run, *, name: str, raw: bool, field: str, output_file: str) -> None:
    """Show what an account's token says: limits, permissions, what it exports and imports."""
    found = run.workspace.account_name(name)
    store = run.workspace.operator()
    claims, token = store.account_and_token(found)
    subject = Subject("account", lambda: account_tables(run, claims), token=token)
    show(run, subject, raw=raw, field=field, output_file=output_file)


def account_tables(run: Run, claims: AccountClaims) -> list[Table]:
    """The account's own table, then exports, imports, mappings and scoped keys if there are."""
    if run.is_2019:
        from .page2019 import account_tables as page

        return page(run, claims)
    account = claims.nats
    tables = [_details(run, claims), *export_tables(account.exports)]
    if account.imports:
        tables.append(import_table(run, account.imports))
    if account.mappings:
        tables.append(_mappings(account))
    scopes = (account.scope_of(key) for key in account.signing_key_names)
    return [*tables, *(scope_table(run, scope) for scope in scopes if scope)]


def _details(run: Run, claims: AccountClaims) -> Table:
    account = claims.nats
    table = Table("Account Details")
    add_head(table, run, claims)
    table.separator()
    if account.description or account.info_url:
        table.row("Description", account.description.replace("\n", " "))
        table.row("Info Url", account.info_url)
        table.separator()
    table.rows("Signing Keys", [run.key(key) for key in account.signing_key_names])
    table.separator()
    _add_callout(table, run, account)
    _add_limits(table, account.limits)
    add_permissions(table, account.default_permissions)
    table.separator()
    _add_jetstream(table, account.limits)
    table.separator()
    if not account.imports:
        table.row("Imports", "None")
    if not account.exports:
        table.row("Exports", "None")
    table.separator()
    if account.revocations:
        table.row("Revocations", len(account.revocations))
        table.separator()
    _add_tracing(table, account)
    return table


def _add_callout(table: Table, run: Run, account: Account) -> None:
    callout = account.authorization
    if not callout.auth_users:
        return
    table.rows("Auth Callout Users", [run.key(key) for key in callout.auth_users])
    table.rows("Allowed Accounts", [run.key(key) for key in callout.allowed_accounts])
    if callout.xkey:
        table.row("Encrypt For", run.key(callout.xkey))
    table.separator()


def _add_limits(table: Table, limits: AccountLimits) -> None:
    table.row("Max Connections", limit(limits.conn))
    table.row("Max Leaf Node Connections", limit(limits.leaf) if limits.leaf else "Not Allowed")
    table.row("Max Data", sized_limit(limits.data))
    table.row("Max Exports", limit(limits.exports))
    table.row("Max Imports", limit(limits.imports))
    table.row("Max Msg Payload", sized_limit(limits.payload))
    table.row("Max Subscriptions", limit(limits.subs))
    table.row("Exports Allows Wildcards", str(limits.wildcards))
    table.row("Disallow Bearer Token", str(limits.disallow_bearer))


def _add_jetstream(table: Table, limits: AccountLimits) -> None:
    if limits.tiered_limits:
        for tier, each in sorted(limits.tiered_limits.items()):
            table.row("Jetstream Tier", tier)
            _add_tier(table, each)
            table.separator()
    elif limits.jetstream.enabled:
        table.row("Jetstream", "Enabled")
        _add_tier(table, limits.jetstream)
    else:
        table.row("Jetstream", "Disabled")


def _add_tier(table: Table, tier: JetStreamLimits) -> None:
    table.row("Max Disk Storage", _storage(tier.disk_storage))
    table.row("Max Mem Storage", _storage(tier.mem_storage))
    table.row("Max Streams", tier.streams if tier.streams > 0 else "Unlimited")
    table.row("Max Consumers", tier.consumer if tier.consumer > 0 else "Unlimited")
    table.row("Max Ack Pending", tier.max_ack_pending if tier.max_ack_pending > 0 else "Consumer Setting")
    table.row("Max Bytes", f"{'required' if tier.max_bytes_required else 'optional'} (Stream setting)")
    table.row("Max Memory Stream", _stream_size(tier.mem_max_stream_bytes))
    table.row("Max Disk Stream", _stream_size(tier.disk_max_stream_bytes))


def _storage(size: int) -> str:
    return format_bytes(size) if size > 0 else "Unlimited" if size else "Disabled"


def _stream_size(size: int) -> str:
    return sized_limit(size) if size > 0 else "Unlimited"


def _add_tracing(table: Table, account: Account) -> None:
    if account.trace is None:
        table.row("Tracing Context", "Disabled")
        return
    table.row("Tracing Context", "Enabled")
    table.row("Subject", account.trace.dest)
    table.row("Sampling", f"{account.trace.sampling or 100}%")


def _mappings(account: Account) -> Table:
    table = Table("Mappings", ("From", "To", "Weight (%)"))
    for source, targets in sorted(account.mappings.items()):
        weights = [(target, target.weight or 100) for target in targets or ()]
        for number, (target, weight) in enumerate(weights):
            cluster = f" (cluster {target.cluster})" if target.cluster else ""
            table.row("" if number else source, f"{target.subject}{cluster}", weight)
        table.row("", "", f"sum={sum(weight for _, weight in weights)}")
    return table
