"""``nsc add export`` and ``nsc delete export``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, flag, integer, switch, text
from natskit.cli.flags import parse_duration
from natskit.errors import UsageError

from .edit import editing_account

if TYPE_CHECKING:
    from natskit.jwt import Export, ServiceLatency

    from .run import Run

__all__ = ["add_export", "delete_export"]

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
    text("response-type", "", "how a service answers: Singleton, Stream, Chunked", metavar="TYPE", default="Singleton"),
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
    return f"{'private' if export.token_req else 'public'} {export.type}"


def _warn(run: Run, export: Export) -> None:
    from natskit.subjects import is_valid

    if not is_valid(export.subject):
        run.warn(f'"{export.subject}" is not a subject that a server accepts: ">" can stand at the end only')


@command(
    text("subject", "s", "its subject, default the only one", metavar="SUBJECT"),
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
