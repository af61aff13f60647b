"""The embedded NATS server."""

from __future__ import annotations

from natskit.server.inspection import ConnectionInfo, SubscriptionInfo
from natskit.server.options import Options
from natskit.server.server import Server
from natskit.server.threaded import ThreadedServer

__all__ = ["ConnectionInfo", "Options", "Server", "SubscriptionInfo", "ThreadedServer"]
