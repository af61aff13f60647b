"""The WebSocket listener: HTTP requests become connections whose bytes travel in frames.

Source: spec/server-protocol.md section 20; RFC 6455, RFC 7692.
"""

from __future__ import annotations

from natskit.server.websocket.door import WebSocketDoor

__all__ = ["WebSocketDoor"]
