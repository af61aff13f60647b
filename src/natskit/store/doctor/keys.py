"""Keys and creds: missing, damaged, out of date, or left behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TYPE_CHECKING, Any

from natskit.errors import Error
from natskit.nkeys import KeyPair, is_public

from ..commands import Command, edit_account, edit_operator
from ..files import read_text, sub_directories
from ..inventory import public_keys_of
from ..keystore import Keystore, read_pair
from ..operator_store import find_store
from .finding import Finding

if TYPE_CHECKING:
    from natskit.jwt import UserClaims

    from .survey import AccountState, Survey, UserState

__all__ = [
    "account_key_complaints",
    "creds_complaints",
    "keystore_complaints",
    "operator_key_complaints",
    "signing_key_complaints",
]


def operator_key_complaints(survey: Survey) -> Iterator[Finding]:
    """The operator's keys that are not stored."""
    operator = survey.operator
    if operator is None:
        return
    keys = (operator.subject, *operator.nats.signing_keys)
    survey.known_keys.update(keys)
    if not survey.store.managed:
        whose = f'operator "{survey.store.name}"'
        yield from _missing(survey, keys, whose)
        signed = {state.claims.issuer for state in survey.accounts.values() if state.claims}
        for key in [] if survey.incomplete else _unused(operator.nats.signing_keys, signed):
            fix = (edit_operator("--rm-sk", key),) if survey.can_sign_operator() else ()
            text = f"no account of the store is signed with the signing key {key} of {whose}"
            yield Finding(code="signing-key-unused", text=text, about=key, fix=fix)


def account_key_complaints(survey: Survey, state: AccountState) -> Iterator[Finding]:
    """The account's keys that are not stored."""
    claims = state.claims
    if claims is None:
        return
    keys = (claims.subject, *claims.nats.signing_key_names)
    survey.known_keys.update((*keys, claims.nats.authorization.xkey))
    yield from _missing(survey, keys, f'account "{state.name}"', state.name)


def _missing(survey: Survey, keys: tuple[str, ...], whose: str, account: str = "") -> Iterator[Finding]:
    for number, key in enumerate(keys):
        if key not in survey.stored:
            kind = "signing key" if number else "identity key"
            text = f"the {kind} {key} of {whose} is not in the keystore"
            yield Finding(code="key-missing", text=text, account=account, about=key)


def signing_key_complaints(
    survey: Survey, state: AccountState, users: Iterable[UserState], importers: Iterable[str]
) -> Iterator[Finding]:
    """Signing keys of the account with which no user and no activation is signed. ``importers``: who imports from it.

    Where tokens do not read, nobody can tell.
    """
    claims, name = state.claims, state.name
    issuers = [user.claims.issuer for user in users if user.claims]
    if claims is None or survey.incomplete:
        return
    roles = {key: scope.role for key in claims.nats.signing_key_names if (scope := claims.nats.scope_of(key))}
    plain = [key for key in claims.nats.signing_key_names if key not in roles]
    signed = {*issuers, *_activated_by(survey, claims.subject, importers if plain else ())}
    told = {
        key: f'no user has the role "{role}", signing key {key},' for key, role in roles.items() if key not in signed
    }
    told |= {key: f"no user or activation is signed with the signing key {key}" for key in _unused(plain, signed)}
    for key, text in told.items():
        fix = (edit_account(name, "--rm-sk", key),) if survey.can_edit(name) else ()
        yield Finding(code="signing-key-unused", text=f'{text} of account "{name}"', account=name, about=key, fix=fix)


def _unused(keys: Sequence[str], signed: Set[str]) -> list[str]:
    """The ones of ``keys`` that have not signed, if another has; else they are spare: the identity key signs."""
    unused = [key for key in keys if key not in signed]
    return unused if len(unused) < len(keys) else []


def _activated_by(survey: Survey, exporter: str, importers: Iterable[str]) -> Iterator[str]:
    """The keys that signed the activations with which others import from an account."""
    from natskit.jwt import ActivationClaims, decode

    for claims in (survey.accounts[name].claims for name in importers):
        for each in claims.nats.imports if claims else ():
            if each.account == exporter and each.token:
                with contextlib.suppress(Error):  # told of where the import is looked at
                    yield decode(each.token, ActivationClaims).issuer


# ---- users


def creds_complaints(survey: Survey, state: AccountState, user: UserState) -> Iterator[Finding]:
    """The key of one user and its creds."""
    claims, name = user.claims, state.name
    path = survey.keystore.creds_path(survey.store.name, name, user.name)
    survey.creds_seen.add(path)
    if claims is None:
        return
    survey.known_keys.add(claims.subject)
    stored = claims.subject in survey.stored
    if not stored:
        text = f'the key {claims.subject} of user "{user.name}" is not in the keystore'
        yield Finding(code="key-missing", text=text, account=name, user=user.name, about=claims.subject)
    code, text = _fault(path, user)
    if code and (stored or code != "creds-missing"):
        fix = _written(name, user.name, path) if stored else ()
        yield Finding(code=code, text=text, account=name, user=user.name, path=path, fix=fix)


def _written(account: str, user: str, path: str) -> tuple[Command, ...]:
    """Write the creds of a user whose key is stored."""
    folder = os.path.dirname(path)
    made: tuple[Command, ...] = () if os.path.isdir(folder) else (("mkdir", "-p", "-m", "700", folder),)
    return (*made, ("nsc", "generate", "creds", "-a", account, "-n", user, "-o", path))


