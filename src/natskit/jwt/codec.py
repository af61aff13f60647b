"""Tokens in, claims out, and back.

``decode`` checks form, signature and the role of the issuer, and nothing else: dates and content are for
``natskit.jwt.issues``, trust for ``natskit.jwt.trust``. ``encode`` writes what the Go library would, byte for byte.

Source: spec/nkeys-and-jwt.md sections 2 and 6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

import msgspec
from msgspec.structs import replace

from natskit.errors import ClaimsError, InvalidKey, InvalidToken, KeyUseError, VerifyError
from natskit.jwt import sha512_256
from natskit.jwt.account import Account, AccountClaims, UserScope
from natskit.jwt.activation import ActivationClaims
from natskit.jwt.body import Claims
from natskit.jwt.chunks import HEADER_V1, HEADER_V2, Chunks, b64_encode, join, read_json, write_json
from natskit.jwt.generic import GenericClaims
from natskit.jwt.issue import quoted
from natskit.jwt.operator import OperatorClaims
from natskit.jwt.user import UserClaims
from natskit.nkeys import KeyPair, Role, base32_encode, is_public, verify

VERSION = 2

_C = TypeVar("_C", bound=Claims)

_KINDS: dict[str, type[Claims]] = {
    kind.kind: kind for kind in (OperatorClaims, AccountClaims, UserClaims, ActivationClaims)
}

_ISSUERS: dict[str, tuple[Role, ...]] = {
    "operator": (Role.OPERATOR,),
    "account": (Role.ACCOUNT, Role.OPERATOR),
    "user": (Role.ACCOUNT,),
    "activation": (Role.ACCOUNT, Role.OPERATOR),
    "authorization_request": (Role.SERVER,),
    "authorization_response": (Role.ACCOUNT,),
    "generic": tuple(role for role in Role if role is not Role.CURVE),
}

_SUBJECTS: dict[str, tuple[Role, str]] = {
    "operator": (Role.OPERATOR, "expected subject to be an operator public key"),
    "account": (Role.ACCOUNT, "expected subject to be account public key"),
    "user": (Role.USER, "expected subject to be user public key"),
    "activation": (Role.ACCOUNT, "expected subject to be an account"),
}

_NOT_ASKED_FOR = {
    "operator": "not operator claim",
    "account": "not account claim",
    "user": "not user claim",
    "activation": "not activation claim",
    "authorization_request": "not an authorization request claim",
    "authorization_response": "not an authorization request claim",
    "generic": "not a generic claim",
}


# ---- reading -------------------------------------------------------------------------------------


@overload
def decode(token: str | bytes) -> Claims: ...


@overload
def decode(token: str | bytes, kind: type[_C]) -> _C: ...


def decode(token: str | bytes, kind: type[Claims] = Claims) -> Claims:
    """The claims of a signed token, as ``kind`` if one is given; v1 tokens come in the v2 shape with version 1.

    ``GenericClaims`` reads every token, whatever its kind and the role of its issuer. Raises InvalidToken if it does
    not read, or is of another kind; VerifyError if the signature does not hold or the issuer's role may not sign such
    claims. The caller still owes: dates and content (``issues``), and whether the issuer is trusted.
    """
    # (1) three chunks, known header
    chunks = Chunks(token)
    # (2) kind, version and the claims themselves
    claims, version = _read(chunks, generic=kind is GenericClaims)
    # (3) signature by the issuer
    _check_signature(chunks, claims.issuer, version)
    # (4) role of the issuer
    issuers = _ISSUERS[claims.kind]
    if not is_public(claims.issuer, *issuers):
        raise VerifyError(f"unable to validate expected prefixes - [{' '.join(role.value for role in issuers)}]")
    # (5) the kind asked for
    if not isinstance(claims, kind):
        raise InvalidToken(_NOT_ASKED_FOR[kind.kind])
    return claims


def decode_unverified(token: str | bytes) -> GenericClaims:
    """Any token as generic claims, WITHOUT checking its signature: for display and for logs only."""
    return cast(GenericClaims, _read(Chunks(token), generic=True)[0])


class _PeekBody(msgspec.Struct, frozen=True):
    type: str = ""
    version: int = 0


class _Peek(msgspec.Struct, frozen=True):
    """What tells kind and version: version 1 has its type at the top, version 2 in the body."""

    type: str = ""
    nats: _PeekBody = _PeekBody()


def _read(chunks: Chunks, *, generic: bool) -> tuple[Claims, int]:
    """The claims, and the version of their signature.

    What our writer would have written is read at once; anything else member by member, as Go would read it.
    """
    payload = chunks.payload
    try:
        shape, version = _shape(msgspec.json.decode(payload, type=_Peek), chunks, generic)
        claims = msgspec.json.decode(payload, type=shape)
        if write_json(claims) == payload:
            return claims.settled(), version
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass  # the lenient reader decides, and names the fault
    from natskit.jwt import lenient

    value = read_json(payload)
    shape, version = _shape(lenient.convert(value, _Peek), chunks, generic)
    return lenient.convert(value, shape).settled(), version


def _shape(peek: _Peek, chunks: Chunks, generic: bool) -> tuple[type[Claims], int]:
    """The struct that fits the payload, and the version of its signature. Future and pre-release versions are refused.

    Generic tokens are signed as their header says. The reference library takes those without a known kind for
    version 1 always, and so refuses what it wrote itself.
    """
    kind, version = (peek.type, 1) if peek.type else (peek.nats.type, peek.nats.version)
    if not generic and version > VERSION:
        raise InvalidToken(f"JWT was generated by a newer version: {version}; this library reads {VERSION} and older")
    if not generic and kind in ("cluster", "server"):
        raise InvalidToken(f"{kind.capitalize()}Claims are not supported")
    if not generic and kind.startswith("authorization_") and (shape := _authorization_shape(kind)):
        return shape, max(version, 1)
    if generic or kind not in _KINDS:
        return (_old_shape("generic"), 1) if chunks.header_version == 1 else (GenericClaims, 2)
    if version < 1:
        raise InvalidToken(f"library supports version {VERSION} or less - received {version}")
    return (_old_shape(kind), 1) if version == 1 else (_KINDS[kind], 2)


def _authorization_shape(kind: str) -> type[Claims] | None:
    """Kinds of auth callouts, which hardly any program meets."""
    from natskit.jwt import authorization

    return authorization.KINDS.get(kind)


def _old_shape(kind: str) -> type[Claims]:
    from natskit.jwt import v1

    return v1.KINDS[kind]


def _check_signature(chunks: Chunks, issuer: str, version: int) -> None:
    try:
        verify(issuer, chunks.signed(version), chunks.signature)
    except InvalidKey as error:
        raise InvalidToken(f"the issuer {quoted(issuer)} is not a public key: {error}") from None
    except (VerifyError, KeyUseError):
        raise VerifyError(f"claim failed V{version} signature verification") from None


# ---- writing -------------------------------------------------------------------------------------


class _Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The members that make the token's id, in their order."""

    aud: str = ""
    exp: int = 0
    jti: str = ""
    iat: int = 0
    iss: str = ""
    name: str = ""
    nbf: int = 0
    sub: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""


