"""TLS and WebSocket blocks.

Source: spec/server-config.md sections 3.1 and 3.5.
"""

from __future__ import annotations

import re
import string
from typing import Literal

from natskit.config import Node
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import CertificatePair, Tls, WebSocket, WebSocketAuthorization

AUTO_FALLBACK_S = 0.05

SECURE_SUITES = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
    | {
        f"TLS_ECDHE_{key}_WITH_{cipher}"
        for key in ("ECDSA", "RSA")
        for cipher in (
            "AES_128_CBC_SHA",
            "AES_256_CBC_SHA",
            "AES_128_GCM_SHA256",
            "AES_256_GCM_SHA384",
            "CHACHA20_POLY1305_SHA256",
        )
    }
)
INSECURE_SUITES = frozenset(
    {
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    }
)
CURVES = (
    "CurveP256",
    "CurveP384",
    "CurveP521",
    "X25519",
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
)

_NOT_HERE = (
    "verify_cert_and_check_known_urls",
    "ocsp_peer",
    "cert_store",
    "cert_match",
    "cert_match_by",
    "cert_match_skip_invalid",
    "ca_certs_match",
)
_AUTO = ("auto", "auto_fallback")
_ORIGINS = ("allowed_origins", "allowed_origin", "allow_origins", "allow_origin", "origins", "origin")
_RESERVED_HEADERS = ("host", "content-length", "connection", "upgrade", "nats-no-masking")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def read_tls(reading: Reading, node: Node, *, listener: bool) -> Tls:
    """A ``tls`` block; that of a listener must have certificates that can be used."""
    block = reading.block(node, "")
    for name in _NOT_HERE:
        if (found := block.take(name)) is not None and found.value is not False:
            reading.fault(found, f'error parsing tls config, "{name}" is not supported here')
    verify_and_map = block.boolean("verify_and_map")
    insecure_suites = block.boolean("allow_insecure_cipher_suites")
    tls = Tls(
        certificates=_certificates(reading, block),
        ca_file=block.text("ca_file"),
        verify=block.boolean("verify") or verify_and_map,
        verify_and_map=verify_and_map,
        timeout_s=block.span("timeout", default=2.0, numbers="seconds"),
        handshake_first_s=block.read(
            lambda each: _handshake_first(reading, each), None, "handshake_first", "first", "immediate"
        ),
        min_version=block.read(lambda each: _version(reading, each), "1.2", "min_version"),
        cipher_suites=block.read(lambda each: _suites(reading, each, insecure=insecure_suites), (), "cipher_suites"),
        curve_preferences=block.read(lambda each: _curves(reading, each), (), "curve_preferences"),
        pinned_certs=block.read(lambda each: _pinned(reading, each), frozenset(), "pinned_certs"),
        connection_rate_limit=block.integer("connection_rate_limit", least=0),
        insecure=block.boolean("insecure"),
    )
    block.finish('error parsing tls config, unknown field "{}"')
    if listener and not block.taken.keys() & {"cert_file", "key_file", "certs"}:
        reading.fault(node, "tls needs a certificate: set cert_file and key_file")
    _check_usable(reading, block, tls, listener=listener)
    return tls


def _check_usable(reading: Reading, block: Block, tls: Tls, *, listener: bool) -> None:
    """Whether the files can be read, and fit together."""
    if not tls.certificates and not tls.ca_file:
        return
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listener else ssl.PROTOCOL_TLS_CLIENT)
    for pair in tls.certificates:
        try:
            context.load_cert_chain(pair.cert_file, pair.key_file, password="")  # never ask for one
        except (OSError, ValueError) as error:
            place = block.taken.get("certs") or block.place("cert_file")
            reason = f"error parsing X509 certificate/key pair {pair.cert_file}, {pair.key_file}: {_reason(error)}"
            reading.fault(place, reason)
    if tls.ca_file:
        try:
            context.load_verify_locations(tls.ca_file)
        except (OSError, ValueError) as error:
            fault = f"failed to parse root ca certificate {tls.ca_file}: {_reason(error)}"
            reading.fault(block.place("ca_file"), fault)


