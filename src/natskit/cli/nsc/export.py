"""``nsc add export``, ``nsc edit export`` and ``nsc delete export``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from natskit.cli.command import command, flag, integer, switch, text
from natskit.cli.flags import format_duration, parse_duration
from natskit.errors import UsageError

from .edit import editing_account

if TYPE_CHECKING:
    from natskit.jwt import Export, ServiceLatency

    from .run import Run

__all__ = ["add_export", "delete_export", "edit_export"]

RESPONSE_TYPES = ("Singleton", "Stream", "Chunked")


def parse_sampling(text: str) -> int | str:
    """A percentage, or ``header`` for requests that carry a tracing header."""
    if text == "header":
        return "headers"
    if not (text.isascii() and text.isdecimal()):
        raise UsageError('must be a percentage (1 to 100) or "header"')
    return int(text)


@command(
    text("name", "n", "what to call it, default the subject", metavar="NAME"),
    text("subject", "s", "what to share; may have wildcards", metavar="SUBJECT"),
    switch("service", "r", "a service (requests in, answers out) instead of a stream"),
    switch("private", "p", "importers need an activation token"),
    text("latency", "", "subject for reports on a service's latency", metavar="SUBJECT"),
    flag("sampling", "", "how many requests are measured: 1 to 100 percent, or header", parse_sampling),
    text(
        "response-type",
        "",
        "how a service answers: Singleton, Stream, Chunked",
        metavar="TYPE",
        default="Singleton",
        completes=RESPONSE_TYPES,
    ),
    flag("response-threshold", "", "longest time to the first answer", parse_duration, default=0, metavar="DURATION"),
    integer("account-token-position", "", "which wildcard is the importer's key (public exports)", default=0),
    switch("allow-trace", "", "let importers trace messages through a service"),
    switch("advertise", "", "advertise the export", hidden=True),
    examples=[
        ("nsc add export --name abc --subject 'a.b.c.>'", "share a stream with everybody"),
        ("nsc add export --name pabc --subject 'a.b.c.>' --private", "with those who have an activation token"),
        ("nsc add export --service --subject help", "offer a service"),
    ],
)
def add_export(
    run: Run,
    *,
    name: str,
    subject: str,
    service: bool,
    private: bool,
    latency: str,
    sampling: int | str | None,
    response_type: str,
    response_threshold: int,
    account_token_position: int,
    allow_trace: bool,
    advertise: bool,
) -> None:
    """Export a stream or a service of an account, for other accounts to import."""
    from natskit.jwt import Export
    from natskit.store.sharing import with_export

    if not subject:
        raise UsageError("a subject is required", hint="nsc add export --subject 'orders.>'")
    if account_token_position < 0:
        raise UsageError("account token position counts from 1")
    if account_token_position and private:
        raise UsageError("account token position is only valid for public exports")
    if not service and "response-type" in run.given:
        raise UsageError("response type can only be specified in conjunction with service", hint="add --service")
    export = Export(
        name=name or subject,
        subject=subject,
        type="service" if service else "stream",
        token_req=private,
        response_type=response_type if service else "",
        response_threshold=response_threshold if service else 0,
        service_latency=_latency(latency, sampling),
        account_token_position=account_token_position,
        allow_trace=allow_trace,
        advertise=advertise,
    )
    with editing_account(run) as edit:
        edit.save(with_export(edit.claims, export, edit.now))
    run.success(f'added {_words(export)} export "{export.name}"')
    _warn(run, export)
    run.fact(account=edit.name, export=export)


def _latency(results: str, sampling: int | str | None) -> ServiceLatency | None:
    if not results:
        if sampling is not None:
            raise UsageError("--sampling needs --latency: the subject that reports go to")
        return None
    from natskit.jwt import ServiceLatency

    return ServiceLatency(results=results, sampling="headers" if sampling in (None, 0) else sampling)


def _words(export: Export) -> str:
    return f"{_visibility(export)} {export.type}"


def _visibility(export: Export) -> str:
    return "private" if export.token_req else "public"


def _warn(run: Run, export: Export) -> None:
    from natskit.subjects import is_valid

    if not is_valid(export.subject):
        reason = "it has white space" if any(map(str.isspace, export.subject)) else '">" can stand at the end only'
        run.warn(f'"{export.subject}" is not a subject that a server accepts: {reason}')


@command(
    text("subject", "s", "its subject, default the only one", metavar="SUBJECT", completes="export"),
    arguments=("[subject]",),
    examples=[("nsc delete export --subject 'a.b.c.>'", "share it no longer")],
)
def delete_export(run: Run, *, subject: str) -> None:
    """Remove an export of an account. Whoever imports it gets nothing any more."""
    from natskit.store.sharing import without_export

    with editing_account(run) as edit:
        claims, export = without_export(edit.claims, subject)
        edit.save(claims)
    run.success(f'deleted {export.type} export "{export.subject}"')
    run.fact(account=edit.name, export=export)


@command(
    text("subject", "s", "the export to change, default the only one", metavar="SUBJECT", completes="export"),
    text("new-subject", "", "change its subject", metavar="SUBJECT"),
    text("name", "n", "change its name", metavar="NAME"),
    switch("service", "r", "make it a service (=false: a stream)"),
    switch("private", "p", "require an activation token (=false: do not)"),
    text("latency", "", "change the subject for reports on latency", metavar="SUBJECT"),
    flag("sampling", "", "change how many requests are measured: 1 to 100 percent, or header", parse_sampling),
    switch("rm-latency-sampling", "", "do not measure latency"),
    text(
        "response-type",
        "",
        "change how it answers: Singleton, Stream, Chunked",
        metavar="TYPE",
        default="Singleton",
        completes=RESPONSE_TYPES,
    ),
    flag("response-threshold", "", "change the longest time to the first answer", parse_duration, metavar="DURATION"),
    text("description", "", "describe it", metavar="TEXT"),
    text("info-url", "", "where to read more", metavar="URL"),
    switch("allow-trace", "", "let importers trace messages through a service (=false: do not)"),
    arguments=("[subject]",),
    examples=[
        ("nsc edit export -s 'orders.>' --description 'all orders'", "describe it to importers"),
        ("nsc edit export -s help --latency help.latency --sampling 10", "measure every tenth request"),
    ],
)
def edit_export(run: Run, *, subject: str, **values: Any) -> int | None:
    """Change an export. What is not named stays as it is."""
    from natskit.store.sharing import find_export, with_changed_export

    options = run.given.intersection(each.name for each in edit_export.flags)
    if not options:
        raise UsageError("please specify some options", hint="nsc edit export --help")
    with editing_account(run) as edit:
        before = find_export(edit.claims, subject)
        after = _changed(run.given, before, values)
        saved = edit.save(with_changed_export(edit.claims, before, after, edit.now))
    run.fact(account=edit.name, export=after)
    if values["rm_latency_sampling"] and before.service_latency is None:
        run.note("no need to remove latency tracking as it was not set")
    if not saved:
        return run.unchanged(f'{after.type} export "{after.name}"')
    for kind, line in _changes(before, after):
        (run.warn if kind == "warning" else run.note)(line)
    run.success(f'edited {after.type} export "{after.name}"')
    return None


def _changed(given: set[str], export: Export, values: dict[str, Any]) -> Export:
    service = values["service"] if "service" in given else export.is_service
    for name, what in (("response-threshold", "response threshold"), ("allow-trace", "allow trace")):
        if name in given and not service:
            raise UsageError(f"{what} is only applicable to services")
    if "response-type" in given and values["response_type"] not in RESPONSE_TYPES:
        raise UsageError(
            f'unknown response type "{values["response_type"]}"', hint=f"one of {', '.join(RESPONSE_TYPES)}"
        )
    taken = ("name", "response-type", "response-threshold", "description", "info-url", "allow-trace")
    changes = {name.replace("-", "_"): values[name.replace("-", "_")] for name in taken if name in given}
    if "new-subject" in given:
        changes["subject"] = values["new_subject"]
    if "private" in given:
        changes["token_req"] = values["private"]
    changes["service_latency"] = _changed_latency(given, export, values)
    if service != export.is_service:
        changes |= _as_service(changes) if service else _AS_STREAM
    return replace(export, **changes)


_AS_STREAM: dict[str, Any] = {
    "type": "stream",
    "response_type": "",
    "response_threshold": 0,
    "service_latency": None,
    "allow_trace": False,
}


def _as_service(changes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "service", "response_type": changes.get("response_type", "Singleton")}


def _changed_latency(given: set[str], export: Export, values: dict[str, Any]) -> ServiceLatency | None:
    latency = export.service_latency
    if values["rm_latency_sampling"]:
        return None
    if not given & {"latency", "sampling"}:
        return latency
    results = values["latency"] or (latency.results if latency else "")
    sampling = values["sampling"] if "sampling" in given else latency.sampling if latency else None
    return _latency(results, sampling)


def _changes(before: Export, after: Export) -> Iterator[tuple[str, str]]:
    """What was changed, in words; a warning where importers are affected."""
    if after.name != before.name:
        yield "note", f"changed export name to {after.name}"
    if after.token_req != before.token_req:
        effect = "this will break importers" if after.token_req else "importers need no activation any more"
        yield "warning" if after.token_req else "note", f"changed export to be {_visibility(after)} - {effect}"
    if after.subject != before.subject:
        yield "warning", f'changed subject to "{after.subject}" - this will break importers'
    if after.type != before.type:
        yield "warning", f'changed export type to "{after.type}" - this will break importers'
    yield from _latency_changes(before.service_latency, after.service_latency)
    if after.response_type != before.response_type:
        yield "note", f"changed response type to {after.response_type or 'none'}"
    if after.response_threshold != before.response_threshold:
        yield "note", f"changed response threshold to {format_duration(after.response_threshold)}"
    if after.description != before.description:
        yield "note", f'changed description to "{after.description}"'
    if after.info_url != before.info_url:
        yield "note", f'changed info url to "{after.info_url}"'
    if after.allow_trace != before.allow_trace:
        yield "note", f"changed allowed trace to {str(after.allow_trace).lower()}"


def _latency_changes(before: ServiceLatency | None, after: ServiceLatency | None) -> Iterator[tuple[str, str]]:
    if before == after:
        return
    if after is None:
        yield "note", "removed latency tracking"
        return
    if before is None or after.sampling != before.sampling:
        percent = f"{after.sampling}%" if isinstance(after.sampling, int) else "what the request's header says"
        yield "note", f"changed service latency to {percent}"
    if before is not None and after.results != before.results:
        yield "note", f"changed service latency subject to {after.results}"
        yield "warning", "changed latency subject will break consumers of the report"
