"""Stores and a keystore made anew from whatever tokens and seeds are found (spec/nsc-commands.md 3.8, ``fix``).

Of several tokens of one entity the one issued last counts. Nothing that is found is trusted further than its signature:
an account must be signed by a key of an operator that was found, a user by one of its account.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import AlreadyExists, Error, NotFound
from natskit.nkeys import KeyPair

from . import journal, names
from .config import go_json
from .files import make_dirs, read_text
from .journal import Change
from .key_files import load_key
from .keystore import GITIGNORE, Keystore
from .operator_store import INFO_NAME, Info, OperatorStore

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, OperatorClaims, UserClaims

__all__ = ["Found", "Repaired", "find", "repair"]


class _Token(NamedTuple):
    claims: Claims
    text: str
    path: str


class Found:
    """What lies in some folders: keys by public key, tokens by kind and subject, and what was passed over and why."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyPair] = {}
        self.tokens: dict[str, dict[str, _Token]] = {"operator": {}, "account": {}, "user": {}}
        self.passed_over: list[tuple[str, str]] = []

    def take(self, claims: Claims, text: str, path: str) -> None:
        """Note a token; the one that was issued last stays."""
        known = self.tokens.get(claims.kind)
        if known is None:
            self.passed_over.append((path, f"a token of kind {claims.kind}"))
        elif claims.subject in known and known[claims.subject].claims.issued_at >= claims.issued_at:
            if known[claims.subject].text != text:
                self.passed_over.append((path, "an older token of the same key"))
        else:
            known[claims.subject] = _Token(claims, text, path)


def find(folders: Sequence[str], *, creds: bool) -> Found:
    """Read every ``*.jwt`` and ``*.nk`` below ``folders``, and ``*.creds`` if asked. Raises NotFound for a folder."""
    found = Found()
    for folder in folders:
        if not os.path.isdir(folder):
            raise NotFound(f"`{folder}` is not a directory")
        for path in _walk(folder):
            try:
                _read(found, path, creds=creds)
            except Error as error:
                found.passed_over.append((path, str(error)))
    return found


def _walk(folder: str) -> Iterator[str]:
    for current, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(current, name) for name in sorted(files))


def _read(found: Found, path: str, *, creds: bool) -> None:
    from natskit.jwt import decode
    from natskit.jwt.files import parse_jwt, parse_seed

    suffix = os.path.splitext(path)[1]
    if suffix == ".nk":
        pair = load_key(path)
        found.keys[pair.public] = pair
    elif suffix == ".jwt" or (suffix == ".creds" and creds):
        text = read_text(path) or ""
        token = parse_jwt(text).strip()
        found.take(decode(token), token, path)
        if suffix == ".creds":
            pair = KeyPair.from_seed(parse_seed(text))
            found.keys[pair.public] = pair


class Repaired(NamedTuple):
    """What was written: names of operators, ``Op/Acct``, ``Op/Acct/User``, public keys, paths of creds and files."""

    operators: list[str]
    accounts: list[str]
    users: list[str]
    keys: list[str]
    creds: list[str]
    written: list[str]


def repair(found: Found, folder: str) -> Repaired:
    """Write stores to ``folder/operators`` and keys to ``folder/keys``, all of it or nothing.

    What has no place is added to ``found.passed_over``. Raises NotFound (no operator), AlreadyExists, StoreError.
    """
    if not found.tokens["operator"]:
        raise NotFound("no operator found", hint="name more folders with --in")
    plan = _Plan(found, folder)
    for token in found.tokens["operator"].values():
        plan.add_operator(token)
    for token in found.tokens["account"].values():
        plan.add_account(token)
    for token in found.tokens["user"].values():
        plan.add_user(token)
    plan.add_keys()
    make_dirs(folder)
    journal.commit(folder, list(plan.changes.values()))
    return plan.done


