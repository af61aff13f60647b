"""What clients of one listener find: how the server describes itself there, who is let in, and how fast it must go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from natskit.server.auth import Authenticator
from natskit.server.info import Info

if TYPE_CHECKING:
    from natskit.server.connection import Client
    from natskit.server.options import Options, WebSocket

__all__ = ["Gate", "client_gate", "websocket_gate"]


class Gate(Struct, frozen=True, kw_only=True):
    """``info``: INFO for everybody; times in seconds. ``asks_for_login``: what a greeting says in place of it."""

    info: Info
    asks_for_login: bool
    authenticator: Authenticator
    auth_timeout_s: float
    ping_interval_s: float

    def in_lame_duck_mode(self) -> Gate:
        """The same, for a server that is about to end."""
        return replace(self, info=replace(self.info, ldm=True))

    def greeting(self, client: Client) -> Info:
        """The INFO that a client is greeted with."""
        peer = client.peer
        host = peer.host if client.introduced else ""
        return replace(
            self.info, auth_required=self.asks_for_login, client_id=peer.cid, client_ip=host, nonce=peer.nonce
        )

    def advice_to_move(self, client: Client) -> Info:
        """The INFO that asks a client to go elsewhere."""
        return replace(self._news_for(client), ldm=True)

    def place_of(self, client: Client) -> Info:
        """The INFO that follows the first PONG: what the client is to the server now."""
        account = client.admission.account if client.admission is not None else None
        return replace(
            self._news_for(client),
            connect_info=True,
            remote_account=account.id if account is not None else "",
            acc_is_sys=account is not None and account.is_system,
        )

    def _news_for(self, client: Client) -> Info:
        """An INFO that comes later."""
        return replace(
            self.info,
            max_payload=client.engine.max_payload,
            client_id=client.peer.cid,
            client_ip=client.peer.host,
        )


def client_gate(options: Options, info: Info, authenticator: Authenticator, port: int) -> Gate:
    """That of the listener for TCP and TLS, which listens on ``port``."""
    tls = options.tls
    host, port = options.advertised(port)
    return Gate(
        info=replace(
            info,
            host=host,
            port=port,
            tls_required=tls is not None and (not options.allow_non_tls or tls.handshake_first_s is not None),
            tls_verify=tls is not None and tls.verify,
            tls_available=tls is not None and options.allow_non_tls,
        ),
        asks_for_login=authenticator.announced,
        authenticator=authenticator,
        auth_timeout_s=options.auth_timeout_s,
        ping_interval_s=options.ping_interval_s,
    )


def websocket_gate(options: Options, websocket: WebSocket, info: Info, authenticator: Authenticator, port: int) -> Gate:
    """That of the WebSocket listener. ``authenticator`` judges by `Options.for_websocket`."""
    secure = websocket.tls is not None
    login, interval_s = websocket.authorization, websocket.ping_interval_s
    return Gate(
        info=replace(
            info,
            host=websocket.host,
            port=port,
            tls_required=secure,
            tls_verify=websocket.tls is not None and websocket.tls.verify,
            tls_available=secure,
        ),
        asks_for_login=info.auth_required or authenticator.required,
        authenticator=authenticator,
        auth_timeout_s=login.timeout_s if login is not None and login.timeout_s is not None else options.auth_timeout_s,
        ping_interval_s=options.ping_interval_s if interval_s is None else interval_s,
    )
