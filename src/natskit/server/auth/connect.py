"""What a client says about itself in CONNECT, and what the server knows about its connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from natskit.errors import ProtocolError
from natskit.server.auth.certificate import CertificateNames
from natskit.wire import quote

__all__ = ["ConnectOptions", "Peer"]


class ConnectOptions(Struct, frozen=True, kw_only=True):
    """The fields of CONNECT. A new connection has the defaults; each CONNECT replaces what it names.

    Source: spec/server-protocol.md section 4.
    """

    verbose: bool = True
    pedantic: bool = True
    echo: bool = True
    tls_required: bool = False
    protocol: int = 0
    headers: bool = False
    no_responders: bool = False
    name: str = ""
    lang: str = ""
    version: str = ""
    user: str = ""
    password: str = msgspec.field(default="", name="pass")
    auth_token: str = ""
    nkey: str = ""
    jwt: str = ""
    sig: str = ""
    proxy_sig: str = ""
    account: str = ""
    new_account: bool = False

    def __repr__(self) -> str:
        return f"ConnectOptions(name={self.name!r}, lang={self.lang!r}{self.credential_label()})"

    def merge(self, document: bytes) -> ConnectOptions:
        """These options with what the JSON ``document`` of CONNECT says. Keys match in any case, null changes nothing.

        Raises ProtocolError (nothing is told to the peer) for anything but an object with values of the right types.
        """
        try:
            said = _read(document)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(f"CONNECT cannot be read: {error}") from None
        if said is None:
            return self
        if not isinstance(said, dict):
            raise ProtocolError(f"CONNECT is not an object: {type(said).__name__}")
        changes = {}
        for key, value in said.items():
            field = _FIELDS.get(key) or _FIELDS.get(key.lower())
            if field is None or value is None:
                continue
            if type(value) is not field.type:
                raise ProtocolError(f"CONNECT has a {type(value).__name__} for {field.encode_name}")
            changes[field.name] = value
        return msgspec.structs.replace(self, **changes)

    @property
    def program(self) -> str:
        """Which program it says it is: ``v<version>:<lang>:<name>``, of these what it says."""
        version = f"v{self.version}" if self.version else ""
        return ":".join(part for part in (version, self.lang, self.name) if part)

    def completed(self, credentials: Mapping[str, str]) -> ConnectOptions:
        """These options, with ``credentials`` by field name where they have none."""
        missing = {name: value for name, value in credentials.items() if not getattr(self, name)}
        return msgspec.structs.replace(self, **missing) if missing else self

    def as_remembered(self, *, let_in: bool) -> ConnectOptions:
        """These options for when the connection has ended: without secrets and, unless it was let in, without all that
        it offered, which may be long."""
        mine = self if let_in else msgspec.structs.replace(self, user="", nkey="", jwt="")
        return msgspec.structs.replace(mine, password="", auth_token="", sig="", proxy_sig="")

    @property
    def claimed_user(self) -> str:
        """Who the client says it is: what stands for its user as long as it is not let in."""
        if self.nkey or self.user or not (self.jwt or self.auth_token):
            return self.nkey or self.user
        return _jwt_subject(self.jwt) if self.jwt else "[REDACTED]"

    def credential_label(self) -> str:
        """Which credential was offered, for the log: `` - User "x"``; empty if there was none."""
        if self.nkey:
            return f' - Nkey "{self.nkey}"'
        if self.user:
            return f' - User "{self.user}"'
        if self.jwt:
            return f' - JWT User "{_jwt_subject(self.jwt)}"'
        return ' - Token "[REDACTED]"' if self.auth_token else ""


_decode: Any = msgspec.json.Decoder().decode
_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(ConnectOptions)}


def _read(document: bytes) -> Any:
    """What JSON says; as in the Go server, bytes that are no UTF-8 stand for U+FFFD."""
    try:
        return _decode(document)
    except UnicodeDecodeError:
        return _decode(document.decode("utf-8", "replace"))


def _jwt_subject(token: str) -> str:
    """The subject that a token claims to have; nothing about it is verified."""
    from natskit import jwt
    from natskit.errors import Error

    try:
        subject: str = jwt.decode_unverified(token).subject
        return subject
    except Error:
        return ""


class Peer(Struct, frozen=True, kw_only=True):
    """A connection as its server sees it. ``nonce`` is what the client was asked to sign; empty: it was not asked.

    ``connection_type``: STANDARD, WEBSOCKET or IN_PROCESS. ``certificate``: the names in the one that the client showed
    and that was verified. ``forwarded_for``: the address that a proxy says it has; for the log, nothing relies on it.
    ``labels``: what the log calls it besides, once it has said who it is.
    """

    host: str
    port: int = 0
    nonce: str = ""
    connection_type: str = "STANDARD"
    cid: int = 0
    certificate: CertificateNames | None = None
    forwarded_for: str = ""
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        via = f"{self.forwarded_for}/" if self.forwarded_for else ""
        kind = "wid" if self.connection_type == "WEBSOCKET" else "cid"
        labels = "".join([f" - {_quoted(label)}" for label in self.labels if label])
        return f"{via}{self.host}:{self.port} - {kind}:{self.cid}{labels}"


def _quoted(label: str) -> str:
    """Between quotes that what a client calls itself cannot end."""
    return quote(label.encode("utf-8", "backslashreplace")).decode()
