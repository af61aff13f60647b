"""Authorization request and response: what a server and an auth callout service say to each other."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from natskit.jwt.body import Body, Claims, Int64


class ServerID(Body, frozen=True):
    """The asking server."""

    name: str = field(default_factory=str)
    host: str = field(default_factory=str)
    id: str = field(default_factory=str)
    version: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    xkey: str = ""


class ClientInformation(Body, frozen=True):
    """The client that wants to connect."""

    host: str = ""
    id: Int64 = 0
    user: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    name_tag: str = ""
    kind: str = ""
    type: str = ""
    mqtt_id: str = ""
    nonce: str = ""


class ConnectOptions(Body, frozen=True):
    """What the client sent in CONNECT."""

    jwt: str = ""
    nkey: str = ""
    sig: str = ""
    auth_token: str = ""
    user: str = ""
    # `pass` is a keyword of Python
    password: str = field(default="", name="pass")
    name: str = ""
    lang: str = ""
    version: str = ""
    protocol: Int64 = field(default_factory=int)

    def __repr__(self) -> str:
        """Without passwords, tokens and signatures."""
        return f"ConnectOptions(user={self.user!r}, nkey={self.nkey!r}, name={self.name!r}, lang={self.lang!r})"


class ClientTLS(Body, frozen=True):
    """The client's TLS session; certificates are PEM."""

    version: str = ""
    cipher: str = ""
    certs: tuple[str, ...] = ()
    verified_chains: tuple[tuple[str, ...], ...] = ()


class AuthorizationRequest(Body, frozen=True):
    """Spec section 3.5."""

    server_id: ServerID = field(default_factory=ServerID)
    user_nkey: str = field(default_factory=str)
    client_info: ClientInformation = field(default_factory=ClientInformation)
    connect_opts: ConnectOptions = field(default_factory=ConnectOptions)
    client_tls: ClientTLS | None = None
    request_nonce: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0


class AuthorizationRequestClaims(Claims, frozen=True, kw_only=True):
    """A server's question to the auth callout service."""

    kind: ClassVar[str] = "authorization_request"

    nats: AuthorizationRequest = field(default_factory=AuthorizationRequest)


class AuthorizationResponse(Body, frozen=True):
    """Spec section 3.6: either ``jwt`` or ``error``."""

    jwt: str = ""
    error: str = ""
    issuer_account: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0

    def __repr__(self) -> str:
        """Without the token."""
        return f"AuthorizationResponse(error={self.error!r}, issuer_account={self.issuer_account!r})"


class AuthorizationResponseClaims(Claims, frozen=True, kw_only=True):
    """The service's answer: ``subject`` is the user key of the request, ``audience`` the server."""

    kind: ClassVar[str] = "authorization_response"

    nats: AuthorizationResponse = field(default_factory=AuthorizationResponse)


KINDS: dict[str, type[Claims]] = {kind.kind: kind for kind in (AuthorizationRequestClaims, AuthorizationResponseClaims)}
