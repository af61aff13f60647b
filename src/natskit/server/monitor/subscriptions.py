"""Subscriptions: how many, how they are searched, and which.

Source: spec/server-config.md section 9 (subsz).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from natskit import subjects
from natskit.errors import UsageError
from natskit.server.monitor.connections import PAGE, describe_subscription
from natskit.server.monitor.snapshot import cid_of
from natskit.server.system import timestamp
from natskit.wire import Subscription

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.server import Server

__all__ = ["SubscriptionsQuery", "index_statistics", "report_subscriptions"]


class SubscriptionsQuery(Struct, frozen=True, kw_only=True):
    """What is wanted. ``test``: only what a message on this subject would find; ``account`` empty: all."""

    subscriptions: bool = False
    offset: int = 0
    limit: int = PAGE
    account: str = ""
    test: str = ""


def report_subscriptions(server: Server, query: SubscriptionsQuery) -> dict[str, Any]:
    """Statistics, and a page of subscriptions if wanted. Raises UsageError."""
    if query.test and not subjects.is_literal(query.test):
        raise UsageError(f"invalid test subject, must be valid publish subject: {query.test}")
    offset, limit = max(query.offset, 0), query.limit if query.limit > 0 else PAGE
    accounts = [each for each in server.accounts if query.account in ("", each.id)]
    report: dict[str, Any] = {
        "server_id": server.id,
        "now": timestamp(server.clock.now()),
        **index_statistics(accounts),
        "total": 0,
        "offset": offset,
        "limit": limit,
    }
    if query.subscriptions:
        found = [(account, each) for account in accounts for each in _found(account, query.test)]
        report["total"] = len(found)
        page = [_described(account, each) for account, each in found[offset : offset + limit]]
        if page:
            report["subscriptions_list"] = page
    return report


def _found(account: Account, test: str) -> Iterable[Subscription]:
    if not test:
        return account.space.subscriptions()
    return [each for each in account.space.matches(test.encode()) if isinstance(each, Subscription)]


def _described(account: Account, subscription: Subscription) -> dict[str, Any]:
    place = {"account": account.id, "account_tag": account.name}
    return place | describe_subscription(subscription, cid_of(subscription))


def index_statistics(accounts: Iterable[Account]) -> dict[str, Any]:
    """How the subscriptions of accounts are found: a search fills a route, later messages on its subject take it."""
    spaces = [account.space for account in accounts]
    lookups = [space.lookups for space in spaces]
    inserts, removes, searches = (sum(each[number] for each in lookups) for number in range(3))
    messages = sum(space.in_messages for space in spaces)
    fanouts = [fanout for space in spaces for fanout in space.fanouts()]
    return {
        "num_subscriptions": sum(space.subscription_count for space in spaces),
        "num_cache": sum(space.cached_routes for space in spaces),
        "num_inserts": inserts,
        "num_removes": removes,
        "num_matches": searches,
        "cache_hit_rate": max(messages - searches, 0) / messages if messages else 0,
        "max_fanout": max(fanouts, default=0),
        "avg_fanout": sum(fanouts) / len(fanouts) if fanouts else 0,
    }
