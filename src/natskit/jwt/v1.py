"""Version 1, the format of 2019: its structs, migration to the shape of version 2, and back for writing.

``type`` and ``tags`` stand at the top level, ``issuer_account`` after the body, and only the payload chunk is signed.
What version 2 has no place for (``identity``, a user's and an activation's ``max``) is dropped on migration; claims
that version 1 has no place for are refused on the way back.

Source: spec/nkeys-and-jwt.md sections 2, 3 and 10.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import field
from msgspec.structs import asdict, replace

from natskit.errors import ClaimsError
from natskit.jwt.account import Account, AccountClaims, AccountLimits
from natskit.jwt.activation import Activation, ActivationClaims
from natskit.jwt.body import Body, Claims, Count, Int64, Permission, ResponsePermission, TimeRange
from natskit.jwt.generic import GenericClaims
from natskit.jwt.operator import Operator, OperatorClaims
from natskit.jwt.sharing import Export, Import, ServiceLatency, check_sharing_type
from natskit.jwt.user import User, UserClaims

VERSION = 1


class OldClaims(Claims, frozen=True, kw_only=True):
    """The head of version 1. A kind says what it is in version 2, and how bodies become each other."""

    now: ClassVar[Any]

    tags: tuple[str, ...] = ()
    type: str = ""

    def settled(self) -> Claims:
        """The claims in the shape of version 2; ``nats.version`` stays 1 until they are written again."""
        claims: Claims = self.now(**_head(self), nats=self.migrated(tags=self.tags, type=self.type, version=VERSION))
        return claims

    def migrated(self, **common: Any) -> Any:
        """The body in the shape of version 2, with the members that all bodies have."""
        raise NotImplementedError

    @classmethod
    def members(cls, body: Any) -> dict[str, Any]:
        """What this kind has below its head, from a body in the shape of version 2."""
        raise NotImplementedError


def _head(claims: Claims) -> dict[str, Any]:
    return {name: getattr(claims, name) for name in Claims.__struct_fields__}


def _pick(kind: Any, source: Any, **given: Any) -> Any:
    """A ``kind`` with the members of ``source`` that it has too."""
    names = set(kind.__struct_fields__) & set(source.__struct_fields__)
    return kind(**{name: getattr(source, name) for name in names} | given)


# ---- operator ------------------------------------------------------------------------------------


class Identity(Body, frozen=True):
    """A name that somebody vouches for."""

    id: str = ""
    proof: str = ""


class OldOperator(Body, frozen=True):
    """Operator body."""

    identity: tuple[Identity, ...] = ()
    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    operator_service_urls: tuple[str, ...] = ()
    system_account: str = ""


class OldOperatorClaims(OldClaims, frozen=True, kw_only=True):
    """Operator token. The body is left out when there is nothing in it."""

    kind: ClassVar[str] = "operator"
    now: ClassVar[Any] = OperatorClaims

    nats: OldOperator | None = None

    def migrated(self, **common: Any) -> Operator:
        """Without ``identity``."""
        operator: Operator = _pick(Operator, self.nats or OldOperator(), **common)
        return operator

    @classmethod
    def members(cls, body: Operator) -> dict[str, Any]:
        """The body, if it is not empty."""
        old = _pick(OldOperator, body)
        return {"nats": None if old == OldOperator() else old}


# ---- account -------------------------------------------------------------------------------------


class OldLimits(Body, frozen=True):
    """Account limits; absent ones are 0: none."""

    subs: Int64 = 0
    conn: Int64 = 0
    leaf: Int64 = 0
    imports: Int64 = 0
    exports: Int64 = 0
    data: Int64 = 0
    payload: Int64 = 0
    wildcards: bool = False


class OldLatency(Body, frozen=True):
    """Latency tracking; an absent sampling is by headers."""

    sampling: Int64 = 0
    results: str = ""


class OldExport(Body, frozen=True):
    """Export."""

    name: str = ""
    subject: str = ""
    type: str = ""
    token_req: bool = False
    revocations: dict[str, Int64] = field(default_factory=dict)
    response_type: str = ""
    service_latency: OldLatency | None = None
    account_token_position: Count = 0

    def __post_init__(self) -> None:
        check_sharing_type(self.type)


class OldImport(Body, frozen=True):
    """Import. ``token`` is a JWT or a URL of one."""

    name: str = ""
    subject: str = ""
    account: str = ""
    token: str = ""
    to: str = ""
    type: str = ""

    def __post_init__(self) -> None:
        check_sharing_type(self.type)


class OldAccount(Body, frozen=True):
    """Account body."""

    imports: tuple[OldImport, ...] = ()
    exports: tuple[OldExport, ...] = ()
    identity: tuple[Identity, ...] = ()
    limits: OldLimits = field(default_factory=OldLimits)
    signing_keys: tuple[str, ...] = ()
    revocations: dict[str, Int64] = field(default_factory=dict)


class OldAccountClaims(OldClaims, frozen=True, kw_only=True):
    """Account token."""

    kind: ClassVar[str] = "account"
    now: ClassVar[Any] = AccountClaims

    nats: OldAccount = field(default_factory=OldAccount)

    def migrated(self, **common: Any) -> Account:
        """Without ``identity``; signing keys have no scope; missing limits stay 0."""
        old = self.nats
        return Account(
            imports=tuple(_pick(Import, each) for each in old.imports),
            exports=tuple(_pick(Export, each, service_latency=_latency(each)) for each in old.exports),
            limits=_pick(AccountLimits, old.limits),
            signing_keys=old.signing_keys,
            revocations=old.revocations,
            **common,
        )

    @classmethod
    def members(cls, body: Account) -> dict[str, Any]:
        """The body."""
        old = OldAccount(
            imports=tuple(_pick(OldImport, each) for each in body.imports),
            exports=tuple(_pick(OldExport, each, service_latency=_old_latency(each)) for each in body.exports),
            limits=_pick(OldLimits, body.limits),
            signing_keys=body.signing_key_names,
            revocations=body.revocations,
        )
        return {"nats": old}


def _latency(export: OldExport) -> ServiceLatency | None:
    return ServiceLatency(**asdict(export.service_latency)) if export.service_latency else None


def _old_latency(export: Export) -> OldLatency | None:
    latency = export.service_latency
    if latency is None:
        return None
    return OldLatency(sampling=latency.sampling if isinstance(latency.sampling, int) else 0, results=latency.results)


# ---- user ----------------------------------------------------------------------------------------


class OldUser(Body, frozen=True):
    """User body. ``src`` is one string of CIDRs with commas between. An absent ``payload`` is unlimited."""

    pub: Permission = field(default_factory=Permission)
    sub: Permission = field(default_factory=Permission)
    resp: ResponsePermission | None = None
    max: Int64 = 0
    payload: Int64 = 0
    src: str | tuple[str, ...] = ""
    times: tuple[TimeRange, ...] = ()
    bearer_token: bool = False


class OldUserClaims(OldClaims, frozen=True, kw_only=True):
    """User token."""

    kind: ClassVar[str] = "user"
    now: ClassVar[Any] = UserClaims

    nats: OldUser = field(default_factory=OldUser)
    issuer_account: str = ""

    def migrated(self, **common: Any) -> User:
        """Without ``max``; what version 1 did not limit is unlimited."""
        old = self.nats
        user: User = _pick(
            User,
            old,
            src=split_networks(old.src),
            subs=-1,
            data=-1,
            payload=old.payload or -1,
            issuer_account=self.issuer_account,
            **common,
        )
        return user

    @classmethod
    def members(cls, body: User) -> dict[str, Any]:
        """The body, and the account beside it."""
        old = _pick(OldUser, body, src=",".join(body.src), payload=0 if body.payload == -1 else body.payload)
        return {"nats": old, "issuer_account": body.issuer_account}


def split_networks(src: str | tuple[str, ...]) -> tuple[str, ...]:
    """The networks of a comma-separated list: trimmed, lower case, each once."""
    parts = src.split(",") if isinstance(src, str) else src
    return tuple(dict.fromkeys(part for part in (each.strip().lower() for each in parts) if part))


# ---- activation, generic -------------------------------------------------------------------------


class OldActivation(Body, frozen=True):
    """Activation body."""

    subject: str = ""
    type: str = ""
    max: Int64 = 0
    payload: Int64 = 0
    src: str | tuple[str, ...] = ""
    times: tuple[TimeRange, ...] = ()

    def __post_init__(self) -> None:
        check_sharing_type(self.type)


class OldActivationClaims(OldClaims, frozen=True, kw_only=True):
    """Activation token."""

    kind: ClassVar[str] = "activation"
    now: ClassVar[Any] = ActivationClaims

    nats: OldActivation = field(default_factory=OldActivation)
    issuer_account: str = ""

    def migrated(self, **common: Any) -> Activation:
        """Subject and kind are all that is left."""
        old = self.nats
        return Activation(subject=old.subject, kind=old.type, issuer_account=self.issuer_account, **common)

    @classmethod
    def members(cls, body: Activation) -> dict[str, Any]:
        """The body, and the account beside it."""
        return {"nats": OldActivation(subject=body.subject, type=body.kind), "issuer_account": body.issuer_account}


class OldGenericClaims(OldClaims, frozen=True, kw_only=True):
    """Token of another kind."""

    kind: ClassVar[str] = "generic"
    now: ClassVar[Any] = GenericClaims

    nats: dict[str, Any] = field(default_factory=dict)

    def migrated(self, **common: Any) -> dict[str, Any]:
        """The map, with ``type`` and ``tags`` in it if the token has them."""
        beside = {"type": common["type"], "tags": [*common["tags"]]}
        return self.nats | {name: value for name, value in beside.items() if value}


KINDS: dict[str, type[OldClaims]] = {
    kind.kind: kind
    for kind in (OldOperatorClaims, OldAccountClaims, OldUserClaims, OldActivationClaims, OldGenericClaims)
}


# ---- writing -------------------------------------------------------------------------------------


def downgrade(claims: Claims) -> OldClaims:
    """The claims in the shape of version 1. Raises ClaimsError for kinds and members that it has no place for."""
    kind = KINDS.get(claims.kind, OldGenericClaims)
    if kind is OldGenericClaims:
        raise ClaimsError(f"{claims.kind} claims cannot be written as version 1")
    old = kind(**_head(claims), tags=claims.body.tags, type=claims.kind, **kind.members(claims.body))
    if lost := _lost(claims.body, old.settled().body):
        raise ClaimsError(
            f"version 1 has no place for {', '.join(lost)} of {claims.kind} {claims.name or claims.subject}",
            hint="leave it out, or write version 2",
        )
    return old


def _lost(body: Any, again: Any) -> list[str]:
    """The members that differ between a body and what is read when it has been written as version 1."""
    if isinstance(body, User):
        body = replace(body, src=split_networks(body.src))
    given, left = asdict(body), asdict(again)
    return [name for name in given if name not in ("type", "version") and given[name] != left[name]]
