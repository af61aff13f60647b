"""What the system account hears of clients, on both servers. Source: spec/server-accounts.md section 8."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.engines import ENGINES, Engine
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

CONFIG = """
server_name: s1
accounts { $SYS { users=[{user:s,password:s}] }, A { users=[{user:a,password:a}] } }
"""

CLIENT = {"host": "127.0.0.1", "acc": "A", "user": "a", "name_tag": "A", "kind": "Client", "client_type": "nats"}


class Audience:
    """A client of the system account that hears events."""

    def __init__(self, player: Player, client: Client) -> None:
        self.player = player
        self._client = client

    async def hear(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """The next events: subject (the server's id as N) and content."""
        found: list[tuple[str, dict[str, Any]]] = []
        while len(found) < count:
            await self._client.await_count(1)
            head, _, body = self._client.inbox.pop(0).partition(" | ")
            subject = ".".join("N" if len(token) == 56 else token for token in head.split()[1].split("."))
            if "ACCOUNT.$SYS" not in subject:  # its own arrival
                found.append((subject, json.loads(body)))
        return found


@pytest.fixture
async def audience(engine: Engine) -> AsyncIterator[Audience]:
    await engine.start(CONFIG)
    player = Player(engine.host, engine.port, engine.name)
    await player.line("s> SUB $SYS.ACCOUNT.> 1 | SUB $SYS.SERVER.ACCOUNT.> 2 | SUB $SYS.SERVER.*.CLIENT.> 3")
    yield Audience(player, player.clients["s"])
    await player.close()


async def test_client_comes_and_goes(audience: Audience) -> None:
    await audience.player.line("a> PUB x 2 | hi")
    events = dict(await audience.hear(3))
    assert set(events) == {
        "$SYS.SERVER.ACCOUNT.A.CONNS",
        "$SYS.ACCOUNT.A.SERVER.CONNS",
        "$SYS.ACCOUNT.A.CONNECT",
    }
    connect = events["$SYS.ACCOUNT.A.CONNECT"]
    assert connect["type"] == "io.nats.server.advisory.v1.client_connect"
    assert (connect["server"]["name"], len(connect["id"])) == ("s1", 22)
    client = connect["client"]
    assert {key: value for key, value in client.items() if key not in ("start", "id")} == CLIENT
    conns = events["$SYS.ACCOUNT.A.SERVER.CONNS"]
    assert (conns["acc"], conns["name"], conns["conns"], conns["total_conns"]) == ("A", "A", 1, 1)
    await audience.player.leave("a")
    events = dict(await audience.hear(3))
    assert events["$SYS.ACCOUNT.A.SERVER.CONNS"]["conns"] == 0
    gone = events["$SYS.ACCOUNT.A.DISCONNECT"]
    assert gone["type"] == "io.nats.server.advisory.v1.client_disconnect"
    assert (gone["sent"], gone["received"]) == ({"msgs": 1, "bytes": 2}, {"msgs": 0, "bytes": 0})
    assert gone["reason"] == "Client Closed"
    assert {"rtt", "stop"} <= set(gone["client"])


async def test_failed_login_is_told(audience: Audience) -> None:
    login = '{"user":"a","pass":"x","name":"n","lang":"py","version":"1"}'
    await audience.player.line(f"b> CONNECT {login}")
    await audience.player.line("b< -ERR 'Authorization Violation' | <EOF>")
    events = dict(await audience.hear(2))
    assert set(events) == {"$SYS.SERVER.N.CLIENT.AUTH.ERR", "$SYS.ACCOUNT.$G.DISCONNECT"}
    for event in events.values():
        assert event["reason"] == "Authentication Failure"
        client = event["client"]
        assert (client["acc"], client["user"], client["name"]) == ("$G", "a", "n")
        assert (client["lang"], client["ver"]) == ("py", "1")


async def test_client_is_kicked(audience: Audience) -> None:
    await audience.player.line("a> PUB x 0")
    events = dict(await audience.hear(3))
    body = json.dumps({"cid": events["$SYS.ACCOUNT.A.CONNECT"]["client"]["id"]})
    server_id = audience.player.clients["s"].info["server_id"]
    audience.player.clients["s"].send(f"PUB $SYS.REQ.SERVER.{server_id}.KICK in {len(body)}\r\n{body}\r\n".encode())
    await audience.player.line("a< <EOF>")
    gone = dict(await audience.hear(3))["$SYS.ACCOUNT.A.DISCONNECT"]
    assert gone["reason"] == "Kicked"


async def test_failed_login_is_told_within_the_account_too(engine: Engine) -> None:
    await engine.start("""
        accounts { $SYS { users=[{user:s,password:s}] } }
        authorization { users=[{user:a,password:a}] }
    """)
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.line("a> SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 1")
        await player.line('b> CONNECT {"user":"b","pass":"x","name":"n"}')
        head, _, body = (await player.clients["a"].receive()).partition(" | ")
        assert head.startswith("MSG $SYS.ACCOUNT.CLIENT.AUTH.ERR 1 ")
        event = json.loads(body)
        assert event["type"] == "io.nats.server.advisory.v1.client_disconnect"
        assert (event["reason"], event["client"]["name"]) == ("Authentication Failure", "n")
        assert {"sent", "received", "server", "id", "timestamp"} <= event.keys()
    finally:
        await player.close()


async def test_global_account_has_no_count_of_connections(engine: Engine) -> None:
    await engine.start("""
        accounts { $SYS { users=[{user:s,password:s}] } }
        authorization { users=[{user:a,password:a}] }
    """)
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.line("s> SUB $SYS.ACCOUNT.$G.> 1 | SUB $SYS.SERVER.ACCOUNT.$G.> 2")
        await player.line("a> PUB x 0")
        for event in ("CONNECT", "DISCONNECT"):
            assert (await player.clients["s"].receive()).startswith(f"MSG $SYS.ACCOUNT.$G.{event} 1  ")
            if event == "CONNECT":
                await player.leave("a")
    finally:
        await player.close()


async def test_counts_of_an_account_come_before_what_changed_them(audience: Audience) -> None:
    await audience.player.line("a> SUB x 1 | PUB x 2 | hi")
    come = await audience.hear(3)
    assert come[-1][0].endswith(".CONNECT")
    await audience.player.line("a< MSG x 1 2 | hi")
    await audience.player.leave("a")
    gone = await audience.hear(3)
    assert gone[-1][0].endswith(".DISCONNECT")
    conns = gone[0][1]
    assert conns["type"] == "io.nats.server.advisory.v1.account_connections"
    moved = {"msgs": 1, "bytes": 2}
    nothing = {"msgs": 0, "bytes": 0}
    assert conns["received"] == moved | {"gateways": nothing, "routes": nothing, "leafs": nothing}
    assert conns["sent"] == moved | {"gateways": nothing, "routes": nothing, "leafs": nothing}
    assert (conns["conns"], conns["leafnodes"], conns["total_conns"], conns["slow_consumers"]) == (0, 0, 0, 0)
    assert gone[-1][1]["received"] == moved  # what it received, and what it sent
    assert gone[-1][1]["sent"] == moved


async def test_end_of_the_server_is_told(engine: Engine) -> None:
    await engine.start(CONFIG)
    player = Player(engine.host, engine.port, engine.name)
    await player.line("s> SUB $SYS.SERVER.*.SHUTDOWN 1")
    client = player.clients["s"]
    server_id = client.info["server_id"]
    await engine.stop()
    head, _, body = (await client.receive()).partition(" | ")
    assert head.startswith(f"MSG $SYS.SERVER.{server_id}.SHUTDOWN 1  ")
    told = json.loads(body)
    assert (told["name"], told["id"]) == ("s1", server_id)
    assert {"host", "ver", "seq", "time", "jetstream"} <= told.keys()
    await player.close()


async def test_counts_are_repeated_while_there_are_connections(engine: Engine, audience: Audience) -> None:
    await audience.player.line("a> PUB x 0")
    await audience.hear(3)
    if engine.name == "nats-server":
        pytest.skip("it takes half a minute")
    for _ in range(2):
        await engine.pass_time(30)
        told = await audience.hear(2)
        assert [subject.rpartition(".")[2] for subject, _ in told] == ["CONNS", "CONNS"]
        assert told[0][1]["conns"] == 1
    await audience.player.leave("a")
    await audience.hear(3)
    await engine.pass_time(30)
    watcher = audience.player.clients["s"]
    await watcher.sync()
    assert not [message for message in watcher.inbox if "ACCOUNT.A." in message]
    watcher.inbox.clear()
