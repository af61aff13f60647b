"""Names for account keys that stand in other claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims
    from natskit.store import OperatorStore, Workspace

__all__ = ["name_of_account", "names_of_accounts"]


def name_of_account(workspace: Workspace, key: str) -> str:
    """What the account with this identity or signing key is called, ``""`` if it is not in the stores."""
    return names_of_accounts(workspace, [key]).get(key, "")


def names_of_accounts(workspace: Workspace, keys: Iterable[str]) -> dict[str, str]:
    """The names of the accounts with these identity or signing keys; keys that are not in the stores are left out.

    ``Name`` in the current operator, ``Operator/Name`` in another. Each account is looked at once at most.
    """
    wanted = set(keys)
    found: dict[str, str] = {}
    current = workspace.config.operator
    for operator in sorted(workspace.operators(), key=lambda name: name != current):
        try:
            for name, claims, seen in _holders(workspace.operator(operator), wanted):
                for key in seen:
                    if key == claims.subject or claims.nats.has_signing_key(key):
                        found[key] = name if operator == current else f"{operator}/{name}"
                        wanted.discard(key)
        except Error:  # a damaged store has no names to give
            continue
    return found


def _holders(store: OperatorStore, wanted: set[str]) -> Iterator[tuple[str, AccountClaims, list[str]]]:
    """Accounts whose token mentions a wanted key. Only those are verified."""
    from natskit.jwt.chunks import Chunks

    for name in store.iter_accounts():
        if not wanted:
            return
        try:
            payload = Chunks(store.account_token(name)).payload
            seen = [key for key in wanted if key.encode() in payload]
            if seen:
                yield name, store.account(name), seen
        except Error:  # a damaged account is not the one that is looked for
            continue
