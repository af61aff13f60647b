"""Accounts and users whose tokens were made elsewhere, taken into the store (spec/nsc-commands.md 3.3, 3.4)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import (
    AlreadyExists,
    ClaimsError,
    DecodeError,
    DeniedError,
    InvalidToken,
    NotFound,
    StoreError,
    UsageError,
    VerifyError,
)
from natskit.nkeys import KeyPair, Role

from . import names
from .files import read_text
from .keystore import Owner
from .signing import edit_signer

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, UserClaims

    from .operator_store import OperatorStore
    from .plan import Plan

__all__ = ["ImportedUser", "plan_account_import", "plan_user_import"]


def _read(path: str, *endings: str) -> str:
    """The text of a token file. Raises NotFound, UsageError for another kind of file, StoreError."""
    text = read_text(path)
    if text is None:
        raise NotFound(f"open {path}: no such file or directory")
    if os.path.splitext(path)[1] not in endings:
        raise UsageError(f"expected these file endings: [{' '.join(endings)}]")
    return text


def _check_issues(claims: Claims, now: int, *, skip: bool) -> list[str]:
    """What is wrong with the claims. Raises ClaimsError for what blocks, dates too, unless ``skip``."""
    from natskit.jwt import issues

    found = list(issues(claims, now))
    texts = [issue.text for issue in found]
    if any(issue.refused for issue in found) and not skip:
        raise ClaimsError(
            f"validation resulted in: {'; '.join(texts)}", issues=found, hint="to import it all the same: --skip"
        )
    return texts


def _check_same(kind: str, name: str, was: str, subject: str) -> None:
    if was != subject:
        raise StoreError(
            f'the {kind} "{name}" in the store has the same name only: its key is {was}, not {subject}',
            hint="rename or delete one of them",
        )


def plan_account_import(
    plan: Plan, store: OperatorStore, path: str, *, signer: str = "", overwrite: bool, skip: bool, force: bool
) -> tuple[AccountClaims, list[str]]:
    """Plan to store the account in the file ``path``; its claims and what is wrong with them.

    A self-signed account is signed by the operator, one of another operator too if ``force``; one that the operator
    signed stays as it is. Raises NotFound, AlreadyExists, ClaimsError, UsageError, StoreError, InvalidToken.
    """
    from natskit.jwt import AccountClaims, decode, did_sign
    from natskit.jwt.files import parse_jwt

    token = parse_jwt(_read(path, ".jwt")).strip()
    try:
        claims = decode(token, AccountClaims)
    except (DecodeError, VerifyError) as error:
        raise InvalidToken(f"failed to decode `{path}`: {error}") from None
    name = names.check(claims.name, "account")
    if store.has_account(name):
        if not overwrite:
            raise AlreadyExists(f'account "{name}" already exists, overwrite with --overwrite')
        _check_same("account", name, store.account(name).subject, claims.subject)
    found = _check_issues(claims, plan.workspace.now(), skip=skip)
    if not did_sign(store.operator(), claims):
        token = _sign_again(plan, store, claims, signer, force=force)
    plan.account(store, name, claims.subject, token)
    return claims, found


def _sign_again(plan: Plan, store: OperatorStore, claims: AccountClaims, signer: str, *, force: bool) -> str:
    if claims.issuer in (claims.subject, *claims.nats.signing_key_names):
        if store.managed:
            raise DeniedError(
                "only a non managed store can import a self signed account", hint=f"operator {store.name} must sign it"
            )
    elif not force:
        raise VerifyError(
            f"can only import account signed by same operator: {claims.issuer} is no key of {store.name}",
            hint="update the operator (nsc add operator --force -u ...), or let yours sign it: --force",
        )
    return plan.workspace.sign(claims, edit_signer(plan.workspace, store, claims, signer))


class ImportedUser(NamedTuple):
    """A user that a plan stores: claims, account, where its seed goes (empty: it came without), what is wrong."""

    claims: UserClaims
    account: str
    key_path: str
    issues: list[str]


def plan_user_import(plan: Plan, store: OperatorStore, path: str, *, overwrite: bool, skip: bool) -> ImportedUser:
    """Plan to store the user in the token or creds file ``path``, with the seed if that is there.

    Raises NotFound, AlreadyExists, ClaimsError, UsageError, StoreError, InvalidToken, InvalidKey.
    """
    from natskit.jwt import UserClaims, decode, did_sign
    from natskit.jwt.files import parse_jwt

    text = _read(path, ".jwt", ".creds")
    token = parse_jwt(text).strip()
    try:
        claims = decode(token, UserClaims)
    except (DecodeError, VerifyError) as error:
        raise InvalidToken(f"failed to decode `{path}`: {error}") from None
    name = names.check(claims.name, "user")
    account = store.find_account(claims.account)
    if account is None:
        raise NotFound(f"referenced Account {claims.account} not found, import first", hint="nsc import account")
    if store.has_user(account, name):
        if not overwrite:
            raise AlreadyExists(f'user "{name}" already exists, overwrite with --overwrite')
        _check_same("user", name, store.user(account, name).subject, claims.subject)
    if not did_sign(store.account(account), claims):
        raise VerifyError(
            f'can only import user signed by existing account: {claims.issuer} is no key of "{account}"',
            hint="update the account: nsc import account --overwrite, or nsc pull",
        )
    found = _check_issues(claims, plan.workspace.now(), skip=skip)
    key_path = _plan_seed(plan, claims, text, Owner(store.name, account, name)) if path.endswith(".creds") else ""
    plan.token(store.user_path(account, name), token)
    return ImportedUser(claims, account, key_path, found)


def _plan_seed(plan: Plan, claims: UserClaims, text: str, owner: Owner) -> str:
    from natskit.jwt.files import parse_seed

    pair = KeyPair.from_seed(parse_seed(text))
    if pair.role is not Role.USER or pair.public != claims.subject:
        raise StoreError(f"the seed in the creds is that of {pair.public}, the token that of {claims.subject}")
    return plan.key(pair, owner)
