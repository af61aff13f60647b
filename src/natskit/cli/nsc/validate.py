"""``nsc validate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.cli.tables import Table
from natskit.errors import NotFound, UsageError

if TYPE_CHECKING:
    from natskit.store.checks import Finding

    from .run import Run

__all__ = ["validate"]


@command(
    switch("all-accounts", "A", "check every account"),
    text("file", "f", "check the tokens in this file, one a line, instead of the store", metavar="FILE"),
    examples=[
        ("nsc validate", "check the operator, the current account and its users"),
        ("nsc validate --all-accounts --json", "check everything, for a script: the exit status tells too"),
    ],
)
def validate(run: Run, *, all_accounts: bool, file: str) -> None:
    """Check tokens the way a server would: contents, dates, who signed them.

    Exit status 1 if a server would refuse something (marked with ``!``).
    """
    if file:
        if all_accounts or "account" in run.given:
            raise UsageError("specify only one of --account or --all-accounts or --file")
        return _show(run, _check_file(run, file))
    if all_accounts and "account" in run.given:
        raise UsageError("specify only one of --account or --all-accounts")
    return _show(run, _check_store(run, all_accounts=all_accounts))


Checked = tuple[str, str, Sequence["Finding"]]  # kind, name, what is wrong


def _check_store(run: Run, *, all_accounts: bool) -> list[Checked]:
    from natskit.store.checks import check_account, check_operator

    workspace = run.workspace
    store, now = workspace.operator(), workspace.now()
    if all_accounts:
        accounts = store.accounts()
    elif workspace.account_given or workspace.config.account:
        accounts = [workspace.account_name()]
    else:
        accounts = []
    operator, found = check_operator(store, now)
    checked: list[Checked] = [("operator", store.name, found)]
    return checked + [("account", name, check_account(store, operator, name, now)) for name in accounts]


def _check_file(run: Run, file: str) -> list[Checked]:
    from natskit.store.checks import Finding, check_tokens
    from natskit.store.files import read_text

    path = run.full_path(file)
    content = read_text(path)
    if content is None:
        raise NotFound(f"open {path}: no such file or directory")
    found = check_tokens(_tokens(content), run.workspace.now())
    checked: list[Checked] = [(kind, key, findings) for key, (kind, findings) in found.items()]
    if len(checked) > 1:
        counted = Counter((each.text, each.serious) for _, _, findings in checked for each in findings)
        summary = [Finding(f"{text} ({count} occurrences)", serious) for (text, serious), count in counted.items()]
        checked.append(("account", "summary of all accounts", summary))
    return checked


def _tokens(content: str) -> list[str]:
    """The lines of a file of tokens, or the token of one that is decorated: creds, an activation ..."""
    from natskit.jwt.files import parse_jwt

    lines = content.splitlines()
    return [parse_jwt(content)] if any(line.lstrip().startswith("---") for line in lines) else lines


def _show(run: Run, checked: Sequence[Checked]) -> None:
    documents = [
        {"kind": kind, "name": name, "issues": [{"text": each.text, "serious": each.serious} for each in findings]}
        for kind, name, findings in checked
    ]
    run.table(*(_table(*each) for each in checked), checked=documents)
    if any(finding.serious for _, _, findings in checked for finding in findings):
        run.fail("validation found errors")


def _table(kind: str, name: str, findings: Sequence[Finding]) -> Table:
    table = Table(f'{kind.capitalize()} "{name}"', ("#", " ", "Description") if findings else ())
    for number, finding in enumerate(findings, 1):
        table.row(number, "!" if finding.serious else " ", finding.text)
    if not findings:
        table.row("No issues found")
    return table
