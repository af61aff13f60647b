"""Logins with tokens, check by check, on both servers: who is let in, and what both logs say of it.

Source: spec/server-accounts.md section 1.4. nats-server has the reason at debug level.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DENIED = "-ERR 'Authorization Violation'"
NOW = int(time.time())
ALLOW = ("$SYS.REQ.USER.INFO",)


def scope(key: KeyPair, **template: Any) -> jwt.UserScope:
    return jwt.UserScope(kind="user_scope", key=key.public, role="r", template=jwt.ScopeTemplate(**template))


class House:
    """Accounts of every kind; `good` has signing keys, two of them scoped."""

    def __init__(self) -> None:
        self.realm = Realm()
        self.stranger = KeyPair.create(Role.ACCOUNT)
        self.scoped, self.broken = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.ACCOUNT)
        self.good = self.realm.account("Good")
        self.scopes = (
            scope(self.scoped, pub=jwt.Permission(allow=("t.{{name()}}",)), payload=20),
            scope(self.broken, pub=jwt.Permission(deny=("a.{{tag(missing)}}",))),
        )
        self.publish_good()
        self.ended = self.realm.account("Ended", expires=NOW - 10)
        self.foreign = AccountOwner(self.realm, "Foreign")
        self.realm.preload[self.foreign.id] = self.foreign.token(KeyPair.create(Role.OPERATOR))
        self.own = AccountOwner(self.realm, "Own")
        self.realm.preload[self.own.id] = self.own.token(self.own.key)
        self.wary = self.realm.account("Wary", limits={"disallow_bearer": True})
        self.unknown = AccountOwner(self.realm, "Unknown")

    def publish_good(self, **body: Any) -> None:
        keys = (self.good.signing_key.public, *self.scopes)
        self.good.publish(signing_keys=keys, **body)


def credentials(user: User, nonce: str, /, **more: Any) -> dict[str, Any]:
    return {**user.credentials(nonce), **more}


def tampered(house: House) -> str:
    head, _, signature = house.good.user().token.split(".")
    return f"{head}.{house.good.user('other').token.split('.')[1]}.{signature}"


def padded(user: User, nonce: str) -> dict[str, Any]:
    raw = base64.urlsafe_b64decode(user.credentials(nonce)["sig"] + "==")
    return credentials(user, nonce, sig=base64.b64encode(raw).decode())


def foreign_signature(user: User, nonce: str) -> dict[str, Any]:
    return credentials(user, nonce, sig=user.credentials(nonce + "x")["sig"])


Offer = Callable[[House, str], dict[str, Any]]


def with_user(make: Callable[[House], User], /, **more: Any) -> Offer:
    return lambda house, nonce: credentials(make(house), nonce, **more)


def good(**body: Any) -> Offer:
    return with_user(lambda house: house.good.user(**body))


def times(start: int, end: int) -> dict[str, Any]:
    """From so many to so many hours ahead of now."""
    shown = [time.strftime("%H:00:00", time.gmtime(NOW + hours * 3600)) for hours in (start, end)]
    return {"times": (jwt.TimeRange(*shown),), "times_location": "UTC"}


NO_TOKEN = "Authentication requires a user JWT"
ROWS: dict[str, tuple[Offer, str]] = {
    "a user": (good(), ""),
    "of a signing key": (with_user(lambda house: house.good.user(signer=house.good.signing_key)), ""),
    "with an nkey beside": (with_user(lambda house: house.good.user(), nkey=KeyPair.create(Role.USER).public), ""),
    "with a user and a password beside": (with_user(lambda house: house.good.user(), user="x", **{"pass": "y"}), ""),
    "with a standard signature": (lambda house, nonce: padded(house.good.user(), nonce), ""),
    "no token": (lambda house, nonce: {"sig": "x"}, NO_TOKEN),
    "a name and a password": (lambda house, nonce: {"user": "x", "pass": "y"}, NO_TOKEN),
    "rubbish": (with_user(lambda house: house.good.user(), jwt="a.b.c"), NO_TOKEN),
    "a changed token": (lambda house, nonce: credentials(house.good.user(), nonce, jwt=tampered(house)), NO_TOKEN),
    "an account's token": (
        lambda house, nonce: credentials(house.good.user(), nonce, jwt=house.realm.preload[house.good.id]),
        NO_TOKEN,
    ),
    "expired": (good(expires=NOW - 10), "User JWT no longer valid: "),
    "not yet valid": (good(not_before=NOW + 9999), "User JWT no longer valid: "),
    "a network that is none": (good(src=("nope",)), 'invalid cidr "nope" in user src limits'),
    "a time zone that is none": (good(times_location="Nowhere/Land", times=(jwt.TimeRange("00:00:00", "23:59:59"),)), "User JWT no longer valid: "),
    "a time that is none": (good(times=(jwt.TimeRange("25:00:00", "26:00:00"),)), "User JWT no longer valid: "),
    "a subject that is none": (good(pub=jwt.Permission(allow=("a..b",))), "User JWT no longer valid: "),
    "of an unknown account": (with_user(lambda house: house.unknown.user()), "Account JWT lookup error: account missing"),
    "of an account of another operator": (with_user(lambda house: house.foreign.user()), "account validation failed"),
    "of an account that signed itself": (with_user(lambda house: house.own.user()), "account validation failed"),
    "of an account that has ended": (with_user(lambda house: house.ended.user()), "account validation failed"),
    "of a key that is not the account's": (
        with_user(lambda house: house.good.user(signer=house.stranger)), "User JWT issuer is not known",
    ),
    "of the account's key for another account": (
        with_user(lambda house: AccountOwner(house.realm, "x").user(signer=house.good.key)), "Account JWT lookup error: account missing",
    ),
    "of another account's key": (
        with_user(lambda house: house.good.user(signer=house.wary.key)), "User JWT issuer is not known",
    ),
    "scoped": (with_user(lambda house: house.good.user("bob", house.scoped, scoped=True)), ""),
    "scoped, with limits of its own": (
        with_user(lambda house: house.good.user("bob", house.scoped)),
        "User JWT is not valid: scoped users require no permissions or limits set",
    ),
    "scoped, with permissions of its own": (
        with_user(lambda house: house.good.user("bob", house.scoped, scoped=True, pub=jwt.Permission(allow=("x",)))),
        "User JWT is not valid: scoped users require no permissions or limits set",
    ),
    "scoped, without the tag that a deny entry needs": (
        with_user(lambda house: house.good.user("bob", house.broken, scoped=True)), "User JWT ",
    ),
    "a bearer": (with_user(lambda house: house.good.user(bearer_token=True), sig=""), ""),
    "a bearer with a wrong signature": (with_user(lambda house: house.good.user(bearer_token=True), sig="x"), ""),
    "a bearer where there may be none": (
        with_user(lambda house: house.wary.user(bearer_token=True), sig=""), "Account does not allow bearer tokens",
    ),
    "for this kind of connection": (good(allowed_connection_types=("FOO", "standard")), ""),
    "for another kind": (good(allowed_connection_types=("WEBSOCKET",)), "Connection type not allowed"),
    "for a kind that nobody knows": (good(allowed_connection_types=("FOO",)), 'invalid connection types ["FOO"]'),
    "without a signature": (with_user(lambda house: house.good.user(), sig=""), "Signature missing"),
    "with a signature that is none": (with_user(lambda house: house.good.user(), sig="?"), "Signature not valid base64"),
    "with a signature of something else": (
        lambda house, nonce: foreign_signature(house.good.user(), nonce), "Signature not verified",
    ),
    "from here": (good(src=("10.0.0.0/8", "127.0.0.0/8")), ""),
    "from elsewhere": (good(src=("10.0.0.0/8",)), "Bad src Ip 127.0.0.1"),
    "at this time": (good(**times(-1, 2)), ""),
    "at another time": (good(**times(2, 4)), "Outside connect times"),
    "by a proxy": (good(proxy_required=True), ""),
}  # fmt: skip
REFUSED_WITHOUT_A_WORD = {"by a proxy"}


@pytest.fixture
def house() -> House:
    return House()


async def told(engine: Engine, house: House, offer: Offer) -> str:
    client = await Client.open("c", engine.host, engine.port)
    try:
        fields = {"verbose": False} | offer(house, str(client.info["nonce"]))
        client.send(b"CONNECT " + json.dumps(fields).encode() + b"\r\nPING\r\n")
        return await client.receive()
    finally:
        await client.close()


async def test_who_gets_in_with_a_token(engine: Engine, house: House) -> None:
    await engine.start(house.realm.config())
    wrong = {}
    for name, (offer, reason) in ROWS.items():
        before = len(engine.log())
        found = await told(engine, house, offer)
        if found != (DENIED if reason or name in REFUSED_WITHOUT_A_WORD else "PONG"):
            wrong[name] = found
        elif reason not in engine.log()[before:]:  # it is written before the client is told
            wrong[name] = engine.log()[before:]
    assert not wrong


@pytest.mark.parametrize("pinned", [True, False])
async def test_accounts_may_be_pinned(engine: Engine, house: House, pinned: bool) -> None:
    account = house.good if pinned else house.wary
    await engine.start(house.realm.config(f"resolver_pinned_accounts: [{account.id}]"))
    found = await told(engine, house, good())
    assert found == ("PONG" if pinned else DENIED)
    assert pinned or f"Account {house.good.id} not listed as operator pinned account" in engine.log()


SENTINEL: list[tuple[dict[str, Any], str]] = [
    ({}, "PONG"),
    ({"user": "x", "pass": "y"}, "PONG"),
    ({"auth_token": "x"}, "PONG"),
    ({"jwt": "rubbish"}, "PONG"),
    ({"jwt": "a.b.c", "sig": "x"}, "PONG"),
]


async def test_sentinel_stands_in_for_who_has_no_token(engine: Engine, house: House) -> None:
    bearer = house.good.user("sentinel", bearer_token=True, pub=jwt.Permission(allow=ALLOW))
    await engine.start(house.realm.config(f"default_sentinel: {bearer.token}"))
    for fields, expected in SENTINEL:
        assert await told(engine, house, lambda house, nonce: fields) == expected, fields  # noqa: B023
    ended = good(expires=NOW - 10)
    assert await told(engine, house, ended) == DENIED


async def test_keys_are_trusted_without_an_operator(engine: Engine, house: House) -> None:
    accounts = ", ".join(f"{account}: {token}" for account, token in house.realm.preload.items())
    await engine.start(
        f"trusted_keys: [{house.realm.key.public}]\nresolver: MEMORY\nresolver_preload: {{ {accounts} }}\n"
    )
    assert await told(engine, house, good()) == "PONG"
    assert await told(engine, house, with_user(lambda house: house.foreign.user())) == DENIED
    assert await told(engine, house, lambda house, nonce: {"user": "x"}) == DENIED


REVOKED = [(0, False), (-1, True), (1, False)]


@pytest.mark.parametrize("whom", ["the user", "*"])
@pytest.mark.parametrize(("later", "admitted"), REVOKED)
async def test_revocation_takes_what_was_issued_until_then(
    engine: Engine, house: House, whom: str, later: int, admitted: bool
) -> None:
    user = house.good.user(ago=100)
    issued_at = jwt.decode(user.token, jwt.UserClaims).issued_at
    house.publish_good(revocations={user.key.public if whom == "the user" else "*": issued_at + later})
    await engine.start(house.realm.config())
    assert await told(engine, house, with_user(lambda house: user)) == ("PONG" if admitted else DENIED)
    assert admitted or "User authentication revoked" in engine.log()


TEMPLATES: list[tuple[jwt.Permission, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    (jwt.Permission(allow=("{{name()}}.{{subject()}}",)), (), ("bob.{user}",), ("bob.x", "x")),
    (jwt.Permission(allow=("{{account-name()}}.{{account-subject()}}",)), (), ("Scoped.{account}",), ("x",)),
    (
        jwt.Permission(allow=("{{tag(a)}}.{{tag(b)}}",)),
        ("a:1", "a:2", "b:3", "b:4"),
        ("1.3", "1.4", "2.3", "2.4"),
        ("1.1", "3.1"),
    ),
    (jwt.Permission(allow=("t.{{tag(no)}}", "plain")), (), ("plain",), ("t.x", "t")),
    (jwt.Permission(allow=("t.{{tag(no)}}",)), (), (), ("t.x", "anything")),
    (jwt.Permission(allow=("{{account-tag(zone)}}.>",)), (), ("eu.x",), ("us.x",)),
    (jwt.Permission(deny=("{{tag(a)}}.>",)), ("a:1",), ("2.x",), ("1.x",)),
]


@pytest.mark.parametrize(("rights", "tags", "allowed", "denied"), TEMPLATES)
async def test_templates_are_filled_in(
    engine: Engine, rights: jwt.Permission, tags: tuple[str, ...], allowed: tuple[str, ...], denied: tuple[str, ...]
) -> None:
    realm = Realm()
    account = realm.account("Scoped")
    key = KeyPair.create(Role.ACCOUNT)
    account.publish(signing_keys=(scope(key, pub=rights),), tags=("zone:eu",))
    user = account.user("bob", key, scoped=True, tags=tags)
    await engine.start(realm.config())
    player = Player(engine.host, engine.port, engine.name, login=lambda _, info: user.credentials(str(info["nonce"])))
    try:
        for subject in (*allowed, *denied):
            literal = subject.format(user=user.key.public, account=account.id)
            fault = "(nothing)" if subject in allowed else f"-ERR 'Permissions Violation for Publish to \"{literal}\"'"
            await player.play(f"u> PUB {literal} 1 | x\nu< {fault}")
    finally:
        await player.close()


def seconds(ahead: int) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(time.time() + ahead))


async def test_user_has_to_leave_at_the_end_of_its_longest_window_or_of_its_token(engine: Engine, house: House) -> None:
    def user(*ends: int, **more: Any) -> User:
        ranges = tuple(jwt.TimeRange(seconds(-3600), seconds(end)) for end in ends)
        return house.good.user(times=ranges, times_location="UTC", **more)

    users = {"a": user(2), "b": user(2, 3600), "c": user(3600), "d": user(3600, expires=int(time.time()) + 2)}
    await engine.start(house.realm.config())
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: users[name].credentials(str(info["nonce"]))
    )
    try:
        for name in users:
            await player.play(f"{name}> PUB x 0")
        await engine.pass_time(2)
        await player.play("""
            a< -ERR 'User Authentication Expired' | <EOF>
            d< -ERR 'User Authentication Expired' | <EOF>
            b< (nothing)
            c< (nothing)
        """)
    finally:
        await player.close()


PERMITTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing of its own": ({}, ["no"]),
    "a list for subscriptions": ({"sub": jwt.Permission(deny=("x",))}, []),
    "a list for publishing": ({"pub": jwt.Permission(deny=("z",))}, ["z"]),
    "answers": ({"resp": jwt.ResponsePermission(max=1)}, ["no", "yes", "z"]),
}


@pytest.mark.parametrize("own", PERMITTED)
async def test_permissions_of_the_account_are_for_users_without_any(engine: Engine, house: House, own: str) -> None:
    body, denied = PERMITTED[own]
    defaults = jwt.Permissions(pub=jwt.Permission(deny=("no",)))
    house.publish_good(default_permissions=defaults)
    user = house.good.user(**body)
    await engine.start(house.realm.config())
    player = Player(engine.host, engine.port, engine.name, login=lambda _, info: user.credentials(str(info["nonce"])))
    try:
        for subject in ("no", "yes", "z"):
            fault = f"-ERR 'Permissions Violation for Publish to \"{subject}\"'" if subject in denied else "(nothing)"
            await player.play(f"u> PUB {subject} 1 | x\nu< {fault}")
    finally:
        await player.close()


async def test_answers_are_allowed_by_tokens(engine: Engine, house: House) -> None:
    may = jwt.ResponsePermission(max=2, ttl=1_000_000_000)
    users = {"r": house.good.user(resp=may, sub=jwt.Permission(allow=("svc",))), "c": house.good.user()}
    await engine.start(house.realm.config())
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: users[name].credentials(str(info["nonce"]))
    )
    try:
        await player.play("""
            r> SUB svc 1
            c> SUB in 1 | PUB svc in 1 | q
            r< MSG svc 1 in 1 | q
            r> PUB in 1 | 1 | PUB in 1 | 2 | PUB in 1 | 3
            r< -ERR 'Permissions Violation for Publish to "in"'
            c< MSG in 1 1 | 1 | MSG in 1 1 | 2
            c> PUB svc in 1 | q
            r< MSG svc 1 in 1 | q
        """)
        await engine.pass_time(1.5)
        await player.play("r> PUB in 1 | 1\nr< -ERR 'Permissions Violation for Publish to \"in\"'\nc< (nothing)")
    finally:
        await player.close()
