"""``nsc init``: an operator, an account and a user in one step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.cli.command import command, text

if TYPE_CHECKING:
    from .run import Run

__all__ = ["init"]

SERVICE_URL = "nats://localhost:4222"


@command(
    text("dir", "d", "folder for the stores, default the standard one; it is remembered", metavar="DIR"),
    text("name", "n", "name of operator, account and user, default a made-up one", metavar="NAME"),
    text("url", "u", "use somebody else's operator: the URL of its JWT", metavar="URL"),
    text("remote-operator", "o", "use a well-known operator, one of $NSC_<NAME>_OPERATOR", metavar="NAME"),
    arguments=("[ignored...]",),
    stores=False,
    examples=[("nsc init --name demo", "operator, account and user demo, with a system account")],
)
def init(run: Run, *, dir: str, name: str, url: str, remote_operator: str, ignored: tuple[str, ...]) -> None:
    """Create an operator with a system account, and a first account with a user."""
    from natskit.store.files import make_dirs
    from natskit.store.names import random_name
    from natskit.store.well_known import operator_url

    name = random_name() if name in ("", "*") else name
    workspace = run.workspace
    root = run.full_path(dir) if dir else workspace.stores_root or workspace.directories.stores
    source = url or (operator_url(workspace.environ, remote_operator)[0] if remote_operator else "")
    make_dirs(root)
    if root != workspace.stores_root:
        workspace.config.store_root = root
    with workspace.locked():
        _create(run, name, root, source)


def _create(run: Run, name: str, root: str, source: str) -> None:
    from natskit.errors import AlreadyExists
    from natskit.store import Plan, operators

    plan = Plan(run.workspace)
    plan.select(store_root=root)
    if source:
        from natskit.store.well_known import load_operator

        token, known = load_operator(run.workspace.environ, source, run.full_path(source))
        store, _ = operators.import_operator(plan, token, name=known)
        run.files(plan.commit())
        run.note(f'add managed operator "{store.name}"')
        plan = Plan(run.workspace)
        _add_account_and_user(run, plan, name, signer="", store_name=store.name)
        return
    try:
        made = operators.create_operator(plan, name, root=root, system=True, service_urls=(SERVICE_URL,))
    except AlreadyExists:
        raise AlreadyExists(
            f"an operator named `{name}` already exists in `{run.path(root)}`"
            " - specify a different directory with --dir"
        ) from None
    run.files(plan.commit())
    from .operator import tell_system_account

    run.note(f'Generated operator key - private key stored "{run.key_path(made.key_path)}"')
    run.success(f'added operator "{name}"')
    run.fact(operator={"name": name, "id": made.claims.subject})
    if made.system:
        tell_system_account(run, made.system)
    _add_account_and_user(run, Plan(run.workspace), name, signer=made.key.seed, store_name=name)
    run.note(f"project jwt files created in `{run.path(root)}`")
    run.note("to run a local server with it:")
    run.note("  nsc generate config --mem-resolver --config-file server.conf")
    run.note("  nats-server -c server.conf")


def _add_account_and_user(run: Run, plan: object, name: str, *, signer: str, store_name: str) -> None:
    from natskit import jwt
    from natskit.nkeys import KeyPair, Role
    from natskit.store import Plan, accounts, users

    assert isinstance(plan, Plan)
    store = run.workspace.operator(store_name)
    key, user_key = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.USER)
    account = jwt.new_account(key.public, name)
    accounts.add_account(plan, store, account, key, own=True)
    run.files(plan.commit())
    plan = Plan(run.workspace)
    user = jwt.new_user(user_key.public, name)
    added = users.add_user(plan, store, name, user, user_key, own=True)
    run.files(plan.commit())
    run.success(f'added account "{name}"')
    run.success(f'added user "{name}" to account "{name}"')
    run.note(f'Generated user creds file "{run.path(added.creds_path)}"')
    run.fact(
        account={"name": name, "id": key.public},
        user={"name": name, "id": user_key.public, "creds": added.creds_path},
        stores=os.path.dirname(store.path),
    )
