"""``nsc push``: accounts to an account server or to the resolvers of servers."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, integer, switch, text
from natskit.cli.exits import DONE, DRIFT, UNCHANGED
from natskit.errors import Error, NotFound, StoreError, UsageError

from .exchanges import tell_answer
from .syncing import SYSTEM_USER, TLS, Cluster

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Answer, Resolver
    from natskit.store import OperatorStore
    from natskit.store.syncing import Outgoing

    from .run import Run

__all__ = ["push"]

_SHOWN_ONE_BY_ONE = 50
"""More accounts than that are reported as one number, and those with a problem by name."""


@command(
    switch("all", "A", "all accounts"),
    text("account-jwt-server-url", "u", "server to push to, default the operator's", metavar="URL"),
    switch("force", "F", "also accounts that servers would refuse"),
    switch("diff", "D", "only compare with what resolvers have; exit status 3 if that differs"),
    switch("prune", "P", "delete accounts from resolvers that are not in the store"),
    text("account-removal", "R", "delete this account from resolvers", metavar="NAME", completes="account"),
    switch("verify", "", "prove by hash that every resolver has what the store has"),
    *SYSTEM_USER,
    integer("timeout", "", "seconds to wait for answers, 1 to 60", default=1),
    *TLS,
    examples=[
        ("nsc push", "send the current account to the operator's account server or resolvers"),
        ("nsc push --all --prune", "make resolvers have what the store has"),
        ("nsc push --all --verify --json", "with a receipt: what each server has, by hash"),
    ],
)
def push(
    run: Run,
    *,
    all: bool,
    account_jwt_server_url: str,
    force: bool,
    diff: bool,
    prune: bool,
    account_removal: str,
    verify: bool,
    timeout: int,
    **connection: Any,
) -> int | None:
    """Send accounts to an account server (http, https) or to the resolvers of servers (nats, tls, ws, wss)."""
    if all and "account" in run.given:
        raise UsageError("specify only one of --account or --all-accounts")
    if prune and diff:
        raise UsageError("--prune and --diff are mutually exclusive")
    if account_removal and (prune or diff):
        raise UsageError("--prune/--diff and --account-removal <account> are mutually exclusive")
    store = run.workspace.operator()
    url = account_jwt_server_url or store.operator().nats.account_server_url
    scheme = _scheme(url)
    only_asked = (diff or prune or account_removal) and not all
    accounts = _outgoing(run, store, all=all, force=force) if not only_asked else []
    if scheme in ("http", "https"):
        if diff or prune or account_removal or verify:
            flag = "prune" if prune else "diff" if diff else "verify" if verify else "account-removal"
            raise StoreError(f"{flag} only works for nats based account resolver")
        _push_to_account_server(run, url, accounts)
        return None
    task = _Task(run, store, accounts, diff=diff, prune=prune, remove=account_removal, verify=verify)
    cluster = Cluster(run, store, url, connection, timeout_s=min(max(timeout, 1), 60))
    cluster.run("nsc_push", task.work, lifetime_s=120 + len(accounts) // 20)
    return task.status


def _scheme(url: str) -> str:
    if not url:
        raise StoreError(
            "no account server url or nats-server url was provided by the operator jwt",
            hint="nsc edit operator --account-jwt-server-url nats://localhost:4222, or --account-jwt-server-url URL",
        )
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https", "nats", "tls", "ws", "wss"):
        raise UsageError(f'scheme "{scheme}" is not supported (http, https, nats, tls, ws, wss)')
    return scheme


def _outgoing(run: Run, store: OperatorStore, *, all: bool, force: bool) -> list[Outgoing]:
    from natskit.store.syncing import outgoing

    names = store.accounts()
    if not names:
        raise NotFound(f'operator "{store.name}" has no accounts', hint="nsc add account NAME")
    return outgoing(store, names if all else [run.workspace.account_name()], run.workspace.now(), force=force)


def _push_to_account_server(run: Run, url: str, accounts: Sequence[Outgoing]) -> None:
    from natskit.store.managed import push_account

    for each in accounts:
        answer = push_account(url, each.public, each.token)
        tell_answer(run.report, f"push {each.name} to account server", answer)
        if answer.stored:
            run.success(f'pushed "{each.name}" to account server')
    run.fact(server=url, pushed=[{"name": each.name, "id": each.public} for each in accounts])


class _Task:
    """What to do with the resolvers of a cluster, and the report about it."""

    def __init__(
        self,
        run: Run,
        store: OperatorStore,
        accounts: Sequence[Outgoing],
        *,
        diff: bool,
        prune: bool,
        remove: str,
        verify: bool,
    ) -> None:
        self.run = run
        self.store = store
        self.accounts = accounts
        self.status = DONE
        self._steps: list[Callable[[Resolver, Report], Awaitable[None]]] = []
        if accounts:
            self._steps.append(self._push)
        if prune:
            self._steps.append(self._prune)
        if remove:
            self._removed = run.workspace.find_account(store, remove) if store.has_account(remove) else remove
            self._steps.append(self._remove)
        if diff:
            self._steps.append(self._diff)
        if verify:
            self._steps.append(self._verify)

    async def work(self, resolver: Resolver, report: Report) -> None:
        """Do all of it."""
        self.run.fact(servers=resolver.servers)
        for step in self._steps:
            await step(resolver, report)

    # ---- pushing

    async def _push(self, resolver: Resolver, report: Report) -> None:
        answers = await resolver.update_all([each.token for each in self.accounts])
        receipts, good = [], 0
        for account, got in zip(self.accounts, answers, strict=True):
            problem = _problem(got, resolver.servers, "update")
            good += not problem
            if problem or len(self.accounts) <= _SHOWN_ONE_BY_ONE:
                self._tell_pushed(report, account, got, problem)
            receipts.append(
                {
                    "account": account.name,
                    "id": account.public,
                    "sha256": _sha256(account.token),
                    "servers": [each.server for each in got if not each.failed],
                }
            )
        if good and len(self.accounts) > _SHOWN_ONE_BY_ONE:
            report.success(f"pushed {good} accounts to {resolver.servers or 'the'} nats-server")
        self.run.fact(pushed=receipts)

    def _tell_pushed(self, report: Report, account: Outgoing, got: list[Answer], problem: str) -> None:
        what = f"push {account.name} to nats-server with nats account resolver"
        node = report.fail(what) if problem else report.note(what)
        for each in got:
            if each.failed:
                node.fail(each.text)
            else:
                node.note(f'pushed "{account.name}" to nats-server {each.server}: {each.text}')
        if problem:
            node.fail(problem)
        else:
            node.success(f"pushed to a total of {len(got)} nats-server")

    # ---- comparing and deleting

    async def _lists(self, resolver: Resolver, report: Report) -> dict[str, set[str]]:
        """The accounts of each server. Failures are reported."""
        lists: dict[str, set[str]] = {}
        got = await resolver.list_accounts()
        for each in got:
            if each.failed or not isinstance(each.data, list):
                report.fail(each.text or f"server {each.server} responded with no list")
            else:
                lists[each.server] = {key for key in each.data if isinstance(key, str)}
        if not got:
            report.fail("failed to get response to list: nats: timeout")
        return lists

    async def _diff(self, resolver: Resolver, report: Report) -> None:
        node = report.note("diff nats-server with nats account resolver")
        names = self._names()
        lists = await self._lists(resolver, node)
        for server, keys in lists.items():
            below = node.note(f"list {len(keys)} accounts from nats-server {server}")
            for key in sorted(keys):
                if key in names:
                    below.note(f"account {self.run.key(key)} named {names[key]} exists")
                else:
                    below.note(f"account {self.run.key(key)} only exists in server")
            for key in sorted(set(names) - keys):
                below.note(f"account {self.run.key(key)} named {names[key]} only exists in the store")
        node.note(f"listed accounts from a total of {len(lists)} nats-server")
        known = set(names)
        if any(keys != known for keys in lists.values()):
            self.status = DRIFT
        self.run.fact(
            diff=[
                {
                    "server": server,
                    "both": sorted(keys & known),
                    "only_server": sorted(keys - known),
                    "only_store": sorted(known - keys),
                }
                for server, keys in lists.items()
            ]
        )

    def _names(self) -> dict[str, str]:
        return {self.store.account(name).subject: name for name in self.store.accounts()}

    async def _prune(self, resolver: Resolver, report: Report) -> None:
        node = report.note("prune nats-server with nats account resolver")
        lists = await self._lists(resolver, node)
        extra = sorted(set().union(*lists.values()) - set(self._names()))
        if node.failed:
            return
        self.run.fact(pruned=extra)
        if not extra:
            node.success("nothing to prune")
            self.status = DONE if self.accounts else UNCHANGED
            return
        await self._delete(resolver, node, extra, of=len(lists))

    async def _remove(self, resolver: Resolver, report: Report) -> None:
        from natskit.nkeys import Role, is_public

        node = report.note("prune nats-server with nats account resolver")
        given = self._removed
        if not is_public(given, Role.ACCOUNT):
            given = self.store.account(given).subject
        self.run.fact(pruned=[given])
        await self._delete(resolver, node, [given], of=resolver.servers)

    async def _delete(self, resolver: Resolver, node: Report, keys: list[str], *, of: int) -> None:
        from natskit.store.syncing import deletion_request

        try:
            request = deletion_request(self.run.workspace, self.store, keys, self.run.private_key)
        except Error as error:
            node.fail(str(error))
            return
        got = await resolver.delete(request)
        for each in got:
            if each.failed:
                node.fail(each.text)
            else:
                node.success(f"pruned nats-server {each.server}: {each.text}")
        if not got:
            node.fail("failed to get response to prune: nats: timeout")
        elif of and len(got) != of:
            fewer = "Fewer" if len(got) < of else "More"
            node.fail(
                f"{fewer} server responded to 'prune' ({len(got)}) than to 'list' ({of})."
                " Accounts may not be completely pruned."
            )

    # ---- proof

    async def _verify(self, resolver: Resolver, report: Report) -> None:
        """Ask who has which accounts, then whether the hash of what they store is that of ours.

        Only if some say no are all of them asked to send what they have, which is counted.
        """
        from natskit.client.resolver import store_hash

        names = self._names()
        tokens = {key: self.store.account_token(name) for key, name in names.items()}
        node = report.note("verify nats-server with nats account resolver")
        lists = await self._lists(resolver, node)
        servers = max(len(lists), resolver.servers)
        agreed = not [key async for key, _ in resolver.pack(store_hash(tokens.values())) if key]
        if agreed:
            held = {key: sum(key in keys for keys in lists.values()) for key in tokens}
        else:
            held = dict.fromkeys(tokens, 0)
            async for key, token in resolver.pack():
                if tokens.get(key) == token:
                    held[key] += 1
        self.run.fact(
            verified={
                "servers": sorted(lists),
                "identical": agreed,
                "accounts": [
                    {"account": names[key], "id": key, "sha256": _sha256(token), "servers": held[key]}
                    for key, token in tokens.items()
                ],
            }
        )
        missing = [key for key in tokens if held[key] < servers]
        if missing or not servers:
            node.fail(f"{len(missing)} accounts are not the same on all {servers} nats-server")
            for key in missing[:_SHOWN_ONE_BY_ONE]:
                node.fail(f'"{names[key]}" is on {held[key]} of {servers}')
        else:
            node.success(f"verified {len(tokens)} accounts on {servers} nats-server")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _problem(got: list[Answer], expected: int, what: str) -> str:
    """Why a request did not go well, empty if it did."""
    if not got:
        return f"failed to get response to {what}: nats: timeout"
    failed = sum(each.failed for each in got)
    if failed:
        return f"{failed} of {len(got)} nats-server refused it"
    return f"only {len(got)} of {expected} nats-server answered" if len(got) < expected else ""
