"""Operator mode from start to login: what keeps a server from starting, and accounts fetched from the web.

Source: spec/server-accounts.md section 1.5, spec/account-server.md section 7.2.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from natskit.errors import AuthenticationError, ServerError
from natskit.server import Server
from natskit.server.accounts import Accounts
from natskit.server.auth import Authenticator, Peer
from natskit.server.clock import Clock
from natskit.server.operator_mode import check
from natskit.server.options import (
    Account,
    AuthCallout,
    Authorization,
    FullResolver,
    Options,
    UrlResolver,
    User,
)
from natskit.server.provision import open_accounts
from support.realm import AccountOwner, Realm
from support.web import response, web

PEER = Peer(host="127.0.0.1", nonce="nonce")


@pytest.fixture
def realm() -> Realm:
    return Realm()


def with_body(realm: Realm, **body: Any) -> Realm:
    realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, **body))
    return realm


@asynccontextmanager
async def opened(options: Options) -> AsyncIterator[tuple[Accounts, Authenticator, Clock]]:
    clock = Clock()
    accounts = await open_accounts(options, clock, "2.15.1")
    try:
        authenticator = Authenticator(options, accounts, clock)
        accounts.on_change = authenticator.review
        yield accounts, authenticator, clock
    finally:
        await accounts.close()
        clock.close()


CALLOUT = AuthCallout(issuer="A", auth_users=("a",))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"accounts": (Account(name="A"),)}, "operators do not allow Accounts to be configured directly"),
        (
            {"authorization": Authorization(users=(User(name="u"),))},
            "operators do not allow users to be configured directly",
        ),
        (
            {"authorization": Authorization(callout=CALLOUT)},
            "operators do not allow authorization callouts to be configured directly",
        ),
        ({"no_auth_user": "u"}, "no_auth_user not compatible with Trusted Operator"),
        ({"trusted_keys": ("O",)}, "conflicting options for 'TrustedKeys' and 'TrustedOperators'"),
        ({"resolver_pinned_accounts": frozenset({"abc"})}, 'pinned account key "abc" is not a valid public account'),
        ({"resolver": FullResolver(directory="d")}, "using nats based account resolver - the system account needs to"),
        (
            {"resolver": UrlResolver(url="http://127.0.0.1:1/"), "resolver_preload": {"A": "x"}},
            "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
        ),
        ({"system_account": "A"}, "error resolving system account: account missing"),
        ({"resolver": None}, 'could not fetch <"/accounts/">'),
    ],
)
async def test_configuration_that_cannot_work_is_refused(realm: Realm, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ServerError) as caught:
        async with opened(realm.options(**options)):
            pass
    assert fault in caught.value.message


async def test_operators_need_a_resolver(realm: Realm) -> None:
    both = (*realm.options().operators, *Realm().options().operators)
    with pytest.raises(ServerError, match="operators require an account resolver to be configured"):
        async with opened(realm.options(operators=both, resolver=None)):
            pass


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ("9.0.0", "expected major version 9 > server major version 2"),
        ("2.16.0", "expected minor version 16 > server minor version 15"),
        ("2.15.2", "expected update version 2 > server update version 1"),
    ],
)
async def test_operator_may_ask_for_a_newer_server(realm: Realm, asked: str, fault: str) -> None:
    with_body(realm, assert_server_version=asked)
    with pytest.raises(ServerError) as caught:
        async with opened(realm.options()):
            pass
    assert caught.value.message == f"operator {realm.key.public} {fault}"


@pytest.mark.parametrize("asked", ["2.15.1", "2.9.30", "1.99.99"])
async def test_server_is_new_enough(realm: Realm, asked: str) -> None:
    with_body(realm, assert_server_version=asked)
    async with opened(realm.options()):
        pass


async def test_system_accounts_of_operator_and_configuration_must_agree(realm: Realm) -> None:
    system = realm.account("SYS")
    with_body(realm, system_account=system.id)
    with pytest.raises(ServerError, match="system_account in config and operator JWT must be identical"):
        async with opened(realm.options(system_account=realm.account("X").id)):
            pass
    async with opened(realm.options(system_account=system.id)) as (accounts, _, _):
        assert accounts.system is not None
        assert accounts.system.id == system.id


# ---- accounts on the web -------------------------------------------------------------------------


class Shelf:
    """An account server that has what is put on it."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._news = asyncio.Event()

    async def asked_for(self, account_id: str, times: int = 1) -> None:
        """Wait until an account was asked for this often."""
        async with asyncio.timeout(5):
            while self.asked.count(account_id) < times:
                self._news.clear()
                await self._news.wait()

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        account_id = path.rpartition("/")[2]
        self.asked.append(account_id)
        self._news.set()
        await self.gate.wait()
        if not account_id:
            writer.write(response("200 OK"))
        elif account_id in self.tokens:
            writer.write(response("200 OK", self.tokens[account_id].encode() + b"\n"))
        else:
            writer.write(response("404 Not Found"))


