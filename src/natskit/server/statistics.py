"""How the server does in numbers: what it uses, and what it tells its system account of that, now and again.

Source: spec/server-accounts.md section 8 (STATSZ).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.clock import Timer
    from natskit.server.server import Server
    from natskit.server.system import System

__all__ = ["Processor", "StatisticsEvents", "plain", "resident_bytes", "server_statistics"]

FIRST_S = 0.25
LONGEST_S = 10.0


class Processor:
    """How much of the processors this process takes."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._used = time.process_time()
        self._percent = 0.0

    def percent(self) -> float:
        """Percent of one processor, of the time since the answer before, if that was a second ago or more."""
        wall = time.monotonic()
        if wall - self._wall >= 1.0:
            used = time.process_time()
            self._percent = round(100 * (used - self._used) / (wall - self._wall), 1)
            self._wall, self._used = wall, used
        return self._percent


def resident_bytes() -> int:
    """How much memory the process has in use; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def plain(number: float) -> float | int:
    """As Go writes it: no fraction if there is none."""
    return int(number) if number == int(number) else number


def server_statistics(server: Server) -> dict[str, Any]:
    """The ``statsz`` object."""
    spaces = [account.space for account in server.accounts]
    sent = {"msgs": sum(s.out_messages for s in spaces), "bytes": sum(s.out_bytes for s in spaces)}
    received = {"msgs": sum(s.in_messages for s in spaces), "bytes": sum(s.in_bytes for s in spaces)}
    return {
        "start": timestamp(server.started_at),
        "mem": resident_bytes(),
        "cores": os.cpu_count() or 1,
        "cpu": plain(server.processor.percent()),
        "connections": len(server.clients),
        "total_connections": server.total_connections,
        "active_accounts": sum(1 for account in server.accounts if account.members),
        "subscriptions": sum(s.subscription_count for s in spaces),
        "sent": sent,
        "sent_to_clients": sent,
        "received": received,
        "received_from_clients": received,
        "slow_consumers": server.slow_consumers,
        "active_servers": 1,
        "gomaxprocs": 1,  # one event loop
    }


class StatisticsEvents:
    """Publishes the statistics soon after the start, then less and less often, if anybody listens."""

    def __init__(self, server: Server, system: System) -> None:
        self._server = server
        self._system = system
        self._interval_s = FIRST_S
        self._timer: Timer = self._plan()

    def close(self) -> None:
        """Publish no more."""
        self._timer.cancel()

    def _plan(self) -> Timer:
        return self._server.clock.call_in(self._interval_s, self._publish)

    def _publish(self) -> None:
        subject = f"$SYS.SERVER.{self._server.id}.STATSZ"
        if self._system.account.space.has_interest(subject.encode()):
            self._system.say(subject, {"statsz": server_statistics(self._server)})
        self._interval_s = min(2 * self._interval_s, LONGEST_S)
        self._timer = self._plan()
