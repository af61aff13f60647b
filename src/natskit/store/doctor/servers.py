"""The store against what the operator's servers hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import Error

from ..commands import Command
from ..tokens import is_url
from .finding import Finding, when

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims

    from .survey import Survey

__all__ = ["Held", "server_complaints"]


class Held(NamedTuple):
    """What a server answered: tokens by the key of the account. ``fault``: why it did not."""

    url: str
    tokens: Mapping[str, str]
    fault: str = ""


def server_complaints(survey: Survey, held: Held) -> Iterator[Finding]:
    """Accounts that a server has not, or has in another version, or that only it has."""
    if held.fault:
        yield Finding(code="server-silent", text=f"{held.url}: {held.fault}", about=held.url)
        return
    for state in survey.chosen():
        if state.claims is not None:
            yield from _compared(survey, held, state.name, state.claims)
    for key in held.tokens:
        if key not in survey.names and not survey.only:
            text = f"{held.url} holds account {key}, which is not in the store"
            take, away = (("nsc", "pull", "--all"),), (("nsc", "push", "--prune"),)
            yield Finding(code="server-unknown", text=text, about=key, fix=take, instead=away)


def _compared(survey: Survey, held: Held, name: str, claims: AccountClaims) -> Iterator[Finding]:
    from natskit.jwt import AccountClaims, decode

    push: tuple[Command, ...] = (("nsc", "push", "-a", name),)
    theirs = held.tokens.get(claims.subject)
    if theirs is None:
        text = f'{held.url} does not hold account "{name}"'
        yield Finding(code="server-missing", text=text, account=name, about=held.url, fix=push)
        return
    if theirs == survey.store.account_token(name):
        return
    try:
        issued = decode(theirs, AccountClaims).issued_at
    except Error as error:
        text = f'what {held.url} holds of account "{name}" does not read: {error}'
        yield Finding(code="server-older", text=text, account=name, about=held.url, fix=push)
        return
    text = f'{held.url} holds account "{name}" as of {when(issued)}, the store as of {when(claims.issued_at)}'
    if issued > claims.issued_at:
        one = ("nsc", "pull", "-a", name) if is_url(held.url) else ("nsc", "pull", "--all")
        yield Finding(code="server-newer", text=text, account=name, about=held.url, fix=(one,))
    else:
        yield Finding(code="server-older", text=text, account=name, about=held.url, fix=push)
