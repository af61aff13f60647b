"""The tables of the 2019 documentation page: its rows, its columns, keys of twelve characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.flags import format_date
from natskit.cli.tables import Table

from .rows import limit, sized_limit, yes
from .sharing import expires, sharing_type

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, ActivationClaims, Claims, Export, Import, OperatorClaims, UserClaims

    from ..run import Run

__all__ = ["account_tables", "activation_table", "operator_table", "user_table"]


def operator_table(run: Run, claims: OperatorClaims) -> Table:
    """``Operator Details``."""
    table = Table("Operator Details")
    table.row("Name", claims.name)
    table.row("Operator ID", run.key(claims.subject))
    _add_dates(table, claims)
    table.separator()
    table.rows("Signing Keys", [run.key(key) for key in claims.nats.signing_keys])
    table.separator()
    table.rows("Tags", claims.nats.tags)
    return table


def account_tables(run: Run, claims: AccountClaims) -> list[Table]:
    """``Account Details``, and ``Exports`` and ``Imports`` if there are."""
    account = claims.nats
    tables = [_details(run, claims)]
    if account.exports:
        tables.append(_exports(account.exports))
    if account.imports:
        tables.append(_imports(run, account.imports))
    return tables


def _details(run: Run, claims: AccountClaims) -> Table:
    account, limits = claims.nats, claims.nats.limits
    table = Table("Account Details")
    table.row("Name", claims.name)
    table.row("Account ID", run.key(claims.subject))
    table.row("Issuer ID", run.key(claims.issuer))
    _add_dates(table, claims)
    table.separator()
    table.rows("Signing Keys", [run.key(key) for key in account.signing_key_names])
    table.separator()
    table.row("Max Connections", limit(limits.conn))
    table.row("Max Data", sized_limit(limits.data))
    table.row("Max Exports", limit(limits.exports))
    table.row("Max Imports", limit(limits.imports))
    table.row("Max Msg Payload", sized_limit(limits.payload))
    table.row("Max Subscriptions", limit(limits.subs))
    table.row("Exports Allows Wildcards", str(limits.wildcards))
    table.separator()
    if not account.imports:
        table.row("Imports", "None")
    if not account.exports:
        table.row("Exports", "None")
    table.separator()
    table.rows("Tags", account.tags)
    return table


def _exports(exports: tuple[Export, ...]) -> Table:
    table = Table("Exports", ("Name", "Type", "Subject", "Public"))
    for each in exports:
        table.row(each.name, sharing_type(each), each.subject, yes(not each.token_req))
    return table


def _imports(run: Run, imports: tuple[Import, ...]) -> Table:
    table = Table("Imports", ("Name", "Type", "Remote", "Local", "Expires", "From Account", "Public"))
    for each in imports:
        remote, local = (each.to, each.subject) if each.is_service and each.to else (each.subject, each.to)
        public = yes(not each.token)
        table.row(each.name, sharing_type(each), remote, local, expires(each), run.key(each.account), public)
    return table


def user_table(run: Run, claims: UserClaims) -> Table:
    """``User``."""
    user = claims.nats
    table = Table("User")
    table.row("Name", claims.name)
    table.row("User ID", run.key(claims.subject))
    table.row("Issuer ID", run.key(claims.issuer))
    if user.issuer_account:
        table.row("Issuer Account", run.key(user.issuer_account))
    _add_dates(table, claims)
    table.separator()
    table.rows("Pub Allow", user.pub.allow)
    table.rows("Pub Deny", user.pub.deny)
    table.rows("Sub Allow", user.sub.allow)
    table.rows("Sub Deny", user.sub.deny)
    table.separator()
    table.row("Max Messages", "Unlimited")
    table.row("Max Msg Payload", sized_limit(user.payload or -1))
    table.row("Network Src", ", ".join(user.src) or "Any")
    table.rows("Time", [f"{each.start}-{each.end}" for each in user.times] or ["Any"])
    table.separator()
    table.rows("Tags", user.tags)
    return table


def activation_table(run: Run, claims: ActivationClaims) -> Table:
    """``Activation``."""
    table = Table("Activation")
    table.row("Import Type", claims.nats.kind.capitalize())
    table.row("Import Subject", claims.nats.subject)
    table.row("Account ID", run.key(claims.subject))
    table.row("Issuer ID", run.key(claims.issuer))
    if claims.nats.issuer_account:
        table.row("Issuer Account", run.key(claims.nats.issuer_account))
    _add_dates(table, claims)
    table.separator()
    table.row("Max Messages", "Unlimited")
    table.row("Max Msg Payload", "Unlimited")
    table.row("Network Src", "Any")
    table.row("Time", "Any")
    return table


def _add_dates(table: Table, claims: Claims) -> None:
    table.row("Issued", format_date(claims.issued_at))
    table.row("Expires", format_date(claims.expires))
