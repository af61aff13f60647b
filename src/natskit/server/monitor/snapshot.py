"""What is known about one connection at one moment, and what is remembered of it when it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from natskit.server.auth import ConnectOptions, Peer
from natskit.server.options import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from natskit.server.auth import Admission
    from natskit.server.clock import Clock
    from natskit.server.connection import Client
    from natskit.server.tls import Secured
    from natskit.wire import Subscription

__all__ = ["Listening", "Snapshot", "cid_of", "snapshot"]

MOST_SUBSCRIPTIONS = 1024


class Listening(Struct, frozen=True):
    """A subscription that is gone."""

    subject: bytes
    queue: bytes | None
    sid: bytes
    delivered: int
    max: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """One connection. Times are Unix seconds.

    ``reason`` and ``stopped_at`` are there once it is closed, as is what it then still listened to: up to
    `MOST_SUBSCRIPTIONS`, since many closed connections are remembered.
    """

    peer: Peer
    connect: ConnectOptions
    admission: Admission | None
    account: str
    user: str
    accepted_at: float
    active_at: float
    rtt_s: float
    pending: int
    in_messages: int
    in_bytes: int
    out_messages: int
    out_bytes: int
    stalls: int
    subscription_count: int
    secured: Secured | None
    stopped_at: float | None = None
    reason: str = ""
    subscriptions: tuple[Listening, ...] = ()

    @property
    def cid(self) -> int:
        return self.peer.cid


def snapshot(client: Client, clock: Clock, *, reason: str = "") -> Snapshot:
    """A connection as it is now; with a ``reason``, as it ends now."""
    engine, admission = client.engine, client.admission
    listening = engine.subscriptions() if reason else ()
    return Snapshot(
        peer=client.peer,
        connect=client.connect.as_remembered(let_in=admission is not None) if reason else client.connect,
        admission=admission,
        account=admission.account.id if admission is not None else GLOBAL_ACCOUNT,
        user=admission.user if admission is not None else "",
        accepted_at=client.accepted_at,
        active_at=client.active_at,
        rtt_s=client.rtt_s,
        pending=0 if reason else engine.pending,
        in_messages=engine.in_messages,
        in_bytes=engine.in_bytes,
        out_messages=engine.out_messages,
        out_bytes=engine.out_bytes,
        stalls=engine.stalled,
        subscription_count=len(listening) if reason else engine.subscription_count,
        secured=client.secured,
        stopped_at=clock.now() if reason else None,
        reason=reason,
        subscriptions=tuple(map(_remembered, listening[:MOST_SUBSCRIPTIONS])),
    )


def _remembered(subscription: Subscription) -> Listening:
    return Listening(
        subscription.subject, subscription.queue, subscription.sid, subscription.delivered, subscription.max
    )


def cid_of(subscription: Subscription) -> int:
    """The connection that a subscription is of; 0 if it is gone."""
    session = getattr(subscription.owner, "session", None)
    return session.peer.cid if session is not None else 0
