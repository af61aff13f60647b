"""What a program asks the server that it runs: who is connected, and who listens to what.

Answers are values of one moment: they hold no connection open and may be passed between threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.server.monitor.writing import text_of

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.connection import Client
    from natskit.server.server import Server
    from natskit.wire import Subscription

__all__ = ["ConnectionInfo", "SubscriptionInfo", "connections", "subscriptions"]


class SubscriptionInfo(Struct, frozen=True, kw_only=True):
    """A subscription: of connection ``cid``, with the id ``sid`` that the client chose; ``queue`` is None or its group.

    ``delivered`` counts messages; ``max`` (0: none) is after how many it ends. ``name``: what the client calls itself.
    """

    subject: str
    queue: str | None
    sid: str
    delivered: int
    max: int
    cid: int
    name: str
    account: str


class ConnectionInfo(Struct, frozen=True, kw_only=True):
    """A connection. ``name``, ``lang`` and ``version`` are what the client says of itself.

    ``account`` is the account's name and ``account_id`` its key (empty before the login), ``user`` what logs call the
    user. ``connected_at`` and ``active_at`` are Unix seconds, ``pending`` bytes wait for the client to read.
    """

    cid: int
    name: str
    user: str
    account: str
    account_id: str
    host: str
    port: int
    lang: str
    version: str
    tls: bool
    connected_at: float
    active_at: float
    pending: int
    in_messages: int
    in_bytes: int
    out_messages: int
    out_bytes: int
    subscriptions: tuple[SubscriptionInfo, ...]


def connections(
    server: Server, *, name: str | None, user: str | None, account: str | None, subject: str | None
) -> tuple[ConnectionInfo, ...]:
    """The open connections, oldest first, that are what is given; ``subject``: that listen to it.

    Raises InvalidSubject.
    """
    _check(subject)
    found = (_describe(client) for client in tuple(server.clients.values()) if _is_of(client, account))
    return tuple(
        seen
        for seen in found
        if name in (None, seen.name)
        and user in (None, seen.user)
        and (subject is None or any(_hears(each, subject) for each in seen.subscriptions))
    )


def subscriptions(
    server: Server, *, name: str | None, account: str | None, subject: str | None
) -> tuple[SubscriptionInfo, ...]:
    """The subscriptions of the open connections that are what is given; ``subject``: that hear what is published on it,
    or, if it is a pattern, that are on exactly this pattern. Raises InvalidSubject.
    """
    _check(subject)
    found = connections(server, name=name, user=None, account=account, subject=None)
    return tuple(each for seen in found for each in seen.subscriptions if subject is None or _hears(each, subject))


def _check(subject: str | None) -> None:
    if subject is not None and not subjects.is_valid(subject):
        raise InvalidSubject(f'"{subject}" is no valid subject', subject=subject)


def _hears(subscription: SubscriptionInfo, subject: str) -> bool:
    if subscription.subject == subject:
        return True
    return subjects.is_literal(subject) and subjects.matches(subscription.subject, subject)


def _account_of(client: Client) -> Account | None:
    return client.admission.account if client.admission is not None else None


def _is_of(client: Client, wanted: str | None) -> bool:
    account = _account_of(client)
    return wanted is None or (account is not None and wanted in (account.id, account.name))


def _describe(client: Client) -> ConnectionInfo:
    account, admission, engine = _account_of(client), client.admission, client.engine
    account_name = account.name if account is not None else ""
    return ConnectionInfo(
        cid=client.peer.cid,
        name=client.connect.name,
        user=admission.user if admission is not None else "",
        account=account_name,
        account_id=account.id if account is not None else "",
        host=client.peer.host,
        port=client.peer.port,
        lang=client.connect.lang,
        version=client.connect.version,
        tls=client.secured is not None,
        connected_at=client.accepted_at,
        active_at=client.active_at,
        pending=engine.pending,
        in_messages=engine.in_messages,
        in_bytes=engine.in_bytes,
        out_messages=engine.out_messages,
        out_bytes=engine.out_bytes,
        subscriptions=tuple(_listed(engine.subscriptions(), client, account_name)),
    )


def _listed(found: Iterable[Subscription], client: Client, account: str) -> Iterable[SubscriptionInfo]:
    for each in found:
        yield SubscriptionInfo(
            subject=text_of(each.subject),
            queue=text_of(each.queue) if each.queue else None,
            sid=text_of(each.sid),
            delivered=each.delivered,
            max=each.max,
            cid=client.peer.cid,
            name=client.connect.name,
            account=account,
        )
