"""What a server runs with: one frozen tree, units in the names, made once from file, flags and program.

Seconds are floats (``_s``), sizes are bytes, subjects and keys are plain text that was checked on the way in.
A tuple keeps the order of the file. ``None`` means "not given" where that differs from every value.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from natskit.errors import ServerError

if TYPE_CHECKING:
    from os import PathLike

    from natskit.jwt import OperatorClaims

GLOBAL_ACCOUNT = "$G"
SYSTEM_ACCOUNT = "$SYS"
SECRET_FIELDS = frozenset({"password", "token", "default_sentinel", "resolver_preload", "remote_syslog", "overrides"})


class Shape(Struct, frozen=True, kw_only=True):
    """Base of all parts. Printing one never shows a secret."""

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            secret = name in SECRET_FIELDS and value
            shown.append(f"{name}={'[REDACTED]' if secret else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


# Permissions and users


class SubjectPermission(Shape, frozen=True, kw_only=True):
    """Subjects that are allowed (none listed: all) and denied. Subscribe entries may read ``"subject queue"``."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class ResponsePermission(Shape, frozen=True, kw_only=True):
    """``allow_responses``: how many replies to a received message, for how long. Negative: no limit."""

    max_messages: int = 1
    expires_s: float = 120.0


class Permissions(Shape, frozen=True, kw_only=True):
    """What a user may do. With ``responses`` and no publish allow list, publishing is denied otherwise."""

    publish: SubjectPermission = SubjectPermission()
    subscribe: SubjectPermission = SubjectPermission()
    responses: ResponsePermission | None = None


class User(Shape, frozen=True, kw_only=True):
    """A user of the configuration: ``name`` (with ``password``, plain or bcrypt) or ``nkey``, never both.

    ``permissions`` are its own; None: the defaults of its block (`Options.users` puts them in), else everything.
    ``connection_types``: upper-case names, empty for all.
    """

    name: str = ""
    password: str = ""
    nkey: str = ""
    permissions: Permissions | None = None
    connection_types: tuple[str, ...] = ()
    proxy_required: bool = False

    @property
    def id(self) -> str:
        """The name or nkey it logs in with."""
        return self.nkey or self.name


class AuthCallout(Shape, frozen=True, kw_only=True):
    """``auth_callout`` of the configuration mode."""

    issuer: str
    auth_users: tuple[str, ...]
    account: str = GLOBAL_ACCOUNT
    xkey: str = ""
    allowed_accounts: tuple[str, ...] = ()


class Authorization(Shape, frozen=True, kw_only=True):
    """The ``authorization`` block: a single user, or a token, or users of account ``$G``.

    ``timeout_s`` None: 2 s, or one second more than the TLS timeout (see `Options.auth_timeout_s`).
    """

    user: str = ""
    password: str = ""
    token: str = ""
    timeout_s: float | None = None
    users: tuple[User, ...] = ()
    default_permissions: Permissions | None = None
    callout: AuthCallout | None = None
    proxy_required: bool = False


# Accounts

Kind = Literal["stream", "service"]


class Latency(Shape, frozen=True, kw_only=True):
    """Latency tracking of a service export. ``sampling`` is a percentage, 0 for "when headers ask for it"."""

    subject: str
    sampling: int = 100


class Export(Shape, frozen=True, kw_only=True):
    """``accounts`` None: public."""

    kind: Kind
    subject: str
    accounts: tuple[str, ...] | None = None
    account_token_position: int = 0
    response_type: Literal["singleton", "stream", "chunked"] = "singleton"
    response_threshold_s: float = 0.0
    latency: Latency | None = None
    allow_trace: bool = False


class Import(Shape, frozen=True, kw_only=True):
    """``subject`` of ``account``; locally ``prefix`` + subject, or ``to``, or the same."""

    kind: Kind
    account: str
    subject: str
    prefix: str = ""
    to: str = ""
    share: bool = False
    allow_trace: bool = False


class Destination(Shape, frozen=True, kw_only=True):
    """One destination of a subject mapping; ``weight`` in percent."""

    subject: str
    weight: int = 100


class SubjectMapping(Shape, frozen=True, kw_only=True):
    source: str
    destinations: tuple[Destination, ...]


class AccountLimits(Shape, frozen=True, kw_only=True):
    """-1: no limit."""

    max_connections: int = -1
    max_subscriptions: int = -1
    max_payload: int = -1


class MessageTrace(Shape, frozen=True, kw_only=True):
    """``msg_trace``: where traces of sampled W3C trace headers go; ``sampling`` in percent."""

    subject: str
    sampling: int = 100


class Account(Shape, frozen=True, kw_only=True):
    """One account of ``accounts {}``."""

    name: str
    nkey: str = ""
    users: tuple[User, ...] = ()
    default_permissions: Permissions | None = None
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    mappings: tuple[SubjectMapping, ...] = ()
    limits: AccountLimits = AccountLimits()
    trace: MessageTrace | None = None


