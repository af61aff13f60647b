"""The HTTP listeners of monitoring. The one module here that needs aiohttp: import it where it is wanted.

Source: spec/server-config.md section 9.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web
from msgspec.structs import replace

from natskit.errors import ServerError
from natskit.http import http_runner
from natskit.server.listener import bind, bracketed
from natskit.server.tls import server_context

if TYPE_CHECKING:
    from natskit.server.monitor.reports import Answer, Reports
    from natskit.server.options import Options, Tls

__all__ = ["HttpMonitor"]

log = logging.getLogger(__name__)

IDLE_S = 60.0
"""How long a connection may wait for its next request."""

GRACE_S = 1.0
BACKLOG = 128

_HEADERS = {
    "json": {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
    "html": {"Content-Type": "text/html; charset=utf-8"},
    "text": {"Content-Type": "text/plain; charset=utf-8"},
    "missing": {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"},
}

_SERVER = {"Server": "nats-server"}


class HttpMonitor:
    """Serves reports over HTTP, HTTPS or both; 0: that one is off. Ports are the real ones after `start`."""

    def __init__(self, reports: Reports, options: Options) -> None:
        self._reports = reports
        self._options = options
        self._base = "/" + options.monitoring.base_path.strip("/")
        self._context: ssl.SSLContext | None = None
        self._stack = contextlib.AsyncExitStack()
        self.port = 0
        self.secure_port = 0

    async def start(self) -> None:
        """Listen. Raises ServerError if an address is taken, or HTTPS has no certificate."""
        monitoring = self._options.monitoring
        runner = await http_runner(self._on_request, log, keepalive_s=IDLE_S, grace_s=GRACE_S)
        self._stack.push_async_callback(runner.cleanup)
        try:
            if monitoring.http_port is not None:
                self.port = await self._listen(runner, monitoring.http_port, None)
            if monitoring.https_port is not None:
                self._context = self._secure(self._options.tls)
                self.secure_port = await self._listen(runner, monitoring.https_port, self._context)
        except ServerError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        await self._stack.aclose()

    def prepare(self, tls: Tls) -> Callable[[], None]:
        """Get ready to show these certificates; what is returned does it. Raises ServerError if they cannot be used."""
        context = self._context
        if context is None:
            return lambda: None
        fresh = self._secure(tls)

        def choose(wanted: ssl.SSLObject, name: str, context: ssl.SSLContext) -> None:
            wanted.context = fresh
            if fresh.sni_callback is not None:
                fresh.sni_callback(wanted, name, fresh)

        def show() -> None:
            context.sni_callback = choose

        return show

    @staticmethod
    def _secure(tls: Tls | None) -> ssl.SSLContext:
        """The listener's TLS; clients need no certificate here."""
        if tls is None:
            raise ServerError("https monitoring needs TLS: add tls { ... }, or use http_port")
        return server_context(replace(tls, verify=False, verify_and_map=False))

    async def _listen(self, runner: web.ServerRunner, port: int, context: ssl.SSLContext | None) -> int:
        host = self._options.monitoring.host or self._options.host
        bound = bind(host, port, "the monitoring port ")  # closed with its site
        await web.SockSite(runner, bound, ssl_context=context, backlog=BACKLOG).start()
        real = int(bound.getsockname()[1])
        log.info("Starting http%s monitor on %s:%d", "s" if context else "", bracketed(host), real)
        return real

    async def _on_request(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if self._base != "/":
            path = path.removeprefix(self._base) if path.startswith(f"{self._base}/") or path == self._base else ""
            path = path or ("/" if request.path == self._base else "missing")
        answer: Answer = self._reports.answer(path, request.query)
        return web.Response(status=answer.status, body=answer.body, headers=_HEADERS[answer.kind] | _SERVER)
