"""The embedded NATS server."""

from __future__ import annotations

from natskit.server.options import Options
from natskit.server.server import Server

__all__ = ["Options", "Server"]
