"""The server: listens, greets clients, owns what they share.

::

    async with Server("accounts { ... }") as server:
        nc = await nats.connect(server.client_url)

Several servers may run in one process, each on the event loop that started it. Signals are left to the program.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from natskit import jwt
from natskit.errors import AuthenticationError, ServerError
from natskit.graph import EVERYTHING
from natskit.nkeys import KeyPair, Role
from natskit.server.accounts import Account, Accounts
from natskit.server.auth import Admission, Authenticator, Peer
from natskit.server.clock import Clock
from natskit.server.connection import Client
from natskit.server.entrances import Entrances
from natskit.server.events import Events
from natskit.server.gate import Gate, client_gate, websocket_gate
from natskit.server.info import COMPATIBLE, Info
from natskit.server.inspection import ConnectionInfo, SubscriptionInfo, connections, subscriptions
from natskit.server.lame_duck import LameDuck
from natskit.server.listener import bracketed
from natskit.server.monitor import Reports, Snapshot, snapshot
from natskit.server.options import GLOBAL_ACCOUNT, MemoryResolver, Options
from natskit.server.provision import open_accounts, reprovision
from natskit.server.reload import diff, reloadable
from natskit.server.requests import Requests
from natskit.server.statistics import Processor, StatisticsEvents
from natskit.server.stream import Streams
from natskit.server.system import Identity, System, description
from natskit.server.user_info import serve_user_info
from natskit.wire import Connection, Hub

if TYPE_CHECKING:
    from natskit.server.monitor.http import HttpMonitor
    from natskit.server.threaded import ThreadedServer

__all__ = ["Server"]

log = logging.getLogger(__name__)

FIRST_CLIENT_ID = 5
"""Server-wide connection ids start here: the first ones are the server's own."""

NONCE_BYTES = 11
STOP_S = 2.0
"""How long stopping waits for clients to take what is queued for them."""


