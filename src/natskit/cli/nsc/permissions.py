"""Flags of publish and subscribe permissions, and what they do to claims (spec/nsc-commands.md 3.0, PERM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import Flag, flag, integer, size, strings, switch, text
from natskit.cli.flags import format_duration, parse_duration
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.jwt import Permission, Permissions

    from .run import Run

__all__ = [
    "LIMIT_FLAGS",
    "PERMISSION_FLAGS",
    "REMOVAL_FLAGS",
    "TIME_FLAGS",
    "allowed",
    "dated",
    "dates",
    "limited",
    "take",
    "take_limits",
]

TIME_FLAGS: tuple[Flag, ...] = (
    Flag("start", "", "valid from: 2026-12-31, or 30d from now", metavar="WHEN"),
    Flag("expiry", "", "valid until: 2026-12-31, or 30d from now; 0 for ever", metavar="WHEN"),
)

PERMISSION_FLAGS: tuple[Flag, ...] = (
    strings("allow-pub", "", "subjects to publish on", metavar="SUBJECTS"),
    strings("allow-sub", "", 'subjects to subscribe to, also "subject queue"', metavar="SUBJECTS"),
    strings("allow-pubsub", "", "both", metavar="SUBJECTS"),
    strings("deny-pub", "", "subjects not to publish on", metavar="SUBJECTS"),
    strings("deny-sub", "", "subjects not to subscribe to", metavar="SUBJECTS"),
    strings("deny-pubsub", "", "both", metavar="SUBJECTS"),
    integer("allow-pub-response", "", "may answer requests, with so many messages each", bare="1"),
    integer("max-responses", "", "the same", hidden=True, deprecated="use --allow-pub-response"),
    flag("response-ttl", "", "may answer for so long, such as 5s", parse_duration, metavar="DURATION"),
)

REMOVAL_FLAGS: tuple[Flag, ...] = (
    strings("rm", "", "subjects to take out of all four lists", metavar="SUBJECTS"),
    switch("rm-response-perms", "", "take the permission to answer away"),
)

LIMIT_FLAGS: tuple[Flag, ...] = (
    switch("bearer", "", "the token alone logs in, without its seed", default=None),
    size("payload", "", "largest message, in bytes; -1 for no limit"),
    size("data", "", "most data, in bytes; -1 for no limit"),
    integer("subs", "", "most subscriptions; -1 for no limit"),
    strings("conn-type", "", "connection types to allow, such as STANDARD,WEBSOCKET", metavar="TYPES"),
    strings("rm-conn-type", "", "connection types to take away", metavar="TYPES"),
    strings("source-network", "", "networks to allow, such as 10.0.0.0/8", metavar="CIDRS"),
    strings("rm-source-network", "", "networks to take away", metavar="CIDRS"),
    strings("time", "", "times of day to allow, such as 08:00:00-17:30:00", metavar="RANGES"),
    strings("rm-time", "", "times of day to take away, by their start", metavar="STARTS"),
    text("locale", "", "time zone of these times, such as Europe/Berlin", metavar="ZONE"),
)

_KEYS = tuple(each.key for each in PERMISSION_FLAGS)
_REMOVALS = tuple(each.key for each in REMOVAL_FLAGS)
_LIMITS = tuple(each.key for each in LIMIT_FLAGS)


def take(flags: dict[str, Any]) -> dict[str, Any]:
    """Take the permission flags out of a command's keywords."""
    return {key: flags.pop(key) for key in (*_KEYS, *_REMOVALS) if key in flags}


def take_limits(flags: dict[str, Any]) -> dict[str, Any]:
    """Take the limit flags out of a command's keywords."""
    return {key: flags.pop(key) for key in _LIMITS}


def allowed(run: Run, before: Permissions, given: dict[str, Any]) -> Permissions:
    """The permissions with what the flags add; each addition is reported. Raises UsageError."""
    from msgspec.structs import replace

    from natskit.jwt import ResponsePermission

    if given.get("rm_response_perms"):
        run.note("removed response permissions")
        before = replace(before, resp=None)
    gone = given.get("rm", ())
    resp = before.resp
    count = given["allow_pub_response"] if given["allow_pub_response"] is not None else given["max_responses"]
    ttl = given["response_ttl"]
    if count:
        resp = ResponsePermission(max=count, ttl=resp.ttl if resp else 0)
        run.note(f"set max responses to {count}")
    if ttl is not None:
        resp = ResponsePermission(max=resp.max if resp else 0, ttl=ttl)
        run.note(f"set response ttl to {format_duration(ttl)}")
    both, neither = given["allow_pubsub"], given["deny_pubsub"]
    pub = _added(run, "pub", before.pub, (*given["allow_pub"], *both), (*given["deny_pub"], *neither), gone)
    sub = _added(run, "sub", before.sub, (*given["allow_sub"], *both), (*given["deny_sub"], *neither), gone)
    return replace(before, pub=pub, sub=sub, resp=resp)


