"""Lame duck mode: a server that is to end takes no new clients and parts with those it has, one after the other.

Clients are told at once, so that they can move; the first is closed after the grace period, the others follow over what
is left of the duration. Source: spec/server-protocol.md section 17.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natskit.server.clock import Timer
    from natskit.server.connection import Client
    from natskit.server.server import Server

__all__ = ["LameDuck"]

log = logging.getLogger(__name__)

LONGEST_STEP_S = 1.0
SHORTEST_STEP_S = 0.001
"""With more clients than there are such steps, several are closed in one."""


class LameDuck:
    """The last while of a server. It is over when the last client is gone, or `end` is called."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = asyncio.Event()
        self._left: list[Client] = []
        self._step_s = LONGEST_STEP_S
        self._batch = 1
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Tell the clients, and plan their end."""
        log.info("Entering lame duck mode, stop accepting new clients")
        options, clients = self._server.options, self._server.clients
        if not clients:
            self.end()
            return
        for client in tuple(clients.values()):
            client.tell_lame_duck()
        self._timer = self._server.clock.call_in(options.lame_duck_grace_period_s, self._part)

    def end(self) -> None:
        """Wait for nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._over.set()

    async def over(self) -> None:
        """Return when it is."""
        await self._over.wait()

    def _part(self) -> None:
        """The grace period is over: spread the rest of the duration over those who are still here."""
        log.info("Closing existing clients")
        options = self._server.options
        self._left = list(self._server.clients.values())
        step = (options.lame_duck_duration_s - options.lame_duck_grace_period_s) / max(len(self._left), 1)
        self._step_s = min(max(step, SHORTEST_STEP_S), LONGEST_STEP_S)
        self._batch = max(round(self._step_s / step), 1) if step < SHORTEST_STEP_S else 1
        self._close_some()

    def _close_some(self) -> None:
        going, self._left = self._left[: self._batch], self._left[self._batch :]
        for client in going:
            client.close("Server Shutdown")
        if self._left and self._server.clients:
            # Between half a step and a whole one, so that those who come back elsewhere do not come in beats.
            self._timer = self._server.clock.call_in(self._step_s * random.uniform(0.5, 1), self._close_some)  # noqa: S311
        else:
            self.end()
