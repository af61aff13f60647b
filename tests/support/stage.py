"""A server of an operator, with accounts that export and import, whose tokens a test pushes."""

from __future__ import annotations

import json
import time
from typing import Any

from msgspec.structs import replace

from natskit import jwt
from support.engines import Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Player


class Stage:
    """A server of an operator with a system account, an exporter and an importer; clients are users of these."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.realm = Realm()
        self.system = self.realm.account("SYS")
        self.exporter = self.realm.account("EXP")
        self.importer = self.realm.account("IMP")
        body = replace(self.realm.claims.nats, system_account=self.system.id)
        self.realm.claims = replace(self.realm.claims, nats=body)
        self.users: dict[str, User] = {
            "sys": self.system.user(),
            "x": self.exporter.user(),
            "i": self.importer.user(),
        }
        self.player: Player

    async def open(self, *more: str) -> None:
        await self.engine.start(self.realm.config(*more))
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))

    async def play(self, text: str) -> None:
        await self.player.play(text)

    async def push(self, owner: AccountOwner, token: str) -> dict[str, Any]:
        """Push an account through the system account; returns what the server answers."""
        client = self.player.clients.get("sys") or await self.player._open("sys", "")
        client.send(b"SUB pushed 77\r\n")
        subject = f"$SYS.REQ.ACCOUNT.{owner.id}.CLAIMS.UPDATE"
        client.send(f"PUB {subject} pushed {len(token)}\r\n{token}\r\n".encode())
        message = await client.receive()
        assert message.startswith("MSG pushed 77"), message
        answer: dict[str, Any] = json.loads(message.partition(" | ")[2])
        client.send(b"UNSUB 77\r\n")
        await client.sync()
        return answer

    async def update(self, owner: AccountOwner, **body: Any) -> None:
        answer = await self.push(owner, owner.token(**body))
        assert answer["data"]["message"] == "jwt updated"

    def activation(self, subject: str = "a.b.c.d", **head: Any) -> str:
        signer, issued_at = head.pop("signer", self.exporter.key), head.pop("issued_at", int(time.time()) - 100)
        to = head.pop("to", self.importer.id)
        body = jwt.Activation(subject=subject, kind="stream", issuer_account=head.pop("issuer_account", ""))
        return jwt.encode(jwt.ActivationClaims(subject=to, nats=body, **head), signer, issued_at=issued_at)

    def exports(self, **more: Any) -> dict[str, Any]:
        return {"exports": (jwt.Export(subject="a.b.c.>", type="stream", token_req=True, **more),)}

    def imports(self, token: str, **wanted: Any) -> dict[str, Any]:
        wanted = {"subject": "a.b.c.d", "account": self.exporter.id, "type": "stream"} | wanted
        return {"imports": (jwt.Import(token=token, **wanted),)}
