"""What is asked: about whom, about which subject, as of when; and the accounts of the store that matter to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natskit import subjects
from natskit.cli.command import switch, text
from natskit.errors import Error, InvalidSubject, UsageError
from natskit.graph import EVERYTHING, SERVICE, Link, Login, Permissions, judge_login
from natskit.graph.cycle import comes_back_by_name
from natskit.graph.login import permissions_of
from natskit.store.neighbours import Neighbours

if TYPE_CHECKING:
    from natskit.graph import Reason, Stop
    from natskit.graph.login import Rights
    from natskit.jwt import AccountClaims, UserClaims

    from ..run import Run
    from .remedy import Remedy

__all__ = ["AT", "PICTURES", "QUEUE", "USER", "USERS", "Asker", "Question", "checked_subject", "moment"]

USER = text("user", "u", "a user of the account: its permissions count too", metavar="NAME", completes="user")
AT = text("at", "", "as of this time: 2030-01-31, 2030-01-31T12:00:00Z, 3d from now, default now", metavar="WHEN")
QUEUE = text("queue", "q", "subscribe as a member of this queue group", metavar="NAME")
USERS = switch("users", "", "also list the users at the other ends who may")
PICTURES = (
    switch("mermaid", "", "print a graph for Mermaid"),
    switch("dot", "", "print a graph for Graphviz"),
    switch("graphviz", "", "the same", hidden=True),
)

_KEY = re.compile(r"(?<![\w.\"])A[A-Z2-7]{55}(?![\w.\"])")
"""The key of an account; as a token of a subject, which is in quotes, it stays."""


_SAME_NAME = (
    "nats-server may refuse this import as part of a cycle: it goes by the names of services at their exporters"
)


class Asker:
    """Who publishes or subscribes: a user, or anybody in the account whom no permission restricts.

    ``checks`` are what a server asks at the login, with its answers; ``rights`` what the user may do, None if that
    cannot be told or nobody in particular is meant. ``permissions`` come from the user's own token, from the
    ``role`` of the scoped key that signed it, or from the account (``by_default``). ``seed`` is the public key of the
    seed that the user has, empty if that is not asked.
    """

    def __init__(self, user: str, claims: UserClaims | None = None) -> None:
        self.user = user
        self.claims = claims
        self.seed: str = ""
        self.checks: tuple[Reason, ...] = ()
        self.rights: Rights | None = None
        self.permissions: Permissions | None = None
        self.role: str | None = None
        self.by_default = False

    def judge(self, login: Login, neighbours: Neighbours) -> None:
        """Find out whether the user gets in, and what it may do then."""
        self.checks, self.rights = judge_login(login, neighbours.trust)
        account = login.account
        if self.rights is None or account is None:
            return
        scope = account.nats.scope_of(login.user.issuer)
        self.role = scope.role or scope.key if scope is not None else None
        own = permissions_of(self.rights, EVERYTHING)
        default = Permissions.from_claims(account.nats.default_permissions)
        self.by_default = own == EVERYTHING and default != EVERYTHING
        self.permissions = default if self.by_default else own

    @property
    def refusal(self) -> Reason | None:
        """Why the user cannot log in; None if it can."""
        return next((check for check in self.checks if not check), None)


class Question:
    """A question about ``subject``, asked by ``asker`` of the account ``account`` (a name), as of ``at``.

    ``connection_type`` and ``address`` are those of the connection that is meant, ``queue`` is the group of the
    subscription; empty: none in particular. ``people`` are the users that were looked at, by account: what each may do,
    None if it cannot log in.
    """

    def __init__(self, run: Run, verb: str, subject: str, account: str, asker: Asker, at: int) -> None:
        self.run: Run = run
        self.verb: str = verb
        self.subject: str = subject
        self.account: str = account
        self.asker: Asker = asker
        self.at: int = at
        self.connection_type: str = "STANDARD"
        self.address: str = ""
        self.queue: str = ""
        self.people: dict[str, dict[str, Permissions | None]] = {}
        self.neighbours: Neighbours = Neighbours(run.workspace.operator(), at)

    @classmethod
    def of_store(cls, run: Run, verb: str, subject: str, user: str, at: str) -> Question:
        """A question about an account of the store, and one of its users if named.

        Raises UsageError, NotFound, InvalidToken, VerifyError.
        """
        from natskit.store.credentials import find_user

        workspace = run.workspace
        account = workspace.account_name()
        name = find_user(workspace, account, user) if user else ""
        claims = workspace.operator().user(account, name) if name else None
        asker = Asker(name, claims)
        question = cls(run, verb, checked_subject(subject), account, asker, moment(run, at))
        if claims is not None:
            owner = question.read(question.account_id)
            asker.judge(Login(user=claims, account=owner, now=question.at), question.neighbours)
        return question

    @property
    def account_id(self) -> str:
        """The public key of the account. Raises NotFound, InvalidToken, VerifyError."""
        return self.neighbours.id_of(self.account)

    def read(self, account_id: str) -> AccountClaims | None:
        """The claims of an account of the store; None if it is not there or does not read."""
        name = self.neighbours.names.get(account_id)
        try:
            return self.run.workspace.operator().account(name) if name else None
        except Error:
            return None

    def name(self, account_id: str) -> str:
        """What the store calls an account; its key if it is not there."""
        return self.neighbours.names.get(account_id, account_id)

    display = name

    def named(self, text_: str) -> str:
        """``text_`` with the names of accounts in place of their keys, as far as the store knows them."""
        for key in dict.fromkeys(_KEY.findall(text_)):
            text_ = text_.replace(f"{key}/{self.name(key)}", key)
        return _KEY.sub(lambda found: self.name(found[0]), text_)

    def differs(self, stop: Stop) -> str:
        """What nats-server does otherwise at a stop; empty if it does the same."""
        link = stop.link
        if (
            isinstance(link, Link)
            and link.kind == SERVICE
            and comes_back_by_name(link, self.neighbours.graph.imports_of)
        ):
            return _SAME_NAME
        return stop.because.differs

    def remedy(self, reason: Reason, stop: Stop | None = None, peer: str = "") -> Remedy:
        """What mends what ``reason`` speaks of; nothing if it speaks for the message or no command can."""
        from .remedy import NOTHING, remedy_of  # of no use to who is told that all is well

        return NOTHING if reason else remedy_of(self, reason, stop, peer).at(self.run.places)

    @property
    def who(self) -> str:
        """Who asks, in words."""
        return f"user {self.asker.user} of {self.account}" if self.asker.user else f"a user of {self.account}"

    @property
    def facts(self) -> dict[str, object]:
        """The question, for JSON."""
        facts: dict[str, object] = {"verb": self.verb, "subject": self.subject, "account": self.account}
        facts |= {"account_id": self.account_id} if self.account in self.neighbours.names.values() else {}
        facts |= {"user": self.asker.user} if self.asker.user else {}
        return facts | {"at": self.at}

    def warn_of_unreadable(self) -> None:
        """Say what could not be looked at."""
        for name, fault in self.neighbours.unreadable.items():
            self.run.warn(f'account "{name}" is left out, its token cannot be read: {fault}')

    def warn(self) -> None:
        """Say what could not be looked at, and that the user cannot log in."""
        self.warn_of_unreadable()
        refusal = self.asker.refusal
        if refusal is not None:
            see = self.command("explain", "denied", self.verb)
            self.run.warn(f"servers do not let {self.asker.user} in at all: {self.named(refusal.text)}")
            self.run.warn(f"what mends it: {see}")

    def command(self, *words: str) -> str:
        """A command about the same account, user and subject."""
        from natskit.store.commands import typed

        user = ("--user", self.asker.user) if self.asker.user else ()
        return typed(*words, "--account", self.account, *user, self.subject, *self.run.places)


def checked_subject(subject: str) -> str:
    """``subject``, if it is one. Raises UsageError."""
    try:
        subjects.validate(subject)
    except InvalidSubject as error:
        raise UsageError(
            error.message, hint="quote patterns, so that the shell leaves them alone: 'orders.>'"
        ) from None
    return subject


def moment(run: Run, given: str) -> int:
    """The Unix second of ``--at``, default now. Raises UsageError."""
    from natskit.cli.flags import parse_instant, parse_moment

    now = run.workspace.now()
    if given.isascii() and given.isdigit() and len(given) > 1:
        return parse_instant(given)
    return parse_moment(given, now, "at") or now
