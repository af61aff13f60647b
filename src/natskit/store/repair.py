"""Stores and a keystore made anew from whatever tokens and seeds are found (spec/nsc-commands.md 3.8, ``fix``).

Of several tokens of one entity the one issued last counts, of those that have a place. Nothing that is found is trusted
further than its signature: an operator must be signed by a key of its own, an account by one of an operator that was
found, a user by one of its account.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import AlreadyExists, Error, NotFound
from natskit.nkeys import KeyPair

from . import journal, names
from .config import go_json
from .files import make_dirs, read_bytes, read_text
from .journal import Change
from .key_files import load_key
from .keystore import GITIGNORE, Keystore
from .lock import Lock
from .operator_store import INFO_NAME, Info, OperatorStore

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, OperatorClaims, UserClaims

__all__ = ["Found", "Repaired", "find", "repair"]

_OLDER = "an older token of the same key"


class _Token(NamedTuple):
    claims: Claims
    text: str
    path: str


class Found:
    """What lies in some folders: keys by public key, tokens by kind and subject, and what was passed over and why.

    Of the tokens of a subject the one that was issued last comes first.
    """

    def __init__(self) -> None:
        self.keys: dict[str, KeyPair] = {}
        self.tokens: dict[str, dict[str, list[_Token]]] = {"operator": {}, "account": {}, "user": {}}
        self.passed_over: list[tuple[str, str]] = []

    def take(self, claims: Claims, text: str, path: str) -> None:
        """Note a token."""
        if claims.kind not in self.tokens:
            self.passed_over.append((path, f"a token of kind {claims.kind}"))
            return
        known = self.tokens[claims.kind].setdefault(claims.subject, [])
        if all(each.text != text for each in known):
            known.append(_Token(claims, text, path))
            known.sort(key=lambda token: -token.claims.issued_at)


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
    """The paths of all files; a pipe or a device is none."""
    for current, folders, files in os.walk(folder):
        folders.sort()
        yield from filter(os.path.isfile, (os.path.join(current, name) for name in sorted(files)))


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
    for kind, add in (("operator", plan.add_operator), ("account", plan.add_account), ("user", plan.add_user)):
        for tokens in found.tokens[kind].values():
            plan.add_first(tokens, add)
    plan.add_keys()
    make_dirs(folder)
    with Lock(folder, settle=journal.recover):
        plan.check_free()
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

    def check_free(self) -> None:
        """Raise AlreadyExists if an operator's store is there already, or a file that is another one."""
        for store in self._stores.values():
            if os.path.exists(store.path):
                raise AlreadyExists(f'error creating store: operator "{store.name}" already exists in `{self._root}`')
        for change in self.changes.values():
            there = None if change.path.endswith("/") else read_bytes(change.path)
            if there is not None and there != change.data:
                raise AlreadyExists(f"`{change.path}` already exists", hint="write to a new folder: --out DIR")

    def add_first(self, tokens: list[_Token], add: Callable[[_Token], str]) -> None:
        """Add the first token, of one subject, that has a place; the others are passed over, as are those before it."""
        for number, token in enumerate(tokens):
            try:
                problem = add(token)
            except Error as error:
                problem = str(error)
            if not problem:
                self.found.passed_over += ((each.path, _OLDER) for each in tokens[number + 1 :])
                return
            self.found.passed_over.append((token.path, problem))

    # Each adds a token; what it returns says why not, or is empty.

    def add_operator(self, token: _Token) -> str:
        claims: OperatorClaims = token.claims  # type: ignore[assignment]
        if not self._speaks_for_itself(claims):
            return f"{claims.issuer} is no key of operator {claims.subject}"
        name = names.check(claims.name, "operator")
        keys = (claims.subject, *claims.nats.signing_keys)
        managed = not any(key in self.found.keys for key in keys)
        store = OperatorStore(os.path.join(self._root, name), Info(managed, name, kind="operator", version="1"))
        if store.operator_path in self.changes:
            return "another operator has the same name"
        self._write(os.path.join(store.path, INFO_NAME), go_json(store.info.encode()))
        self._write(store.operator_path, token.text.encode())
        self.changes[store.accounts_path + "/"] = Change(store.accounts_path + "/", b"", 0o700)
        self._stores |= dict.fromkeys(keys, store)
        self.done.operators.append(name)
        return ""

    def _speaks_for_itself(self, claims: OperatorClaims) -> bool:
        """Whether the operator signed this: with its own key, or with a signing key that such a token names.

        A signing key that only the token itself names counts where its seed is here, or no token is better.
        """
        if claims.issuer == claims.subject:
            return True
        others: list[OperatorClaims] = [
            each.claims  # type: ignore[misc]
            for each in self.found.tokens["operator"][claims.subject]
            if each.claims.issuer == claims.subject
        ]
        named = {key for other in others for key in other.nats.signing_keys}
        if others and claims.issuer not in self.found.keys:
            return claims.issuer in named
        return claims.issuer in claims.nats.signing_keys

    def add_account(self, token: _Token) -> str:
        claims: AccountClaims = token.claims  # type: ignore[assignment]
        store, name = self._stores.get(claims.issuer), names.check(claims.name, "account")
        if store is None:
            return f"operator {claims.issuer} was not found"
        if store.account_path(name) in self.changes:
            return "another account has the same name"
        self._write(store.account_path(name), token.text.encode())
        self._accounts[claims.subject] = (store, claims)
        self.done.accounts.append(f"{store.name}/{name}")
        return ""

    def add_user(self, token: _Token) -> str:
        from natskit.jwt import did_sign
        from natskit.jwt.files import write_creds

        claims: UserClaims = token.claims  # type: ignore[assignment]
        if claims.account not in self._accounts:
            return f"account {claims.account} was not found"
        store, account = self._accounts[claims.account]
        if not did_sign(account, claims):
            return f"{claims.issuer} is no key of account {account.name}"
        name = names.check(claims.name, "user")
        path = store.user_path(account.name, name)
        if path in self.changes:
            return "another user has the same name"
        self._write(path, token.text.encode())
        self.done.users.append(f"{store.name}/{account.name}/{name}")
        pair = self.found.keys.get(claims.subject)
        if pair is not None:
            creds = self._keystore.creds_path(store.name, account.name, name)
            self._write(creds, write_creds(token.text, pair.seed).encode())
            self.done.creds.append(creds)
        return ""

    def add_keys(self) -> None:
        if self.found.keys:
            self._write(self._keystore.gitignore, GITIGNORE)
            for folder in self._keystore.base_folders:
                self.changes[folder + "/"] = Change(folder + "/", b"", 0o700)
        for public, pair in self.found.keys.items():
            self._write(self._keystore.path_of(public), pair.seed.encode())
            self.done.keys.append(public)
