"""A plan: everything a command will change on disk, collected first and then carried out all or nothing.

Commands resolve, validate and sign while they fill a plan; nothing is written before :meth:`Plan.commit`, so a command
that is refused leaves no trace. The order on disk is keys, then tokens, then creds, then removals, of seeds and creds
last, then the context in ``nsc.json``: what refers to something comes after it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from natskit.errors import StoreError
from natskit.nkeys import KeyPair

from . import journal
from .config import go_json
from .files import FILE_MODE, exists, is_dir, read_bytes, remove_empty
from .keystore import Owner
from .operator_store import INFO_NAME, Info, OperatorStore
from .staging import Change, staged

if TYPE_CHECKING:
    from .managed import Exchange
    from .workspace import Workspace

__all__ = ["Committed", "Plan"]


class Committed(msgspec.Struct, frozen=True):
    """What a commit did: absolute paths of files that were written and removed, in order.

    ``exchanges`` tells how the accounts of a managed store got on with the operator's server, by operator name.
    """

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    exchanges: tuple[tuple[str, Exchange], ...] = ()


class Plan:
    """Changes to the stores and the keystore of a workspace, not yet made."""

    __slots__ = ("_accounts", "_base", "_context", "_creds", "_keys", "_last", "_removals", "_tokens", "workspace")

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._base = False
        self._keys: dict[str, Change] = {}
        self._tokens: dict[str, Change] = {}
        self._creds: dict[str, Change] = {}
        self._removals: dict[str, None] = {}
        self._last: dict[str, None] = {}
        self._context: dict[str, str] = {}
        self._accounts: list[tuple[OperatorStore, str, str, str]] = []

    # ---- filling it

    def key(self, pair: KeyPair, owner: Owner | None = None) -> str:
        """Store the seed of ``pair``; return its path. Raises StoreError if another key is there."""
        keystore = self.workspace.keystore
        path = keystore.path_of(pair.public, owner)
        seed = pair.seed.encode()
        self._add_keystore_base()
        there = read_bytes(path)
        if there is not None and there.strip() != seed:
            raise StoreError(f"key `{path}` already exists and is different")
        if there is None:
            self._keys[path] = Change(path, seed)
        return path

    def replace_key(self, pair: KeyPair, owner: Owner) -> str:
        """Store the new seed of ``owner``; return its path. One that is there goes where seeds without an owner are."""
        from .keystore import read_pair

        path = self.workspace.keystore.path_of(pair.public, owner)
        there = read_pair(path)
        if there is None or there.public == pair.public:
            return self.key(pair, owner)
        self.key(there)
        self._keys[path] = Change(path, pair.seed.encode())
        return path

    def creds(self, path: str, text: str) -> str:
        """Write a creds file; return its path."""
        self._add_keystore_base()
        self._creds[path] = Change(path, text.encode())
        return path

    def operator_folder(self, store: OperatorStore, *, as_in_2019: bool = False) -> None:
        """Make the folder of a new operator, with ``.nsc`` and ``accounts/``."""
        self.file(os.path.join(store.path, INFO_NAME), go_json(store.info.encode(as_in_2019=as_in_2019)))
        self.folder(store.accounts_path)

    def info(self, store: OperatorStore, info: Info) -> None:
        """Write ``.nsc`` again."""
        self.file(os.path.join(store.path, INFO_NAME), go_json(info.encode()))

    def token(self, path: str, token: str) -> str:
        """Write a bare token, as store files hold it; return its path."""
        return self.file(path, token.encode())

    def account(self, store: OperatorStore, name: str, public: str, token: str) -> str:
        """Write the token of an account; return its path. In a managed store its operator signs it on commit."""
        path = self.token(store.account_path(name), token)
        if store.managed:
            self._accounts.append((store, path, public, token))
        return path

    def farewell(self, store: OperatorStore, public: str, token: str) -> None:
        """Send the last token of an account that goes to the operator of a managed store."""
        self._accounts.append((store, "", public, token))

    def file(self, path: str, data: bytes, mode: int = FILE_MODE) -> str:
        """Write any other file; return its path."""
        self._removals.pop(path, None)
        self._tokens[path] = Change(path, data, mode)
        return path

    def folder(self, path: str) -> None:
        """Make a folder, if it is not there."""
        self._tokens[path + "/"] = Change(path + "/", b"", 0o700)

    def remove(self, path: str) -> None:
        """Remove a file of the stores root, or (path with a final slash) a folder of it if it is empty by then."""
        self._tokens.pop(path, None)
        self._removals[path] = None

    def discard(self, path: str) -> None:
        """Remove a seed, and its folder if that is empty then, or a creds file; or a folder (final slash) if empty."""
        self._last[path] = None

    def select(self, *, operator: str | None = None, account: str | None = None, store_root: str | None = None) -> None:
        """Change the current context; None keeps.

        An account alone is not selected where the run works on another operator than the current one.
        """
        if self.workspace.is_aside and operator is None and "operator" not in self._context:
            account = None
        given = {"operator": operator, "account": account, "store_root": store_root}
        self._context |= {name: value for name, value in given.items() if value is not None}

    # ---- doing it

    def commit(self) -> Committed:
        """Carry it out. Raises StoreError; then nothing has changed here, unless the message says that it has."""
        with self.workspace.locked():
            exchanges = self._exchange()
            changes = [change for change in self._changes() if not self._is_there(change)]
            discarded = self._carry_out(changes, urgent=bool(exchanges))
        written = tuple(each.path for each in changes if each.data is not None and not each.path.endswith("/"))
        removed = tuple(each.path for each in changes if each.data is None)
        return Committed(written, (*removed, *discarded), exchanges)

    def _carry_out(self, changes: list[Change], *, urgent: bool) -> list[str]:
        """Write or stage the changes, discard, then select; which files were discarded."""
        on_stage = staged()
        if on_stage is not None:
            on_stage.take(changes)
            on_stage.urgent |= urgent
            discarded = list(filter(on_stage.discard, self._last))
        else:
            discarded = [path for path in self._last if not path.endswith("/") and os.path.lexists(path)]
            changes = [*changes, *(Change(path, None) for path in discarded)]
            if changes:
                journal.commit(self.workspace.journal_root, changes)
            self._tidy()
        try:
            if self._context:
                self.workspace.save_context(**self._context)
        except StoreError as error:  # past the commit point
            raise StoreError(f"{error} - what comes before that is done", hint=error.hint) from None
        return discarded

    def _tidy(self) -> None:
        for path in self._last:
            if path.endswith("/"):
                remove_empty(path)
            elif path.endswith(".nk"):
                remove_empty(os.path.dirname(path))

    def _exchange(self) -> tuple[tuple[str, Exchange], ...]:
        """Let operators of managed stores sign the accounts that are planned."""
        done = []
        on_stage = staged()
        told = self._accounts if on_stage is None or not on_stage.rehearsal else ()
        for store, path, public, token in told:
            from .managed import exchange, say_farewell

            operator = store.operator()
            made = (exchange if path else say_farewell)(operator, public, token)
            if path:
                self.token(path, made.token)
            done.append((operator.name, made))
        return tuple(done)

    def _changes(self) -> list[Change]:
        removals = [Change(path, None) for path in self._removals]
        return [*self._keys.values(), *self._tokens.values(), *self._creds.values(), *removals]

    @staticmethod
    def _is_there(change: Change) -> bool:
        if change.data is None:
            return not (exists(change.path.rstrip("/")) or os.path.islink(change.path))
        if change.path.endswith("/"):
            return is_dir(change.path.rstrip("/"))
        try:
            return read_bytes(change.path) == change.data
        except StoreError:
            if is_dir(change.path):  # no rename can replace that, once committed
                raise StoreError(f"`{change.path}` is in the way: it is a folder") from None
            raise

    def _add_keystore_base(self) -> None:
        if self._base:
            return
        self._base = True
        keystore = self.workspace.keystore
        if "NSC_NO_GIT_IGNORE" not in self.workspace.environ and not exists(keystore.gitignore):
            self._keys[keystore.gitignore] = Change(keystore.gitignore, keystore.gitignore_text)
        for folder in keystore.base_folders:
            self._keys[folder + "/"] = Change(folder + "/", b"", 0o700)
