"""Permissions as the engine asks about them, in bytes as they came.

A subject with an empty token matches no rule, as it reaches no subscription: where there is a list of what is allowed
it is refused, else it passes (and a subscription to it is found invalid).
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from natskit.graph import Permissions
from natskit.wire import Verdicts

__all__ = ["may_subscribe", "publish_verdicts", "subscribe_verdicts"]

_PUBLISH: WeakValueDictionary[Permissions, Verdicts] = WeakValueDictionary()
_SUBSCRIBE: WeakValueDictionary[Permissions, Verdicts] = WeakValueDictionary()
"""Verdicts in use. They follow from the permissions alone, so servers of one process may share them too."""


def publish_verdicts(permissions: Permissions) -> Verdicts | None:
    """What may be published, one table for all clients with equal permissions; None: everything."""
    if not permissions.restricts_publish:
        return None
    return _shared(_PUBLISH, permissions, lambda: permissions.free_to_publish, _may_publish)


def subscribe_verdicts(permissions: Permissions) -> Verdicts | None:
    """What may be subscribed to without a queue, in the same way."""
    if not permissions.restricts_subscribe:
        return None
    return _shared(_SUBSCRIBE, permissions, lambda: permissions.free_to_subscribe, may_subscribe)


def _shared(
    known: WeakValueDictionary[Permissions, Verdicts],
    permissions: Permissions,
    free: Callable[[], list[str]],
    ask: Callable[[Permissions, bytes], bool],
) -> Verdicts:
    verdicts = known.get(permissions)
    if verdicts is None:
        verdicts = Verdicts(lambda subject: ask(permissions, subject), free=map(_raw, free()))
        known[permissions] = verdicts
    return verdicts


def _may_publish(permissions: Permissions, subject: bytes) -> bool:
    if _has_empty_token(subject):
        return not permissions.publish_allow and permissions.responses is None
    return permissions.may_publish(_text(subject)).allowed


def may_subscribe(permissions: Permissions, subject: bytes, queue: bytes | None = None) -> bool:
    """Whether a client may subscribe."""
    if _has_empty_token(subject):
        return not permissions.subscribe_allow
    return permissions.may_subscribe(_text(subject), None if queue is None else _text(queue)).allowed


def _has_empty_token(subject: bytes) -> bool:
    return subject.startswith(b".") or subject.endswith(b".") or b".." in subject


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
