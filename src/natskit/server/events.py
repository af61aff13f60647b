"""What the server says in its system account about clients that come, go, or are refused.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.server.client_info import client_info
from natskit.server.options import GLOBAL_ACCOUNT
from natskit.server.services.answers import random_token
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.errors import AuthenticationError
    from natskit.server.accounts import Account, Accounts
    from natskit.server.clock import Clock, Timer
    from natskit.server.connection import Client
    from natskit.server.system import System

__all__ = ["Events", "account_statistics"]

ADVISORY = "io.nats.server.advisory.v1"
BASE_SUBSCRIPTIONS = 4
"""What every account has from the start: the system services that are imported into it."""

REPEAT_S = 30.0


class Events:
    """Publishes events. What nobody listens to is not even written."""

    def __init__(self, system: System, accounts: Accounts, clock: Clock) -> None:
        self._system = system
        self._accounts = accounts
        self._clock = clock
        self._timer: Timer = clock.call_in(REPEAT_S, self._repeat)

    def close(self) -> None:
        """Say no more."""
        self._timer.cancel()

    def connected(self, client: Client) -> None:
        """A client has logged in."""
        if client.admission is None:
            return
        account = client.admission.account
        self._tell_connections(account)
        self._tell(f"$SYS.ACCOUNT.{account.id}.CONNECT", "client_connect", lambda: {"client": _described(client)})

    def disconnected(self, client: Client, reason: str) -> None:
        """A client is gone, ``reason`` as in monitoring."""
        account = client.admission.account if client.admission is not None else None
        if account is not None:
            self._tell_connections(account)
        subject = f"$SYS.ACCOUNT.{account.id if account is not None else GLOBAL_ACCOUNT}.DISCONNECT"
        self._tell(subject, "client_disconnect", lambda: self._ended(client, reason))

    def refused(self, client: Client, error: AuthenticationError) -> None:
        """A login has failed. The account of the callout that refused it is told, else the global one."""
        server_id = self._system.identity.id
        subject = f"$SYS.SERVER.{server_id}.CLIENT.AUTH.ERR"
        self._tell(subject, "client_disconnect", lambda: self._ended(client, error.reason))
        account = self._accounts.find(error.callout or GLOBAL_ACCOUNT)
        subject = "$SYS.ACCOUNT.CLIENT.AUTH.ERR"
        if account is not None and account.space.has_interest(subject.encode()):
            reason = error.verdict if error.callout else error.reason
            message = self._message("client_disconnect", self._ended(client, reason))
            self._system.publish_in(account, subject, message)

    def server_ends(self, how: str) -> None:
        """The server is about to end: ``LAMEDUCK`` slowly, ``SHUTDOWN`` now."""
        subject = f"$SYS.SERVER.{self._system.identity.id}.{how}"
        if self._system.account.space.has_interest(subject.encode()):
            self._system.publish_json(subject, self._system.describe())

    def connections(self, account: Account) -> dict[str, Any]:
        """The event that tells how many connections an account has."""
        return self._message("account_connections", account_statistics(account))

    def _tell_connections(self, account: Account) -> None:
        if account.id == GLOBAL_ACCOUNT:
            return
        for subject in (f"$SYS.SERVER.ACCOUNT.{account.id}.CONNS", f"$SYS.ACCOUNT.{account.id}.SERVER.CONNS"):
            self._tell(subject, "account_connections", lambda: account_statistics(account))

    def _repeat(self) -> None:
        for account in self._accounts:
            if account.members:
                self._tell_connections(account)
        self._timer = self._clock.call_in(REPEAT_S, self._repeat)

    def _tell(self, subject: str, kind: str, members: Any) -> None:
        if self._system.account.space.has_interest(subject.encode("utf-8", "surrogateescape")):
            self._system.publish_json(subject, self._message(kind, members()))

    def _message(self, kind: str, members: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": f"{ADVISORY}.{kind}",
            "id": random_token(22),
            "timestamp": timestamp(self._clock.now()),
            "server": self._system.describe(),
            **members,
        }

    def _ended(self, client: Client, reason: str) -> dict[str, Any]:
        engine = client.engine
        return {
            "client": _described(client, stop=self._clock.now()),
            "sent": {"msgs": engine.in_messages, "bytes": engine.in_bytes},
            "received": {"msgs": engine.out_messages, "bytes": engine.out_bytes},
            "reason": reason,
        }


def _described(client: Client, stop: float | None = None) -> dict[str, Any]:
    """A client with the name of its account as its tag, and a round trip time only once it has left."""
    name = client.admission.account.name if client.admission is not None else GLOBAL_ACCOUNT
    info = client_info(client, stop=stop, name_tag=name)
    del info["server"]
    if stop is None:
        info.pop("rtt", None)
    return info


def account_statistics(account: Account) -> dict[str, Any]:
    """What an account has sent to its clients and received from them, and how many they are."""
    space, connections = account.space, len(account.members)
    return {
        "acc": account.id,
        "name": account.name,
        "conns": connections,
        "leafnodes": 0,
        "total_conns": connections,
        "num_subscriptions": space.subscription_count + BASE_SUBSCRIPTIONS,
        "sent": _traffic(space.out_messages, space.out_bytes),
        "received": _traffic(space.in_messages, space.in_bytes),
        "slow_consumers": account.slow_consumers,
    }


def _traffic(messages: int, size: int) -> dict[str, Any]:
    nothing = {"msgs": 0, "bytes": 0}
    return {"msgs": messages, "bytes": size, "gateways": nothing, "routes": nothing, "leafs": nothing}