# Operator mode


class TrustedOperator(Shape, frozen=True, kw_only=True):
    """An operator JWT that was decoded and verified."""

    token: str
    claims: OperatorClaims


class MemoryResolver(Shape, frozen=True, kw_only=True, tag="memory"):
    """Accounts come from ``resolver_preload`` and updates."""


class UrlResolver(Shape, frozen=True, kw_only=True, tag="url"):
    """GET ``url`` + account key; ``url`` ends in a slash."""

    url: str


class FullResolver(Shape, frozen=True, kw_only=True, tag="full"):
    """A directory that holds all accounts. ``limit`` 0: none."""

    directory: str
    allow_delete: bool = False
    hard_delete: bool = False
    interval_s: float = 60.0
    limit: int = 0
    timeout_s: float = 1.9


class CacheResolver(Shape, frozen=True, kw_only=True, tag="cache"):
    """A directory that holds the accounts in use. ``ttl_s`` 0: for ever."""

    directory: str
    limit: int = 1000
    ttl_s: float = 0.0
    timeout_s: float = 1.9


Resolver = MemoryResolver | UrlResolver | FullResolver | CacheResolver


# Transport


class CertificatePair(Shape, frozen=True, kw_only=True):
    cert_file: str
    key_file: str


class Tls(Shape, frozen=True, kw_only=True):
    """A ``tls`` block. ``handshake_first_s``: None after INFO, 0 at once, else fall back to INFO after that time."""

    certificates: tuple[CertificatePair, ...] = ()
    ca_file: str = ""
    verify: bool = False
    verify_and_map: bool = False
    timeout_s: float = 2.0
    handshake_first_s: float | None = None
    min_version: Literal["1.2", "1.3"] = "1.2"
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[str, ...] = ()
    pinned_certs: frozenset[str] = frozenset()
    connection_rate_limit: int = 0
    insecure: bool = False


class WebSocketAuthorization(Shape, frozen=True, kw_only=True):
    user: str = ""
    password: str = ""
    token: str = ""
    timeout_s: float | None = None


class WebSocket(Shape, frozen=True, kw_only=True):
    """The WebSocket listener. Only made when a port is given."""

    port: int
    host: str = "0.0.0.0"  # noqa: S104 - what nats-server listens on
    advertise: str = ""
    tls: Tls | None = None
    no_tls: bool = False
    same_origin: bool = False
    allowed_origins: tuple[str, ...] = ()
    compression: bool = False
    handshake_timeout_s: float = 2.0
    ping_interval_s: float | None = None
    authorization: WebSocketAuthorization | None = None
    no_auth_user: str = ""
    jwt_cookie: str = ""
    user_cookie: str = ""
    pass_cookie: str = ""
    token_cookie: str = ""
    headers: dict[str, str] = {}

    @property
    def replaces_login(self) -> bool:
        """Whether who is let in here is not what the server says elsewhere."""
        login = self.authorization
        return bool(self.no_auth_user or (login is not None and (login.user or login.token)))

    @property
    def takes_cookies(self) -> bool:
        """Whether browsers may log in by what they send with the requests of any page."""
        return bool(self.jwt_cookie or self.user_cookie or self.pass_cookie or self.token_cookie)


class Monitoring(Shape, frozen=True, kw_only=True):
    """Monitoring listeners; None: off, -1: any free port. ``host`` empty: that of the client listener."""

    host: str = ""
    http_port: int | None = None
    https_port: int | None = None
    base_path: str = "/"


class Logging(Shape, frozen=True, kw_only=True):
    """Where log lines go and how they look. Sizes in bytes, 0: no limit."""

    debug: bool = False
    trace: bool = False
    trace_verbose: bool = False
    trace_headers: bool = False
    time: bool = True
    utc: bool = False
    file: str = ""
    file_size_limit: int = 0
    file_max_num: int = 0
    syslog: bool = False
    remote_syslog: str = ""
    max_traced_msg_len: int = 0


class Limits(Shape, frozen=True, kw_only=True):
    """Server-wide limits. ``max_connections`` negative: nobody; ``max_subscriptions`` 0: no limit."""

    max_connections: int = 65536
    max_subscriptions: int = 0
    max_subscription_tokens: int = 0
    max_control_line: int = 4096
    max_payload: int = 1 << 20
    max_pending: int = 64 << 20
    max_closed_clients: int = 10_000


