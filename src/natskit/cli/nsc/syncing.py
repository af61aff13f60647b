"""What push and pull share: flags of the connection, and the resolvers of a cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from natskit.cli.command import text
from natskit.cli.startup import import_nats
from natskit.errors import Error

from .tls import login

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Resolver
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["SYSTEM_USER", "Cluster"]

SYSTEM_USER = (
    text("system-account", "", "account to connect as, default the operator's", metavar="NAME", completes="account"),
    text("system-user", "", "user to connect as, default one that is made for the occasion", metavar="NAME"),
)
_CONNECT_TIMEOUT_S = 5.0


class Cluster:
    """The servers at ``url``, and how to log in to them; ``values`` are those of the flags above."""

    def __init__(self, run: Run, store: OperatorStore, url: str, values: dict[str, Any], *, timeout_s: float) -> None:
        self._run = run
        self._store = store
        self._url = url
        self._values = values
        self._timeout_s = timeout_s

    def run(self, client: str, work: Callable[[Resolver, Report], Awaitable[None]], *, lifetime_s: int = 120) -> None:
        """Connect, do ``work``, close. What fails is reported."""
        import asyncio
        import logging

        import_nats(self._url)
        from natskit.client.resolver import SUBJECTS
        from natskit.store.system_user import system_creds

        logging.getLogger("nats").addHandler(logging.NullHandler())
        try:
            creds = system_creds(
                self._run.workspace,
                self._store,
                account=self._values["system_account"],
                user=self._values["system_user"],
                publish=SUBJECTS,
                lifetime_s=lifetime_s,
            )
        except Error as error:
            error.message = f"error obtaining system account user: {error.message}"
            raise
        asyncio.run(self._play(client, creds, work))

    async def _play(self, client: str, creds: Any, work: Callable[[Resolver, Report], Awaitable[None]]) -> None:
        from natskit.client import connect
        from natskit.client.resolver import Resolver

        try:
            connection = await connect(
                self._url,
                login(self._run, creds, self._values),
                name=client,
                timeout_s=_CONNECT_TIMEOUT_S,
                max_reconnects=0,
                notice=self._run.console.notice,
            )
        except Error as error:
            error.message = f"failed to connect: {error.message}"
            raise
        report = self._run.report
        try:
            async with connection, Resolver(connection, self._timeout_s, len(self._store.accounts())) as resolver:
                await work(resolver, report)
        except Error as error:  # what was done before is told as well
            report.fail(str(error))
