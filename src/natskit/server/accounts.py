"""The accounts that are in use: their subject spaces, their members, their limits, and the links between them.

`Accounts` keeps the account graph (:mod:`natskit.graph`) and makes the spaces follow it: a link of the graph is a link
between two spaces, and nothing else connects spaces. In operator mode accounts come from a resolver when they are first
needed and change when a new token is pushed; members are then told, so that they can be judged again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from natskit import graph
from natskit.errors import AuthenticationError, Error, InvalidSubject, NotFound, VerifyError
from natskit.graph.trust import Trust
from natskit.server.services import Services
from natskit.wire import Link, Space

if TYPE_CHECKING:
    from natskit import jwt
    from natskit.server.clock import Clock, Timer
    from natskit.server.resolvers import Resolver

__all__ = ["Account", "Accounts", "Limits", "Member", "TraceSampling"]

log = logging.getLogger(__name__)

REFETCH_AFTER_S = 1.0
"""An account that has expired is asked for again at most this often."""


FULL_TOLD_S = 2.0


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of an account; -1: none."""

    max_connections: int = -1
    max_subscriptions: int = -1
    max_payload: int = -1

    @classmethod
    def from_claims(cls, claims: jwt.AccountClaims) -> Limits:
        limits = claims.nats.limits
        return cls(max_connections=limits.conn, max_subscriptions=limits.subs, max_payload=limits.payload)


class TraceSampling(Struct, frozen=True):
    """Where traces of messages with ``traceparent`` go, and how many of them, in percent."""

    subject: str
    sampling: int

    @classmethod
    def from_claims(cls, claims: jwt.AccountClaims) -> TraceSampling | None:
        trace = claims.nats.trace
        return cls(trace.dest, trace.sampling or 100) if trace is not None and trace.dest else None


class Member(Protocol):
    """A connection that has joined an account."""

    def close(self, reason: str, error: str = "") -> None:
        """Tell the peer ``-ERR 'error'`` (nothing if empty) and close; ``reason`` is for monitoring."""


class Account:
    """One account in use. It stays the same object while its claims change.

    ``claims`` and ``token`` are None and empty for an account of a configuration file. ``members`` are its
    connections, oldest first.
    """

    def __init__(self, model: graph.Account, clock: Clock) -> None:
        self.model = model
        self.space = Space(model.id)
        self.mappings = graph.Mappings(())
        self.limits = Limits()
        self.default_permissions = graph.EVERYTHING
        self.claims: jwt.AccountClaims | None = None
        self.token = ""
        self.is_system = False
        self.trace: TraceSampling | None = None
        self.asked_at = clock.now()
        self.slow_consumers = 0
        self._full_told_at = -FULL_TOLD_S
        self.members: dict[Member, Timer | None] = {}
        self._clock = clock

    def __repr__(self) -> str:
        return f"<account {self.model}, {len(self.members)} connections>"

    def tells_full(self) -> bool:
        """Whether the log is to hear that there are too many subscriptions: now and again, whatever clients do."""
        now = time.monotonic()
        if now - self._full_told_at < FULL_TOLD_S:
            return False
        self._full_told_at = now
        return True

    def adopt(self, model: graph.Account) -> None:
        """Be what ``model`` says from now on. Raises InvalidSubject if its mappings cannot work, and is as it was."""
        mappings = graph.Mappings.compile(model.mappings)
        self.model = model
        if mappings is not self.mappings:
            self.mappings = mappings
            self.space.map_subjects(_mapper(mappings) if mappings else None)

    def trace_to(self, trace: TraceSampling | None) -> None:
        """Trace messages that belong to a recorded W3C trace; None: do not."""
        self.trace = trace
        self.space.traces = trace is not None

    @property
    def id(self) -> str:
        """Its public key, or its name in a configuration file."""
        return self.model.id

    @property
    def name(self) -> str:
        """The name in its claims; its id if there is none."""
        return self.model.name or self.model.id

    def join(self, member: Member, expires_at: float | None = None) -> None:
        """Count ``member`` among the connections, and cut it off at ``expires_at`` (Unix seconds).

        Raises AuthenticationError if the account has as many connections as it may have.
        """
        limit = self.limits.max_connections
        if 0 <= limit <= len(self.members):
            raise AuthenticationError(
                f"account {self.model} has {len(self.members)} connections and may have {limit}",
                reply=TOO_MANY_CONNECTIONS,
                reason="Maximum Account Connections Exceeded",
            )
        self.members[member] = None
        self.set_deadline(member, expires_at)

    def leave(self, member: Member) -> None:
        """Forget a connection. Harmless if it is none of the account's."""
        timer = self.members.pop(member, None)
        if timer is not None:
            timer.cancel()

    def set_deadline(self, member: Member, expires_at: float | None) -> None:
        """Cut ``member`` off at ``expires_at`` (Unix seconds; None: not at all) instead of when it was said before."""
        timer = self.members[member]
        if timer is not None:
            timer.cancel()
        if expires_at is None:
            self.members[member] = None
        else:
            self.members[member] = self._clock.call_at(expires_at, lambda: member.close(EXPIRED, USER_EXPIRED))

    def close_members(self, reason: str, error: str) -> None:
        """Close every connection."""
        for member in tuple(self.members):
            member.close(reason, error)

    def close_surplus(self) -> None:
        """Close the newest connections beyond the limit."""
        limit = self.limits.max_connections
        if 0 <= limit < len(self.members):
            for member in tuple(self.members)[limit:]:
                member.close("Maximum Account Connections Exceeded", TOO_MANY_CONNECTIONS)


