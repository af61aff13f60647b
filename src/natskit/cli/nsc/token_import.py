"""``nsc import account``, ``nsc import user``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["import_account", "import_user"]


@command(
    text("file", "j", "the account's token", metavar="FILE"),
    switch("overwrite", "", "replace the account of the same name and key"),
    switch("skip", "", "also if validation finds something"),
    switch("force", "", "also if another operator signed it: yours signs it again"),
    examples=[
        ("nsc import account --file A.jwt", "an account that your operator signed, or that signed itself"),
        ("nsc import account --file A.jwt --force", "take it over from another operator"),
    ],
)
def import_account(run: Run, *, file: str, overwrite: bool, skip: bool, force: bool) -> None:
    """Store an account whose token was made elsewhere."""
    from natskit.store import Plan
    from natskit.store.token_import import plan_account_import

    if not file:
        raise UsageError("a file is required", hint="nsc import account --file A.jwt")
    with run.workspace.locked():
        store = run.workspace.operator()
        plan = Plan(run.workspace)
        claims, issues = plan_account_import(
            plan,
            store,
            run.full_path(file),
            signer=run.private_key,
            overwrite=overwrite,
            skip=skip,
            force=force,
        )
        run.files(plan.commit())
    for issue in issues:
        run.warn(f"validation resulted in: {issue}")
    run.success(f"account {claims.name} was successfully imported")
    run.fact(account={"name": claims.name, "id": claims.subject})


@command(
    text("file", "f", "the user's token, or its creds", metavar="FILE"),
    switch("overwrite", "", "replace the user of the same name and key"),
    switch("skip", "", "also if validation finds something"),
    examples=[("nsc import user --file u.creds", "a user with its seed")],
)
def import_user(run: Run, *, file: str, overwrite: bool, skip: bool) -> None:
    """Store a user whose token was made elsewhere, and its seed if the file has it."""
    from natskit.store import Plan
    from natskit.store.token_import import plan_user_import

    if not file:
        raise UsageError("a file is required", hint="nsc import user --file u.creds")
    with run.workspace.locked():
        store = run.workspace.operator()
        plan = Plan(run.workspace)
        done = plan_user_import(plan, store, run.full_path(file), overwrite=overwrite, skip=skip)
        run.files(plan.commit())
    for issue in done.issues:
        run.warn(f"validation resulted in: {issue}")
    if done.key_path:
        run.note(f"key stored {run.key_path(done.key_path)}")
    run.success(f"user {done.claims.name} was successfully imported")
    run.fact(account=done.account, user={"name": done.claims.name, "id": done.claims.subject, "key": done.key_path})
