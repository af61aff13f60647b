"""Permissions that say nothing, and what the users of an account can do with a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from natskit import subjects
from natskit.errors import ClaimsError

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Permission, Permissions, UserClaims

__all__ = ["dead_entries", "may_publish_into", "may_subscribe_into", "rights_of"]


def dead_entries(permissions: Permissions) -> Iterator[tuple[str, str, str]]:
    """Allow entries that a deny entry takes back: publish or subscribe, the entry, the deny entry."""
    for kind, permission in (("publish", permissions.pub), ("subscribe", permissions.sub)):
        for entry in permission.allow:
            deny = next((each for each in permission.deny if _takes_back(each, entry)), None)
            if deny is not None:
                yield kind, entry, deny


def _takes_back(deny: str, allow: str) -> bool:
    denied, _, denied_queue = deny.partition(" ")
    allowed, _, queue = allow.partition(" ")
    return subjects.covers(denied, allowed) and denied_queue in ("", queue)


def rights_of(user: UserClaims, account: AccountClaims) -> Permissions | None:
    """What a server lets the user do; None if its role cannot be filled in."""
    from natskit.jwt import expand_template

    scope = account.nats.scope_of(user.issuer)
    if scope is not None:
        try:
            return expand_template(scope, user, account).permissions
        except ClaimsError:
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
