"""The life of an account server: open what it needs, listen, stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Self

from aiohttp import web

from natskit import __version__
from natskit.account_server.accounts import Accounts
from natskit.account_server.notifier import Notifier
from natskit.account_server.options import Directory, Nsc, Options, check
from natskit.account_server.routes import Routes
from natskit.account_server.stores import NscStore, Store, open_store
from natskit.account_server.token_file import TokenFile
from natskit.account_server.watching import watch
from natskit.errors import KeyUseError, ServerError
from natskit.http import http_runner
from natskit.jwt import AccountClaims, OperatorClaims

__all__ = ["AccountServer"]

_log = logging.getLogger("natskit.account_server")


_GRACE_S = 5.0
_BACKLOG = 1024


class AccountServer:
    """An account server inside this process; start and stop it, or use it as an async context manager.

    ``clock`` gives Unix seconds. Raises ServerError, StoreError, InvalidToken, UsageError on start.
    """

    def __init__(self, options: Options | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.options = options or Options()
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()
        self._port = 0
        self._notifier: Notifier | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it is, such as ``http://localhost:9090``."""
        host = self.options.host or "localhost"
        return f"http{'s' if self.options.tls_cert else ''}://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def resolver_url(self) -> str:
        """What a nats-server's ``resolver: URL(...)`` names."""
        return f"{self.url}/jwt/v1/accounts/"

    @property
    def connected(self) -> asyncio.Event:
        """Set while there is a connection to NATS over which changes are announced."""
        assert self._notifier, "the server is not running"
        return self._notifier.connected

    async def start(self) -> None:
        """Open the store, begin to watch and to connect, and listen."""
        check(self.options)
        _log.info("starting NATS Account server, version %s", __version__)
        _log.info("server time is %s", time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(self._clock())))
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        _log.info("nats-account-server is running")
        _log.info("configure the nats-server with:")
        _log.info("  resolver: URL(%s)", self.resolver_url)

    async def stop(self) -> None:
        """Stop listening, let running requests end, close everything. Does nothing the second time."""
        await self._stack.aclose()

    # ---- steps

    async def _start(self) -> None:
        options = self.options
        tls = _tls_context(options)
        # (1) the files that trust rests on
        operator = self._operator_file(options.operator)
        system_account = None
        if options.system_account:
            _log.info("loading system account from %s", options.system_account)
            system_account = TokenFile(options.system_account, AccountClaims)
        # (2) the store
        store = await asyncio.to_thread(self._open_store)
        if isinstance(store, NscStore):
            operator = operator or self._operator_file(store.operator_path)
            for path, reason in store.damaged.items():
                _log.warning("%s is left out: %s", path, reason)
        # (3) announcements
        self._notifier = Notifier(options.nats)
        self._stack.push_async_callback(self._notifier.stop)
        accounts = Accounts(store, operator, system_account, self._notifier.announce, self._clock)
        await self._watch(store, accounts)
        self._notifier.start()
        # (4) HTTP
        await self._listen(Routes(accounts, options), tls)

    def _operator_file(self, path: str | None) -> TokenFile[OperatorClaims] | None:
        if path is None:
            return None
        _log.info("loading operator from %s", path)
        return TokenFile(path, OperatorClaims)

    def _open_store(self) -> Store:
        where = self.options.store
        if isinstance(where, Nsc):
            _log.info("creating a read-only store for the NSC folder at %s", where.path)
        elif isinstance(where, Directory):
            _log.info("creating a %sstore at %s", "read-only " if where.read_only else "", where.path)
        else:
            _log.info("creating an in-memory store")
        return open_store(where)

    async def _watch(self, store: Store, accounts: Accounts) -> None:
        if store.folder is None:
            return
        started = asyncio.Event()
        task = asyncio.create_task(watch(store.folder, accounts.changed, started))

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)
        await started.wait()
        if isinstance(store, NscStore):
            await accounts.changed([store.folder])  # what was written between reading and watching

    async def _listen(self, routes: Routes, tls: ssl.SSLContext | None) -> None:
        sockets = await self._bind()
        self._port = sockets[0].getsockname()[1]
        for each in sockets:
            self._stack.callback(each.close)
        runner = await http_runner(routes, _log, keepalive_s=self.options.read_timeout_s, grace_s=_GRACE_S)
        self._stack.push_async_callback(runner.cleanup)
        for each in sockets:
            await web.SockSite(runner, each, ssl_context=tls, backlog=_BACKLOG).start()
        _log.info("http%s listening on port %d", "s" if tls else "", self._port)

    async def _bind(self) -> list[socket.socket]:
        """Sockets on every address of the host, all with one port. Raises ServerError."""
        host, port = self.options.host, self.options.port
        loop = asyncio.get_running_loop()
        sockets: list[socket.socket] = []
        try:
            found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            # IPv4 first: its port is the one that the other takes when any will do.
            for family, *_, address in sorted(set(found)):
                with contextlib.suppress(_NotHere):
                    chosen = sockets[0].getsockname()[1] if sockets else port
                    sockets.append(_bound(family, (address[0], chosen, *address[2:]), self.options.write_timeout_s))
        except OSError as error:
            for each in sockets:
                each.close()
            reason = error.strerror or str(error)
            hint = "give another address with -hp HOST:PORT" if error.errno == errno.EADDRINUSE else None
            raise ServerError(f"cannot listen on {host}:{port}: {reason}", hint=hint) from None
        if not sockets:
            raise ServerError(f"cannot listen on {host}:{port}: no such address on this machine")
        return sockets


class _NotHere(Exception):
    """An address that this machine does not have; never leaves this module."""


def _bound(family: int, address: tuple[object, ...], write_timeout_s: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it: the kernel drops a peer that does not take its answer.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(write_timeout_s * 1000))
        sock.setblocking(False)
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise _NotHere from None
        raise
    return sock


def _tls_context(options: Options) -> ssl.SSLContext | None:
    if not options.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise KeyUseError(
            f"cannot use the certificate {options.tls_cert} and key {options.tls_key}: {reason}"
        ) from None
    return context
