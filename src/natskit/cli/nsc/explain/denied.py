"""``nsc explain denied``: the chain from the creds file to the message, link by link, as a server goes through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from natskit.cli.command import command, flag, text
from natskit.cli.exits import DONE, REFUSED
from natskit.cli.tables import printable
from natskit.errors import Error, NotFound, UsageError
from natskit.graph import Login, Reason, Rule, hurdles, route_of_publish, route_of_subscription
from natskit.graph.login import judge_payload
from natskit.jwt import CONNECTION_TYPES

from .question import AT, QUEUE, Asker, Question, checked_subject, moment

if TYPE_CHECKING:
    from natskit.graph import Graph, Hurdle, Stop

    from ..run import Run

__all__ = ["DENIED", "denied_pub", "denied_sub"]

DENIED = REFUSED
"""The exit status of "it is denied": the request that was asked about is refused."""


def _address(given: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        raise UsageError("must be an IP address, such as 10.1.2.3") from None


def _connection_type(given: str) -> str:
    if given.upper() not in CONNECTION_TYPES:
        raise UsageError(f"must be one of {', '.join(sorted(CONNECTION_TYPES))}")
    return given.upper()


_FLAGS = (
    text("creds", "", "the creds file in question", metavar="FILE"),
    text("user", "u", "or a user of the account, default the only one", metavar="NAME", completes="user"),
    text("peer", "p", "the account at the other end, if one is meant", metavar="ACCOUNT", completes="account"),
    flag("from", "", "the address that the user connects from", _address, default="", metavar="IP"),
    flag(
        "conn-type",
        "",
        "how the user connects, default STANDARD",
        _connection_type,
        default="STANDARD",
        metavar="TYPE",
        completes=tuple(sorted(CONNECTION_TYPES)),
    ),
    AT,
)


@command(
    *_FLAGS,
    arguments=("subject",),
    examples=[
        ("nsc explain denied pub --creds shop.creds orders.eu.7", "may this file publish there, and if not, why?"),
        ("nsc explain denied pub -a Orders -u shop orders.eu.7 --peer Audit", "why does account Audit not receive it?"),
        ("nsc explain denied pub --creds shop.creds orders.eu.7 --from 10.1.2.3 --at 7d", "from there, in a week"),
    ],
)
def denied_pub(run: Run, *, subject: str, **flags: str) -> int:
    """Say what keeps a user from publishing: the first link that fails, with the command that mends it.

    The links are gone through in a server's order: creds file, tokens, signatures, revocations, networks, times,
    limits, permissions, and then what is shared between accounts. Exit status 0 if nothing fails, 1 if something does.
    """
    question = _question(run, "pub", subject, flags)
    return _Chain(question, flags["peer"]).follow()


@command(
    *_FLAGS,
    QUEUE,
    arguments=("subject",),
    examples=[
        ("nsc explain denied sub --creds ann.creds 'reports.>'", "why does nothing arrive here?"),
        ("nsc explain denied sub -a Team -u ann reports.daily --peer Reports", "why nothing from account Reports?"),
    ],
)
def denied_sub(run: Run, *, subject: str, queue: str, **flags: str) -> int:
    """Say what keeps messages from a user's subscription: the first link that fails, with the command that mends it.

    The same as "explain denied pub", for a subscription. Exit status 0 if nothing fails, 1 if something does.
    """
    question = _question(run, "sub", subject, flags)
    question.queue = queue
    return _Chain(question, flags["peer"]).follow()


def _question(run: Run, verb: str, subject: str, flags: dict[str, str]) -> Question:
    if flags["creds"] and flags["user"]:
        raise UsageError("specify only one of --creds and --user")
    at = moment(run, flags["at"])
    if flags["creds"]:
        question = _of_creds(run, verb, checked_subject(subject), flags["creds"], at)
    else:
        question = _of_user(run, verb, checked_subject(subject), flags["user"], at)
    question.address, question.connection_type = flags["from"], flags["conn_type"]
    return question


def _of_user(run: Run, verb: str, subject: str, user: str, at: int) -> Question:
    from natskit.store.credentials import find_user

    workspace = run.workspace
    account = workspace.account_name()
    name = find_user(workspace, account, user)
    return Question(run, verb, subject, account, Asker(name, workspace.operator().user(account, name)), at)


def _of_creds(run: Run, verb: str, subject: str, path: str, at: int) -> Question:
    """A question about whoever a creds file is of. What cannot be read of it is the first link that fails."""
    from natskit import jwt
    from natskit.jwt.files import parse_jwt, parse_seed
    from natskit.nkeys import KeyPair
    from natskit.store.files import read_text

    full = run.full_path(path)
    asker = Asker("")
    try:
        content = read_text(full)
        if content is None:
            raise NotFound(f"there is no file {full}")
        claims = jwt.decode(parse_jwt(content).strip(), jwt.UserClaims)
        asker = Asker(claims.name or claims.subject, claims)
        asker.seed = KeyPair.from_seed(parse_seed(content)).public if not claims.nats.bearer_token else ""
    except Error as error:
        asker.checks = (Reason(granted=False, rule=Rule.CREDS, text=f"the creds file cannot be used: {error.message}"),)
    question = Question(run, verb, subject, run.workspace.config.account, asker, at)
    if asker.claims is not None:
        question.account = question.name(asker.claims.account)
    return question


class _Chain:
    """The links from the login to the message."""

    def __init__(self, question: Question, peer: str) -> None:
        self._question = question
        self._peer = self._peer_id(peer) if peer else ""
        self._checks: list[Reason] = []
        self._hurdles: list[Hurdle] = []
        self._route: Stop | None = None

    def _peer_id(self, given: str) -> str:
        from ..import_ import account_key

        return account_key(self._question.run, given)

    def follow(self) -> int:
        """Go through all links, and tell. Returns the exit status."""
        self._log_in()
        if not self._refused:
            self._send()
        self._tell()
        return DENIED if self._refused or self._hurdles else DONE

    @property
    def _refused(self) -> list[Reason]:
        return [check for check in self._checks if not check]

    def _log_in(self) -> None:
        question, asker = self._question, self._question.asker
        if asker.claims is None or asker.checks:
            self._checks += asker.checks
        if asker.claims is None:
            return
        login = Login(
            user=asker.claims,
            account=question.read(asker.claims.account),
            now=question.at,
            account_fault=self._account_fault(asker.claims.account),
            address=question.address,
            connection_type=question.connection_type,
            public=asker.seed,
        )
        asker.judge(login, question.neighbours)
        self._checks += asker.checks

    def _account_fault(self, account_id: str) -> str:
        neighbours = self._question.neighbours
        name = neighbours.names.get(account_id, "")
        fault = neighbours.unreadable.get(name, "")
        if fault:
            return f'the token of account "{name}" cannot be read: {fault}'
        operator = neighbours.operator.name
        return f"account {account_id}, which the user is of, is not in the store of operator {operator}"

    def _send(self) -> None:
        question, asker = self._question, self._question.asker
        assert asker.claims is not None
        account_id = asker.claims.account
        account = question.read(account_id)
        if question.verb == "pub" and asker.rights is not None and account is not None:
            self._checks += judge_payload(asker.rights, account)
        if self._peer:
            question.neighbours.add_receivers(self._peer)
        if question.verb == "pub":
            graph: Graph = question.neighbours.add_receivers(account_id)
            self._route = route_of_publish(graph, account_id, question.subject, asker.permissions)
        else:
            graph = question.neighbours.add_senders(account_id)
            queue = question.queue or None
            self._route = route_of_subscription(graph, account_id, question.subject, asker.permissions, queue)
        self._hurdles += hurdles(self._route, self._peer)

    # ---- telling

    def _tell(self) -> None:
        question, run = self._question, self._question.run
        if run.json:
            run.fact(**self._document())
        else:
            run.result("\n".join(map(printable, self._lines())))
        for name, fault in question.neighbours.unreadable.items():
            run.warn(f'account "{name}" is left out, its token cannot be read: {fault}')

    def _lines(self) -> list[str]:
        question = self._question
        does = "publish on" if question.verb == "pub" else "subscribe to"
        who = question.who if question.asker.user else "the user"
        links = self._links()
        failed = not all(reason for reason, _ in links)
        lines = [f'May {who} {does} "{question.subject}"? {"No" if failed else "Yes"}.', ""]
        for number, (reason, stop) in enumerate(links):
            lines += self._link(reason, stop, first=all(each for each, _ in links[:number]))
        return [*lines, "", *self._end([reason for reason, _ in links if not reason])]

    def _links(self) -> list[tuple[Reason, Stop | None]]:
        """Every link with its place on the route, those of the login first."""
        links: list[tuple[Reason, Stop | None]] = [(check, None) for check in self._checks]
        links += [(self._permitted(rules), None)] if (rules := self._rules()) else []
        return links + [(each.reason, each.stop) for each in self._hurdles]

    def _rules(self) -> dict[str, None]:
        """The rules that let the user publish or subscribe, on all or a part of the subject."""
        stops = self._route.walk() if self._route is not None else ()
        return dict.fromkeys(stop.permission for stop in stops if stop.permission and stop.link is None)

    def _permitted(self, rules: Iterable[str]) -> Reason:
        verb = "publish on" if self._question.verb == "pub" else "subscribe to"
        text = f'it may {verb} "{self._question.subject}": {" and ".join(rules)}'
        return Reason(granted=True, rule=Rule.PERMISSION, text=text)

    def _link(self, reason: Reason, stop: Stop | None, *, first: bool) -> list[str]:
        mark = "[ ok ]" if reason else "[FAIL]"
        lines = [f"{mark} {reason.rule.value}: {self._question.named(reason.text)}"]
        if reason.differs:
            lines.append(f"       note: {reason.differs}")
        remedy = self._question.remedy(reason, stop, self._peer)
        if remedy.commands:
            lines.append("       to mend it:" if first else "       this too; to mend it:")
            lines += [f"         {each}" for each in remedy.commands]
        if remedy.caution:
            lines.append(f"       mind: {remedy.caution}")
        return lines

    def _end(self, failed: list[Reason]) -> list[str]:
        question = self._question
        if failed:
            after = "Servers learn of changed accounts by nsc push, users of their new tokens by creds files."
            return [f"The first link that fails: {failed[0].rule.value}.", after]
        return ["Nothing stands in the way.", f"Where it leads: {question.command('explain', question.verb)}"]

    def _document(self) -> dict[str, object]:
        from .document import document_of, reason_of

        question = self._question
        links = [reason_of(question, reason, stop, self._peer) for reason, stop in self._links()]
        failed = [link for link in links if not link["granted"]]
        document: dict[str, object] = {"question": question.facts, "allowed": not failed, "links": links}
        if failed:
            document["first"] = failed[0]
        if self._route is not None:
            document["route"] = document_of(question, self._route)
        return document
