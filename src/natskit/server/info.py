"""INFO: what a server says about itself when a client connects, and when that changes.

Source: server-protocol.md section 3.
"""

from __future__ import annotations

import platform

import msgspec

from natskit import __version__

COMPATIBLE = "2.15.1"
"""The release of nats-server whose client protocol this server speaks; clients look at it for features."""

VERSION = f"{COMPATIBLE}+natskit.{__version__}"
RUNTIME = f"python{platform.python_version()}"


class Info(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """INFO, its keys in the order in which servers send them; what has a default is left out when it has it."""

    server_id: str
    server_name: str
    version: str = msgspec.field(default_factory=lambda: VERSION)
    proto: int
    go: str = msgspec.field(default_factory=lambda: RUNTIME)
    host: str
    port: int
    headers: bool
    auth_required: bool = False
    tls_required: bool = False
    tls_verify: bool = False
    tls_available: bool = False
    max_payload: int
    client_id: int = 0
    client_ip: str = ""
    nonce: str = ""
    ldm: bool = False
    connect_info: bool = False
    remote_account: str = ""
    acc_is_sys: bool = False
    xkey: str = ""

    def line(self) -> bytes:
        """The protocol line."""
        return b"INFO " + msgspec.json.encode(self) + b" \r\n"
