"""Flags of publish and subscribe permissions, and what they do to claims (spec/nsc-commands.md 3.0, PERM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli.command import Flag, flag, integer, strings
from natskit.cli.flags import format_duration, parse_duration
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.jwt import Permission, Permissions

    from .run import Run

__all__ = ["PERMISSION_FLAGS", "TIME_FLAGS", "allowed", "take"]

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

_KEYS = tuple(each.key for each in PERMISSION_FLAGS)


def take(flags: dict[str, Any]) -> dict[str, Any]:
    """Take the permission flags out of a command's keywords."""
    return {key: flags.pop(key) for key in _KEYS}


def allowed(run: Run, before: Permissions, given: dict[str, Any]) -> Permissions:
    """The permissions with what the flags add; each addition is reported. Raises UsageError."""
    from msgspec.structs import replace

    from natskit.jwt import ResponsePermission

    resp = before.resp
    count = given["allow_pub_response"] if given["allow_pub_response"] is not None else given["max_responses"]
    ttl = given["response_ttl"]
    if count is not None:
        resp = ResponsePermission(max=count, ttl=resp.ttl if resp else 0)
        run.note(f"set max responses to {count}")
    if ttl is not None:
        resp = ResponsePermission(max=resp.max if resp else 0, ttl=ttl)
        run.note(f"set response ttl to {format_duration(ttl)}")
    both, neither = given["allow_pubsub"], given["deny_pubsub"]
    pub = _added(run, "pub", before.pub, (*given["allow_pub"], *both), (*given["deny_pub"], *neither))
    sub = _added(run, "sub", before.sub, (*given["allow_sub"], *both), (*given["deny_sub"], *neither))
    return replace(before, pub=pub, sub=sub, resp=resp)


def _added(run: Run, kind: str, before: Permission, allow: Sequence[str], deny: Sequence[str]) -> Permission:
    from natskit.jwt import Permission

    for subject in (*allow, *deny):
        _check(kind, subject)
    for subject in allow:
        run.note(f'added {kind} "{subject}"')
    for subject in deny:
        run.note(f'added deny {kind} "{subject}"')
    return Permission(
        allow=tuple(sorted({*before.allow, *allow})) if allow else before.allow,
        deny=tuple(sorted({*before.deny, *deny})) if deny else before.deny,
    )


def _check(kind: str, subject: str) -> None:
    if kind == "pub" and " " in subject:
        raise UsageError(f'publish permission subject "{subject}" contains illegal space')
    if subject.count(" ") > 1:
        raise UsageError(f'subscribe permission subject "{subject}" can at most contain one space')
