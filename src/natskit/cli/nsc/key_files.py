"""``nsc export keys``, ``nsc import keys``, ``nsc keys migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch, text
from natskit.cli.exits import UNCHANGED
from natskit.errors import Error, NotFound, StoreError, UsageError

from .keys import OPERATOR, choose

if TYPE_CHECKING:
    from natskit.store.inventory import KnownKey

    from .run import Run

__all__ = ["export_keys", "import_keys", "migrate_keys"]


@command(
    text("dir", "d", "folder to write to", metavar="DIR"),
    OPERATOR,
    switch("accounts", "a", "keys of accounts, with signing keys"),
    switch("users", "u", "keys of users"),
    switch("curves", "", "curve keys"),
    switch("all", "A", "all of them, of all accounts"),
    text("account", "", "only of this account", metavar="NAME", completes="account"),
    text("user", "", "only of this user", metavar="NAME", completes="user"),
    text("curve", "", "only this curve key", metavar="KEY"),
    text("filter", "f", "only keys that have this in their text", metavar="TEXT"),
    switch("not-referenced", "", "stored keys that belong to nobody of this operator"),
    switch("force", "F", "overwrite files that are there"),
    switch("remove", "R", "delete the keys from the keystore afterwards"),
    switch("include-jwts", "", "also write the tokens of operator, accounts and users"),
    examples=[
        ("nsc export keys --dir backup --all --include-jwts", "everything that nsc fix needs to make the store again"),
        ("nsc export keys --dir vault --operator --remove", "put the operator's keys away"),
    ],
)
def export_keys(
    run: Run,
    *,
    dir: str,
    curves: bool,
    curve: str,
    filter: str,
    force: bool,
    remove: bool,
    include_jwts: bool,
    **which: Any,
) -> None:
    """Write seeds into a folder, each as <PUBLIC KEY>.nk. They are secrets: look after the folder."""
    from natskit.store import key_files
    from natskit.store.files import make_dirs

    if not dir:
        raise UsageError('required flag(s) "dir" not set')
    chosen = choose(run, curve=curves or bool(curve), filter=curve or filter, **which)
    if not chosen:
        raise NotFound("no keys found to export", hint="nsc list keys --all")
    run.fact(keys=[key.public for key in chosen])
    folder = run.full_path(dir)
    make_dirs(folder)
    for key in chosen:
        _export(run, key, folder, force=force, remove=remove)
    for key in chosen if include_jwts else ():
        if key.token:
            try:
                run.wrote(key_files.export_token(key, folder, force=force))
                run.success(f'exported "{run.key(key.public)}.jwt ({key.name})"')
            except StoreError as error:
                run.fail(str(error))


def _export(run: Run, key: KnownKey, folder: str, *, force: bool, remove: bool) -> None:
    from natskit.store import Plan, key_files

    try:
        run.wrote(key_files.export_key(run.workspace.keystore, key, folder, force=force))
    except NotFound as error:
        run.warn(str(error))
        return
    except StoreError as error:
        run.fail(str(error))
        return
    if remove:
        with run.workspace.locked():
            plan = Plan(run.workspace)
            plan.discard(key.path)
            run.files(plan.commit())
    run.success(f'{"moved" if remove else "exported"} "{run.key(key.public)}"')


@command(
    text("dir", "d", "folder with the files", metavar="DIR"),
    switch("recurse", "R", "also look into the folders below it"),
    examples=[("nsc import keys --dir backup --recurse", "store every key that is found there")],
)
def import_keys(run: Run, *, dir: str, recurse: bool) -> None:
    """Store the seeds of all .nk files of a folder in the keystore."""
    from natskit.store import Plan, key_files

    if not dir:
        raise UsageError('required flag(s) "dir" not set')
    stored: list[str] = []
    with run.workspace.locked():
        plan = Plan(run.workspace)
        paths = list(key_files.key_files(run.full_path(dir), recurse=recurse))
        if not paths:
            raise NotFound("no nkey (.nk) files found", hint="--recurse looks into the folders below")
        for path in paths:
            try:
                pair = key_files.load_key(path)
                plan.key(pair)
                stored.append(pair.public)
                run.success(f"{run.key(pair.public)} was added to the keystore")
            except Error as error:
                run.fail(f"failed to import `{run.path(path)}`: {error}")
        run.files(plan.commit())
    run.fact(keys=stored)


@command(
    arguments=("[ignored...]",),
    stores=False,
    examples=[("nsc keys migrate", "bring keys of 2019 to where they are looked for today")],
)
def migrate_keys(run: Run, *, ignored: tuple[str, ...]) -> int | None:
    """Bring a keystore of before August 2019 into today's layout. The old one is kept under another name."""
    from natskit.store import Plan
    from natskit.store.keystore_migration import migrate_keystore

    workspace = run.workspace
    shown = run.path(workspace.keystore.root)
    with workspace.locked():
        if not workspace.keystore.is_outdated():
            run.note(f"keystore `{shown}` does not need migration")
            run.fact(keystore=workspace.keystore.root, changed=False)
            return UNCHANGED
        copy, committed = migrate_keystore(Plan(workspace))
        run.files(committed)
    run.success(f"migrated keystore `{shown}`: the old one is `{run.path(copy)}` - remove it at your convenience")
    run.fact(keystore=workspace.keystore.root, old=copy)
    return None
