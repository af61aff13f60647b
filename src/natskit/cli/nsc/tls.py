"""TLS of connections to servers: the flags, the variables behind them, and a login that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import switch, text

if TYPE_CHECKING:
    from natskit.client import Login
    from natskit.jwt.files import Creds

    from .run import Run

__all__ = ["TLS", "login"]

TLS = (
    switch("tls-first", "", "TLS handshake before the server's first line"),
    text("ca-cert", "", "certificates to trust, default $NATS_CA or the system's", metavar="FILE"),
    text("client-cert", "", "certificate of the client, default $NATS_CERT", metavar="FILE"),
    text("client-key", "", "key of that certificate, default $NATS_KEY", metavar="FILE"),
    text("tls-curves", "", "curves to agree on a key with: P256, P384, P521, X25519", metavar="LIST"),
)


def login(run: Run, creds: str | Creds, values: dict[str, Any]) -> Login:
    """A login with ``creds`` and what the flags ``values`` or the variables say. Raises UsageError."""
    from natskit.client import Login

    def file(flag: str, variable: str) -> str | None:
        path = values[flag] or run.workspace.environ.get(variable, "")
        return run.full_path(path) if path else None

    return Login(
        creds=creds,
        tls_ca=file("ca_cert", "NATS_CA"),
        tls_cert=file("client_cert", "NATS_CERT"),
        tls_key=file("client_key", "NATS_KEY"),
        tls_first=values["tls_first"],
        tls_curves=tuple(each for each in values["tls_curves"].replace(" ", "").split(",") if each),
    )
