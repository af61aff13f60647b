"""Routes: everywhere a message goes, and everywhere the messages of a subscription come from, step by step.

A route is a tree of stops. Forward, a stop is an account that a message reaches, and ``onward`` leads to where it goes
from there; backward, it is an account in which a message was on its way, and ``onward`` leads to where it came from.
Whatever stands in the way is a stop too, whose reason speaks against it. The subject may be a pattern: then each stop
says which part of the subjects it is about.

::

    PUB orders.eu.7 in A                     SUB eu.> in B
    ├─ A orders.eu.7                         ├─ B eu.>          published there
    └─ B eu.7, by a stream import            └─ A orders.eu.*   by a stream import, published there

Source: spec/server-accounts.md sections 3 to 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from natskit.graph.account import SERVICE, STREAM, Export
from natskit.graph.flow import Flow
from natskit.graph.link import ImportAnswer, Link, governing_export
from natskit.graph.mapping import Branch, Mapping
from natskit.graph.permissions import EVERYTHING, RESERVED_QUEUE, Permissions, Verdict, reserved
from natskit.graph.reason import Reason, Rule
from natskit.graph.served import served

if TYPE_CHECKING:
    from natskit.graph.graph import Graph

__all__ = ["Stop", "route_of_publish", "route_of_subscription"]

MAX_SERVICE_CHAIN = 64
"""How many service imports a request may go through."""

MAX_STOPS = 100_000
"""A route with more stops than this is cut off: accounts that import from each other may make any number."""

StopKind = Literal["publish", "subscribe", "permission", "mapping", "stream", "service", "server"]


class Stop(Struct, frozen=True, kw_only=True):
    """One place on a route.

    ``flow`` is what the message is called in ``account``. ``kind`` says how it gets here, or forward: ``publish``
    and ``subscribe`` are where a route starts, ``permission`` and ``mapping`` single out a part of the stop before,
    ``stream`` and ``service`` are imports, whose ``link`` (and ``export``, where there is one) are given; at
    ``server``, servers answer a request themselves.

    ``ends``: forward, subscribers of ``account`` receive it; backward, it is published here. ``chance`` (0 to 1) is the
    share that goes this way of the messages at the stop before. Not ``exact``: only some of ``flow`` go this way, which
    ones cannot be told. ``permission`` is the rule that let the user publish or subscribe. ``cut_off``, of the first
    stop: there are more stops than anybody could look at, and some are missing.
    """

    kind: StopKind
    account: str
    flow: Flow
    because: Reason
    ends: bool = False
    chance: float = 1.0
    exact: bool = True
    cut_off: bool = False
    permission: str = ""
    link: ImportAnswer | None = None
    export: Export | None = None
    mapping: Mapping | None = None
    onward: tuple[Stop, ...] = ()

    def walk(self) -> Iterator[Stop]:
        """This stop and all behind it, each before those behind it."""
        waiting = [self]
        while waiting:
            stop = waiting.pop()
            yield stop
            waiting.extend(reversed(stop.onward))


Passed = tuple[ImportAnswer, ...]
"""The service imports that a request has gone through."""


def route_of_publish(graph: Graph, account: str, subject: str, permissions: Permissions | None = None) -> Stop:
    """Where a message goes that a user with ``permissions`` (None: any) publishes in ``account`` on ``subject``.

    Of what happens in each account, its subscribers' own permissions are the last word; they are not asked here.
    """
    walk = _Forward(graph, permissions)
    return walk.finished(walk.start(account, Flow(subject)))


def route_of_subscription(
    graph: Graph, account: str, subject: str, permissions: Permissions | None = None, queue: str | None = None
) -> Stop:
    """Where the messages come from that a subscription of a user with ``permissions`` receives, as one of ``queue``.

    The publishers' own permissions are not asked here.
    """
    walk = _Backward(graph)
    return walk.finished(walk.start(account, Flow(subject), permissions, queue))


class _Walk:
    """What both directions share: the graph, and how many stops may still be made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._left = MAX_STOPS

    def takes(self, passed: Passed, answer: ImportAnswer) -> bool:
        """Whether the walk goes on by an import."""
        return answer not in passed and len(passed) < MAX_SERVICE_CHAIN and self.counts()

    def counts(self) -> bool:
        """Count one more stop; False if that is one too many."""
        self._left -= 1
        return self._left >= 0

    def finished(self, start: Stop) -> Stop:
        """The first stop of the whole route."""
        return replace(start, cut_off=self._left < 0)

    def stop(self, answer: ImportAnswer, account: str, flow: Flow) -> Stop:
        exporter = self.graph.accounts.get(answer.exporter)
        export = governing_export(exporter, answer.kind, answer.remote) if exporter is not None else None
        return Stop(kind=answer.kind, account=account, flow=flow, because=answer.because, link=answer, export=export)


