"""The table of an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.tables import Table

from .rows import add_head

if TYPE_CHECKING:
    from natskit.jwt import ActivationClaims

    from ..run import Run

__all__ = ["activation_table"]


def activation_table(run: Run, claims: ActivationClaims) -> Table:
    """For whom an activation is, by whom, and what for."""
    if run.is_2019:
        from .page2019 import activation_table as page

        return page(run, claims)
    from natskit.jwt import activation_hash

    table = Table("Activation")
    add_head(table, run, claims)
    table.separator()
    table.row("Hash ID", activation_hash(claims))
    table.separator()
    table.row("Import Type", claims.nats.kind.capitalize())
    table.row("Import Subject", claims.nats.subject)
    return table