def _fault(path: str, user: UserState) -> tuple[str, str]:
    """What is wrong with the creds of a user: a code and a sentence."""
    from natskit.jwt.files import parse_creds

    assert user.claims is not None
    try:
        text = read_text(path)
        if text is None:
            return "creds-missing", f'user "{user.name}" has no creds file'
        creds = parse_creds(text)
        if KeyPair.from_seed(creds.seed).public != user.claims.subject:
            return "creds-damaged", f'the creds of user "{user.name}" hold the seed of another key'
    except Error as error:
        return "creds-damaged", f'the creds of user "{user.name}" do not read: {error}'
    if creds.token.strip() != user.token:
        return "creds-outdated", f'the creds of user "{user.name}" hold another token than the store'
    return "", ""


# ---- the keystore as a whole


def keystore_complaints(survey: Survey) -> Iterator[Finding]:
    """Stored keys and creds that are damaged, or belong to nobody in the stores. After all users have been seen."""
    keystore = survey.keystore
    if keystore.is_outdated():
        text = f"`{keystore.root}` holds keys or creds in the layout of 2019"
        yield Finding(code="keystore-outdated", text=text, path=keystore.root, fix=(("nsc", "keys", "migrate"),))
    yield from _orphans(survey)
    for folder, folders, names in os.walk(keystore.root):
        if folder == keystore.root and type(keystore) is Keystore:
            folders[:] = ["keys"]  # the rest is out of place, which was told
        folders.sort()
        for name in sorted(names):
            if name.endswith(".nk"):
                yield from _damaged(survey, os.path.join(folder, name))
    yield from _orphaned_creds(survey)


def _orphans(survey: Survey) -> Iterator[Finding]:
    """Keys of nobody. Where tokens do not read, nobody can tell."""
    others = None if survey.incomplete else _keys_of_other_operators(survey)
    if others is None:
        return
    for public, path in survey.stored.items():
        if public not in survey.known_keys and public not in others:
            text = f"{public} belongs to nobody in `{survey.workspace.stores_root}`"
            fix = _put_away(survey, public)
            yield Finding(code="key-orphan", text=text, about=public, path=path, fix=fix)


def _put_away(survey: Survey, public: str) -> tuple[Command, ...]:
    """Move the key out of the keystore; it is kept, since another stores folder may know it."""
    folder = os.path.join(survey.workspace.directories.home, "nsc-orphans")
    words = ("nsc", "export", "keys", "--not-referenced", "--filter", public, "--remove", "--dir", folder)
    return (words,)


def _keys_of_other_operators(survey: Survey) -> set[str] | None:
    """The keys of the other operators in the stores folder; None if one of them does not read."""
    workspace = survey.workspace
    found: set[str] = set()
    try:
        for name in workspace.operators():
            if os.path.join(workspace.stores_root, name) != survey.store.path:
                found |= public_keys_of(find_store(workspace.stores_root, name))
    except Error:  # looked at when that operator is
        return None
    return found


def _damaged(survey: Survey, path: str) -> Iterator[Finding]:
    """Whether a key file holds what its name says, where the name is a key."""
    name = os.path.basename(path).removesuffix(".nk")
    try:
        pair = read_pair(path)
    except Error as error:
        yield Finding(code="key-damaged", text=str(error), about=name, path=path)
        return
    is_named = type(survey.keystore) is Keystore or is_public(name)
    if pair is not None and is_named and pair.public != name:
        text = f"`{path}` holds {pair.public}, its name says {name}"
        yield Finding(code="key-damaged", text=text, about=name, path=path)


def _orphaned_creds(survey: Survey) -> Iterator[Finding]:
    """Creds of users that are not in the store."""
    keystore, operator = survey.keystore, survey.store.name
    root = os.path.dirname(keystore.creds_folder(operator, "x"))
    for account in sub_directories(root):
        folder = keystore.creds_folder(operator, account)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if name.endswith(".creds") and path not in survey.creds_seen:
                yield _orphan(survey, account, name.removesuffix(".creds"), path)


def _orphan(survey: Survey, account: str, user: str, path: str) -> Finding:
    from natskit.jwt import UserClaims, decode, is_revoked
    from natskit.jwt.files import parse_jwt

    where: dict[str, Any] = {"account": account, "user": user, "path": path}
    fix: list[Command] = [("rm", path)]
    text = f'`{path}` is of user "{user}", which is not in the store'
    state = survey.accounts.get(account)
    try:
        claims: UserClaims = decode(parse_jwt(read_text(path) or "").strip(), UserClaims)
    except Error:
        return Finding(code="creds-orphan", text=text, fix=tuple(fix), **where)
    owner = state.claims if state else None
    over = owner is None or 0 < claims.expires <= survey.now
    if owner is not None and not over and not is_revoked(owner.nats.revocations, claims.subject, claims.issued_at):
        text = f"{text} and not revoked"
        if survey.can_edit(account):
            fix.insert(0, ("nsc", "revocations", "add-user", "-a", account, "-u", claims.subject))
    return Finding(code="creds-orphan", text=text, about=claims.subject, fix=tuple(fix), **where)
