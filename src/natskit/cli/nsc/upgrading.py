"""``nsc upgrade-jwt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.exits import UNCHANGED
from natskit.errors import DeniedError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["upgrade_jwt"]


@command(
    text("backup", "", "zip file for the store as it was, default <operator>-jwtV1-upgrade-backup.zip", metavar="FILE"),
    stores=False,
    examples=[("nsc upgrade-jwt", "make an operator of 2019 one of today")],
)
def upgrade_jwt(run: Run, *, backup: str) -> int | None:
    """Write the token of an operator of 2019 again, as version 2. The store is copied to a zip file first.

    Servers read accounts and users of version 1; each becomes one of version 2 when it is edited.
    """
    from natskit.store import Plan, Profile
    from natskit.store.upgrading import back_up, plan_upgrade

    workspace = run.workspace
    if workspace.profile is not Profile.CURRENT:
        raise DeniedError("the 2019 profile writes version 1", hint="nsc env --profile current")
    with workspace.locked():
        store = workspace.operator()
        plan = Plan(workspace)
        if not plan_upgrade(plan, store):
            run.note(f"Operator {store.name} is already upgraded to version 2. No change was applied")
            run.fact(operator=store.name, changed=False)
            return UNCHANGED
        path = run.full_path(backup or f"{store.name}-jwtV1-upgrade-backup.zip")
        back_up(store, path)
        run.wrote(path)
        run.files(plan.commit())
    run.note(f"wrote the store as it was to `{run.path(path)}`")
    run.success(f"Converted Operator: {store.name}")
    run.fact(operator=store.name, backup=path)
    return None
