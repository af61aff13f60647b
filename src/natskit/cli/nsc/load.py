"""``nsc load``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from natskit.cli.command import command, text
from natskit.errors import AlreadyExists, Error, InvalidKey, NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims
    from natskit.nkeys import KeyPair
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["load"]


@command(
    text("profile", "", "nsc://<well-known operator>?secret=<account seed>[&user=<name>]", metavar="URL"),
    text("url", "", "URL of the operator's JWT", metavar="URL"),
    text("seed", "", "seed of the account", metavar="SEED"),
    text("user", "", 'name of the user to create, default "default"', metavar="NAME"),
    stores=False,
    examples=[("nsc load --profile 'nsc://synadia?secret=SA...'", "set up an account of a service on this machine")],
)
def load(run: Run, *, profile: str, url: str, seed: str, user: str) -> None:
    """Set up an account that lives at a service: its operator, the account, and a user with creds. All or none."""
    from natskit.store.group import Group
    from natskit.store.managed import pull_account
    from natskit.store.tokens import fetch_operator

    source = _source(run, profile, url, seed, user)
    token = fetch_operator(source.url)
    server = _account_server(token)
    pulled, claims = pull_account(server, source.key.public)
    with Group(run.workspace) as group:
        try:
            with group.staging():
                store = _import(run, token, source.operator)
                account = _store_account(run, store, source.key, claims, pulled)
                _add_user(run, store, account, source.user)
        except Error:
            run.forget_files()
            raise
        group.commit()


class _Source(NamedTuple):
    url: str
    operator: str
    key: KeyPair
    user: str


def _source(run: Run, profile: str, url: str, seed: str, user: str) -> _Source:
    """What the flags say. Raises UsageError, NotFound."""
    from natskit.nkeys import KeyPair, Role
    from natskit.store.well_known import operator_url

    operator = ""
    if profile:
        operator, seed, named = _parse(profile)
        user = user or named
        try:
            url = operator_url(run.workspace.environ, operator)[0]
        except NotFound as error:
            raise NotFound("operator not found", hint=error.hint) from None
    if not url:
        raise UsageError("missing account server URL", hint="nsc load --profile URL")
    try:
        key = KeyPair.from_seed(seed)
    except InvalidKey:
        raise UsageError("expected account seed to initialize") from None
    if key.role is not Role.ACCOUNT:
        raise UsageError(f"expected account seed to initialize, not one of kind {key.role.value}")
    return _Source(url, operator, key, user or "default")


def _parse(profile: str) -> tuple[str, str, str]:
    """Operator, account seed and user name of a profile URL. Raises UsageError; the message does not show it."""
    from urllib.parse import parse_qs, urlsplit

    try:
        parts = urlsplit(profile)
        query = parse_qs(parts.query)
    except ValueError:
        raise UsageError("the profile is no URL") from None
    if parts.scheme.lower() != "nsc" or not parts.netloc:
        raise UsageError("invalid nsc url: expecting 'nsc://<operator>?secret=<account seed>'")
    return parts.netloc, query.get("secret", [""])[0], query.get("user", [""])[0]


def _account_server(token: str) -> str:
    from natskit.jwt import OperatorClaims, decode
    from natskit.store.tokens import is_url

    claims = decode(token, OperatorClaims)
    if not is_url(claims.nats.account_server_url):
        raise StoreError(f'operator "{claims.name}" does not name an account server')
    return claims.nats.account_server_url


def _import(run: Run, token: str, name: str) -> OperatorStore:
    """The operator's store, made or brought up to date; what is newer there stays.

    Raises AlreadyExists where another operator has the name, StoreError where a stranger signed the token.
    """
    from natskit import jwt
    from natskit.store import Plan, operators
    from natskit.store.syncing import plan_pulled_operator

    plan = Plan(run.workspace)
    store, other = operators.import_operator(plan, token, name=name, force=True)
    if other:
        raise AlreadyExists(f'a different operator named "{store.name}" already exists', hint="use --data-dir")
    if store.name in run.workspace.operators():
        plan = Plan(run.workspace)
        plan.select(operator=store.name)
        if store.operator().issued_at <= jwt.decode(token).issued_at:
            plan_pulled_operator(plan, store, token, overwrite=False)
    run.files(plan.commit())
    run.fact(operator={"name": store.name, "managed": store.managed})
    return store


def _store_account(run: Run, store: OperatorStore, key: KeyPair, claims: AccountClaims, token: str) -> str:
    """Store the account that the service has, signed by its own key, unless the store has a newer one; its name."""
    from natskit.store import Owner, Plan, accounts
    from natskit.store.syncing import Known

    known = Known(store)
    known.check_place(claims)
    if not known.trusts(claims):
        raise StoreError(f'account "{claims.name}" is signed by {claims.issuer}, which is no key of "{store.name}"')
    plan = Plan(run.workspace)
    plan.key(key, Owner(store.name, claims.name))
    if known.has_newer(claims, token):
        run.warn(f'local jwt for "{claims.name}" is newer than that of the service: it stays')
    else:
        accounts.plan_account(plan, store, claims, signer=key.seed)
    plan.select(operator=store.name, account=claims.name)
    run.files(plan.commit())
    run.success(f'loaded account "{claims.name}"')
    run.fact(account={"name": claims.name, "id": claims.subject})
    return claims.name


def _add_user(run: Run, store: OperatorStore, account: str, name: str) -> None:
    from natskit import jwt
    from natskit.nkeys import KeyPair, Role
    from natskit.store import Plan, users

    if store.has_user(account, name):
        run.warn(f'the user "{name}" already exists')
        return
    key = KeyPair.create(Role.USER)
    plan = Plan(run.workspace)
    added = users.add_user(plan, store, account, jwt.new_user(key.public, name), key, own=True)
    run.files(plan.commit())
    run.note(f'Generated user key - private key stored "{run.key_path(added.key_path)}"')
    run.note(f'Generated user creds file "{run.path(added.creds_path)}"')
    run.success(f'added user "{name}" to account "{account}"')
    run.fact(user={"name": name, "id": key.public, "creds": added.creds_path})
