"""What the server tells others about a client: in events, to responders of services, in measurements.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.connection import Client

__all__ = ["client_info", "rtt_ns"]


def rtt_ns(client: Client) -> int:
    """The last measured round trip time in nanoseconds; 0 if there is none."""
    return int(client.rtt_s * 1e9)


def client_info(client: Client, *, service: str = "", stop: float | None = None, name_tag: str = "") -> dict[str, Any]:
    """A client as JSON members, in their order; what is empty is left out.

    ``service``: the account whose service import passed a request on; ``stop``: when the client left (Unix seconds);
    ``name_tag``: instead of its own.
    """
    admission, connect = client.admission, client.connect
    account = admission.account if admission is not None else None
    members = {
        "start": timestamp(client.accepted_at),
        "host": client.peer.host,
        "id": client.peer.cid,
        "acc": account.id if account is not None else "$G",
        "svc": service,
        "user": admission.user if admission is not None else connect.claimed_user,
        "name": connect.name,
        "lang": connect.lang,
        "ver": connect.version,
        "rtt": rtt_ns(client),
        "server": client.server_name,
        "stop": timestamp(stop) if stop is not None else "",
        "jwt": connect.jwt if admission is not None and admission.claims is not None else "",
        "issuer_key": admission.issuer_key if admission is not None else "",
        "name_tag": name_tag or (admission.name_tag if admission is not None else ""),
        "tags": list(admission.tags) if admission is not None else [],
        "kind": "Client",
        "client_type": "nats" if client.peer.connection_type != "WEBSOCKET" else "websocket",
    }
    return {name: value for name, value in members.items() if value}
