"""How an account of a managed store got on with its operator's server, told line by line (spec/nsc.md 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.store.managed import Answer, Exchange

    from .run import Run

__all__ = ["tell_answer", "tell_exchange"]

_BY_HAND = "perform push/pull again or exchange self-signed JWT manually"


def tell_exchange(run: Run, operator: str, exchange: Exchange) -> None:
    """Report what was sent to the server and what came back."""
    if exchange.answer is None:
        run.warn(
            f'unable to push to "{operator}" - operator doesn\'t set an account server url or manual exchange necessary'
        )
        run.warn(_BY_HAND)
        return
    tell_answer(run.report, "push jwt to account server", exchange.answer)
    if exchange.last:
        return
    if exchange.pulled:
        run.note("pull jwt from account server")
    elif exchange.problem:
        run.fail(exchange.problem)
    if not exchange.pulled:
        run.warn(_BY_HAND)
    if exchange.changes:
        node = run.warn("account server modifications:")
        for change in exchange.changes:
            node.server(change)


def tell_answer(report: Report, what: str, answer: Answer) -> None:
    """Report that ``what`` was tried with a server and how that answered."""
    if answer.stored:
        node = report.note(what)
    elif answer.accepted:
        node = report.warn(what)
        node.warn("pushed account jwt was accepted by the account server")
    else:
        node = report.fail(what)
        node.fail("failed to push account to remote server")
    if answer.status:
        node.server(answer.text)
    else:
        node.fail(answer.text)
