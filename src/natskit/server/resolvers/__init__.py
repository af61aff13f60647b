"""Where the server finds the tokens of accounts: its configuration, a web address, a directory."""

from __future__ import annotations

from natskit.server.resolvers.directory import Cache, Directory
from natskit.server.resolvers.memory import Memory
from natskit.server.resolvers.resolver import Resolver
from natskit.server.resolvers.web import Web

__all__ = ["Cache", "Directory", "Memory", "Resolver", "Web"]
