"""Another name for an account: its token says it, its users and their creds move along."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from natskit.errors import AlreadyExists

from . import names
from .files import exists, read_text
from .keystore import Owner
from .signing import edit_signer

if TYPE_CHECKING:
    from .keystore import Keystore
    from .operator_store import OperatorStore
    from .plan import Plan

__all__ = ["Renamed", "plan_renaming"]


class Renamed(NamedTuple):
    """What a plan moves: users, and those of them that have creds."""

    public: str
    users: list[str]
    creds: list[str]


def plan_renaming(plan: Plan, store: OperatorStore, old: str, new: str, *, signer: str = "") -> Renamed:
    """Plan to call the account ``old`` ``new`` from now on; it keeps its keys.

    Raises NotFound, AlreadyExists, UsageError, StoreError.
    """
    workspace, keystore = plan.workspace, plan.workspace.keystore
    names.check(new, "account")
    claims = store.account(old)
    if exists(store.account_folder(new)):
        raise AlreadyExists(f'account "{new}" already exists')
    pair = edit_signer(workspace, store, claims, signer, prefer=claims.issuer)
    plan.account(store, new, claims.subject, workspace.sign(replace(claims, name=new), pair))
    _move_key(plan, claims.subject, Owner(store.name, new))
    users, creds = store.users(old), []
    for user in users:
        moved, token = store.user_and_token(old, user)
        plan.token(store.user_path(new, user), token)
        plan.remove(store.user_path(old, user))
        _move_key(plan, moved.subject, Owner(store.name, new, user))
        if _move_creds(plan, keystore, store.name, old, new, user):
            creds.append(user)
    plan.discard(keystore.creds_folder(store.name, old) + "/")
    plan.remove(store.users_folder(old) + "/")
    plan.remove(store.account_path(old))
    plan.remove(store.account_folder(old) + "/")
    if workspace.config.account == old:
        plan.select(account=new)
    return Renamed(claims.subject, users, creds)


def _move_key(plan: Plan, public: str, owner: Owner) -> None:
    """Keys of 2019 are in files named after their account; those of today stay where they are."""
    keystore = plan.workspace.keystore
    was, place = keystore.find(public), keystore.path_of(public, owner)
    pair = keystore.pair(public) if was and was != place else None
    if was and pair:
        plan.key(pair, owner)
        plan.discard(was)


def _move_creds(plan: Plan, keystore: Keystore, operator: str, old: str, new: str, user: str) -> bool:
    was = keystore.creds_path(operator, old, user)
    text = read_text(was)
    if text is not None:
        plan.creds(keystore.creds_path(operator, new, user), text)
        plan.discard(was)
    return text is not None
