"""Version 1, the format of 2019: its structs, migration to the shape of version 2, and back for writing.

``type`` and ``tags`` stand at the top level, ``issuer_account`` after the body, and only the payload chunk is signed.
What version 2 has no place for (``identity``, a user's and an activation's ``max``) is dropped on migration; what
version 1 has no place for is dropped on the way back.

Source: spec/nkeys-and-jwt.md sections 2, 3 and 10.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from msgspec import field

from natskit.errors import ClaimsError
from natskit.jwt.account import Account, AccountClaims, AccountLimits
from natskit.jwt.activation import Activation, ActivationClaims
from natskit.jwt.body import Body, Claims, Int64, Permission, ResponsePermission, TimeRange
from natskit.jwt.operator import Operator, OperatorClaims
from natskit.jwt.sharing import Export, Import, ServiceLatency, check_sharing_type
from natskit.jwt.user import User, UserClaims

VERSION = 1


class OldClaims(Claims, frozen=True, kw_only=True):
    """The head of version 1."""

    tags: tuple[str, ...] = ()
    type: str = ""


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
    nats: OldOperator | None = None


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
    account_token_position: Int64 = 0

    def __post_init__(self) -> None:
        check_sharing_type(self.type, "export")


class OldImport(Body, frozen=True):
    """Import. ``token`` is a JWT or a URL of one."""

    name: str = ""
    subject: str = ""
    account: str = ""
    token: str = ""
    to: str = ""
    type: str = ""

    def __post_init__(self) -> None:
        check_sharing_type(self.type, "import")


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
    nats: OldAccount = field(default_factory=OldAccount)


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
    nats: OldUser = field(default_factory=OldUser)
    issuer_account: str = ""


class OldActivation(Body, frozen=True):
    """Activation body."""

    subject: str = ""
    type: str = ""
    max: Int64 = 0
    payload: Int64 = 0
    src: str | tuple[str, ...] = ""
    times: tuple[TimeRange, ...] = ()

    def __post_init__(self) -> None:
        check_sharing_type(self.type, "import")


class OldActivationClaims(OldClaims, frozen=True, kw_only=True):
    """Activation token."""

    kind: ClassVar[str] = "activation"
    nats: OldActivation = field(default_factory=OldActivation)
    issuer_account: str = ""


KINDS: dict[str, type[OldClaims]] = {
    kind.kind: kind for kind in (OldOperatorClaims, OldAccountClaims, OldUserClaims, OldActivationClaims)
}


# ---- to version 2 --------------------------------------------------------------------------------


def _head(claims: Claims) -> dict[str, Any]:
    return {name: getattr(claims, name) for name in Claims.__struct_fields__}


def migrate(claims: OldClaims) -> Claims:
    """The claims in the shape of version 2; ``nats.version`` stays 1 until they are written again."""
    common: dict[str, Any] = {"tags": claims.tags, "type": claims.type, "version": VERSION}
    body: Any
    if isinstance(claims, OldOperatorClaims):
        body = claims.nats or OldOperator()
        kept = {name: getattr(body, name) for name in OldOperator.__struct_fields__ if name != "identity"}
        return OperatorClaims(**_head(claims), nats=Operator(**kept, **common))
    if isinstance(claims, OldAccountClaims):
        return AccountClaims(**_head(claims), nats=_migrate_account(claims.nats, common))
    if isinstance(claims, OldUserClaims):
        return UserClaims(**_head(claims), nats=_migrate_user(claims, common))
    activation = cast(OldActivationClaims, claims)
    return ActivationClaims(
        **_head(claims),
        nats=Activation(
            subject=activation.nats.subject,
            kind=activation.nats.type,
            issuer_account=activation.issuer_account,
            **common,
        ),
    )


def _members(struct: Body) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _migrate_account(old: OldAccount, common: dict[str, Any]) -> Account:
    return Account(
        imports=tuple(Import(**_members(each)) for each in old.imports),
        exports=tuple(_migrate_export(each) for each in old.exports),
        limits=AccountLimits(**_members(old.limits)),
        signing_keys=old.signing_keys,
        revocations=old.revocations,
        **common,
    )


def _migrate_export(old: OldExport) -> Export:
    latency = old.service_latency
    return Export(
        **{
            **_members(old),
            "service_latency": latency and ServiceLatency(sampling=latency.sampling, results=latency.results),
        }
    )


def _migrate_user(claims: OldUserClaims, common: dict[str, Any]) -> User:
    old = claims.nats
    return User(
        pub=old.pub,
        sub=old.sub,
        resp=old.resp,
        src=split_networks(old.src),
        times=old.times,
        subs=-1,
        data=-1,
        payload=old.payload or -1,
        bearer_token=old.bearer_token,
        issuer_account=claims.issuer_account,
        **common,
    )


def split_networks(src: str | tuple[str, ...]) -> tuple[str, ...]:
    """The networks of a comma-separated list: trimmed, lower case, each once."""
    parts = src.split(",") if isinstance(src, str) else src
    return tuple(dict.fromkeys(part for part in (each.strip().lower() for each in parts) if part))


# ---- from version 2 ------------------------------------------------------------------------------


def downgrade(claims: Claims) -> OldClaims:
    """The claims in the shape of version 1. Raises ClaimsError for kinds that it does not have."""
    head = _head(claims)
    body = claims.body
    if isinstance(claims, OperatorClaims):
        kept = {name: getattr(body, name) for name in OldOperator.__struct_fields__ if name != "identity"}
        operator = OldOperator(**kept)
        return OldOperatorClaims(
            **head, tags=body.tags, type="operator", nats=None if operator == OldOperator() else operator
        )
    if isinstance(claims, AccountClaims):
        return OldAccountClaims(**head, tags=body.tags, type="account", nats=_downgrade_account(claims.nats))
    if isinstance(claims, UserClaims):
        return OldUserClaims(
            **head, tags=body.tags, type="user", nats=_downgrade_user(claims.nats), issuer_account=body.issuer_account
        )
    if isinstance(claims, ActivationClaims):
        return OldActivationClaims(
            **head,
            tags=body.tags,
            type="activation",
            nats=OldActivation(subject=body.subject, type=body.kind),
            issuer_account=body.issuer_account,
        )
    raise ClaimsError(f"{claims.kind} claims cannot be written as version 1")


def _downgrade_account(account: Account) -> OldAccount:
    return OldAccount(
        imports=tuple(_pick(OldImport, each) for each in account.imports),
        exports=tuple(_downgrade_export(each) for each in account.exports),
        limits=cast(OldLimits, _pick(OldLimits, account.limits)),
        signing_keys=account.signing_key_names,
        revocations=account.revocations,
    )


def _downgrade_export(export: Export) -> OldExport:
    latency = export.service_latency
    sampling = latency.sampling if latency and isinstance(latency.sampling, int) else 0
    old = latency and OldLatency(sampling=sampling, results=latency.results)
    return cast(OldExport, _pick(OldExport, export, service_latency=old))


def _downgrade_user(user: User) -> OldUser:
    return OldUser(
        pub=user.pub,
        sub=user.sub,
        resp=user.resp,
        payload=max(user.payload, 0),
        src=",".join(user.src),
        times=user.times,
        bearer_token=user.bearer_token,
    )


def _pick(kind: Any, source: Body, **given: Any) -> Any:
    """A ``kind`` with the members of ``source`` that it has."""
    return kind(**{name: getattr(source, name) for name in kind.__struct_fields__} | given)
