"""The frames that carry the protocol over WebSocket: their decoder, and the kinds of what it tells."""

from __future__ import annotations

from natskit.wire._core.frames import CLOSE, DATA, DEFLATED, FAULT, PING, FrameDecoder

__all__ = ["CLOSE", "DATA", "DEFLATED", "FAULT", "PING", "FrameDecoder"]
