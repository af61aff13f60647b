"""Announcing changed accounts to nats-servers, over a connection to the system account.

nats-servers of every resolver type listen to ``$SYS.ACCOUNT.<account>.CLAIMS.UPDATE``; their answers tell whether they
took it. HTTP never waits for this: what cannot be sent yet is kept, the latest token of each account, and sent when the
connection stands. Source: spec/account-server.md sections 4 and 7.4.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from natskit.account_server.options import NatsOptions
from natskit.account_server.record import Record, short
from natskit.errors import DeniedError, Error

if TYPE_CHECKING:
    from natskit.client import Connection, Login, Message

__all__ = ["Notifier"]

_log = logging.getLogger("natskit.account_server")

_KEPT = 10_000
_LAST_WORD_S = 1.0


class Notifier:
    """Keeps a connection and sends what is announced. ``start`` and ``stop`` belong to the server."""

    def __init__(self, options: NatsOptions) -> None:
        self._options = options
        self._pending: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._inbox = f"_INBOX.{os.urandom(12).hex()}"
        self.connected = asyncio.Event()

    def start(self) -> None:
        """Begin to connect, in the background. Raises what is wrong with the login's files."""
        if not self._options.servers:
            _log.info("NATS is not configured, server will not fire notifications on update")
            return
        login = self._login()
        login.options()
        _log.info("connecting to NATS for notifications")
        self._task = asyncio.create_task(self._run(login))

    async def stop(self) -> None:
        """End the connection; what is announced already is sent before, if it can be."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def announce(self, record: Record) -> None:
        """Send an account's token to the servers, now or as soon as there is a connection."""
        if not self._options.servers:
            _log.info("skipping notification for %s, no NATS configured", short(record.key))
            return
        self._pending.pop(record.key, None)
        self._pending[record.key] = record.token
        if len(self._pending) > _KEPT:
            dropped = next(iter(self._pending))
            del self._pending[dropped]
            _log.error("too many notifications wait for NATS, dropping that of %s", short(dropped))
        if not self.connected.is_set():
            _log.info("keeping the notification for %s until NATS is connected", short(record.key))
        self._wake.set()

    def _login(self) -> Login:
        from natskit.client import Login

        nats = self._options
        return Login(creds=nats.credentials, tls_ca=nats.tls_ca, tls_cert=nats.tls_cert, tls_key=nats.tls_key)

    async def _run(self, login: Login) -> None:
        """Connect, send, and begin again when the connection is over."""
        from natskit.client import connect

        nats = self._options
        while True:
            try:
                connection = await connect(
                    nats.servers,
                    login,
                    name="nats-account-server",
                    timeout_s=nats.connect_timeout_s,
                    reconnect_wait_s=nats.reconnect_wait_s,
                    max_reconnects=nats.max_reconnects,
                    notice=lambda text: _log.warning("NATS: %s", text),
                )
            except (Error, OSError) as error:
                _log.error("failed to connect to NATS, %s", error)
            else:
                async with connection:
                    await self._serve(connection)
                self.connected.clear()
            _log.info("will try to connect again in %d milliseconds", nats.reconnect_wait_s * 1000)
            await asyncio.sleep(nats.reconnect_wait_s)

    async def _serve(self, connection: Connection) -> None:
        """Send announcements until the connection is over."""
        try:
            await self._listen(connection)
            _log.info("connected to NATS for account and activation notifications")
            self.connected.set()
            while not connection.closed.done():
                await self._send(connection)
                await self._until_woken(connection)
            connection.closed.result()
        except asyncio.CancelledError:
            if self._pending:
                with contextlib.suppress(Error, OSError):  # it cannot be sent
                    async with asyncio.timeout(_LAST_WORD_S):
                        await self._send(connection)
            raise
        except (Error, OSError) as error:
            _log.error("NATS: %s", error)

    async def _listen(self, connection: Connection) -> None:
        try:
            await connection.subscribe(f"{self._inbox}.*", self._on_answer)
        except DeniedError as error:
            _log.warning("the answers of the nats-servers cannot be heard: %s", error)

    async def _until_woken(self, connection: Connection) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        # What waits while the library reconnects is tried again.
        again = self._options.reconnect_wait_s if self._pending else None
        ends: set[asyncio.Future[Any]] = {woken, connection.closed}
        await asyncio.wait(ends, timeout=again, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        self._wake.clear()

    async def _send(self, connection: Connection) -> None:
        """Send what is pending. Without the server's confirmation it stays pending, unless something newer came."""
        sent: dict[str, bytes] = {}
        try:
            while self._pending and connection.is_connected:
                key = next(iter(self._pending))
                sent[key] = self._pending.pop(key)
                await connection.publish(f"$SYS.ACCOUNT.{key}.CLAIMS.UPDATE", sent[key], reply=f"{self._inbox}.{key}")
            if sent:
                await connection.confirm()
        except DeniedError as error:
            _log.error("sending notifications: %s", error)
        except BaseException:
            self._pending = sent | self._pending
            raise
        else:
            for key in sent:
                _log.debug("sent notification for %s", short(key))

    def _on_answer(self, message: Message) -> None:
        """Log what a server made of an update."""
        key = message.subject.rpartition(".")[2]
        if (message.headers or {}).get("Status") == "503":
            _log.error(
                "no nats-server listens to the update of %s: the credentials must be those of a system account user",
                short(key),
            )
            return
        server, text, failed = _answer(message.payload)
        _log.log(logging.ERROR if failed else logging.DEBUG, "nats-server %s: %s - %s", server, short(key), text)


def _answer(payload: bytes) -> tuple[str, str, bool]:
    """The server's name, what it says, and whether that is a failure."""
    import msgspec

    try:
        answer: dict[str, Any] = msgspec.json.decode(payload, type=dict)
        error = answer.get("error")
        told = error if isinstance(error, dict) else answer["data"]
        return str(answer["server"]["name"]), str(told.get("description") or told.get("message")), bool(error)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError, RecursionError):
        return "?", "an answer that cannot be read", True
