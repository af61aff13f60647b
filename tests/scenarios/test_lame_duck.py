"""Servers that end slowly, on both servers. Source: spec/server-protocol.md sections 17 and 18."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from support.engines import ENGINES, Engine
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

CONFIG = """
lame_duck_duration: "30s"
lame_duck_grace_period: "%s"
accounts { $SYS { users=[{user:s,password:s}] }, A { users=[{user:a,password:a}] } }
"""
MODERN = '{"user":"%s","pass":"%s","verbose":false,"pedantic":false,"protocol":1}'
OLD = '{"user":"a","pass":"a","verbose":false,"pedantic":false}'


async def enter(player: Player, name: str, connect: str) -> Client:
    """A client that has seen everything that belongs to logging in."""
    await player.line(f"{name}> CONNECT {connect}")
    client = player.clients[name]
    await client.sync()
    await client.sync()
    client.inbox.clear()
    return client


async def told(client: Client) -> dict[str, object]:
    """The last INFO."""
    await client.sync()
    client.inbox = [message for message in client.inbox if not message.startswith("INFO ")]
    return client.info


@pytest.fixture
async def player(engine: Engine) -> AsyncIterator[Player]:
    player = Player(engine.host, 0, engine.name, raw=["a", "old", "s"])
    yield player
    await player.close()


async def start(engine: Engine, player: Player, grace: str) -> tuple[Client, Client, Client]:
    await engine.start(CONFIG % grace)
    player.port = engine.port
    return (
        await enter(player, "s", MODERN % ("s", "s")),
        await enter(player, "a", MODERN % ("a", "a")),
        await enter(player, "old", OLD),
    )


async def test_clients_are_told_and_served_until_their_turn_comes(engine: Engine, player: Player) -> None:
    watcher, client, old = await start(engine, player, "1s")
    watcher.send(b"SUB $SYS.SERVER.*.LAMEDUCK 1\r\n")
    await watcher.sync()
    await engine.lame_duck()
    for each in (client, watcher):
        info = await told(each)
        assert info["ldm"] is True
        assert not {"connect_info", "connect_urls", "remote_account", "nonce"} & info.keys()
    assert [".LAMEDUCK 1 " in message for message in watcher.inbox] == [True]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(engine.host, engine.port)
    client.send(b"SUB x 1\r\nPUB x 2\r\nhi\r\n")
    await client.sync()
    assert client.inbox == ["MSG x 1 2 | hi"]
    await old.sync()
    assert old.inbox == []  # it would not understand
    for _ in range(3):  # the grace period, then a step for each
        await engine.pass_time(1.0)
    await engine.ended()
    for each in (watcher, client, old):
        while not each.ended:
            each.inbox.append(await each.receive())
        assert each.inbox[-1] == "<EOF>"
        assert not any(message.startswith("-ERR") for message in each.inbox)


async def test_reload_tells_clients_nothing(engine: Engine, player: Player) -> None:
    _, client, _ = await start(engine, player, "10s")
    client.info = {}
    await engine.reload(CONFIG % "10s" + "max_payload: 100\n")
    await client.sync()
    assert (client.inbox, client.info) == ([], {})
    client.send(b"PUB x 101\r\n")
    assert await client.receive() == "-ERR 'Maximum Payload Violation'"


async def test_without_clients_it_ends_at_once(engine: Engine, player: Player) -> None:
    await engine.start(CONFIG % "10s")
    await engine.lame_duck()
    await engine.ended()


@pytest.mark.parametrize(
    ("which", "outcome"),
    [
        ("a", None),
        ("old", "client does not support Lame Duck Mode or is not ready to receive the notification"),
        ("nobody", "no such client id"),
    ],
)
async def test_one_client_is_asked_to_move(engine: Engine, player: Player, which: str, outcome: str | None) -> None:
    watcher, client, _ = await start(engine, player, "10s")
    cid = player.clients[which].info["client_id"] if which != "nobody" else 99999
    body = json.dumps({"cid": cid})
    watcher.send(b"SUB in 1\r\n")
    # Orders are for one server: with PING nobody answers.
    for server in ("PING", watcher.info["server_id"]):
        watcher.send(f"PUB $SYS.REQ.SERVER.{server}.LDM in {len(body)}\r\n{body}\r\n".encode())
    await watcher.await_count(1)
    answer = json.loads(watcher.inbox[0].partition(" | ")[2])
    assert answer.get("error", {}).get("description") == outcome
    assert "data" not in answer
    if outcome is None:
        assert (await told(client))["ldm"] is True
    client.send(b"SUB x 1\r\nPUB x 0\r\n\r\n")
    await client.sync()
    assert client.inbox == ["MSG x 1 0"]