# ---- forward -------------------------------------------------------------------------------------


class _Forward(_Walk):
    def __init__(self, graph: Graph, permissions: Permissions | None) -> None:
        super().__init__(graph)
        self._permissions = permissions or EVERYTHING

    def start(self, account: str, flow: Flow) -> Stop:
        stop = Stop(kind="publish", account=account, flow=flow, because=_published(account))
        barrier = self.graph.barrier(account, flow.subject)
        return replace(stop, because=barrier) if barrier is not None else self._enter(stop, ())

    def _enter(self, stop: Stop, passed: Passed) -> Stop:
        """A message comes into an account: the account's mappings rename it."""
        mappings = self.graph.mappings_of(stop.account)
        branches = list(mappings.forward(stop.flow))
        if len(branches) == 1 and branches[0].after == stop.flow and branches[0].chance == 1:
            return self._named(stop, passed)
        several = len(mappings.overlapping(stop.flow)) > 1
        onward = [self._branch(stop, each, passed, several) for each in branches if self.counts()]
        return replace(stop, onward=tuple(onward))

    def _branch(self, stop: Stop, branch: Branch, passed: Passed, several: bool) -> Stop:
        because = _mapped(branch, several=several and stop.flow.is_one)
        after = branch.after or branch.before
        found = Stop(
            kind="mapping",
            account=stop.account,
            flow=after,
            because=because,
            chance=branch.chance,
            mapping=branch.mapping,
        )
        return self._named(found, passed) if because else found

    def _named(self, stop: Stop, passed: Passed) -> Stop:
        """A message has its name in the account: may its publisher publish that? Requests were judged before."""
        if passed:
            return self._spread(stop, passed)
        fault = reserved(stop.flow.subject, is_system=self.graph.accounts[stop.account].is_system)
        if fault:
            return replace(stop, because=Reason(granted=False, rule=Rule.RESERVED, text=fault))
        parts = self._permissions.publish_parts(stop.flow)
        stops = [self._permitted(stop, flow, _judged(verdict, flow)) for flow, verdict in parts]
        if len(stops) == 1 and stops[0].flow == stop.flow:
            return stops[0]
        narrowed = [replace(each, kind="permission", chance=1.0, mapping=None) for each in stops]
        return replace(stop, onward=tuple(narrowed))

    def _permitted(self, stop: Stop, flow: Flow, because: Reason) -> Stop:
        if not because:
            return replace(stop, flow=flow, because=because)
        return self._spread(replace(stop, flow=flow, permission=because.permission), ())

    def _spread(self, stop: Stop, passed: Passed) -> Stop:
        """To the subscribers of the account, and along its links. Streams carry no requests."""
        onward = [
            self._follow(answer, here, passed)
            for answer in self.graph.leaving(stop.account)
            if (answer.kind == SERVICE or not passed)
            and (here := stop.flow.within(answer.pattern)) is not None
            and self.takes(passed, answer)
        ]
        return replace(stop, ends=True, onward=(*self._served(stop, passed), *onward))

    def _served(self, stop: Stop, passed: Passed) -> Iterator[Stop]:
        """What servers answer: to users of any account, and whatever comes into the system account."""
        is_system = self.graph.accounts[stop.account].is_system
        if stop.flow.subject[:1] not in ("$", "*", ">") or (passed and not is_system):
            return
        for here, what in served(stop.flow, is_system=is_system):
            because = Reason(granted=True, rule=Rule.SERVED, text=f"servers answer requests on it: {what}")
            yield Stop(kind="server", account=stop.account, flow=here, because=because)

    def _follow(self, answer: ImportAnswer, here: Flow, passed: Passed) -> Stop:
        if not isinstance(answer, Link):
            return self.stop(answer, answer.target, here)
        stop = self.stop(answer, answer.target, answer.carried(here))
        return self._enter(stop, (*passed, answer)) if answer.kind == SERVICE else replace(stop, ends=True)


# ---- backward ------------------------------------------------------------------------------------


