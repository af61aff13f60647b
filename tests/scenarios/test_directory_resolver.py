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
from support.waiting import until

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

    async def open(
        self, kind: str = "full", options: str = "allow_delete: true", preload: bool = True, user: User | None = None
    ) -> None:
        token = self.realm.preload[self.system.id]
        lines = [
            f'operator: "{self.realm.token}"',
            f'resolver: {{ type: {kind}, dir: "{self.folder}", {options} }}',
            f'resolver_preload: {{ {self.system.id}: "{token}" }}' if preload else "",
        ]
        self.config = "\n".join(lines)
        await self.engine.start(self.config)
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)
        self.users["admin"] = user or self.system.user()
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


SERVICE = {"type": "service", "account": KeyPair.from_raw_seed(Role.ACCOUNT, bytes(32)).public}
MORE_IMPORTS = "the account contains more imports than allowed by the operator"
NOT_VALID: list[tuple[dict[str, Any], str]] = [
    ({"imports": (jwt.Import(subject="a", **SERVICE),), "limits": {"imports": 0}}, f"{MORE_IMPORTS} {MORE_IMPORTS}"),
    (
        {"imports": (jwt.Import(subject="z.a", **SERVICE), jwt.Import(subject="z.>", **SERVICE))},
        f'overlapping subject namespace for "z.a" and "z.>" in same account "{SERVICE["account"]}"',
    ),
    (
        {"imports": (jwt.Import(subject="a.*.*", local_subject="b.$1", **SERVICE),)},
        "subject does not contain enough * or reference wildcards $[0-9]",
    ),
    (
        {"authorization": jwt.ExternalAuthorization(allowed_accounts=("*",))},
        "External authorization cannot have accounts without users specified",
    ),
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


async def test_wildcards_are_forbidden_only_where_exports_are_counted(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    await archive.push(account, exports=(jwt.Export(subject="z.>", type="stream"),), limits={"wildcards": False})


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
    assert json.loads(await archive.ask("$SYS.REQ.CLAIMS.LIST"))["data"] == [archive.system.id]
    for subject in ("$SYS.REQ.CLAIMS.PACK", f"$SYS.REQ.ACCOUNT.{archive.system.id}.CLAIMS.LOOKUP"):
        assert (await archive.ask(subject)).startswith("NATS/1.0 503")
    assert f"Managing some jwt in exclusive directory {archive.folder}" in archive.engine.log()


async def test_empty_directory_is_filled_through_a_bootstrapping_system_account(archive: Archive) -> None:
    await archive.open(preload=False)
    assert f"Managing all jwt in exclusive directory {archive.folder}" in archive.engine.log()
    assert "Using bootstrapping system account" in archive.engine.log()
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
    archive.users["v"] = account.user()
    await archive.player.play("""
        v> PUB no 0
        [natskit] v< -ERR 'Permissions Violation for Publish to "no"'
    """)


async def test_files_are_for_the_owner_only(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    archive.folder = archive.folder / "made" / "here"
    await archive.open()
    token = await archive.push(account)
    file = archive.folder / f"{account.id}.jwt"
    assert file.read_bytes() == token.encode()
    assert [oct(path.stat().st_mode & 0o777) for path in (archive.folder, file)] == ["0o700", "0o600"]
    await archive.push(archive.system)
    assert sorted(path.name for path in archive.folder.iterdir()) == sorted(
        f"{owner.id}.jwt" for owner in (account, archive.system)
    )


async def test_hard_delete_leaves_nothing_behind(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open(options="allow_delete: true, hard_delete: true")
    await archive.push(account)
    stranger = AccountOwner(archive.realm, "B")
    assert await archive.delete([account.id, stranger.id]) == "deleted 2 accounts"
    assert [path.name for path in archive.folder.iterdir()] == [f"{archive.system.id}.jwt"]


async def test_deleted_account_comes_back_with_the_token_that_it_had(archive: Archive) -> None:
    """The real server takes a loaded account back with a new token only. docs/differences.md."""
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    archive.users["u"] = account.user()
    token = await archive.push(account)
    await archive.player.play("u> PUB x 0")
    await archive.delete([account.id])
    await archive.player.play("u< -ERR 'Account Authentication Expired' | <EOF>")
    await archive.player.leave("u")
    assert (await archive.order(UPDATE, token))["code"] == 200
    await archive.player.play("[nats-server] u< -ERR 'Authorization Violation' | <EOF>\n[natskit] u> PUB x 0")
    await archive.player.leave("u")
    await archive.push(account)
    await archive.player.play("u> PUB x 0")


async def test_unknown_account_is_waited_for_if_somebody_may_know_it(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    await archive.open(options='timeout: "300ms"')
    archive.users |= {"shelf": archive.system.user(), "u": account.user(), "v": account.user()}

    async def refused(name: str) -> float:
        begun = time.monotonic()
        await archive.player.line(f"{name}< -ERR 'Authorization Violation' | <EOF>")
        return time.monotonic() - begun

    alone = await refused("u")
    assert alone < 0.25 if archive.engine.name == "natskit" else alone > 0.25
    await archive.player.play(f"shelf> SUB $SYS.REQ.ACCOUNT.{account.id}.CLAIMS.LOOKUP 1")
    assert 0.25 < await refused("v") < 1.5
    assert (await archive.player.clients["shelf"].receive()).startswith("MSG $SYS.REQ.ACCOUNT.")


async def test_lookup_of_what_is_no_account_key(archive: Archive) -> None:
    await archive.open()
    archive.admin.send(b"PUB $SYS.REQ.ACCOUNT.nope.CLAIMS.LOOKUP in 0\r\n\r\n")
    answered = await archive.ask("$SYS.REQ.CLAIMS.LIST")
    if archive.engine.name == "natskit":
        assert answered == ""
        answered = (await archive.admin.receive()).partition(" | ")[2]
    assert json.loads(answered)["data"] == [archive.system.id]


async def test_operator_may_want_signing_keys_only(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    strict = replace(archive.realm.claims.nats, strict_signing_key_usage=True)
    archive.realm.claims = replace(archive.realm.claims, nats=strict)
    keys = (archive.system.signing_key.public,)
    archive.realm.preload[archive.system.id] = archive.system.token(archive.realm.signing_key, signing_keys=keys)
    await archive.open(user=archive.system.user(signer=archive.system.signing_key))
    answer = await archive.order(UPDATE, account.token())
    assert answer["code"] == 500
    assert "operator requires issuer to be a signing key" in answer["description"]
    assert (await archive.order(UPDATE, account.token(archive.realm.signing_key)))["code"] == 200


async def test_cache_forgets_what_was_not_used(archive: Archive) -> None:
    account = AccountOwner(archive.realm, "A")
    archive.folder.mkdir(mode=0o700)
    file = archive.folder / f"{account.id}.jwt"
    file.write_text(account.token())
    await archive.open("cache", "ttl: 2s")
    archive.users |= {"u": account.user(), "v": account.user()}
    await archive.player.play("u> PUB x 0")
    assert file.exists()
    await archive.engine.pass_time(2 if archive.engine.name == "nats-server" else 62)
    await until(lambda: not file.exists(), "the file to go")
    await archive.player.play("u> SUB x 1\nv> PUB x 0\nu< MSG x 1 0")  # an account in use stays in use


async def test_cache_has_room_for_so_many(archive: Archive) -> None:
    accounts = [AccountOwner(archive.realm, name) for name in "AB"]
    await archive.open("cache", "limit: 2")
    archive.users |= {"shelf": archive.system.user()}
    await archive.player.line("shelf> SUB $SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP 1")
    shelf = archive.player.clients["shelf"]
    for account in accounts:
        archive.users[account.name] = account.user()
        login = asyncio.create_task(archive.player.line(f"{account.name}> PUB x 0"))
        reply, token = (await shelf.receive()).split()[3], account.token()
        shelf.send(f"PUB {reply} {len(token)}\r\n{token}\r\n".encode())
        await login
    files = [path.name for path in archive.folder.iterdir()]
    assert len(files) == 2
    assert f"{accounts[-1].id}.jwt" in files


@pytest.mark.parametrize("per_account", [False, True])
async def test_push_with_headers(archive: Archive, per_account: bool) -> None:
    """The real server takes the headers for a part of the token where the subject names the account."""
    account = AccountOwner(archive.realm, "A")
    await archive.open()
    subject = f"$SYS.REQ.ACCOUNT.{account.id}.CLAIMS.UPDATE" if per_account else UPDATE
    headers, token = "NATS/1.0\r\nA: b\r\n\r\n", account.token()
    sizes = f"{len(headers)} {len(headers) + len(token)}"
    archive.admin.send(f"HPUB {subject} in {sizes}\r\n{headers}{token}\r\n".encode())
    answer = json.loads((await archive.admin.receive()).partition(" | ")[2])
    if per_account and archive.engine.name == "nats-server":
        assert answer["error"]["account"] == "n/a"
    else:
        assert answer["data"]["message"] == "jwt updated"


async def test_only_servers_with_others_ask_for_what_they_have(archive: Archive) -> None:
    """The real server does so in intervals, and takes what clients of the system account answer."""
    await archive.open(options='interval: "200ms"')
    archive.admin.send(b"SUB $SYS.REQ.CLAIMS.PACK 7\r\n")
    if archive.engine.name == "nats-server":
        told = b""
        async with asyncio.timeout(5):
            while not told.startswith(b"MSG $SYS.REQ.CLAIMS.PACK 7 "):
                told = await archive.admin._reader.readuntil(b"\r\n")
        assert told.endswith(b" 32\r\n")
        await archive.admin._reader.readexactly(34)
    else:
        await archive.engine.pass_time(1)
        await archive.player.play("admin< (nothing)")
