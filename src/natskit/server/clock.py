"""The server's time: Unix seconds that a test can move forward, and calls at a given time.

Whatever expires asks this clock, so that ``clock.advance(days=31)`` makes it happen.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

__all__ = ["Clock", "Timer"]

_LONGEST_SLEEP_S = 60.0
"""Wake up at least this often while something is planned: the system's clock may be set or the machine sleep."""


class Timer:
    """A planned call; forget it with :meth:`cancel`."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Do not call. Harmless if it was called."""
        self.callback = None


class Clock:
    """Real time, plus what it was advanced by. Calls are made from the running event loop, in order of their time."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self._ahead = ahead_s
        self._planned: list[tuple[float, int, Timer]] = []
        self._counter = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self._ahead

    @property
    def planned(self) -> int:
        """How many calls are to come."""
        return sum(1 for _, _, timer in self._planned if timer.callback is not None)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback()`` once ``now()`` has reached ``when``, never before this returns."""
        timer = Timer(when, callback)
        heapq.heappush(self._planned, (when, next(self._counter), timer))
        if self._alarm is None or when < self._alarm_at:
            self._arm()
        return timer

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Let time pass at once. What falls due meanwhile is called before this returns, each at its own time."""
        target = self._ahead + seconds + 60 * minutes + 3600 * hours + 86_400 * days
        while self._planned and self._planned[0][0] <= time.time() + target:
            self._ahead = max(self._ahead, self._planned[0][0] - time.time())
            self._call_due()
        self._ahead = max(self._ahead, target)
        self._arm()

    def close(self) -> None:
        """Call nothing any more."""
        self._planned.clear()
        self._arm()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._planned and self._planned[0][2].callback is None:
            heapq.heappop(self._planned)
        if self._planned:
            self._alarm_at = self._planned[0][0]
            delay = min(max(self._alarm_at - self.now(), 0.0), _LONGEST_SLEEP_S)
            self._alarm = asyncio.get_running_loop().call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        try:
            self._call_due()
        finally:  # a call that fails is the event loop's to report; the others are still made
            self._arm()

    def _call_due(self) -> None:
        now = self.now()
        while self._planned and self._planned[0][0] <= now:
            timer = heapq.heappop(self._planned)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
