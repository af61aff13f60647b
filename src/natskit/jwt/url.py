"""URLs as the reference library takes them apart, and the rules for those in operator claims.

Python's own parser accepts what Go refuses and the other way round, and its messages differ; claims must be judged
alike by both. Only what the checks need is kept.

Source: spec/nkeys-and-jwt.md section 5; RFC 3986; package net/url of Go.
"""

from __future__ import annotations

import msgspec

from natskit.jwt.issue import quoted

_SCHEME_EXTRA = frozenset("0123456789+-.")
_HOST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:[]<>\"")
_USER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:~!$&'()*+,;=%@")
_HEX = frozenset("0123456789abcdefABCDEF")
_SERVICE_SCHEMES = ("nats", "tls", "ws", "wss")


class URL(msgspec.Struct, frozen=True):
    """The parts of a URL. ``user`` is None without an ``@``; ``host`` is without the port."""

    scheme: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""


def parse(text: str) -> tuple[URL | None, str]:
    """The URL, or None and why it is none, in Go's words."""
    try:
        return _parse(text), ""
    except ValueError as fault:
        return None, f"parse {quoted(text)}: {fault}"


def _parse(text: str) -> URL:
    if any(char < " " or char == "\x7f" for char in text):
        raise ValueError("net/url: invalid control character in URL")
    scheme, rest = _split_scheme(text.partition("#")[0])
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if scheme:
            return URL(scheme)  # opaque, as in mailto:somebody
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    if not rest.startswith("//") or (not scheme and rest.startswith("///")):
        return URL(scheme, path=_escapes_checked(rest))
    authority, slash, path = rest[2:].partition("/")
    user, at, host = authority.rpartition("@")
    if at and not _USER.issuperset(user):
        raise ValueError("net/url: invalid userinfo")
    return URL(scheme, user if at else None, _host(host), _escapes_checked(slash + path))


def _split_scheme(text: str) -> tuple[str, str]:
    for position, char in enumerate(text):
        if char.isascii() and char.isalpha():
            continue
        if char == ":":
            if position == 0:
                raise ValueError("missing protocol scheme")
            return text[:position].lower(), text[position + 1 :]
        if position == 0 or char not in _SCHEME_EXTRA:
            break
    return "", text


def _host(text: str) -> str:
    """The host name of ``host:port``."""
    if text.startswith("["):
        name, bracket, port = text.rpartition("]")
        if not bracket:
            raise ValueError("missing ']' in host")
        name = name[1:]
    else:
        name, colon, digits = text.rpartition(":")
        name, port = (name, colon + digits) if colon else (text, "")
    if port and not (port[0] == ":" and all(char in "0123456789" for char in port[1:])):
        raise ValueError(f"invalid port {quoted(port)} after host")
    for char in _escapes_checked(name):
        if char.isascii() and char not in _HOST and char != "%":
            raise ValueError(f"invalid character {quoted(char)} in host name")
    return name


def _escapes_checked(text: str) -> str:
    position = text.find("%")
    while position >= 0:
        if len(text) < position + 3 or not _HEX.issuperset(text[position + 1 : position + 3]):
            raise ValueError(f"invalid URL escape {quoted(text[position : position + 3])}")
        position = text.find("%", position + 3)
    return text


def account_server_fault(text: str) -> str:
    """What is wrong with an operator's account server URL; empty if nothing is."""
    if not text:
        return ""
    url, fault = parse(text)
    if url is None:
        return f"error parsing account server url: {fault}"
    return "" if url.scheme else f"account server url {quoted(text)} requires a protocol"


def service_fault(text: str) -> str:
    """What is wrong with an operator service URL; empty if nothing is."""
    if not text:
        return ""
    url, fault = parse(text)
    if url is None:
        return f"error parsing operator service url {quoted(text)}: {fault}"
    if url.user is not None:
        return f"operator service url {quoted(text)} - credentials are not supported"
    if url.path:
        return f"operator service url {quoted(text)} - paths are not supported"
    if url.scheme not in _SERVICE_SCHEMES:
        return f"operator service url {quoted(text)} - protocol not supported (only 'nats', 'tls', 'ws', 'wss' only)"
    return ""
