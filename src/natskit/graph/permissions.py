"""What a user may publish and subscribe to, and which rule says so.

An entry is a pattern; subscribe entries may read ``"subject queue"``, where the queue may be a pattern too. No allow
entry means everything is allowed; a deny entry always wins (spec/server-accounts.md section 3).

Wildcards in the subject that is asked about are judged so that no message can slip through: an allow entry must
*cover* it (``foo.*`` does not allow ``foo.>``), and a deny entry refuses it if it matches it token for token. A
wildcard subscription that merely overlaps a deny entry is accepted; :meth:`Permissions.may_deliver` then keeps the
denied messages away from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.graph.flow import Flow

if TYPE_CHECKING:
    from natskit import jwt

__all__ = ["EVERYTHING", "RESERVED_QUEUE", "Permissions", "Responses", "Verdict", "reserved"]

RESERVED_QUEUE = "_sys_"
"""The queue group that clients may not join."""


def reserved(subject: str, *, is_system: bool = False) -> str:
    """Why no client may publish on ``subject``, whatever its permissions; empty if nothing speaks against it.

    ``is_system``: the client is of the system account.
    """
    prefixes = ("_GR_.", "$GR.") if is_system else ("_GR_.", "$GR.", "$NRG.")
    prefix = next((each for each in prefixes if subject.startswith(each)), "")
    return f'subjects under "{prefix}" are the servers\' own: no client may publish there' if prefix else ""


class Verdict(Struct, frozen=True):
    """An answer, and the rule that gave it in words: ``deny "a.secret"``."""

    allowed: bool
    rule: str

    def __bool__(self) -> bool:
        return self.allowed


class Responses(Struct, frozen=True):
    """Permission to answer the messages that were received, wherever their reply subject lies.

    At most ``max_messages`` answers to each, within ``expires_s`` seconds; negative means without limit.
    """

    max_messages: int = 1
    expires_s: float = 120.0


class _Entries:
    """One list of entries, literal ones in a table."""

    __slots__ = ("literals", "patterns", "queued")

    def __init__(self, entries: Iterable[str], *, with_queues: bool) -> None:
        self.literals: set[str] = set()
        self.patterns: list[str] = []
        self.queued: list[tuple[str, str]] = []
        for entry in entries:
            subject, blank, queue = entry.partition(" ")
            subjects.validate(subject)
            if blank:
                if not with_queues:
                    raise InvalidSubject(f'permission "{entry}" must not name a queue', subject=entry)
                subjects.validate(queue)
                self.queued.append((subject, queue))
            elif subjects.has_wildcard(subject):
                self.patterns.append(subject)
            else:
                self.literals.add(subject)

    def __bool__(self) -> bool:
        return bool(self.literals or self.patterns or self.queued)

    def covering(self, subject: str) -> str | None:
        """The entry without a queue under which all of ``subject`` falls."""
        if subject in self.literals:
            return subject
        return next((pattern for pattern in self.patterns if subjects.covers(pattern, subject)), None)

    def matching(self, subject: str) -> str | None:
        """The entry without a queue that matches ``subject``, whose wildcards count as ordinary tokens."""
        if subject in self.literals:
            return subject
        return next((pattern for pattern in self.patterns if subjects.matches(pattern, subject)), None)

    def free(self, denied: Iterable[str]) -> list[str]:
        """The beginnings that alone make a subject fall under an entry, where ``denied`` (entries) has no say."""
        rests = [pattern for pattern in self.patterns if pattern.endswith(">") and "*" not in pattern]
        refused = [entry.partition(" ")[0] for entry in denied]
        return [rest[:-1] for rest in rests if not any(subjects.overlaps(rest, each) for each in refused)]

    def queues_covering(self, subject: str) -> Iterator[str]:
        """The queues of the entries under whose subject all of ``subject`` falls."""
        return (queue for pattern, queue in self.queued if subjects.covers(pattern, subject))

    def queue_matching(self, subject: str, queue: str) -> str | None:
        """The entry with a queue that matches both."""
        for pattern, wanted in self.queued:
            if subjects.matches(pattern, subject) and subjects.matches(wanted, queue):
                return f"{pattern} {wanted}"
        return None


_NO_ALLOW_LIST = Verdict(True, "no allow list")
_ONLY_RESPONSES = Verdict(False, "only responses are allowed")


class Permissions:
    """The permissions of one user; immutable. Make one with :meth:`compile`.

    The lists it was made from stay readable as ``publish_allow`` and so on.
    """

    __slots__ = (
        "_publish_allow",
        "_publish_deny",
        "_subscribe_allow",
        "_subscribe_deny",
        "publish_allow",
        "publish_deny",
        "responses",
        "subscribe_allow",
        "subscribe_deny",
    )

    def __init__(
        self,
        publish_allow: tuple[str, ...],
        publish_deny: tuple[str, ...],
        subscribe_allow: tuple[str, ...],
        subscribe_deny: tuple[str, ...],
        responses: Responses | None,
    ) -> None:
        self.publish_allow = publish_allow
        self.publish_deny = publish_deny
        self.subscribe_allow = subscribe_allow
        self.subscribe_deny = subscribe_deny
        self.responses = responses
        self._publish_allow = _Entries(publish_allow, with_queues=False)
        self._publish_deny = _Entries(publish_deny, with_queues=False)
        self._subscribe_allow = _Entries(subscribe_allow, with_queues=True)
        self._subscribe_deny = _Entries(subscribe_deny, with_queues=True)

    @classmethod
    def compile(
        cls,
        pub_allow: Iterable[str] = (),
        pub_deny: Iterable[str] = (),
        sub_allow: Iterable[str] = (),
        sub_deny: Iterable[str] = (),
        responses: Responses | None = None,
    ) -> Permissions:
        """Permissions by four lists. With ``responses`` an empty ``pub_allow`` allows nothing else.

        Raises InvalidSubject if an entry is no subject, or one with a queue where there can be none.
        """
        return cls(tuple(pub_allow), tuple(pub_deny), tuple(sub_allow), tuple(sub_deny), responses)

    @classmethod
    def from_claims(cls, claims: jwt.Permissions) -> Permissions:
        """The permissions in the claims of a user, a scope, or the defaults of an account."""
        responses = claims.resp
        return cls.compile(
            claims.pub.allow,
            claims.pub.deny,
            claims.sub.allow,
            claims.sub.deny,
            Responses(responses.max or 1, responses.ttl / 1e9 or 120.0) if responses else None,
        )

    def __repr__(self) -> str:
        lists = (self.publish_allow, self.publish_deny, self.subscribe_allow, self.subscribe_deny)
        return f"Permissions.compile{(*lists, self.responses)!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Permissions) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return (
            self.publish_allow,
            self.publish_deny,
            self.subscribe_allow,
            self.subscribe_deny,
            self.responses,
        )

    # what has to be asked at all

    @property
    def restricts_publish(self) -> bool:
        """Whether :meth:`may_publish` can say no."""
        return bool(self._publish_allow or self._publish_deny or self.responses)

    @property
    def restricts_subscribe(self) -> bool:
        """Whether :meth:`may_subscribe` can say no."""
        return bool(self._subscribe_allow or self._subscribe_deny)

    @property
    def filters_delivery(self) -> bool:
        """Whether :meth:`may_deliver` can say no."""
        return bool(self._subscribe_deny)

    @property
    def free_to_publish(self) -> list[str]:
        """Beginnings of subjects: the user may publish on every literal subject that goes on after one of them."""
        return self._publish_allow.free(self.publish_deny)

    @property
    def free_to_subscribe(self) -> list[str]:
        """Beginnings of subjects: the user may subscribe to every literal subject that goes on after one of them."""
        return self._subscribe_allow.free(self.subscribe_deny)

    # answers

    def may_publish(self, subject: str) -> Verdict:
        """May the user publish on ``subject``? Answers to received messages are not judged here."""
        denied = self._publish_deny.matching(subject)
        if denied is not None:
            return Verdict(False, f'deny "{denied}"')
        if not self._publish_allow:
            return _ONLY_RESPONSES if self.responses else _NO_ALLOW_LIST
        allowed = self._publish_allow.covering(subject)
        if allowed is None:
            return Verdict(False, _not_listed("publish", self.publish_allow))
        return Verdict(True, f'allow "{allowed}"')

    def may_subscribe(self, subject: str, queue: str | None = None) -> Verdict:
        """May the user subscribe to the pattern ``subject``, as a member of ``queue`` if given?"""
        denied = self._denied(subject, queue)
        if denied is not None:
            return Verdict(False, f'deny "{denied}"')
        if not self._subscribe_allow:
            return _NO_ALLOW_LIST
        if queue is not None:
            queues = list(self._subscribe_allow.queues_covering(subject))
            if queues:
                return _judge_queue(queues, queue)
        allowed = self._subscribe_allow.covering(subject)
        if allowed is None:
            return Verdict(False, _not_listed("subscribe", self.subscribe_allow))
        return Verdict(True, f'allow "{allowed}"')

    def may_deliver(self, subject: str, queue: str | None = None) -> bool:
        """May a message on the literal ``subject`` reach a subscription of the user, of ``queue`` if given?"""
        return self._denied(subject, queue) is None

    # answers about all subjects of a pattern

    def publish_parts(self, flow: Flow) -> list[tuple[Flow, Verdict]]:
        """The parts of ``flow`` that the user may publish on, with the rule; if there are none: all of it, and why."""
        left = flow.minus(*self.publish_deny)
        if flow.is_one:
            return [(flow, self.may_publish(flow.subject))]
        if left is None:
            denied = next(entry for entry in self.publish_deny if subjects.covers(entry, flow.subject))
            return [(flow, Verdict(False, f'deny "{denied}"'))]
        if not self.publish_allow:
            return [(left, _ONLY_RESPONSES if self.responses else _NO_ALLOW_LIST)]
        parts = {entry: part for entry in self.publish_allow if (part := left.within(entry)) is not None}
        widest = {
            entry: part
            for entry, part in parts.items()
            if not any(other != part and subjects.covers(other.subject, part.subject) for other in parts.values())
        }
        if not widest:
            return [(flow, Verdict(False, _not_listed("publish", self.publish_allow)))]
        return [(part, Verdict(True, f'allow "{entry}"')) for entry, part in widest.items()]

    def may_receive(self, flow: Flow) -> Verdict:
        """Whether some subscription of the user can receive messages on some subject of ``flow``."""
        left = flow.minus(*self.filters(None))
        if left is None:
            return self.may_subscribe(flow.subject)
        if not self.subscribe_allow:
            return _NO_ALLOW_LIST
        for entry in self.subscribe_allow:
            if left.within(entry.partition(" ")[0]) is not None:
                return Verdict(True, f'allow "{entry}"')
        return Verdict(False, _not_listed("subscribe", self.subscribe_allow))

    def may_send(self, flow: Flow) -> Verdict:
        """Whether the user may publish on some subject of ``flow``."""
        return self.publish_parts(flow)[0][1]

    def filters(self, queue: str | None) -> Iterator[str]:
        """The patterns of what is kept away from the user's subscriptions, of ``queue`` if given."""
        for entry in self.subscribe_deny:
            subject, blank, group = entry.partition(" ")
            if not blank or (queue is not None and subjects.matches(group, queue)):
                yield subject

    def allows_as_literal(self, subject: str) -> bool:
        """Whether an allow entry matches the pattern ``subject`` if its wildcards are taken for ordinary tokens."""
        return self._denied(subject, None) is None and self._subscribe_allow.matching(subject) is not None

    def _denied(self, subject: str, queue: str | None) -> str | None:
        denied = self._subscribe_deny.matching(subject)
        if denied is None and queue is not None:
            denied = self._subscribe_deny.queue_matching(subject, queue)
        return denied


def _judge_queue(queues: list[str], queue: str) -> Verdict:
    for wanted in queues:
        if subjects.matches(wanted, queue):
            return Verdict(True, f'allow queue "{wanted}"')
    return Verdict(False, f"queue is none of {', '.join(queues[:8])}")


def _not_listed(verb: str, entries: tuple[str, ...]) -> str:
    shown = ", ".join(f'"{entry}"' for entry in entries[:8])
    return f"no {verb} allow entry covers it: {shown}{' ...' if len(entries) > 8 else ''}"


EVERYTHING = Permissions.compile()
"""No restriction."""
