"""Which users of an account may receive, or publish, what passes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.errors import Error
from natskit.graph import Login

from .question import Asker

if TYPE_CHECKING:
    from natskit.graph import Stop

    from .question import Question

__all__ = ["people_of"]


def people_of(question: Question, stop: Stop) -> tuple[list[str], list[str]]:
    """The names of the users of the stop's account who may receive what arrives there (publish what comes from there,
    if the question is about a subscription), and of those who may not, or cannot log in.
    """
    may: list[str] = []
    others: list[str] = []
    account = question.neighbours.names.get(stop.account)
    for user in question.run.workspace.operator().users(account) if account else ():
        (may if _may(question, stop, account or "", user) else others).append(user)
    return may, others


def _may(question: Question, stop: Stop, account: str, user: str) -> bool:
    try:
        claims = question.run.workspace.operator().user(account, user)
    except Error:
        return False
    asker = Asker(user, claims)
    owner = question.neighbours.claims.get(stop.account)
    asker.judge(Login(user=claims, account=owner, now=question.at), question.neighbours)
    if asker.refusal is not None or asker.permissions is None:
        return False
    if question.verb == "pub":
        return asker.permissions.may_receive(stop.flow).allowed
    return asker.permissions.may_send(stop.flow).allowed
