"""Which keys an operator's entities have, and which of them are stored (spec/nsc.md 4.4, spec/nsc-commands.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from natskit.errors import StoreError
from natskit.nkeys import role_of

if TYPE_CHECKING:
    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = ["KnownKey", "keys_of", "unreferenced"]


class KnownKey(msgspec.Struct, frozen=True):
    """A key and the entity that it belongs to. ``path`` is empty if its seed is not stored.

    ``depth`` is 0 for the operator's, 1 for accounts', 2 for users'; ``parent`` the key of the entity above;
    ``damaged`` says that the stored file holds something else; ``token`` is that of an identity key.
    """

    name: str
    public: str
    depth: int
    kind: str
    parent: str = ""
    signing: bool = False
    curve: bool = False
    path: str = ""
    damaged: bool = False
    token: str = ""
    seed: str = ""


class _Finder:
    def __init__(self, workspace: Workspace, store: OperatorStore) -> None:
        self.workspace = workspace
        self.store = store

    def key(self, name: str, public: str, depth: int, kind: str, **more: object) -> KnownKey:
        path = self.workspace.keystore.find(public) or ""
        seed, damaged = "", False
        if path:
            try:
                seed = self.workspace.keystore.seed(public) or ""
            except StoreError:
                damaged = True
        return KnownKey(name, public, depth, kind, path=path, damaged=damaged, seed=seed, **more)  # type: ignore[arg-type]


def keys_of(workspace: Workspace, store: OperatorStore, accounts: list[str]) -> Iterator[KnownKey]:
    """The operator's keys, then those of ``accounts`` and their users, in the order in which they are shown."""
    find = _Finder(workspace, store)
    operator, token = store.operator_and_token()
    yield find.key(operator.name, operator.subject, 0, "operator", token=token)
    for public in operator.nats.signing_keys:
        yield find.key(operator.name, public, 0, "operator", signing=True)
    for name in accounts:
        yield from _keys_of_account(find, store, name, operator.subject)


def _keys_of_account(find: _Finder, store: OperatorStore, name: str, operator: str) -> Iterator[KnownKey]:
    account, token = store.account_and_token(name)
    public = account.subject
    yield find.key(account.name, public, 1, "account", parent=operator, token=token)
    for signing in account.nats.signing_key_names:
        yield find.key(account.name, signing, 1, "account", signing=True)
    if account.nats.authorization.xkey:
        yield find.key(account.name, account.nats.authorization.xkey, 1, "curve", curve=True)
    for user_name in store.users(name):
        user, token = store.user_and_token(name, user_name)
        yield find.key(user.name, user.subject, 2, "user", parent=public, token=token)


def unreferenced(workspace: Workspace, known: set[str]) -> Iterator[KnownKey]:
    """Stored keys that are none of ``known``."""
    for stored in workspace.keystore.keys():  # noqa: SIM118 - no dict
        if stored.public not in known:
            kind = role_of(stored.public).value
            yield KnownKey("?", stored.public, 0, kind, path=stored.path)
