"""The NATS client protocol without sockets: parser, subject index, routes, connection engine.

:class:`Space` is one account's subjects, :class:`Connection` one peer in it, :class:`Hub` the descriptors that are
served together. :class:`~natskit.wire.session.Session` is what a connection asks its owner.
"""

from __future__ import annotations

from natskit.wire._core.connection import Connection
from natskit.wire._core.hub import Hub
from natskit.wire._core.index import Subscription
from natskit.wire._core.output import Outbox
from natskit.wire._core.quote import quote
from natskit.wire._core.space import Internal, Link, Space
from natskit.wire._core.verdict import Verdicts

__all__ = ["Connection", "Hub", "Internal", "Link", "Outbox", "Space", "Subscription", "Verdicts", "quote"]
