"""Who a client is, and what it may do.

`Authenticator.authenticate` turns a CONNECT into an `Admission`, or raises AuthenticationError: its message says which
check failed, for the log; the peer is told its ``reply`` only.
"""

from __future__ import annotations

from natskit.server.auth.admission import Admission, tighter
from natskit.server.auth.authenticator import Authenticator
from natskit.server.auth.certificate import CertificateNames
from natskit.server.auth.connect import ConnectOptions, Peer

__all__ = [
    "Admission",
    "Authenticator",
    "CertificateNames",
    "ConnectOptions",
    "Peer",
    "tighter",
]