@asynccontextmanager
async def on_the_web(realm: Realm) -> AsyncIterator[tuple[Shelf, Accounts, Authenticator, Clock]]:
    shelf = Shelf()
    shelf.tokens = realm.preload
    async with (
        web(shelf.answer) as (url, _),
        opened(realm.options(resolver=UrlResolver(url=url), resolver_preload={})) as (accounts, door, clock),
    ):
        yield shelf, accounts, door, clock


async def test_account_is_fetched_when_its_first_user_comes(realm: Realm) -> None:
    account = realm.account()
    async with on_the_web(realm) as (shelf, _, door, _):
        assert shelf.asked == [""]
        for _ in range(3):
            await door.authenticate(account.user().connect("nonce"), PEER)
        assert shelf.asked == ["", account.id]


async def test_simultaneous_first_users_share_one_fetch(realm: Realm) -> None:
    account = realm.account()
    async with on_the_web(realm) as (shelf, _, door, _):
        users = [account.user() for _ in range(20)]
        await asyncio.gather(*(door.authenticate(user.connect("nonce"), PEER) for user in users))
        assert shelf.asked == ["", account.id]


async def test_one_who_gives_up_does_not_spoil_it_for_the_others(realm: Realm) -> None:
    account = realm.account()
    async with on_the_web(realm) as (shelf, _, door, _):
        shelf.gate.clear()
        first, second = [
            asyncio.create_task(door.authenticate(account.user().connect("nonce"), PEER)) for _ in range(2)
        ]
        await shelf.asked_for(account.id)
        first.cancel()
        shelf.gate.set()
        assert (await second).account.id == account.id


async def test_unknown_account_is_asked_for_every_time(realm: Realm) -> None:
    stranger = AccountOwner(realm, "X")
    async with on_the_web(realm) as (shelf, _, door, _):
        for _ in range(2):
            with pytest.raises(AuthenticationError, match="404 Not Found"):
                await door.authenticate(stranger.user().connect("nonce"), PEER)
        assert shelf.asked == ["", stranger.id, stranger.id]
        realm.preload[stranger.id] = stranger.token()
        await door.authenticate(stranger.user().connect("nonce"), PEER)


async def test_expired_account_is_fetched_again_at_most_once_a_second(realm: Realm) -> None:
    account = realm.account()
    account.publish(expires=int(time.time()) + 10)
    async with on_the_web(realm) as (shelf, _, door, clock):
        user = account.user()
        await door.authenticate(user.connect("nonce"), PEER)
        clock.advance(11)
        for _ in range(3):
            with pytest.raises(AuthenticationError, match="Account JWT has expired"):
                await door.authenticate(user.connect("nonce"), PEER)
        assert shelf.asked.count(account.id) == 2
        account.publish()
        clock.advance(2)
        await door.authenticate(user.connect("nonce"), PEER)
        assert shelf.asked.count(account.id) == 3


async def test_server_starts_without_its_system_account_and_finds_it_later(
    realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "natskit")
    system = AccountOwner(realm, "SYS")
    with_body(realm, system_account=system.id)
    async with on_the_web(realm) as (shelf, accounts, door, clock):
        assert "Using bootstrapping system account" in caplog.text
        admin = system.user()
        assert (await door.authenticate(admin.connect("nonce"), PEER)).account.is_system
        with pytest.raises(AuthenticationError, match="issuer is not known"):
            await door.authenticate(system.user(signer=system.signing_key).connect("nonce"), PEER)
        clock.advance(1)
        await shelf.asked_for(system.id, 2)
        system.publish(signing_keys=(system.signing_key.public,))
        async with asyncio.timeout(5):
            while "System account fetched and updated" not in caplog.text:  # told after the account is in use
                clock.advance(1)
                await asyncio.sleep(0.001)
        assert accounts.system is not None
        assert accounts.system.claims is not None
        await door.authenticate(system.user(signer=system.signing_key).connect("nonce"), PEER)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("rubbish", "default sentinel JWT not valid: "),
        ("account", "default sentinel JWT not valid: "),
        ("keyed", "default sentinel must be a bearer token"),
        ("bearer", None),
        ("scoped", None),
    ],
)
def test_default_sentinel_works_without_a_key(realm: Realm, kind: str, fault: str | None) -> None:
    account = realm.account()
    token = {
        "rubbish": "abc",
        "account": account.token(),
        "keyed": account.user().token,
        "bearer": account.user(bearer_token=True).token,
        "scoped": account.user("s", account.signing_key, scoped=True).token,
    }[kind]
    options = realm.options(default_sentinel=token)
    if fault is None:
        check(options, "2.15.1")
        return
    with pytest.raises(ServerError, match=fault):
        check(options, "2.15.1")


async def test_accounts_that_are_not_pinned_are_counted(realm: Realm) -> None:
    pinned, other = realm.account(), realm.account("B")
    async with Server(realm.config("http: 127.0.0.1:-1", f"resolver_pinned_accounts: {pinned.id}")) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        nonce = json.loads((await reader.readline())[5:])["nonce"]
        writer.write(f"CONNECT {json.dumps(other.user().credentials(nonce))}\r\n".encode())
        assert b"Authorization Violation" in await reader.read()
        writer.close()
        assert json.loads(server.reports.answer("/varz", {}).body)["pinned_account_fails"] == 1
