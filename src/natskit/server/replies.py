"""Which replies a client with ``allow_responses`` may publish: those asked for by what it received.

Source: server-accounts.md section 3.
"""

from __future__ import annotations

from natskit.graph import Responses

__all__ = ["ExpectedReplies"]

MOST = 65_536
MOST_BYTES = 8 << 20
"""Replies remembered per client, and how long they may be in all; the oldest go first."""


class ExpectedReplies:
    """Reply subjects of messages that were delivered, each with how often and until when it may be published."""

    def __init__(self, allowed: Responses) -> None:
        self._allowed = allowed
        self._open: dict[bytes, tuple[int, float]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, reply: bytes, now: float) -> None:
        """A message with this reply was delivered at ``now`` (Unix seconds)."""
        self._forget(reply)
        if len(self._open) >= MOST or self._bytes + len(reply) > MOST_BYTES:
            self._drop(now)
        self._bytes += len(reply)
        self._open[reply] = (self._allowed.max_messages, now + self._allowed.expires_s)

    def take(self, reply: bytes, now: float) -> bool:
        """Count one answer; False if it is not expected, or not any more."""
        left, until = self._open.get(reply, (0, 0.0))
        if left == 0 or (self._allowed.expires_s >= 0 and now > until):
            self._forget(reply)
            return False
        if left > 0:
            self._open[reply] = (left - 1, until)
        return True

    def _drop(self, now: float) -> None:
        """Forget what has expired, and the oldest eighth if that is too little."""
        if self._allowed.expires_s >= 0:
            for reply in [reply for reply, (_, until) in self._open.items() if until < now]:
                self._forget(reply)
        for reply in list(self._open):
            if len(self._open) <= MOST * 7 // 8 and self._bytes <= MOST_BYTES * 7 // 8:
                break
            self._forget(reply)

    def _forget(self, reply: bytes) -> None:
        if self._open.pop(reply, None) is not None:
            self._bytes -= len(reply)
