"""Users that are known by their TLS certificate (``verify_and_map``).

Source: spec/server-accounts.md section 1.7; RFC 4514 (distinguished names as text).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

__all__ = ["CertificateNames", "map_certificate"]

_SHORT = {
    "countryName": "C",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "postalCode": "POSTALCODE",
    "commonName": "CN",
    "serialNumber": "SERIALNUMBER",
    "domainComponent": "DC",
    "userId": "UID",
    "emailAddress": "EMAILADDRESS",
}
_GO_ORDER = ("SERIALNUMBER", "CN", "POSTALCODE", "STREET", "ST", "L", "OU", "O", "C")
"""How Go writes the attributes of a name, whatever their order in the certificate."""

Attribute = tuple[str, str]
Name = tuple[frozenset[Attribute], ...]
"""A distinguished name: one set of attributes for each part, in order."""


class CertificateNames(Struct, frozen=True, kw_only=True):
    """The names in a certificate. ``subject`` has the parts of the distinguished name as they stand in it."""

    emails: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    subject: tuple[tuple[Attribute, ...], ...] = ()

    @classmethod
    def from_ssl(cls, decoded: dict[str, Any]) -> CertificateNames:
        """The names of what ``SSLObject.getpeercert()`` returns."""
        alternatives = decoded.get("subjectAltName", ())

        def of(kind: str) -> tuple[str, ...]:
            return tuple(value for name, value in alternatives if name == kind)

        subject = tuple(
            tuple((_SHORT.get(name, name), value) for name, value in part) for part in decoded.get("subject", ())
        )
        return cls(emails=of("email"), dns_names=of("DNS"), uris=of("URI"), subject=subject)

    @property
    def subject_text(self) -> str:
        """The distinguished name as Go prints it, domain components aside."""
        return _go_text(self.subject)

    def describe(self) -> str:
        """All names, for the log."""
        names = (*self.emails, *self.dns_names, *self.uris, _go_text(self.subject))
        return "[" + " ".join(f'"{name}"' for name in names if name) + "]"


def map_certificate(names: CertificateNames, users: Callable[[], Iterator[str]], is_user: Callable[[str], bool]) -> str:
    """The configured user that a certificate stands for; empty if there is none."""
    for candidate in (*names.emails, *names.dns_names, *names.uris):
        if is_user(candidate):
            return candidate
    subject = tuple(frozenset((kind.upper(), value) for kind, value in part) for part in names.subject)
    by_name = _by_distinguished_name(subject, users())
    if by_name:
        return by_name
    without_domain = _go_text(names.subject)
    domain = "".join(f",DC={value}" for part in names.subject for kind, value in part if kind == "DC")
    return next(filter(is_user, (without_domain + domain, without_domain)), "")


def _by_distinguished_name(subject: Name, users: Iterator[str]) -> str:
    """The user that is a distinguished name with the same parts: in the same order if there is one, else in any."""
    if not subject:
        return ""
    same_parts = ""
    for user in users:
        name = parse_distinguished_name(user)
        if name is None:
            continue
        if name == subject:
            return user
        if len(name) == len(subject) and set(name) == set(subject):
            same_parts = same_parts or user
    return same_parts


def parse_distinguished_name(text: str) -> Name | None:
    """The parts of a name such as ``CN=a,O=b+OU=c``, last one first as in certificates; None if it is none."""
    if "=" not in text:
        return None
    parts = []
    for part in _split(text, ",;"):
        attributes = []
        for attribute in _split(part, "+"):
            kind, equals, value = attribute.partition("=")
            if not equals or not kind.strip():
                return None
            attributes.append((kind.strip().upper(), _unescape(value.strip())))
        parts.append(frozenset(attributes))
    return tuple(reversed(parts))


def _split(text: str, separators: str) -> list[str]:
    """The pieces between separators that no backslash precedes."""
    pieces, piece, escaped = [], "", False
    for character in text:
        if escaped or character == "\\":
            escaped = not escaped
        elif character in separators:
            pieces.append(piece)
            piece = ""
            continue
        piece += character
    return [*pieces, piece]


def _unescape(text: str) -> str:
    plain, escaped = "", False
    for character in text:
        if character == "\\" and not escaped:
            escaped = True
        else:
            plain += character
            escaped = False
    return plain


def _go_text(subject: tuple[tuple[Attribute, ...], ...]) -> str:
    """The subject as Go prints it, domain components aside."""
    values: dict[str, list[str]] = {}
    for part in subject:
        for kind, value in part:
            values.setdefault(kind, []).append(value)
    parts = ("+".join(f"{kind}={_escape(value)}" for value in values[kind]) for kind in _GO_ORDER if kind in values)
    return ",".join(parts)


def _escape(value: str) -> str:
    special = ',+"\\<>;'
    escaped = "".join(f"\\{character}" if character in special else character for character in value)
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if escaped.endswith(" ") and len(escaped) > 1 else escaped
