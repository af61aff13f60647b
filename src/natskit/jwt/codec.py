"""Tokens in, claims out, and back.

``decode`` checks form, signature and the role of the issuer, and nothing else: dates and content are for
``natskit.jwt.issues``, trust for ``natskit.jwt.trust``. ``encode`` writes what the Go library would, byte for byte.

Source: spec/nkeys-and-jwt.md sections 2 and 6.1.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast, overload

import msgspec
from msgspec.structs import replace

from natskit.errors import ClaimsError, InvalidKey, InvalidToken, VerifyError
from natskit.jwt.account import Account, AccountClaims, AccountLimits, UserScope
from natskit.jwt.activation import ActivationClaims
from natskit.jwt.authorization import AuthorizationRequestClaims, AuthorizationResponseClaims
from natskit.jwt.body import Claims
from natskit.jwt.chunks import HEADER_V1, HEADER_V2, Chunks, b64_encode, join, read_json, write_json
from natskit.jwt.generic import GenericClaims
from natskit.jwt.operator import OperatorClaims
from natskit.jwt.user import UserClaims
from natskit.nkeys import KeyPair, Role, base32_encode, is_public, role_of, verify

VERSION = 2

_C = TypeVar("_C", bound=Claims)

_KINDS: dict[str, type[Claims]] = {
    kind.kind: kind
    for kind in (
        OperatorClaims,
        AccountClaims,
        UserClaims,
        ActivationClaims,
        AuthorizationRequestClaims,
        AuthorizationResponseClaims,
    )
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


class _PeekBody(msgspec.Struct, frozen=True):
    type: Any = ""
    version: Any = 0


class _Peek(msgspec.Struct, frozen=True):
    type: Any = ""
    nats: _PeekBody = _PeekBody()


@overload
def decode(token: str | bytes) -> Claims: ...


@overload
def decode(token: str | bytes, kind: type[_C]) -> _C: ...


def decode(token: str | bytes, kind: type[Claims] = Claims) -> Claims:
    """The claims of a signed token, as ``kind`` if one is given; v1 tokens come in the v2 shape with version 1.

    Raises InvalidToken if it does not read, or is of another kind; VerifyError if the signature does not hold or the
    issuer's role may not sign such claims. The caller still owes: dates and content (``issues``), and whether the
    issuer is trusted.
    """
    # (1) three chunks, known header
    chunks = Chunks(token)
    # (2) kind and version, from the body
    name, version = _kind_and_version(chunks)
    claims_type = _KINDS.get(name, GenericClaims)
    # (3) the claims themselves
    claims = _read_v1(chunks.payload, name) if version == 1 and name in _KINDS else _read(chunks.payload, claims_type)
    # (4) signature by the issuer
    _check_signature(chunks, claims.issuer, version)
    # (5) role of the issuer
    issuers = _ISSUERS[claims_type.kind]
    if not is_public(claims.issuer, *issuers):
        raise VerifyError(f"unable to validate expected prefixes - [{' '.join(role.value for role in issuers)}]")
    # (6) the kind asked for
    if not isinstance(claims, kind):
        raise InvalidToken(_NOT_ASKED_FOR[kind.kind])
    return claims


def decode_unverified(token: str | bytes) -> GenericClaims:
    """Any token as generic claims, WITHOUT checking its signature: for display and for logs only."""
    payload = read_json(Chunks(token).payload)
    body = payload.get("nats")
    generic = {**payload, "nats": body if isinstance(body, dict) else {}}
    return cast(GenericClaims, _lenient(generic, GenericClaims))


def _kind_and_version(chunks: Chunks) -> tuple[str, int]:
    """Kind ("" for generic) and version: 1 or 2. Pre-release and future versions are refused."""
    try:
        peek = msgspec.json.decode(chunks.payload, type=_Peek)
        kind, version, old = peek.nats.type, peek.nats.version, peek.type
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        kind, version, old = "", 0, ""
    if not (isinstance(kind, str) and kind) or not isinstance(version, int):
        kind, version, old = _peek_leniently(chunks.payload)
    if old:
        if old in ("cluster", "server"):
            raise InvalidToken(f"{old.capitalize()}Claims are not supported")
        return old, 1
    if version > VERSION:
        raise InvalidToken(
            f"JWT was generated by a newer version: {version}; this library reads {VERSION} and older",
        )
    if kind not in _KINDS:
        return "", chunks.header_version
    if version <= 0 and kind in _SUBJECTS:
        raise InvalidToken(f"library supports version {VERSION} or less - received {version}")
    return kind, 1 if version <= 1 else 2


def _peek_leniently(payload: bytes) -> tuple[str, int, str]:
    members = {name.casefold(): value for name, value in read_json(payload).items()}
    body = members.get("nats")
    inner = {name.casefold(): value for name, value in body.items()} if isinstance(body, dict) else {}
    kind, version, old = inner.get("type") or "", inner.get("version") or 0, members.get("type") or ""
    if not isinstance(kind, str) or type(version) is not int or not isinstance(old, str):
        raise InvalidToken("invalid JSON in token: type and version have other types than text and number")
    return kind, version, old


def _check_signature(chunks: Chunks, issuer: str, version: int) -> None:
    try:
        verify(issuer, chunks.signed(version), chunks.signature)
    except InvalidKey as error:
        raise InvalidToken(f'the issuer "{issuer}" is not a public key: {error}') from None
    except VerifyError:
        raise VerifyError(f"claim failed V{version} signature verification") from None


def _read(payload: bytes, kind: type[Claims]) -> Claims:
    """The claims; as our writer would write them at once, else member by member as Go would read them."""
    try:
        claims: Claims = msgspec.json.decode(payload, type=kind)
        if write_json(claims) == payload:
            return _settled(claims)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass  # the lenient reader decides, and names the fault
    return _settled(_lenient(read_json(payload), kind))


def _lenient(value: dict[str, Any], kind: type[msgspec.Struct]) -> Any:
    from natskit.jwt import lenient

    try:
        return lenient.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidToken(f"invalid claims in token: {error}") from None


def _read_v1(payload: bytes, name: str) -> Claims:
    from natskit.jwt import v1

    old = v1.KINDS.get(name)
    if old is None:
        raise InvalidToken(f'"{name}" claims have no version 1')
    try:
        claims = msgspec.json.decode(payload, type=old)
        if write_json(claims) != payload:
            claims = _lenient(read_json(payload), old)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        claims = _lenient(read_json(payload), old)
    return _settled(v1.migrate(claims))


def _settled(claims: Claims) -> Claims:
    """What the reference library makes of an account after reading it: later signing keys win, tiers clear the rest."""
    if not isinstance(claims, AccountClaims):
        return claims
    account = claims.nats
    keys = _sorted_keys(account)
    if keys != account.signing_keys:
        account = replace(account, signing_keys=keys)
    if account.limits.tiered_limits:
        flat = dict.fromkeys(_JETSTREAM_MEMBERS, 0) | {"max_bytes_required": False}
        account = replace(account, limits=replace(account.limits, **flat))
    return claims if account is claims.nats else replace(claims, nats=account)


_JETSTREAM_MEMBERS = AccountLimits.__struct_fields__[9:16]


def _sorted_keys(account: Account) -> tuple[str | UserScope, ...]:
    named = {entry if isinstance(entry, str) else entry.key: entry for entry in account.signing_keys}
    return tuple(named[name] for name in sorted(named))


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


def encode(claims: Claims, signer: KeyPair, *, issued_at: int, version: int = VERSION) -> str:
    """The signed token. ``issued_at`` is in Unix seconds; ``version`` 1 writes the form of 2019.

    ``issuer``, ``issued_at``, ``id``, type and version are set here, exports and imports are sorted by subject, and
    ``issuer_account`` is left as it is. Raises ClaimsError if the subject or the signer has a role that does not fit,
    KeyUseError if the signer has no secret half.
    """
    _check_roles(claims, signer)
    if version == 1:
        return _encode_v1(claims, signer, issued_at)
    body = _typed_body(claims)
    prepared = replace(claims, issuer=signer.public, issued_at=issued_at, id="", nats=body)
    prepared = replace(prepared, id=_identity(prepared))
    return _sign(HEADER_V2, write_json(prepared), signer, 2)


def _encode_v1(claims: Claims, signer: KeyPair, issued_at: int) -> str:
    from natskit.jwt import v1

    # The old id stays in while the new one is made: 2019's tools did that when they wrote claims again.
    old = v1.downgrade(replace(claims, issuer=signer.public, issued_at=issued_at, nats=_ordered(claims)))
    old = replace(old, id=_identity(old))
    return _sign(HEADER_V1, write_json(old), signer, 1)


def _check_roles(claims: Claims, signer: KeyPair) -> None:
    if not claims.subject:
        raise ClaimsError("subject is not set")
    role, message = _SUBJECTS.get(claims.kind, (None, ""))
    if role is not None and not is_public(claims.subject, role):
        raise ClaimsError(f'{message}, not "{claims.subject}"')
    if signer.role not in _ISSUERS[claims.kind]:
        wanted = " ".join(each.value for each in _ISSUERS[claims.kind])
        raise ClaimsError(
            f"unable to validate expected prefixes - [{wanted}]: {signer.public} is a key of kind {signer.role.value}"
        )


def _typed_body(claims: Claims) -> Any:
    if isinstance(claims, GenericClaims):
        return {**claims.nats, "version": VERSION}
    return replace(_ordered(claims), type=claims.kind, version=VERSION)


def _ordered(claims: Claims) -> Any:
    """The body with its lists in the order in which they are written."""
    if not isinstance(claims, AccountClaims):
        return claims.body
    account = claims.nats
    for export in account.exports:
        latency = export.service_latency
        if latency and isinstance(latency.sampling, int) and not 1 <= latency.sampling <= 100:
            raise ClaimsError(f"unknown sampling rate {latency.sampling}: give 1 to 100 percent, or headers")
    return replace(
        account,
        imports=tuple(sorted(account.imports, key=lambda each: each.subject.encode())),
        exports=tuple(sorted(account.exports, key=lambda each: each.subject.encode())),
        signing_keys=tuple(map(_without_zero_limits, _sorted_keys(account))),
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
    import hashlib  # brings OpenSSL with it: whoever only reads tokens does without

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
    return base32_encode(hashlib.new("sha512_256", write_json(head), usedforsecurity=False).digest())


def _sign(header: bytes, payload: bytes, signer: KeyPair, version: int) -> str:
    unsigned = join(header, payload)
    signed = unsigned[len(header) + 1 :] if version == 1 else unsigned
    return (unsigned + b"." + b64_encode(signer.sign(signed))).decode()


def issuer_role(claims: Claims) -> Role:
    """The role of the key that signed. Raises InvalidKey."""
    return role_of(claims.issuer)
