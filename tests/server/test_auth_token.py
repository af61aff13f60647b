"""Users with tokens at the door: every check of spec/server-accounts.md section 1.4, in its order."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import AuthenticationError
from natskit.nkeys import KeyPair, Role
from natskit.server.auth import Admission, Authenticator, Peer
from natskit.server.clock import Clock
from natskit.server.options import Options
from natskit.server.provision import open_accounts
from support.realm import AccountOwner, Realm, User

NONCE = "R5XAKrkxXWqZ_eY"
PEER = Peer(host="127.0.0.1", port=1, nonce=NONCE, cid=7)
NOW = int(time.time())


async def door(options: Options, clock: Clock | None = None) -> Authenticator:
    clock = clock or Clock()
    return Authenticator(options, await open_accounts(options, clock, "2.15.1"), clock)


async def admit(
    realm: Realm, user: User, peer: Peer = PEER, options: dict[str, Any] | None = None, **connect: object
) -> Admission:
    return await (await door(realm.options(**options or {}))).authenticate(user.connect(NONCE, **connect), peer)


async def refuse(realm: Realm, user: User, peer: Peer = PEER, **more: Any) -> str:
    with pytest.raises(AuthenticationError) as caught:
        await admit(realm, user, peer, **more)
    assert caught.value.reply == "Authorization Violation"
    assert user.token not in caught.value.message
    return caught.value.message


@pytest.fixture
def realm() -> Realm:
    return Realm()


@pytest.fixture
def account(realm: Realm) -> AccountOwner:
    return realm.account("A")


async def test_user_of_an_account_is_let_in(realm: Realm, account: AccountOwner) -> None:
    user = account.user("bob")
    admission = await admit(realm, user)
    assert admission.account.id == account.id
    assert (admission.user, admission.name_tag, admission.issuer_key) == (user.key.public, "bob", account.id)
    assert (admission.max_subscriptions, admission.max_payload, admission.expires_at) == (-1, -1, None)


async def test_account_may_be_signed_by_a_signing_key_of_the_operator(realm: Realm, account: AccountOwner) -> None:
    realm.preload[account.id] = account.token(realm.signing_key)
    assert (await admit(realm, account.user())).account.id == account.id


# ---- (1) the token -------------------------------------------------------------------------------


async def test_token_must_be_a_users(realm: Realm, account: AccountOwner) -> None:
    user = account.user()
    message = "Authentication requires a user JWT"
    assert f"{message}: the client sent none" in await refuse(realm, user, jwt="")
    assert message in await refuse(realm, user, jwt="a.b.c")
    assert message in await refuse(realm, user, jwt=realm.preload[account.id])
    head, _, signature = user.token.split(".")
    other_body = account.user().token.split(".")[1]
    assert message in await refuse(realm, user, jwt=f"{head}.{other_body}.{signature}")


async def test_log_names_the_user(realm: Realm, account: AccountOwner) -> None:
    user = account.user(expires=NOW - 10)
    message = await refuse(realm, user)
    assert message.startswith(f'authentication error - JWT User "{user.key.public}": User JWT no longer valid: ')


# ---- (2) its claims ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"expires": NOW - 10}, f"claim is expired (issued at {NOW}, not before 0, expires {NOW - 10})"),
        ({"not_before": NOW + 100_000}, "claim is not yet valid"),
        ({"src": ("nope",)}, 'invalid cidr "nope" in user src limits'),
    ],
    ids=["expired", "not yet", "networks"],
)
async def test_claims_must_be_valid_now(
    realm: Realm, account: AccountOwner, claims: dict[str, Any], fault: str
) -> None:
    message = await refuse(realm, account.user(ago=int(time.time()) - NOW, **claims))
    assert f"User JWT no longer valid: {fault}" in message


# ---- (3) (4) (5) the account ---------------------------------------------------------------------


async def test_account_must_be_pinned_if_any_is(realm: Realm, account: AccountOwner) -> None:
    other = realm.account("B")
    pinned = {"resolver_pinned_accounts": frozenset({other.id})}
    assert f"Account {account.id} not listed as operator pinned account" in await refuse(
        realm, account.user(), options=pinned
    )
    assert (await admit(realm, other.user(), options=pinned)).account.id == other.id


async def test_account_must_be_known(realm: Realm) -> None:
    stranger = AccountOwner(realm, "X")
    assert "Account JWT lookup error: account missing" in await refuse(realm, stranger.user())


async def test_account_must_be_signed_by_a_trusted_key(realm: Realm, account: AccountOwner) -> None:
    for signer in (KeyPair.create(Role.OPERATOR), account.key):
        realm.preload[account.id] = account.token(signer)
        message = await refuse(realm, account.user())
        assert f"account validation failed: {account.id} is signed by {signer.public}, no trusted key" in message


async def test_account_must_be_the_one_asked_for(realm: Realm, account: AccountOwner) -> None:
    realm.preload[account.id] = realm.account("B").token()
    assert "subject does not match jwt content" in await refuse(realm, account.user())


@pytest.mark.parametrize("dates", [{"expires": NOW - 10}, {"not_before": NOW + 100_000}])
async def test_account_must_be_valid_now(realm: Realm, account: AccountOwner, dates: dict[str, int]) -> None:
    account.publish(**dates)
    assert "account validation failed" in await refuse(realm, account.user())


async def test_identity_key_of_a_strict_operator_may_not_sign_accounts() -> None:
    realm = Realm(strict_signing_key_usage=True)
    account = realm.account("A")
    assert "operator requires issuer to be a signing key" in await refuse(realm, account.user())


# ---- (6) (7) the key that signed the user --------------------------------------------------------


async def test_signing_key_of_the_account_may_sign_users(realm: Realm, account: AccountOwner) -> None:
    account.publish(signing_keys=(account.signing_key.public,))
    admission = await admit(realm, account.user(signer=account.signing_key))
    assert (admission.account.id, admission.issuer_key) == (account.id, account.signing_key.public)


async def test_other_keys_may_not_sign_users(realm: Realm, account: AccountOwner) -> None:
    user = account.user(signer=account.signing_key)
    assert f"User JWT issuer is not known: {account.signing_key.public}" in await refuse(realm, user)


async def test_identity_key_may_not_sign_users_under_a_strict_operator() -> None:
    realm = Realm(strict_signing_key_usage=True)
    account = realm.account("A")
    token = account.token(realm.signing_key, signing_keys=(account.signing_key.public,))
    realm.preload[account.id] = token
    assert "User JWT issuer is not known" in await refuse(realm, account.user())
    assert (await admit(realm, account.user(signer=account.signing_key))).account.id == account.id


def scope(account: AccountOwner, **template: Any) -> jwt.UserScope:
    rights = jwt.ScopeTemplate(**template)
    return jwt.UserScope(kind="user_scope", key=account.signing_key.public, role="r", template=rights)


async def test_scoped_key_gives_its_template(realm: Realm, account: AccountOwner) -> None:
    template = {
        "pub": jwt.Permission(allow=("t.{{name()}}.{{tag(dept)}}",)),
        "sub": jwt.Permission(deny=("d.{{tag(dept)}}",)),
        "payload": 20,
    }
    account.publish(signing_keys=(scope(account, **template),))
    user = account.user("bob", account.signing_key, scoped=True, tags=("dept:eng", "dept:ops"))
    admission = await admit(realm, user)
    assert admission.permissions.publish_allow == ("t.bob.eng", "t.bob.ops")
    assert admission.permissions.subscribe_deny == ("d.eng", "d.ops")
    assert (admission.max_payload, admission.max_subscriptions) == (20, -1)
    untagged = account.user("bob", account.signing_key, scoped=True)
    assert "User JWT is not valid: " in await refuse(realm, untagged)


async def test_scoped_user_may_not_bring_its_own_rights(realm: Realm, account: AccountOwner) -> None:
    account.publish(signing_keys=(scope(account),))
    message = await refuse(realm, account.user("bob", account.signing_key))
    assert "User JWT is not valid: scoped users require no permissions or limits set" in message


async def test_template_that_makes_no_subject_is_refused(realm: Realm, account: AccountOwner) -> None:
    account.publish(signing_keys=(scope(account, pub=jwt.Permission(deny=("a..b",))),))
    message = await refuse(realm, account.user("bob", account.signing_key, scoped=True))
    assert "User JWT generated invalid permissions" in message


@pytest.mark.parametrize(("name", "tags"), [(">", ()), ("a.*", ()), ("bob", ("dept:>",))])
async def test_name_and_tags_cannot_widen_the_template(
    realm: Realm, account: AccountOwner, name: str, tags: tuple[str, ...]
) -> None:
    account.publish(signing_keys=(scope(account, pub=jwt.Permission(allow=("t.{{name()}}",))),))
    message = await refuse(realm, account.user(name, account.signing_key, scoped=True, tags=tags))
    assert "is a wildcard, which its template does not give" in message


async def test_bearer_of_the_template_counts(realm: Realm, account: AccountOwner) -> None:
    account.publish(signing_keys=(scope(account, bearer_token=True),))
    assert (await admit(realm, account.user("bob", account.signing_key, scoped=True), sig="")).account.id == account.id


# ---- permissions and limits ----------------------------------------------------------------------


async def test_account_defaults_apply_to_users_without_permissions(realm: Realm, account: AccountOwner) -> None:
    account.publish(default_permissions=jwt.Permissions(pub=jwt.Permission(deny=("no",))))
    assert not (await admit(realm, account.user())).permissions.may_publish("no")
    own = account.user(sub=jwt.Permission(allow=("x",)))
    assert (await admit(realm, own)).permissions.may_publish("no")


async def test_tighter_limit_counts(realm: Realm, account: AccountOwner) -> None:
    account.publish(limits={"subs": 5, "payload": 100})
    admission = await admit(realm, account.user(subs=7, payload=50))
    assert (admission.max_subscriptions, admission.max_payload) == (5, 50)
    assert (await admit(realm, account.user(subs=-1, payload=-1))).max_payload == 100


async def test_absent_limit_is_zero(realm: Realm, account: AccountOwner) -> None:
    assert (await admit(realm, account.user(payload=0))).max_payload == 0


@pytest.mark.parametrize(
    ("resp", "expected"),
    [((0, 0), (1, 120.0)), ((3, 5_000_000_000), (3, 5.0)), ((-1, -1), (-1, -1e-9))],
)
async def test_responses(
    realm: Realm, account: AccountOwner, resp: tuple[int, int], expected: tuple[int, float]
) -> None:
    user = account.user(resp=jwt.ResponsePermission(max=resp[0], ttl=resp[1]))
    responses = (await admit(realm, user)).permissions.responses
    assert responses is not None
    assert (responses.max_messages, responses.expires_s) == expected


# ---- (9) to (14) ---------------------------------------------------------------------------------


async def test_bearer_needs_no_signature_unless_the_account_minds(realm: Realm, account: AccountOwner) -> None:
    user = account.user(bearer_token=True)
    assert (await admit(realm, user, sig="")).account.id == account.id
    account.publish(limits={"disallow_bearer": True})
    assert "Account does not allow bearer tokens" in await refuse(realm, user, sig="")


@pytest.mark.parametrize(
    ("types", "fault"),
    [
        (("websocket",), "Connection type not allowed"),
        (("FOO",), 'invalid connection types ["FOO"]'),
        (("FOO", "MQTT"), "Connection type not allowed"),
        (("FOO", "standard"), ""),
        (("WEBSOCKET", "STANDARD"), ""),
    ],
)
async def test_connection_types(realm: Realm, account: AccountOwner, types: tuple[str, ...], fault: str) -> None:
    user = account.user(allowed_connection_types=types)
    if fault:
        assert fault in await refuse(realm, user)
    else:
        await admit(realm, user)


async def test_signature_must_be_the_users(realm: Realm, account: AccountOwner) -> None:
    user, other = account.user(), account.user()
    assert "Signature missing" in await refuse(realm, user, sig="")
    assert "Signature not valid base64" in await refuse(realm, user, sig="?")
    assert "Signature not verified" in await refuse(realm, user, sig=other.connect(NONCE).sig)
    assert "Signature not verified" in await refuse(realm, user, sig=user.connect("old nonce").sig)


@pytest.mark.parametrize("everyone", [False, True])
async def test_revoked_token_is_refused_and_a_newer_one_is_not(
    realm: Realm, account: AccountOwner, everyone: bool
) -> None:
    user = account.user(ago=50)
    issued_at = jwt.decode(user.token, jwt.UserClaims).issued_at
    account.publish(revocations={"*" if everyone else user.key.public: issued_at})
    assert "User authentication revoked" in await refuse(realm, user)
    account.publish(revocations={"*" if everyone else user.key.public: issued_at - 1})
    await admit(realm, user)


@pytest.mark.parametrize(
    ("networks", "allowed"),
    [(("127.0.0.0/8",), True), (("10.0.0.0/8", "127.0.0.1/32"), True), (("10.0.0.0/8",), False), (("::1/128",), False)],
)
async def test_address_must_be_in_one_of_the_networks(
    realm: Realm, account: AccountOwner, networks: tuple[str, ...], allowed: bool
) -> None:
    user = account.user(src=networks)
    if allowed:
        await admit(realm, user)
        await admit(realm, user, replace(PEER, host="::ffff:127.0.0.1"))
    else:
        assert "Bad src Ip 127.0.0.1" in await refuse(realm, user)


def at(hour: int, minute: int = 0) -> Clock:
    """A clock that shows this time of today, UTC."""
    now = datetime.datetime.now(datetime.UTC)
    return Clock(now.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp() - now.timestamp())


@pytest.mark.parametrize(
    ("hour", "ranges", "until"),
    [
        (12, [("08:00:00", "18:00:00")], 18),
        (12, [("08:00:00", "13:00:00"), ("09:00:00", "17:00:00")], 17),
        (19, [("08:00:00", "18:00:00")], None),
        (23, [("22:00:00", "02:00:00")], 26),
        (1, [("22:00:00", "02:00:00")], 2),
        (3, [("22:00:00", "02:00:00")], None),
    ],
)
async def test_times_of_day(
    realm: Realm, account: AccountOwner, hour: int, ranges: list[tuple[str, str]], until: int | None
) -> None:
    times = tuple(jwt.TimeRange(start=start, end=end) for start, end in ranges)
    user = account.user(times=times, times_location="UTC", ago=200_000)
    clock = at(hour)
    authenticator = await door(realm.options(), clock)
    if until is None:
        with pytest.raises(AuthenticationError, match="Outside connect times"):
            await authenticator.authenticate(user.connect(NONCE), PEER)
        return
    admission = await authenticator.authenticate(user.connect(NONCE), PEER)
    assert admission.expires_at is not None
    assert abs(admission.expires_at - clock.now() - (until - hour) * 3600) < 2


async def test_user_has_to_leave_when_its_token_expires(realm: Realm, account: AccountOwner) -> None:
    assert (await admit(realm, account.user(expires=NOW + 100_000))).expires_at == NOW + 100_000


@pytest.mark.parametrize(("expires_h", "until_h"), [(13, 13), (20, 18)])
async def test_user_has_to_leave_at_whichever_end_comes_first(
    realm: Realm, account: AccountOwner, expires_h: int, until_h: int
) -> None:
    clock = at(12)
    expires = round(clock.now()) + (expires_h - 12) * 3600
    times = (jwt.TimeRange(start="08:00:00", end="18:00:00"),)
    user = account.user(times=times, times_location="UTC", ago=200_000, expires=expires)
    admission = await (await door(realm.options(), clock)).authenticate(user.connect(NONCE), PEER)
    assert admission.expires_at is not None
    assert abs(admission.expires_at - clock.now() - (until_h - 12) * 3600) < 2


# ---- sentinel ------------------------------------------------------------------------------------


async def test_sentinel_stands_in_for_clients_without_a_token(realm: Realm, account: AccountOwner) -> None:
    sentinel = account.user("sentinel", bearer_token=True)
    admission = await admit(realm, account.user(), options={"default_sentinel": sentinel.token}, jwt="", sig="")
    assert admission.user == sentinel.key.public
