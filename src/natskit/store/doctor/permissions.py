"""Permissions that say nothing, and what the users of an account can do with a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from natskit import subjects
from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Permission, Permissions, UserClaims

__all__ = ["DeadEntry", "dead_entries", "may_publish_into", "may_subscribe_into", "rights_of"]


class DeadEntry(NamedTuple):
    """An allow entry that a deny entry takes back; ``kind`` is publish or subscribe.

    ``removable``: ``--rm``, which takes an entry out of all lists, changes nothing that anybody may do. An allow list
    that is left empty would allow everything.
    """

    kind: str
    entry: str
    deny: str
    removable: bool


def dead_entries(permissions: Permissions) -> Iterator[DeadEntry]:
    """Every allow entry that a deny entry takes back."""
    lists = (permissions.pub.allow, permissions.pub.deny, permissions.sub.allow, permissions.sub.deny)
    for kind, permission in (("publish", permissions.pub), ("subscribe", permissions.sub)):
        dead = {entry: deny for entry in permission.allow if (deny := _denied(permission, entry))}
        for entry, deny in dead.items():
            once = sum(entry in entries for entries in lists) == 1
            yield DeadEntry(kind, entry, deny, once and len(dead) < len(set(permission.allow)))


def _denied(permission: Permission, allow: str) -> str:
    """The deny entry that takes an allow entry back; empty if there is none."""
    return next((each for each in permission.deny if _takes_back(each, allow)), "")


def _takes_back(deny: str, allow: str) -> bool:
    denied, _, denied_queue = deny.partition(" ")
    allowed, _, queue = allow.partition(" ")
    return subjects.covers(denied, allowed) and denied_queue in ("", queue)


def rights_of(user: UserClaims, account: AccountClaims) -> Permissions | None:
    """What a server lets the user do; None if its role cannot be filled in."""
    scope = account.nats.scope_of(user.issuer)
    if scope is not None:
        from natskit.graph.login import filled

        try:
            return filled(scope, user, account).permissions
        except Error:
            return None
    own = user.nats.permissions
    return own if own else account.nats.default_permissions


def may_publish_into(rights: Permissions, subject: str) -> bool:
    """Whether some message that ``subject`` matches may be published."""
    if rights.resp is not None and not rights.pub.allow:
        return False
    return _reaches(rights.pub, subject)


def may_subscribe_into(rights: Permissions, subject: str) -> bool:
    """Whether some message that ``subject`` matches may be received."""
    return _reaches(rights.sub, subject)


def _reaches(permission: Permission, subject: str) -> bool:
    if _covered(permission.deny, subject):
        return False
    allowed = [entry.partition(" ")[0] for entry in permission.allow]
    if not allowed:
        return True
    return any(subjects.overlaps(entry, subject) and not _covered(permission.deny, entry) for entry in allowed)


def _covered(deny: Iterable[str], subject: str) -> bool:
    """Whether a plain deny entry takes all of ``subject``; entries for a queue leave the others."""
    return any(" " not in each and subjects.covers(each, subject) for each in deny)
