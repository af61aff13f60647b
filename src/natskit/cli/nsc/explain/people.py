"""Which users of an account may receive, or publish, what passes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.errors import Error
from natskit.graph import Login

from .question import Asker

if TYPE_CHECKING:
    from natskit.graph import Permissions, Stop

    from .question import Question

__all__ = ["people_of"]


def people_of(question: Question, stop: Stop) -> tuple[list[str], list[str]]:
    """The names of the users of the stop's account who may receive what arrives there (publish what comes from there,
    if the question is about a subscription), and of those who may not, or cannot log in.
    """
    may: list[str] = []
    others: list[str] = []
    for user, permissions in _users(question, stop.account).items():
        (may if permissions is not None and _may(question, stop, permissions) else others).append(user)
    return may, others


def _may(question: Question, stop: Stop, permissions: Permissions) -> bool:
    ask = permissions.may_receive if question.verb == "pub" else permissions.may_send
    return ask(stop.flow).allowed


def _users(question: Question, account_id: str) -> dict[str, Permissions | None]:
    """The users of an account, each read once, however often a route comes by."""
    if account_id not in question.people:
        store, account = question.run.workspace.operator(), question.neighbours.names.get(account_id, "")
        users = store.users(account) if account else ()
        question.people[account_id] = {user: _permissions(question, account_id, account, user) for user in users}
    return question.people[account_id]


def _permissions(question: Question, account_id: str, account: str, user: str) -> Permissions | None:
    try:
        claims = question.run.workspace.operator().user(account, user)
    except Error:
        return None
    asker = Asker(user, claims)
    owner = question.neighbours.claims.get(account_id)
    asker.judge(Login(user=claims, account=owner, now=question.at), question.neighbours)
    return asker.permissions if asker.refusal is None else None
