"""``nsc revocations``: users and activations that no longer count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, flag, switch, text
from natskit.cli.flags import parse_instant
from natskit.cli.tables import Table
from natskit.errors import NotFound, UsageError

from .edit import AccountEdit, editing_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from natskit.jwt import Export
    from natskit.store.operator_store import OperatorStore

    from .run import Run

__all__ = [
    "add_activation",
    "add_user",
    "delete_activation",
    "delete_user",
    "list_activations",
    "list_users",
]

_NAME = text("name", "n", "the user", metavar="NAME", completes="user")
_KEY = text("user-public-key", "u", "its public key; * for all users", metavar="KEY")
_AT = flag("at", "", "what was issued until then: a date, Unix seconds, default now", parse_instant, default=0)
_SUBJECT = text("subject", "s", "subject of the export, default the only one", metavar="SUBJECT", completes="export")
_SERVICE = switch("service", "", "the export is a service")
_TARGET = text(
    "target-account", "t", "the importer: a name or public key; * for all", metavar="ACCOUNT", completes="account"
)
ALL = "*"


@command(
    _NAME,
    _KEY,
    _AT,
    examples=[
        ("nsc revocations add-user -a A -n U", "revoke what user U holds now; a newer token works"),
        ("nsc revocations add-user -a A -u '*'", "revoke all users of account A"),
    ],
)
def add_user(run: Run, *, name: str, user_public_key: str, at: int) -> int | None:
    """Revoke users of an account: tokens issued until now, or until a time, are refused."""
    from msgspec.structs import replace

    from natskit.jwt import revoke

    with editing_account(run) as edit:
        key = _user_key(run, edit.store, edit.name, name, user_public_key)
        moment = at or edit.now
        account = edit.claims.nats
        revocations = revoke(account.revocations, key, moment)
        saved = edit.save(replace(edit.claims, nats=replace(account, revocations=revocations)))
    run.fact(account=edit.name, revoked=key, at=revocations[key])
    if not saved:
        return run.unchanged(f'the revocation of "{run.key(key)}"')
    run.success("revoked all users issued until then" if key == ALL else f'revoked user "{run.key(key)}"')
    return None


@command(_NAME, _KEY, examples=[("nsc revocations delete-user -a A -n U", "let user U in again")])
def delete_user(run: Run, *, name: str, user_public_key: str) -> None:
    """Take the revocation of a user back."""
    from msgspec.structs import replace

    with editing_account(run) as edit:
        account = edit.claims.nats
        if not account.revocations:
            raise NotFound(f"no user revocations set in account {edit.name}")
        key = _user_key(run, edit.store, edit.name, name, user_public_key)
        rest = _without(account.revocations, key, f"user with public key {key} is not revoked")
        edit.save(replace(edit.claims, nats=replace(account, revocations=rest)))
    run.success("deleted all user revocation" if key == ALL else f'deleted user revocation for "{run.key(key)}"')
    run.fact(account=edit.name, restored=key)


@command(examples=[("nsc revocations list-users -a A", "who is revoked, and since when")])
def list_users(run: Run) -> None:
    """List the revoked users of an account."""
    name = run.workspace.account_name()
    revocations = run.workspace.operator().account(name).nats.revocations
    if not revocations:
        raise NotFound(f"account {name} does not have revoked users")
    _show(run, f"Revoked Users for {name}", "* [All Users]", revocations)


@command(
    _SUBJECT,
    _SERVICE,
    _TARGET,
    _AT,
    examples=[("nsc revocations add-activation -a A -s 'orders.>' -t B", "account B no longer gets the stream")],
)
def add_activation(run: Run, *, subject: str, service: bool, target_account: str, at: int) -> int | None:
    """Revoke activations of an export: those issued until now, or until a time, no longer count."""
    from msgspec.structs import replace

    from natskit.jwt import revoke

    with editing_account(run) as edit:
        export = _export(edit, subject, service)
        target = _target(run, edit, target_account)
        moment = at or edit.now
        changed = replace(export, revocations=revoke(export.revocations, target, moment))
        saved = _save_export(edit, export, changed)
    run.fact(account=edit.name, export=export.subject, revoked=target, at=changed.revocations[target])
    if not saved:
        return run.unchanged(f'the revocation for "{run.key(target)}"')
    whom = "all activations" if target == ALL else "activation"
    suffix = "" if target == ALL else f" for account {run.key(target)}"
    run.success(f'revoked {whom} "{export.name}"{suffix}')
    return None


@command(
    _SUBJECT, _SERVICE, _TARGET, examples=[("nsc revocations delete-activation -a A -s 'orders.>' -t B", "undo it")]
)
def delete_activation(run: Run, *, subject: str, service: bool, target_account: str) -> None:
    """Take the revocation of an activation back."""
    from msgspec.structs import replace

    with editing_account(run) as edit:
        export = _export(edit, subject, service)
        target = _target(run, edit, target_account)
        rest = _without(export.revocations, target, f"{export.type} {export.name} has no revocations for {target}")
        _save_export(edit, export, replace(export, revocations=rest))
    whom = "all accounts" if target == ALL else f"account {run.key(target)}"
    run.success(f"deleted {export.type} {export.name} revocation for {whom}")
    run.fact(account=edit.name, export=export.subject, restored=target)


@command(
    _SUBJECT, _SERVICE, examples=[("nsc revocations list-activations -a A -s 'orders.>'", "whose, and since when")]
)
def list_activations(run: Run, *, subject: str, service: bool) -> None:
    """List the accounts whose activations of an export are revoked."""
    export = _export(AccountEdit(run), subject, service)
    if not export.revocations:
        raise NotFound(f"{export.type} {export.name} has no revocations")
    _show(run, f"Revoked Accounts for {export.type} {export.name}", "* [All Accounts]", export.revocations)


# ---- parts


def _user_key(run: Run, store: OperatorStore, account: str, name: str, key: str) -> str:
    from natskit.nkeys import Role, is_public
    from natskit.store.credentials import find_user

    if name and key:
        raise UsageError("user and user-public-key are mutually exclusive")
    if key == ALL or is_public(key, Role.USER):
        return key
    given = name or key
    if not given and len(store.users(account)) != 1:
        raise UsageError(f"no default user available for account {account}", hint="name one: -n NAME")
    found = next((user for user in store.users(account) if user.lower() == given.lower()), given)
    return store.user(account, find_user(run.workspace, account, found)).subject


def _without(revocations: Mapping[str, int], key: str, missing: str) -> dict[str, int]:
    if key not in revocations:
        raise NotFound(missing)
    return {name: moment for name, moment in revocations.items() if name != key}


def _export(edit: AccountEdit, subject: str, service: bool) -> Export:
    """The export of the kind that holds ``subject``; the only one by default."""
    from natskit import subjects

    kind = "service" if service else "stream"
    if not edit.claims.nats.exports:
        raise NotFound(f'account "{edit.name}" doesn\'t have exports')
    same = [each for each in edit.claims.nats.exports if each.type == kind]
    if not same:
        raise NotFound(f'account "{edit.name}" doesn\'t have {kind} exports')
    if not subject:
        if len(same) > 1:
            raise UsageError("a subject is required", hint="nsc list exports")
        return same[0]
    for each in same:
        if subjects.covers(each.subject, subject):
            return each
    raise NotFound(f'unable to locate export: no {kind} export holds "{subject}"', hint="nsc list exports")


def _target(run: Run, edit: AccountEdit, given: str) -> str:
    from natskit.nkeys import Role, is_public

    if not given:
        raise UsageError("target-account cannot be empty")
    if given == ALL or is_public(given, Role.ACCOUNT):
        return given
    return edit.store.account(run.workspace.find_account(edit.store, given)).subject


def _save_export(edit: AccountEdit, before: Export, after: Export) -> bool:
    from msgspec.structs import replace

    account = edit.claims.nats
    exports = tuple(after if each is before else each for each in account.exports)
    return edit.save(replace(edit.claims, nats=replace(account, exports=exports)))


def _show(run: Run, title: str, everybody: str, revocations: Mapping[str, int]) -> None:
    from natskit.cli.flags import format_date

    table = Table(title, ("Public Key", "Revoke Credentials Before"))
    for key, moment in sorted(revocations.items()):
        table.row(everybody if key == ALL else run.key(key), format_date(moment))
    run.table(table, revocations=dict(revocations))
