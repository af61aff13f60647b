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


_MOST_CANCELLED = 64
"""So many cancelled timers, or as many as others, may wait for their time; then they are swept out."""


class Timer:
    """A planned call; forget it with :meth:`cancel`."""

    __slots__ = ("_clock", "callback", "when")

    def __init__(self, when: float, callback: Callable[[], object], clock: Clock) -> None:
        self.when = when
        self.callback: Callable[[], object] | None = callback
        self._clock = clock

    def cancel(self) -> None:
        """Do not call. Harmless if it was called."""
        if self.callback is not None:
            self.callback = None
            self._clock._cancelled += 1
            self._clock._sweep()


class Clock:
    """Real time, plus what it was advanced by. Calls are made from the running event loop, in order of their time."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self._ahead = ahead_s
        self._planned: list[tuple[float, int, Timer]] = []
        self._counter = itertools.count()
        self._cancelled = 0
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
        timer = Timer(when, callback, self)
        heapq.heappush(self._planned, (when, next(self._counter), timer))
        if self._alarm is None or when < self._alarm_at:
            self._arm()
        return timer

    def call_in(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """The same, ``seconds`` from now."""
        return self.call_at(self.now() + seconds, callback)

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
        self._cancelled = 0
        self._arm()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._planned and self._planned[0][2].callback is None:
            heapq.heappop(self._planned)
            self._cancelled -= 1
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
            if callback is None:
                self._cancelled -= 1
            else:
                callback()

    def _sweep(self) -> None:
        """Forget cancelled timers once they are many: those of logins for a year would stay for a year."""
        if self._cancelled > max(_MOST_CANCELLED, len(self._planned) // 2):
            self._planned = [each for each in self._planned if each[2].callback is not None]
            heapq.heapify(self._planned)
            self._cancelled = 0
