"""``nsc rename account``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch
from natskit.errors import DeniedError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["rename_account"]


@command(
    switch("OK", "", "do it; without, only say what would move"),
    arguments=("old", "new"),
    examples=[("nsc rename account A Orders --OK", "account A is called Orders from now on")],
)
def rename_account(run: Run, *, old: str, new: str, OK: bool) -> None:
    """Give an account another name. It keeps its keys, so that servers and users notice nothing but the name."""
    from natskit.store import Plan
    from natskit.store.renaming import plan_renaming

    workspace = run.workspace
    with workspace.locked():
        store = workspace.operator()
        plan = Plan(workspace)
        done = plan_renaming(plan, store, old, new, signer=run.private_key)
        if not OK:
            from natskit.store.commands import typed

            raise DeniedError(
                f'this signs account "{old}" again as "{new}" and moves {len(done.users)} users and {len(done.creds)} '
                f"creds files in `{run.path(workspace.stores_root)}` and `{run.path(workspace.keystore.root)}`:"
                ' required flag "OK" not set',
                hint=typed("rename", "account", old, new, "--OK"),
            )
        run.files(plan.commit())
    job = run.success(f'renamed account "{old}" to "{new}"')
    for user in done.users:
        job.note(f'moved user "{user}"{" with its creds" if user in done.creds else ""}')
    run.fact(account={"name": new, "was": old, "id": done.public}, users=done.users, creds=done.creds)
