"""``nsc list keys``."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from natskit.cli.command import Flag, command, switch, text
from natskit.cli.flags import parse_boolean
from natskit.cli.tables import Table
from natskit.errors import NotFound, UsageError

if TYPE_CHECKING:
    from natskit.store.inventory import KnownKey

    from .run import Run

__all__ = ["OPERATOR", "choose", "list_keys"]


def _switch_or_name(text: str) -> bool | str:
    try:
        return parse_boolean(text)
    except UsageError:
        return text


OPERATOR = Flag(
    "operator",
    "o",
    "keys of the operator; =NAME: work on that operator",
    read=_switch_or_name,
    default=False,
    bare="true",
    metavar="NAME",
)
"""``--operator`` where it says which keys are meant: with a name it is what it is on every other command."""


@command(
    OPERATOR,
    switch("accounts", "a", "keys of accounts, with signing and curve keys"),
    switch("users", "u", "keys of users"),
    switch("curve", "x", "curve keys"),
    switch("all", "A", "all of them, of all accounts"),
    text("account", "", "only of this account", metavar="NAME", completes="account"),
    text("user", "", "only of this user", metavar="NAME", completes="user"),
    text("filter", "f", "only keys that have this in their text", metavar="TEXT"),
    switch("not-referenced", "", "stored keys that belong to nobody of this operator"),
    switch("show-seeds", "S", "print the seeds: secrets"),
    examples=[
        ("nsc list keys", "keys of the operator, the current account and its users"),
        ("nsc list keys --all --json", "all keys, for scripts"),
        ("nsc list keys --not-referenced", "keys that nothing refers to"),
    ],
)
def list_keys(run: Run, *, show_seeds: bool, **which: Any) -> None:
    """List the keys of operator, accounts and users, and say which of them are stored here."""
    if show_seeds and which["not_referenced"]:
        raise UsageError("specify one of --show-seeds or --not-referenced")
    keystore = run.workspace.keystore
    if not keystore.exists():
        raise NotFound(f"keystore `{run.path(keystore.root)}` does not exist", hint="nsc add operator NAME")
    _show(run, choose(run, **which), show_seeds)


def choose(
    run: Run,
    *,
    operator: bool | str,
    accounts: bool,
    users: bool,
    curve: bool,
    all: bool,
    account: str,
    user: str,
    filter: str,
    not_referenced: bool,
) -> list[KnownKey]:
    """The keys that the flags mean; without any, those of operator, current account and its users.

    Raises UsageError without an operator, NotFound.
    """
    from natskit.store import inventory

    if isinstance(operator, str):
        run.workspace.use_operator(operator)
        operator = False
    if not run.workspace.config.operator and not not_referenced:
        raise UsageError(
            "operator is not set -- set an operator first or try --not-referenced to list all keys not in the context",
            hint="nsc env -o NAME",
        )
    if not_referenced:
        found = list(inventory.unreferenced(run.workspace, _all_known(run)))
    else:
        chosen = bool(operator or accounts or users or curve or all)
        names = _accounts(run, account, everything=chosen)
        kinds = _kinds(operator, accounts, users, curve, everything=all or not chosen)
        store = run.workspace.operator()
        known = inventory.keys_of(run.workspace, store, names, lambda error: run.fail(str(error)))
        found = [key for key in known if key.kind in kinds]
        found = [key for key in found if key.kind != "user" or user in ("", key.name)]
    return [key for key in found if filter.upper() in key.public]


def _kinds(operator: bool, accounts: bool, users: bool, curve: bool, *, everything: bool) -> set[str]:
    if everything:
        return {"operator", "account", "user", "curve"}
    kinds = {"operator": operator, "account": accounts, "user": users, "curve": curve or accounts}
    return {kind for kind, wanted in kinds.items() if wanted}


def _accounts(run: Run, account: str, *, everything: bool) -> list[str]:
    store = run.workspace.operator()
    if account:
        if not store.has_account(account):
            raise NotFound(f"account {account} does not exist in the current operator", hint="nsc list accounts")
        return [account]
    if everything:
        return store.accounts()
    current = run.workspace.account_given or run.workspace.config.account
    return [run.workspace.find_account(store, current)] if current else []


def _all_known(run: Run) -> set[str]:
    from natskit.store import inventory

    if not run.workspace.config.operator:
        return set()
    store = run.workspace.operator()
    return {key.public for key in inventory.keys_of(run.workspace, store, store.accounts())}


def _show(run: Run, found: list[KnownKey], show_seeds: bool) -> None:
    if run.json:
        from .listing import go_listing

        return run.answer(go_listing([_document(key, show_seeds) for key in found]))
    if not found:
        return run.result("no keys matched query")
    return run.table(_seeds(run, found) if show_seeds else _table(run, found))


def _document(key: KnownKey, show_seeds: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"name": key.name, "pub": key.public}
    if key.parent:
        document["parent"] = key.parent
    document |= {"signing": key.signing, "curve": key.curve, "key_path": key.path, "invalid": key.damaged}
    if key.token:
        document["jwt"] = binascii.b2a_base64(key.token.encode(), newline=False).decode()
    document["expected_kind"] = "account" if key.curve else key.kind
    if show_seeds and key.seed:
        document["seed"] = key.seed
    return document


def _mark(key: KnownKey) -> str:
    return "T" if key.curve else "*" if key.signing else ""


def _table(run: Run, found: list[KnownKey]) -> Table:
    table = Table("Keys", ("Entity", "Key", "Signing Key", "Stored"))
    for key in found:
        stored = "BAD" if key.damaged else "*" if key.path else ""
        table.row(" " * key.depth + key.name, run.key(key.public), _mark(key), stored)
    if any(key.curve for key in found):
        run.note("[ T ] auth callout encryption target")
    if any(key.name == "?" for key in found):
        run.note("[ ? ] unreferenced key - may belong to a different operator context")
    return table


def _seeds(run: Run, found: list[KnownKey]) -> Table:
    table = Table("Seeds Keys", ("Entity", "Private Key", "Signing Key"))
    for key in found:
        shown = f"{key.public} [ERR]" if key.damaged else key.seed or f"{key.public} [!]"
        table.row(" " * key.depth + key.name, shown, _mark(key))
    if any(not key.seed for key in found):
        run.note("[ ! ] seed is not stored")
    if any(key.damaged for key in found):
        run.note("[ERR] error reading seed")
    return table
