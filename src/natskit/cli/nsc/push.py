"""``nsc push``: accounts to an account server or to the resolvers of servers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, integer, switch, text
from natskit.cli.console import masked
from natskit.cli.exits import DONE, DRIFT, UNCHANGED
from natskit.errors import Error, NotFound, StoreError, UsageError
from natskit.store.syncing import Outgoing

from .exchanges import tell_answer
from .syncing import SYSTEM_USER, Cluster
from .tls import TLS

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.client.resolver import Answer, Resolver
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["push"]

_SHOWN_ONE_BY_ONE = 50
"""Of more accounts than that only so many are named, and the others counted."""


@command(
    switch("all", "A", "all accounts"),
    text("account-jwt-server-url", "u", "server to push to, default the operator's", metavar="URL"),
    switch("force", "F", "also accounts that servers would refuse"),
    switch("diff", "D", "only compare with what resolvers have; exit status 3 if that differs"),
    switch("prune", "P", "delete accounts from resolvers that are not in the store"),
    text("account-removal", "R", "delete this account from resolvers", metavar="NAME", completes="account"),
    switch("verify", "", "prove by hash that every resolver has what was pushed, or else all of the store"),
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
    flags = {"prune": prune, "diff": diff, "account-removal": account_removal, "verify": verify}
    if scheme in ("http", "https") and any(flags.values()):
        flag = next(name for name, given in flags.items() if given)
        raise StoreError(f"{flag} only works for nats based account resolver")
    only_asked = (diff or prune or account_removal) and not all
    accounts = _outgoing(run, store, all=all, force=force) if not only_asked else []
    if scheme in ("http", "https"):
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
    from natskit.store.managed import push_accounts

    sent, failed = [], []
    answers = push_accounts(url, [(each.public, each.token) for each in accounts])
    for each, answer in zip(accounts, answers, strict=True):
        if answer is not None:
            tell_answer(run.report, f"push {each.name} to account server", answer)
        if answer is not None and answer.stored:
            run.success(f'pushed "{each.name}" to account server')
            sent.append(_receipt(each))
        elif answer is None or not answer.accepted:
            failed.append({"account": each.name, "id": each.public})
    untried = answers.count(None)
    if untried:
        run.fail(f"{untried} accounts were not sent: the server cannot be reached")
    run.fact(server=masked(url), pushed=sent, **({"failed": failed} if failed else {}))


def _receipt(account: Outgoing) -> dict[str, Any]:
    return {"account": account.name, "id": account.public, "sha256": _sha256(account.token)}


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
        self._removed = _key_of(store, remove) if remove else ""
        wanted = (
            (bool(accounts), self._push),
            (prune, self._prune),
            (bool(remove), self._remove),
            (diff, self._diff),
            (verify, self._verify),
        )
        self._steps = [step for is_wanted, step in wanted if is_wanted]

    async def work(self, resolver: Resolver, report: Report) -> None:
        """Do all of it."""
        self.run.fact(servers=resolver.servers)
        for step in self._steps:
            await step(resolver, report)

    def _names(self) -> dict[str, str]:
        return {self.store.account(name).subject: name for name in self.store.accounts()}

    # ---- pushing

    async def _push(self, resolver: Resolver, report: Report) -> None:
        answers = await resolver.update_all([each.token for each in self.accounts])
        receipts, good, told = [], 0, 0
        for account, got in zip(self.accounts, answers, strict=True):
            problem = _problem(got, resolver, "update")
            good += not problem
            if len(self.accounts) <= _SHOWN_ONE_BY_ONE or (problem and told < _SHOWN_ONE_BY_ONE):
                told += 1
                self._tell_pushed(report, account, got, problem)
            servers = [each.server for each in got if not each.failed]
            receipts.append(_receipt(account) | {"servers": servers} | ({"problem": problem} if problem else {}))
        bad = len(self.accounts) - good
        if len(self.accounts) > _SHOWN_ONE_BY_ONE:
            if bad > told:
                report.fail(f"and {bad - told} more accounts")
            if good:
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

    async def _lists(self, resolver: Resolver, node: Report) -> dict[str, set[str]]:
        """The accounts of each server. Failures are reported."""
        lists: dict[str, set[str]] = {}
        got = await resolver.list_accounts()
        for each in got:
            if each.failed or not isinstance(each.data, list):
                node.fail(each.text or f"server {each.server} responded with no list")
            else:
                lists[each.server] = {key for key in each.data if isinstance(key, str)}
        problem = _problem(got, resolver, "list")
        if problem:
            node.fail(problem)
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

    async def _prune(self, resolver: Resolver, report: Report) -> None:
        node = report.note("prune nats-server with nats account resolver")
        lists = await self._lists(resolver, node)
        if node.failed:
            return
        extra = sorted(set().union(*lists.values()) - set(self._names()))
        if extra:
            await self._delete(resolver, node, extra)
        else:
            self.run.fact(pruned=[])
            node.success("nothing to prune")
            self.status = DONE if self.accounts else UNCHANGED

    async def _remove(self, resolver: Resolver, report: Report) -> None:
        node = report.note("prune nats-server with nats account resolver")
        await self._delete(resolver, node, [self._removed])

    async def _delete(self, resolver: Resolver, node: Report, keys: list[str]) -> None:
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
        problem = _problem(got, resolver, "prune")
        if problem:
            node.fail(f"{problem}: accounts may not be completely pruned")
        self.run.fact(**{"not_pruned" if problem else "pruned": keys})

    # ---- proof

    async def _verify(self, resolver: Resolver, report: Report) -> None:
        """Compare what every server has with what was pushed, or with all of the store if nothing was."""
        from .proving import prove

        accounts = self.accounts or [
            Outgoing(name, claims.subject, token)
            for name in self.store.accounts()
            for claims, token in (self.store.account_and_token(name),)
        ]
        node = report.note("verify nats-server with nats account resolver")
        proof = await prove(resolver, accounts, await self._lists(resolver, node))
        self.run.fact(
            verified={
                "servers": proof.servers,
                "identical": not proof.missing,
                "accounts": [_receipt(each) | {"servers": proof.held[each.public]} for each in accounts],
            }
        )
        if not proof.missing:
            node.success(f"verified {len(accounts)} accounts on {proof.total} nats-server")
            return
        node.fail(f"{len(proof.missing)} accounts are not the same on all {proof.total} nats-server")
        for account, why in proof.missing[:_SHOWN_ONE_BY_ONE]:
            node.fail(f'"{account.name}" is on {proof.held[account.public]} of {proof.total}{why}')
        if len(proof.missing) > _SHOWN_ONE_BY_ONE:
            node.fail(f"and {len(proof.missing) - _SHOWN_ONE_BY_ONE} more")


def _key_of(store: OperatorStore, account: str) -> str:
    """The public key of an account, given by name or key; a key need not be in the store."""
    from natskit.nkeys import Role, is_public

    named = store.has_account(account) or not is_public(account, Role.ACCOUNT)
    return store.account(account).subject if named else account


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _problem(got: list[Answer], resolver: Resolver, what: str) -> str:
    """Why a request did not go well with all servers, empty if it did."""
    if not got:
        return f"failed to get response to {what}: nats: timeout"
    answered = {each.server for each in got}
    if "" in answered:  # the message itself tells
        return f"failed to {what}"
    failed = {each.server for each in got if each.failed}
    if failed:
        return f"{len(failed)} of {len(answered)} nats-server refused it"
    if len(answered) >= resolver.servers:
        return ""
    silent = ", ".join(sorted(resolver.names - answered))
    return f"only {len(answered)} of {resolver.servers} nats-server answered" + (f", not {silent}" if silent else "")
