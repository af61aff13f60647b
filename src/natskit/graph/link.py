"""One import: whether the exporter grants it, and the link that it makes."""

from __future__ import annotations

from msgspec.structs import replace

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.graph.account import SERVICE, Account, Export, Import, Kind
from natskit.graph.activation import judge_activation
from natskit.graph.flow import Flow
from natskit.graph.reason import Reason, Rule, refuse
from natskit.graph.served import EXPORTED
from natskit.subjects import Transform

__all__ = ["ImportAnswer", "Link", "RefusedImport", "governing_export", "link_of"]


class ImportAnswer:
    """What became of an import: its place, the names of what it carries, and why.

    ``number`` is the position of the import among those of the importer. ``remote`` is the exporter's pattern,
    ``local`` the importer's. A stream flows from the exporter to the importer, requests of a service from the importer
    to the exporter: published in account ``source`` under ``pattern``, delivered in account ``target``.
    """

    __slots__ = ("because", "exporter", "importer", "kind", "local", "number", "remote", "share")

    def __init__(self, wanted: Import, importer: str, number: int, local: str, because: Reason) -> None:
        self.kind: Kind = wanted.kind
        self.exporter = wanted.account
        self.importer = importer
        self.number = number
        self.remote = wanted.subject
        self.local = local
        self.share = wanted.share
        self.because = because

    @property
    def source(self) -> str:
        return self.importer if self.kind == SERVICE else self.exporter

    @property
    def target(self) -> str:
        return self.exporter if self.kind == SERVICE else self.importer

    @property
    def pattern(self) -> str:
        return self.local if self.kind == SERVICE else self.remote

    @property
    def until(self) -> int | None:
        """The Unix second at which time alone changes this; None if it does not."""
        return self.because.until


class Link(ImportAnswer):
    """A live import: a message in ``source`` that matches ``pattern`` reaches ``target`` as ``rename(subject)``."""

    __slots__ = ("transform",)

    def __init__(self, wanted: Import, importer: str, number: int, renaming: Transform | None, because: Reason) -> None:
        back = renaming.inverse() if renaming else None
        super().__init__(wanted, importer, number, back.source if back else wanted.subject, because)
        self.transform = back if wanted.kind == SERVICE else renaming

    def __repr__(self) -> str:
        renamed = f" as {self.transform.destination!r}" if self.transform else ""
        return f"<{self.kind} link {self.pattern!r} of {self.source}{renamed} to {self.target}>"

    @property
    def route(self) -> tuple[object, ...]:
        """What is delivered, whatever the reason: links with equal routes are interchangeable."""
        renamed = self.transform.destination if self.transform else None
        return self.kind, self.source, self.target, self.pattern, renamed, self.share

    def rename(self, subject: str) -> str | None:
        """What ``subject`` is called in the target account; None if the link does not carry it."""
        if self.transform is not None:
            return self.transform.apply(subject)
        return subject if subjects.matches(self.pattern, subject) else None

    def carried(self, flow: Flow) -> Flow:
        """What ``flow``, within ``pattern``, is called in the target account."""
        return flow.through(self.transform) if self.transform is not None else flow

    def before(self, flow: Flow) -> Flow:
        """What was called ``flow``, within what the link delivers, in the source account."""
        return flow.through(self.transform.inverse()) if self.transform is not None else flow


