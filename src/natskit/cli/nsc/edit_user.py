"""``nsc edit user``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, strings, text
from natskit.errors import UsageError

from .permissions import (
    LIMIT_FLAGS,
    PERMISSION_FLAGS,
    REMOVAL_FLAGS,
    TIME_FLAGS,
    allowed,
    dated,
    limited,
    take,
    take_limits,
)

if TYPE_CHECKING:
    from natskit.jwt import UserClaims

    from .run import Run

__all__ = ["edit_user"]


@command(
    text("name", "n", "the user, default the only one", metavar="NAME", completes="user"),
    strings("tag", "", "add tags", metavar="TAGS"),
    strings("rm-tag", "", "take tags away", metavar="TAGS"),
    *TIME_FLAGS,
    *LIMIT_FLAGS,
    *PERMISSION_FLAGS,
    *REMOVAL_FLAGS,
    arguments=("[name]",),
    examples=[
        ("nsc edit user -a A U --allow-pub 'orders.>' --rm secret", "change what it may do"),
        ("nsc edit user -a A U --expiry 30d --payload 64Ki", "limit it"),
    ],
)
def edit_user(run: Run, *, name: str, **flags: Any) -> int | None:
    """Change rights, tags and dates of a user, and write its creds again. What is not named stays as it is."""
    from natskit.store import Plan, users
    from natskit.store.credentials import find_user

    if not run.given & _EDITS:
        raise UsageError("specify an edit option", hint="nsc edit user --help")
    with run.workspace.locked():
        store = run.workspace.operator()
        account = run.workspace.account_name()
        user = find_user(run.workspace, account, name)
        before = store.user(account, user)
        claims = _edited(run, before, flags)
        if claims == before and not run.private_key:
            run.fact(account=account, user={"name": user, "id": claims.subject})
            return run.unchanged(f'user "{user}"')
        plan = Plan(run.workspace)
        changed = users.edit_user(plan, store, account, claims, signer=run.private_key)
        run.files(plan.commit())
    if changed.creds_path:
        run.note(f'Generated user creds file "{run.path(changed.creds_path)}"')
    else:
        run.note("skipped generating creds file - user private key is not available")
    run.success(f'edited user "{user}"')
    run.fact(account=account, user={"name": user, "id": claims.subject, "creds": changed.creds_path})
    return None


_EDITS = {each.name for each in (*TIME_FLAGS, *LIMIT_FLAGS, *PERMISSION_FLAGS, *REMOVAL_FLAGS)} | {"tag", "rm-tag"}


def _edited(run: Run, claims: UserClaims, flags: dict[str, Any]) -> UserClaims:
    from msgspec.structs import replace

    from natskit.store.edits import edited_tags

    claims = dated(run, claims, flags["start"], flags["expiry"])
    tags, done = edited_tags(claims.nats.tags, flags["tag"], flags["rm_tag"])
    for line in done:
        run.note(line)
    body = limited(run, claims.nats, take_limits(flags))
    permissions = allowed(run, body.permissions, take(flags))
    body = replace(body, tags=tags, pub=permissions.pub, sub=permissions.sub, resp=permissions.resp)
    changed: UserClaims = replace(claims, nats=body)
    return changed
