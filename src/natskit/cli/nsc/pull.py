"""``nsc pull``: tokens from an account server or from the resolvers of servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch
from natskit.cli.console import masked
from natskit.errors import Error, StoreError, UsageError

from .syncing import SYSTEM_USER, Cluster
from .tls import TLS

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Resolver
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["pull"]

_AT_ONCE = 8
_ANSWER_WAIT_S = 5.0
"""The server says when it has sent all, so nobody waits for this long unless it is silent."""


@command(
    switch("all", "A", "operator and all accounts"),
    switch("overwrite-newer", "F", "also over a token that is newer, or of a strange operator"),
    *SYSTEM_USER,
    *TLS,
    arguments=("[ignored...]",),
    examples=[
        ("nsc pull --account A", "take account A from the account server"),
        ("nsc pull --all", "take everything that servers have"),
    ],
)
def pull(run: Run, *, all: bool, overwrite_newer: bool, ignored: tuple[str, ...], **connection: Any) -> None:
    """Take tokens from the operator's account server (http, https) or resolvers (nats, tls, ws, wss)."""
    from natskit.store.tokens import is_url

    store = run.workspace.operator()
    if not all and not (run.workspace.account_given or run.workspace.config.account):
        raise UsageError("specify --all or --account")
    names = store.accounts() if all else [run.workspace.account_name()]
    url = store.operator().nats.account_server_url
    if not url:
        raise StoreError(
            f'operator "{store.name}" doesn\'t set account server url - unable to pull',
            hint="nsc edit operator --account-jwt-server-url URL",
        )
    if is_url(url):
        return _pull_from_account_server(run, store, url, names, operator=all, overwrite=overwrite_newer)
    if not all:
        raise StoreError(f'operator "{store.name}" can only pull all jwt - unable to pull by account', hint="--all")

    async def work(resolver: Resolver, report: Report) -> None:
        await _pull_from_resolvers(run, store, resolver, overwrite=overwrite_newer)

    return Cluster(run, store, url, connection, timeout_s=_ANSWER_WAIT_S).run("nsc_pull", work)


# ---- from an account server


def _pull_from_account_server(
    run: Run, store: OperatorStore, url: str, names: list[str], *, operator: bool, overwrite: bool
) -> None:
    def label(name: str) -> str:
        return f'pull "{name}" from the account server'

    keys: dict[str, str] = {}
    for name in names:
        try:
            keys[store.account(name).subject] = name
        except Error as error:
            run.fail(label(name)).fail(str(error))
    if operator:
        _pull_operator(run, store, url, overwrite=overwrite)
    tokens: dict[str, str] = {}
    for public, got in _ask_for(url, keys):
        if isinstance(got, Error):
            run.fail(label(keys[public])).fail(str(got))
        else:
            tokens[public] = got
    stored = []
    for public, kept in _keep(run, store, tokens, overwrite=overwrite):
        if isinstance(kept, Error):
            run.fail(label(keys[public])).fail(str(kept))
        else:
            stored.append({"name": kept, "id": public})
            run.success(f'pulled "{kept}" from the account server')
    run.fact(server=masked(url), accounts=stored)


def _ask_for(url: str, keys: Mapping[str, str]) -> Iterator[tuple[str, str | Error]]:
    """The tokens that an account server has of some accounts, or why there is none; several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from natskit.store.managed import pull_account

    def ask(public: str) -> str | Error:
        try:
            return pull_account(url, public)[0]
        except Error as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(keys, pool.map(ask, keys), strict=True)


def _pull_operator(run: Run, store: OperatorStore, url: str, *, overwrite: bool) -> None:
    from natskit.store import Plan
    from natskit.store.syncing import plan_pulled_operator
    from natskit.store.tokens import fetch_operator

    try:
        token = fetch_operator(f"{url.rstrip('/')}/operator")
        with run.workspace.locked():
            plan = Plan(run.workspace)
            plan_pulled_operator(plan, store, token, overwrite=overwrite)
            run.files(plan.commit())
        run.success(f'pulled "{store.name}" from the account server')
    except Error as error:
        run.fail(f'pull "{store.name}" from the account server').fail(str(error))


# ---- from a cluster


async def _pull_from_resolvers(run: Run, store: OperatorStore, resolver: Resolver, *, overwrite: bool) -> None:
    node = run.note("pull from cluster using system account")
    tokens = {key: token async for key, token in resolver.pack()}
    stored = []
    for public, kept in _keep(run, store, tokens, overwrite=overwrite):
        if isinstance(kept, Error):
            node.fail(f"pull {run.key(public)}: {kept}")
        else:
            stored.append({"name": kept, "id": public})
            node.success(f'stored account "{kept}"')
    run.fact(servers=resolver.servers, accounts=stored)


# ---- into the store


def _keep(
    run: Run, store: OperatorStore, tokens: Mapping[str, str], *, overwrite: bool
) -> list[tuple[str, str | Error]]:
    """Store tokens, by key, at once; the name of each account, or why its token is not stored."""
    from natskit.store import Plan
    from natskit.store.syncing import Known

    outcome: list[tuple[str, str | Error]] = []
    with run.workspace.locked():
        plan, known = Plan(run.workspace), Known(store)
        for public, token in tokens.items():
            try:
                outcome.append((public, known.plan(plan, token, public=public, overwrite=overwrite).name))
            except Error as error:
                outcome.append((public, error))
        run.files(plan.commit())
    return outcome
