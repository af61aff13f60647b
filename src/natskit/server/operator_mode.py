"""Operator mode: what its configuration must and must not have, and where its accounts come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit import jwt, nkeys
from natskit.errors import Error, ServerError
from natskit.server.options import CacheResolver, FullResolver, MemoryResolver, Options, UrlResolver
from natskit.server.resolvers import Cache, Directory, Memory, Resolver, Web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from natskit.server.clock import Clock

__all__ = ["check", "resolver_of", "system_account_of"]


def check(options: Options, version: str) -> None:
    """Raise ServerError if ``options`` of operator mode cannot work for a server of ``version``.

    Source: spec/server-accounts.md section 1.5.
    """
    if fault := next(_faults(options, version), None):
        raise ServerError(fault)


def _faults(options: Options, version: str) -> Iterator[str]:
    authorization = options.authorization
    if options.operators and options.trusted_keys:
        yield "conflicting options for 'TrustedKeys' and 'TrustedOperators'"
    if len(options.operators) > 1 and options.resolver is None:
        yield "operators require an account resolver to be configured"
    if options.accounts:
        yield "operators do not allow Accounts to be configured directly"
    if authorization is not None and authorization.users:
        yield "operators do not allow users to be configured directly"
    if authorization is not None and authorization.callout:
        yield "operators do not allow authorization callouts to be configured directly"
    if options.no_auth_user:
        yield "no_auth_user not compatible with Trusted Operator"
    declared = {operator.claims.nats.system_account for operator in options.operators} - {""}
    if declared and options.system_account and declared != {options.system_account}:
        yield "system_account in config and operator JWT must be identical"
    if isinstance(options.resolver, FullResolver | CacheResolver) and not system_account_of(options):
        yield (
            "using nats based account resolver - the system account needs to be specified in configuration or the"
            " operator jwt"
        )
    yield from _version_faults(options, version)
    if options.default_sentinel:
        yield from _sentinel_faults(options.default_sentinel)
    for key in sorted(options.resolver_pinned_accounts):
        if not nkeys.is_public(key, nkeys.Role.ACCOUNT):
            yield f'pinned account key "{key}" is not a valid public account nkey'
    if options.resolver_preload and isinstance(options.resolver, UrlResolver):
        yield "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR"


def _version_faults(options: Options, version: str) -> Iterator[str]:
    have = _numbers(version)
    for operator in options.operators:
        asked = operator.claims.nats.assert_server_version
        wanted = _numbers(asked) if asked else have
        for part, want, has in zip(("major", "minor", "update"), wanted, have, strict=False):
            if want > has:
                yield f"operator {operator.claims.subject} expected {part} version {want} > server {part} version {has}"
            if want != has:
                break


def _sentinel_faults(token: str) -> Iterator[str]:
    """Everybody is given this token: it must work without a key. That of a scoped user may, its role tells."""
    try:
        claims = jwt.decode(token, jwt.UserClaims)
    except Error as error:
        yield f"default sentinel JWT not valid: {error.message}"
        return
    if not claims.nats.bearer_token and claims.nats.rights != jwt.User().rights:
        yield "default sentinel must be a bearer token"


def _numbers(version: str) -> tuple[int, ...]:
    core = version.partition("-")[0].partition("+")[0]
    return tuple(int(part) for part in core.split(".") if part.isdigit())


def system_account_of(options: Options) -> str:
    """The key of the system account: of the configuration, or of the operator; empty if there is none."""
    if options.system_account:
        return options.system_account
    declared = (operator.claims.nats.system_account for operator in options.operators)
    return next(filter(None, declared), "")


def resolver_of(options: Options, clock: Clock) -> Resolver | None:
    """The resolver of the configuration, or the account server that the only operator names."""
    chosen = options.resolver
    if chosen is None and len(options.operators) == 1:
        base = options.operators[0].claims.nats.account_server_url
        chosen = UrlResolver(url=f"{base}/accounts/" if base else "/accounts/")
    if isinstance(chosen, MemoryResolver):
        return Memory(options.resolver_preload)
    if isinstance(chosen, UrlResolver):
        return Web(chosen.url, _tls_context(options))
    if isinstance(chosen, FullResolver):
        return Directory(
            chosen.directory,
            clock,
            limit=chosen.limit,
            timeout_s=chosen.timeout_s,
            allow_delete=chosen.allow_delete,
            hard_delete=chosen.hard_delete,
            preload=options.resolver_preload,
        )
    if isinstance(chosen, CacheResolver):
        return Cache(
            chosen.directory,
            clock,
            limit=chosen.limit,
            timeout_s=chosen.timeout_s,
            ttl_s=chosen.ttl_s,
            preload=options.resolver_preload,
        )
    return None


def _tls_context(options: Options) -> ssl.SSLContext | None:
    """How ``https`` addresses are verified: ``resolver_tls``, else the system's authorities."""
    tls = options.resolver_tls
    if tls is None:
        return None
    import ssl

    context = ssl.create_default_context(cafile=tls.ca_file or None)
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for pair in tls.certificates:
        context.load_cert_chain(pair.cert_file, pair.key_file)
    return context