class _Backward(_Walk):
    def start(self, account: str, flow: Flow, permissions: Permissions | None, queue: str | None) -> Stop:
        stop = Stop(kind="subscribe", account=account, flow=flow, because=_published(account))
        barrier = self.graph.barrier(account, flow.subject)
        if barrier is not None:
            return replace(stop, because=barrier)
        if permissions is not None:
            because = _subscribed(permissions, flow.subject, queue)
            if not because:
                return replace(stop, because=because)
            kept = flow.minus(*permissions.filters(queue)) or flow
            stop = replace(stop, flow=kept, permission=because.permission)
        streams = [
            self._stream(answer, here)
            for answer in self.graph.imports_of(account)
            if answer.kind == STREAM and (here := stop.flow.within(answer.local)) is not None and self.takes((), answer)
        ]
        origin = self._origin(stop, ())
        return replace(origin, onward=(*origin.onward, *streams))

    def _stream(self, answer: ImportAnswer, here: Flow) -> Stop:
        if not isinstance(answer, Link):
            return self.stop(answer, answer.exporter, Flow(answer.remote))
        return self._origin(self.stop(answer, answer.exporter, answer.before(here)), (answer,))

    def _origin(self, stop: Stop, passed: Passed) -> Stop:
        """What has to be published in the account, or to be requested from it, to be called what the stop says."""
        branches = list(self.graph.mappings_of(stop.account).backward(stop.flow))
        if len(branches) == 1 and branches[0].before == stop.flow and branches[0].chance == 1:
            return replace(stop, ends=True, onward=tuple(self._requests(stop, passed)))
        if not branches:
            return replace(stop, onward=tuple(self._mapped_away(stop)))
        return replace(stop, onward=tuple(self._branch(stop, each, passed) for each in branches if self.counts()))

    def _mapped_away(self, stop: Stop) -> Iterator[Stop]:
        """The mappings that give every message of this name another one."""
        for mapping in self.graph.mappings_of(stop.account).overlapping(stop.flow):
            named = ", ".join(f'"{each.subject}"' for each in mapping.destinations)
            text = f'mapping "{mapping.source}" gives what is published on it another name: {named}'
            because = Reason(granted=False, rule=Rule.MAPPING, text=text, mapping=mapping.source)
            yield Stop(kind="mapping", account=stop.account, flow=stop.flow, because=because, mapping=mapping)

    def _branch(self, stop: Stop, branch: Branch, passed: Passed) -> Stop:
        found = Stop(
            kind="mapping",
            account=stop.account,
            flow=branch.before,
            because=_mapped(branch, several=False),
            ends=True,
            chance=branch.chance,
            exact=branch.exact,
            mapping=branch.mapping,
        )
        return replace(found, onward=tuple(self._requests(found, passed)))

    def _requests(self, stop: Stop, passed: Passed) -> Iterator[Stop]:
        """The service imports by which requests come into the account. None feeds a stream."""
        if passed and passed[-1].kind == STREAM:
            return
        for answer in self.graph.arriving(stop.account):
            here = stop.flow.within(answer.remote)
            if here is None or not self.takes(passed, answer):
                continue
            if isinstance(answer, Link):
                found = self.stop(answer, answer.importer, answer.before(here))
                yield self._origin(found, (*passed, answer))
            else:
                yield self.stop(answer, answer.importer, Flow(answer.local))


# ---- reasons -------------------------------------------------------------------------------------


def _published(account: str) -> Reason:
    return Reason(granted=True, rule=Rule.OWN_ACCOUNT, text=f"published in {account}")


_BY_CHANCE = "several mappings match: nats-server lets one of them decide by chance, the narrowest decides here"


def _mapped(branch: Branch, *, several: bool) -> Reason:
    mapping = branch.mapping
    if mapping is None:
        return Reason(granted=True, rule=Rule.MAPPING, text="no mapping concerns it")
    share = f" for {branch.chance:.0%} of the messages" if branch.chance < 1 else ""
    if branch.after is None:
        text = f'mapping "{mapping.source}" drops it{share}: its weights do not add up to 100'
        return Reason(granted=False, rule=Rule.MAPPING, text=text, mapping=mapping.source)
    if branch.after == branch.before:
        text = f'mapping "{mapping.source}" leaves the name{share}'
    else:
        text = f'mapping "{mapping.source}" makes "{branch.before.subject}" "{branch.after.subject}"{share}'
    differs = _BY_CHANCE if several else ""
    return Reason(granted=True, rule=Rule.MAPPING, text=text, mapping=mapping.source, differs=differs)


def _judged(verdict: Verdict, flow: Flow) -> Reason:
    text = f'publish to "{flow.subject}" is {"" if verdict else "not "}permitted: {verdict.rule}'
    return Reason(granted=verdict.allowed, rule=Rule.PERMISSION, text=text, permission=verdict.rule)


def _subscribed(permissions: Permissions, subject: str, queue: str | None) -> Reason:
    group = f' as one of queue "{queue}"' if queue else ""
    if queue == RESERVED_QUEUE:
        return Reason(granted=False, rule=Rule.RESERVED, text=f'queue "{queue}" is the server\'s own')
    verdict = permissions.may_subscribe(subject, queue)
    text = f'subscribe to "{subject}"{group} is {"" if verdict else "not "}permitted: {verdict.rule}'
    differs = ""
    if not verdict and permissions.allows_as_literal(subject):
        differs = "nats-server takes the wildcards of a subscription for ordinary tokens and accepts it"
    return Reason(granted=verdict.allowed, rule=Rule.PERMISSION, text=text, permission=verdict.rule, differs=differs)
