"""The folder of one operator: its token, accounts, users (spec/nsc.md 1.4).

Everything is read when asked for; tokens are verified before their claims are handed out. A token that was verified
is known by its text, so that asking twice costs one verification, whatever happens to the files in between.
"""

from __future__ import annotations

import binascii
import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from natskit.errors import DecodeError, Error, NotFound, StoreError, VerifyError

from .files import file_names, is_file, names_like, read_bytes, read_text, sub_directories
from .names import file_name

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, OperatorClaims, UserClaims

__all__ = ["Fault", "Info", "OperatorStore", "find_store", "is_operator_folder", "operator_names", "raised"]

INFO_NAME = ".nsc"
_Claims = TypeVar("_Claims", bound="Claims")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

Fault = Callable[[Error], object]
"""Told of an account or user that does not read, which is passed over."""


def raised(error: Error) -> None:
    """The fault of who passes nothing over: raise it."""
    raise error


class Info(msgspec.Struct):
    """The content of ``.nsc``, which makes a folder an operator's store."""

    managed: bool = False
    name: str = ""
    env: str = ""
    kind: str = ""
    version: str = ""

    @classmethod
    def read(cls, folder: str) -> Info | None:
        """What makes ``folder`` an operator's store, None if it is none. Raises StoreError."""
        path = os.path.join(folder, INFO_NAME)
        data = read_bytes(path) if is_file(path) else None
        if data is None:
            return None
        try:
            info = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"`{path}` is damaged: {error}") from None
        return info if info.kind == "operator" and info.name else None

    def encode(self, *, as_in_2019: bool = False) -> dict[str, object]:
        """The members in the order of the file."""
        members: dict[str, object] = {"managed": self.managed, "name": self.name}
        if as_in_2019:
            members["env"] = self.name
        members |= {"kind": "operator", "version": "1"}
        return members | {"last_update_check": 0} if as_in_2019 else members


def is_operator_folder(folder: str) -> bool:
    """Whether ``folder`` is an operator's store; a damaged one counts."""
    try:
        return Info.read(folder) is not None
    except StoreError:
        return True


def operator_names(stores_root: str) -> list[str]:
    """Names of the folders of ``stores_root`` that are operator stores, sorted."""
    return list(iter_operators(stores_root)) if stores_root else []


def has_operator(stores_root: str, name: str) -> bool:
    """Whether there is an operator's store in the folder ``name``."""
    return bool(name) and "/" not in name and is_file(os.path.join(stores_root, name, INFO_NAME))


def iter_operators(stores_root: str) -> Iterator[str]:
    """Like :func:`operator_names`, one at a time."""
    for name in sub_directories(stores_root):
        if is_file(os.path.join(stores_root, name, INFO_NAME)):
            yield name


def find_store(stores_root: str, name: str) -> OperatorStore:
    """The store of the operator in the folder ``name``. Raises NotFound."""
    folder = os.path.join(stores_root, name)
    info = Info.read(folder) if name and "/" not in name else None
    if info is None:
        raise NotFound(f"`{folder}` is not a valid data directory: stat {folder}/.nsc: no such file or directory")
    return OperatorStore(folder, info)


