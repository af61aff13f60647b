"""What a server shows of itself: reports about its connections, subscriptions and accounts.

`Reports` makes them; :mod:`natskit.server.monitor.http` serves them (and alone needs aiohttp). Shapes and texts are
those of nats-server. Source: spec/server-config.md section 9.
"""

from __future__ import annotations

from natskit.server.monitor.reports import Reports
from natskit.server.monitor.snapshot import Snapshot, snapshot

__all__ = ["Reports", "Snapshot", "snapshot"]
