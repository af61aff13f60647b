"""Proof that every server of a cluster has the same tokens: those that were pushed (``nsc push --verify``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from natskit.client.resolver import Resolver
    from natskit.store.syncing import Outgoing

__all__ = ["Proof", "prove"]


class Proof(NamedTuple):
    """``total`` servers there are; those that list accounts by name; on how many an account is, by key, as it was sent.

    ``missing`` are the accounts that are not the same on all, with what is known about where.
    """

    total: int
    servers: list[str]
    held: dict[str, int]
    missing: list[tuple[Outgoing, str]]


async def prove(resolver: Resolver, accounts: Sequence[Outgoing], lists: Mapping[str, set[str]]) -> Proof:
    """Compare ``accounts`` with what the servers have; ``lists`` are the keys that each of them lists.

    Of a single server the hash of all it has is asked for. Else, or if that is another one, every server is asked for
    every token: a hash would come from one of them only. Raises Unreachable, DeniedError.
    """
    total = max(resolver.servers, len(lists))
    if total == 1 and await _has_exactly(resolver, accounts):
        return Proof(total, sorted(lists), dict.fromkeys((each.public for each in accounts), 1), [])
    found = await resolver.lookup_all([each.public for each in accounts])
    held: dict[str, int] = {}
    missing = []
    for account, tokens in zip(accounts, found, strict=True):
        held[account.public] = tokens.count(account.token)
        if not total or held[account.public] < max(total, len(tokens)):
            missing.append((account, _where(account, tokens, lists)))
    return Proof(total, sorted(lists), held, missing)


async def _has_exactly(resolver: Resolver, accounts: Sequence[Outgoing]) -> bool:
    from natskit.client.resolver import store_hash

    async for _ in resolver.pack(store_hash(each.token for each in accounts)):
        return False
    return True


def _where(account: Outgoing, tokens: list[str], lists: Mapping[str, set[str]]) -> str:
    without = sorted(server for server, keys in lists.items() if account.public not in keys)
    if without:
        return f", not on {', '.join(without)}"
    others = len([token for token in tokens if token not in ("", account.token)])
    return f", {others} have another token of it" if others else ""
