"""A server in a thread of its own, for programs and tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from natskit.errors import ServerError

if TYPE_CHECKING:
    from natskit.server.options import Options
    from natskit.server.server import Server

__all__ = ["ThreadedServer"]

T = TypeVar("T")

WAIT_S = 30.0


class ThreadedServer:
    """Runs a server on an event loop in another thread while the ``with`` block lasts.

    ``config`` is as for `Server`. Raises what `Server` raises, in the thread that asks.
    """

    def __init__(self, config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None) -> None:
        from natskit.server.server import Server

        self.server: Server = Server(config)
        self._started: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="natskit-server", daemon=True)

    def __enter__(self) -> ThreadedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def client_url(self) -> str:
        """Where clients connect to."""
        return self.server.client_url

    @property
    def websocket_url(self) -> str:
        """Where WebSocket clients connect to; empty if there is no such listener."""
        return self.server.websocket_url

    def start(self) -> None:
        """Start the thread; returns when the server listens."""
        self._thread.start()
        self._started.result(WAIT_S)

    def stop(self) -> None:
        """Stop the server and its thread. May be called again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(WAIT_S)
            if self._thread.is_alive():
                raise ServerError(f"the server did not stop within {WAIT_S:g} s")

    def call(self, action: Callable[[Server], T]) -> T:
        """What ``action`` gives for the server, called in its thread: ``call(lambda it: it.total_connections)``."""
        answer: Future[T] = Future()

        def act() -> None:
            try:
                answer.set_result(action(self.server))
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(act)
        return answer.result(WAIT_S)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        try:
            await self.server.start()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._ended.wait()
        await self.server.stop()
