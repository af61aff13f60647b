"""The account server: account JWTs over HTTP for nats-servers that resolve them by URL.

::

    async with AccountServer(Options(store=Nsc("~/.local/share/nats/nsc/stores/MyOperator"))) as server:
        print(server.url)

It holds no private keys and asks nobody who they are: trust rests on the signatures of the tokens alone.
Source: spec/account-server.md.
"""

from natskit.account_server.options import Directory, Memory, NatsOptions, Nsc, Options
from natskit.account_server.server import AccountServer

__all__ = ["AccountServer", "Directory", "Memory", "NatsOptions", "Nsc", "Options"]
