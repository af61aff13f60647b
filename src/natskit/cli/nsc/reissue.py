"""``nsc reissue operator``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["reissue_operator"]


@command(
    text("name", "n", "the operator, default the current one", metavar="NAME", completes="operator"),
    switch("convert-to-signing-key", "", "keep the old identity as a signing key; accounts stay as they are"),
    examples=[
        ("nsc reissue operator", "a new identity key; accounts that the old one signed are signed again"),
        ("nsc reissue operator --convert-to-signing-key", "servers go on trusting what the old key signed"),
    ],
)
def reissue_operator(run: Run, *, name: str, convert_to_signing_key: bool) -> None:
    """Give an operator a new identity. Servers must be given its new token (nsc generate config, nsc push)."""
    from natskit.store import Plan
    from natskit.store.reissue import reissue_operator as plan_reissue

    workspace = run.workspace
    if not name and not workspace.config.operator:
        raise UsageError("no store set", hint="nsc env -o NAME")
    with workspace.locked():
        store = workspace.operator(name)
        plan = Plan(workspace)
        done = plan_reissue(plan, store, key=run.private_key, keep_old=convert_to_signing_key)
        run.files(plan.commit())
    run.success(f'operator "{store.name}" successfully changed identity to: {run.key(done.new)}')
    if convert_to_signing_key:
        run.note(f'old operator key "{run.key(done.old)}" turned into signing key')
    for account, again in done.accounts.items():
        run.note(f'account "{account}" {"re-signed" if again else "already signed properly"}')
    run.fact(operator={"name": store.name, "id": done.new, "was": done.old}, resigned=_resigned(done.accounts))


def _resigned(accounts: dict[str, bool]) -> list[str]:
    return [name for name, again in accounts.items() if again]