class _Plan:
    """The files of a repair, filled in the order operators, accounts, users, keys."""

    def __init__(self, found: Found, folder: str) -> None:
        self.found = found
        self.changes: dict[str, Change] = {}
        self.done = Repaired([], [], [], [], [], [])
        self._root = os.path.join(folder, "operators")
        self._keystore = Keystore(os.path.join(folder, "keys"))
        self._stores: dict[str, OperatorStore] = {}  # by every key of the operator
        self._accounts: dict[str, tuple[OperatorStore, AccountClaims]] = {}

    def _write(self, path: str, data: bytes) -> None:
        self.changes[path] = Change(path, data)
        self.done.written.append(path)

    def _name(self, token: _Token) -> str:
        """The entity's name if it can be a file's; empty if not, which is noted."""
        try:
            return names.check(token.claims.name, token.claims.kind)
        except Error as error:
            self.found.passed_over.append((token.path, str(error)))
            return ""

    def _is_taken(self, token: _Token, path: str) -> bool:
        if path in self.changes:
            self.found.passed_over.append((token.path, f"another {token.claims.kind} has the same name"))
        return path in self.changes

    def add_operator(self, token: _Token) -> None:
        claims: OperatorClaims = token.claims  # type: ignore[assignment]
        name = self._name(token)
        if not name:
            return
        keys = (claims.subject, *claims.nats.signing_keys)
        managed = not any(key in self.found.keys for key in keys)
        store = OperatorStore(os.path.join(self._root, name), Info(managed, name, kind="operator", version="1"))
        if os.path.exists(store.path):
            raise AlreadyExists(f'error creating store: operator "{name}" already exists in `{self._root}`')
        if self._is_taken(token, store.operator_path):
            return
        self._write(os.path.join(store.path, INFO_NAME), go_json(store.info.encode()))
        self._write(store.operator_path, token.text.encode())
        self.changes[store.accounts_path + "/"] = Change(store.accounts_path + "/", b"", 0o700)
        self._stores |= dict.fromkeys(keys, store)
        self.done.operators.append(name)

    def add_account(self, token: _Token) -> None:
        claims: AccountClaims = token.claims  # type: ignore[assignment]
        store, name = self._stores.get(claims.issuer), self._name(token)
        if store is None:
            self.found.passed_over.append((token.path, f"operator {claims.issuer} was not found"))
        if store is None or not name or self._is_taken(token, store.account_path(name)):
            return
        self._write(store.account_path(name), token.text.encode())
        self._accounts[claims.subject] = (store, claims)
        self.done.accounts.append(f"{store.name}/{name}")

    def add_user(self, token: _Token) -> None:
        from natskit.jwt import did_sign
        from natskit.jwt.files import write_creds

        claims: UserClaims = token.claims  # type: ignore[assignment]
        name = self._name(token)
        if claims.account not in self._accounts:
            self.found.passed_over.append((token.path, f"account {claims.account} was not found"))
            return
        store, account = self._accounts[claims.account]
        if not did_sign(account, claims):
            self.found.passed_over.append((token.path, f"{claims.issuer} is no key of account {account.name}"))
            return
        path = store.user_path(account.name, name)
        if not name or self._is_taken(token, path):
            return
        self._write(path, token.text.encode())
        self.done.users.append(f"{store.name}/{account.name}/{name}")
        pair = self.found.keys.get(claims.subject)
        if pair is not None:
            creds = self._keystore.creds_path(store.name, account.name, name)
            self._write(creds, write_creds(token.text, pair.seed).encode())
            self.done.creds.append(creds)

    def add_keys(self) -> None:
        if self.found.keys:
            self._write(self._keystore.gitignore, GITIGNORE)
            for folder in self._keystore.base_folders:
                self.changes[folder + "/"] = Change(folder + "/", b"", 0o700)
        for public, pair in self.found.keys.items():
            self._write(self._keystore.path_of(public), pair.seed.encode())
            self.done.keys.append(public)