Sign = Callable[[str, bytes], bytes]
"""Signs bytes with the key of that public name; for keys that are kept elsewhere, in hardware or behind a service."""


def encode(claims: Claims, signer: KeyPair, *, issued_at: int, version: int = VERSION, sign: Sign | None = None) -> str:
    """The signed token. ``issued_at`` is in Unix seconds; ``version`` 1 writes the form of 2019.

    ``issuer``, ``issued_at``, ``id``, type and version are set here, exports and imports are sorted by subject, and
    ``issuer_account`` is left as it is. With ``sign`` the signer may be a public key only. Raises ClaimsError if the
    subject or the signer has a role that does not fit or the claims cannot be written, KeyUseError if the signer has
    no secret half.
    """
    _check_roles(claims, signer)
    issued = replace(claims, issuer=signer.public, issued_at=issued_at, nats=claims.arranged())
    try:
        header, payload = (HEADER_V1, _payload_v1(issued)) if version == 1 else (HEADER_V2, _payload_v2(issued))
    except UnicodeEncodeError as error:
        raise ClaimsError(f"these claims cannot be written: {error}") from None
    unsigned = join(header, payload)
    signed = unsigned[len(header) + 1 :] if version == 1 else unsigned
    signature = signer.sign(signed) if sign is None else sign(signer.public, signed)
    return (unsigned + b"." + b64_encode(signature)).decode()


def _payload_v2(claims: Claims) -> bytes:
    if isinstance(claims, GenericClaims):
        body: Any = {**claims.nats, "version": VERSION}
    else:
        body = replace(claims.body, type=claims.kind, version=VERSION)
    if isinstance(body, Account) and body.signing_keys:
        body = replace(body, signing_keys=tuple(map(_without_zero_limits, body.sorted_signing_keys)))
    return write_json(replace(claims, nats=body, id=_identity(replace(claims, id=""))))


def _payload_v1(claims: Claims) -> bytes:
    from natskit.jwt import v1

    # The old id stays in while the new one is made: 2019's tools did that when they wrote claims again.
    old = v1.downgrade(claims)
    return write_json(replace(old, id=_identity(old)))


def _check_roles(claims: Claims, signer: KeyPair) -> None:
    if not claims.subject:
        raise ClaimsError("subject is not set")
    role, message = _SUBJECTS.get(claims.kind, (None, ""))
    if role is not None and not is_public(claims.subject, role):
        raise ClaimsError(f"{message}, not {quoted(claims.subject)}")
    if signer.role not in _ISSUERS[claims.kind]:
        wanted = " ".join(each.value for each in _ISSUERS[claims.kind])
        raise ClaimsError(
            f"unable to validate expected prefixes - [{wanted}]: {signer.public} is a key of kind {signer.role.value}"
        )


def _without_zero_limits(entry: str | UserScope) -> str | UserScope:
    """A template's limits of 0 are left out, as everything that is 0; they read as unlimited then."""
    if isinstance(entry, str):
        return entry
    template = entry.template
    zero = {name: msgspec.UNSET for name in ("subs", "data", "payload") if getattr(template, name) == 0}
    return replace(entry, template=replace(template, **zero)) if zero else entry


def _identity(claims: Any) -> str:
    """SHA-512/256 over the head, in base32. Version 1 hashes tags, type and the id before as well."""
    head = _Identity(
        aud=claims.audience,
        exp=claims.expires,
        jti=claims.id,
        iat=claims.issued_at,
        iss=claims.issuer,
        name=claims.name,
        nbf=claims.not_before,
        sub=claims.subject,
        tags=getattr(claims, "tags", ()),  # version 1 has both in the head
        type=getattr(claims, "type", ""),
    )
    return base32_encode(sha512_256.digest(write_json(head)))
