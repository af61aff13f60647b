"""The graph of accounts: which imports are live, which are refused, and who receives a message.

A graph is changed in place, one account at a time, at a cost that depends on the account's neighbours only; every
change returns what it did to the links, so that a server can follow it. Time is an argument, nothing reads a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from msgspec import Struct

from natskit import subjects
from natskit.graph.account import SERVICE, Account, Import
from natskit.graph.cycle import cycle_through
from natskit.graph.link import ImportAnswer, Link, RefusedImport, link_of
from natskit.graph.mapping import Mappings
from natskit.graph.permissions import Permissions
from natskit.graph.reason import Reason, Rule, refuse
from natskit.graph.route import Stop, route_of_publish

__all__ = ["Change", "Decision", "Delivery", "Graph", "Refusal"]


class Change(Struct, frozen=True):
    """What a change of the graph did. A link whose reason alone changed is neither added nor removed.

    ``refused`` are the imports that became refused, or are refused for another reason than before.
    """

    added: tuple[Link, ...] = ()
    removed: tuple[Link, ...] = ()
    refused: tuple[RefusedImport, ...] = ()


class Delivery(Struct, frozen=True):
    """A message reaches the subscribers of ``account`` under ``subject``, with ``chance`` (0 to 1) if mappings of the
    accounts on its way leave it to chance.
    """

    account: str
    subject: str
    because: Reason
    chance: float = 1.0


class Refusal(Struct, frozen=True):
    """A message does not reach ``account``, where it would be called ``subject``."""

    account: str
    subject: str
    because: Reason


class Decision(Struct, frozen=True):
    """Everything that happens to a published message.

    ``subject`` is what it is called after the mappings of the account, empty if they drop it. Where they leave it to
    chance there are ``choices``, and nothing else.
    """

    subject: str = ""
    deliveries: tuple[Delivery, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    choices: tuple[Choice, ...] = ()


class Choice(Struct, frozen=True):
    """What happens to a message with this ``probability``."""

    probability: float
    decision: Decision


class Graph:
    """The accounts and what connects them, as of the time it was last told.

    >>> graph = Graph([Account(id="A"), Account(id="B")], now=1_700_000_000)
    >>> [delivery.account for delivery in graph.publish("A", "hello").deliveries]
    ['A']
    """

    def __init__(self, accounts: Iterable[Account] = (), now: float = 0) -> None:
        self.now = now
        self._accounts: dict[str, Account] = {}
        self._importers: dict[str, set[str]] = {}
        # What importer and exporter alone decide about each import, and the answer after duplicates and cycles.
        self._candidates: dict[str, tuple[ImportAnswer, ...]] = {}
        self._answers: dict[str, tuple[ImportAnswer, ...]] = {}
        # By the account in which a message is published: the links it can take and the imports that were refused.
        self._from: dict[str, dict[tuple[str, int], ImportAnswer]] = {}
        self._due: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}
        for account in accounts:
            self._accounts[account.id] = account
            self._note_importer(account)
        self._judge(self._accounts)

    # looking

    @property
    def accounts(self) -> dict[str, Account]:
        """Every account by id. Not to be changed."""
        return self._accounts

    @property
    def links(self) -> tuple[Link, ...]:
        """Every live import."""
        return tuple(answer for answer in self._all_answers() if isinstance(answer, Link))

    @property
    def refused(self) -> tuple[RefusedImport, ...]:
        """Every import that delivers nothing, with the reason."""
        return tuple(answer for answer in self._all_answers() if isinstance(answer, RefusedImport))

    def imports_of(self, account: str) -> tuple[ImportAnswer, ...]:
        """What became of each import of an account, in its order."""
        return self._answers.get(account, ())

    @property
    def next_change(self) -> int | None:
        """The Unix second at which time alone changes an answer; None if it never does."""
        while self._due and self._next.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _all_answers(self) -> Iterator[ImportAnswer]:
        for answers in self._answers.values():
            yield from answers

    # changing

    def put(self, account: Account) -> Change:
        """Add an account, or replace the one with its id."""
        affected = self._cycle_neighbours(account.id)
        self._forget_importer(account.id)
        self._accounts[account.id] = account
        self._note_importer(account)
        return self._judge({account.id, *self._importers.get(account.id, ()), *affected})

    def remove(self, account_id: str) -> Change:
        """Remove an account; who imports from it is left waiting for it."""
        affected = self._cycle_neighbours(account_id)
        self._forget_importer(account_id)
        self._accounts.pop(account_id, None)
        return self._judge({account_id, *self._importers.get(account_id, ()), *affected})

    def advance(self, now: float) -> Change:
        """Let time pass. It never goes back: an earlier ``now`` changes nothing."""
        self.now = max(self.now, now)
        due = set()
        while (when := self.next_change) is not None and when <= self.now:
            account_id = heapq.heappop(self._due)[1]
            del self._next[account_id]
            due.add(account_id)
        affected = {other for account_id in due for other in self._cycle_neighbours(account_id)}
        return self._judge(due | affected) if due else Change()

    def _note_importer(self, account: Account) -> None:
        for wanted in account.imports:
            self._importers.setdefault(wanted.account, set()).add(account.id)

    def _forget_importer(self, account_id: str) -> None:
        account = self._accounts.get(account_id)
        for wanted in account.imports if account else ():
            importers = self._importers.get(wanted.account)
            if importers is not None:
                importers.discard(account_id)
                if not importers:
                    del self._importers[wanted.account]

    # judging

    def _judge(self, account_ids: Iterable[str]) -> Change:
        """Answer anew for the imports of these accounts, and of those that share a cycle with them."""
        stale = dict.fromkeys(account_ids)
        for account_id in stale:
            self._find_candidates(account_id)
        if len(stale) < len(self._accounts):
            for account_id in tuple(stale):
                stale.update(dict.fromkeys(self._cycle_neighbours(account_id)))
        added: list[Link] = []
        removed: list[Link] = []
        refused: list[RefusedImport] = []
        for account_id in stale:
            before = self._answers.get(account_id, ())
            after = self._settle(account_id)
            _compare(before, after, added, removed, refused)
            self._store(account_id, before, after)
        return Change(tuple(added), tuple(removed), tuple(refused))

    def _find_candidates(self, account_id: str) -> None:
        account = self._accounts.get(account_id)
        if account is None or not account.imports:
            self._candidates.pop(account_id, None)
            return
        self._candidates[account_id] = tuple(
            link_of(wanted, number, account, self._accounts.get(wanted.account), self.now)
            for number, wanted in enumerate(account.imports)
        )

    def _settle(self, account_id: str) -> tuple[ImportAnswer, ...]:
        """The final answers for one account: candidates without duplicates and cycles."""
        account = self._accounts.get(account_id)
        if account is None:
            return ()
        seen: set[tuple[str, ...]] = set()
        answers: list[ImportAnswer] = []
        for wanted, answer in zip(account.imports, self._candidates.get(account_id, ()), strict=True):
            key = (wanted.kind, wanted.account, answer.local if wanted.kind == SERVICE else answer.remote)
            if key in seen:
                answer = _refused(wanted, answer, Rule.DUPLICATE, f"{wanted.kind} import already exists")
            elif isinstance(answer, Link) and (way := self._cycle(answer)):
                route = " -> ".join((*way, account_id))
                answer = _refused(wanted, answer, Rule.CYCLE, f"import forms a cycle: {route}", _LAST_OF_CYCLE)
            seen.add(key)
            answers.append(answer)
        return tuple(answers)

    def _cycle(self, link: Link) -> tuple[str, ...]:
        if link.importer not in self._importers or link.exporter not in self._candidates:
            return ()
        return cycle_through(link.importer, link.number, lambda account: self._candidates.get(account, ()))

    def _cycle_neighbours(self, account_id: str) -> set[str]:
        """The accounts on a cycle through this one."""
        found: set[str] = set()
        if account_id in self._importers:
            for answer in self._candidates.get(account_id, ()):
                if isinstance(answer, Link):
                    found.update(self._cycle(answer))
        return found

    def _store(self, account_id: str, before: tuple[ImportAnswer, ...], after: tuple[ImportAnswer, ...]) -> None:
        for answer in before:
            outgoing = self._from[answer.source]
            del outgoing[account_id, answer.number]
            if not outgoing:
                del self._from[answer.source]
        for answer in after:
            self._from.setdefault(answer.source, {})[account_id, answer.number] = answer
        if after:
            self._answers[account_id] = after
        else:
            self._answers.pop(account_id, None)
        self._schedule(account_id, after)

    def _schedule(self, account_id: str, answers: tuple[ImportAnswer, ...]) -> None:
        times = [answer.until for answer in answers if answer.until is not None]
        account = self._accounts.get(account_id)
        if account is not None:
            times += (account.not_before, account.expires)
        first = min((when for when in times if when > self.now), default=None)
        if first is None:
            self._next.pop(account_id, None)
        elif self._next.get(account_id) != first:
            self._next[account_id] = first
            heapq.heappush(self._due, (first, account_id))

    # what a message meets

    def leaving(self, account_id: str) -> tuple[ImportAnswer, ...]:
        """The imports, live or not, that take messages out of an account: of its streams, and its own of services."""
        return tuple(self._from.get(account_id, {}).values())

    def arriving(self, account_id: str) -> Iterator[ImportAnswer]:
        """The imports, live or not, by which requests come to an account."""
        for importer in sorted(self._importers.get(account_id, ())):
            for answer in self._answers.get(importer, ()):
                if answer.kind == SERVICE and answer.exporter == account_id:
                    yield answer

    def mappings_of(self, account_id: str) -> Mappings:
        """The mappings of an account; none if it is not known."""
        account = self._accounts.get(account_id)
        return Mappings.compile(account.mappings if account is not None else ())

    def barrier(self, account_id: str, subject: str) -> Reason | None:
        """What keeps everybody from using ``subject`` in an account at all; None if nothing does."""
        account = self._accounts.get(account_id)
        if account is None:
            return Reason(granted=False, rule=Rule.UNKNOWN_ACCOUNT, text=f"account {account_id} is not known here")
        if lapse := account.lapse(self.now):
            return Reason(granted=False, rule=Rule.ACCOUNT_NOT_IN_FORCE, text=lapse)
        if "" in subjects.tokens(subject):
            return Reason(granted=False, rule=Rule.SUBJECT, text=f'subject "{subject}" has an empty token')
        return None

    def publish(self, account_id: str, subject: str, permissions: Permissions | None = None) -> Decision:
        """What happens to a message that a user of ``account_id`` with ``permissions`` publishes on ``subject``.

        ``permissions`` None: no restriction. Of what happens in each account, its subscribers' own permissions
        (`Permissions.may_deliver`) are the last word; they are not asked here. A ``*`` in names is what chance draws.
        `route_of_publish` says the same step by step.
        """
        start = route_of_publish(self, account_id, subject, permissions)
        if not start.onward or start.onward[0].kind != "mapping":
            return _decision(start)
        if len(start.onward) == 1:
            return _decision(start.onward[0])
        return Decision(choices=tuple(Choice(stop.chance, _decision(stop)) for stop in start.onward))


def _decision(start: Stop) -> Decision:
    """What a route comes to. Deliveries in the account where it starts are by no import."""
    deliveries: list[Delivery] = []
    refusals: list[Refusal] = []
    waiting = [(start, _own_account(start.account), 1.0)]
    while waiting:
        stop, because, chance = waiting.pop()
        if not stop.because:
            refusals.append(Refusal(stop.account, stop.flow.subject, stop.because))
        elif stop.ends:
            deliveries.append(Delivery(stop.account, stop.flow.subject, because, chance))
        for onward in reversed(stop.onward):
            mapped = onward.kind == "mapping"
            waiting.append(
                (onward, because if mapped else onward.because, chance * onward.chance if mapped else chance)
            )
    dropped = not start.because and start.because.rule is Rule.MAPPING
    return Decision("" if dropped else start.flow.subject, tuple(deliveries), tuple(refusals))


def _own_account(account_id: str) -> Reason:
    return Reason(granted=True, rule=Rule.OWN_ACCOUNT, text=f"published in {account_id}")


_LAST_OF_CYCLE = "nats-server refuses only the imports of the account that it loads last"


def _refused(wanted: Import, answer: ImportAnswer, rule: Rule, fault: str, differs: str = "") -> RefusedImport:
    because = refuse(rule, wanted, fault, until=answer.until, differs=differs)
    return RefusedImport(wanted, answer.importer, answer.number, answer.local, because)


def _compare(
    before: tuple[ImportAnswer, ...],
    after: tuple[ImportAnswer, ...],
    added: list[Link],
    removed: list[Link],
    refused: list[RefusedImport],
) -> None:
    """Sort the answers of one account into what came, what went, and what is newly refused."""
    known = {answer.because.text for answer in before if isinstance(answer, RefusedImport)}
    refused.extend(answer for answer in after if isinstance(answer, RefusedImport) and answer.because.text not in known)
    old = {answer.route: answer for answer in before if isinstance(answer, Link)}
    added.extend(answer for answer in after if isinstance(answer, Link) and old.pop(answer.route, None) is None)
    removed.extend(old.values())