def _reason(error: Exception) -> str:
    """What OpenSSL or the system says, without numbers and places in C."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower()


def _certificates(reading: Reading, block: Block) -> tuple[CertificatePair, ...]:
    pair = _pair(reading, block, "missing '{}' in TLS configuration")
    listed = block.read(reading.list, None, "certs", "certificates")
    if listed is None:
        return (pair,) if pair else ()
    if pair:
        fault = "error parsing tls config, cannot combine 'cert_file' option with 'certs' option"
        reading.fault(block.place("certs"), fault)
    pairs = []
    for each in listed:
        inner = reading.block(each)
        pairs.append(_pair(reading, inner, "error parsing certificates config: '{}' is required"))
        inner.finish('error parsing certificates config: unknown field "{}"')
    return tuple(filter(None, pairs))


def _pair(reading: Reading, block: Block, missing: str) -> CertificatePair | None:
    cert, key = block.text("cert_file"), block.text("key_file")
    if bool(cert) != bool(key):
        reading.fault(block.node, missing.format("key_file" if cert else "cert_file"))
    return CertificatePair(cert_file=cert, key_file=key) if cert and key else None


def _suites(reading: Reading, node: Node, *, insecure: bool) -> tuple[str, ...]:
    """Cipher suites by the names that Go has for them."""
    names = _names(reading, node)
    for each, name in names:
        if name in INSECURE_SUITES and not insecure:
            fault = f"insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: {name}"
            reading.fault(each, fault)
        elif name not in SECURE_SUITES and name not in INSECURE_SUITES:
            reading.fault(each, f"unrecognized cipher {name}")
    return tuple(name for _, name in names)


def _curves(reading: Reading, node: Node) -> tuple[str, ...]:
    names = _names(reading, node)
    for each, name in names:
        if name not in CURVES:
            reading.fault(each, f"unrecognized curve preference {name}", f"use {', '.join(CURVES)}")
    return tuple(name for _, name in names)


def _names(reading: Reading, node: Node) -> list[tuple[Node, str]]:
    elements = reading.list(node)
    if isinstance(node.value, list) and not elements:
        reading.fault(node, f"error parsing tls config, '{node.key}' cannot be empty")
    return [(each, reading.text(each)) for each in elements]


def _handshake_first(reading: Reading, node: Node) -> float | None:
    value = node.value
    if isinstance(value, bool):
        return 0.0 if value else None
    if isinstance(value, str) and value.lower() in _AUTO:
        return AUTO_FALLBACK_S
    return reading.seconds(node)


def _version(reading: Reading, node: Node) -> Literal["1.2", "1.3"]:
    if node.value in ("1.2", "1.3"):
        return "1.3" if node.value == "1.3" else "1.2"
    reading.fault(node, '"min_version" must be "1.2" or "1.3", in quotes')
    return "1.2"


def _pinned(reading: Reading, node: Node) -> frozenset[str]:
    pins = set()
    for each in reading.list(node):
        pin = reading.text(each).lower()
        if len(pin) != 64 or not set(pin) <= set(string.hexdigits):
            reading.fault(each, f'"{pin}" in pinned_certs is no SHA-256 of a public key in hex')
        pins.add(pin)
    return frozenset(pins)


def read_websocket(reading: Reading, node: Node) -> WebSocket | None:
    """A ``websocket`` block; None without a port."""
    block = reading.block(node)
    host, port = block.read(reading.address, ("", None), "listen")
    port = block.read(reading.port, port, "port")
    authorization = block.read(
        lambda each: _websocket_authorization(reading, each), None, "authorization", "authentication"
    )
    websocket = WebSocket(
        port=port or 0,
        host=block.text("host", "net") or host or "0.0.0.0",  # noqa: S104 - what nats-server listens on
        advertise=block.text("advertise"),
        tls=block.read(lambda each: read_tls(reading, each, listener=True), None, "tls"),
        no_tls=block.boolean("no_tls"),
        same_origin=block.boolean("same_origin"),
        allowed_origins=block.read(lambda each: _origins(reading, each), (), *_ORIGINS),
        compression=block.boolean("compression", "compress"),
        handshake_timeout_s=block.span("handshake_timeout", default=2.0, numbers="seconds"),
        ping_interval_s=block.span("ping_interval", default=None),
        authorization=authorization,
        no_auth_user=block.text("no_auth_user"),
        jwt_cookie=block.text("jwt_cookie"),
        user_cookie=block.text("user_cookie"),
        pass_cookie=block.text("pass_cookie"),
        token_cookie=block.text("token_cookie"),
        headers=block.read(lambda each: _headers(reading, each), {}, "headers"),
    )
    block.finish()
    if port and websocket.tls is None and not websocket.no_tls:
        reading.fault(node, "websocket requires TLS configuration: add tls { ... }, or no_tls: true for tests")
    return websocket if port else None


def _websocket_authorization(reading: Reading, node: Node) -> WebSocketAuthorization:
    block = reading.block(node)
    result = WebSocketAuthorization(
        user=block.text("username", "user"),
        password=block.text("password", "pass"),
        token=block.text("token"),
        timeout_s=block.span("timeout", default=None, numbers="seconds"),
    )
    block.finish()
    return result


def _origins(reading: Reading, node: Node) -> tuple[str, ...]:
    origins = reading.texts(node)
    for origin in origins:
        if not _is_origin(origin):
            reading.fault(node, f'allowed origin "{origin}" must be like https://example.com')
    return origins


def _is_origin(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _headers(reading: Reading, node: Node) -> dict[str, str]:
    """Headers of the answer to an upgrade, none of which can be taken for another."""
    headers = {}
    for name, each in reading.members(node).items():
        headers[name] = reading.text(each)
        if name.lower() in _RESERVED_HEADERS or name.lower().startswith("sec-websocket-"):
            reading.fault(each, f'the header "{name}" is set by the server and cannot be given')
        elif not _TOKEN.fullmatch(name) or any(ord(char) < 32 for char in headers[name]):
            reading.fault(each, f'"{name}" is no valid header')
    return headers
