"""NATS in tests: an operator made up in one line, and the pytest plugin with its servers (:mod:`.plugin`).

Nothing is loaded before it is used: pytest loads the plugin in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Account", "Follower", "Operator", "User"]

if TYPE_CHECKING:
    from natskit.testing.operator import Account, Follower, Operator, User


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from natskit.testing import operator

    return getattr(operator, name)
