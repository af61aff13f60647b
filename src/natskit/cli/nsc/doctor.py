"""``nsc doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch, text
from natskit.cli.console import masked, paint
from natskit.cli.exits import DONE, DRIFT
from natskit.cli.tables import printable
from natskit.errors import StoreError, UsageError

from .syncing import SYSTEM_USER
from .tls import TLS

if TYPE_CHECKING:
    from natskit.store import OperatorStore
    from natskit.store.doctor import Command, Counts, Finding
    from natskit.store.doctor.servers import Held

    from .run import Run

__all__ = ["doctor"]

_LEVELS = ("error", "warning", "note")
_COLOURS = {"error": "31", "warning": "33", "note": "36"}
_MOST = 20
"""So many findings of one code are shown; the rest is counted."""


@command(
    text("within", "e", "tokens that end within this time, such as 2w", metavar="TIME", default="30d"),
    text("severity", "", "the least that is told: error, warning or note", default="warning", completes=_LEVELS),
    text("account", "a", "look at this account only, default all", metavar="NAME"),
    switch("servers", "", "also compare with what the operator's account server or resolvers hold"),
    switch("fix", "", "mend what can be mended without touching tokens and keys: file modes, left-over files"),
    *SYSTEM_USER,
    *TLS,
    examples=[
        ("nsc doctor", "what is wrong with the current operator's store, and how to mend it"),
        ("nsc doctor --severity note", "also what is good to know"),
        ("nsc doctor -a Billing --within 2w", "one account; what ends in the next two weeks"),
        ("nsc doctor --servers", "also what servers do not have yet, or have in another version"),
        ("nsc doctor --json --severity error", "for a script: exit status 3 if there is an error"),
    ],
    stores=False,
)
def doctor(run: Run, *, within: str, severity: str, account: str, servers: bool, fix: bool, **connection: Any) -> int:
    """Look at the whole store: what servers drop or refuse, what ends soon, keys and creds, file modes.

    Each finding says what, where and why it matters, and where a command mends it, that command.
    Exit status 3 if something is told, 0 if all is well.
    """
    from natskit.cli.flags import parse_moment
    from natskit.store.doctor import examine

    if severity not in _LEVELS:
        raise UsageError(f'"{severity}" is no severity', hint="use error, warning or note")
    workspace = run.workspace
    store = workspace.operator()
    soon = parse_moment(within, workspace.now(), "")
    only = workspace.find_account(store, account) if account else ""
    held = _ask_servers(run, store, only, connection) if servers else None
    progress = _Progress()
    done = examine(workspace, store, soon=soon, account=only, held=held, progress=progress)
    progress.clear()
    levels = _LEVELS[: _LEVELS.index(severity) + 1]
    told = [each for each in done.findings if each.severity in levels]
    mended = _mend(run, told) if fix else []
    told = [each for each in told if each not in mended]
    left = len([each for each in done.findings if each not in mended]) - len(told)
    if run.json:
        run.document(_document(run, store.name, told, mended, done.counts))
    else:
        run.result("\n".join(_page(run, store.name, told, mended, done.counts, left)))
    return DRIFT if told else DONE


def _ask_servers(run: Run, store: OperatorStore, only: str, connection: dict[str, Any]) -> Held:
    from .held import what_servers_hold

    return what_servers_hold(run, store, only, connection)


# ---- showing


class _Progress:
    """A line on the terminal that says how far it is, once there is something to wait for."""

    def __init__(self) -> None:
        self._shown = ""
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, done: int, of: int) -> None:
        shown = f"looking at accounts: {100 * done // max(of, 1)} %" if self._is_terminal and of > 1000 else ""
        if shown != self._shown:
            sys.stderr.write(f"\r{shown}")
            sys.stderr.flush()
            self._shown = shown

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _mend(run: Run, findings: Sequence[Finding]) -> list[Finding]:
    """Carry out the fixes of safe findings; those that were."""
    from natskit.store.doctor import mend

    done = []
    for each in findings:
        if each.safe:
            try:
                mend(each)
                done.append(each)
            except StoreError as error:
                run.fail(str(error))
    return done


# ---- commands as they are typed


def _lines(run: Run, commands: Sequence[Command]) -> list[str]:
    import shlex

    return [shlex.join([*words, *run.places] if words[0] == "nsc" else words) for words in commands]


# ---- JSON


def _document(
    run: Run, operator: str, told: Sequence[Finding], mended: Sequence[Finding], counts: Counts
) -> dict[str, Any]:
    return {
        "operator": operator,
        "healthy": not told,
        "checked": counts,
        "counts": {level: sum(each.severity == level for each in told) for level in _LEVELS},
        "findings": [_member(run, each) for each in told],
        "fixed": [_member(run, each) for each in mended],
    }


def _member(run: Run, each: Finding) -> dict[str, Any]:
    return {
        "code": each.code,
        "severity": each.severity,
        "text": masked(each.text),
        "why": each.why,
        "account": each.account,
        "user": each.user,
        "about": each.about,
        "path": each.path,
        "fix": _lines(run, each.fix),
        "instead": _lines(run, each.instead),
        "safe": each.safe,
    }


# ---- text


def _page(
    run: Run, operator: str, told: Sequence[Finding], mended: Sequence[Finding], counts: Counts, left: int
) -> Iterator[str]:
    for each in mended:
        yield f"done: {printable(_lines(run, each.fix)[0])}"
    shown, explained = dict.fromkeys((each.code for each in told), 0), set[str]()
    groups: dict[str, list[Finding]] = {}
    for each in sorted(told, key=lambda each: (each.account, _LEVELS.index(each.severity))):
        shown[each.code] += 1
        if shown[each.code] <= _MOST:
            groups.setdefault(each.account, []).append(each)
    for account, findings in groups.items():
        yield f'Account "{printable(account)}"' if account else f'Operator "{printable(operator)}" and its keystore'
        for each in findings:
            yield from _entry(run, each, explain=each.code not in explained)
            explained.add(each.code)
        yield ""
    for code, number in shown.items():
        if number > _MOST:
            yield f"{code}: {number - _MOST} more; --json tells all, --account those of one account"
    yield _summary(operator, told, counts, left)


def _entry(run: Run, each: Finding, *, explain: bool) -> Iterator[str]:
    level = paint(each.severity, _COLOURS[each.severity], sys.stdout)
    yield f"  {level}: {printable(masked(each.text))} [{each.code}]"
    if explain:
        yield f"    {each.why}"
    for label, commands in (("fix", each.fix), (" or" if each.fix else "fix", each.instead)):
        for number, line in enumerate(_lines(run, commands)):
            yield f"    {label if not number else '   '}{' ' if number else ':'} {printable(line)}"


def _summary(operator: str, told: Sequence[Finding], counts: Counts, left: int) -> str:
    looked = f"{_counted(counts.accounts, 'account')}, {_counted(counts.users, 'user')}"
    numbers = [(level, sum(each.severity == level for each in told)) for level in _LEVELS]
    found = ", ".join(_counted(number, level) for level, number in numbers if number) or "nothing is wrong"
    more = f"; {left} more with --severity note" if left else ""
    return f'Operator "{printable(operator)}": {found} ({looked}{more})'


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
