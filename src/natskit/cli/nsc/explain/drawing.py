"""A route as a graph, for Mermaid and for Graphviz: accounts are boxes, what does not work is dashed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from natskit.cli.tables import printable

from .story import shown

if TYPE_CHECKING:
    from natskit.graph import Stop

    from .question import Question

__all__ = ["dot_of", "mermaid_of"]

Edge = tuple[int, int, "Stop"]


def mermaid_of(question: Question, route: Stop) -> str:
    """The route in Mermaid's language."""
    lines = ["flowchart LR", f'  n0(["{_mermaid(_start(question))}"])']
    for source, target, stop in _edges(question, route):
        number, arrow = max(source, target), "-->" if stop.because else "-.->"
        lines.append(f'  n{number}["{_mermaid(_box(question, stop))}"]')
        lines.append(f'  n{source} {arrow}|"{_mermaid(_label(question, stop))}"| n{target}')
        if not stop.because:
            lines.append(f"  style n{number} stroke-dasharray: 4 4")
    return "\n".join(map(printable, lines))


def dot_of(question: Question, route: Stop) -> str:
    """The route in the language of Graphviz."""
    lines = ["digraph explain {", "  rankdir=LR;", "  node [shape=box];"]
    lines.append(f"  n0 [shape=oval, label={_dot(_start(question))}];")
    for source, target, stop in _edges(question, route):
        style = "" if stop.because else ", style=dashed"
        lines.append(f"  n{max(source, target)} [label={_dot(_box(question, stop))}{style}];")
        lines.append(f"  n{source} -> n{target} [label={_dot(_label(question, stop))}{style}];")
    return "\n".join(map(printable, [*lines, "}"]))


def _edges(question: Question, route: Stop) -> Iterator[Edge]:
    """Every stop but the first, with the numbers of the two ends of the way to it, in the direction of the message.

    Where a route starts, the account itself is a box of its own if the message stays there.
    """
    forward = question.verb == "pub"
    count = 0
    waiting = [(0, route)]
    while waiting:
        before, stop = waiting.pop(0)
        if stop is not route or stop.ends or not stop.because:
            count += 1
            yield (before, count, stop) if forward else (count, before, stop)
        here = 0 if stop is route else count
        waiting = [(here, each) for each in stop.onward] + waiting


def _start(question: Question) -> str:
    verb = "publishes on" if question.verb == "pub" else "subscribes to"
    return f"{question.who}\n{verb} {question.subject}"


def _box(question: Question, stop: Stop) -> str:
    where = "servers" if stop.kind == "server" else question.name(stop.account)
    return f"{where}\n{shown(stop.flow)}"


def _label(question: Question, stop: Stop) -> str:
    share = f" ({stop.chance:.0%})" if stop.chance < 1 else ""
    if not stop.because:
        return f"{stop.because.rule.value}{share}"
    if stop.link is not None:
        return f"{stop.kind}: {stop.because.rule.value}"
    return f"{stop.permission or stop.kind}{share}" if stop.kind == "permission" else f"{stop.kind}{share}"


def _mermaid(text: str) -> str:
    """Text between double quotes; what means something there by its number."""
    special = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "&": "#amp;", "\n": "<br/>"}
    return "".join(special.get(letter, letter) for letter in text)


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
