"""An HTTP server that its peers cannot disturb: what the account server and monitoring listen with.

It needs aiohttp: import it where it is wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from yarl import URL

__all__ = ["http_runner"]

_LINGERING_S = 1.0
_NOWHERE = URL("/")


class _PeersMistakes(logging.Filter):
    """What is no HTTP is its sender's fault: a line for those who debug, no traceback."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        self._log.debug("a request that is no HTTP: %s", error.message.split("\n")[0])
        return False


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    # aiohttp finds no URL, against its own types, in a CONNECT without a target, and fails on what it has made
    message = message._replace(url=message.url or _NOWHERE)
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


async def http_runner(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    log: logging.Logger,
    *,
    keepalive_s: float,
    grace_s: float,
) -> web.ServerRunner:
    """What aiohttp's sites run on; ``cleanup`` gives running requests ``grace_s``. Bodies are left as they are sent."""
    http_log = log.getChild("http")
    if not http_log.filters:
        http_log.addFilter(_PeersMistakes(log))
    server = web.Server(
        handler,
        request_factory=_request,
        access_log=None,
        logger=http_log,
        keepalive_timeout=keepalive_s,
        lingering_time=_LINGERING_S,
        auto_decompress=False,
    )
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=grace_s)
    await runner.setup()
    return runner
