"""Imports that servers drop, or soon will, and activations that no longer fit.

What is delivered is decided by `natskit.graph`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from natskit import subjects
from natskit.graph import Account, Graph, RefusedImport, Rule

from ..commands import Command, delete_import, left_of, overlapping_exports, remade_import
from .finding import MAX_PAIRS, Finding, when

if TYPE_CHECKING:
    from natskit.graph.link import ImportAnswer
    from natskit.jwt import AccountClaims, Import

    from .survey import AccountState, Survey

__all__ = ["graph_of", "import_complaints"]

_CODES = {
    Rule.UNKNOWN_ACCOUNT: "import-exporter-unknown",
    Rule.ACCOUNT_NOT_IN_FORCE: "import-exporter-refused",
    Rule.NO_EXPORT: "import-no-export",
    Rule.OTHER_ACCOUNT_TOKEN: "import-token-position",
    Rule.LOCAL_SUBJECT: "import-local-subject",
    Rule.DUPLICATE: "import-duplicate",
    Rule.CYCLE: "import-cycle",
    Rule.NO_ACTIVATION: "activation-missing",
    Rule.ACTIVATION_INVALID: "activation-invalid",
    Rule.ACTIVATION_FOREIGN: "activation-foreign",
    Rule.ACTIVATION_OTHER_ACCOUNT: "activation-misfit",
    Rule.ACTIVATION_OTHER_KIND: "activation-misfit",
    Rule.ACTIVATION_OTHER_SUBJECT: "activation-misfit",
    Rule.ACTIVATION_NOT_YET_VALID: "activation-early",
    Rule.ACTIVATION_EXPIRED: "activation-expired",
    Rule.ACTIVATION_REVOKED: "activation-revoked",
}


_TOKEN_CODES = {code for code in _CODES.values() if code.startswith("activation-")}


def graph_of(survey: Survey) -> Graph:
    """The accounts as servers see them: those that they refuse are not there."""
    found: dict[str, AccountClaims] = {}
    for state in survey.accounts.values():
        claims = state.claims
        if claims is None or state.refused:
            continue
        other = found.get(claims.subject)
        if other is None or other.issued_at < claims.issued_at:
            found[claims.subject] = claims
    return Graph(map(Account.from_claims, found.values()), survey.now)


def import_complaints(survey: Survey, graph: Graph, state: AccountState) -> Iterator[Finding]:
    """What is wrong with the imports of one account."""
    claims = state.claims
    if claims is None or _is_over(claims, survey.now):
        return
    answers = _answers(survey, graph, claims)
    for each, answer in zip(claims.nats.imports, answers, strict=True):
        if isinstance(answer, RefusedImport):
            found = list(_refused(survey, state.name, each, answer))
        else:
            found = list(_delivering(survey, state.name, each, answer))
        if not any(one.code in _TOKEN_CODES for one in found):
            found += _unread(survey, state, each, answer)
        yield from found
        yield from _old_form(survey, state.name, each)
    yield from itertools.islice(_clashes(survey, state.name, claims, answers), MAX_PAIRS)


def _is_over(claims: AccountClaims, now: int) -> bool:
    """Whether the account is not in force, which is told of once, not for each import."""
    return 0 < claims.expires <= now or claims.not_before > now


def _answers(survey: Survey, graph: Graph, claims: AccountClaims) -> tuple[ImportAnswer, ...]:
    """What became of each import. Those of an account that is refused are judged as if it were not."""
    if claims.subject in graph.accounts and len(graph.imports_of(claims.subject)) == len(claims.nats.imports):
        return graph.imports_of(claims.subject)
    exporters = {each.account for each in claims.nats.imports} - {claims.subject}
    others = [graph.accounts[key] for key in exporters if key in graph.accounts]
    return Graph([Account.from_claims(claims), *others], survey.now).imports_of(claims.subject)


def _refused(survey: Survey, name: str, each: Import, answer: RefusedImport) -> Iterator[Finding]:
    rule = answer.because.rule
    code, text = _CODES[rule], _told(survey, answer.because.text)
    exporter = survey.accounts.get(survey.names.get(each.account, ""))
    if rule is Rule.UNKNOWN_ACCOUNT and exporter is not None:
        code = "import-exporter-refused"
        text = f'{each.type} import "{each.subject}": servers refuse its exporter: {exporter.refused}'
    fix = _repair(survey, name, each, rule)
    instead: tuple[Command, ...] = ()
    if code not in ("import-exporter-unknown", "import-exporter-refused"):
        instead = _given_up(survey, name, each)
    if rule in (Rule.ACTIVATION_REVOKED, Rule.DUPLICATE, Rule.CYCLE):  # taken back, or one too many
        fix, instead = instead, fix
    yield Finding(code=code, text=text, account=name, about=each.subject, fix=fix, instead=instead)


def _told(survey: Survey, text: str) -> str:
    """A reason of the graph with names in place of the keys of accounts, and dates in place of Unix seconds."""
    return " ".join(_readable(survey, word) for word in text.split(" "))


def _readable(survey: Survey, word: str) -> str:
    """``KEY``, ``KEY:`` and ``KEY/name`` are accounts; nothing else in a reason is a number of so many digits."""
    bare = word.rstrip(":,;")
    name = survey.names.get(bare.partition("/")[0])
    if name is None and bare.isdigit() and len(bare) > 8:
        name = when(int(bare))
    return f"{name}{word[len(bare) :]}" if name else word


def _repair(survey: Survey, name: str, each: Import, rule: Rule) -> tuple[Command, ...]:
    """How to make an import deliver, with the exporter's consent where that is needed."""
    exporter = survey.names.get(each.account, "")
    if rule is Rule.NO_EXPORT and exporter:
        return _exported(survey, name, exporter, each)
    if rule is Rule.OTHER_ACCOUNT_TOKEN and exporter:
        remote = _with_own_key(survey, name, exporter, each)
        return remade_import(survey, name, each, remote) if remote else ()
    if rule.name.startswith("ACTIVATION_") or rule is Rule.NO_ACTIVATION:
        return remade_import(survey, name, each, private=True)
    return ()


