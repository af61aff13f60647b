"""Directory resolvers, each on both servers. Source: spec/server-accounts.md sections 7 and 8."""

from __future__ import annotations

import asyncio
import hashlib
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
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

UPDATE = "$SYS.REQ.CLAIMS.UPDATE"


class Archive:
    """A server with a directory of accounts, and a client in its system account."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder / "jwt"
        self.realm = Realm()
        self.system = self.realm.account("SYS")
        body = replace(self.realm.claims.nats, system_account=self.system.id)
        self.realm.claims = replace(self.realm.claims, nats=body)
        self.users: dict[str, User] = {}
        self.config = ""
        self.player: Player
        self.admin: Client

    async def open(self, kind: str = "full", options: str = "allow_delete: true", preload: bool = True) -> None:
        token = self.realm.preload[self.system.id]
        lines = [
            f'operator: "{self.realm.token}"',
            f'resolver: {{ type: {kind}, dir: "{self.folder}", {options} }}',
            f'resolver_preload: {{ {self.system.id}: "{token}" }}' if preload else "",
        ]
        self.config = "\n".join(lines)
        await self.engine.start(self.config)
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)
        self.users["admin"] = self.system.user()
        await self.player.play("admin> SUB in 1")
        self.admin = self.player.clients["admin"]

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))

    async def ask(self, subject: str, payload: bytes | str = b"") -> str:
        """The payload of the answer to a request."""
        data = payload.encode() if isinstance(payload, str) else payload
        self.admin.send(f"PUB {subject} in {len(data)}\r\n".encode() + data + b"\r\n")
        return (await self.admin.receive()).partition(" | ")[2]

    async def order(self, subject: str, payload: str) -> dict[str, Any]:
        """The outcome that an answer reports: its data, or its error."""
        answer: dict[str, Any] = json.loads(await self.ask(subject, payload))
        return answer.get("data") or answer["error"]

    async def push(self, account: AccountOwner, **body: Any) -> str:
        token = account.token(**body)
        assert (await self.order(UPDATE, token))["code"] == 200
        return token

    def deletion(self, accounts: object, signer: KeyPair | None = None, subject: str = "") -> str:
        signer = signer or self.realm.key
        claims = jwt.GenericClaims(subject=subject or signer.public, nats={"accounts": accounts})
        return jwt.encode(claims, signer, issued_at=int(time.time()))

    async def delete(self, accounts: object, **more: Any) -> str:
        answer = await self.order("$SYS.REQ.CLAIMS.DELETE", self.deletion(accounts, **more))
        return str(answer.get("message") or answer["description"])


@pytest.fixture
async def archive(engine: Engine, tmp_path: Path) -> AsyncIterator[Archive]:
    archive = Archive(engine, tmp_path)
    yield archive
    await archive.player.close()


async def test_pushed_account_is_stored_listed_and_handed_out(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    token = await archive.push(account)
    assert (archive.folder / f"{account.id}.jwt").read_text() == token
    listed = json.loads(await archive.ask("$SYS.REQ.CLAIMS.LIST"))
    assert sorted(listed["data"]) == sorted([account.id, archive.system.id])
    assert await archive.ask(f"$SYS.REQ.ACCOUNT.{account.id}.CLAIMS.LOOKUP") == token
    assert await archive.ask(f"$SYS.REQ.ACCOUNT.{AccountOwner(archive.realm, 'B').id}.CLAIMS.LOOKUP") == ""
    archive.users["u"] = account.user()
    await archive.player.play("u> SUB x 1 | PUB x 1 | m\nu< MSG x 1 1 | m")


async def test_pack_has_all_tokens_unless_the_asker_has_them(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    tokens = {account.id: await archive.push(account), archive.system.id: archive.realm.preload[archive.system.id]}
    packed = [await archive.ask("$SYS.REQ.CLAIMS.PACK")]
    while packed[-1]:
        packed.append((await archive.admin.receive()).partition(" | ")[2])
    assert dict(line.split("|") for line in packed[:-1]) == tokens
    digest = 0
    for token in tokens.values():
        digest ^= int.from_bytes(hashlib.sha256(token.encode()).digest(), "big")
    assert await archive.ask("$SYS.REQ.CLAIMS.PACK", digest.to_bytes(32, "big")) == ""


async def test_s28_deleted_account_ends_its_connections(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "L")
    await archive.open()
    await archive.push(account)
    archive.users["u"] = account.user()
    await archive.player.play("u> PUB x 0")
    assert await archive.delete([account.id]) == "deleted 1 accounts"
    await archive.player.play("u< -ERR 'Account Authentication Expired' | <EOF>")
    assert (archive.folder / f"{account.id}.jwt.deleted").exists()
    await archive.player.leave("u")
    await archive.player.play("u< -ERR 'Authorization Violation' | <EOF>")
    await archive.player.leave("u")
    await archive.push(account)
    await archive.player.play("u> PUB x 0")


async def test_deletion_is_for_the_operator_only(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    await archive.push(account)
    stranger, realm = KeyPair.create(Role.OPERATOR), archive.realm
    prefix = "delete accounts request by {} failed - "
    for accounts, more, fault in [
        ([account.id], {"signer": stranger}, prefix.format(stranger.public) + "not trusted"),
        ([account.id], {"signer": stranger, "subject": realm.key.public}, prefix.format(realm.key.public)),
        ([account.id], {"signer": realm.signing_key, "subject": realm.key.public}, "not self signed"),
        ([archive.system.id], {}, "not allowed to delete system account"),
        ("x", {}, "malformed request"),
        (["nope"], {}, "malformed request"),
    ]:
        assert fault in await archive.delete(accounts, **more)
    assert (
        "delete accounts request by  failed - " in (await archive.order("$SYS.REQ.CLAIMS.DELETE", "x"))["description"]
    )
    assert (archive.folder / f"{account.id}.jwt").exists()
    assert await archive.delete([account.id], signer=realm.signing_key) == "deleted 1 accounts"
    assert await archive.delete([]) == "deleted 0 accounts"


async def test_deletion_must_be_enabled(archive: Archive) -> None:
    await archive.open(options="limit: 5")
    assert "delete must be enabled in server config" in await archive.delete([AccountOwner(archive.realm, "A").id])


async def test_full_store_says_so(archive: Archive) -> None:
    await archive.open(options="limit: 1")
    answer = await archive.order(UPDATE, AccountOwner(archive.realm, "A").token())
    assert answer["description"] == "jwt update resulted in error - jwt store is full"


NOT_VALID: list[tuple[dict[str, Any], str]] = [
    (
        {"exports": (jwt.Export(subject="z.a", type="stream"), jwt.Export(subject="z.>", type="stream"))},
        'stream export subject "z.>" already exports "z.a"',
    ),
    (
        {"exports": (jwt.Export(subject="z.>", type="stream"),), "limits": {"exports": 5, "wildcards": False}},
        "the account contains wildcard exports that are not allowed by the operator",
    ),
    (
        {"exports": (jwt.Export(subject="z.a", type="stream"),), "limits": {"exports": 0}},
        "the account contains more exports than allowed by the operator",
    ),
    (
        {"mappings": {"foo": tuple(jwt.WeightedMapping(subject=name, weight=60) for name in "ab")}},
        'Mapping "foo" exceeds 100% among all of it\'s weighted to mappings',
    ),
]


@pytest.mark.parametrize(("body", "fault"), NOT_VALID)
async def test_token_that_is_not_valid_is_refused_with_the_reason(
    archive: Archive, body: dict[str, Any], fault: str
) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    for subject in (UPDATE, f"$SYS.REQ.ACCOUNT.{account.id}.CLAIMS.UPDATE", f"$SYS.ACCOUNT.{account.id}.CLAIMS.UPDATE"):
        description = f"jwt validation failed - validation errors: [{fault}]"
        answer = await archive.order(subject, account.token(**body))
        assert answer == {"account": account.id, "code": 500, "description": description}
    assert not (archive.folder / f"{account.id}.jwt").exists()


async def test_push_of_what_is_no_account_names_nobody(archive: Archive) -> None:
    account = archive.realm.account("A")
    await archive.open()
    for token, cause in (("abc", "expected 3 chunks"), (account.user().token, "not account claim")):
        answer = await archive.order(f"$SYS.REQ.ACCOUNT.{account.id}.CLAIMS.UPDATE", token)
        assert answer == {"account": "n/a", "code": 500, "description": f"jwt update resulted in error - {cause}"}


@pytest.mark.parametrize("fault", ["untrusted", "expired", "older"])
async def test_token_that_is_not_to_be_trusted_is_not_stored(archive: Archive, fault: str) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    good = await archive.push(account)
    bad = {
        "untrusted": account.token(KeyPair.create(Role.OPERATOR)),
        "expired": account.token(expires=int(time.time()) - 5),
        "older": account.token(issued_at=5),
    }[fault]
    answer = await archive.order(UPDATE, bad)
    stored = (archive.folder / f"{account.id}.jwt").read_text()
    if archive.engine.name == "nats-server":
        assert (answer["code"], stored) == (200, bad)
    else:
        assert (answer["code"], stored) == (500, good)
        assert answer["description"].startswith("jwt update resulted in error - ")


async def test_cache_takes_accounts_in_use_only(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open("cache", "limit: 10")
    assert (await archive.order(UPDATE, account.token()))["message"] == "jwt update cache skipped"
    assert (await archive.order(UPDATE, archive.system.token()))["message"] == "jwt updated cache"


async def test_empty_directory_is_filled_through_a_bootstrapping_system_account(archive: Archive) -> None:
    await archive.open(preload=False)
    await archive.push(archive.system)
    account = AccountOwner(archive.realm, "A")
    await archive.push(account)
    archive.users["u"] = account.user()
    await archive.player.play("u> SUB x 1 | PUB x 1 | m\nu< MSG x 1 1 | m")


async def test_client_of_the_system_account_may_know_an_account(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    archive.users |= {"shelf": archive.system.user(), "u": account.user()}
    subject = f"$SYS.REQ.ACCOUNT.{account.id}.CLAIMS.LOOKUP"
    await archive.player.play(f"shelf> SUB {subject} 1")
    shelf = archive.player.clients["shelf"]
    login = asyncio.create_task(archive.player.play("u> SUB x 1 | PUB x 1 | m\nu< MSG x 1 1 | m"))
    reply = (await shelf.receive()).split()[3]
    token = account.token()
    shelf.send(f"PUB {reply} {len(token)}\r\n{token}\r\n".encode())
    await login
    assert (archive.folder / f"{account.id}.jwt").read_text() == token


async def test_answer_to_a_lookup_that_is_not_to_be_trusted_is_not_stored(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open(options="timeout: '1s'")
    archive.users |= {"shelf": archive.system.user(), "u": account.user()}
    await archive.player.play(f"shelf> SUB $SYS.REQ.ACCOUNT.{account.id}.CLAIMS.LOOKUP 1")
    shelf = archive.player.clients["shelf"]
    login = asyncio.create_task(archive.player.play("u< -ERR 'Authorization Violation' | <EOF>"))
    reply = (await shelf.receive()).split()[3]
    token = account.token(signer=account.key)
    shelf.send(f"PUB {reply} {len(token)}\r\n{token}\r\n".encode())
    await login
    assert (archive.folder / f"{account.id}.jwt").exists() == (archive.engine.name == "nats-server")


async def test_files_changed_by_hand_are_used_after_a_reload(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    await archive.push(account)
    archive.users["u"] = account.user()
    await archive.player.play("u> PUB x 0")
    token = account.token(default_permissions=jwt.Permissions(pub=jwt.Permission(deny=("no",))))
    (archive.folder / f"{account.id}.jwt").write_text(token)
    await archive.engine.reload(archive.config)
    if archive.engine.name == "nats-server":
        return  # 2.15.1 was not seen to read the file again
    archive.users["v"] = account.user()
    await archive.player.play("v> PUB no 0\nv< -ERR 'Permissions Violation for Publish to \"no\"'")
