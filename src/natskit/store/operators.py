"""Operators: creating one with or without a system account, importing somebody else's, deleting."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from natskit.errors import AlreadyExists, InvalidToken, StoreError, UsageError
from natskit.nkeys import KeyPair, Role

from . import names
from .files import file_names
from .keystore import Owner
from .operator_store import Info, OperatorStore
from .plan import Plan
from .profile import Profile

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims, UserClaims

    from .workspace import Workspace

__all__ = ["NewOperator", "SystemAccount", "create_operator", "import_operator", "plan_operator_removal"]

SYSTEM_ACCOUNT, SYSTEM_USER = "SYS", "sys"
_INFO_URL = "https://docs.nats.io/nats-server/configuration/sys_accounts"


class SystemAccount(msgspec.Struct, frozen=True):
    """The system account of a new operator: its claims, its user's, where that one's creds go."""

    account: AccountClaims
    user: UserClaims
    creds_path: str


class NewOperator(msgspec.Struct, frozen=True):
    """An operator that a plan makes: its store, claims, where its key goes (empty: not stored), its signing key."""

    store: OperatorStore
    claims: OperatorClaims
    key: KeyPair
    key_path: str
    signing_key: str
    system: SystemAccount | None


def check_new(root: str, name: str) -> OperatorStore:
    """The store that an operator ``name`` would have. Raises AlreadyExists, StoreError, UsageError."""
    names.check(name, "operator")
    path = os.path.join(root, name)
    if Info.read(path) is not None:
        from .commands import typed

        raise AlreadyExists(
            f"operator named {name} exists already", hint="inspect it with: " + typed("describe", "operator", name)
        )
    if file_names(path):
        raise StoreError(f'operator "{name}" cannot be made: `{path}` is not empty')
    return OperatorStore(path, Info(name=name, kind="operator", version="1"))


def create_operator(
    plan: Plan,
    name: str,
    *,
    root: str,
    key: KeyPair | None = None,
    not_before: int = 0,
    expires: int = 0,
    signing_key: bool = False,
    system: bool = False,
    service_urls: tuple[str, ...] = (),
) -> NewOperator:
    """Plan an operator, current from then on. A given ``key`` is not stored. Raises AlreadyExists, UsageError."""
    from natskit import jwt

    workspace = plan.workspace
    store = check_new(root, name)
    pair = key or KeyPair.create(Role.OPERATOR)
    extra = KeyPair.create(Role.OPERATOR) if signing_key else None
    claims = jwt.new_operator(pair.public, name)
    body = replace(claims.nats, operator_service_urls=service_urls, signing_keys=(extra.public,) if extra else ())
    claims = replace(claims, not_before=not_before, expires=expires, nats=body)
    key_path = "" if key else plan.key(pair, Owner(name))
    if extra:
        plan.key(extra)
    plan.operator_folder(store, as_in_2019=workspace.profile is Profile.Y2019)
    plan.select(operator=name, account="")
    made = _add_system_account(plan, store, extra or pair) if system else None
    if made:
        claims = replace(claims, nats=replace(claims.nats, system_account=made.account.subject))
        plan.select(account=SYSTEM_ACCOUNT)
    plan.token(store.operator_path, workspace.sign(claims, pair))
    return NewOperator(store, claims, pair, key_path, extra.public if extra else "", made)


def _add_system_account(plan: Plan, store: OperatorStore, signer: KeyPair) -> SystemAccount:
    from natskit import jwt
    from natskit.jwt.files import write_creds

    workspace = plan.workspace
    identity, signing, user_key = (KeyPair.create(role) for role in (Role.ACCOUNT, Role.ACCOUNT, Role.USER))
    account = jwt.new_account(identity.public, SYSTEM_ACCOUNT)
    body = replace(account.nats, exports=_monitoring_exports(), signing_keys=(signing.public,))
    account = replace(account, nats=body)
    user = jwt.new_user(user_key.public, SYSTEM_USER)
    user = replace(user, nats=replace(user.nats, issuer_account=identity.public))
    token = workspace.sign(user, signing)
    plan.key(identity, Owner(store.name, SYSTEM_ACCOUNT))
    plan.key(signing)
    plan.key(user_key, Owner(store.name, SYSTEM_ACCOUNT, SYSTEM_USER))
    plan.token(store.account_path(SYSTEM_ACCOUNT), workspace.sign(account, signer))
    plan.token(store.user_path(SYSTEM_ACCOUNT, SYSTEM_USER), token)
    creds = plan.workspace.keystore.creds_path(store.name, SYSTEM_ACCOUNT, SYSTEM_USER)
    plan.creds(creds, write_creds(token, user_key.seed))
    return SystemAccount(account, user, creds)


def _monitoring_exports() -> tuple[object, ...]:
    from natskit.jwt import Export

    return (
        Export(
            name="account-monitoring-services",
            subject="$SYS.REQ.ACCOUNT.*.*",
            type="service",
            response_type="Stream",
            account_token_position=4,
            description="Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO",
            info_url=_INFO_URL,
        ),
        Export(
            name="account-monitoring-streams",
            subject="$SYS.ACCOUNT.*.>",
            type="stream",
            account_token_position=3,
            description="Account specific monitoring stream",
            info_url=_INFO_URL,
        ),
    )


def import_operator(plan: Plan, token: str, *, name: str = "", force: bool = False) -> tuple[OperatorStore, bool]:
    """Plan a managed store for somebody else's operator, current from then on; the second tells of another identity.

    ``name`` stands for that of the token. Raises AlreadyExists unless ``force``, InvalidToken, UsageError.
    """
    from natskit.jwt import OperatorClaims, decode

    claims = decode(token, OperatorClaims)
    if claims.issuer not in (claims.subject, *claims.nats.signing_keys):
        raise InvalidToken(
            f'the token of operator "{claims.name}" is signed by {claims.issuer}, which is none of its keys'
        )
    if claims.nats.version == 1 and plan.workspace.profile is Profile.CURRENT:
        raise InvalidToken("the operator jwt (v1) is incompatible with this profile", hint="set NSC_PROFILE=2019")
    name = names.check(name or claims.name, "operator")
    root = plan.workspace.stores_root
    path = os.path.join(root, name)
    info = Info.read(path)
    if info is None:
        store = check_new(root, name)
        store.info.managed = True
        plan.operator_folder(store, as_in_2019=plan.workspace.profile is Profile.Y2019)
        other = False
    elif not force:
        raise AlreadyExists(f"operator named {name} exists already please inspect and use --force to overwrite")
    else:
        store = OperatorStore(path, info)
        other = store.operator().subject != claims.subject
    plan.token(store.operator_path, token)
    plan.select(operator=name)
    return store, other


def plan_operator_removal(plan: Plan, store: OperatorStore, *, key: bool, creds: bool) -> int:
    """Plan to delete an operator with all its accounts; the number of accounts. Raises NotFound, StoreError."""
    from .accounts import delete_account

    accounts = store.accounts()
    claims = store.operator()
    for name in accounts:
        delete_account(plan, store, name, key=key, creds=creds)
    if key:
        for public in (*claims.nats.signing_keys, claims.subject):
            if path := plan.workspace.keystore.find(public):
                plan.discard(path)
    plan.remove(store.operator_path)
    plan.remove(store.accounts_path + "/")
    plan.remove(os.path.join(store.path, ".nsc"))
    plan.remove(store.path + "/")
    return len(accounts)


def key_of(workspace: Workspace, given: str) -> KeyPair | None:
    """The own key of a new operator, None if none was given. Raises UsageError for one that cannot sign."""
    from .signing import read_key

    if not given:
        return None
    pair = read_key(workspace, given, Role.OPERATOR)
    if not pair.can_sign:
        raise UsageError("a key is required: the seed of the operator, or a file that holds it")
    return pair
