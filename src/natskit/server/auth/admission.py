"""What a client gets once it is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from natskit.graph import Permissions

if TYPE_CHECKING:
    from natskit.jwt import ScopeTemplate, UserClaims, UserRights
    from natskit.server.accounts import Account

__all__ = ["Admission", "tighter"]


class Admission(Struct, frozen=True, kw_only=True):
    """The account that a client lives in, what it may do there, and for how long.

    ``user`` is what it is called in logs and events; ``max_subscriptions`` and ``max_payload`` (bytes) are the tighter
    of its own and its account's limits, -1: none. ``expires_at`` is in Unix seconds. ``proxy_required``: only
    by way of a trusted proxy; ``proxy``: the key of the one it came by. ``claims``, ``rights`` (its own,
    or of the scoped key that signed it) and ``issuer_key`` are there for users that came with a token.
    """

    account: Account
    permissions: Permissions
    user: str = ""
    max_subscriptions: int = -1
    max_payload: int = -1
    expires_at: float | None = None
    proxy_required: bool = False
    proxy: str = ""
    claims: UserClaims | None = None
    rights: UserRights | ScopeTemplate | None = None
    issuer_key: str = ""
    name_tag: str = ""
    tags: tuple[str, ...] = ()


def tighter(one: int, other: int) -> int:
    """The smaller of two limits, where a negative one is none."""
    if one < 0:
        return other
    return one if other < 0 else min(one, other)
