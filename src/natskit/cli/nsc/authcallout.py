"""``nsc edit authcallout``: logins of an account decided by a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, strings, switch, text
from natskit.errors import UsageError

from .edit import editing_account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from natskit.nkeys import Role

    from .edit import AccountEdit
    from .run import Run

__all__ = ["edit_authcallout"]


@command(
    strings("auth-user", "", "users that log in by themselves and answer for others", metavar="KEYS"),
    strings("rm-auth-user", "", "take users away", metavar="KEYS"),
    strings("allowed-account", "", "accounts that users may be put into; * for all", metavar="KEYS"),
    strings("rm-allowed-account", "", "take accounts away", metavar="KEYS"),
    text("curve", "x", "curve key to encrypt requests for: generate, or a public key", metavar="KEY"),
    switch("rm-curve", "", "do not encrypt"),
    switch("disable", "", "let users log in by themselves again"),
    arguments=("[name]",),
    examples=[
        ("nsc edit authcallout A --auth-user UABC... --allowed-account '*'", "let a service decide who logs in"),
        ("nsc edit authcallout A --disable", "no longer"),
    ],
)
def edit_authcallout(
    run: Run,
    *,
    auth_user: tuple[str, ...],
    rm_auth_user: tuple[str, ...],
    allowed_account: tuple[str, ...],
    rm_allowed_account: tuple[str, ...],
    curve: str,
    rm_curve: bool,
    disable: bool,
    name: str,
) -> int | None:
    """Let a service decide who logs in to an account, and with which rights."""
    from msgspec.structs import replace

    from natskit.jwt import ExternalAuthorization
    from natskit.nkeys import Role

    others = bool(auth_user or rm_auth_user or allowed_account or rm_allowed_account or curve or rm_curve)
    if not others and not disable:
        raise UsageError("please specify some options", hint="nsc edit authcallout --help")
    if others and disable:
        raise UsageError("--disable is exclusive of all other options")
    run.workspace.account_given = name or run.workspace.account_given
    with editing_account(run) as edit:
        callout = edit.claims.nats.authorization
        if disable:
            callout = ExternalAuthorization()
            run.note("removed external authorization configuration")
        else:
            users = _changed(run, "user", Role.USER, callout.auth_users, auth_user, rm_auth_user)
            accounts = _changed(
                run, "account", Role.ACCOUNT, callout.allowed_accounts, allowed_account, rm_allowed_account
            )
            callout = replace(callout, auth_users=users, allowed_accounts=accounts)
            callout = replace(callout, xkey=_curve(run, edit, callout.xkey, curve, rm_curve))
        claims = replace(edit.claims, nats=replace(edit.claims.nats, authorization=callout))
        saved = edit.save(claims, same_signer=True)
    run.fact(account=edit.name, auth_users=list(callout.auth_users), xkey=callout.xkey)
    if not saved:
        return run.unchanged(f'the callout of account "{edit.name}"')
    run.success(f'edited account "{edit.name}"')
    return None


def _changed(
    run: Run, what: str, role: Role, before: tuple[str, ...], more: Sequence[str], gone: Sequence[str]
) -> tuple[str, ...]:
    keys = list(before)
    for given in more:
        public = _key(run, given, role)
        if public in keys:
            run.note(f'skipped adding {what} "{public}" - as it\'s already set')
            continue
        keys.append(public)
        run.note(f'added {what} "{public}"')
    for given in gone:
        public = _key(run, given, role)
        if public not in keys:
            run.note(f'skipping {what} "{public}" - as it\'s not currently set')
            continue
        keys.remove(public)
        run.note(f'deleted {what} "{public}"')
    return tuple(keys)


def _key(run: Run, given: str, role: Role) -> str:
    from natskit.errors import InvalidKey, NotFound
    from natskit.nkeys import Role as Roles
    from natskit.store.signing import read_key

    if given == "*" and role is Roles.ACCOUNT:
        return given
    try:
        return read_key(run.workspace, given, role).public
    except (InvalidKey, NotFound):
        raise UsageError(f'"{given}" is not a valid {role.value} key') from None


def _curve(run: Run, edit: AccountEdit, before: str, given: str, remove: bool) -> str:
    from natskit.nkeys import Role
    from natskit.store.edits import signing_key_of

    if remove:
        run.note(
            f"removed {before} curve key"
            if before
            else "remove curve key didn't do anything as the curve key was not set"
        )
        return ""
    if not given:
        return before
    public, pair = signing_key_of(run.workspace, given, Role.CURVE)
    if pair:
        edit.plan.key(pair)
    run.note(f"set curve key {public}")
    return public
