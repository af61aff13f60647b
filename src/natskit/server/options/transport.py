"""TLS and WebSocket blocks.

Source: spec/server-config.md sections 3.1 and 3.5.
"""

from __future__ import annotations

import string
from typing import Literal

from natskit.config import Node
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import CertificatePair, Tls, WebSocket, WebSocketAuthorization

AUTO_FALLBACK_S = 0.05
_AT_ONCE = ("true", "yes", "on")
_AUTO = ("auto", "auto_fallback")
_RESERVED_HEADERS = ("host", "content-length", "connection", "upgrade", "nats-no-masking")


def read_tls(reading: Reading, node: Node) -> Tls:
    """A ``tls`` block of a listener or of an outgoing connection."""
    block = reading.block(node)
    for unsupported in ("verify_cert_and_check_known_urls", "ocsp_peer", "cert_store", "cert_match", "cert_match_by"):
        if (found := block.take(unsupported)) is not None:
            reading.fault(found, f'error parsing tls config, "{unsupported}" is not supported here')
    verify_and_map = block.boolean("verify_and_map")
    tls = Tls(
        certificates=_certificates(reading, block),
        ca_file=block.text("ca_file"),
        verify=block.boolean("verify") or verify_and_map,
        verify_and_map=verify_and_map,
        timeout_s=block.seconds("timeout", default=2.0, number_is_fine=True),
        handshake_first_s=block.read(
            lambda each: _handshake_first(reading, each), None, "handshake_first", "first", "immediate"
        ),
        min_version=block.read(lambda each: _version(reading, each), "1.2", "min_version"),
        cipher_suites=block.texts("cipher_suites"),
        curve_preferences=block.texts("curve_preferences"),
        pinned_certs=block.read(lambda each: _pinned(reading, each), frozenset(), "pinned_certs"),
        connection_rate_limit=block.integer("connection_rate_limit", least=0),
        insecure=block.boolean("insecure"),
    )
    block.take("allow_insecure_cipher_suites")
    for nodes in block.left.values():
        for each in nodes:
            reading.fault(each, f'error parsing tls config, unknown field "{each.key}"')
    return tls


def _certificates(reading: Reading, block: Block) -> tuple[CertificatePair, ...]:
    cert, key = block.text("cert_file"), block.text("key_file")
    if bool(cert) != bool(key):
        reading.fault(block.node, f"missing '{'key_file' if cert else 'cert_file'}' in TLS configuration")
    listed = block.take("certs", "certificates")
    if listed is None:
        return (CertificatePair(cert_file=cert, key_file=key),) if cert and key else ()
    if cert:
        reading.fault(listed, "a tls block has cert_file and key_file, or certs, not both")
    pairs = []
    for each in listed.elements:
        inner = reading.block(each)
        pairs.append(CertificatePair(cert_file=inner.text("cert_file"), key_file=inner.text("key_file")))
        inner.finish()
    return tuple(pairs)


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
    pins = frozenset(pin.lower() for pin in reading.texts(node))
    for pin in pins:
        if len(pin) != 64 or not set(pin) <= set(string.hexdigits):
            reading.fault(node, f'"{pin}" in pinned_certs is not a SHA-256 in hex')
    return pins


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
        tls=block.read(lambda each: read_tls(reading, each), None, "tls"),
        no_tls=block.boolean("no_tls"),
        same_origin=block.boolean("same_origin"),
        allowed_origins=block.texts(
            "allowed_origins", "allowed_origin", "allow_origins", "allow_origin", "origins", "origin"
        ),
        compression=block.boolean("compression", "compress"),
        handshake_timeout_s=block.seconds("handshake_timeout", default=2.0, number_is_fine=True),
        ping_interval_s=block.read(reading.seconds, None, "ping_interval"),
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
        timeout_s=block.read(lambda each: reading.seconds(each, number_is_fine=True), None, "timeout"),
    )
    block.finish()
    return result


def _headers(reading: Reading, node: Node) -> dict[str, str]:
    headers = reading.text_map(node)
    for name in headers:
        if name.lower() in _RESERVED_HEADERS or name.lower().startswith("sec-websocket-"):
            reading.fault(node, f'the header "{name}" is set by the server and cannot be given')
    return headers
