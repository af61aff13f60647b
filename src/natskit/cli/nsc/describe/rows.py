"""Rows that the tables of several kinds of claims share (spec/nsc.md 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.flags import format_bytes, format_date, format_duration

if TYPE_CHECKING:
    from natskit.cli.tables import Table
    from natskit.jwt import Claims, Permissions, ScopeTemplate, UserRights

    from ..run import Run

__all__ = ["add_access", "add_connection_types", "add_head", "add_permissions", "limit", "sized_limit", "yes"]

_ID_LABELS = {"operator": "Operator ID", "user": "User ID"}


def add_head(table: Table, run: Run, claims: Claims) -> None:
    """Name, keys, dates and tags."""
    if claims.name:
        table.row("Name", claims.name)
    table.row(_ID_LABELS.get(claims.kind, "Account ID"), run.key(claims.subject))
    table.row("Issuer ID", run.key(claims.issuer))
    if getattr(claims.body, "issuer_account", ""):
        table.row("Issuer Account", run.key(claims.body.issuer_account))
    table.row("Issued", format_date(claims.issued_at))
    table.row("Expires", format_date(claims.expires))
    table.rows("Tags", claims.body.tags)


def add_permissions(table: Table, permissions: Permissions) -> None:
    """Publish and subscribe lists that are not empty, and the reply permission."""
    if permissions.pub or permissions.sub:
        table.separator()
    table.rows("Pub Allow", permissions.pub.allow)
    table.rows("Pub Deny", permissions.pub.deny)
    table.rows("Sub Allow", permissions.sub.allow)
    table.rows("Sub Deny", permissions.sub.deny)
    if permissions.resp is None:
        table.row("Response Permissions", "Not Set")
    else:
        table.row("Max Responses", permissions.resp.max)
        table.row("Response Permission TTL", format_duration(permissions.resp.ttl))


def add_access(table: Table, rights: UserRights | ScopeTemplate) -> None:
    """The limits of a user, and from where and when it may connect."""
    table.row("Max Msg Payload", _about(rights.payload))
    table.row("Max Data", _about(rights.data))
    table.row("Max Subs", rights.subs if rights.subs > 0 else "Unlimited")
    table.row("Network Src", f"[{' '.join(rights.src)}]" if rights.src else "Any")
    table.rows("Time", [f"{each.start}-{each.end}" for each in rights.times] or ["Any"])
    if rights.times_location:
        table.row("Time Zone", rights.times_location)


def add_connection_types(table: Table, rights: UserRights | ScopeTemplate) -> None:
    """The connection types that are allowed, if not all are."""
    table.separator()
    table.rows("Allowed Connection Types", rights.allowed_connection_types)


def _about(value: int) -> str:
    return f"{value} bytes (≈{format_bytes(value)})" if value > 0 else "Unlimited"


def limit(value: int) -> object:
    """A count that -1 makes unlimited."""
    return value if value >= 0 else "Unlimited"


def sized_limit(value: int) -> str:
    """A number of bytes that -1 makes unlimited."""
    return f"{format_bytes(value)} ({value} bytes)" if value >= 0 else "Unlimited"


def yes(value: object) -> str:
    """``Yes`` or ``No``."""
    return "Yes" if value else "No"
