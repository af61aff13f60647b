"""A server in a thread of its own, for programs and tests that are not asynchronous, or whose event loop is busy.

Everything here may be called from any thread; what needs the server is done in the server's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from natskit.errors import AuthenticationError, ServerError

if TYPE_CHECKING:
    from natskit.server.clock import Clock
    from natskit.server.inspection import ConnectionInfo, SubscriptionInfo
    from natskit.server.options import Options
    from natskit.server.server import Server

__all__ = ["ThreadedServer"]

T = TypeVar("T")

WAIT_S = 30.0
"""The longest that the server's thread may be busy with something else."""

PAUSE_S = 0.005
LOOK_S = 0.1
"""How often somebody who waits for the server's thread looks whether it is still there."""


class ThreadedServer:
    """Runs a server on an event loop in another thread while the ``with`` block lasts.

    ``config`` and ``clock`` are as for `Server`. Raises what `Server` raises, in the thread that asks; ServerError if
    the server is asked for something while it does not run.
    """

    def __init__(
        self,
        config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        from natskit.server.server import Server

        self.server: Server = Server(config, clock=clock)
        self._started: Future[None]
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # life

    def start(self) -> None:
        """Start the thread; returns when the server listens. Idempotent."""
        if self._thread is not None:
            return
        self._started = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="natskit-server", daemon=True)
        self._thread.start()
        try:
            self._result(self._started, self._thread)
        except BaseException:
            self._thread = None
            raise

    def stop(self) -> None:
        """Stop the server and its thread. May be called again."""
        thread = self._thread
        if thread is None:
            return
        if threading.current_thread() is thread:
            raise ServerError("stop was called in the server's own thread", hint="await server.stop() there")
        with contextlib.suppress(RuntimeError):  # somebody else has stopped it just now
            self._loop.call_soon_threadsafe(self._ended.set)
        thread.join(WAIT_S)
        if thread.is_alive():
            raise ServerError(f"the server did not stop within {WAIT_S:g} s")
        if self._thread is thread:
            self._thread = None

    def restart(self) -> None:
        """Stop and start again on the same ports, as clients expect it that reconnect."""
        self.server.options = self.call(lambda it: it.settled) if self.running else self.server.options
        self.stop()
        self.start()

    def reload(self, config: Options | str | os.PathLike[str] | Mapping[str, Any] | None = None) -> None:
        """`Server.reload`; what it changes is in force when this returns."""
        loop, thread = self._running_loop()
        if threading.current_thread() is thread:
            raise ServerError("reload was called in the server's own thread", hint="await server.reload() there")
        self._result(asyncio.run_coroutine_threadsafe(self.server.reload(config), loop), thread)

    # what is asked about it

    @property
    def running(self) -> bool:
        return self._thread is not None and self.server.running

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self.server.port

    @property
    def client_url(self) -> str:
        """Where clients connect to."""
        return self.server.client_url

    @property
    def websocket_url(self) -> str:
        """Where WebSocket clients connect to; empty if there is no such listener."""
        return self.server.websocket_url

    @property
    def monitor_url(self) -> str:
        """Where HTTP monitoring is; empty: nowhere."""
        return self.server.monitor_url

    @property
    def last_auth_error(self) -> AuthenticationError | None:
        """Why the last login that was refused was; clients are told less."""
        return self.server.last_auth_error

    def now(self) -> float:
        """The server's time in Unix seconds."""
        return self.server.clock.now()

    def connections(
        self,
        *,
        name: str | None = None,
        user: str | None = None,
        account: str | None = None,
        subject: str | None = None,
    ) -> tuple[ConnectionInfo, ...]:
        """`Server.connections`."""
        return self.call(lambda it: it.connections(name=name, user=user, account=account, subject=subject))

    def subscriptions(
        self, *, name: str | None = None, account: str | None = None, subject: str | None = None
    ) -> tuple[SubscriptionInfo, ...]:
        """`Server.subscriptions`."""
        return self.call(lambda it: it.subscriptions(name=name, account=account, subject=subject))

    def wait_for(self, condition: Callable[[Server], T], timeout_s: float = 5.0) -> T:
        """The first true value of ``condition``, which is called in the server's thread again and again.

        Raises ServerError if there is none in time.
        """
        end = time.monotonic() + timeout_s
        pause = threading.Event()
        while not (value := self.call(condition)):
            if time.monotonic() > end:
                raise ServerError(f"waited {timeout_s:g} s in vain for what should happen on the server")
            pause.wait(PAUSE_S)
        return value

    # what is done with it

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Let the server's time pass at once: what expires meanwhile does so before this returns."""
        self.call(lambda it: it.advance(seconds, minutes=minutes, hours=hours, days=days))

    def update_account(self, token: str) -> None:
        """`Server.update_account`."""
        self.call(lambda it: it.update_account(token))

    def call(self, action: Callable[[Server], T]) -> T:
        """What ``action`` gives for the server, called in its thread: ``call(lambda it: it.total_connections)``."""
        loop, thread = self._running_loop()
        if threading.current_thread() is thread:
            return action(self.server)
        answer: Future[T] = Future()

        def act() -> None:
            try:
                answer.set_result(action(self.server))
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                answer.set_exception(error)

        try:
            loop.call_soon_threadsafe(act)
        except RuntimeError:  # it has been closed just now
            raise _not_running() from None
        return self._result(answer, thread)

    def _running_loop(self) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        thread = self._thread
        if thread is None:
            raise _not_running()
        return self._loop, thread

    @staticmethod
    def _result(answer: Future[T], thread: threading.Thread) -> T:
        """What the thread answers. Raises ServerError if it ends before it does, or takes too long."""
        end = time.monotonic() + WAIT_S
        while not answer.done() and time.monotonic() < end:
            alive = thread.is_alive()
            wait([answer], LOOK_S if alive else 0)
            if not (alive or answer.done()):
                raise _not_running()
        if not answer.done():
            raise ServerError(f"the server's thread did not answer within {WAIT_S:g} s")
        return answer.result()

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


def _not_running() -> ServerError:
    return ServerError("the server is not running", hint="ask it within its with block")
