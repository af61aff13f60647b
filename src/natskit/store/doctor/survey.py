"""The store as it is, read once: what reads is there as claims, what does not as a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from natskit.errors import Error

from ..checks import DATES, ISSUER, JETSTREAM, Finding, account_findings
from ..files import sub_directories
from ..signing import account_keys, operator_keys

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims, UserClaims

    from ..operator_store import OperatorStore
    from ..workspace import Workspace

__all__ = ["AccountState", "Survey", "UserState"]


class UserState(Struct, frozen=True):
    """A user: its claims and token, or (claims None) what is wrong with the token."""

    name: str
    claims: UserClaims | None
    token: str = ""
    fault: str = ""


class AccountState(Struct, frozen=True):
    """An account: its claims and what validation finds, or (claims None) what is wrong with the token.

    ``refused`` is the reason why servers do not take the account at all; empty if they do.
    """

    name: str
    claims: AccountClaims | None
    findings: tuple[Finding, ...] = ()
    fault: str = ""
    refused: str = ""


class Survey:
    """One operator's store, its keystore, and the time. ``soon`` is the Unix second up to which ends are near.

    ``only`` is the name of the account that is looked at; empty for all. Every account's claims are there all the same,
    since imports are between two. ``stored`` has the files of the keystore by public key; ``incomplete`` tells that
    something did not read, so that keys may belong to it.
    """

    def __init__(self, workspace: Workspace, store: OperatorStore, soon: int, only: str = "") -> None:
        self.workspace = workspace
        self.store = store
        self.keystore = workspace.keystore
        self.now = workspace.now()
        self.soon = soon
        self.only = only
        self.operator: OperatorClaims | None = None
        self.operator_fault = ""
        try:
            self.operator = store.operator()
        except Error as error:
            self.operator_fault = str(error)
        self.accounts: dict[str, AccountState] = {}
        self.names: dict[str, str] = {}
        self.duplicates: list[tuple[str, str]] = []
        self.stored = self.keystore.index()
        self.known_keys: set[str] = set()
        self.incomplete = bool(self.operator_fault)
        self.creds_seen: set[str] = set()

    def read_accounts(self) -> Iterator[str]:
        """Read every account; yields its name when that is done."""
        for name in self.store.iter_accounts():
            state = self._account(name)
            self.accounts[name] = state
            if state.claims is not None:
                if state.claims.subject in self.names:
                    self.duplicates.append((name, self.names[state.claims.subject]))
                self.names.setdefault(state.claims.subject, name)
            yield name

    def _account(self, name: str) -> AccountState:
        try:
            claims = self.store.account(name)
        except Error as error:
            self.incomplete = True
            return AccountState(name, None, fault=str(error), refused="its token does not read")
        found = tuple(account_findings(self.operator, claims, self.now))
        if self.store.managed:  # who signs for a managed store is elsewhere
            found = tuple(each for each in found if each.about != ISSUER)
        blocking = next((each.text for each in found if each.serious and each.about not in (DATES, JETSTREAM)), "")
        return AccountState(name, claims, found, refused=blocking)

    def users(self, account: str) -> Iterator[UserState]:
        """The users of an account, read now."""
        for name in self.store.users(account):
            try:
                yield UserState(name, *self.store.user_and_token(account, name))
            except Error as error:
                self.incomplete = True
                yield UserState(name, None, fault=str(error))

    def chosen(self) -> Iterator[AccountState]:
        """The accounts that are looked at."""
        return (state for name, state in self.accounts.items() if self.only in ("", name))

    def without_token(self) -> Iterator[str]:
        """Folders of accounts in which there is no account."""
        for name in sub_directories(self.store.accounts_path):
            if name not in self.accounts and not os.path.exists(self.store.account_path(name)):
                yield name

    # ---- what can be signed here

    def has(self, *keys: str) -> str:
        """The first of ``keys`` whose seed is stored; empty if there is none."""
        return next((key for key in keys if key in self.stored), "")

    def can_sign_operator(self) -> bool:
        """Whether a key is here that signs the operator itself, and accounts."""
        return self.operator is not None and bool(self.has(*operator_keys(self.operator)))

    def can_edit(self, name: str) -> bool:
        """Whether a key is here that signs the account ``name``."""
        claims = self.accounts[name].claims
        if claims is None:
            return False
        return self.can_sign_operator() or (self.store.managed and bool(self.has(*self.signing_keys(claims))))

    def can_issue(self, name: str) -> bool:
        """Whether a key is here that signs users and activations of the account ``name``."""
        claims = self.accounts[name].claims
        return claims is not None and bool(self.has(*self.signing_keys(claims)))

    def signing_keys(self, claims: AccountClaims) -> tuple[str, ...]:
        """The keys with which an account may sign."""
        return account_keys(claims, self.operator)

    def display(self, key: str) -> str:
        """An account by its name if it is in the store."""
        return self.names.get(key, key)
