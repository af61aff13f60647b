"""``nsc describe user``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.tables import Table
from natskit.store.credentials import find_user

from .output import FORM, OUTPUT_FILE, Subject, show
from .rows import add_access, add_connection_types, add_head, add_permissions, yes
from .scope import scope_table

if TYPE_CHECKING:
    from natskit.jwt import UserClaims, UserScope

    from ..run import Run

__all__ = ["describe_user", "user_tables"]


@command(
    text("name", "n", "name or public key of the user, default the only one", metavar="NAME", completes="user"),
    *FORM,
    OUTPUT_FILE,
    arguments=("[name]",),
    examples=[
        ("nsc describe user U", "user U of the current account as a table"),
        ("nsc describe user -a A -n U --json", "user U of account A as JSON"),
    ],
)
def describe_user(run: Run, *, name: str, raw: bool, field: str, output_file: str) -> None:
    """Show what a user's token says: permissions, limits, and those of its scoped signing key."""
    account = run.workspace.account_name()
    store = run.workspace.operator()
    user = find_user(run.workspace, account, name)
    claims, token = store.user_and_token(account, user)
    subject = Subject(
        "user",
        lambda: user_tables(run, claims, store.account(account).nats.scope_of(claims.issuer)),
        token=token,
    )
    show(run, subject, raw=raw, field=field, output_file=output_file)


def user_tables(run: Run, claims: UserClaims, scope: UserScope | None) -> list[Table]:
    """The table of a user, and that of the scoped key that signed it."""
    if run.is_2019:
        from .page2019 import user_table

        return [user_table(run, claims)]
    user = claims.nats
    table = Table("User")
    add_head(table, run, claims)
    if user.rights == type(user.rights)():
        table.row("Issuer Scoped", "Yes")
    else:
        table.row("Bearer Token", yes(user.bearer_token))
        add_permissions(table, user.permissions)
        table.separator()
        add_access(table, user)
        add_connection_types(table, user)
    return [table, *([scope_table(run, scope)] if scope else [])]
