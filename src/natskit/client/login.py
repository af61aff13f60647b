"""Who a client is: creds, nkey, user and password or token; and whom it trusts in TLS."""

from __future__ import annotations

import base64
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from natskit.errors import Error, InvalidToken, KeyUseError, UsageError
from natskit.jwt.files import Creds, parse_creds, parse_seed
from natskit.nkeys import KeyPair, Role

__all__ = ["Login"]


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in; at most one of ``creds``, ``nkey``, ``user`` and ``token``.

    ``creds`` is the path of a creds file, which is read again at every reconnect, or `Creds`; ``nkey`` the path of a
    seed file. ``tls_ca`` is a file of trusted certificates in place of the system's; ``tls_cert`` and ``tls_key`` are
    the client's own. With ``tls_first`` the handshake comes before the server's INFO line. ``tls_curves`` are those to
    agree on a key with, such as ``X25519``; before Python 3.15 only one can be named.
    """

    creds: str | Creds | None = None
    nkey: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_first: bool = False
    tls_curves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = {"creds": self.creds, "nkey": self.nkey, "user": self.user, "token": self.token}
        given = [name for name, value in names.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} are different ways to log in: give one")
        if self.password and not self.user:
            raise UsageError("a password needs a user")
        if self.user and self.password is None:
            raise UsageError(f'no password for user "{self.user}"')
        if self.tls_key and not self.tls_cert:
            raise UsageError("a TLS key needs a TLS certificate")
        for curve in self.tls_curves:
            if _curve(curve) not in _CURVES:
                raise UsageError(f'unknown curve preference "{curve}"', hint=f"use {', '.join(_CURVES)}")

    def options(self) -> dict[str, Any]:
        """The keyword arguments of ``nats.connect``. Raises InvalidToken, InvalidKey, OSError for unusable files."""
        options: dict[str, Any] = {}
        if self.creds:
            options |= _creds_callbacks(self.creds)
        if self.nkey:
            options["signature_cb"] = _signer(_seed(self.nkey))
        if self.user:
            options |= {"user": self.user, "password": self.password}
        if self.token:
            options["token"] = self.token
        if self.tls_ca or self.tls_cert or self.tls_curves:
            options["tls"] = self._tls_context()
        if self.tls_first:
            options["tls_handshake_first"] = True
        return options

    def public_nkey(self) -> str | None:
        """The public key of an nkey login, None for the others."""
        return KeyPair.from_seed(_seed(self.nkey)).public if self.nkey else None

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert:
                context.load_cert_chain(self.tls_cert, self.tls_key)
            self._choose_curves(context)
        except OSError as error:
            files = ", ".join(each for each in (self.tls_ca, self.tls_cert, self.tls_key) if each)
            reason = getattr(error, "reason", None) or error.strerror or error
            raise KeyUseError(f"the TLS files cannot be used ({files}): {reason}") from None
        return context

    def _choose_curves(self, context: ssl.SSLContext) -> None:
        names = [_CURVES[_curve(each)] for each in self.tls_curves]
        if hasattr(context, "set_groups") and names:  # Python 3.15
            context.set_groups(":".join(names))
        elif len(names) > 1:
            raise UsageError("this Python can be told one curve only, not several", hint="name one, or none")
        elif names:
            context.set_ecdh_curve(names[0])


_CURVES = {"P256": "prime256v1", "P384": "secp384r1", "P521": "secp521r1", "X25519": "X25519"}
"""Curves by the names that nats-server has for them, and those of OpenSSL."""


def _curve(text: str) -> str:
    """``CurveP256``, ``p256`` ... as ``P256``."""
    return text.upper().removeprefix("CURVE")


def _creds_callbacks(source: str | Creds) -> dict[str, Callable[..., bytes]]:
    """Callbacks for token and signature. A file that became unreadable is replaced by what it held before."""
    latest = source if isinstance(source, Creds) else _read_creds(source)

    def token() -> bytes:
        return latest.token.encode()

    def sign(nonce: str) -> bytes:
        # The library asks for the signature first, so this is where the file is read again.
        nonlocal latest
        if isinstance(source, str):
            with contextlib.suppress(Error, OSError):  # being rewritten: the creds we have are worth a try
                latest = _read_creds(source)
        return _signer(latest.seed)(nonce)

    return {"user_jwt_cb": token, "signature_cb": sign}


def _read_creds(path: str) -> Creds:
    try:
        return parse_creds(_read(path))
    except InvalidToken as error:
        raise InvalidToken(f"{path} is not a creds file: {error.message}", hint=error.hint) from None


def _seed(path: str) -> str:
    seed = parse_seed(_read(path))
    if KeyPair.from_seed(seed).role is not Role.USER:
        raise KeyUseError(f"{path} does not hold the seed of a user (SU...)")
    return seed


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(1 << 20)
    except ValueError:  # a NUL in the name
        raise UsageError(f"{path!r} is not a file name") from None


def _signer(seed: str) -> Callable[[str], bytes]:
    """A callback that signs the server's nonce: base64url without padding."""

    def sign(nonce: str) -> bytes:
        return base64.urlsafe_b64encode(KeyPair.from_seed(seed).sign(nonce.encode())).rstrip(b"=")

    return sign
