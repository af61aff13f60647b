"""``nsc reissue``: a new identity for an operator, a new signature for accounts and users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["reissue_account", "reissue_operator", "reissue_user"]


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


@command(
    text("name", "n", "the account, default the current one", metavar="NAME", completes="account"),
    arguments=("[name]",),
    examples=[("nsc reissue account A", "sign account A again, when the key that signed it is none of the operator's")],
)
def reissue_account(run: Run, *, name: str) -> None:
    """Sign an account again, with a key that its operator has now. Nothing else of it changes."""
    from .edit import editing_account

    run.workspace.account_given = name or run.workspace.account_given
    with editing_account(run) as edit:
        edit.sign(edit.claims, same_signer=True)
    run.success(f'signed account "{edit.name}" again')
    run.fact(account={"name": edit.name, "id": edit.claims.subject})


@command(
    text("name", "n", "the user, default the only one", metavar="NAME", completes="user"),
    switch("as-role", "", "leave its own permissions and limits away: the role of the signing key decides"),
    arguments=("[name]",),
    examples=[
        ("nsc reissue user -a A U", "sign user U again, when its signing key has been taken away"),
        ("nsc reissue user -a A U --as-role -K reader", "make it a reader, with no rights of its own"),
    ],
)
def reissue_user(run: Run, *, name: str, as_role: bool) -> None:
    """Sign a user again, with a key that its account has now, and write its creds again."""
    from msgspec.structs import replace

    from natskit.jwt import User
    from natskit.store import Plan, users
    from natskit.store.credentials import find_user

    with run.workspace.locked():
        store = run.workspace.operator()
        account = run.workspace.account_name()
        user = find_user(run.workspace, account, name)
        claims = store.user(account, user)
        if as_role:
            claims = replace(claims, nats=User(tags=claims.nats.tags, issuer_account=claims.nats.issuer_account))
        plan = Plan(run.workspace)
        done = users.edit_user(plan, store, account, claims, signer=run.private_key)
        run.files(plan.commit())
    run.success(f'signed user "{user}" again')
    run.fact(account=account, user={"name": user, "id": claims.subject, "creds": done.creds_path})
