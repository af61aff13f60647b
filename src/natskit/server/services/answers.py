"""Answers that are under way to requestors in other accounts.

A request that crosses into another account carries a reply subject of the server's own, ``_R_.<account>.<request>``.
Who publishes on it in that account reaches the requestor, once or several times, until too much time has passed.
Source: spec/server-accounts.md section 5.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from natskit.server.services.latency import Measurement

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.clock import Clock, Timer

__all__ = ["Answers", "Pending", "random_token"]

DEFAULT_THRESHOLD_S = 120.0
MAX_PENDING = 1 << 18
"""Requests to one account that may wait for answers; beyond, those that wait longest are given up."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def random_token(size: int = 6) -> str:
    """A token of a subject that nobody guesses or has had before."""
    return "".join([_ALPHABET[byte % 62] for byte in secrets.token_bytes(size)])


class Pending:
    """A request that waits: answers go to ``reply`` in ``requestor``, one or ``many``.

    It is given up when nothing has happened to it for ``threshold_s`` since ``last`` (Unix seconds).
    """

    __slots__ = ("last", "many", "measurement", "reply", "requestor", "threshold_s")

    def __init__(
        self,
        requestor: Account,
        reply: bytes,
        *,
        many: bool = False,
        threshold_s: float = DEFAULT_THRESHOLD_S,
        measurement: Measurement | None = None,
    ) -> None:
        self.requestor = requestor
        self.reply = reply
        self.many = many
        self.threshold_s = threshold_s
        self.measurement = measurement
        self.last = 0.0


class Answers:
    """What one account is expected to answer.

    Requests with the same threshold wait in one queue, the one that waits longest first, so that one timer a queue is
    enough.
    """

    def __init__(self, account: Account, clock: Clock, everybody: dict[str, Answers]) -> None:
        self._account = account
        self._clock = clock
        self._everybody = everybody
        self._prefix = f"_R_.{random_token()}."
        self._waiting: dict[bytes, Pending] = {}
        self._queues: dict[float, dict[bytes, Pending]] = {}
        self._timers: dict[float, Timer] = {}
        self._handle = account.space.subscribe_internal(f"{self._prefix}>".encode(), self._on_answer, imports=False)

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Expect nothing any more, for good."""
        self.clear()
        self._account.space.unsubscribe_internal(self._handle)

    def clear(self) -> None:
        """Give up everything that waits."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._queues.clear()
        self._waiting.clear()

    def expect(self, pending: Pending) -> bytes:
        """Let a request wait; returns the subject for its answers."""
        tail = pending.measurement.reply_tail if pending.measurement is not None else ""
        subject = f"{self._prefix}{random_token()}{tail}".encode()
        if len(self._waiting) >= MAX_PENDING:
            self.forget(next(iter(self._waiting)))
        pending.last = self._clock.now()
        queue = self._queues.setdefault(pending.threshold_s, {})
        queue[subject] = self._waiting[subject] = pending
        if pending.threshold_s not in self._timers:
            self._watch(pending.threshold_s)
        return subject

    def forget(self, subject: bytes) -> None:
        """Give up one request."""
        pending = self._waiting.pop(subject, None)
        if pending is not None:
            self._queues[pending.threshold_s].pop(subject, None)

    def _watch(self, threshold_s: float) -> None:
        """Come back when the first of a queue has waited long enough."""
        first = next(iter(self._queues[threshold_s].values()), None)
        if first is None:
            self._timers.pop(threshold_s, None)
        else:
            due = first.last + threshold_s
            self._timers[threshold_s] = self._clock.call_at(due, lambda: self._expire(threshold_s))

    def _expire(self, threshold_s: float) -> None:
        now = self._clock.now()
        for subject, pending in list(self._queues[threshold_s].items()):
            if pending.last + threshold_s > now:
                break
            self.forget(subject)
            if pending.measurement is not None:
                listening = pending.requestor.space.has_interest(pending.reply)
                pending.measurement.fail(504 if listening else 408)
        self._watch(threshold_s)

    def _on_answer(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> None:
        pending = self._waiting.get(subject)
        if pending is None:
            return  # too late, or answered already: nobody is told
        if pending.many and (payload or headers):
            queue = self._queues[pending.threshold_s]
            queue[subject] = queue.pop(subject)
            pending.last = self._clock.now()
        else:
            self.forget(subject)
        if pending.measurement is not None:
            pending.measurement.succeed(publisher)
            pending.measurement = None
        if reply:
            # The requestor may answer the answer: the same, in the other direction.
            reply = answers_of(pending.requestor, self._clock, self._everybody).expect(Pending(self._account, reply))
        space = pending.requestor.space
        if not space.publish_internal(pending.reply, reply, headers, payload, links=False):
            self.forget(subject)


def answers_of(account: Account, clock: Clock, everybody: dict[str, Answers]) -> Answers:
    """The answers that ``account`` is expected to give, among those of ``everybody``."""
    found = everybody.get(account.id)
    if found is None:
        found = everybody[account.id] = Answers(account, clock, everybody)
    return found
