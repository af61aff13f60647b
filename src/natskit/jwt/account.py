"""Account claims: what an account shares, its limits and its signing keys."""

from typing import ClassVar, TypeVar

from msgspec import field
from msgspec.structs import asdict, replace

from natskit.errors import ClaimsError
from natskit.jwt.body import Body, Claims, Int64, Permissions, ScopeTemplate
from natskit.jwt.sharing import Export, Import

USER_SCOPE = "user_scope"


class JetStreamLimits(Body, frozen=True):
    """Limits of one JetStream tier: bytes and counts. Storage 0 is disabled, a negative limit is none."""

    mem_storage: Int64 = 0
    disk_storage: Int64 = 0
    streams: Int64 = 0
    consumer: Int64 = 0
    max_ack_pending: Int64 = 0
    mem_max_stream_bytes: Int64 = 0
    disk_max_stream_bytes: Int64 = 0
    max_bytes_required: bool = False

    @property
    def enabled(self) -> bool:
        """Whether any storage is allowed."""
        return bool(self.mem_storage or self.disk_storage)


class AccountLimits(Body, frozen=True):
    """Limits that the operator sets: -1 is unlimited, 0 (left out when written) none."""

    subs: Int64 = 0
    data: Int64 = 0
    payload: Int64 = 0
    imports: Int64 = 0
    exports: Int64 = 0
    wildcards: bool = False
    disallow_bearer: bool = False
    conn: Int64 = 0
    leaf: Int64 = 0
    mem_storage: Int64 = 0
    disk_storage: Int64 = 0
    streams: Int64 = 0
    consumer: Int64 = 0
    max_ack_pending: Int64 = 0
    mem_max_stream_bytes: Int64 = 0
    disk_max_stream_bytes: Int64 = 0
    max_bytes_required: bool = False
    tiered_limits: dict[str, JetStreamLimits] = field(default_factory=dict)

    @property
    def jetstream(self) -> JetStreamLimits:
        """The flat (untiered) JetStream limits."""
        return JetStreamLimits(**{name: getattr(self, name) for name in JetStreamLimits.__struct_fields__})


class WeightedMapping(Body, frozen=True):
    """One destination of a subject mapping; ``weight`` in percent, 0 stands for 100."""

    subject: str = field(default_factory=str)
    weight: Int64 = 0
    cluster: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 255:
            raise ValueError(f"weight {self.weight} is out of range")


class ExternalAuthorization(Body, frozen=True):
    """Auth callout: on if there are ``auth_users``."""

    auth_users: tuple[str, ...] = ()
    allowed_accounts: tuple[str, ...] = ()
    xkey: str = ""

    def __bool__(self) -> bool:
        return bool(self.auth_users)


class MessageTrace(Body, frozen=True):
    """Where trace events go, and how many (percent; 0 stands for 100)."""

    dest: str = ""
    sampling: Int64 = 0


class UserScope(Body, frozen=True):
    """A signing key that gives every user it signs the rights of its ``template``."""

    kind: str = field(default_factory=lambda: USER_SCOPE)
    key: str = field(default_factory=str)
    role: str = field(default_factory=str)
    template: ScopeTemplate = field(default_factory=ScopeTemplate)
    description: str = field(default_factory=str)

    def __post_init__(self) -> None:
        if self.kind != USER_SCOPE:
            raise ValueError(f'unknown signing key scope "{self.kind}"')


class Account(Body, frozen=True):
    """Spec section 3.2."""

    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    limits: AccountLimits = field(default_factory=AccountLimits)
    signing_keys: tuple[str | UserScope, ...] = ()
    revocations: dict[str, Int64] = field(default_factory=dict)
    default_permissions: Permissions = field(default_factory=Permissions)
    mappings: dict[str, tuple[WeightedMapping, ...] | None] = field(default_factory=dict)
    authorization: ExternalAuthorization = field(default_factory=ExternalAuthorization)
    trace: MessageTrace | None = None
    cluster_traffic: str = ""
    description: str = ""
    info_url: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0

    @property
    def signing_key_names(self) -> tuple[str, ...]:
        """The public keys of all signing keys."""
        return tuple(entry if isinstance(entry, str) else entry.key for entry in self.signing_keys)

    @property
    def sorted_signing_keys(self) -> tuple[str | UserScope, ...]:
        """The signing keys in the order of their names; of several entries for a key the last."""
        named = dict(zip(self.signing_key_names, self.signing_keys, strict=True))
        return tuple(named[name] for name in sorted(named))

    def has_signing_key(self, key: str) -> bool:
        """Whether ``key`` is one of the signing keys, scoped or not."""
        return key in self.signing_key_names

    def scope_of(self, key: str) -> UserScope | None:
        """The scope of a signing key; None if it is none, or unscoped."""
        return next((entry for entry in self.signing_keys if isinstance(entry, UserScope) and entry.key == key), None)


class AccountClaims(Claims, frozen=True, kw_only=True):
    """An account's token."""

    kind: ClassVar[str] = "account"

    nats: Account = field(default_factory=Account)

    def settled(self) -> "AccountClaims":
        """Later entries of a signing key win, and tiers clear the other JetStream limits."""
        account = self.nats
        keys = account.sorted_signing_keys
        if keys != account.signing_keys:
            account = replace(account, signing_keys=keys)
        if account.limits.tiered_limits:
            account = replace(account, limits=replace(account.limits, **asdict(JetStreamLimits())))
        return self if account is self.nats else replace(self, nats=account)

    def arranged(self) -> Account:
        """Imports and exports in the order of their subjects. Raises ClaimsError for an impossible sampling rate."""
        account = self.nats
        for latency in filter(None, (export.service_latency for export in account.exports)):
            if isinstance(latency.sampling, int) and not 1 <= latency.sampling <= 100:
                raise ClaimsError(f"unknown sampling rate {latency.sampling}: give 1 to 100 percent, or headers")
        return replace(account, imports=_by_subject(account.imports), exports=_by_subject(account.exports))


_Shared = TypeVar("_Shared", Export, Import)


def _by_subject(shared: tuple[_Shared, ...]) -> tuple[_Shared, ...]:
    return tuple(sorted(shared, key=lambda each: each.subject))


UNLIMITED = AccountLimits(subs=-1, data=-1, payload=-1, imports=-1, exports=-1, conn=-1, leaf=-1, wildcards=True)


def new_account(subject: str, name: str = "") -> AccountClaims:
    """Claims as the Go constructor makes them: everything unlimited but JetStream, which is off."""
    return AccountClaims(subject=subject, name=name, nats=Account(limits=UNLIMITED))
