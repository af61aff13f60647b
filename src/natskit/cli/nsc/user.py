"""``nsc add user``, ``nsc delete user``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, strings, switch, text
from natskit.errors import UsageError

from .account import tell_deleted_user
from .permissions import PERMISSION_FLAGS, TIME_FLAGS, allowed, dates

if TYPE_CHECKING:
    from natskit.jwt import UserClaims

    from .run import Run

__all__ = ["add_user", "delete_user", "user_claims"]


@command(
    text("name", "n", "name of the user; * makes one up", metavar="NAME"),
    text("public-key", "k", "use this key: a public key, a seed or a file; it is not stored", metavar="KEY"),
    switch("bearer", "", "the token alone logs in, without its seed"),
    strings("tag", "", "tags, such as team:blue", metavar="TAGS"),
    strings("source-network", "", "networks that it may connect from, such as 10.0.0.0/8", metavar="CIDRS"),
    *TIME_FLAGS,
    *PERMISSION_FLAGS,
    arguments=("[name]",),
    examples=[
        ("nsc add user U", "a user of the current account"),
        ("nsc add user -a A U --allow-pub 'orders.>' --allow-sub '_INBOX.>' --expiry 30d", "with limits"),
        ("nsc add user -a A U -K service", "with the rights of the signing key whose role is service"),
    ],
)
def add_user(
    run: Run,
    *,
    name: str,
    public_key: str,
    **flags: Any,
) -> None:
    """Create a user of an account, with its creds file: what a client logs in with."""
    from natskit import jwt
    from natskit.nkeys import Role
    from natskit.store import Plan, users
    from natskit.store.names import random_name
    from natskit.store.signing import new_key

    with run.workspace.locked():
        store = run.workspace.operator()
        account = run.workspace.account_name()
        key, own = new_key(run.workspace, public_key, Role.USER)
        claims = user_claims(run, jwt.new_user(key.public, random_name() if name == "*" else name), flags)
        plan = Plan(run.workspace)
        added = users.add_user(plan, store, account, claims, key, signer=run.private_key, own=own)
        run.files(plan.commit())
    if added.key_path:
        run.note(f'Generated user key - private key stored "{run.key_path(added.key_path)}"')
    if added.creds_path:
        run.note(f'Generated user creds file "{run.path(added.creds_path)}"')
    else:
        run.note("skipped generating creds file - user private key is not available")
    run.success(f'added user "{claims.name}" to {"" if run.is_2019 else "account "}"{account}"')
    run.fact(
        account=account,
        user={"name": claims.name, "id": claims.subject, "key": added.key_path, "creds": added.creds_path},
    )


def user_claims(run: Run, claims: UserClaims, flags: dict[str, Any]) -> UserClaims:
    """Claims of a new user with what the flags say. Raises UsageError."""
    from msgspec.structs import replace

    permissions = allowed(run, claims.nats.permissions, flags)
    body = replace(
        claims.nats,
        pub=permissions.pub,
        sub=permissions.sub,
        resp=permissions.resp,
        src=tuple(dict.fromkeys(network.strip().lower() for network in flags["source_network"])),
        bearer_token=bool(flags["bearer"]),
        tags=tuple(sorted({each.strip().lower() for each in flags["tag"]})),
    )
    return replace(
        claims,
        **dates(run, flags["start"], flags["expiry"]),
        nats=body,
    )


@command(
    strings("name", "n", "the users", metavar="NAMES", completes="user"),
    switch("revoke", "R", "revoke their tokens first"),
    switch("rm-nkey", "D", "also delete their keys"),
    switch("rm-creds", "C", "also delete their creds files"),
    arguments=("[user]",),
    examples=[("nsc delete user -a A U --revoke --rm-nkey --rm-creds", "leave nothing of user U")],
)
def delete_user(run: Run, *, name: tuple[str, ...], user: str, revoke: bool, rm_nkey: bool, rm_creds: bool) -> None:
    """Delete users of an account. Their tokens go on working until they expire or are revoked."""
    from natskit.store import Plan, users

    wanted = list(dict.fromkeys((*name, user) if user else name))
    if not wanted:
        raise UsageError("please specify an user to delete")
    with run.workspace.locked():
        store = run.workspace.operator()
        account = run.workspace.account_name()
        plan = Plan(run.workspace)
        deleted = users.delete_users(
            plan, store, account, wanted, revoke=revoke, key=rm_nkey, creds=rm_creds, signer=run.private_key
        )
        run.files(plan.commit())
    for each in deleted:
        tell_deleted_user(run.note(f"user {each.name} [{run.key(each.public)}]"), each)
    if revoke:
        run.note(f'edited account "{account}"')
    plural = "s" if len(deleted) > 1 else ""
    run.success(f"deleted user{plural} " + ", ".join(f'"{each.name}"' for each in deleted))
    run.fact(account=account, users=[{"name": each.name, "id": each.public} for each in deleted])
