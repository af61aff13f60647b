"""Creds of users that are in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.errors import NotFound, UsageError

if TYPE_CHECKING:
    from .workspace import Workspace

__all__ = ["creds_of", "find_user"]


def find_user(workspace: Workspace, account: str, given: str) -> str:
    """The user that ``given`` (a name or public key) means, by default the only one. Raises UsageError, NotFound."""
    from natskit.nkeys import Role, is_public

    store = workspace.operator()
    if not given:
        users = store.users(account)
        if len(users) == 1:
            return users[0]
        if not users:
            from .commands import typed

            raise NotFound(f'account "{account}" has no users', hint=typed("add", "user", "--account", account, "NAME"))
        raise UsageError("user is required", hint=_to_list_users(account))
    if store.has_user(account, given):
        return given
    if not is_public(given, Role.USER):
        raise NotFound(f'user "{given}" not found in "{account}"', hint=_to_list_users(account))
    found = store.find_user(account, given)
    if found is None:
        raise NotFound(f"no user found with public key {given}", hint=_to_list_users(account))
    return found


def _to_list_users(account: str) -> str:
    from .commands import typed

    return typed("list", "users", "--account", account)


def creds_of(workspace: Workspace, account: str, user: str) -> str:
    """The creds of a user: token and seed. Raises NotFound if the seed is not stored."""
    from natskit.jwt.files import write_creds

    store = workspace.operator()
    claims, token = store.user_and_token(account, user)
    public = claims.subject
    seed = workspace.keystore.seed(public)
    if seed is None:
        raise NotFound(
            f'the seed of user "{user}" ({public}) is not in the keystore',
            hint="creds need it: nsc import keys, or nsc list keys --users to see what is stored",
        )
    return write_creds(token, seed)
