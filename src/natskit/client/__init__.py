"""What the small clients share: one connection to a NATS server, over the official client library.

`Login` says who the client is, `connect` opens a `Connection` that publishes, subscribes and requests. Failures are
those of ``natskit.errors``: Unreachable, AuthenticationError, DeniedError.
"""

from natskit.client.connection import Connection, Message, connect
from natskit.client.login import Login

__all__ = ["Connection", "Login", "Message", "connect"]
