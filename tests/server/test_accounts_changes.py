"""Accounts that change while they are in use: what happens to messages and to connections.

Source: spec/server-accounts.md sections 1.3, 1.6, 4.3 and 7.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import json
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import AuthenticationError, VerifyError
from natskit.nkeys import KeyPair, Role
from natskit.server.accounts import Accounts
from natskit.server.auth import Admission, Authenticator, Peer
from natskit.server.claims import ClaimsUpdates
from natskit.server.clock import Clock
from natskit.server.provision import open_accounts
from natskit.server.system import Identity, System
from support.realm import AccountOwner, Realm, User

PEER = Peer(host="127.0.0.1", port=1, nonce="nonce", cid=7)


class Guest:
    """A connection that notes what happens to it."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.subscription_count = 0
        self.ended: tuple[str, str] | None = None

    def close(self, reason: str, error: str = "") -> None:
        self.ended = self.ended or (reason, error)
        self.admission.account.leave(self)

    def readmit(self, admission: Admission) -> None:
        self.admission = admission


class House:
    """The accounts of a server and its door."""

    def __init__(self, accounts: Accounts, clock: Clock, door: Authenticator) -> None:
        self.accounts = accounts
        self.clock = clock
        self.door = door

    async def enter(self, user: User) -> Guest:
        connect = user.connect(PEER.nonce)
        guest = Guest(await self.door.authenticate(connect, PEER))
        self.door.join(guest, connect)
        return guest

    def listen(self, account: AccountOwner, pattern: str) -> list[str]:
        """What arrives in an account from now on: subjects."""
        heard: list[str] = []
        found = self.accounts.find(account.id)
        assert found is not None
        found.space.subscribe_internal(
            pattern.encode(), lambda subject, reply, headers, payload, publisher: heard.append(subject.decode())
        )
        return heard

    def publish(self, account: AccountOwner, subject: str) -> None:
        found = self.accounts.find(account.id)
        assert found is not None
        found.space.publish_internal(subject.encode())


@pytest.fixture
def realm() -> Realm:
    return Realm()


@pytest.fixture
async def closing() -> AsyncIterator[list[House]]:
    houses: list[House] = []
    yield houses
    for house in houses:
        await house.accounts.close()
        house.clock.close()


@pytest.fixture
def open_house(realm: Realm, closing: list[House]) -> Any:
    async def open_it(**options: Any) -> House:
        clock, chosen = Clock(), realm.options(**options)
        accounts = await open_accounts(chosen, clock, "2.15.1")
        house = House(accounts, clock, Authenticator(chosen, accounts, clock))
        accounts.on_change = house.door.review
        closing.append(house)
        return house

    return open_it


# ---- connections ---------------------------------------------------------------------------------


