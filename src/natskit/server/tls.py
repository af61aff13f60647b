"""TLS settings as the standard library takes them, and what it does not check itself.

Source: server-protocol.md section 16, server-config.md section 3.1.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import ssl
from collections.abc import Callable, Iterator

from msgspec import Struct

from natskit.errors import DecodeError, ServerError, VerifyError
from natskit.server.auth import CertificateNames
from natskit.server.options import CertificatePair, Tls

__all__ = ["Secured", "certificate_end", "certificate_names", "check_pins", "public_key_info", "server_context"]

log = logging.getLogger(__name__)

UTC_TIME, EXTENSIONS, DNS_NAME = 0x17, 0xA3, 0x82
_SUBJECT_ALT_NAME = b"\x06\x03\x55\x1d\x11"
_PEM_BEGIN, _PEM_END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
)
_SUITES_1_3 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_HYBRID_CURVES = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")
"""Known, but not to be chosen through the standard library."""

_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


def server_context(tls: Tls) -> ssl.SSLContext:
    """The context of a listener. Raises ServerError if a certificate, key, authority or cipher cannot be used.

    Of several certificates that is shown which is for the name that the client asks for, else the first one of a kind
    of key that it can use.
    """
    if not tls.certificates:
        raise ServerError("tls needs a certificate: set cert_file and key_file")
    # A context has one certificate for each kind of key, the one that was loaded last.
    context = _context(tls, tls.certificates[::-1])
    if len(tls.certificates) > 1:
        context.sni_callback = _by_name([(_names_of(pair), _context(tls, (pair,))) for pair in tls.certificates])
    return context


def _context(tls: Tls, certificates: tuple[CertificatePair, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    for pair in certificates:
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


def _by_name(contexts: list[tuple[tuple[str, ...], ssl.SSLContext]]) -> Callable[..., None]:
    """Called in every handshake: goes on with the first context that has a certificate for the name asked for."""

    def choose(handshake: ssl.SSLObject, asked: str | None, context: ssl.SSLContext) -> None:
        name = (asked or "").lower()
        for names, each in contexts:
            if name in names or f"*.{name.partition('.')[2]}" in names:
                handshake.context = each
                return

    return choose


class Secured(Struct, frozen=True):
    """How a connection is encrypted: ``version`` as ``1.3``, ``cipher`` by its IANA name, the peer's certificate (DER).

    ``first``: the handshake came before INFO.
    """

    version: str
    cipher: str
    certificate: bytes | None
    first: bool

    @classmethod
    def after(cls, handshake: ssl.SSLObject, *, first: bool) -> Secured:
        """What a handshake has led to."""
        cipher = handshake.cipher()
        return cls(
            version=(handshake.version() or "").removeprefix("TLSv"),
            cipher=_IANA.get(cipher[0], cipher[0]) if cipher else "",
            certificate=handshake.getpeercert(binary_form=True),
            first=first,
        )


def _choose_ciphers(context: ssl.SSLContext, tls: Tls) -> None:
    """TLS 1.2 suites as listed; those of 1.3 are all good and not to be chosen. The first known curve counts."""
    for name in tls.cipher_suites:
        if name not in _SUITES and name not in _SUITES_1_3:
            raise ServerError(f"unrecognized cipher {name}", hint="use a name of IANA such as " + _SUITES[0])
    for name in tls.curve_preferences:
        if name not in _CURVES and name not in _HYBRID_CURVES:
            raise ServerError(f"unrecognized curve preference {name}", hint="use " + ", ".join(_CURVES))
    chosen = [_openssl_name(name) for name in tls.cipher_suites if name in _SUITES]
    curves = [_CURVES[name] for name in tls.curve_preferences if name in _CURVES]
    if tls.curve_preferences and not curves:
        raise ServerError(
            f"curves {', '.join(tls.curve_preferences)} alone cannot be used here",
            hint="add one of " + ", ".join(_CURVES),
        )
    if len(tls.curve_preferences) > 1:
        # The standard library takes one; offering none but this keeps what the list leaves out from being used.
        log.warning("tls: of curve_preferences only %s is used", curves[0])
    try:
        if chosen:
            context.set_ciphers(":".join(chosen))
        if curves:
            context.set_ecdh_curve(curves[0])
    except (ssl.SSLError, ValueError) as error:
        raise ServerError(f"tls cipher suites or curves cannot be used here: {error}") from None


def _openssl_name(suite: str) -> str:
    """``TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`` as OpenSSL calls it: ``ECDHE-RSA-AES128-GCM-SHA256``."""
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.replace("AES_128", "AES128").replace("AES_256", "AES256").replace("_CBC_", "_")
    cipher = cipher.removesuffix("_SHA256") if "POLY1305" in cipher else cipher
    parts = [part for part in (exchange if exchange != "RSA" else "", cipher) if part]
    return "-".join(parts).replace("_", "-")


_IANA = {_openssl_name(name): name for name in _SUITES}


def check_pins(certificate: bytes | None, pins: frozenset[str]) -> None:
    """Check that the public key of a DER certificate is pinned. Raises VerifyError if it is not, or there is none."""
    if not pins:
        return
    if certificate is None:
        raise VerifyError("certificate not pinned: the client has none")
    digest = hashlib.sha256(public_key_info(certificate)).hexdigest()
    if digest not in pins:
        raise VerifyError(f"certificate not pinned: its key is {digest}")


def certificate_names(handshake: ssl.SSLObject) -> CertificateNames | None:
    """The names in the certificate that the peer showed and that was verified."""
    shown = handshake.getpeercert()
    return CertificateNames.from_ssl(shown) if shown else None


def public_key_info(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a DER certificate (RFC 5280 section 4.1)."""
    at = _field(certificate, 5)
    return certificate[at : _element(certificate, at)[2]]


