"""``nsc explain pub`` and ``nsc explain sub``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command
from natskit.errors import UsageError
from natskit.graph import route_of_publish, route_of_subscription

from .question import AT, PICTURES, QUEUE, USER, USERS, Question

if TYPE_CHECKING:
    from natskit.graph import Stop

    from ..run import Run

__all__ = ["explain_pub", "explain_sub"]


@command(
    USER,
    AT,
    USERS,
    *PICTURES,
    arguments=("subject",),
    examples=[
        ("nsc explain pub --account Orders --user shop orders.eu.7", "who receives what user shop publishes there"),
        (
            "nsc explain pub --account Orders 'orders.>' --users",
            "all subjects of a pattern, and which users may receive",
        ),
        ("nsc explain pub --account Orders orders.eu.7 --at 2030-01-31", "will it still be so then?"),
        ("nsc explain pub --account Orders 'orders.>' --mermaid", "a picture of it"),
    ],
)
def explain_pub(
    run: Run, *, user: str, at: str, users: bool, mermaid: bool, dot: bool, graphviz: bool, subject: str
) -> None:
    """Say who receives a message: in every account, under which subject, and by what.

    Told are the export, the import, the activation, the mapping and the permission that decide about each step, and
    what stands in the way of the others, with the commands that mend it. Exit status 0, whatever the answer.
    """
    question = Question.of_store(run, "pub", subject, user, at)
    graph = question.neighbours.add_receivers(question.account_id)
    route = route_of_publish(graph, question.account_id, subject, question.asker.permissions)
    _show(question, route, users=users, mermaid=mermaid, dot=dot or graphviz)


@command(
    USER,
    QUEUE,
    AT,
    USERS,
    *PICTURES,
    arguments=("subject",),
    examples=[
        ("nsc explain sub --account Team --user ann 'reports.>'", "whose messages arrive at this subscription of ann"),
        ("nsc explain sub --account Team 'reports.>' --users", "and which users at the other ends may publish them"),
    ],
)
def explain_sub(
    run: Run, *, user: str, queue: str, at: str, users: bool, mermaid: bool, dot: bool, graphviz: bool, subject: str
) -> None:
    """Say whose messages arrive at a subscription: from every account, published under which subject, and by what.

    The same as "explain pub", from the other end. Exit status 0, whatever the answer.
    """
    question = Question.of_store(run, "sub", subject, user, at)
    question.queue = queue
    graph = question.neighbours.add_senders(question.account_id)
    route = route_of_subscription(graph, question.account_id, subject, question.asker.permissions, queue or None)
    _show(question, route, users=users, mermaid=mermaid, dot=dot or graphviz)


def _show(question: Question, route: Stop, *, users: bool, mermaid: bool, dot: bool) -> None:
    run = question.run
    if mermaid + dot + run.json > 1:
        raise UsageError("specify only one of --mermaid, --dot and --json")
    question.warn()
    if run.json:
        from .document import answer_of

        run.fact(**answer_of(question, route, users=users))
    elif mermaid or dot:
        from .drawing import dot_of, mermaid_of

        run.result((mermaid_of if mermaid else dot_of)(question, route))
    else:
        from .story import story_of

        run.result(story_of(question, route, users=users))
