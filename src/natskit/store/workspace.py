"""One run of nsc: its directories, configuration, keystore and current operator and account.

::

    workspace = Workspace.open(os.environ)
    store = workspace.operator()            # the current operator's store
    name = workspace.account_name("")       # the current account, or the one asked for
    with workspace.locked():                # whoever reads in order to write holds the lock
        plan = Plan(workspace)
        ...
        plan.commit()

Source: spec/nsc.md 1 and 2.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from natskit.errors import NotFound, StoreError, UsageError

from . import journal
from .config import Config
from .context import Found, from_directory
from .directories import Flags, resolve
from .files import is_dir, make_dirs, read_text
from .keystore import Keystore, NamedKeystore
from .lock import Lock
from .operator_store import OperatorStore, find_store, has_operator, iter_operators, operator_names
from .profile import Profile, remembered
from .staging import Change, staged

if TYPE_CHECKING:
    from natskit.jwt import Claims
    from natskit.nkeys import KeyPair

__all__ = ["Workspace"]

_FOLDERS = ("config_dir", "data_dir", "keystore_dir", "all_dirs")
_V1_HEADER = "eyJ0eXAiOiJqd3QiLCJhbGciOiJlZDI1NTE5In0."


class Workspace:
    """The state that a command works on. Open one with :meth:`open`."""

    __slots__ = (
        "_flags",
        "_found",
        "_locks",
        "account_given",
        "clock",
        "config",
        "cwd",
        "cwd_only",
        "directories",
        "environ",
        "from_cwd",
        "is_aside",
        "keystore",
        "profile",
    )

    config: Config
    is_aside: bool
    """Whether this run works on another operator than the current one, because a flag or variable says so."""

    def __init__(
        self, environ: Mapping[str, str], flags: Flags, cwd: str, clock: Callable[[], float], *, writes: bool
    ) -> None:
        self.environ = environ
        self.clock = clock
        self.cwd = cwd
        self.cwd_only = "NSC_CWD_ONLY" in environ
        self.profile = _profile(environ, flags, cwd)
        self._flags = flags
        self._found: Found | None = None
        self.directories = resolve(environ, flags, cwd, self.profile)
        keystore = NamedKeystore if self.profile is Profile.Y2019 else Keystore
        self.keystore = keystore(self.directories.keystore)
        self.from_cwd = False
        self.account_given = flags.account or environ.get("NSC_ACCOUNT", "")
        self._locks: dict[str, Lock] = {}
        self._configure(flags, writes=writes)

    def again(self, flags: Flags) -> Workspace | None:
        """The workspace of another command of this process, which shares the locks; None if it works elsewhere.

        What does not change while the process runs (environment, folders) is not looked up again.
        """
        if any(getattr(flags, name) != getattr(self._flags, name) for name in _FOLDERS):
            return None
        other: Workspace = object.__new__(Workspace)
        for name in Workspace.__slots__:
            setattr(other, name, getattr(self, name))
        other.account_given = flags.account or self.environ.get("NSC_ACCOUNT", "")
        other._find_stores(flags, other._read_config())
        other._choose_operator(flags)
        return other if other.journal_root == self.journal_root else None

    def reopened(self) -> Workspace:
        """The same workspace as it is for a command that comes later. Raises as `open`."""
        return Workspace(self.environ, self._flags, self.cwd, self.clock, writes=True)

    @classmethod
    def open(
        cls,
        environ: Mapping[str, str],
        flags: Flags | None = None,
        cwd: str | None = None,
        clock: Callable[[], float] = time.time,
        *,
        writes: bool = True,
    ) -> Workspace:
        """Find everything; on a first run make the configuration and the stores root, unless nothing is to be written.

        ``clock`` gives Unix seconds. Raises StoreError (unreadable configuration, folder that cannot be made),
        UsageError (unknown profile), NotFound (``flags.operator`` or ``$NSC_OPERATOR`` is not in the stores).
        """
        return cls(environ, flags or Flags(), _current_directory() if cwd is None else cwd, clock, writes=writes)

    # ---- opening

    def _configure(self, flags: Flags, *, writes: bool) -> None:
        if writes:
            make_dirs(self.directories.config)
        config = self._read_config()
        found = from_directory(self.cwd)
        if config is not None or self.cwd_only:
            self._found = found
        else:  # the first run does not ask the current directory
            config = self._first_config(self._first_root(flags), writes=writes)
        self._find_stores(flags, config)
        if writes and self._recover():
            self._find_stores(flags, self._read_config() or config)
        self._choose_operator(flags)
        self._found = found

    def _read_config(self) -> Config | None:
        return None if self.cwd_only else Config.read(self.directories.config_file)

    def _find_stores(self, flags: Flags, config: Config | None) -> None:
        """The stores root and what is current in it: what was saved, what the current directory says, the flags."""
        self.config = config or Config()
        self._apply(self._found)
        if flags.data_dir or flags.all_dirs:
            self.config.store_root = self.directories.stores

    def _choose_operator(self, flags: Flags) -> None:
        self._settle()
        current = self.config.operator
        operator = flags.operator or self.environ.get("NSC_OPERATOR", "")
        if operator:
            self.use_operator(operator)
        self.is_aside = self.config.operator != current

    def _first_root(self, flags: Flags) -> str:
        """Where the first configuration says the stores are.

        A folder without operators that ``--data-dir`` alone names is for this run; ``add operator`` there saves it.
        """
        named = flags.data_dir and not (flags.all_dirs or flags.config_dir)
        empty = named and next(iter_operators(self.directories.stores), None) is None
        return self.directories.standard_stores if empty else self.directories.stores

    def _first_config(self, root: str, *, writes: bool) -> Config:
        """The first configuration; if it ``writes``, saved, unless another process has done so by now."""
        if not writes:
            return Config(root)
        make_dirs(root)
        with self.config_locked():
            config = Config.read(self.directories.config_file)
            self.config = config or Config(root, "", "", "nats-io/nsc", self.now())
            if config is None:
                self._settle()
                self._write_config()
        return self.config

    def _apply(self, found: Found | None) -> None:
        if found is not None:
            self.from_cwd = True
            self.config.store_root = found.store_root
            self.config.operator = found.operator or self.config.operator
            self.config.account = found.account or self.config.account

    # ---- locking and writing

    @property
    def journal_root(self) -> str:
        """The folder that holds lock and journal: the stores root, or the keystore if there is none."""
        return self.config.store_root or self.keystore.root

    def locked(self) -> Lock:
        """The lock, to hold (``with``) from reading to committing. Nests. What a killed process left is settled."""
        return self._lock_of(self.journal_root)

    def _lock_of(self, folder: str) -> Lock:
        if folder in self._locks:
            return self._locks[folder]
        make_dirs(folder)
        real = os.path.realpath(folder)  # the configuration may be in the stores root, by another name
        if real not in self._locks:
            self._locks[real] = Lock(real, settle=journal.recover)
        self._locks[folder] = self._locks[real]
        return self._locks[real]

    def _recover(self) -> bool:
        """Settle what a killed process left; whether there was something."""
        root = self.journal_root
        if not (root and journal.pending(root) and os.access(root, os.W_OK)):
            return False
        with self.locked():
            return True

    def save_context(
        self, *, operator: str | None = None, account: str | None = None, store_root: str | None = None
    ) -> None:
        """Change and save the current context; None keeps. Under ``$NSC_CWD_ONLY`` nothing is."""
        if self.cwd_only:
            return
        if store_root is not None:
            self.config.store_root = store_root
        if operator is not None:
            self.config.operator = operator
        if account is not None:
            self.config.account = account
        self._settle()
        self._write_config()

    def _write_config(self) -> None:
        change = Change(self.directories.config_file, self.config.encode(with_cluster=self.profile is Profile.Y2019))
        on_stage = staged()
        if on_stage is not None:
            on_stage.take([change])
            return
        with self.config_locked():
            journal.commit(self.directories.config, [change])

    def config_locked(self) -> Lock:
        """The lock of the folder of the configuration."""
        return self._lock_of(self.directories.config)

    # ---- the current operator and account

    def _settle(self) -> None:
        """Fill the defaults: none to choose from: none; one: that one; several: the configured one if it exists.

        A stores root that is not there (yet) leaves the names as they are.
        """
        config = self.config
        if config.store_root and not is_dir(config.store_root):
            return
        if not (config.store_root and has_operator(config.store_root, config.operator)):
            config.operator = _only(iter_operators(config.store_root) if config.store_root else iter(()))
        store = self._current_store()
        if store is None:
            config.account = ""
        elif not store.has_account(config.account):
            config.account = _only(store.iter_accounts())

    def _current_store(self) -> OperatorStore | None:
        try:
            return find_store(self.config.store_root, self.config.operator) if self.config.operator else None
        except StoreError:
            return None

    @property
    def stores_root(self) -> str:
        """The folder whose sub-folders are operator stores; empty under ``$NSC_CWD_ONLY`` outside of a store."""
        return self.config.store_root

    def operators(self) -> list[str]:
        """Names of all operators in the stores root, sorted."""
        return operator_names(self.stores_root)

    def operator(self, name: str = "") -> OperatorStore:
        """The store of operator ``name``, default the current one. Raises UsageError if there is none, NotFound."""
        name = name or self.config.operator
        if not name:
            raise UsageError("set an operator -- 'nsc env -o operatorName'")
        return find_store(self.stores_root, name)

    def use_operator(self, name: str) -> OperatorStore:
        """Make ``name`` the operator of this run, without saving. Raises NotFound."""
        self.check_operator(name)
        if name != self.config.operator:
            self.config.operator, self.config.account = name, ""
            self._settle()
        return self.operator()

    def check_operator(self, name: str) -> None:
        """Raises NotFound unless there is an operator ``name``."""
        if name not in self.operators():
            raise NotFound(f'operator "{name}" not in `{self.stores_root}`', hint="nsc list operators")

    def account_name(self, given: str = "") -> str:
        """The account to work on: ``given`` (a name or public key) or the current one. Raises NotFound, UsageError."""
        store = self.operator()
        name = given or self.account_given or self.config.account or self._account_of_cwd(store)
        if not name:
            raise UsageError("an account is required")
        return self.find_account(store, name)

    def find_account(self, store: OperatorStore, given: str) -> str:
        """The name of the account that ``given`` (a name or public key) means. Raises NotFound."""
        from natskit.nkeys import Role, is_public

        if store.has_account(given):
            return given
        if is_public(given, Role.ACCOUNT):
            name = store.find_account(given)
            if name is None:
                raise NotFound(f"no account found with public key {given}")
            return name
        raise NotFound(
            f'"{given}" not in accounts for operator "{store.name}" in `{self.stores_root}`', hint="nsc list accounts"
        )

    def _account_of_cwd(self, store: OperatorStore) -> str:
        inside = os.path.relpath(self.cwd, store.accounts_path).split(os.sep)[0]
        return inside if store.has_account(inside) else ""

    # ---- gates

    def check_generation(self) -> None:
        """Refuse an operator of the other generation, then a keystore of the old layout. Raises StoreError."""
        store = self._current_store()
        token = read_text(store.operator_path) if store else None
        if store and token:
            is_v1 = token.startswith(_V1_HEADER)
            if is_v1 and self.profile is Profile.CURRENT:
                raise StoreError(_v1_message(store.name), hint="to work on it as it is, set NSC_PROFILE=2019")
            if not is_v1 and self.profile is Profile.Y2019:
                raise StoreError(
                    f"operator {store.name} has version 2 tokens, the 2019 profile works on version 1 only",
                    hint="leave the profile: nsc env --profile current",
                )
        if self.keystore.is_outdated():
            raise StoreError(
                f"the keystore `{self.keystore.root}` needs migration - type `nsc keys migrate` to update",
                hint="or, to use it as it is: NSC_PROFILE=2019",
            )

    # ---- time and signing

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())

    def sign(self, claims: Claims, signer: KeyPair) -> str:
        """The token of ``claims``, in the version of the profile, issued now."""
        from natskit.jwt import encode

        return encode(claims, signer, issued_at=self.now(), version=self.profile.token_version)


def _only(candidates: Iterator[str]) -> str:
    """The only one, empty if there are none or several."""
    first = list(islice(candidates, 2))
    return first[0] if len(first) == 1 else ""


def _current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _profile(environ: Mapping[str, str], flags: Flags, cwd: str) -> Profile:
    """``$NSC_PROFILE``, else what the stores root remembers, else what ``~/.nsc/nats`` does, else today's."""
    chosen = environ.get("NSC_PROFILE")
    if chosen:
        return Profile.parse(chosen)
    today = resolve(environ, flags, cwd, Profile.CURRENT)
    config = Config.read(today.config_file) if "NSC_CWD_ONLY" not in environ else None
    explicit = flags.data_dir or flags.all_dirs
    root = config.store_root if config and config.store_root and not explicit else today.stores
    found = remembered(root)
    if found is None and not (explicit or flags.config_dir or environ.get("NSC_HOME")):
        found = remembered(os.path.join(today.home, ".nsc", "nats"))
    return found or Profile.CURRENT


def _v1_message(operator: str) -> str:
    return (
        "This version of nsc only supports jwtV2.\n"
        "If a service provider runs the operator, fetch its current token:\n"
        '"nsc add operator --force -u <url provided by your service>"\n'
        f"If the operator `{operator}` is yours and you have its key:\n"
        '"nsc upgrade-jwt"\n'
        'A tool that still writes version 1 is "nsc update --version 0.5.0".'
    )