class RefusedImport(ImportAnswer):
    """An import that delivers nothing, and why."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<refused {self.kind} import {self.number} of {self.importer}: {self.because}>"


# ---- the name in the importing account -----------------------------------------------------------


def renaming_of(wanted: Import) -> Transform | None:
    """The transform from the exporter's subjects to the importer's; None if they are the same.

    Raises InvalidSubject if it cannot work.
    """
    subjects.validate(wanted.subject)
    if wanted.prefix:
        subjects.validate(wanted.destination)
        if subjects.has_wildcard(wanted.prefix):
            raise InvalidSubject("stream import prefix can not contain wildcard tokens", subject=wanted.prefix)
    local = wanted.destination
    if local == wanted.subject:
        return None
    return Transform.compile(wanted.subject, local, strict=True)


# ---- judging -------------------------------------------------------------------------------------


def link_of(
    wanted: Import, number: int, importer: Account, exporter: Account | None, now: float
) -> Link | RefusedImport:
    """The link that an import makes at ``now``, or why it makes none.

    The caller still owes: duplicates and cycles, which other imports decide about.
    """
    try:
        renaming = renaming_of(wanted)
    except InvalidSubject as error:
        local = wanted.destination
        because = refuse(Rule.LOCAL_SUBJECT, wanted, f'cannot be called "{local}": {error}')
        return RefusedImport(wanted, importer.id, number, local, because)
    because = _judge_import(wanted, importer, exporter, now)
    link = Link(wanted, importer.id, number, renaming, because)
    return link if because else RefusedImport(wanted, importer.id, number, link.local, because)


def _judge_import(wanted: Import, importer: Account, exporter: Account | None, now: float) -> Reason:
    """Whether ``importer`` gets what it wants from ``exporter`` (None: nobody knows it) at ``now``, and why.

    Source: spec/server-accounts.md sections 4.1 and 5.
    """
    # (1) both accounts are there and in force
    if exporter is None:
        return refuse(Rule.UNKNOWN_ACCOUNT, wanted, f"account {wanted.account} is not known here")
    for account in (importer, exporter):
        if lapse := account.lapse(now):
            until = account.not_before if now < account.not_before else None
            return refuse(Rule.ACCOUNT_NOT_IN_FORCE, wanted, lapse, until=until)
    # (2) the exporter exports it
    export = governing_export(exporter, wanted.kind, wanted.subject)
    if export is None:
        by_itself = exporter.is_system and wanted.kind == SERVICE and _is_exported_by_itself(wanted.subject)
        differs = _EXPORTED_BY_ITSELF if by_itself else ""
        return refuse(Rule.NO_EXPORT, wanted, _nothing_covers(exporter, wanted), differs=differs)
    # (3) to this importer
    because = _judge_grant(wanted, importer, exporter, export, now)
    if export.subject != wanted.subject and _covers_too(exporter, export, wanted.subject):
        because = replace(because, differs=_ANY_EXPORT)
    return _bounded(because, importer.expires, exporter.expires) if because else because


_ANY_EXPORT = "several exports cover it: nats-server lets one of them decide by chance, the narrowest decides here"


_EXPORTED_BY_ITSELF = "nats-server's system account exports it whatever its token says"


def _is_exported_by_itself(subject: str) -> bool:
    return any(subjects.covers(pattern, subject) for pattern in EXPORTED)


def _covers_too(exporter: Account, export: Export, subject: str) -> bool:
    return any(
        other is not export and other.kind == export.kind and subjects.covers(other.subject, subject)
        for other in exporter.exports
    )


def governing_export(exporter: Account, kind: Kind, subject: str) -> Export | None:
    """The export that decides: the narrowest that covers the subject.

    nats-server's choice among several covering ones is by chance; the narrowest says most about the subject.
    """
    covering = [
        export for export in exporter.exports if export.kind == kind and subjects.covers(export.subject, subject)
    ]
    for export in covering:
        if all(subjects.covers(other.subject, export.subject) for other in covering):
            return export
    return covering[0] if covering else None


def _judge_grant(wanted: Import, importer: Account, exporter: Account, export: Export, now: float) -> Reason:
    position = export.account_token_position
    if position:
        parts = subjects.tokens(wanted.subject)
        if position <= len(parts) and parts[position - 1] == importer.id:
            text = f"token {position} of the subject is the importing account"
            return _grant(Rule.ACCOUNT_TOKEN, wanted, export, text)
        fault = f'token {position} must be the importing account ("{export.subject}" says so)'
        return refuse(Rule.OTHER_ACCOUNT_TOKEN, wanted, fault, export)
    if export.token_required:
        return judge_activation(wanted, importer, exporter, export, now)
    if export.accounts is None:
        return _grant(Rule.PUBLIC_EXPORT, wanted, export, f'public export "{export.subject}"')
    if importer.id in export.accounts:
        return _grant(Rule.LISTED_ACCOUNT, wanted, export, f'export "{export.subject}" names the account')
    return refuse(Rule.NOT_LISTED, wanted, f'export "{export.subject}" is for other accounts', export)


def _bounded(because: Reason, *ends: int) -> Reason:
    """The reason, ending with the accounts."""
    times = [end for end in ends if end]
    if because.until is not None:
        times.append(because.until)
    return replace(because, until=min(times)) if times else because


def _nothing_covers(exporter: Account, wanted: Import) -> str:
    offered = [export.subject for export in exporter.exports if export.kind == wanted.kind]
    shown = ", ".join(f'"{subject}"' for subject in offered[:8]) + (" ..." if len(offered) > 8 else "")
    return f"no {wanted.kind} export covers it ({f'there are {shown}' if offered else 'there is none'})"


def _grant(rule: Rule, wanted: Import, export: Export, text: str) -> Reason:
    return Reason(
        granted=True,
        rule=rule,
        text=f'{wanted.kind} import "{wanted.subject}" from {wanted.account}: {text}',
        export=export.subject,
        wanted=wanted.subject,
    )
