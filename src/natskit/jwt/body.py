"""What all kinds of claims share: the head of a token, permissions, limits of a user.

Every struct is frozen, its members stand in the order in which they are written, and members at their default are left
out, which is how the Go library writes (spec/nkeys-and-jwt.md section 2.2). ``field(default_factory=...)`` marks the
members that are written even when empty.

Modules of claims do without ``from __future__ import annotations``: msgspec would compile each annotation a second time
when it first reads a token, which is a millisecond of every command's start.
"""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""Numbers as the reference library holds them; larger ones in a token are refused."""

Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""Numbers that the reference library holds without a sign."""


class Body(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of everything inside ``nats``. A kind's own body ends with ``tags``, ``type`` and ``version``."""


class Permission(Body, frozen=True):
    """Subjects that may and may not be used. Empty ``allow``: all. Subscribe entries may be ``subject queue``."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)


class ResponsePermission(Struct, frozen=True, kw_only=True):
    """Leave to answer requests: ``max`` messages (negative: any number), within ``ttl`` nanoseconds."""

    max: Int64 = 0
    ttl: Int64 = 0


class Permissions(Body, frozen=True):
    """Publish, subscribe and reply permissions."""

    pub: Permission = field(default_factory=Permission)
    sub: Permission = field(default_factory=Permission)
    resp: ResponsePermission | None = None

    def __bool__(self) -> bool:
        return bool(self.pub or self.sub or self.resp)


class TimeRange(Body, frozen=True):
    """A part of the day, ``HH:MM:SS``; an end before the start is on the next day."""

    start: str = ""
    end: str = ""


class Access(Permissions, frozen=True):
    """Permissions, and from where (CIDRs) and when (in the IANA zone ``times_location``) they hold."""

    src: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    times_location: str = ""

    @property
    def permissions(self) -> Permissions:
        """The permissions alone."""
        return Permissions(pub=self.pub, sub=self.sub, resp=self.resp)


class UserRights(Access, frozen=True):
    """Permissions and limits of a user. Limits are -1 for unlimited; absent ones are 0: none."""

    subs: Int64 = 0
    data: Int64 = 0
    payload: Int64 = 0
    bearer_token: bool = False
    proxy_required: bool = False
    allowed_connection_types: tuple[str, ...] = ()


def _unlimited() -> int:
    return -1


class ScopeTemplate(Access, frozen=True):
    """What a scoped signing key gives its users. Unlike a user's, absent limits read as -1: unlimited."""

    subs: Int64 = field(default_factory=_unlimited)
    data: Int64 = field(default_factory=_unlimited)
    payload: Int64 = field(default_factory=_unlimited)
    bearer_token: bool = False
    proxy_required: bool = False
    allowed_connection_types: tuple[str, ...] = ()


class Claims(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The head of a token: who (``subject``), signed by whom (``issuer``), valid when (Unix seconds; 0: no limit)."""

    kind: ClassVar[str] = ""

    audience: str = field(default="", name="aud")
    expires: Int64 = field(default=0, name="exp")
    id: str = field(default="", name="jti")
    issued_at: Int64 = field(default=0, name="iat")
    issuer: str = field(default="", name="iss")
    name: str = ""
    not_before: Int64 = field(default=0, name="nbf")
    subject: str = field(default="", name="sub")

    @property
    def body(self) -> Any:
        """What stands in ``nats``."""
        return self.nats  # type: ignore[attr-defined]

    def settled(self) -> "Claims":
        """What becomes of the claims once they are read."""
        return self

    def arranged(self) -> Any:
        """The body as it is written. Raises ClaimsError for what must not be written."""
        return self.body
