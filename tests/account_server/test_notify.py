"""Together with nats-servers, ours and the Go one: they resolve accounts here and are told of changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from conftest import RunningServer, free_port
from natskit.account_server import Directory, NatsOptions
from natskit.account_server.notifier import Notifier
from natskit.account_server.record import Record
from natskit.client import Connection, Login, Message, connect
from natskit.errors import AuthenticationError, Unreachable
from natskit.jwt import Export, Import
from natskit.jwt.files import Creds, write_creds
from support.account_service import Service
from support.realm import AccountOwner, Realm, User
from support.waiting import until


@pytest.fixture(autouse=True)
def _logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "natskit.account_server")


@pytest.fixture
def system(realm: Realm) -> AccountOwner:
    """The system account, named by the operator."""
    account = realm.account("SYS")
    realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, system_account=account.id))
    return account


class Stage:
    """An account server over a directory, and a nats-server that resolves by it."""

    def __init__(self, service: Service, realm: Realm, port: int, run: Callable[[str], Any]) -> None:
        self.service = service
        self.realm = realm
        self.url = f"nats://127.0.0.1:{port}"
        self._port = port
        self._run = run

    async def start(self, resolver: str = "", more: str = "") -> Any:
        """Start the nats-server; ready when it accepts connections."""
        resolver = resolver or f"URL({self.service.server.resolver_url})"
        server = self._run(
            f"listen: 127.0.0.1:{self._port}\noperator: {self.realm.token}\nresolver: {resolver}\n{more}\n"
        )
        await asyncio.to_thread(server.wait_until_ready)
        return server

    async def start_connected(self, resolver: str = "", more: str = "") -> None:
        """Start the nats-server and wait for the account server to find it."""
        await self.start(resolver, more)
        await asyncio.wait_for(self.service.server.connected.wait(), 10)

    async def post(self, account: AccountOwner, token: str) -> None:
        answer = await self.service.post(account.id, token)
        assert answer.status == 200, answer.text

    async def user(self, user: User, **more: Any) -> Connection:
        login = Login(creds=Creds(user.token, user.key.seed))
        return await connect(self.url, login, timeout_s=5, max_reconnects=0, **more)


@pytest.fixture
async def stage(
    serve: Callable[..., Any],
    realm: Realm,
    system: AccountOwner,
    operator_file: Path,
    tmp_path: Path,
    engine: Any,
    start: Callable[..., Any],
) -> Stage:
    """The account server, with credentials to announce; the nats-server is not there yet."""
    port = free_port()
    user = system.user("announcer")
    creds = tmp_path / "sys.creds"
    creds.write_text(write_creds(user.token, user.key.seed))
    folder = tmp_path / "jwts"
    folder.mkdir()
    (folder / f"{system.id}.jwt").write_text(realm.preload[system.id])

    def run(config: str) -> RunningServer:
        path = tmp_path / "nats.conf"
        path.write_text(config)
        return RunningServer(start(engine.path, "-c", str(path), cwd=tmp_path), port, path)

    nats = NatsOptions(servers=(f"nats://127.0.0.1:{port}",), credentials=str(creds), reconnect_wait_s=0.05)
    service = await serve(clock=time.time, store=Directory(str(folder)), operator=operator_file, nats=nats)
    return Stage(service, realm, port, run)


async def test_a_nats_server_starts_and_resolves_its_accounts_here(stage: Stage) -> None:
    account, unknown = stage.realm.account("A"), stage.realm.account("B")
    await stage.post(account, stage.realm.preload[account.id])
    await stage.start()
    got: list[Message] = []
    async with await stage.user(account.user()) as one, await stage.user(account.user()) as other:
        await one.subscribe("a.>", got.append)
        await other.publish("a.b", b"hello")
        await until(lambda: got, "the message")
        assert got[0].payload == b"hello"
    with pytest.raises(AuthenticationError):
        await stage.user(unknown.user())
    await stage.post(unknown, stage.realm.preload[unknown.id])
    await (await stage.user(unknown.user())).close()


async def test_the_nats_server_may_come_later_and_go_and_come_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: "failed to connect to NATS" in caplog.text, "the first attempt")
    assert "will try to connect again in 50 milliseconds" in caplog.text
    assert (await stage.service.get("/healthz")).status == 200
    connected = stage.service.server.connected
    server = await stage.start()
    await asyncio.wait_for(connected.wait(), 10)
    server.stop()
    await until(lambda: "the connection is lost" in caplog.text, "the loss")
    account = stage.realm.account("A")
    await stage.post(account, stage.realm.preload[account.id])
    await stage.start()
    await until(lambda: f"sent notification for {account.id[:12]}" in caplog.text, "what was kept", 20)


async def test_an_update_cuts_off_a_revoked_user_at_once(stage: Stage) -> None:
    account = stage.realm.account("A")
    await stage.post(account, stage.realm.preload[account.id])
    await stage.start_connected()
    revoked, kept = account.user("r"), account.user("k")
    async with await stage.user(revoked) as victim, await stage.user(kept) as other:
        await stage.post(account, account.token(revocations={revoked.key.public: 2_000_000_000}))
        with pytest.raises(AuthenticationError):
            await asyncio.wait_for(asyncio.shield(victim.closed), 10)
        await other.confirm()
        assert not other.closed.done()


async def test_a_file_written_by_hand_reaches_the_nats_server(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    account = stage.realm.account("A")
    await stage.post(account, stage.realm.preload[account.id])
    await stage.start_connected()
    async with await stage.user(account.user()) as client:
        folder = stage.service.server.options.store
        assert isinstance(folder, Directory)
        path = Path(folder.path) / f"{account.id}.jwt"
        path.write_text(account.token(limits={"conn": 0}))
        with pytest.raises(Unreachable, match="maximum account active connections exceeded"):
            await asyncio.wait_for(asyncio.shield(client.closed), 10)
    await until(lambda: "jwt updated" in caplog.text, "the answer")


async def test_an_import_that_is_added_delivers_to_those_who_are_connected(stage: Stage) -> None:
    exporter, importer = stage.realm.account("X"), stage.realm.account("I")
    await stage.post(exporter, exporter.token(exports=(Export(name="e", subject="pub.>", type="stream"),)))
    await stage.post(importer, stage.realm.preload[importer.id])
    await stage.start_connected()
    got: list[Message] = []
    async with await stage.user(exporter.user()) as sender, await stage.user(importer.user()) as receiver:
        await receiver.subscribe(">", got.append)
        added = Import(name="i", subject="pub.>", account=exporter.id, type="stream", local_subject="in.>")
        await stage.post(importer, importer.token(imports=(added,)))

        async def keep_sending() -> None:
            while not got:
                await sender.publish("pub.news", b"hello")
                await sender.confirm()
                await asyncio.sleep(0.02)

        await asyncio.wait_for(keep_sending(), 10)
    assert (got[0].subject, got[0].payload) == ("in.news", b"hello")


@pytest.mark.parametrize(
    "resolver",
    ["MEMORY", '{ type: full, dir: "full" }', '{ type: cache, dir: "cache" }'],
    ids=["memory", "full", "cache"],
)
async def test_servers_with_other_resolvers_hear_of_updates_too(
    stage: Stage, system: AccountOwner, caplog: pytest.LogCaptureFixture, resolver: str
) -> None:
    account = stage.realm.account("A")
    preload = f"resolver_preload: {{ {system.id}: {stage.realm.preload[system.id]}"
    if resolver == "MEMORY":
        preload += f"\n{account.id}: {stage.realm.preload[account.id]}"
    await stage.start_connected(resolver, f"system_account: {system.id}\n{preload} }}")
    user = account.user()
    if resolver == "MEMORY":
        async with await stage.user(user) as victim:
            await stage.post(account, account.token(revocations={user.key.public: 2_000_000_000}))
            with pytest.raises(AuthenticationError):
                await asyncio.wait_for(asyncio.shield(victim.closed), 10)
        return
    await stage.post(account, stage.realm.preload[account.id])
    await until(lambda: f"{account.id[:12]} - jwt update" in caplog.text, "the answer")
    if "full" in resolver:
        await (await stage.user(user)).close()


async def test_notify_true_announces_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    account = stage.realm.account("A")
    await stage.post(account, stage.realm.preload[account.id])
    await stage.start_connected()
    await (await stage.user(account.user())).close()
    caplog.clear()
    assert (await stage.service.account(account.id, "?notify=true")).status == 200
    await until(lambda: "jwt updated" in caplog.text, "the answer")


async def test_credentials_that_are_not_the_system_account_s_are_told(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = stage.realm.account("A")
    await stage.post(account, stage.realm.preload[account.id])
    user = account.user()
    (tmp_path / "sys.creds").write_text(write_creds(user.token, user.key.seed))
    await stage.start_connected()
    await stage.post(account, account.token())
    await until(lambda: "must be those of a system account user" in caplog.text, "the hint")


async def test_creds_that_do_not_exist_stop_the_start(
    serve: Callable[..., Any],
) -> None:
    with pytest.raises(OSError, match=r"none\.creds"):
        await serve(nats=NatsOptions(servers=("nats://127.0.0.1:1",), credentials="none.creds"))


async def test_what_is_announced_last_is_sent_before_the_end() -> None:
    heard: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"S","version":"2.15.1","max_payload":1000,"headers":true}\r\n')
        async for line in reader:
            heard.append(line)
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(peer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        notifier = Notifier(NatsOptions(servers=(f"nats://127.0.0.1:{port}",)))
        notifier.start()
        await asyncio.wait_for(notifier.connected.wait(), 10)
        notifier.announce(Record("ACCOUNT", b"token", "id", 0, 0))
        await notifier.stop()
        await until(lambda: b"token\r\n" in heard, "the announcement")