class Server:
    """An embedded NATS server, one process on one machine.

    ``config``: Options; a Path of a configuration file; a str, the text of one; a dict with the keys of one; None: an
    open server on a free port of 127.0.0.1. Raises ConfigError if it cannot be used.

    ``on_reload(before)`` is called once other options are in force.
    """

    def __init__(
        self,
        config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.options = Options.of(config)
        self.clock = clock or Clock()
        self.key = KeyPair.create(Role.SERVER)
        self.xkey = KeyPair.create(Role.CURVE)
        self.id = self.key.public
        self.name = self.options.server_name or self.id
        self.slow_consumers = 0
        self.stale_connections = 0
        self.stalled_clients = 0
        self.total_connections = 0
        self.last_auth_error: AuthenticationError | None = None
        self.clients: dict[int, Client] = {}
        self.closed: deque[Snapshot] = deque(maxlen=max(self.options.limits.max_closed_clients, 0))
        self.loop: asyncio.AbstractEventLoop
        self.hub: Hub
        self.accounts: Accounts
        self.gates: dict[str, Gate] = {}
        self.system: System | None = None
        self.events: Events | None = None
        self.processor = Processor()
        self._statistics: StatisticsEvents | None = None
        self.requests: Requests | None = None
        self.started_at = self.configured_at = 0.0
        self.on_reload: Callable[[Options], None] = lambda before: None
        self.reports = Reports(self)
        self._monitor: HttpMonitor | None = None
        self.entrances = Entrances(self)
        self._next_id = FIRST_CLIENT_ID
        self.streams: Streams
        self._empty: asyncio.Event
        self._lame_duck: LameDuck | None = None
        self._running = False

    @staticmethod
    def in_thread(
        config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
    ) -> ThreadedServer:
        """A server on an event loop of its own in another thread: ``with Server.in_thread() as server``."""
        from natskit.server.threaded import ThreadedServer

        return ThreadedServer(config, clock=clock)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # what is asked about it

    @property
    def running(self) -> bool:
        return self._running

    @property
    def accepting(self) -> bool:
        """Whether new clients are let in: it runs, and not in lame duck mode."""
        return self._running and self._lame_duck is None

    @property
    def host(self) -> str:
        return self.options.host

    @property
    def port(self) -> int:
        """The port that clients connect to; the real one once the server runs."""
        return self.entrances.port

    @property
    def client_url(self) -> str:
        """``nats://host:port``, with an address that can be connected to from here."""
        return f"nats://{_reachable(self.host)}:{self.port}"

    @property
    def info(self) -> Info:
        """What it tells every client."""
        return self.gates["STANDARD"].info

    @property
    def websocket_port(self) -> int:
        """The port of WebSocket clients; the real one once the server runs; 0: there is none."""
        return self.entrances.websocket_port

    @property
    def websocket_url(self) -> str:
        """``ws://host:port`` (or wss), with an address that can be connected to from here; empty: there is none."""
        websocket = self.options.websocket
        if websocket is None:
            return ""
        scheme = "ws" if websocket.tls is None else "wss"
        return f"{scheme}://{_reachable(websocket.host)}:{self.websocket_port}"

    @property
    def monitor_port(self) -> int:
        """The port of HTTP monitoring; 0: there is none."""
        return self._monitor.port if self._monitor is not None else 0

    @property
    def secure_monitor_port(self) -> int:
        """The port of HTTPS monitoring; 0: there is none."""
        return self._monitor.secure_port if self._monitor is not None else 0

    @property
    def monitor_url(self) -> str:
        """``http://host:port`` (or https) of monitoring, with an address that can be reached from here; or empty."""
        host = _reachable(self.options.monitoring.host or self.host)
        if self.secure_monitor_port:
            return f"https://{host}:{self.secure_monitor_port}"
        return f"http://{host}:{self.monitor_port}" if self.monitor_port else ""

    def now(self) -> float:
        """Its time in Unix seconds."""
        return self.clock.now()

    def connections(
        self,
        *,
        name: str | None = None,
        user: str | None = None,
        account: str | None = None,
        subject: str | None = None,
    ) -> tuple[ConnectionInfo, ...]:
        """The open connections, oldest first: all, or those of a client ``name``, a ``user``, an ``account`` (name or
        key), or that listen to what is published on ``subject``. Raises InvalidSubject."""
        return connections(self, name=name, user=user, account=account, subject=subject)

    def subscriptions(
        self, *, name: str | None = None, account: str | None = None, subject: str | None = None
    ) -> tuple[SubscriptionInfo, ...]:
        """The subscriptions of the open connections: all, or those of a client ``name``, an ``account`` (name or key),
        that hear what is published on ``subject`` or are on this very pattern. Raises InvalidSubject."""
        return subscriptions(self, name=name, account=account, subject=subject)

    @property
    def settled(self) -> Options:
        """Its options with the ports that clients connect to now, to start again on them."""
        websocket = self.options.websocket
        if websocket is not None:
            websocket = msgspec.structs.replace(websocket, port=self.websocket_port)
        return msgspec.structs.replace(self.options, port=self.port, websocket=websocket)

    # what is done with it

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Let the server's time pass at once: what expires meanwhile does so before this returns."""
        self.clock.advance(seconds, minutes=minutes, hours=hours, days=days)

    def update_account(self, token: str) -> None:
        """Use this token of an account from now on, or know it, if the account is new: as a push would, but said by
        the program itself. A restart knows it too.

        Raises InvalidToken or VerifyError if it is not worth it, ServerError for a server without operator.
        """
        if self.accounts.resolver is None:
            raise ServerError("the server has no accounts with tokens", hint="configure an operator and a resolver")
        account_id = jwt.decode(token, jwt.AccountClaims).subject
        self.accounts.update(account_id, token, keep=True)
        if isinstance(self.options.resolver, MemoryResolver):
            preload = {**self.options.resolver_preload, account_id: token}
            self.options = msgspec.structs.replace(self.options, resolver_preload=preload)

    # start and stop

    async def start(self) -> None:
        """Listen. Idempotent. Raises: ServerError if the address is taken or the accounts cannot be had."""
        if self._running:
            return
        self.loop = asyncio.get_running_loop()
        self.hub = Hub(self._wake, self._on_crash, self.loop.call_later)
        self.started_at = self.configured_at = self.clock.now()
        try:
            self.accounts = await open_accounts(self.options, self.clock, COMPATIBLE)
        except BaseException:
            self.hub.close()
            self.clock.close()
            raise
        try:
            await self._open(self.options)
        except BaseException:
            await self._close_rooms()
            raise
        self._running = True
        self.entrances.announce(self.options)

    async def _open(self, options: Options) -> None:
        """Open everything around the accounts. Raises ServerError."""
        self.streams = Streams()
        self._empty = asyncio.Event()
        self._empty.set()
        self._lame_duck = None
        self.entrances = Entrances(self)
        self.entrances.open(options)
        self._use_gates(self._open_gates(options))
        await self._open_monitor()
        self.loop.add_reader(self.hub.fileno(), self.hub.run)
        self._open_system()

    async def stop(self) -> None:
        """Close everything, queued output first. Idempotent."""
        if not self._running:
            return
        self._running = False
        if self._lame_duck is not None:
            self._lame_duck.end()
        self.entrances.stop()
        if self.events is not None:
            self.events.server_ends("SHUTDOWN")
        for client in tuple(self.clients.values()):
            client.close("Server Shutdown")
        try:
            async with asyncio.timeout(STOP_S):
                await self._empty.wait()
        except TimeoutError:
            log.debug("%d clients did not take what was queued for them", len(self.clients))
        await self._close_rooms()

    async def lame_duck(self) -> None:
        """Take no new clients, tell those there, close them one by one, and stop; returns when that is done.

        It takes ``lame_duck_duration``, less if the last client goes earlier, and nothing if there is none. `stop` ends
        it at once. May be called again meanwhile.
        """
        if not self._running:
            return
        if self._lame_duck is None:
            self._lame_duck = LameDuck(self)
            self.gates = {kind: gate.in_lame_duck_mode() for kind, gate in self.gates.items()}
            self.entrances.stop()
            if self.events is not None:
                self.events.server_ends("LAMEDUCK")
            self._lame_duck.begin()
        await self._lame_duck.over()
        await self.stop()

    async def reload(self, config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None) -> None:
        """Go on with other users, accounts and limits; connected clients are judged by them anew.

        ``config`` None: the configuration file is read again. Raises ConfigError or ServerError if it cannot be used,
        or changes what only a restart can change; nothing has changed then.
        """
        if not self._running:
            raise ServerError("the server is not running", hint="a start takes the configuration as it is then")
        options = reloadable(self.options, self.options.reread() if config is None else Options.of(config))
        prepared = self.entrances.prepare(options)
        if self._monitor is not None and options.tls is not None:
            prepared.append(self._monitor.prepare(options.tls))
        gates = self._open_gates(options)
        reprovision(self.accounts, options)
        # What could fail has not; the rest is put in force at once.
        for use in prepared:
            use()
        before, self.options = self.options, options
        self._use_gates(gates)
        if self.system is not None:
            self.system.identity = self._identity()
        self.configured_at = self.clock.now()
        for client in tuple(self.clients.values()):
            self.entrances.judge_again(client)
            await client.judge_again()
        self._close_surplus()
        self.on_reload(before)
        for change in diff(before, options):
            log.info("Reloaded: %s = %s", change.key, change.new)
        log.info("Reloaded server configuration%s", f" ({options.digest})" if options.digest else "")

    def _close_surplus(self) -> None:
        """Close as many clients as there are too many now, whichever they are."""
        surplus = len(self.clients) - max(self.options.limits.max_connections, 0)
        for client in random.sample(tuple(self.clients.values()), max(surplus, 0)):
            client.close_as_surplus()

    async def _open_monitor(self) -> None:
        """Serve HTTP if that is wanted. Raises ServerError."""
        monitoring = self.options.monitoring
        if monitoring.http_port is None and monitoring.https_port is None:
            return
        from natskit.server.monitor.http import HttpMonitor

        monitor = HttpMonitor(self.reports, self.options)
        await monitor.start()
        self._monitor = monitor

    async def _close_rooms(self) -> None:
        if self._monitor is not None:
            await self._monitor.close()
            self._monitor = None
        await self.entrances.close()
        await self.streams.close()
        self.loop.remove_reader(self.hub.fileno())
        self.hub.close()
        if self.system is not None:
            self.system.close()
            self.system = self.requests = None
        if self.events is not None:
            self.events.close()
            self.events = None
        if self._statistics is not None:
            self._statistics.close()
            self._statistics = None
        await self.accounts.close()
        self.clock.close()

    def _authenticator(self, options: Options) -> Authenticator:
        configured = options.authorization is not None and options.authorization.callout is not None
        if not configured and not options.operator_mode:
            return Authenticator(options, self.accounts, self.clock)
        from natskit.server.auth.callout import Callout, CalloutServer

        asking = CalloutServer(
            key=self.key, xkey=self.xkey, name=self.name, host=self.host, version=COMPATIBLE, tags=options.tags
        )
        callout = Callout(options, self.accounts, self.clock, asking)
        return Authenticator(options, self.accounts, self.clock, callout)

    def _identity(self) -> Identity:
        options = self.options
        return Identity(
            name=self.name,
            host=self.host,
            id=self.id,
            version=self.info.version,
            tags=options.tags,
            metadata=options.metadata,
        )

    def describe(self) -> dict[str, Any]:
        """The ``server`` object of what it says about itself."""
        system = self.system
        return system.describe() if system is not None else description(self._identity(), 0, self.clock.now())

    def _open_system(self) -> None:
        account = self.accounts.system
        if account is not None:
            system = self.system = System(account, self._identity(), self.clock, self._on_publish)
            self.events = Events(system, self.accounts, self.clock)
            self.requests = Requests(self, system)
            self.reports.serve(self.requests)
            self._statistics = StatisticsEvents(self, system)
            self.accounts.on_open = self._serve_account
            for opened in self.accounts:
                self._serve_account(opened)
            if self.options.operator_mode:
                from natskit.server.claims import open_claims

                open_claims(self.system, self.accounts)

    def _on_publish(self, subject: str, payload: bytes) -> None:
        """Log what the server itself says, if that is wanted."""
        if self.options.logging.trace_verbose:
            from natskit.server.talk import log_own

            log_own(subject, payload, self.options.logging)

    def _serve_account(self, account: Account) -> None:
        """What the clients of every account may ask."""
        if self.system is not None and self.requests is not None:
            serve_user_info(self.system, account, self.clock)
            if account is not self.system.account:
                self.requests.serve_account(account)

    # clients

    def _wake(self) -> None:
        self.loop.call_soon(self.hub.flush)

    def _on_crash(self, connection: Connection, error: Exception) -> None:
        client = connection.session
        if isinstance(client, Client):
            client.crashed(error)

    def receive(self, address: tuple[str, int], **known: Any) -> Client:
        """A new client, with what is ``known`` of it (fields of `Peer`). It has not been greeted yet."""
        kind = known.setdefault("connection_type", "STANDARD")
        nonce = secrets.token_urlsafe(NONCE_BYTES) if self.gates[kind].authenticator.needs_nonce else ""
        peer = Peer(host=address[0], port=address[1], nonce=nonce, cid=self._next_id, **known)
        self._next_id += 1
        self.total_connections += 1
        client = Client(self, peer)
        client.surplus = not 0 <= len(self.clients) < self.options.limits.max_connections
        self.clients[peer.cid] = client
        self._empty.clear()
        log.debug("%s - Client connection created", peer)
        return client

    def attach(self, client: Client, accepted: socket.socket) -> bool:
        """Serve a socket in clear text; False: it cannot be, and the client is gone."""
        try:
            self.hub.attach(client.engine, accepted.fileno())
        except OSError as error:
            log.error("%s - the connection cannot be served: %s", client.peer, error.strerror)
            accepted.close()
            client.engine.cut("Read Error", error.strerror or "")
            return False
        accepted.detach()
        return True

    def forget(self, client: Client, reason: str) -> None:
        """A connection is closed."""
        self.clients.pop(client.peer.cid, None)
        self.closed.append(snapshot(client, self.clock, reason=reason))
        self.stale_connections += reason == "Stale Connection"
        if self.events is not None:
            self.events.disconnected(client, reason)
        if not self.clients:
            self._empty.set()
            if self._lame_duck is not None:
                self._lame_duck.end()

    def open_admission(self) -> Admission:
        """What everybody gets where nobody has to log in."""
        account = self.accounts.find(GLOBAL_ACCOUNT)
        assert account is not None
        return Admission(account=account, permissions=EVERYTHING)

    def _open_gates(self, options: Options) -> dict[str, Gate]:
        """What clients find by their connection type."""
        authenticator = self._authenticator(options)
        info = Info(
            server_id=self.id,
            server_name=self.name,
            proto=1,
            host=self.host,
            port=self.port,
            headers=not options.no_header_support,
            auth_required=authenticator.required,
            ldm=self._lame_duck is not None,
            max_payload=options.limits.max_payload,
            xkey=self.xkey.public,
        )
        gates = {"STANDARD": client_gate(options, info, authenticator, self.port)}
        if options.websocket is not None:
            others = options.for_websocket()
            if others is not options:
                authenticator = self._authenticator(others)
            gates["WEBSOCKET"] = websocket_gate(options, options.websocket, info, authenticator, self.websocket_port)
        return gates

    def _use_gates(self, gates: dict[str, Gate]) -> None:
        self.gates = gates
        self.accounts.on_change = gates["STANDARD"].authenticator.review


def _reachable(host: str) -> str:
    """The host of a listener as one to connect to."""
    return bracketed({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))  # noqa: S104
