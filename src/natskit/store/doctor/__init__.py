"""``nsc doctor``: everything that is wrong with an operator's store, or soon will be, and commands against it.

Each room looks at one concern and gives findings; `examine` walks through the store once and asks them all. What cannot
be read is a finding itself and does not keep the rest from being looked at. Which imports deliver is decided by
`natskit.graph`, what tokens may not say by `natskit.store.checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from ..commands import Command
from .accounts import account_complaints, store_complaints
from .exports import export_complaints
from .files import file_complaints, mend
from .finding import CODES, Complaint, Finding, Severity
from .keys import (
    account_key_complaints,
    creds_complaints,
    keystore_complaints,
    operator_key_complaints,
    signing_key_complaints,
)
from .operator import operator_complaints, system_account_complaints
from .survey import AccountState, Survey, UserState
from .users import callout_complaints, revocation_complaints, user_complaints

if TYPE_CHECKING:
    from natskit.graph import Graph

    from ..operator_store import OperatorStore
    from ..workspace import Workspace
    from .servers import Held

__all__ = [
    "CODES",
    "Command",
    "Complaint",
    "Counts",
    "Examination",
    "Finding",
    "Severity",
    "examine",
    "mend",
]

Progress = Callable[[int, int], None]
"""Told how many of how many accounts are done; each counts twice, for reading and for looking."""


class Counts(Struct, frozen=True):
    """What was looked at."""

    accounts: int
    users: int


class Examination(Struct, frozen=True):
    """What came of it."""

    findings: tuple[Finding, ...]
    counts: Counts


def examine(
    workspace: Workspace,
    store: OperatorStore,
    *,
    soon: int,
    account: str = "",
    held: Held | None = None,
    progress: Progress = lambda done, of: None,
) -> Examination:
    """Look at the store of one operator and the keystore, or at one account only.

    Tokens that end up to ``soon`` (Unix seconds) are told of; ``held`` is what servers hold, if they were asked.
    Nothing is changed. Raises StoreError only for a folder that cannot be listed.
    """
    survey = Survey(workspace, store, soon, account)
    total = 2 * sum(1 for _ in store.iter_accounts())
    for done, _ in enumerate(survey.read_accounts(), 1):
        progress(done, total)
    found: list[Finding] = []
    if not account:
        found += operator_complaints(survey)
        found += system_account_complaints(survey)
        found += store_complaints(survey)
        found += operator_key_complaints(survey)
    importers, users = _importers(survey), 0
    graph = _graph_of(survey) if importers else None
    for done, state in enumerate(survey.chosen(), 1):
        progress(total // 2 + done, total)
        complaints, count = _examine_account(survey, graph, importers, state)
        found += complaints
        users += count
    if held is not None:
        from .servers import server_complaints

        found += server_complaints(survey, held)
    if not account:
        found += keystore_complaints(survey)
        found += file_complaints(survey)
    progress(total, total)
    looked = len(survey.accounts) if not account else 1
    return Examination(tuple(found), Counts(looked, users))


def _graph_of(survey: Survey) -> Graph:
    from .imports import graph_of

    return graph_of(survey)


def _importers(survey: Survey) -> dict[str, set[str]]:
    """By exporter's key, the names of the accounts that import from it."""
    found: dict[str, set[str]] = {}
    for name, state in survey.accounts.items():
        for each in state.claims.nats.imports if state.claims else ():
            found.setdefault(each.account, set()).add(name)
    return found


def _examine_account(
    survey: Survey, graph: Graph | None, importers: dict[str, set[str]], state: AccountState
) -> tuple[list[Finding], int]:
    """The findings about one account and its users, and how many users it has. No ``graph``: nobody imports."""
    users = list(survey.users(state.name))
    claims = [user.claims for user in users if user.claims is not None]
    found = list(account_complaints(survey, state))
    found += account_key_complaints(survey, state)
    if state.claims is not None:
        found += signing_key_complaints(survey, state, users, importers.get(state.claims.subject, ()))
    if graph is not None:
        from .imports import import_complaints

        found += import_complaints(survey, graph, state)
    found += export_complaints(survey, importers, state, claims)
    found += revocation_complaints(survey, state)
    found += callout_complaints(state, claims)
    for user in users:
        found += user_complaints(survey, state, user)
        found += creds_complaints(survey, state, user)
    found += _same_key(state, users)
    return found, len(users)


def _same_key(state: AccountState, users: list[UserState]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for user in users:
        if user.claims is None:
            continue
        other = seen.setdefault(user.claims.subject, user.name)
        if other != user.name:
            text = f'users "{user.name}" and "{other}" of account "{state.name}" have the same key'
            yield Finding(code="user-duplicate", text=text, account=state.name, user=user.name, about=other)
