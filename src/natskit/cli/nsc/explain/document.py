"""A route and its reasons as JSON; the shape is described in docs/explain.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .people import people_of

if TYPE_CHECKING:
    from natskit.graph import Export, ImportAnswer, Mapping, Reason, Stop

    from .question import Question

__all__ = ["answer_of", "document_of", "reason_of"]


def answer_of(question: Question, route: Stop, *, users: bool = False) -> dict[str, Any]:
    """The answer to a question: what it was, whether it is permitted, where it leads, step by step."""
    ends: dict[str, list[str]] = {}
    for stop in route.walk():
        names = ends.setdefault(question.name(stop.account), []) if stop.ends else []
        if stop.ends and stop.flow.subject not in names:
            names.append(stop.flow.subject)
    return {
        "question": question.facts,
        "permitted": bool(route.because),
        **({"cut_off": True} if route.cut_off else {}),
        "accounts": [{"account": name, "subjects": subjects} for name, subjects in ends.items()],
        "route": document_of(question, route, users=users),
    }


def document_of(question: Question, stop: Stop, *, users: bool = False) -> dict[str, Any]:
    """One stop with all behind it."""
    document: dict[str, Any] = {
        "kind": stop.kind,
        "account": question.name(stop.account),
        "account_id": stop.account,
        "subject": stop.flow.subject,
        "without": list(stop.flow.without),
        "ends": stop.ends,
        "chance": stop.chance,
        "exact": stop.exact,
        **reason_of(question, stop.because, stop),
    }
    if stop.permission and question.asker.permissions is not None:
        document["permission"] = stop.permission
    if stop.link is not None:
        document["import"] = _import(question, stop.link)
    if stop.export is not None:
        document["export"] = _export(stop.export)
    if stop.mapping is not None:
        document["mapping"] = _mapping(stop.mapping)
    if users and stop.ends:
        may, others = people_of(question, stop)
        document["users"] = {"may": may, "may_not": others}
    document["onward"] = [document_of(question, each, users=users) for each in stop.onward]
    return document


def reason_of(question: Question, reason: Reason, stop: Stop | None = None, peer: str = "") -> dict[str, Any]:
    """A reason, with the commands that mend it if it speaks against the message."""
    document: dict[str, Any] = {
        "granted": reason.granted,
        "rule": reason.rule.value,
        "text": question.named(reason.text),
    }
    remedy = question.remedy(reason, stop, peer)
    optional = {
        "permission": reason.permission,
        "activation": reason.activation,
        "until": reason.until,
        "differs": question.differs(stop) if stop is not None else reason.differs,
        "fix": remedy.commands,
        "caution": remedy.caution,
    }
    return document | {name: value for name, value in optional.items() if value}


def _import(question: Question, link: ImportAnswer) -> dict[str, Any]:
    return {
        "type": link.kind,
        "importer": question.name(link.importer),
        "exporter": question.name(link.exporter),
        "remote": link.remote,
        "local": link.local,
        "number": link.number,
    }


def _export(export: Export) -> dict[str, Any]:
    document: dict[str, Any] = {"subject": export.subject, "private": export.token_required}
    if export.kind == "service":
        document["response_type"] = export.response_type
    return document


def _mapping(mapping: Mapping) -> dict[str, Any]:
    to = [{"subject": each.subject, "weight": each.weight} for each in mapping.destinations]
    return {"from": mapping.source, "to": to}
