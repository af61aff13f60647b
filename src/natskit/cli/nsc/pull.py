"""``nsc pull``: tokens from an account server or from the resolvers of servers."""

from __future__ import annotations

from collections.abc import Mapping
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
        raise StoreError(
            f'operator "{store.name}" can only pull all jwt - unable to pull by account', hint="nsc pull --all"
        )

    async def work(resolver: Resolver, report: Report) -> None:
        await _pull_from_resolvers(run, store, resolver, overwrite=overwrite_newer)

    return Cluster(run, store, url, connection, timeout_s=_ANSWER_WAIT_S).run("nsc_pull", work)


# ---- from an account server


def _pull_from_account_server(
    run: Run, store: OperatorStore, url: str, names: list[str], *, operator: bool, overwrite: bool
) -> None:
    from natskit.store.managed import fetch_accounts

    def tell(name: str, kept: str | Error) -> None:
        if isinstance(kept, Error):
            run.fail(f'pull "{name}" from the account server').fail(str(kept))
        else:
            run.success(f'pulled "{kept}" from the account server')

    keys: dict[str, str] = {}
    for name in names:
        try:
            keys[store.account(name).subject] = name
        except Error as error:
            tell(name, error)
    head = _ask_for_operator(url) if operator else None
    answers = dict(zip(keys, fetch_accounts(url, list(keys)), strict=True))
    outcome = _keep(run, store, answers, operator=head, overwrite=overwrite)
    for public, kept in outcome.items():
        tell(keys.get(public, store.name), kept)
    stored = [{"name": kept, "id": public} for public, kept in outcome.items() if public and isinstance(kept, str)]
    run.fact(server=masked(url), accounts=stored)


def _ask_for_operator(url: str) -> str | Error:
    from natskit.store.tokens import fetch_operator

    try:
        return fetch_operator(f"{url.rstrip('/')}/operator")
    except Error as error:
        return error


# ---- from a cluster


async def _pull_from_resolvers(run: Run, store: OperatorStore, resolver: Resolver, *, overwrite: bool) -> None:
    node = run.note("pull from cluster using system account")
    tokens: dict[str, str | Error] = {key: token async for key, token in resolver.pack()}
    stored = []
    for public, kept in _keep(run, store, tokens, overwrite=overwrite).items():
        if isinstance(kept, Error):
            node.fail(f"pull {run.key(public)}: {kept}")
        else:
            stored.append({"name": kept, "id": public})
            node.success(f'stored account "{kept}"')
    run.fact(servers=resolver.servers, accounts=stored)


# ---- into the store


def _keep(
    run: Run,
    store: OperatorStore,
    answers: Mapping[str, str | Error],
    *,
    operator: str | Error | None = None,
    overwrite: bool,
) -> dict[str, str | Error]:
    """Store the tokens of accounts, by key, and of the ``operator``, in one commit.

    What became of each: a name, or why it is not stored; the operator's (if there is one) comes first, with no key.
    """
    from natskit.store import Plan
    from natskit.store.syncing import Known, plan_pulled_operator

    outcome: dict[str, str | Error] = {}
    with run.workspace.locked():
        plan, claims = Plan(run.workspace), None
        if operator is not None:
            try:
                claims = plan_pulled_operator(plan, store, _token(operator), overwrite=overwrite)
                outcome[""] = store.name
            except Error as error:
                outcome[""] = error
        known = Known(store, claims)
        for public, answer in answers.items():
            try:
                outcome[public] = known.plan(plan, _token(answer), public=public, overwrite=overwrite).name
            except Error as error:
                outcome[public] = error
        run.files(plan.commit())
    return outcome


def _token(answer: str | Error) -> str:
    if isinstance(answer, Error):
        raise answer
    return answer
