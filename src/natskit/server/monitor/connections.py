"""Connections: which, in what order, and what is told of each.

Source: spec/server-config.md section 9 (connz).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from natskit.durations import format_duration
from natskit.errors import UsageError
from natskit.server.monitor.snapshot import Listening, Snapshot, snapshot
from natskit.server.monitor.writing import elapsed, present, text_of
from natskit.server.options import GLOBAL_ACCOUNT
from natskit.server.system import timestamp
from natskit.subjects import overlaps

if TYPE_CHECKING:
    from natskit.server.server import Server
    from natskit.server.tls import Secured
    from natskit.wire import Subscription

__all__ = ["ConnectionsQuery", "describe_connection", "describe_subscription", "report_connections"]

PAGE = 1024

_SORTS: dict[str, Callable[[Snapshot], Any]] = {
    "cid": lambda seen: seen.cid,
    "start": lambda seen: seen.accepted_at,
    "subs": lambda seen: -seen.subscription_count,
    "pending": lambda seen: -seen.pending,
    "msgs_to": lambda seen: -seen.out_messages,
    "msgs_from": lambda seen: -seen.in_messages,
    "bytes_to": lambda seen: -seen.out_bytes,
    "bytes_from": lambda seen: -seen.in_bytes,
    "last": lambda seen: -seen.active_at,
    "idle": lambda seen: seen.active_at,
    "rtt": lambda seen: -seen.rtt_s,
    "stop": lambda seen: -(seen.stopped_at or 0.0),
    "reason": lambda seen: seen.reason,
}
SORTS = frozenset({*_SORTS, "uptime"})


OPEN, CLOSED, ALL = range(3)
STATES = {"": OPEN, "open": OPEN, "closed": CLOSED, "any": ALL, "all": ALL}


class ConnectionsQuery(Struct, frozen=True, kw_only=True):
    """What is wanted, with the names of CONNZ in the system account. ``state``: `OPEN`, `CLOSED` or `ALL`; ``cid`` 0,
    ``user`` and ``account`` empty: any. ``filter_subject``: those that listen to some of it.

    Raises UsageError (:meth:`check`) if there is no such state, or an order does not go with it.
    """

    sort: str = "cid"
    authentication: bool = field(default=False, name="auth")
    subscriptions: bool = False
    details: bool = field(default=False, name="subscriptions_detail")
    offset: int = 0
    limit: int = PAGE
    cid: int = 0
    state: int = OPEN
    user: str = ""
    account: str = field(default="", name="acc")
    mqtt_client: str = ""
    filter_subject: str = ""

    def check(self) -> None:
        if self.state not in (OPEN, CLOSED, ALL):
            raise UsageError(f"state is 0 (open), 1 (closed) or 2 (all), not {self.state}")
        if self.sort and self.sort not in SORTS:
            raise UsageError(f"invalid sorting option: {self.sort}")
        if self.sort in ("stop", "reason") and self.state != CLOSED:
            raise UsageError(f"sort by {self.sort} only valid on closed connections")
        if self.filter_subject and not self.account:
            raise UsageError("filter by subject only valid with account filtering")


def report_connections(server: Server, query: ConnectionsQuery) -> dict[str, Any]:
    """A page of connections. Raises UsageError."""
    query.check()
    now = server.clock.now()
    known = not query.account or server.accounts.find(query.account) is not None
    candidates = [each for each in _in_state(server, query.state) if query.account in ("", each.account)]
    offset, limit = max(query.offset, 0), query.limit if query.limit > 0 else PAGE
    if query.cid:
        limit = 1
    found = [each for each in candidates if _is_wanted(server, each, query)]
    if query.sort == "uptime":
        found.sort(key=lambda seen: (seen.stopped_at or now) - seen.accepted_at)
    else:
        found.sort(key=_SORTS[query.sort or "cid"])
    page = [describe_connection(server, each, query, now) for each in found[offset : offset + limit]]
    return {
        "server_id": server.id if known else "",
        "now": timestamp(now),
        "num_connections": len(page),
        "total": len(candidates),
        "offset": offset,
        "limit": limit,
        "connections": page if known else None,
    }


def _in_state(server: Server, state: int) -> Iterable[Snapshot]:
    if state != CLOSED:
        for client in tuple(server.clients.values()):
            yield snapshot(client, server.clock)
    if state != OPEN:
        yield from tuple(server.closed)


def _is_wanted(server: Server, seen: Snapshot, query: ConnectionsQuery) -> bool:
    if query.cid and seen.cid != query.cid:
        return False
    wanted = query.filter_subject
    if wanted and not any(overlaps(text_of(each.subject), wanted) for each in _listening(server, seen)):
        return False
    return query.user in ("", seen.user) and not query.mqtt_client


# ---- one connection --------------------------------------------------------------------------------


def describe_connection(server: Server, seen: Snapshot, query: ConnectionsQuery, now: float) -> dict[str, Any]:
    """One connection, its members in order; what is empty is left out where nats-server does so."""
    peer, connect = seen.peer, seen.connect
    until = seen.stopped_at or now
    told = {
        "cid": seen.cid,
        "kind": "Client",
        "type": "websocket" if peer.connection_type == "WEBSOCKET" else "nats",
        "ip": peer.host,
        "port": peer.port,
        "start": timestamp(seen.accepted_at),
        "last_activity": timestamp(seen.active_at),
    }
    if seen.stopped_at is not None:
        told |= {"stop": timestamp(seen.stopped_at), "reason": seen.reason}
    if seen.rtt_s:
        told["rtt"] = format_duration(int(seen.rtt_s * 1e6) * 1000)
    told |= {
        "uptime": elapsed(until - seen.accepted_at),
        "idle": elapsed(until - seen.active_at),
        "pending_bytes": seen.pending,
        "in_msgs": seen.in_messages,
        "out_msgs": seen.out_messages,
        "in_bytes": seen.in_bytes,
        "out_bytes": seen.out_bytes,
        **present({"stalls": seen.stalls}),
        "subscriptions": seen.subscription_count,
        **present({"name": connect.name, "lang": connect.lang, "version": connect.version}),
    }
    if seen.secured is not None:
        told |= _encryption(seen.secured)
        if query.authentication and seen.stopped_at is None:
            told |= _certificate(seen)
    if query.authentication:
        told |= _identity(seen)
    if query.subscriptions or query.details:
        told |= _subscriptions(server, seen, query.details)
    if seen.admission is not None and seen.admission.proxy:
        told["proxy"] = {"key": seen.admission.proxy}
    return told


def _encryption(secured: Secured) -> dict[str, Any]:
    first = {"tls_first": True} if secured.first else {}
    return {"tls_version": secured.version, "tls_cipher_suite": secured.cipher, **first}


def _certificate(seen: Snapshot) -> dict[str, Any]:
    from natskit.server.tls import public_key_info

    der = seen.secured.certificate if seen.secured is not None else None
    if der is None:
        return {}
    shown = {
        "subject": seen.peer.certificate.subject_text if seen.peer.certificate is not None else "",
        "spki_sha256": hashlib.sha256(public_key_info(der)).hexdigest(),
        "cert_sha256": hashlib.sha256(der).hexdigest(),
    }
    return {"tls_peer_certs": [shown]}


def _identity(seen: Snapshot) -> dict[str, Any]:
    admission = seen.admission
    if admission is None:
        return present({"authorized_user": seen.user})
    claims = admission.claims
    bearer = admission.rights is not None and admission.rights.bearer_token
    return present(
        {
            "authorized_user": seen.user,
            "account": seen.account if seen.account != GLOBAL_ACCOUNT else "",
            "jwt": seen.connect.jwt if claims is not None and not bearer else "",
            "issuer_key": admission.issuer_key,
            "name_tag": admission.account.name if seen.account != GLOBAL_ACCOUNT else "",
            "tags": list(admission.tags),
        }
    )


def _listening(server: Server, seen: Snapshot) -> Sequence[Subscription | Listening]:
    client = server.clients.get(seen.cid) if seen.stopped_at is None else None
    return seen.subscriptions if client is None else client.engine.subscriptions()


def _subscriptions(server: Server, seen: Snapshot, details: bool) -> dict[str, Any]:
    listening = _listening(server, seen)
    if not listening:
        return {}
    if not details:
        return {"subscriptions_list": [text_of(each.subject) for each in listening]}
    prefix = {}
    if seen.stopped_at is not None and seen.admission is not None:
        prefix = {"account": seen.account, "account_tag": seen.admission.account.name}
    return {"subscriptions_list_detail": [prefix | describe_subscription(each, seen.cid) for each in listening]}


def describe_subscription(subscription: Subscription | Listening, cid: int) -> dict[str, Any]:
    """One subscription of a connection."""
    told: dict[str, Any] = {"subject": text_of(subscription.subject)}
    if subscription.queue:
        told["qgroup"] = text_of(subscription.queue)
    told |= {"sid": text_of(subscription.sid), "msgs": subscription.delivered}
    if subscription.max:
        told["max"] = subscription.max
    told["cid"] = cid
    return told
