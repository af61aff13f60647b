"""``nsc list``: operators, accounts, users, and what accounts export and import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, text
from natskit.cli.tables import Table
from natskit.errors import Error, UsageError

if TYPE_CHECKING:
    from natskit.jwt import Account
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["list_accounts", "list_exports", "list_imports", "list_operators", "list_users"]

Entry = tuple[str, str, str]  # name of the file, name in the claims, public key; an error stands for the key


@command(examples=[("nsc list operators", "show them, the current one in bold")])
def list_operators(run: Run) -> None:
    """List the operators in the stores folder."""
    from natskit.store.operator_store import find_store

    root = run.workspace.stores_root

    def claims(name: str) -> tuple[str, str]:
        operator = find_store(root, name).operator()
        return operator.name, operator.subject

    _show(run, "Operators", _entries(run.workspace.operators(), claims), run.workspace.config.operator)


@command(
    text("operator", "o", "list this operator's accounts, and make it the current one", metavar="NAME"),
    examples=[("nsc list accounts", "show them, the current one in bold"), ("nsc list accounts --json", "for scripts")],
)
def list_accounts(run: Run, *, operator: str) -> None:
    """List the accounts of an operator."""
    _change_context(run, operator, "")
    store = _store(run, "env --operator <name>")

    def claims(name: str) -> tuple[str, str]:
        account = store.account(name)
        return account.name, account.subject

    _show(run, "Accounts", _entries(store.accounts(), claims), run.workspace.config.account)


@command(
    text("operator", "o", "look in this operator, and make it the current one", metavar="NAME"),
    text("account", "a", "list this account's users, and make it the current one", metavar="NAME"),
    examples=[("nsc list users --account A", "show the users of account A")],
)
def list_users(run: Run, *, operator: str, account: str) -> None:
    """List the users of an account."""
    _change_context(run, operator, account)
    store = _store(run, "nsc env --operator <name>")
    if not (run.workspace.account_given or run.workspace.config.account):
        raise UsageError("no account set - `nsc env --account <name>`")
    of = run.workspace.account_name(account)

    def claims(name: str) -> tuple[str, str]:
        user = store.user(of, name)
        return user.name, user.subject

    _show(run, "Users", _entries(store.users(of), claims), "")


@command(examples=[("nsc list exports -a A", "what account A exports")])
def list_exports(run: Run) -> None:
    """List what an account exports."""
    from .describe.sharing import export_tables

    exports = _account(run).exports
    run.table(*(export_tables(exports) if exports else [_empty("Exports")]), exports=exports)


@command(examples=[("nsc list imports -a A", "what account A imports")])
def list_imports(run: Run) -> None:
    """List what an account imports."""
    from .describe.sharing import import_table

    imports = _account(run).imports
    run.table(import_table(run, imports) if imports else _empty("Imports"), imports=imports)


def _account(run: Run) -> Account:
    name = run.workspace.account_name()
    return run.workspace.operator().account(name).nats


def _empty(title: str) -> Table:
    table = Table(title)
    table.row("No entries defined")
    return table


def _change_context(run: Run, operator: str, account: str) -> None:
    workspace = run.workspace
    if operator:
        workspace.check_operator(operator)
        workspace.save_context(operator=operator)
    if account:
        workspace.save_context(account=workspace.find_account(workspace.operator(), account))


def _store(run: Run, advice: str) -> OperatorStore:
    if not run.workspace.config.operator:
        raise UsageError(f"no operator set - `{advice}`")
    return run.workspace.operator()


def _entries(names: Sequence[str], claims: Callable[[str], tuple[str, str]]) -> list[Entry]:
    entries = []
    for name in names:
        try:
            entries.append((name, *claims(name)))
        except Error as error:
            entries.append((name, name, f"error loading jwt - {error}"))
    return entries


def _show(run: Run, title: str, entries: Sequence[Entry], current: str) -> None:
    if run.json:
        return run.answer(go_listing([{"name": claimed, "public_key": key} for _, claimed, key in entries]))
    heading = "Public Key (-W for long)" if run.is_2019 and not run.values["long_ids"] else "Public Key"
    if not entries:
        return run.table(_empty(title))
    table = Table(title, ("Name", heading))
    for name, claimed, key in entries:
        shown = name if name == claimed else f"{name} ({claimed})"
        table.row(shown, run.key(key), bold=name == current)
    return run.table(table)


def go_listing(values: Sequence[dict[str, Any]]) -> str:
    """JSON as the Go tool writes it: one blank of indent, ``null`` for nothing."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(values or None), indent=1).decode()
