"""What ``nsc explain denied`` says of logins, against both servers: users and accounts with faults made up at random."""

from __future__ import annotations

import contextlib
import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from natskit import jwt
from natskit.cli.nsc import execute
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Client

COUNT = 40


def hour(ahead: int) -> str:
    return time.strftime("%H:00:00", time.gmtime(time.time() + ahead * 3600))


def faults() -> list[dict[str, Any]]:
    """What a user's token may say; half of it lets nobody in now, from here."""
    now = int(time.time())
    return [
        {"expires": now - 10},
        {"expires": now + 999},
        {"not_before": now + 999},
        {"src": ("127.0.0.0/8", "::1/128")},
        {"src": ("10.0.0.0/8",)},
        {"times": (jwt.TimeRange(hour(-1), hour(2)),), "times_location": "UTC"},
        {"times": (jwt.TimeRange(hour(3), hour(5)),), "times_location": "UTC"},
        {"allowed_connection_types": ("STANDARD",)},
        {"allowed_connection_types": ("WEBSOCKET", "LEAFNODE")},
        {"bearer_token": True},
        {"subs": 0},
    ]


class City:
    """Accounts of many kinds with users of many kinds, in the memory of a server and in a store."""

    def __init__(self, seed: int, folder: Path) -> None:
        chance = random.Random(seed)
        self.realm, stranger = Realm(strict_signing_key_usage=seed % 2 == 1), Realm()
        self.folder = folder / "store"
        self.users: dict[tuple[str, str], User] = {}
        now = int(time.time())
        bodies: dict[str, dict[str, Any]] = {
            "Good": {},
            "Expired": {"expires": now - 10},
            "Foreign": {},
            "Own": {},
            "NoBearer": {"limits": {"disallow_bearer": True}},
            "Closed": {"limits": {"conn": 0}},
            "Silent": {"limits": {"subs": 0}},
            "Revoked": {"revocations": {"*": now - 100}},
        }
        signers = {"Foreign": stranger.key, "Own": self.realm.key}
        owners = {name: self.realm.account(name) for name in bodies}
        scopes = {name: KeyPair.create(Role.ACCOUNT) for name in bodies}
        for number in range(COUNT):
            name = chance.choice(list(bodies)) if number % 2 else "Good"
            self.users[name, f"u{number}"] = self._user(chance, owners[name], scopes[name], number)
        for name, owner in owners.items():
            scope = jwt.UserScope(kind="user_scope", key=scopes[name].public, role="r", template=jwt.ScopeTemplate())
            keys = (owner.signing_key.public, scope)
            signer = signers.get(name, self.realm.signing_key)
            self.realm.preload[owner.id] = owner.token(signer, signing_keys=keys, **bodies[name])
        self.realm.write_store(self.folder, self.users.values())

    def _user(self, chance: random.Random, owner: AccountOwner, scoped: KeyPair, number: int) -> User:
        signer = chance.choice(
            [owner.key, owner.signing_key, owner.signing_key, owner.signing_key, scoped, KeyPair.create(Role.ACCOUNT)]
        )
        body: dict[str, Any] = {}
        for each in chance.sample(faults(), chance.choice((0, 0, 1, 1, 2))):
            body |= each
        if signer is scoped:
            body = {name: value for name, value in body.items() if name in ("expires", "not_before")} | {"scoped": True}
        return owner.user(f"u{number}", signer, ago=chance.choice((10, 500)), **body)

    def explain(self, account: str, user: str) -> dict[str, Any]:
        words = ("--all-dirs", str(self.folder), "--account", account, "--user", user, "--from", "127.0.0.1", "--json")
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            status = execute(("explain", "denied", "sub", "some.subject", *words))
        assert status in (0, 1), err.getvalue()
        answer: dict[str, Any] = json.loads(out.getvalue())
        return answer


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("seed", range(4))
async def test_who_gets_in_is_who_explain_says(
    engine: Engine, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NSC_PROFILE", raising=False)
    city = City(seed, tmp_path)
    await engine.start(city.realm.config())
    verdicts = set()
    for (account, name), user in city.users.items():
        said = city.explain(account, name)
        why = said.get("first", {}).get("text", "nothing speaks against it")
        assert await gets_in(engine, user) == said["allowed"], f"{account} {name}: {why}"
        verdicts.add(said.get("first", {}).get("rule"))
    assert len(verdicts) > 5, verdicts


async def gets_in(engine: Engine, user: User) -> bool:
    """Whether a server lets a user in and keeps it."""
    client = await Client.open("c", engine.host, engine.port)
    try:
        connect = {"verbose": False, "protocol": 1, **user.credentials(str(client.info["nonce"]))}
        client.send(b"CONNECT " + json.dumps(connect).encode() + b"\r\nPING\r\nSUB some.subject 1\r\nPING\r\n")
        return [await client.receive(), await client.receive()] == ["PONG", "PONG"]
    finally:
        await client.close()
