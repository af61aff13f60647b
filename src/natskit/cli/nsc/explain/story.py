"""A route in words: a line for each stop, below it how the message gets there, or why it does not and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from natskit.cli.flags import format_date
from natskit.cli.tables import printable
from natskit.graph import Link

from .people import people_of

if TYPE_CHECKING:
    from natskit.graph import Flow, Stop

    from .question import Question

__all__ = ["shown", "story_of"]

Lines = Iterator[str]

_INDENT = "  "
_BELOW = "       "


def story_of(question: Question, route: Stop, *, users: bool) -> str:
    """The whole route, for people."""
    return "\n".join(map(printable, _Story(question, users=users).tell(route)))


def shown(flow: Flow) -> str:
    """Subjects in words."""
    but = ", ".join(f'"{pattern}"' for pattern in flow.without)
    return f'"{flow.subject}" but not {but}' if but else f'"{flow.subject}"'


class _Story:
    def __init__(self, question: Question, *, users: bool) -> None:
        self._question = question
        self._users = users
        self._forward = question.verb == "pub"
        self._told: set[str] = set()

    def tell(self, route: Stop) -> Lines:
        question = self._question
        does = "publishes on" if self._forward else "subscribes to"
        yield f'{question.who[0].upper()}{question.who[1:]} {does} "{question.subject}"'
        if "at" in question.run.given:
            yield f"as of {format_date(question.at)}"
        yield ""
        if not route.because:
            yield from self._refused(route, _INDENT)
            return
        yield "It is received" if self._forward else "It receives what is published"
        yield from self._stop(route, _INDENT)
        yield ""
        if route.cut_off:
            yield "There are too many ways to tell them all: what is shown is a part."
        yield self._summary(route)

    def _stop(self, stop: Stop, indent: str) -> Lines:
        """A stop with everything behind it. One that is only passed has a line if it renames or singles out."""
        if not stop.because:
            yield from self._refused(stop, indent)
            return
        if stop.ends or stop.kind == "server":
            yield f"{indent}-> {self._place(stop)}"
        elif stop.link is not None:
            yield f"{indent}.. {self._place(stop)}"
        if stop.ends or stop.link is not None or stop.kind == "server":
            yield from (f"{indent}{_BELOW}{text}" for text in self._how(stop))
        deeper = indent if stop.kind in ("publish", "subscribe") else indent + "   "
        for onward in stop.onward:
            yield from self._stop(onward, deeper)

    def _place(self, stop: Stop) -> str:
        if stop.kind == "server":
            return f"by servers as {shown(stop.flow)}"
        share = f", {stop.chance:.0%} of the messages" if stop.chance < 1 else ""
        some = "" if stop.exact else ", some of them"
        on = "as" if self._forward else "on"
        return f"in {self._question.name(stop.account)} {on} {shown(stop.flow)}{share}{some}"

    def _how(self, stop: Stop) -> Lines:
        if stop.kind in ("publish", "subscribe"):
            yield "in the account itself"
        elif stop.kind != "permission":
            yield self._question.named(stop.because.text)
        if isinstance(stop.link, Link):
            yield from self._import(stop, stop.link)
        if stop.permission and self._question.asker.permissions is not None:
            yield f"permitted: {stop.permission}"
        if stop.because.until is not None:
            yield f"until {format_date(stop.because.until)}"
        differs = self._question.differs(stop)
        if differs:
            yield f"note: {differs}"
        if self._users and stop.ends:
            yield from self._people(stop)

    def _import(self, stop: Stop, link: Link) -> Lines:
        if link.local != link.remote:
            yield f'"{link.remote}" is called "{link.local}" in {self._question.name(link.importer)}'
        if link.kind == "service":
            yield self._answers(stop, link)

    def _answers(self, stop: Stop, link: Link) -> str:
        single = stop.export is None or stop.export.response_type == "singleton"
        answers = "one answer to each request goes" if single else "any number of answers, the last one empty, go"
        return f"{answers} back to {self._question.name(link.importer)}, to the reply subject of the request"

    def _people(self, stop: Stop) -> Lines:
        may, others = people_of(self._question, stop)
        verb = "receive" if self._forward else "publish"
        if may:
            yield f"users who may {verb} it: {', '.join(may)}"
        if others:
            yield f"users who may not: {', '.join(others)}"

    def _refused(self, stop: Stop, indent: str) -> Lines:
        yield f"{indent}x  {self._refused_place(stop)}"
        if stop.because.text in self._told:
            yield f"{indent}{_BELOW}for the same reason as above"
            return
        self._told.add(stop.because.text)
        yield f"{indent}{_BELOW}{self._question.named(stop.because.text)}"
        if stop.because.differs:
            yield f"{indent}{_BELOW}note: {stop.because.differs}"
        if stop.because.until is not None:
            yield f"{indent}{_BELOW}this changes at {format_date(stop.because.until)}"
        remedy = self._question.remedy(stop.because, stop)
        if remedy.commands:
            yield f"{indent}{_BELOW}to mend it:"
            yield from (f"{indent}{_BELOW}  {command}" for command in remedy.commands)
        if remedy.caution:
            yield f"{indent}{_BELOW}mind: {remedy.caution}"

    def _refused_place(self, stop: Stop) -> str:
        name = self._question.name(stop.account)
        if stop.link is None:
            return f"not in {name}" if stop.chance == 1 else f"not in {name}, {stop.chance:.0%} of the messages"
        return f"not in {name}" if self._forward else f"not from {name}"

    def _summary(self, route: Stop) -> str:
        ends = {stop.account for stop in route.walk() if stop.ends}
        refused = sum(1 for stop in route.walk() if not stop.because)
        accounts = "1 account" if len(ends) == 1 else f"{len(ends)} accounts"
        what = f"Subscribers in {accounts} receive it" if self._forward else f"It comes from {accounts}"
        not_there = f"; {refused} way{'s do' if refused > 1 else ' does'} not work, marked with x" if refused else ""
        served = ", and servers answer" if any(stop.kind == "server" for stop in route.walk()) else ""
        return f"{what}{served}{not_there}. {self._hint()}"

    def _hint(self) -> str:
        if not self._users:
            return "Who may there: --users. As a picture: --mermaid, --dot."
        return "As a picture: --mermaid, --dot."