class Options(Shape, frozen=True, kw_only=True):
    """Everything a server needs to know before it starts.

    Make one in a program (``Options(port=-1)``), or from a file, text or dict with `Options.load`.
    ``port`` -1: any free one. ``authorization`` None: no such block (an empty one asks clients to log in as somebody).
    ``file``, ``digest``, ``warnings`` and ``overrides`` say where it came from.
    """

    host: str = "0.0.0.0"  # noqa: S104 - what nats-server listens on
    port: int = 4222
    client_advertise: str = ""
    server_name: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}

    limits: Limits = Limits()
    ping_interval_s: float = 120.0
    ping_max: int = 2
    write_deadline_s: float = 10.0
    write_timeout: Literal["close", "retry"] = "close"
    no_fast_producer_stall: bool = False
    lame_duck_duration_s: float = 120.0
    lame_duck_grace_period_s: float = 10.0
    no_header_support: bool = False
    disable_sublist_cache: bool = False
    proxy_protocol: bool = False
    trusted_proxies: tuple[str, ...] = ()
    connect_error_reports: int = 3600
    reconnect_error_reports: int = 1
    feature_flags: dict[str, bool] = {}

    authorization: Authorization | None = None
    accounts: tuple[Account, ...] = ()
    mappings: tuple[SubjectMapping, ...] = ()
    no_auth_user: str = ""
    default_sentinel: str = ""
    system_account: str = ""
    no_system_account: bool = False

    operators: tuple[TrustedOperator, ...] = ()
    trusted_keys: tuple[str, ...] = ()
    resolver: Resolver | None = None
    resolver_tls: Tls | None = None
    resolver_preload: dict[str, str] = {}
    resolver_pinned_accounts: frozenset[str] = frozenset()

    tls: Tls | None = None
    allow_non_tls: bool = False
    websocket: WebSocket | None = None
    monitoring: Monitoring = Monitoring()
    logging: Logging = Logging()
    pid_file: str = ""
    ports_file_dir: str = ""

    file: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()
    overrides: dict[str, Any] = {}

    @property
    def operator_mode(self) -> bool:
        """Whether users log in with JWTs that lead to a trusted key."""
        return bool(self.operators or self.trusted_keys)

    @property
    def auth_timeout_s(self) -> float:
        """Seconds a client has to log in: as given, else 2, else one more than its TLS handshake may take."""
        if self.authorization is not None and self.authorization.timeout_s is not None:
            return self.authorization.timeout_s
        return self.tls.timeout_s + 1.0 if self.tls else 2.0

    def advertised(self, port: int) -> tuple[str, int]:
        """Host and port that clients are told; ``port`` is the one that is listened on."""
        from natskit.server.options.reading import split_address

        return split_address(self.client_advertise, port) if self.client_advertise else (self.host, port)

    def for_websocket(self) -> Options:
        """The options by which WebSocket clients are let in: these, unless the ``websocket`` block has a login."""
        websocket = self.websocket
        if websocket is None or not websocket.replaces_login or self.operator_mode:
            return self
        login, authorization = websocket.authorization, self.authorization
        if login is not None or authorization is not None:
            login = login or WebSocketAuthorization()
            authorization = replace(
                authorization or Authorization(), user=login.user, password=login.password, token=login.token
            )
        return replace(self, authorization=authorization, no_auth_user=websocket.no_auth_user)

    def users(self) -> tuple[tuple[str, User], ...]:
        """Every configured user with its account's name, its permissions replaced by the block's defaults if absent.

        The single user of ``authorization`` is not among them.
        """
        found: list[tuple[str, User]] = []
        if self.authorization is not None:
            found += _in_force(GLOBAL_ACCOUNT, self.authorization.users, self.authorization.default_permissions)
        for account in self.accounts:
            found += _in_force(account.name, account.users, account.default_permissions)
        return tuple(found)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        text: str | None = None,
        values: MappingType[str, Any] | None = None,
        overrides: MappingType[str, Any] | None = None,
    ) -> Options:
        """Options from one of a file, a text in the configuration language, or a dict with its keys.

        ``overrides`` are top-level keys of the language that win over what was loaded (command line flags); None as
        a value takes away what was loaded.
        Raises: ConfigError holding every problem found, each with file, line and column.
        Source: server-config.md sections 1 to 3.
        """
        from natskit.server.options.loading import load

        return load(path, text=text, values=values, overrides=overrides)

    @classmethod
    def of(cls, config: Options | str | PathLike[str] | MappingType[str, Any] | None) -> Options:
        """The options that a configuration in any form describes: options, the path of a file, a text, a dict with the
        keys of one; None: an open server on a free port of 127.0.0.1. Raises ConfigError."""
        if config is None:
            return cls(host="127.0.0.1", port=-1)
        if isinstance(config, Options):
            return config
        if isinstance(config, str):
            return cls.load(text=config)
        return cls.load(values=config) if isinstance(config, MappingType) else cls.load(config)

    def reread(self) -> Options:
        """The options that the file has now, with the same overrides.

        Raises: ServerError if they did not come from a file; ConfigError.
        """
        if not self.file:
            raise ServerError("can only reload config when a file is provided using -c or --config")
        return Options.load(self.file, overrides=self.overrides)


def _in_force(account: str, users: tuple[User, ...], default: Permissions | None) -> Iterator[tuple[str, User]]:
    for user in users:
        yield account, user if user.permissions is not None else replace(user, permissions=default)
