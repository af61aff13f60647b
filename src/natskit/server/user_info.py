"""``$SYS.REQ.USER.INFO``: a client of any account asks who it is and what it may do.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from natskit.graph import Permissions
    from natskit.server.accounts import Account
    from natskit.server.clock import Clock
    from natskit.server.connection import Client
    from natskit.server.system import System

__all__ = ["serve_user_info"]

SUBJECT = b"$SYS.REQ.USER.INFO"


def serve_user_info(system: System, account: Account, clock: Clock) -> None:
    """Answer the question in ``account``."""

    def on_request(subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> None:
        client: Client | None = getattr(publisher, "session", None)
        if reply and client is not None and client.admission is not None:
            answer = {"server": system.describe(), "data": user_info(client, clock.now())}
            account.space.publish_internal(reply, payload=msgspec.json.encode(answer), links=False)

    account.space.subscribe_internal(SUBJECT, on_request, imports=False)


def user_info(client: Client, now: float) -> dict[str, Any]:
    """What a client is to the server."""
    admission = client.admission
    assert admission is not None
    info: dict[str, Any] = {
        "user": admission.user or client.connect.user,
        "account": admission.account.id,
        "account_name": admission.account.name,
    }
    if admission.claims is not None and admission.name_tag not in ("", admission.user):
        info["user_name"] = admission.name_tag
    permissions = admission.permissions
    if permissions.restricts_publish or permissions.restricts_subscribe:
        info["permissions"] = _described(permissions)
    if admission.expires_at is not None:
        info["expires"] = max(int(admission.expires_at - now), 0) * 1_000_000_000
    return info


def _described(permissions: Permissions) -> dict[str, Any]:
    found: dict[str, Any] = {
        "publish": _lists(permissions.publish_allow, permissions.publish_deny),
        "subscribe": _lists(permissions.subscribe_allow, permissions.subscribe_deny),
    }
    responses = permissions.responses
    if responses is not None:
        found["responses"] = {"max": responses.max_messages, "ttl": int(responses.expires_s * 1e9)}
    return found


def _lists(allow: tuple[str, ...], deny: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    lists = {"allow": allow, "deny": deny}
    return {name: entries for name, entries in lists.items() if entries}
