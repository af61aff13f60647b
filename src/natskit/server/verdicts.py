"""Publish permissions as the engine asks for them: one table of verdicts for all clients with equal permissions."""

from __future__ import annotations

from weakref import WeakValueDictionary

from natskit.graph import Permissions
from natskit.wire import Verdicts

__all__ = ["publish_verdicts"]

_IN_USE: WeakValueDictionary[Permissions, Verdicts] = WeakValueDictionary()
"""Verdicts follow from the permissions alone, so servers of one process may share them too."""


def publish_verdicts(permissions: Permissions) -> Verdicts | None:
    """What may be published; None: everything."""
    if not permissions.restricts_publish:
        return None
    verdicts = _IN_USE.get(permissions)
    if verdicts is None:
        verdicts = _IN_USE[permissions] = Verdicts(
            lambda subject: permissions.may_publish(subject.decode("utf-8", "surrogateescape")).allowed
        )
    return verdicts
