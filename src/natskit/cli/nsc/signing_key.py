"""``nsc edit signing-key``: roles, the rights that a signing key gives the users it signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, strings, text
from natskit.errors import NotFound, UsageError

from .edit import AccountEdit, editing_account
from .permissions import LIMIT_FLAGS, PERMISSION_FLAGS, REMOVAL_FLAGS, allowed, limited, take, take_limits

if TYPE_CHECKING:
    from natskit.jwt import UserScope

    from .run import Run

__all__ = ["edit_signing_key"]


@command(
    strings("sk", "", "the signing key: generate, a public key, seed, file or role", metavar="KEY"),
    text("role", "", "name of the role; alone it finds the key", metavar="ROLE"),
    text("description", "", "what the role is for", metavar="TEXT"),
    *LIMIT_FLAGS,
    *PERMISSION_FLAGS,
    *REMOVAL_FLAGS,
    arguments=("[key]",),
    examples=[
        ("nsc edit signing-key -a A --sk generate --role reader --allow-sub 'r.>'", "a new key for readers"),
        ("nsc edit signing-key -a A --role reader --deny-pub '>'", "change what readers may do"),
        ("nsc add user -a A U -K reader", "make a reader"),
    ],
)
def edit_signing_key(
    run: Run, *, sk: tuple[str, ...], role: str, description: str, key: str, **flags: Any
) -> int | None:
    """Give a signing key a role: users it signs get the rights of the role, whatever their own tokens say."""
    from msgspec.structs import replace

    if len(sk) + bool(key) > 1:
        raise UsageError("one signing key at a time", hint="run it once for each key")
    with editing_account(run) as edit:
        scope = _scope(run, edit, sk[0] if sk else key, role)
        template = limited(run, scope.template, take_limits(flags))
        rights = allowed(run, template.permissions, take(flags))
        scope = replace(
            scope,
            role=role or scope.role,
            description=description if "description" in run.given else scope.description,
            template=replace(template, pub=rights.pub, sub=rights.sub, resp=rights.resp),
        )
        others = [each for each in edit.claims.nats.signing_keys if _public(each) != scope.key]
        keys = edit.claims.nats.signing_keys if scope in edit.claims.nats.signing_keys else (*others, scope)
        saved = edit.save(replace(edit.claims, nats=replace(edit.claims.nats, signing_keys=keys)), same_signer=True)
    run.fact(account=edit.name, signing_key={"id": scope.key, "role": scope.role})
    if not saved:
        return run.unchanged(f'signing key "{run.key(scope.key)}"')
    run.success(f'edited signing key "{run.key(scope.key)}"')
    return None


def _public(entry: str | UserScope) -> str:
    return entry if isinstance(entry, str) else entry.key


def _scope(run: Run, edit: AccountEdit, given: str, role: str) -> UserScope:
    """The scope to edit: of the key that is named, or that has the role; a new one for a key without."""
    from natskit.jwt import ScopeTemplate, UserScope
    from natskit.nkeys import Role
    from natskit.store.edits import signing_key_of

    account = edit.claims.nats
    named = {each.role: each for each in account.signing_keys if not isinstance(each, str) and each.role}
    if not given and not role:
        raise UsageError("signing key is required", hint="--sk generate, or --role ROLE")
    if not given or given in named:
        found = named.get(given or role)
        if found is None:
            raise NotFound(f'signing-key not found: no role "{role}" in account "{edit.name}"')
        return found
    public, pair = signing_key_of(run.workspace, given, Role.ACCOUNT)
    if pair:
        edit.plan.key(pair)
    # Limits of 0 are left out of the token, and what is left out reads as unlimited.
    unlimited = ScopeTemplate(subs=0, data=0, payload=0)
    return account.scope_of(public) or UserScope(kind="user_scope", key=public, role=role, template=unlimited)
