"""TLS settings as the standard library takes them, and what it does not check itself.

Source: server-protocol.md section 16, server-config.md section 3.1.
"""

from __future__ import annotations

import hashlib
import ssl

from natskit.errors import DecodeError, ServerError, VerifyError
from natskit.server.options import Tls

__all__ = ["check_pins", "server_context"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


def server_context(tls: Tls) -> ssl.SSLContext:
    """The context of a listener. Raises ServerError if a certificate, key, authority or cipher cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    if not tls.certificates:
        raise ServerError("tls needs a certificate: set cert_file and key_file")
    for pair in tls.certificates:
        try:
            context.load_cert_chain(pair.cert_file, pair.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ServerError(f"error parsing X509 certificate/key pair {pair.cert_file}: {error}") from None
    if tls.ca_file:
        try:
            context.load_verify_locations(tls.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ServerError(f"failed to parse root ca certificate {tls.ca_file}: {error}") from None
    if tls.verify or tls.verify_and_map:
        context.verify_mode = ssl.CERT_REQUIRED
        if not tls.ca_file:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    _choose_ciphers(context, tls)
    return context


def _choose_ciphers(context: ssl.SSLContext, tls: Tls) -> None:
    """TLS 1.2 suites as listed; those of 1.3 are all good and not to be chosen."""
    chosen = [_openssl_name(name) for name in tls.cipher_suites if "_WITH_" in name]
    try:
        if chosen:
            context.set_ciphers(":".join(chosen))
        curve = next((_CURVES[name] for name in tls.curve_preferences if name in _CURVES), None)
        if curve is not None and curve != "X25519":
            context.set_ecdh_curve(curve)
    except ssl.SSLError as error:
        raise ServerError(f"tls cipher suites or curves cannot be used here: {error}") from None


def _openssl_name(suite: str) -> str:
    """``TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`` as OpenSSL calls it: ``ECDHE-RSA-AES128-GCM-SHA256``."""
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.replace("AES_128", "AES128").replace("AES_256", "AES256").replace("_CBC_", "_")
    cipher = cipher.removesuffix("_SHA256") if "POLY1305" in cipher else cipher
    parts = [part for part in (exchange if exchange != "RSA" else "", cipher) if part]
    return "-".join(parts).replace("_", "-")


def check_pins(certificate: bytes | None, pins: frozenset[str]) -> None:
    """Check that the public key of a DER certificate is pinned. Raises VerifyError if it is not, or there is none."""
    if not pins:
        return
    if certificate is None:
        raise VerifyError("certificate not pinned: the client has none")
    digest = hashlib.sha256(_public_key_info(certificate)).hexdigest()
    if digest not in pins:
        raise VerifyError(f"certificate not pinned: its key is {digest}")


def _public_key_info(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1)."""
    _, body, _ = _element(certificate, 0)
    _, at, _ = _element(certificate, body)
    if certificate[at] == 0xA0:  # the version is there unless it is 1
        at = _element(certificate, at)[2]
    for _ in range(5):  # serial number, signature, issuer, validity, subject
        at = _element(certificate, at)[2]
    return certificate[at : _element(certificate, at)[2]]


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start of the contents and end of the DER element at ``at``. Raises DecodeError."""
    try:
        size, start = data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        if start + size > len(data):
            raise IndexError
        return data[at], start, start + size
    except IndexError:
        raise DecodeError("certificate is no DER") from None
