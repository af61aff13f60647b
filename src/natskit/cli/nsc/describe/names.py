"""Names for account keys that stand in other claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.store import OperatorStore, Workspace

__all__ = ["name_of_account"]


def name_of_account(workspace: Workspace, key: str) -> str:
    """What the account with this identity or signing key is called, ``""`` if it is not in the stores.

    ``Name`` in the current operator, ``Operator/Name`` in another.
    """
    current = workspace.config.operator
    for operator in sorted(workspace.operators(), key=lambda name: name != current):
        try:
            found = _find(workspace.operator(operator), key)
        except Error:  # a damaged store has no names to give
            continue
        if found:
            return found if operator == current else f"{operator}/{found}"
    return ""


def _find(store: OperatorStore, key: str) -> str:
    return store.find_account(key) or next((name for name in store.iter_accounts() if _signs_for(store, name, key)), "")


def _signs_for(store: OperatorStore, account: str, key: str) -> bool:
    try:
        return store.account(account).nats.has_signing_key(key)
    except Error:
        return False
