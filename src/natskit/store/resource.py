"""``nsc://operator/account/user?options``: a name for something in a store, and what of it a program wants to know.

Source: spec/nsc-commands.md 3.7, ``generate profile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natskit.errors import NotFound, UsageError

from .credentials import find_user
from .keystore import Keystore
from .operator_store import find_store

if TYPE_CHECKING:
    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = ["Resource", "profile_of"]

_LEVELS = ("operator", "account", "user")
_FACTS = ("key", "seed", "name")
_SCHEME = "nsc://"


class Resource(msgspec.Struct, frozen=True):
    """A parsed URL. ``wanted`` maps a level and a fact (``operator``, ``seed``) to the key that is asked for, or ""."""

    operator: str
    account: str = ""
    user: str = ""
    wanted: dict[tuple[str, str], str] = {}
    store: str = ""
    keystore: str = ""

    @classmethod
    def parse(cls, url: str) -> Resource:
        """Raises UsageError."""
        from urllib.parse import unquote

        if not url.lower().startswith(_SCHEME):
            raise UsageError(f"error parsing \"{url}\": invalid nsc url: expecting 'nsc://'")
        path, _, query = url[len(_SCHEME) :].partition("?")
        names = [unquote(part) for part in path.rstrip("/").split("/")]
        if not names[0]:
            raise UsageError(f'error parsing "{url}": invalid nsc url: expecting an operator name')
        if len(names) > len(_LEVELS):
            raise UsageError(f'error parsing "{url}": invalid nsc url: at most operator, account and user')
        wanted: dict[tuple[str, str], str] = {}
        places: dict[str, str] = {}
        for option in filter(None, query.split("&")):
            name, _, value = option.partition("=")
            if name.lower() in ("store", "keystore"):
                places[name.lower()] = unquote(value)
            else:
                wanted |= _wanted(name, unquote(value), _LEVELS[: len(names)], url)
        operator, account, user = (*names, "", "")[: len(_LEVELS)]
        return cls(operator, account, user, wanted, places.get("store", ""), places.get("keystore", ""))


def _wanted(option: str, value: str, levels: tuple[str, ...], url: str) -> dict[tuple[str, str], str]:
    """What an option asks for: ``operatorSeed`` one thing, ``names`` of all levels, ``key`` of the last."""
    name = option.lower()
    for level in _LEVELS:
        fact = name.removeprefix(level)
        if fact != name and fact in _FACTS:
            return {(level, fact): value} if level in levels else {}
    fact = name.removesuffix("s")
    if fact not in _FACTS:
        raise UsageError(f'error parsing "{url}": unknown option "{option}"')
    return {(level, fact): value for level in (levels[-1:] if name == "key" else levels)}


def profile_of(workspace: Workspace, resource: Resource) -> dict[str, Any]:
    """What ``resource`` asks for, in the shape that programs read. Raises NotFound, UsageError."""
    if resource.operator not in workspace.operators() and not resource.store:
        workspace.check_operator(resource.operator)
    store = find_store(resource.store or workspace.stores_root, resource.operator)
    keystore = Keystore(resource.keystore) if resource.keystore else workspace.keystore
    profile: dict[str, Any] = {}
    operator = store.operator()
    service = {"service": list(operator.nats.operator_service_urls)} if operator.nats.operator_service_urls else {}
    profile["operator"] = service | _facts(resource, "operator", operator, operator.nats.signing_keys, keystore)
    if not resource.account:
        return profile
    account = workspace.find_account(store, resource.account)
    claims = store.account(account)
    _add(profile, "account", _facts(resource, "account", claims, claims.nats.signing_key_names, keystore))
    if not resource.user:
        return profile
    user = _user(workspace, store, account, resource.user)
    _add(profile, "user", _facts(resource, "user", store.user(account, user), (), keystore))
    return {"user_creds": keystore.creds_path(store.name, account, user), **profile}


def _add(profile: dict[str, Any], level: str, facts: dict[str, str]) -> None:
    if facts:
        profile[level] = facts


def _user(workspace: Workspace, store: OperatorStore, account: str, given: str) -> str:
    """Users are found by public key or by name, in upper or lower case."""
    for name in store.users(account):
        if name.lower() == given.lower():
            return name
    try:
        return find_user(workspace, account, given)
    except NotFound:
        raise NotFound(f'invalid user "{given}": user was not found') from None


def _facts(
    resource: Resource, level: str, claims: Any, signing_keys: tuple[str, ...], keystore: Keystore
) -> dict[str, str]:
    facts: dict[str, str] = {}
    if (level, "name") in resource.wanted:
        facts["name"] = claims.name
    if (level, "seed") in resource.wanted:
        key = resource.wanted[level, "seed"] or claims.subject
        if key not in (claims.subject, *signing_keys):
            raise NotFound(f'"{key}" was not found', hint=f"it is no key of {level} {claims.name}")
        seed = keystore.seed(key)
        if seed is None:
            raise NotFound(f'no seed was found for "{key}"')
        facts["seed"] = seed
    if (level, "key") in resource.wanted:
        facts["id"] = claims.subject
    return facts
