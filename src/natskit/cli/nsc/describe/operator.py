"""``nsc describe operator``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.tables import Table
from natskit.errors import Error, NotFound, UsageError
from natskit.nkeys import Role, is_public

from .output import FORM, OUTPUT_FILE, Subject, show
from .rows import add_head

if TYPE_CHECKING:
    from natskit.jwt import OperatorClaims
    from natskit.store import OperatorStore

    from ..run import Run

__all__ = ["describe_operator", "operator_tables"]


@command(
    text("name", "n", "name or public key of the operator, default: current", metavar="NAME", completes="operator"),
    *FORM,
    OUTPUT_FILE,
    arguments=("[name]",),
    examples=[
        ("nsc describe operator", "the current operator as a table"),
        ("nsc describe operator O --raw -o O.jwt", "write its token to a file"),
        ("nsc describe operator --field nats.system_account", "one field, as JSON"),
    ],
)
def describe_operator(run: Run, *, name: str, raw: bool, field: str, output_file: str) -> None:
    """Show what an operator's token says."""
    store = _find(run, name)
    claims, token = store.operator_and_token()
    subject = Subject("operator", lambda: operator_tables(run, claims), token=token)
    show(run, subject, raw=raw, field=field, output_file=output_file)


def _find(run: Run, name: str) -> OperatorStore:
    workspace = run.workspace
    if not name and not workspace.config.operator:
        raise UsageError("set an operator", hint="nsc env -o NAME, or create one: nsc add operator NAME")
    if not is_public(name, Role.OPERATOR) or name in workspace.operators():
        return workspace.operator(name)
    for each in workspace.operators():
        store = workspace.operator(each)
        if _subject(store) == name:
            return store
    raise NotFound(f"no operator found with public key {name}", hint="nsc list operators")


def _subject(store: OperatorStore) -> str:
    try:
        return store.operator().subject
    except Error:  # a damaged operator is not the one that is looked for
        return ""


def operator_tables(run: Run, claims: OperatorClaims) -> list[Table]:
    """The table of an operator."""
    if run.is_2019:
        from .page2019 import operator_table

        return [operator_table(run, claims)]
    operator = claims.nats
    table = Table("Operator Details")
    add_head(table, run, claims)
    if operator.account_server_url:
        table.row("Account JWT Server", operator.account_server_url)
    table.rows("Operator Service URLs", operator.operator_service_urls)
    if operator.system_account:
        table.row("System Account", _system_account(run, operator.system_account))
    table.row("Require Signing Keys", str(operator.strict_signing_key_usage).lower())
    table.separator()
    table.rows("Signing Keys", [run.key(key) for key in operator.signing_keys])
    return [table]


def _system_account(run: Run, key: str) -> str:
    from .names import name_of_account

    name = name_of_account(run.workspace, key)
    return f"{run.key(key)} / {name}" if name else run.key(key)