async def test_lower_connection_limit_cuts_the_newest(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    first, second, third = [await house.enter(account.user()) for _ in range(3)]
    house.accounts.update(account.id, account.token(limits={"conn": 2}))
    assert (first.ended, second.ended) == (None, None)
    assert third.ended == ("Maximum Account Connections Exceeded", "maximum account active connections exceeded")
    with pytest.raises(AuthenticationError, match="may have 2"):
        await house.enter(account.user())


async def test_revoked_user_is_cut(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    revoked, other = account.user(), account.user()
    one, two = await house.enter(revoked), await house.enter(other)
    house.accounts.update(account.id, account.token(revocations={revoked.key.public: int(time.time())}))
    assert one.ended == ("Credentials Revoked", "User Authentication Revoked")
    assert two.ended is None


async def test_user_of_a_removed_signing_key_is_cut_in_silence(realm: Realm, open_house: Any) -> None:
    account = realm.account(signing_keys=())
    account.publish(signing_keys=(account.signing_key.public,))
    house = await open_house()
    guest = await house.enter(account.user(signer=account.signing_key))
    house.accounts.update(account.id, account.token())
    assert guest.ended == ("Authentication Failure", "")


async def test_user_of_a_changed_scope_is_cut_in_silence(realm: Realm, open_house: Any) -> None:
    account = realm.account()

    def scoped(payload: int) -> jwt.UserScope:
        template = jwt.ScopeTemplate(payload=payload)
        return jwt.UserScope(kind="user_scope", key=account.signing_key.public, role="r", template=template)

    account.publish(signing_keys=(scoped(5),))
    house = await open_house()
    guest = await house.enter(account.user(signer=account.signing_key, scoped=True))
    house.accounts.update(account.id, account.token(signing_keys=(scoped(5),), limits={"conn": 10}))
    assert guest.ended is None
    house.accounts.update(account.id, account.token(signing_keys=(scoped(6),)))
    assert guest.ended == ("Authentication Failure", "")


async def test_bearer_is_cut_when_the_account_minds(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    guest = await house.enter(account.user(bearer_token=True))
    house.accounts.update(account.id, account.token(limits={"disallow_bearer": True}))
    assert guest.ended == ("Authentication Failure", "Authorization Violation")


async def test_new_defaults_and_limits_reach_connections(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    plain = await house.enter(account.user())
    own = await house.enter(account.user(pub=jwt.Permission(allow=("x",))))
    body = {"default_permissions": jwt.Permissions(pub=jwt.Permission(deny=("no",))), "limits": {"payload": 9}}
    house.accounts.update(account.id, account.token(**body))
    assert not plain.admission.permissions.may_publish("no")
    assert plain.admission.max_payload == 9
    assert own.admission.permissions.publish_allow == ("x",)


async def test_connection_at_the_new_subscription_limit_is_cut(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    guest, other = await house.enter(account.user()), await house.enter(account.user())
    guest.subscription_count, other.subscription_count = 2, 1
    house.accounts.update(account.id, account.token(limits={"subs": 2}))
    assert guest.ended == ("Maximum Subscriptions Exceeded", "maximum subscriptions exceeded")
    assert other.ended is None


async def test_user_without_any_subscriptions_is_refused(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    with pytest.raises(AuthenticationError) as caught:
        await house.enter(account.user(subs=0))
    assert caught.value.reply == "maximum subscriptions exceeded"


# ---- time ----------------------------------------------------------------------------------------


async def test_user_is_cut_when_its_token_expires(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    guest = await house.enter(account.user(expires=int(time.time()) + 86_400))
    house.clock.advance(hours=23)
    assert guest.ended is None
    house.clock.advance(hours=1)
    assert guest.ended == ("Authentication Expired", "User Authentication Expired")


async def test_everybody_is_cut_when_the_account_expires(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    account.publish(expires=int(time.time()) + 86_400)
    house = await open_house()
    user = account.user()
    guest = await house.enter(user)
    house.clock.advance(days=1)
    assert guest.ended == ("Authentication Expired", "Account Authentication Expired")
    with pytest.raises(AuthenticationError, match="Account JWT has expired"):
        await house.enter(user)


async def test_expired_account_comes_back_with_a_new_token(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    account.publish(expires=int(time.time()) + 60)
    house = await open_house()
    user = account.user()
    await house.enter(user)
    house.clock.advance(minutes=2)
    house.accounts.update(account.id, account.token())
    assert (await house.enter(user)).ended is None


# ---- streams -------------------------------------------------------------------------------------


def activate(exporter: AccountOwner, importer: AccountOwner, subject: str, issued_at: int, **head: Any) -> str:
    body = jwt.Activation(subject=subject, kind="stream")
    return jwt.encode(jwt.ActivationClaims(subject=importer.id, nats=body, **head), exporter.key, issued_at=issued_at)


def private(**more: Any) -> dict[str, Any]:
    return {"exports": (jwt.Export(subject="a.b.c.>", type="stream", token_req=True, **more),)}


def imports(exporter: AccountOwner, token: str, **wanted: Any) -> dict[str, Any]:
    wanted = {"subject": "a.b.c.d", "account": exporter.id, "type": "stream"} | wanted
    return {"imports": (jwt.Import(token=token, **wanted),)}


@pytest.fixture
async def pair(realm: Realm, open_house: Any) -> tuple[House, AccountOwner, AccountOwner]:
    """An exporter and an importer in use, connected by an activation of an hour ago."""
    exporter, importer = realm.account("EXP"), realm.account("IMP")
    exporter.publish(**private())
    token = activate(exporter, importer, "a.b.c.>", int(time.time()) - 3600)
    importer.publish(**imports(exporter, token))
    house = await open_house()
    await house.enter(importer.user())
    return house, exporter, importer


Pair = tuple[House, AccountOwner, AccountOwner]


async def test_exporter_is_fetched_with_the_importer(pair: Pair) -> None:
    house, exporter, importer = pair
    heard = house.listen(importer, ">")
    house.publish(exporter, "a.b.c.d")
    house.publish(exporter, "a.b.c.e")
    assert heard == ["a.b.c.d"]


async def test_revoking_the_activation_stops_the_stream_at_once(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    house, exporter, importer = pair
    heard = house.listen(importer, ">")
    house.accounts.update(exporter.id, exporter.token(**private(revocations={importer.id: int(time.time())})))
    house.publish(exporter, "a.b.c.d")
    assert heard == []
    assert f"account {importer.id}/IMP: stream import" in caplog.text
    assert "was revoked by" in caplog.text
    renewed = activate(exporter, importer, "a.b.c.>", int(time.time()) + 5)
    house.accounts.update(importer.id, importer.token(**imports(exporter, renewed)))
    house.publish(exporter, "a.b.c.d")
    assert heard == ["a.b.c.d"]


async def test_expired_activation_stops_the_stream_whatever_the_subjects(
    realm: Realm, open_house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    exporter, importer = realm.account("EXP"), realm.account("IMP")
    exporter.publish(**private())
    token = activate(exporter, importer, "a.b.c.>", int(time.time()) - 10, expires=int(time.time()) + 100)
    importer.publish(**imports(exporter, token, subject="a.b.c.*", local_subject="loc.$1"))
    house = await open_house()
    await house.enter(importer.user())
    heard = house.listen(importer, "loc.*")
    house.publish(exporter, "a.b.c.d")
    house.clock.advance(100)
    house.publish(exporter, "a.b.c.d")
    assert heard == ["loc.d"]
    assert "the activation expired at" in caplog.text


async def test_removed_import_and_export_stop_the_stream(pair: Pair) -> None:
    house, exporter, importer = pair
    heard = house.listen(importer, ">")
    old = house.accounts.find(importer.id).token  # type: ignore[union-attr]
    house.accounts.update(importer.id, importer.token())
    house.publish(exporter, "a.b.c.d")
    assert heard == []
    claims = jwt.decode(old, jwt.AccountClaims)
    again = jwt.encode(claims, importer.realm.key, issued_at=int(time.time()))
    house.accounts.update(importer.id, again)
    house.publish(exporter, "a.b.c.d")
    assert heard == ["a.b.c.d"]
    house.accounts.update(exporter.id, exporter.token())
    house.publish(exporter, "a.b.c.d")
    assert heard == ["a.b.c.d"]


async def test_importer_is_completed_when_the_exporter_comes(realm: Realm, open_house: Any) -> None:
    exporter, importer = AccountOwner(realm, "EXP"), realm.account("IMP")
    importer.publish(**imports(exporter, ""))
    house = await open_house()
    await house.enter(importer.user())
    heard = house.listen(importer, ">")
    assert house.accounts.find(exporter.id) is None
    token = exporter.token(exports=(jwt.Export(subject="a.b.c.>", type="stream"),))
    house.accounts.install(exporter.id, token)
    house.publish(exporter, "a.b.c.d")
    assert heard == ["a.b.c.d"]


async def test_account_that_is_removed_ends_its_connections_and_streams(pair: Pair) -> None:
    house, exporter, importer = pair
    guest = await house.enter(exporter.user())
    heard = house.listen(importer, ">")
    space = house.accounts.find(exporter.id).space  # type: ignore[union-attr]
    house.accounts.remove(exporter.id)
    assert guest.ended == ("Authentication Expired", "Account Authentication Expired")
    space.publish_internal(b"a.b.c.d")
    assert heard == []


# ---- updates -------------------------------------------------------------------------------------


async def test_update_must_be_trusted_valid_and_not_older(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    await house.enter(account.user())
    before = house.accounts.find(account.id).token  # type: ignore[union-attr]
    for token, fault in [
        (account.token(KeyPair.create(Role.OPERATOR)), "no trusted key"),
        (account.token(account.key), "no trusted key"),
        (account.token(expires=int(time.time()) - 5), "claim is expired"),
        (account.token(issued_at=5), "older than the one in use"),
        (realm.account("B").token(), "subject does not match jwt content"),
    ]:
        with pytest.raises(VerifyError, match=fault):
            house.accounts.update(account.id, token)
    assert house.accounts.find(account.id).token == before  # type: ignore[union-attr]


async def test_update_that_cannot_work_changes_nothing(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    found = await house.accounts.get(account.id)
    before = found.model, found.mappings, found.default_permissions, found.token
    fine, broken = jwt.WeightedMapping(subject="y"), jwt.WeightedMapping(subject="{{y}}")
    rights = jwt.Permissions(pub=jwt.Permission(allow=("a.>.b",)))
    for body in ({"mappings": {"x": (broken,)}}, {"mappings": {"x": (fine,)}, "default_permissions": rights}):
        with pytest.raises(VerifyError, match="account validation failed"):
            house.accounts.update(account.id, account.token(**body))
        assert (found.model, found.mappings, found.default_permissions, found.token) == before


async def test_pushed_token_outlives_the_preload(realm: Realm, open_house: Any) -> None:
    account = realm.account()
    house = await open_house()
    user = account.user()
    assert house.accounts.update(account.id, account.token(revocations={"*": int(time.time())})) == "jwt updated"
    with pytest.raises(AuthenticationError, match="User authentication revoked"):
        await house.enter(user)


async def test_update_of_an_unknown_account_is_skipped(realm: Realm, open_house: Any) -> None:
    house = await open_house()
    stranger = AccountOwner(realm, "X")
    assert house.accounts.update(stranger.id, stranger.token()) == "jwt update skipped"
    assert house.accounts.find(stranger.id) is None


@pytest.fixture
async def pushing(realm: Realm, open_house: Any) -> tuple[House, AccountOwner, Any]:
    """A house that takes updates through its system account, and a way to push one: the answer comes back."""
    system = realm.account("SYS")
    realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, system_account=system.id))
    account = realm.account("A")
    house = await open_house()
    assert house.accounts.system.id == system.id
    identity = Identity(name="s1", host="127.0.0.1", id="N", version="2.15.1")
    ClaimsUpdates(System(house.accounts.system, identity, house.clock, lambda *_: None), house.accounts)
    answers: list[Any] = []
    space = house.accounts.system.space
    space.subscribe_internal(b"in", lambda s, r, h, payload, p: answers.append(json.decode(payload)))

    def push(subject: str, payload: str) -> Any:
        answers.clear()
        space.publish_internal(subject.encode(), reply=b"in", payload=payload.encode())
        return answers.pop()

    return house, account, push


@pytest.mark.parametrize(
    "subject", ["$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE", "$SYS.ACCOUNT.{}.CLAIMS.UPDATE", "$SYS.REQ.CLAIMS.UPDATE"]
)
async def test_update_through_the_system_account(pushing: Any, subject: str) -> None:
    house, account, push = pushing
    await house.enter(account.user())
    subject = subject.format(account.id)
    answer = push(subject, account.token(limits={"conn": 7}))
    assert answer["data"] == {"account": account.id, "code": 200, "message": "jwt updated"}
    assert (answer["server"]["name"], answer["server"]["id"], answer["server"]["seq"]) == ("s1", "N", 1)
    assert house.accounts.find(account.id).limits.max_connections == 7
    answer = push(subject, account.token(KeyPair.create(Role.OPERATOR)))
    assert answer["error"]["code"] == 500
    assert answer["error"]["account"] == account.id
    assert answer["error"]["description"].startswith("jwt update resulted in error - account validation failed")
    assert push(subject, "")["error"]["description"] == "jwt update error - request body is empty"
    answer = push(subject, "rubbish")
    assert answer["error"]["description"].startswith("jwt update resulted in error - ")
    assert answer["server"]["seq"] == 4


async def test_system_account_must_be_among_the_preloaded(realm: Realm, open_house: Any) -> None:
    from natskit.errors import ServerError

    realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, system_account=AccountOwner(realm, "S").id))
    with pytest.raises(ServerError, match="error resolving system account: account missing"):
        await open_house()
