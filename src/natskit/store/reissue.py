"""A new identity for an operator, and what must be signed again because of it (spec/nsc-commands.md 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from natskit.errors import DeniedError, NotFound
from natskit.nkeys import KeyPair, Role, is_public

from .keystore import Owner
from .signing import read_key

if TYPE_CHECKING:
    from natskit.jwt import OperatorClaims

    from .operator_store import OperatorStore
    from .plan import Plan

__all__ = ["Reissued", "reissue_operator"]


class Reissued(NamedTuple):
    """What a plan does: the operator's old and new key, and by account whether it is signed again."""

    old: str
    new: str
    accounts: dict[str, bool]


def reissue_operator(plan: Plan, store: OperatorStore, *, key: str = "", keep_old: bool = False) -> Reissued:
    """Plan a new identity: a new key, or the one that ``key`` gives. Accounts signed by the old one are signed again.

    ``keep_old`` makes the old identity a signing key instead, so that accounts can stay as they are.
    Raises UsageError, NotFound (no key to sign with), StoreError.
    """
    if store.managed:
        raise DeniedError("resign is only supported in non managed stores", hint="the operator's key is not here")
    claims = store.operator()
    strict = claims.nats.strict_signing_key_usage
    signing_keys = claims.nats.signing_keys
    if keep_old and claims.subject not in signing_keys:
        signing_keys = (*signing_keys, claims.subject)
    if strict and not signing_keys:
        raise DeniedError("resign of strict operator is only supported with signing keys present")
    pair = _identity(plan, key)
    body = replace(claims.nats, signing_keys=tuple(each for each in signing_keys if each != pair.public))
    if strict and not body.signing_keys:
        raise DeniedError("resign of strict operator is only supported with signing keys present")
    changed = replace(claims, subject=pair.public, nats=body)
    plan.token(store.operator_path, plan.workspace.sign(changed, pair))
    plan.replace_key(pair, Owner(store.name))
    accounts = {} if keep_old else _sign_accounts(plan, store, changed, claims.subject, pair)
    return Reissued(claims.subject, pair.public, accounts)


def _identity(plan: Plan, given: str) -> KeyPair:
    if not given:
        return KeyPair.create(Role.OPERATOR)
    keystore = plan.workspace.keystore
    if is_public(given, Role.OPERATOR):
        return keystore.require(given)
    pair = read_key(plan.workspace, given, Role.OPERATOR)
    return pair if pair.can_sign else keystore.require(pair.public)


def _sign_accounts(
    plan: Plan, store: OperatorStore, operator: OperatorClaims, old: str, identity: KeyPair
) -> dict[str, bool]:
    """Accounts that the old key signed are signed by the new one; for a strict operator by a signing key."""
    done = {}
    for name in store.accounts():
        account = store.account(name)
        done[name] = account.issuer == old
        if done[name]:
            signer = _signing_key(plan, operator) if operator.nats.strict_signing_key_usage else identity
            plan.token(store.account_path(name), plan.workspace.sign(account, signer))
    return done


def _signing_key(plan: Plan, operator: OperatorClaims) -> KeyPair:
    for public in operator.nats.signing_keys:
        pair = plan.workspace.keystore.pair(public)
        if pair is not None:
            return pair
    listed = ", ".join(operator.nats.signing_keys)
    raise NotFound(f"unable to resolve any of the following signing keys in the keystore: {listed}")
