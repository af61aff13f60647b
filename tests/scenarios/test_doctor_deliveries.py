"""What nsc doctor calls dropped is dropped by both servers, and what it finds nothing about is delivered."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from natskit.store import Flags, Workspace
from natskit.store.doctor import Finding, examine
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm
from support.scenario import CONNECT, Client

IMPORTERS = 60
SUBJECTS = ("pub.>", "pub.a", "pub.*", "nope.a", "pri.>", "pri.a", "pri.*", "pos.OWN.x", "pos.OTHER.x")
PUBLISHED = ("pub.a", "pub.a.b", "pri.a", "pri.a.b", "nope.a", "pos.OTHER.x")
TOKENS = (
    *("none", "fits", "by a signing key", "narrow", "expired", "early", "for another account", "for a service"),
    *("for another subject", "by a stranger", "forged", "by a key that was removed", "older than the revocation"),
)
NAMES = ("", "", "to p", "to p.", "to p.*", "to p.>", "local l.a", "local l.>", "local l.*", "local l.$1", "local l..a")
DELIVERED_ALL_THE_SAME = {"import-old-prefix"}
"""What nats-server drops and we deliver."""


class City:
    """One exporter that is well, two that servers refuse, and importers made up at random, with one import each."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = int(time.time())
        self.realm = Realm()
        self.exporter = AccountOwner(self.realm, "E")
        self.stranger, self.removed = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.ACCOUNT)
        exports = (
            jwt.Export(subject="pub.>", type="stream"),
            jwt.Export(subject="pri.>", type="stream", token_req=True, revocations={"*": self.now - 5000}),
            jwt.Export(subject="pos.*.x", type="stream", account_token_position=2),
        )
        self.exporter.publish(exports=exports, signing_keys=(self.exporter.signing_key.public,))
        self.over = AccountOwner(self.realm, "Over")
        self.over.publish(exports=exports, expires=self.now - 10)
        self.foreign = AccountOwner(self.realm, "Foreign")
        self.realm.preload[self.foreign.id] = self.foreign.token(KeyPair.create(Role.OPERATOR), exports=exports)
        self.unknown = AccountOwner(self.realm, "Unknown")
        self.importers = [self._importer(number) for number in range(IMPORTERS)]

    def _importer(self, number: int) -> AccountOwner:
        owner = AccountOwner(self.realm, f"I{number}")
        source = self.chance.choice((self.exporter,) * 9 + (self.over, self.foreign, self.unknown))
        subject = self.chance.choice(SUBJECTS).replace("OWN", owner.id)
        kind, _, name = self.chance.choice(NAMES).partition(" ")
        named = {"to": {"to": name}, "local": {"local_subject": name}}.get(kind, {})
        case = self.chance.choice(TOKENS)
        wants = subject.startswith("pri") or self.chance.random() < 0.2
        token = self._token(case, owner, subject) if wants else ""
        wanted = jwt.Import(subject=subject, account=source.id, type="stream", token=token, **named)
        owner.publish(imports=(wanted,))
        return owner

    def _token(self, case: str, owner: AccountOwner, subject: str) -> str:
        if case == "none":
            return ""
        body: dict[str, Any] = {"subject": "pri.>", "kind": "stream"}
        head: dict[str, Any] = {}
        signer, target, issued = self.exporter.key, owner.id, self.now - 100
        match case:
            case "narrow":
                body["subject"] = subject
            case "by a signing key":
                signer, body["issuer_account"] = self.exporter.signing_key, self.exporter.id
            case "by a key that was removed":
                signer, body["issuer_account"] = self.removed, self.exporter.id
            case "by a stranger":
                signer = self.stranger
            case "expired":
                head["expires"] = self.now - 10
            case "early":
                head["not_before"] = self.now + 5000
            case "for another account":
                target = self.stranger.public
            case "for a service":
                body["kind"] = "service"
            case "for another subject":
                body["subject"] = "pri.b.c"
            case "older than the revocation":
                issued = self.now - 6000
        claims = jwt.ActivationClaims(subject=target, nats=jwt.Activation(**body), **head)
        token = jwt.encode(claims, signer, issued_at=issued)
        return _forged(token) if case == "forged" else token

    def store(self, root: Path) -> Workspace:
        """The same accounts as nsc keeps them."""
        self.realm.write_store(root / "stores")
        return Workspace.open({"HOME": str(root)}, Flags(data_dir=str(root / "stores")), str(root))


def _forged(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}"


def dropped(findings: tuple[Finding, ...], account: str) -> list[str]:
    """The codes that say that the only import of an account delivers nothing."""
    return [
        each.code
        for each in findings
        if each.account == account
        and (each.severity == "error" or each.code == "import-exporter-unknown")
        and each.code not in DELIVERED_ALL_THE_SAME
    ]


async def log_in(engine: Engine, owner: AccountOwner) -> Client | None:
    """A client of an account that has subscribed to everything; None if the server refuses it."""
    client = await Client.open(owner.name, engine.host, engine.port)
    fields = owner.user().credentials(str(client.info["nonce"]))
    client.send(f"CONNECT {json.dumps(CONNECT | fields)}\r\nSUB > 1\r\n".encode())
    await client.sync()
    if client.ended:
        await client.close()
        return None
    return client


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("seed", range(3))
async def test_servers_deliver_what_the_doctor_finds_nothing_about(engine: Engine, seed: int, tmp_path: Path) -> None:
    city = City(seed)
    workspace = city.store(tmp_path)
    found = examine(workspace, workspace.operator("OP"), soon=city.now).findings
    await engine.start(city.realm.config())
    publisher = await log_in(engine, city.exporter)
    assert publisher
    clients = {owner.name: await log_in(engine, owner) for owner in city.importers}
    try:
        subjects = (*PUBLISHED, *(f"pos.{owner.id}.x" for owner in city.importers))
        publisher.send(b"".join(f"PUB {subject} 1\r\nx\r\n".encode() for subject in subjects))
        await publisher.sync()
        verdicts = set()
        for owner in city.importers:
            client, codes = clients[owner.name], dropped(found, owner.name)
            if client:
                await client.sync()
            arrived = client is not None and bool(client.inbox)
            old = [each.code for each in found if each.account == owner.name and each.code in DELIVERED_ALL_THE_SAME]
            if old and not codes:
                assert arrived == (engine.name == "natskit"), owner.name
            else:
                assert arrived == (not codes), f"{owner.name}: {codes or 'nothing found'}: {_told(found, owner.name)}"
            verdicts |= set(codes) or {"delivered"}
        assert len(verdicts) > 8, verdicts
    finally:
        for each in (publisher, *filter(None, clients.values())):
            await each.close()


def _told(found: tuple[Finding, ...], account: str) -> list[str]:
    return [each.text for each in found if each.account == account]
