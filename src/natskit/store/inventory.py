"""Which keys an operator's entities have, and which of them are stored (spec/nsc.md 4.4, spec/nsc-commands.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from natskit.errors import Error, StoreError
from natskit.nkeys import role_of

from .keystore import read_pair
from .operator_store import Fault, raised

if TYPE_CHECKING:
    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = ["KnownKey", "keys_of", "public_keys_of", "unreferenced"]


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
    """Makes known keys of public ones. What is stored is looked up once, for all of them."""

    def __init__(self, workspace: Workspace, store: OperatorStore, fault: Fault) -> None:
        self.stored = workspace.keystore.index()
        self.store = store
        self.fault = fault

    def key(self, name: str, public: str, depth: int, kind: str, **more: object) -> KnownKey:
        path = self.stored.get(public, "")
        seed, damaged = _seed(path, public) if path else ("", False)
        return KnownKey(name, public, depth, kind, path=path, damaged=damaged, seed=seed, **more)  # type: ignore[arg-type]


def _seed(path: str, public: str) -> tuple[str, bool]:
    """The seed in a file of the keystore, and whether the file holds something else than its name says."""
    try:
        pair = read_pair(path)
    except StoreError:
        return "", True
    if pair is None or pair.public != public:
        return "", pair is not None
    return (pair.seed if pair.can_sign else ""), False


def keys_of(
    workspace: Workspace, store: OperatorStore, accounts: list[str], fault: Fault = raised
) -> Iterator[KnownKey]:
    """The operator's keys, then those of ``accounts`` and their users, in the order in which they are shown.

    ``fault`` is told of each account and user that does not read, which is passed over then; by default it is raised.
    """
    find = _Finder(workspace, store, fault)
    operator, token = store.operator_and_token()
    yield find.key(operator.name, operator.subject, 0, "operator", token=token)
    for public in operator.nats.signing_keys:
        yield find.key(operator.name, public, 0, "operator", signing=True)
    for name in accounts:
        try:
            yield from _keys_of_account(find, name, operator.subject)
        except Error as error:
            fault(error)


def _keys_of_account(find: _Finder, name: str, operator: str) -> Iterator[KnownKey]:
    store = find.store
    account, token = store.account_and_token(name)
    public = account.subject
    yield find.key(account.name, public, 1, "account", parent=operator, token=token)
    for signing in account.nats.signing_key_names:
        yield find.key(account.name, signing, 1, "account", signing=True)
    if account.nats.authorization.xkey:
        yield find.key(account.name, account.nats.authorization.xkey, 1, "curve", curve=True)
    for user_name in store.users(name):
        try:
            user, token = store.user_and_token(name, user_name)
        except Error as error:
            find.fault(error)
            continue
        yield find.key(user.name, user.subject, 2, "user", parent=public, token=token)


def public_keys_of(store: OperatorStore) -> set[str]:
    """The public keys of an operator, its accounts and users. Raises Error if one of them does not read."""
    operator = store.operator()
    found = {operator.subject, *operator.nats.signing_keys}
    for name in store.iter_accounts():
        account = store.account(name)
        found |= {account.subject, *account.nats.signing_key_names, account.nats.authorization.xkey}
        found |= {store.user(name, user).subject for user in store.users(name)}
    return found


def unreferenced(workspace: Workspace, known: set[str]) -> Iterator[KnownKey]:
    """Stored keys that are none of ``known``."""
    for stored in workspace.keystore.keys():  # noqa: SIM118 - no dict
        if stored.public not in known:
            kind = role_of(stored.public).value
            yield KnownKey("?", stored.public, 0, kind, path=stored.path)
