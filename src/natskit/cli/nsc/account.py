"""``nsc add account``, ``nsc delete account``, ``nsc select account``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch, text
from natskit.errors import DeniedError

from .permissions import PERMISSION_FLAGS, TIME_FLAGS, allowed, dates

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.jwt import AccountClaims
    from natskit.store.accounts import DeletedAccount
    from natskit.store.users import DeletedUser

    from .run import Run

__all__ = ["account_claims", "add_account", "delete_account", "select_account", "tell_deleted_user"]


@command(
    text("name", "n", "name of the account; * makes one up", metavar="NAME"),
    text("public-key", "k", "use this key: a public key, a seed or a file; it is not stored", metavar="KEY"),
    *TIME_FLAGS,
    *PERMISSION_FLAGS,
    arguments=("[name]",),
    examples=[
        ("nsc add account A", "an account of the current operator"),
        ("nsc add account A --deny-pubsub 'secret.>'", "with permissions for users that have none of their own"),
    ],
)
def add_account(run: Run, *, name: str, public_key: str, **flags: Any) -> None:
    """Create an account: a team's own subject space. It becomes the current account.

    Where --operator or $NSC_OPERATOR names another operator than the current one, what is current stays.
    """
    from natskit import jwt
    from natskit.nkeys import Role
    from natskit.store import Plan, accounts
    from natskit.store.names import random_name
    from natskit.store.signing import new_key

    with run.workspace.locked():
        store = run.workspace.operator()
        key, own = new_key(run.workspace, public_key, Role.ACCOUNT)
        claims = account_claims(run, jwt.new_account(key.public, random_name() if name == "*" else name), flags)
        plan = Plan(run.workspace)
        path = accounts.add_account(plan, store, claims, key, signer=run.private_key, own=own)
        run.files(plan.commit())
    if path:
        run.note(f'Generated account key - private key stored "{run.key_path(path)}"')
    run.success(f'added account "{claims.name}"')
    run.fact(account={"name": claims.name, "id": claims.subject, "key": path})


def account_claims(run: Run, claims: AccountClaims, flags: dict[str, Any]) -> AccountClaims:
    """Claims of a new account with what the flags say. Raises UsageError."""
    from msgspec.structs import replace

    return replace(
        claims,
        **dates(run, flags["start"], flags["expiry"]),
        nats=replace(claims.nats, default_permissions=allowed(run, claims.nats.default_permissions, flags)),
    )


@command(
    text("name", "n", "the account, default the current one", metavar="NAME", completes="account"),
    switch("revoke", "R", "say that its users are revoked", default=True),
    switch("rm-nkey", "D", "also delete its keys, signing keys and the keys of its users"),
    switch("rm-creds", "C", "also delete creds files of its users"),
    switch("force", "F", "needed where the operator is somebody else's"),
    arguments=("[name]",),
    examples=[("nsc delete account A --rm-nkey --rm-creds", "delete it with its keys and creds")],
)
def delete_account(run: Run, *, name: str, revoke: bool, rm_nkey: bool, rm_creds: bool, force: bool) -> None:
    """Delete an account with its users. Servers keep it until it is removed there too (nsc push --account-removal).

    The account server of somebody else's operator is sent a last token, which expires in a minute.
    """
    from natskit.store import Plan, accounts

    with run.workspace.locked():
        store = run.workspace.operator()
        account = run.workspace.account_name(name)
        if store.managed and not force:
            raise DeniedError(
                "managed accounts may require the account JWT or nkeys to cancel a service,"
                " specify the --force to override"
            )
        plan = Plan(run.workspace)
        if store.managed and not accounts.plan_farewell(plan, store, account, revoke=revoke, signer=run.private_key):
            run.warn("the operator's server is not told: no key is stored that can sign the account's last token")
        deleted = accounts.delete_account(plan, store, account, key=rm_nkey, creds=rm_creds)
        run.files(plan.commit())
    _tell_deleted(run, account, deleted)


def _tell_deleted(run: Run, account: str, deleted: DeletedAccount) -> None:
    for user in deleted.users:
        tell_deleted_user(run.note(f"user {user.name} [{run.key(user.public)}]"), user)
    for public, stored in deleted.signing_keys:
        shown = run.key(public)
        run.note(f'deleted signing key "{shown}"' if stored else f'signing key "{shown}" is not stored')
    if deleted.key is not None:
        shown = run.key(deleted.public)
        run.note(f'deleted private key "{shown}"' if deleted.key else f'private key "{shown}" is not stored')
    run.success(f'deleted account "{account}"')
    run.fact(account={"name": account, "id": deleted.public}, users=[user.name for user in deleted.users])


def tell_deleted_user(node: Report, user: DeletedUser) -> None:
    """Report below ``node`` what was done to a user."""
    if user.revoked is not None:
        node.note("revoked user" if user.revoked else "user is already revoked")
    node.note("user deleted")
    if user.key is not None:
        node.note("deleted private key" if user.key else "private key is not stored")
    if user.creds is not None:
        node.note("removed creds file" if user.creds else "creds file is not stored")


@command(
    arguments=("name",),
    stores=False,
    examples=[("nsc select account A", "work on account A from now on")],
)
def select_account(run: Run, *, name: str) -> None:
    """Make an account the current one."""
    account = run.workspace.find_account(run.workspace.operator(), name)
    run.workspace.save_context(account=account)
    run.fact(operator=run.workspace.config.operator, account=account)