TOO_MANY_CONNECTIONS = "maximum account active connections exceeded"
EXPIRED = "Authentication Expired"
USER_EXPIRED = "User Authentication Expired"
ACCOUNT_EXPIRED = "Account Authentication Expired"


class Accounts:
    """The accounts of one server.

    ``on_change`` is called with an account after its claims changed, to judge its members again; ``on_open`` with one
    that is new.
    """

    def __init__(self, clock: Clock, trust: Trust | None = None, resolver: Resolver | None = None) -> None:
        self.graph = graph.Graph(now=clock.now())
        self.trust = trust or Trust()
        self.resolver = resolver
        self.services = Services(clock)
        self.system: Account | None = None
        self.pinned_fails = 0
        self.on_change: Callable[[Account], None] = lambda account: None
        self.on_open: Callable[[Account], None] = lambda account: None
        self._clock = clock
        self._live: dict[str, Account] = {}
        self._links: dict[tuple[object, ...], Link] = {}
        self._fetching: dict[str, asyncio.Task[Account]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: Timer | None = None

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def find(self, account_id: str) -> Account | None:
        """The account, if it is in use already."""
        return self._live.get(account_id)

    async def close(self) -> None:
        """Stop what is going on. The accounts stay readable."""
        if self._timer is not None:
            self._timer.cancel()
        if self.resolver is not None:
            self.resolver.close()
        self.services.close()
        running = (*self._fetching.values(), *self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def is_strict(self, account: Account) -> bool:
        """Whether the identity key of ``account`` may not sign its users."""
        if account.claims is None:
            return bool(self.trust.strict)
        return self.trust.is_strict(account.claims)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something about the accounts in the background, until `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def designate_system(self, account: Account) -> None:
        """Make ``account`` the system account."""
        if self.system is not None:
            self.system.is_system = self.system.space.system = False
        self.system = account
        account.is_system = account.space.system = True

    # accounts without tokens

    def put(self, model: graph.Account) -> Account:
        """Use an account that a configuration describes, or that a program made up."""
        account = self._live.get(model.id)
        if account is None:
            account = self._live[model.id] = Account(model, self._clock)
            self.on_open(account)
        account.adopt(model)
        self._follow(self.graph.put(model))
        return account

    def remove(self, account_id: str, reason: str = EXPIRED, error: str = ACCOUNT_EXPIRED) -> None:
        """Use an account no longer; its connections are closed, as if it had expired if nothing else is said."""
        account = self._live.pop(account_id, None)
        if account is not None:
            account.close_members(reason, error)
            self._follow(self.graph.remove(account_id), gone=account)
            self.services.forget(account)

    # accounts with tokens

    async def get(self, account_id: str) -> Account:
        """The account, fetched if it is not in use yet or has expired.

        Raises NotFound or VerifyError with the reason why there is none; an expired account whose renewal is not to be
        had is returned as it is.
        """
        account = self._live.get(account_id)
        if account is not None and not self._worth_fetching(account):
            return account
        try:
            return await self._fetch_once(account_id)
        except Error as error:
            if account is None:
                raise
            account.asked_at = self._clock.now()
            log.warning("Account fetch failed: %s", error)
            return account

    def _worth_fetching(self, account: Account) -> bool:
        now = self._clock.now()
        return bool(account.token and account.model.lapse(now) and now - account.asked_at >= REFETCH_AFTER_S)

    async def refresh(self, account_id: str) -> Account:
        """The account as the resolver has it now. Raises NotFound, InvalidToken or VerifyError."""
        return await self._fetch_once(account_id)

    async def _fetch_once(self, account_id: str) -> Account:
        """Fetch; all who ask meanwhile share one answer."""
        task = self._fetching.get(account_id)
        if task is None:
            task = self._fetching[account_id] = asyncio.create_task(self._fetch(account_id))
            task.add_done_callback(lambda done: self._fetching.pop(account_id, None))
        return await asyncio.shield(task)

    async def _fetch(self, account_id: str) -> Account:
        if self.resolver is None:
            raise NotFound("account missing")
        started = self._clock.now()
        token = await self.resolver.fetch(account_id)
        took = self._clock.now() - started
        if took > 1:
            log.warning("Account [%s] fetch took %.3gs", account_id, took)
        account = self.install(account_id, token)
        await self._fetch_exporters(account)
        return account

    async def _fetch_exporters(self, account: Account) -> None:
        """Fetch the accounts that this one imports from, unless they are here or on their way."""
        wanted = dict.fromkeys(each.account for each in account.model.imports)
        for account_id in wanted:
            if account_id in self._live or account_id in self._fetching:
                continue
            try:
                await self._fetch_once(account_id)
            except Error as error:
                log.error("Can't locate account [%s] for import of %s: %s", account_id, account.model, error)

    def install(self, account_id: str, token: str) -> Account:
        """Use the account that ``token`` describes from now on, if it is worth it; the one in use changes nothing.

        Raises InvalidToken or VerifyError if it is not (`Trust.verify_account`), or is older than what is in use; what
        is in use then stays.
        """
        claims = self.trust.verify_account(token, account_id, self._clock.now())
        account = self._live.get(account_id)
        if account is not None and account.claims is not None and claims.issued_at < account.claims.issued_at:
            in_use = account.claims.issued_at
            raise VerifyError(f"jwt is older than the one in use: issued at {claims.issued_at}, not {in_use} or later")
        if account is not None and account.token == token:
            account.asked_at = self._clock.now()
            return account
        is_new = account is None
        model = graph.Account.from_claims(claims)
        account = account or Account(model, self._clock)
        try:
            default_permissions = graph.Permissions.from_claims(claims.nats.default_permissions)
            account.adopt(model)
        except InvalidSubject as error:
            raise VerifyError(f"account validation failed: {account_id}: {error}") from None
        account.claims, account.token, account.asked_at = claims, token, self._clock.now()
        account.limits = Limits.from_claims(claims)
        account.trace_to(TraceSampling.from_claims(claims))
        account.default_permissions = default_permissions
        self._live[account_id] = account
        self._follow(self.graph.put(account.model))
        if is_new:
            self.on_open(account)
        else:
            self.services.renew(account)
            account.close_surplus()
            self.on_change(account)
        return account

    def verify(self, token: str, account_id: str) -> None:
        """Raise InvalidToken or VerifyError if ``token`` is not worth being the account's (`Trust.verify_account`)."""
        self.trust.verify_account(token, account_id, self._clock.now())

    def update(self, account_id: str, token: str, *, keep: bool = False) -> str:
        """A token was pushed: use it if its account is in use, and keep it where the resolver has its place for it.

        ``keep``: a resolver that keeps what it was configured with keeps this, too, though it did not know the account.
        Returns what was done. Raises InvalidToken or VerifyError with the reason if the token is refused.
        """
        self.verify(token, account_id)
        in_use = account_id in self._live
        if in_use:
            self.install(account_id, token)
        if self.resolver is None:
            return "jwt updated" if in_use else "jwt update skipped"
        kept = self.resolver.keep(account_id, token, in_use=in_use or keep)
        what = self.resolver.update
        return what.replace("update", "updated") if in_use or kept else f"{what} skipped"

    # following the graph

    def _follow(self, change: graph.Change, gone: Account | None = None) -> None:
        """Make the spaces do what the graph says, and plan when it will say something else."""
        for link in change.removed:
            self._unlink(link, gone)
        for link in change.added:
            self._link(link)
        for refused in change.refused:
            # An exporter that is not here yet is on its way; if it cannot be had, that is an error of its own.
            level = logging.DEBUG if refused.because.rule is graph.Rule.UNKNOWN_ACCOUNT else logging.WARNING
            log.log(level, "account %s: %s", self.graph.accounts[refused.importer], refused.because)
        self._plan()

    def _link(self, link: graph.Link) -> None:
        if link.kind == graph.SERVICE:
            self.services.add(link, self._live[link.importer], self._live[link.exporter])
        else:
            source, target = self._live[link.source].space, self._live[link.target].space
            self._links[link.route] = source.link(link.pattern.encode(), target, _renamer(link))

    def _unlink(self, link: graph.Link, gone: Account | None) -> None:
        if link.kind == graph.SERVICE:
            self.services.remove(link)
            return
        handle = self._links.pop(link.route, None)
        if handle is not None:
            source = gone if gone is not None and gone.id == link.source else self._live[link.source]
            source.space.unlink(handle)

    def _plan(self) -> None:
        """Come back when time changes an answer of the graph."""
        when = self.graph.next_change
        if self._timer is not None:
            if self._timer.when == when and self._timer.callback is not None:
                return
            self._timer.cancel()
        self._timer = None if when is None else self._clock.call_at(when, self._on_time)

    def _on_time(self) -> None:
        now = self._clock.now()
        self._follow(self.graph.advance(now))
        for account in tuple(self._live.values()):
            if account.members and account.model.lapse(now):
                log.info("account %s has expired, %d connections are closed", account.model, len(account.members))
                account.close_members(EXPIRED, ACCOUNT_EXPIRED)


def _mapper(mappings: graph.Mappings) -> Callable[[bytes], Sequence[tuple[int, bytes]] | None]:
    """``mappings.choices`` on bytes."""

    def choices(subject: bytes) -> Sequence[tuple[int, bytes]] | None:
        found = mappings.choices(subject.decode("utf-8", "surrogateescape"))
        if found is None:
            return None
        return [(weight, name.encode("utf-8", "surrogateescape")) for weight, name in found]

    return choices


def _renamer(link: graph.Link) -> Callable[[bytes], bytes | None]:
    """``link.rename`` on bytes; what is not UTF-8 passes through."""

    def rename(subject: bytes) -> bytes | None:
        name = link.rename(subject.decode("utf-8", "surrogateescape"))
        return None if name is None else name.encode("utf-8", "surrogateescape")

    return rename
