"""Which replies a client with ``allow_responses`` may publish: those asked for by what it received.

Source: server-accounts.md section 3.
"""

from __future__ import annotations

from natskit.graph import Responses

__all__ = ["ExpectedReplies"]

MOST = 65_536
"""Replies remembered per client; the oldest go first."""


class ExpectedReplies:
    """Reply subjects of messages that were delivered, each with how often and until when it may be published."""

    def __init__(self, allowed: Responses) -> None:
        self._allowed = allowed
        self._open: dict[bytes, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, reply: bytes, now: float) -> None:
        """A message with this reply was delivered at ``now`` (Unix seconds)."""
        self._open.pop(reply, None)
        if len(self._open) >= MOST:
            self._drop(now)
        self._open[reply] = (self._allowed.max_messages, now + self._allowed.expires_s)

    def take(self, reply: bytes, now: float) -> bool:
        """Count one answer; False if it is not expected, or not any more."""
        left, until = self._open.get(reply, (0, 0.0))
        if left == 0 or (self._allowed.expires_s >= 0 and now > until):
            self._open.pop(reply, None)
            return False
        if left > 0:
            self._open[reply] = (left - 1, until)
        return True

    def _drop(self, now: float) -> None:
        """Forget what has expired, and the oldest eighth if that is too little."""
        if self._allowed.expires_s >= 0:
            self._open = {reply: entry for reply, entry in self._open.items() if entry[1] >= now}
        for reply in list(self._open)[: max(0, len(self._open) - MOST * 7 // 8)]:
            del self._open[reply]
