"""``nsc add operator``, ``nsc delete operator``, ``nsc select operator``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import DeniedError, UsageError

from .permissions import TIME_FLAGS, dates

if TYPE_CHECKING:
    from natskit.store.operators import NewOperator, SystemAccount

    from .run import Run

__all__ = ["add_operator", "delete_operator", "select_operator"]


@command(
    text("name", "n", "name of the operator; * makes one up", metavar="NAME"),
    text("url", "u", "import somebody else's operator: a JWT file, URL or known name", metavar="SOURCE"),
    switch("generate-signing-key", "", "also make a signing key, so that the identity key can be put away"),
    switch("sys", "s", "also make the system account SYS with a user"),
    switch("force", "", "with --url: replace an operator that is there"),
    *TIME_FLAGS,
    arguments=("[name]",),
    stores=False,
    examples=[
        ("nsc add operator --sys --generate-signing-key Acme", "an operator as servers want it"),
        ("nsc add operator -u https://example.com/jwt/v1/operator", "use the operator of a service"),
    ],
)
def add_operator(
    run: Run, *, name: str, url: str, generate_signing_key: bool, sys: bool, force: bool, start: str, expiry: str
) -> None:
    """Create an operator, the root of trust, or import one. It becomes the current operator."""
    if url:
        return _import(run, name, url, force=force, extras=sys or generate_signing_key)
    if force:
        raise UsageError("force only works with -u")
    from natskit.store import Plan, operators
    from natskit.store.names import random_name

    key = operators.key_of(run.workspace, run.private_key)
    if key and generate_signing_key:
        raise UsageError("signing key can not be added when importing the operator")
    with run.workspace.locked():
        plan = Plan(run.workspace)
        when = dates(run, start, expiry)
        made = operators.create_operator(
            plan,
            random_name() if name == "*" else name,
            root=run.workspace.stores_root,
            key=key,
            not_before=when["not_before"],
            expires=when["expires"],
            signing_key=generate_signing_key,
            system=sys,
        )
        run.files(plan.commit())
    _tell(run, made)
    return None


def _tell(run: Run, made: NewOperator) -> None:
    if made.key_path:
        run.note(f'Generated operator key - private key stored "{run.key_path(made.key_path)}"')
    run.success(f'added operator "{made.claims.name}"')
    run.fact(operator={"name": made.claims.name, "id": made.claims.subject})
    if made.signing_key:
        run.note(f"created operator signing key: {run.key(made.signing_key)}")
        run.fact(signing_key=made.signing_key)
    if made.system:
        tell_system_account(run, made.system)


def tell_system_account(run: Run, system: SystemAccount) -> None:
    """Report a system account that was made."""
    run.note(f"created system_account: name:{system.account.name} id:{run.key(system.account.subject)}")
    run.note(f"created system account user: name:{system.user.name} id:{run.key(system.user.subject)}")
    run.note(f'Generated user creds file "{run.path(system.creds_path)}"')
    run.fact(
        system_account={"name": system.account.name, "id": system.account.subject},
        system_user={"name": system.user.name, "id": system.user.subject, "creds": system.creds_path},
    )


def _import(run: Run, name: str, url: str, *, force: bool, extras: bool) -> None:
    if extras:
        raise UsageError("importing an operator is not compatible with system account generation")
    from natskit.store import Plan, operators
    from natskit.store.well_known import load_operator

    token, known = load_operator(run.workspace.environ, url, run.full_path(url))
    with run.workspace.locked():
        plan = Plan(run.workspace)
        store, other = operators.import_operator(plan, token, name=name or known, force=force)
        run.files(plan.commit())
    if other:
        run.warn("existing and new operator represent different entities, forced to continue")
    run.success(f'imported operator "{store.name}"')
    run.fact(operator={"name": store.name, "managed": True})


@command(
    text("name", "n", "the operator, default the current one", metavar="NAME", completes="operator"),
    switch("rm-nkey", "D", "also delete the keys of the operator, its accounts and users"),
    switch("rm-creds", "C", "also delete creds files of its users"),
    switch("force", "F", "do it; without, only say what would go"),
    arguments=("[name]",),
    stores=False,
    examples=[
        ("nsc delete operator Old", "say what would be deleted"),
        ("nsc delete operator Old --force -D -C", "delete all of it, keys and creds too"),
    ],
)
def delete_operator(run: Run, *, name: str, rm_nkey: bool, rm_creds: bool, force: bool) -> int | None:
    """Delete an operator from the store, with its accounts and users. Keys stay unless asked for."""
    from natskit.store import Plan
    from natskit.store.operators import plan_operator_removal

    with run.workspace.locked():
        store = run.workspace.operator(name)
        plan = Plan(run.workspace)
        accounts = plan_operator_removal(plan, store, key=rm_nkey, creds=rm_creds)
        if not force:
            users = sum(len(store.users(account)) for account in store.accounts())
            from natskit.store.commands import typed

            raise DeniedError(
                f'this deletes operator "{store.name}" with {accounts} accounts and {users} users: specify --force',
                hint=typed("delete", "operator", store.name, "--force"),
            )
        run.files(plan.commit())
        run.workspace.save_context()
    run.fact(operator=store.name, accounts=accounts)
    run.success(f'deleted operator "{store.name}" with {accounts} accounts')
    return None


@command(
    arguments=("name",),
    stores=False,
    examples=[("nsc select operator Acme", "work on operator Acme from now on")],
)
def select_operator(run: Run, *, name: str) -> None:
    """Make an operator the current one."""
    run.workspace.check_operator(name)
    run.workspace.save_context(operator=name)
    run.fact(operator=run.workspace.config.operator, account=run.workspace.config.account)