def _added(
    run: Run, kind: str, before: Permission, allow: Sequence[str], deny: Sequence[str], gone: Sequence[str]
) -> Permission:
    from natskit.jwt import Permission

    for subject in (*allow, *deny):
        _check(kind, subject)
    for subject in allow:
        run.note(f'added {kind} "{subject}"')
    for subject in deny:
        run.note(f'added deny {kind} "{subject}"')
    for subject in gone:
        for rule, entries in (("", before.allow), ("deny ", before.deny)):
            if subject in entries:
                run.note(f'removed {rule}{kind} "{subject}"')
    return Permission(allow=_merged(before.allow, allow, gone), deny=_merged(before.deny, deny, gone))


def _merged(before: tuple[str, ...], more: Sequence[str], gone: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*before, *more} - set(gone))) if more or gone else before


def limited(run: Run, before: Any, given: dict[str, Any]) -> Any:
    """User rights (of a user or a scope's template) with the limits that the flags set. Raises UsageError."""
    from msgspec.structs import replace

    changes: dict[str, Any] = {}
    for name, words in (("payload", "max payload"), ("data", "max data"), ("subs", "max number of subs")):
        if given[name] is not None:
            changes[name] = given[name]
            run.note(f"changed {words} to {given[name]}")
    if given["bearer"] is not None:
        changes["bearer_token"] = given["bearer"]
        run.note(f"changed bearer to {str(given['bearer']).lower()}")
    kinds = [_connection_type(each) for each in given["conn_type"]]
    dropped = [_connection_type(each) for each in given["rm_conn_type"]]
    networks = [each.strip().lower() for each in given["source_network"]]
    left = [each.strip().lower() for each in given["rm_source_network"]]
    changes |= _lists(run, "connection type", "allowed_connection_types", before, kinds, dropped)
    changes |= _lists(run, "src network", "src", before, networks, left)
    changes |= _times(run, before, given["time"], given["rm_time"])
    if given["locale"]:
        changes["times_location"] = given["locale"]
    return replace(before, **changes)


def _connection_type(text: str) -> str:
    from natskit.jwt import CONNECTION_TYPES

    kind = text.strip().upper()
    if kind not in CONNECTION_TYPES:
        raise UsageError(f"unknown connection type {text}", hint=f"use {', '.join(CONNECTION_TYPES)}")
    return kind


def _lists(
    run: Run, words: str, member: str, before: Any, more: Sequence[str], gone: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    for each in more:
        run.note(f"added {words} {each}")
    for each in gone:
        run.note(f"removed {words} {each}")
    kept = [each for each in dict.fromkeys((*getattr(before, member), *more)) if each not in gone]
    return {member: tuple(sorted(kept) if member == "src" else kept)} if more or gone else {}


def _times(run: Run, before: Any, more: Sequence[str], gone: Sequence[str]) -> dict[str, Any]:
    from natskit.jwt import TimeRange
    from natskit.jwt.validation import seconds_of_day

    spans = []
    for given in more:
        start, dash, end = given.partition("-")
        if not dash or seconds_of_day(start) is None or seconds_of_day(end) is None:
            raise UsageError(f'require format: "15:04:05-15:04:05", got "{given}"')
        spans.append(TimeRange(start=start, end=end))
        run.note(f"added time range {given}")
    for span in before.times:
        if span.start in gone:
            run.note(f"removed time range {span.start}-{span.end}")
    kept = [span for span in (*before.times, *spans) if span.start not in gone]
    return {"times": tuple(kept)} if more or gone else {}


def dates(run: Run, start: str, expiry: str) -> dict[str, int]:
    """The dates of new claims. Warns of claims that never count."""
    found = {"not_before": run.moment("start", start) or 0, "expires": run.moment("expiry", expiry) or 0}
    _warn_of_dates(run, **found)
    return found


def _warn_of_dates(run: Run, not_before: int, expires: int) -> None:
    if 0 < expires <= not_before:
        run.warn("it never counts: it expires before it starts")


def dated(run: Run, claims: Any, start: str, expiry: str) -> Any:
    """Claims with the dates that the flags set."""
    from msgspec.structs import replace

    from natskit.cli.flags import format_date, relative

    changes = {}
    for flag_name, member, words, never, value in (
        ("start", "not_before", "valid start", "start to not have a start date", start),
        ("expiry", "expires", "expiry", "expiry to never expire", expiry),
    ):
        moment = run.moment(flag_name, value)
        if moment is None or moment == getattr(claims, member):
            continue
        changes[member] = moment
        when = f"{words} to {format_date(moment)} - {relative(moment, run.workspace.now()).lower()}"
        run.note(f"changed jwt {when if moment else never}")
    changed = replace(claims, **changes)
    if changes:
        _warn_of_dates(run, changed.not_before, changed.expires)
    return changed


def _check(kind: str, subject: str) -> None:
    if kind == "pub" and " " in subject:
        raise UsageError(f'publish permission subject "{subject}" contains illegal space')
    if subject.count(" ") > 1:
        raise UsageError(f'subscribe permission subject "{subject}" can at most contain one space')