class OperatorStore:
    """One operator's folder. ``name`` is that of ``.nsc``: it names the token's file and the creds folder."""

    __slots__ = ("info", "path")

    def __init__(self, path: str, info: Info) -> None:
        self.path = path
        self.info = info

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.info.name

    @property
    def managed(self) -> bool:
        """Whether the operator is somebody else's: its key is not here, and account tokens go to its server."""
        return self.info.managed

    # ---- where things are

    @property
    def operator_path(self) -> str:
        """The file of the operator's token."""
        return f"{self.path}/{file_name(self.name)}"

    @property
    def accounts_path(self) -> str:
        """The folder of the accounts."""
        return f"{self.path}/accounts"

    def account_folder(self, account: str) -> str:
        """The folder of an account."""
        return f"{self.path}/accounts/{account}"

    def account_path(self, account: str) -> str:
        """The file of an account's token."""
        return f"{self.path}/accounts/{account}/{file_name(account)}"

    def users_folder(self, account: str) -> str:
        """The folder of an account's users."""
        return f"{self.path}/accounts/{account}/users"

    def user_path(self, account: str, user: str) -> str:
        """The file of a user's token."""
        return f"{self.path}/accounts/{account}/users/{file_name(user)}"

    # ---- names

    def iter_accounts(self) -> Iterator[str]:
        """Names of the accounts that have a token, sorted, one at a time."""
        for name in sub_directories(self.accounts_path):
            if is_file(f"{self.path}/accounts/{name}/{name}.jwt"):
                yield name

    def accounts(self) -> list[str]:
        """Names of the accounts, sorted."""
        return list(self.iter_accounts())

    def account_like(self, account: str) -> str | None:
        """The name of an account that differs from ``account`` in upper and lower case at most."""
        return next((name for name in names_like(self.accounts_path, account) if self.has_account(name)), None)

    def users(self, account: str) -> list[str]:
        """Names of an account's users, sorted."""
        names = file_names(self.users_folder(account))
        return sorted(name[:-4] for name in names if name.endswith(".jwt"))

    def has_account(self, account: str) -> bool:
        """Whether there is an account of this name."""
        return bool(account) and "/" not in account and is_file(self.account_path(account))

    def has_user(self, account: str, user: str) -> bool:
        """Whether the account has a user of this name."""
        return bool(user) and "/" not in user and is_file(self.user_path(account, user))

    # ---- tokens: bare text, unverified

    def operator_token(self) -> str:
        """The operator's token. Raises NotFound."""
        return _token(self.operator_path, f"operator {self.name} does not exist")

    def account_token(self, account: str) -> str:
        """An account's token. Raises NotFound."""
        if "/" in account or not account:
            raise NotFound(f"account {account} does not exist in the current operator")
        return _token(self.account_path(account), f"account {account} does not exist in the current operator")

    def user_token(self, account: str, user: str) -> str:
        """A user's token. Raises NotFound."""
        if "/" in user or not user:
            raise NotFound(f"user {user} does not exist in the current account")
        return _token(self.user_path(account, user), f"user {user} does not exist in the current account")

    # ---- claims: verified

    def operator(self) -> OperatorClaims:
        """The operator's claims. Raises NotFound, InvalidToken, VerifyError."""
        return self.operator_and_token()[0]

    def operator_and_token(self) -> tuple[OperatorClaims, str]:
        """The operator's claims and the token that they were read from. Raises NotFound, InvalidToken, VerifyError."""
        from natskit.jwt import OperatorClaims

        token = self.operator_token()
        return _decode(token, OperatorClaims, self.operator_path), token

    def account(self, account: str) -> AccountClaims:
        """An account's claims. Raises NotFound, InvalidToken, VerifyError."""
        return self.account_and_token(account)[0]

    def account_and_token(self, account: str) -> tuple[AccountClaims, str]:
        """An account's claims and the token that they were read from. Raises NotFound, InvalidToken, VerifyError."""
        from natskit.jwt import AccountClaims

        token = self.account_token(account)
        return _decode(token, AccountClaims, self.account_path(account)), token

    def user(self, account: str, user: str) -> UserClaims:
        """A user's claims. Raises NotFound, InvalidToken, VerifyError."""
        return self.user_and_token(account, user)[0]

    def user_and_token(self, account: str, user: str) -> tuple[UserClaims, str]:
        """A user's claims and the token that they were read from. Raises NotFound, InvalidToken, VerifyError."""
        from natskit.jwt import UserClaims

        token = self.user_token(account, user)
        return _decode(token, UserClaims, self.user_path(account, user)), token

    # ---- by key

    def find_account(self, public: str) -> str | None:
        """Name of the account whose identity key is ``public``; unreadable accounts are passed over."""
        for name in self.iter_accounts():
            if _is_about(self.account_path(name), public):
                return name
        return None

    def find_user(self, account: str, public: str) -> str | None:
        """Name of the account's user whose key is ``public``; unreadable users are passed over."""
        for name in self.users(account):
            if _is_about(self.user_path(account, name), public):
                return name
        return None


def _token(path: str, missing: str) -> str:
    text = read_text(path)
    if text is None:
        raise NotFound(missing)
    return text.strip()


def _decode(token: str, kind: type[_Claims], path: str) -> _Claims:
    try:
        return _verified(token, kind)  # type: ignore[return-value]
    except (DecodeError, VerifyError) as error:
        raise type(error)(f"error loading jwt `{path}`: {error}") from None


@functools.lru_cache(maxsize=256)
def _verified(token: str, kind: type[Claims]) -> Claims:
    from natskit.jwt import decode

    return decode(token, kind)


def _is_about(path: str, public: str) -> bool:
    """Whether the token in ``path`` is valid and its subject is ``public``. Most are told apart without verifying."""
    from natskit.jwt import decode

    try:
        token = _token(path, "")
        payload = token.split(".")[1].encode()
        if public.encode() not in binascii.a2b_base64(payload.translate(_URL_SAFE) + b"=="):
            return False
        return decode(token).subject == public
    except (Error, IndexError, ValueError):
        return False