def _given_up(survey: Survey, name: str, each: Import) -> tuple[Command, ...]:
    claims = survey.accounts[name].claims
    return (delete_import(survey, name, claims, each),) if claims and survey.can_edit(name) else ()


def _exported(survey: Survey, name: str, exporter: str, each: Import) -> tuple[Command, ...]:
    """Import what is left of the export; if it has nothing to do with the subject, export that.

    Exports of a kind may not overlap.
    """
    claims = survey.accounts[exporter].claims
    others = overlapping_exports(claims, each.type, each.remote_subject) if claims else []
    if not others and survey.can_edit(exporter):
        service = ("--service",) if each.is_service else ()
        return (("nsc", "add", "export", "-a", exporter, "--subject", each.remote_subject, *service),)
    left = left_of(others, each)
    return remade_import(survey, name, each, left.subject, private=left.token_req) if left else ()


def _with_own_key(survey: Survey, name: str, exporter: str, each: Import) -> str:
    """The subject with the importer's key where the export wants it."""
    claims, own = survey.accounts[exporter].claims, survey.accounts[name].claims
    for export in claims.nats.exports if claims else ():
        position = export.account_token_position
        tokens = subjects.tokens(each.remote_subject)
        if own and export.type == each.type and 0 < position <= len(tokens):
            tokens[position - 1] = own.subject
            if subjects.covers(export.subject, ".".join(tokens)):
                return ".".join(tokens)
    return ""


def _unread(survey: Survey, state: AccountState, each: Import, answer: ImportAnswer) -> Iterator[Finding]:
    """A token that nobody asks for, since the export needs none, or is not there. Servers validate it all the same."""
    place = f"imports[{answer.number}].token"
    fault = next((found.text for found in state.findings if found.serious and found.about.startswith(place)), "")
    if fault:
        fix = remade_import(survey, state.name, each) if answer.because else ()
        instead = _given_up(survey, state.name, each)
        fix, instead = (fix, instead) if fix else (instead, ())
        about = each.subject
        yield Finding(code="activation-misfit", text=fault, account=state.name, about=about, fix=fix, instead=instead)


def _delivering(survey: Survey, name: str, each: Import, answer: ImportAnswer) -> Iterator[Finding]:
    """An import that works: for how long, and whether its token is needed."""
    reason = answer.because
    if reason.rule is Rule.ACTIVATION:
        ends = _end(each) if reason.until is not None and reason.until <= survey.soon else 0
        if 0 < ends <= survey.soon:
            text = f'{each.type} import "{each.subject}" from {survey.display(each.account)} rests on an activation'
            fix = remade_import(survey, name, each, private=True)
            text = f"{text} that expires at {when(ends)}"
            yield Finding(code="activation-expiring", text=text, account=name, about=each.subject, fix=fix)
    elif each.token and reason.rule is Rule.PUBLIC_EXPORT:
        text = f'{each.type} import "{each.subject}" has an activation, but the export "{reason.export}" is public'
        fix = remade_import(survey, name, each)
        yield Finding(code="activation-unneeded", text=text, account=name, about=each.subject, fix=fix)


def _end(each: Import) -> int:
    from natskit.errors import Error
    from natskit.jwt import ActivationClaims, decode

    try:
        return decode(each.token, ActivationClaims).expires
    except Error:  # the graph tells of it
        return 0


def _old_form(survey: Survey, name: str, each: Import) -> Iterator[Finding]:
    if not each.to or each.local_subject or survey.workspace.profile.token_version == 1:
        return
    private = bool(each.token)
    fix = remade_import(survey, name, each, private=private)
    where = f'{each.type} import "{each.subject}" from {survey.display(each.account)}'
    if each.is_stream and subjects.has_wildcard(each.to):
        text = f'{where} has the prefix "{each.to}"'
        yield Finding(code="import-old-prefix", text=text, account=name, about=each.subject, fix=fix)
    else:
        text = f'{where} is in the form of 2019: "to" is "{each.to}"'
        yield Finding(code="import-old-form", text=text, account=name, about=each.subject, fix=fix)


def _clashes(survey: Survey, name: str, claims: AccountClaims, answers: tuple[ImportAnswer, ...]) -> Iterator[Finding]:
    """Live imports of different exporters that come under overlapping names."""
    live = [(each, answer) for each, answer in zip(claims.nats.imports, answers, strict=True) if answer.because]
    for number, (each, answer) in enumerate(live):
        for other, against in live[number + 1 :]:
            same = answer.kind == against.kind and each.account != other.account
            if same and subjects.overlaps(answer.local, against.local):
                text = (
                    f"{each.type} imports from {survey.display(each.account)} and {survey.display(other.account)}"
                    f' are both called "{answer.local}"'
                )
                if answer.local != against.local:
                    text = f'{text} and "{against.local}", which overlap'.replace("both called", "called")
                code = "import-clash" if each.is_service else "import-mixed"
                yield Finding(code=code, text=text, account=name, about=each.subject)
