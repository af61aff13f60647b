"""What the servers of an operator hold, for who compares."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from natskit.errors import Error, NotFound, StoreError

from .syncing import Cluster

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Resolver
    from natskit.store import OperatorStore
    from natskit.store.doctor.servers import Held

    from .run import Run

__all__ = ["what_servers_hold"]

_ANSWER_WAIT_S = 5.0


def what_servers_hold(run: Run, store: OperatorStore, only: str, connection: dict[str, Any]) -> Held:
    """Ask the servers of the operator. What goes wrong is part of the answer."""
    from natskit.store.doctor.servers import Held
    from natskit.store.tokens import is_url

    try:
        url = store.operator().nats.account_server_url
        if not url:
            raise StoreError("the operator names no account server", hint="nsc edit operator -u URL")
    except Error as error:
        return Held("servers", {}, str(error))
    try:
        if is_url(url):
            return Held(url, _from_account_server(store, url, only))
        return Held(url, _from_resolver(run, store, url, connection))
    except Error as error:
        return Held(url, {}, str(error))


def _from_account_server(store: OperatorStore, url: str, only: str) -> dict[str, str]:
    """Account servers give no list: they are asked for what is in the store."""
    from natskit.store.managed import fetch_accounts

    keys = []
    for name in [only] if only else store.accounts():
        with suppress(Error):  # told of by the examination
            keys.append(store.account(name).subject)
    tokens: dict[str, str] = {}
    for key, got in zip(keys, fetch_accounts(url, keys), strict=True):
        if isinstance(got, str):
            tokens[key] = got
        elif not isinstance(got, NotFound):
            raise got
    return tokens


def _from_resolver(run: Run, store: OperatorStore, url: str, connection: dict[str, Any]) -> dict[str, str]:
    """Resolvers are asked for all that one of them has."""
    tokens: dict[str, str] = {}
    failed: list[Error] = []

    async def work(resolver: Resolver, _: Report) -> None:
        try:
            tokens.update({key: token async for key, token in resolver.pack() if key})
        except Error as error:
            failed.append(error)

    Cluster(run, store, url, connection, timeout_s=_ANSWER_WAIT_S).run("nsc_doctor", work)
    if failed:
        raise failed[0]
    return tokens
