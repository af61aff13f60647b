"""Activations that are not in order: what a push of the importer answers, and what arrives, on both servers.

Source: spec/server-accounts.md section 4.1.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Player
from support.waiting import until

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

STRANGER = KeyPair.create(Role.ACCOUNT)
NOW = int(time.time())


class Market:
    """An exporter of a private stream and service, an importer, and a way to push tokens."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.realm = Realm()
        self.system, self.exporter, self.importer = (self.realm.account(name) for name in ("SYS", "EXP", "IMP"))
        body = replace(self.realm.claims.nats, system_account=self.system.id)
        self.realm.claims = replace(self.realm.claims, nats=body)
        exports = [jwt.Export(subject=subject, type=kind, token_req=True) for subject, kind in OFFERED]
        self.exporter.publish(exports=tuple(exports))
        owners: list[AccountOwner] = [self.system, self.exporter, self.importer]
        self.users: dict[str, User] = dict(zip("sxi", (owner.user() for owner in owners), strict=True))
        self.player: Player

    async def open(self) -> None:
        for account, token in self.realm.preload.items():
            (self.folder / f"{account}.jwt").write_text(token)
        await self.engine.start(f'operator: {self.realm.token}\nresolver {{ type: full, dir: "{self.folder}" }}')
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)
        await self.player.play("s> SUB in 1\nx> SUB svc 1\ni> SUB > 1")

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))

    def activation(self, subject: str = "a.b", kind: str = "stream", **head: Any) -> str:
        signer, to = head.pop("signer", self.exporter.key), head.pop("to", self.importer.id)
        issuer_account = head.pop("issuer_account", "")
        body = jwt.Activation(subject=subject, kind=kind, issuer_account=issuer_account)
        return jwt.encode(jwt.ActivationClaims(subject=to, nats=body, **head), signer, issued_at=NOW - 100)

    async def push(self, token: str, subject: str = "a.b", kind: str = "stream") -> dict[str, Any]:
        """What the server answers to a new token of the importer, which imports by an activation."""
        wanted = jwt.Import(subject=subject, type=kind, account=self.exporter.id, token=token)
        pushed = self.importer.token(imports=(wanted,))
        client = self.player.clients["s"]
        client.send(f"PUB $SYS.REQ.ACCOUNT.{self.importer.id}.CLAIMS.UPDATE in {len(pushed)}\r\n{pushed}\r\n".encode())
        answer: dict[str, Any] = json.loads((await client.receive()).partition(" | ")[2])
        return answer


OFFERED = [("a.>", "stream"), ("svc", "service")]


@pytest.fixture
async def market(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    market = Market(engine, tmp_path_factory.mktemp("accounts"))
    await market.open()
    yield market
    await market.player.close()


REFUSED: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"subject": "a.c"}, {}, 'activation token import subject "a.c" doesn\'t match import "a.b"'),
    ({"subject": "a.b"}, {"subject": "a.>"}, 'activation token import subject "a.b" doesn\'t match import "a.>"'),
    ({"signer": STRANGER}, {}, 'activation token doesn\'t match account for import "a.b"'),
    ({"to": STRANGER.public}, {}, "activation token doesn't match account it is being included in"),
    ({"kind": "service"}, {}, "mismatch between token import type service and type of import stream"),
    ({"rubbish": True}, {}, 'import "a.b" contains an invalid activation token'),
]


@pytest.mark.parametrize(("activation", "wanted", "fault"), REFUSED)
async def test_push_of_an_activation_that_cannot_be_meant(
    market: Market, activation: dict[str, Any], wanted: dict[str, str], fault: str
) -> None:
    token = "a.b.c" if "rubbish" in activation else market.activation(**activation)
    answer = await market.push(token, **wanted)
    assert answer["error"]["code"] == 500
    assert fault in answer["error"]["description"]
    await market.player.play("x> PUB a.b 1 | x\ni< (nothing)")


INACTIVE: list[dict[str, Any]] = [
    {"expires": NOW - 10},
    {"not_before": NOW + 9999},
    {"signer": STRANGER, "issuer_account": "exporter"},
    {},
]


@pytest.mark.parametrize("activation", INACTIVE, ids=["expired", "not yet", "unknown key", "missing"])
async def test_push_of_an_activation_that_does_not_hold(market: Market, activation: dict[str, Any]) -> None:
    """It is accepted, and delivers nothing."""
    fields = activation | ({"issuer_account": market.exporter.id} if "issuer_account" in activation else {})
    answer = await market.push(market.activation(**fields) if activation else "")
    assert answer["data"]["message"] == "jwt updated"
    await market.player.play("x> PUB a.b 1 | x\ni< (nothing)")
    answer = await market.push(market.activation())
    assert answer["data"]["message"] == "jwt updated"
    await market.player.play("i> SUB a.b 2\nx> PUB a.b 1 | x\ni< MSG a.b 1 1 | x | MSG a.b 2 1 | x")


async def test_import_of_what_nobody_exports_delivers_nothing(market: Market) -> None:
    answer = await market.push("", subject="b.c")
    assert answer["data"]["message"] == "jwt updated"
    await market.player.play("x> PUB b.c 1 | x\ni< (nothing)")


async def test_import_is_completed_when_its_exporter_comes(market: Market) -> None:
    late = AccountOwner(market.realm, "LATE")
    wanted = jwt.Import(subject="a.b", type="stream", account=late.id)
    pushed = market.importer.token(imports=(wanted,))
    client = market.player.clients["s"]

    async def push(owner: AccountOwner, token: str) -> None:
        client.send(f"PUB $SYS.REQ.ACCOUNT.{owner.id}.CLAIMS.UPDATE in {len(token)}\r\n{token}\r\n".encode())
        assert "jwt updated" in await client.receive()

    await push(market.importer, pushed)
    told = {"nats-server": f"Can't locate account [{late.id}] for import of", "natskit": f"{late.id} is not known here"}
    await until(lambda: told[market.engine.name] in market.engine.log(), "the log to name the account")
    await push(late, late.token(exports=(jwt.Export(subject="a.>", type="stream"),)))
    market.users["l"] = late.user()
    await market.player.play("l> PUB a.b 1 | x\ni< MSG a.b 1 1 | x")
