"""``nsc migrate``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import DeniedError, Error, UsageError

if TYPE_CHECKING:
    from natskit.store.migration import Migrant

    from .run import Run

__all__ = ["migrate"]


@command(
    text("url", "u", "the account's JWT: a file (users are beside it) or a URL", metavar="SOURCE"),
    text("operator-dir", "", "folder of another operator: all its accounts", metavar="DIR"),
    switch("force", "F", "overwrite accounts of the same name and key"),
    examples=[
        ("nsc migrate --url ~/old/stores/Old/accounts/A/A.jwt", "take account A over, with its users"),
        ("nsc migrate --operator-dir ~/old/stores/Old", "take over all accounts of operator Old"),
    ],
)
def migrate(run: Run, *, url: str, operator_dir: str, force: bool) -> None:
    """Take accounts and their users over from another operator: the current one signs them from now on.

    A key of each account must be in the keystore.
    """
    from natskit.store.migration import account_files

    if url and operator_dir:
        raise UsageError("specify one of --url or --operator-dir")
    if not url and not operator_dir:
        raise UsageError("an url or path to the account jwt is required", hint="--url SOURCE or --operator-dir DIR")
    if url:
        run.fact(accounts=[_migrate(run, url, force=force)])
        return
    folder = run.full_path(operator_dir)
    if os.path.realpath(folder) == os.path.realpath(run.workspace.operator().path):
        raise DeniedError(f'cannot migrate "{run.workspace.operator().name}" onto itself')
    migrated = []
    for path in account_files(folder):
        try:
            migrated.append(_migrate(run, path, force=force))
        except Error as error:  # told, and on with the next account
            run.fail(str(error))
    run.fact(accounts=migrated)
    return


def _migrate(run: Run, source: str, *, force: bool) -> dict[str, str]:
    """Take one account over; its name and key."""
    from natskit.store import Plan
    from natskit.store.migration import load_migrant, plan_migration

    migrant = load_migrant(source, run.full_path(source))
    with run.workspace.locked():
        store = run.workspace.operator()
        plan = Plan(run.workspace)
        plan_migration(plan, store, migrant, signer=run.private_key, force=force)
        run.files(plan.commit())
    run.success(f'migrated "{migrant.claims.name}" to operator "{store.name}"{_users(migrant)}')
    return {"name": migrant.claims.name, "id": migrant.claims.subject}


def _users(migrant: Migrant) -> str:
    if migrant.users is None:
        return ""
    return f" [{len(migrant.users)} users migrated]" if migrant.users else " [no users migrated]"
