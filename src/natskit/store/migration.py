"""Accounts that move to another operator, with their users (spec/nsc-commands.md 3.3, ``migrate``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import AlreadyExists, NotFound, StoreError

from . import names
from .files import read_text, sub_directories
from .signing import edit_signer
from .tokens import is_url, load_token

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims

    from .operator_store import OperatorStore
    from .plan import Plan

__all__ = ["Migrant", "account_files", "load_migrant", "plan_migration"]


class Migrant(NamedTuple):
    """An account from elsewhere: its claims and its users' tokens by name; None if users cannot be known (a URL)."""

    claims: AccountClaims
    users: dict[str, str] | None


def account_files(operator_folder: str) -> Iterator[str]:
    """The token files of every account in the folder of an operator. Raises NotFound."""
    accounts = os.path.join(operator_folder, "accounts")
    found = [os.path.join(accounts, name, f"{name}.jwt") for name in sub_directories(accounts)]
    found = [path for path in found if os.path.isfile(path)]
    if not found:
        raise NotFound(f"`{operator_folder}` has no accounts: it should be the folder of an operator")
    yield from found


def load_migrant(source: str, path: str) -> Migrant:
    """The account that ``source`` (a URL, or the file ``path``) gives, with the users beside the file.

    Raises NotFound, StoreError, InvalidToken, VerifyError.
    """
    from natskit.jwt import AccountClaims, UserClaims, decode

    claims = decode(load_token(source, path), AccountClaims)
    if is_url(source):
        return Migrant(claims, None)
    users: dict[str, str] = {}
    folder = os.path.join(os.path.dirname(path), "users")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        token = read_text(os.path.join(folder, name)) if name.endswith(".jwt") else None
        if token is not None:
            user = decode(token.strip(), UserClaims)
            if user.account != claims.subject:
                raise StoreError(f"`{os.path.join(folder, name)}` is a user of {user.account}, not of {claims.name}")
            users[names.check(user.name, "user")] = token.strip()
    return Migrant(claims, users)


def plan_migration(
    plan: Plan, store: OperatorStore, migrant: Migrant, *, signer: str = "", force: bool = False
) -> None:
    """Plan to make an account one of ``store``'s operator: signed anew, its users as they are.

    Raises NotFound if no key of the account is stored, AlreadyExists unless ``force``, UsageError.
    """
    claims = migrant.claims
    name = names.check(claims.name, "account")
    keystore = plan.workspace.keystore
    keys = (claims.subject, *claims.nats.signing_key_names)
    if not any(map(keystore.has, keys)):
        raise NotFound(
            f'unable to find an account key for "{name}" - need one of {", ".join(keys)}',
            hint="nsc import keys --dir DIR",
        )
    if store.has_account(name):
        _check_there(store, name, claims, force=force)
    pair = edit_signer(plan.workspace, store, claims, signer)
    plan.account(store, name, claims.subject, plan.workspace.sign(claims, pair))
    for user, token in (migrant.users or {}).items():
        plan.token(store.user_path(name, user), token)


def _check_there(store: OperatorStore, name: str, claims: AccountClaims, *, force: bool) -> None:
    if not force:
        raise AlreadyExists(f'account "{name}" already exists, specify --force to overwrite')
    if store.account_token(name) and store.account(name).subject != claims.subject:
        raise AlreadyExists(
            f'account "{name}" is another one here: {store.account(name).subject}, not {claims.subject}'
        )