def certificate_end(tls: Tls) -> float | None:
    """When the first certificate ends, in Unix seconds; None if that cannot be told."""
    try:
        return _end_of(_read(tls.certificates[0]))
    except (IndexError, DecodeError):
        return None


def _read(pair: CertificatePair) -> bytes:
    """The first certificate of a file, DER. Raises DecodeError."""
    try:
        with open(pair.cert_file, encoding="ascii", errors="replace") as file:
            text = file.read()
        return ssl.PEM_cert_to_DER_cert(text[text.index(_PEM_BEGIN) : text.index(_PEM_END) + len(_PEM_END)])
    except (OSError, ValueError) as error:
        raise DecodeError(f"{pair.cert_file} has no certificate: {error}") from None


def _names_of(pair: CertificatePair) -> tuple[str, ...]:
    """The host names that a certificate is for, in lower case. Raises ServerError if it cannot be read."""
    try:
        return tuple(_dns_names(_read(pair)))
    except DecodeError as error:
        raise ServerError(f"error parsing X509 certificate {pair.cert_file}: {error}") from None


def _dns_names(certificate: bytes) -> Iterator[str]:
    """The dNSNames of the extension subjectAltName (RFC 5280 section 4.2.1.6)."""
    after_key = _element(certificate, _field(certificate, 5))[2]
    _, body, _ = _element(certificate, 0)
    for tag, start, _ in _elements(certificate, after_key, _element(certificate, body)[2]):
        if tag == EXTENSIONS:
            _, first, last = _element(certificate, start)
            for _, inner, limit in _elements(certificate, first, last):
                if certificate.startswith(_SUBJECT_ALT_NAME, inner):
                    yield from _dns_names_of(certificate, limit, list(_elements(certificate, inner, limit)))


def _dns_names_of(certificate: bytes, end: int, parts: list[tuple[int, int, int]]) -> Iterator[str]:
    """``parts`` of the extension: its number, whether it is critical, and, last, the names."""
    _, first, last = _element(certificate, parts[-1][1])
    for tag, start, stop in _elements(certificate, first, min(last, end)):
        if tag == DNS_NAME:
            yield certificate[start:stop].decode("ascii", "replace").lower()


def _end_of(certificate: bytes) -> float:
    """When a DER certificate ends, in Unix seconds. Raises DecodeError."""
    _, not_before, _ = _element(certificate, _field(certificate, 3))
    kind, start, end = _element(certificate, _element(certificate, not_before)[2])
    text = certificate[start:end].decode("ascii", "replace")
    if kind == UTC_TIME:  # two digits for years from 1950 to 2049
        text = ("19" if text >= "5" else "20") + text
    try:
        moment = datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise DecodeError(f"certificate ends at {text!r}, which is no time") from None
    return moment.timestamp()


def _field(certificate: bytes, number: int) -> int:
    """Where a field of a certificate begins: 0 serial number, 1 signature, 2 issuer, 3 validity, 4 subject, 5 key."""
    _, body, _ = _element(certificate, 0)
    _, at, _ = _element(certificate, body)
    if certificate[at] == 0xA0:  # the version is there unless it is 1
        at = _element(certificate, at)[2]
    for _ in range(number):
        at = _element(certificate, at)[2]
    return at


def _elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The DER elements from ``at`` to ``end``, one after the other."""
    while at < end:
        element = _element(data, at)
        yield element
        at = element[2]


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
