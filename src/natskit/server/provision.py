"""Which accounts a server starts with, and what a new configuration changes about them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from natskit import graph
from natskit.errors import Error, ServerError
from natskit.graph.trust import Trust
from natskit.server.accounts import Account, Accounts, Limits, TraceSampling
from natskit.server.configured import account_models, permissions_of
from natskit.server.options import GLOBAL_ACCOUNT, SYSTEM_ACCOUNT

if TYPE_CHECKING:
    from natskit.server.clock import Clock
    from natskit.server.options import Options

__all__ = ["open_accounts", "reprovision"]

log = logging.getLogger(__name__)

SYSTEM_RETRY_S = 1.0


async def open_accounts(options: Options, clock: Clock, version: str) -> Accounts:
    """The accounts of a server of ``version`` that starts with ``options``.

    Raises ServerError if they cannot work, with what to do about it.
    """
    if not options.operator_mode:
        accounts = Accounts(clock)
        _configure(accounts, options)
        return accounts
    from natskit.server import operator_mode  # what only operators need is not loaded for others

    operator_mode.check(options, version)
    accounts = Accounts(
        clock,
        Trust.of((each.claims for each in options.operators), options.trusted_keys),
        operator_mode.resolver_of(options, clock),
    )
    accounts.put(graph.Account(id=GLOBAL_ACCOUNT, name=GLOBAL_ACCOUNT))
    try:
        if accounts.resolver is not None:
            await accounts.resolver.start()
        await _open_system_account(accounts, options, clock)
    except BaseException:
        await accounts.close()
        raise
    return accounts


def reprovision(accounts: Accounts, options: Options) -> None:
    """Change the accounts in use to those of a new configuration.

    Connections of accounts that are gone are closed; the others are still to be judged again
    (`Authenticator.judge_again`). In operator mode a changed preload is an update, a removed one a deletion. Raises
    ServerError or InvalidSubject if the configured accounts cannot work; nothing has changed then.
    """
    if options.operator_mode:
        _reload_tokens(accounts, options)
    else:
        _configure(accounts, options)


def _reload_tokens(accounts: Accounts, options: Options) -> None:
    """Use what the resolver has now for the accounts in use."""
    resolver = accounts.resolver
    if resolver is None:
        return
    for account_id in resolver.reload(options.resolver_preload):
        account = accounts.find(account_id)
        if account is None or not account.token:
            continue
        token = resolver.read(account_id)
        if token is None:
            accounts.remove(account_id, "Authentication Failure", "Authorization Violation")
        elif token != account.token:
            try:
                accounts.install(account_id, token)
            except Error as error:
                log.error("new token of account %s is not used: %s", account, error)


# ---- configured accounts -------------------------------------------------------------------------


def _configure(accounts: Accounts, options: Options) -> None:
    models = account_models(options)
    wanted = {model.id for model in models}
    system = options.system_account or SYSTEM_ACCOUNT
    if not options.no_system_account and system not in wanted:
        raise ServerError(f'error resolving system account: account missing: define "{system}" in accounts')
    for model in models:
        graph.Mappings.compile(model.mappings)
    defaults = {account.name: permissions_of(account.default_permissions) for account in options.accounts}
    for account in accounts:
        if account.id not in wanted:
            accounts.remove(account.id, "Client Closed", "")
    configured = {account.name: account for account in options.accounts}
    for model in models:
        account = accounts.put(model)
        described = configured.get(model.id)
        if described is not None:
            limits = described.limits
            account.limits = Limits(
                max_connections=limits.max_connections,
                max_subscriptions=limits.max_subscriptions,
                max_payload=limits.max_payload,
            )
            account.default_permissions = defaults[model.id]
            trace = described.trace
            account.trace_to(TraceSampling(trace.subject, trace.sampling) if trace else None)
            account.close_surplus()
        if model.id == system and not options.no_system_account:
            accounts.designate_system(account)


# ---- the system account of operator mode ---------------------------------------------------------


async def _open_system_account(accounts: Accounts, options: Options, clock: Clock) -> None:
    if options.no_system_account:
        return
    from natskit.server import operator_mode
    from natskit.server.resolvers import Memory

    account_id = operator_mode.system_account_of(options)
    if not account_id:
        accounts.designate_system(accounts.put(graph.Account(id=SYSTEM_ACCOUNT, name=SYSTEM_ACCOUNT)))
        return
    try:
        system = await accounts.get(account_id)
    except Error as error:
        if isinstance(accounts.resolver, Memory):
            raise ServerError(f"error resolving system account: {error}") from None
        log.info("Using bootstrapping system account: %s", error)
        system = accounts.put(graph.Account(id=account_id, name=account_id))
        _retry(accounts, system, clock)
    accounts.designate_system(system)


def _retry(accounts: Accounts, system: Account, clock: Clock) -> None:
    """Ask every second for the system account, until it is there."""

    def again() -> None:
        if system.claims is None:
            accounts.spawn(_ask(accounts, system, clock))

    clock.call_in(SYSTEM_RETRY_S, again)


async def _ask(accounts: Accounts, system: Account, clock: Clock) -> None:
    try:
        await accounts.refresh(system.id)
    except Error:
        _retry(accounts, system, clock)
    else:
        log.info("System account fetched and updated")
