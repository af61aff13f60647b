"""The outer form of a token: three chunks of unpadded base64url, and JSON as the Go library writes it.

Source: spec/nkeys-and-jwt.md sections 2.1 and 2.2; RFC 4648 section 5.
"""

from __future__ import annotations

import binascii
from typing import Any

import msgspec

from natskit.errors import InvalidToken
from natskit.jwt.issue import quoted

MAX_TOKEN_BYTES = 1 << 20

HEADER_V1 = b"eyJ0eXAiOiJqd3QiLCJhbGciOiJlZDI1NTE5In0"
HEADER_V2 = b"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"
_ALGORITHM_V1, _ALGORITHM_V2 = "ed25519", "ed25519-nkey"

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_BASE64_URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_encoder = msgspec.json.Encoder(order="deterministic")


class _Header(msgspec.Struct, frozen=True):
    typ: str = ""
    alg: str = ""


def b64_encode(data: bytes) -> bytes:
    """Base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


def b64_decode(chunk: bytes) -> bytes:
    """Inverse of :func:`b64_encode`. Raises InvalidToken for padding, blanks and everything else it never writes."""
    if stray := chunk.translate(None, _BASE64_URL):
        raise InvalidToken(f"illegal base64 data at input byte {chunk.index(stray[:1])}")
    if len(chunk) % 4 == 1:
        raise InvalidToken(f"illegal base64 data at input byte {len(chunk) - 1}")
    return binascii.a2b_base64(chunk.translate(_STANDARD) + b"=" * (-len(chunk) % 4))


def write_json(value: object) -> bytes:
    """JSON without white space, maps sorted, ``<`` ``>`` ``&`` and the two line separators escaped."""
    text = _encoder.encode(value)
    for raw, escaped in (
        (b"<", b"\\u003c"),
        (b">", b"\\u003e"),
        (b"&", b"\\u0026"),
        (b"\xe2\x80\xa8", b"\\u2028"),
        (b"\xe2\x80\xa9", b"\\u2029"),
    ):
        text = text.replace(raw, escaped)
    return text


def read_json(data: bytes) -> dict[str, Any]:
    """A JSON object, as Python values. Raises InvalidToken."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise InvalidToken(f"invalid JSON in token: {error}") from None
    if not isinstance(value, dict):
        raise InvalidToken("invalid JSON in token: not an object")
    return value


class Chunks:
    """A token taken apart: ``payload`` and ``signature`` decoded, ``algorithm`` in lower case."""

    __slots__ = ("_header", "_payload", "algorithm", "payload", "signature")

    def __init__(self, token: str | bytes) -> None:
        raw = token if isinstance(token, bytes) else token.encode("utf-8", "replace")
        raw = raw.rstrip(b"\r\n")
        if len(raw) > MAX_TOKEN_BYTES:
            raise InvalidToken(f"token size {len(raw)} exceeds maximum of {MAX_TOKEN_BYTES} bytes: token too large")
        parts = raw.split(b".")
        if len(parts) != 3:
            raise InvalidToken("expected 3 chunks")
        self._header, self._payload, signature = parts
        self.algorithm = _algorithm(self._header)
        self.payload = b64_decode(self._payload)
        self.signature = b64_decode(signature)

    def signed(self, version: int) -> bytes:
        """The bytes that the signature covers: v1 the payload chunk alone, v2 header and payload."""
        return self._payload if version <= 1 else self._header + b"." + self._payload

    @property
    def header_version(self) -> int:
        """The version that the header's algorithm stands for."""
        return 1 if self.algorithm == _ALGORITHM_V1 else 2


def _algorithm(header: bytes) -> str:
    if header == HEADER_V2:
        return _ALGORITHM_V2
    if header == HEADER_V1:
        return _ALGORITHM_V1
    try:
        read = msgspec.json.decode(b64_decode(header), type=_Header)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidToken(f"invalid JSON in token header: {error}") from None
    if read.typ.lower() != "jwt":
        raise InvalidToken(f"not supported type {quoted(read.typ)}")
    if read.alg.lower() not in (_ALGORITHM_V1, _ALGORITHM_V2):
        raise InvalidToken(f"unexpected {quoted(read.alg)} algorithm")
    return read.alg.lower()


def join(header: bytes, payload: bytes) -> bytes:
    """The first two chunks of a token."""
    return header + b"." + b64_encode(payload)
