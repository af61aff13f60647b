"""The table of a scoped signing key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.tables import Table

from .rows import add_access, add_connection_types, add_permissions, yes

if TYPE_CHECKING:
    from natskit.jwt import UserScope

    from ..run import Run

__all__ = ["scope_table"]


def scope_table(run: Run, scope: UserScope) -> Table:
    """What the users of a scoped signing key may do."""
    table = Table("Scoped Signing Key - Details")
    table.row("Key", run.key(scope.key))
    table.row("Role", scope.role)
    table.row("Description", scope.description)
    add_permissions(table, scope.template.permissions)
    add_access(table, scope.template)
    table.row("Bearer Token", yes(scope.template.bearer_token))
    add_connection_types(table, scope.template)
    return table
