"""Accounts that are fetched from the web, on both servers. Source: spec/server-accounts.md section 7."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ServerError
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Player
from support.web import response, web

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)


class Site:
    """An operator whose accounts are had from an address, and what was asked for there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.realm = Realm()
        self.system, self.account = self.realm.account("SYS"), self.realm.account("A")
        self.realm.claims = replace(
            self.realm.claims, nats=replace(self.realm.claims.nats, system_account=self.system.id)
        )
        self.tokens = dict(self.realm.preload)
        self.asked: list[str] = []
        self.users: dict[str, User] = {"s": self.system.user(), "a": self.account.user(), "b": self.account.user()}
        self.base = b"200 OK"
        self.url = ""
        self.player: Player

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        name = path.removeprefix("/jwt/v1/accounts/")
        self.asked.append(name)
        if not name:
            writer.write(response(self.base.decode()))
        elif name in self.tokens:
            writer.write(response("200 OK", self.tokens[name].encode()))
        else:
            writer.write(response("404 Not Found"))

    async def open(self, *more: str) -> None:
        lines = [f'operator: "{self.realm.token}"', f'resolver: URL("{self.url}")', *more]
        await self.engine.start("\n".join(lines))
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))


@pytest.fixture
async def site(engine: Engine) -> AsyncIterator[Site]:
    site = Site(engine)
    async with web(site.answer) as (url, _):
        site.url = url
        yield site
        if hasattr(site, "player"):
            await site.player.close()


async def test_account_is_fetched_with_its_first_user(site: Site) -> None:
    await site.open()
    assert site.asked[:2] == ["", site.system.id]
    await site.player.play("a> SUB x 1\nb> PUB x 0\na< MSG x 1 0")
    assert site.asked.count(site.account.id) == 1


async def test_address_must_answer_at_start(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.base = b"500 Internal Server Error"
    with pytest.raises((ServerError, AssertionError)) as caught:
        await site.open()
    assert f'could not fetch <"{site.url}">: 500 Internal Server Error' in f"{caught.value} {capfd.readouterr().err}"


async def test_tokens_cannot_be_preloaded(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ServerError, AssertionError)) as caught:
        await site.open(f'resolver_preload: {{ {site.account.id}: "{site.tokens[site.account.id]}" }}')
    said = "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR"
    assert said in f"{caught.value} {capfd.readouterr().err}"


@pytest.mark.parametrize("fault", ["missing", "signer", "other", "rubbish", "expired"])
async def test_token_that_is_not_to_be_trusted_lets_nobody_in(site: Site, fault: str) -> None:
    other = AccountOwner(site.realm, "B")
    found = {
        "signer": site.account.token(site.account.key),
        "other": other.token(),
        "rubbish": "abc",
        "expired": site.account.token(expires=5),
    }
    site.tokens.pop(site.account.id)
    if fault in found:
        site.tokens[site.account.id] = found[fault]
    await site.open()
    await site.player.line("a< -ERR 'Authorization Violation' | <EOF>")
    site.tokens[site.account.id] = site.account.token()
    await site.player.play("b> PUB x 0")


async def test_accounts_in_use_are_updated(site: Site) -> None:
    await site.open()
    await site.player.play("s> SUB in 1\na> PUB x 0")
    admin = site.player.clients["s"]
    stranger = AccountOwner(site.realm, "B")
    for account, message in ((site.account, "jwt updated"), (stranger, "jwt update skipped")):
        token = account.token()
        admin.send(f"PUB $SYS.REQ.ACCOUNT.{account.id}.CLAIMS.UPDATE in {len(token)}\r\n{token}\r\n".encode())
        assert json.loads((await admin.receive()).partition(" | ")[2])["data"]["message"] == message
    await site.player.play("""
        s> PUB $SYS.REQ.CLAIMS.LIST in 0
        s< HMSG in 1 52 52 | NATS/1.0 503 | Nats-Subject: $SYS.REQ.CLAIMS.LIST
    """)


async def test_exporter_is_fetched_with_the_importer(site: Site) -> None:
    exporter = AccountOwner(site.realm, "E")
    site.tokens[exporter.id] = exporter.token(exports=(jwt.Export(subject="s", type="stream"),))
    wanted = jwt.Import(subject="s", type="stream", account=exporter.id)
    site.tokens[site.account.id] = site.account.token(imports=(wanted,))
    site.users["e"] = exporter.user()
    await site.open()
    await site.player.play("a> SUB s 1")
    assert site.asked.count(exporter.id) == 1
    await site.player.play("e> PUB s 1 | x\na< MSG s 1 1 | x")
    assert site.asked.count(exporter.id) == 1


async def test_account_that_has_expired_is_fetched_again(site: Site) -> None:
    site.tokens[site.account.id] = site.account.token(expires=int(time.time()) + 2)
    await site.open()
    await site.player.play("a> PUB x 0")
    await site.engine.pass_time(2)
    await site.player.line("a< -ERR 'Account Authentication Expired' | <EOF>")
    await site.player.line("b< -ERR 'Authorization Violation' | <EOF>")
    assert site.asked.count(site.account.id) == 2
    site.tokens[site.account.id] = site.account.token()
    await site.engine.pass_time(1.1)
    await site.player.leave("a")
    await site.player.play("a> PUB x 0")
    assert site.asked.count(site.account.id) == 3
