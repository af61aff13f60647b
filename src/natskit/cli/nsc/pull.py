"""``nsc pull``: tokens from an account server or from the resolvers of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch
from natskit.errors import Error, StoreError, UsageError

from .syncing import SYSTEM_USER, TLS, Cluster

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Resolver
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["pull"]

_AT_ONCE = 8
_ANSWER_WAIT_S = 1.0


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


def _pull_from_account_server(
    run: Run, store: OperatorStore, url: str, names: list[str], *, operator: bool, overwrite: bool
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from natskit.store.managed import pull_account

    keys = {name: store.account(name).subject for name in names}
    if operator:
        _pull_operator(run, store, url, overwrite=overwrite)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = {name: pool.submit(pull_account, url, key) for name, key in keys.items()}
        for name, answer in answers.items():
            try:
                _keep(run, store, answer.result()[0], keys[name], overwrite=overwrite)
                run.success(f'pulled "{name}" from the account server')
            except Error as error:
                run.fail(f'pull "{name}" from the account server').fail(str(error))
    run.fact(server=url, accounts=[{"name": name, "id": key} for name, key in keys.items()])


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


def _keep(run: Run, store: OperatorStore, token: str, public: str, *, overwrite: bool) -> str:
    """Store a token; the name of its account."""
    from natskit.store import Plan
    from natskit.store.syncing import plan_pulled_account

    with run.workspace.locked():
        plan = Plan(run.workspace)
        claims = plan_pulled_account(plan, store, token, public=public, overwrite=overwrite)
        run.files(plan.commit())
    return claims.name


async def _pull_from_resolvers(run: Run, store: OperatorStore, resolver: Resolver, *, overwrite: bool) -> None:
    node = run.note("pull from cluster using system account")
    newest: dict[str, str] = {}
    async for key, token in resolver.pack():
        if key:
            newest[key] = _newer(newest.get(key, ""), token)
    pulled = []
    for key, token in newest.items():
        try:
            name = _keep(run, store, token, key, overwrite=overwrite)
            pulled.append({"name": name, "id": key})
            node.success(f'stored account "{name}"')
        except Error as error:
            node.fail(f"pull {run.key(key)}: {error}")
    run.fact(servers=resolver.servers, accounts=pulled)


def _newer(one: str, other: str) -> str:
    """Of the tokens that two servers have of an account, the one that was issued later."""
    from natskit.jwt import decode

    try:
        return other if not one or decode(other).issued_at > decode(one).issued_at else one
    except Error:
        return one or other
