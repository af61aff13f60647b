"""Every request of section 8 of spec/server-accounts.md, to both servers: who may ask, and what comes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.engines import ENGINES, Engine
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

CONFIG = """
server_name: s1, server_tags: ["x:1", y], server_metadata { m: n }
accounts {
  $SYS { users: [{user: s, password: s}] }
  A {
    users: [{user: a, password: a}]
    exports: [{service: q, latency: lat, accounts: [B]}, {stream: "st.>"}]
    mappings { m1: [{dest: m2, weight: 50}, {dest: m3, weight: 20}] }
  }
  B { users: [{user: b, password: b}], imports: [{service: {account: A, subject: q}, to: qq, share: true}] }
}
"""

NOBODY = "nobody"
"""What a client is told that asks where nobody answers."""
SILENCE = "silence"

OURS, REAL = ENGINES


def error(code: int, text: object = ..., **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "description": text}, **more}


def data(**members: Any) -> dict[str, Any]:
    return {"data": members}


NOT_HERE = {OURS: error(500, data=None), REAL: {"data": ...}}
UNLIKE_GO = {OURS: error(400), REAL: SILENCE}
NO_CLIENT = error(500, "no such client or leafnode id")

SERVER: list[tuple[str, object, object]] = [
    ("ID.IDZ", "", {"name": "s1", "host": "127.0.0.1", "id": ...}),
    ("PING.IDZ", "", {"name": "s1", "host": "127.0.0.1", "id": ...}),
    ("ID.STATSZ", "", {"statsz": {"connections": 3, "active_accounts": 3, "active_servers": 1, "gomaxprocs": ...}}),
    ("PING", "", {"statsz": {"connections": 3, "total_connections": 3}}),
    ("ID.VARZ", "", data(server_name="s1", tags=["x:1", "y"], metadata={"m": "n"}, connections=3)),
    ("ID.SUBSZ", "", data(total=0, limit=1024)),
    ("ID.SUBSZ", {"subscriptions": True, "test": "foo.x"}, data(total=1, subscriptions_list=...)),
    ("ID.SUBSZ", {"test": "foo.*"}, error(500, ..., data=None)),
    ("ID.CONNZ", "", data(num_connections=3, total=3)),
    ("ID.CONNZ", {"limit": 1, "offset": 1}, data(num_connections=1, total=3, limit=1, offset=1)),
    ("ID.CONNZ", {"state": 1}, data(num_connections=0, connections=[])),
    ("ID.CONNZ", {"acc": "A"}, data(num_connections=1)),
    ("ID.CONNZ", {"acc": "ZZ"}, data(server_id="", connections=None)),
    ("ID.CONNZ", {"user": "b"}, data(num_connections=1, total=3)),
    ("ID.CONNZ", {"acc": "A", "filter_subject": "foo.*"}, data(num_connections=1, total=1)),
    ("ID.CONNZ", {"acc": "A", "filter_subject": "foo.x.y"}, data(num_connections=0, total=1)),
    (
        "ID.CONNZ",
        {"filter_subject": "foo.x"},
        error(500, "filter by subject only valid with account filtering", data=None),
    ),
    ("ID.CONNZ", {"state": 7}, {OURS: error(500, ..., data=None), REAL: data(connections=[])}),
    ("ID.CONNZ", {"sort": "zzz"}, error(500, "invalid sorting option: zzz", data=None)),
    ("ID.CONNZ", {"limit": "x"}, error(400)),
    ("ID.CONNZ", "{bad", error(400)),
    ("ID.CONNZ", [], error(400)),
    ("ID.ROUTEZ", "", data(num_routes=0, routes=[])),
    ("ID.GATEWAYZ", "", data(outbound_gateways={}, inbound_gateways={})),
    ("ID.LEAFZ", "", data(leafnodes=0, leafs=[])),
    ("ID.ACCOUNTZ", "", data(system_account="$SYS", accounts=...)),
    ("ID.ACCOUNTZ", {"account": "A"}, data(account_detail={"account_name": "A", "client_connections": 1})),
    ("ID.ACCOUNTZ", {"account": "ZZ"}, error(500, "Account ZZ does not exist", data=None)),
    ("ID.JSZ", "", data(disabled=True)),
    ("ID.HEALTHZ", "", data(status="ok", status_code=200)),
    ("ID.HEALTHZ", {"stream": "x"}, data(status="error", status_code=400, error=...)),
    ("ID.HEALTHZ", {"stream": "x", "details": True}, data(status="error", status_code=400, errors=...)),
    ("ID.RAFTZ", "", {"data": {}}),
    ("ID.EXPVARZ", "", NOT_HERE),
    ("ID.IPQUEUESZ", "", NOT_HERE),
    ("ID.PROFILEZ", "", NOT_HERE),
    (
        "ID.SUBSZ",
        {"subscriptions": True, "limit": 1, "account": "A"},
        data(limit=1, subscriptions_list=[{"account": "A"}]),
    ),
    ("ID.CONNZ", {"cid": 1 << 40}, data(num_connections=0, limit=1)),
    ("ID.CONNZ", {"mqtt_client": "x"}, data(num_connections=0)),
    (
        "ID.CONNZ",
        {"acc": "A", "subscriptions_detail": True},
        data(connections=[{"subscriptions_list_detail": [{"subject": "foo.*", "qgroup": "w", "sid": "1", "msgs": 0}]}]),
    ),
    ("ID.HEALTHZ", {"server_name": "zz"}, SILENCE),
    ("ID.HEALTHZ", {"tags": ["z"]}, SILENCE),
    ("ID.FOO", "", NOBODY),
    ("PING.FOO", "", NOBODY),
    ("PING.KICK", "", NOBODY),
    ("PING.RELOAD", "", NOBODY),
    ("ID.KICK", {"cid": 99}, NO_CLIENT),
    ("ID.KICK", "{bad", UNLIKE_GO),
    ("ID.KICK", "", {OURS: error(500), REAL: SILENCE}),
    ("ID.LDM", "", {OURS: error(500), REAL: SILENCE}),
    ("ID.LDM", {"cid": 99}, error(500)),
    ("ID.LDM", "{bad", UNLIKE_GO),
    ("PING.IDZ", {"server_name": "zz"}, {"name": "s1"}),
    ("PING.HEALTHZ", {"server_name": "s"}, data(status="ok")),
    ("PING.HEALTHZ", {"server_name": "s", "exact_match": True}, SILENCE),
    ("PING.HEALTHZ", {"server_name": "s1", "exact_match": True}, data(status="ok")),
    ("PING.HEALTHZ", {"host": "127"}, data(status="ok")),
    ("PING.HEALTHZ", {"cluster": "c"}, SILENCE),
    ("PING.HEALTHZ", {"domain": "d"}, SILENCE),
    ("PING.HEALTHZ", {"tags": ["x:1", "y"]}, data(status="ok")),
    ("PING.HEALTHZ", {"tags": ["x:1", "z"]}, SILENCE),
]

STATISTICS = [
    "start",
    "mem",
    "cores",
    "cpu",
    "connections",
    "total_connections",
    "active_accounts",
    "subscriptions",
    "sent",
    "sent_to_clients",
    "received",
    "received_from_clients",
    "slow_consumers",
    "active_servers",
    "gomaxprocs",
]
MAPPED = {"m1": [{"subject": "m3", "weight": 20}, {"subject": "m1", "weight": 50}, {"subject": "m2", "weight": 100}]}
ACCOUNT: list[tuple[str, object, object]] = [
    ("A.CONNZ", "", data(num_connections=1, total=1)),
    ("ZZ.CONNZ", "", data(server_id="", num_connections=0, connections=None)),
    ("A.SUBSZ", "", data(subscriptions_list=..., num_subscriptions=...)),
    ("A.LEAFZ", "", data(leafnodes=0, leafs=[])),
    ("A.JSZ", "", error(500, "jetstream not enabled", data=None)),
    (
        "A.INFO",
        "",
        data(account_name="A", name_tag="A", mappings=MAPPED, exports=[..., ...], sublist_stats=..., complete=True),
    ),
    ("B.INFO", "", data(account_name="B", client_connections=1, imports=...)),
    ("$SYS.INFO", "", data(is_system=True)),
    ("ZZ.INFO", "", error(500, "Account ZZ does not exist", data=None)),
    ("PING.INFO", "", error(500, "Account PING does not exist", data=None)),
    ("A.STATZ", "", data(account_statz=[{"acc": "A", "conns": 1, "total_conns": 1, "slow_consumers": 0}])),
    ("$G.STATZ", "", SILENCE),
    ("$G.STATZ", {"include_unused": True}, data(account_statz=[{"acc": "$G", "conns": 0}])),
    ("ZZ.STATZ", "", SILENCE),
    ("PING.STATZ", {"accounts": ["A"]}, data(account_statz=[{"acc": "A"}])),
    ("PING.STATZ", "", data(account_statz=[..., ..., ...])),
    ("PING.STATZ", {"accounts": ["A", "ZZ"], "include_unused": True}, data(account_statz=[{"acc": "A"}])),
    ("A.CONNS", {"acc": "A"}, {"acc": "A", "conns": 1}),
    ("A.CONNS", "", {"type": "io.nats.server.advisory.v1.account_connections", "acc": "A", "conns": 1}),
    ("$G.CONNS", "", SILENCE),
    ("A.FOO", "", NOBODY),
    ("A.NSUBS", "", NOBODY),
    ("NSUBS", {"acc": "A", "subject": "foo.x"}, 1),
    ("NSUBS", {"acc": "A", "subject": "nope"}, 0),
    ("NSUBS", {"acc": "A", "subject": "foo.x", "queue": "w"}, {OURS: 1, REAL: SILENCE}),
]

OWN: list[tuple[str, object, object]] = [
    ("SERVER.PING.CONNZ", "", data(num_connections=1, total=1)),
    ("SERVER.PING.CONNZ", {"acc": "$SYS", "auth": True}, data(connections=[{"account": "A", "authorized_user": "a"}])),
    ("SERVER.PING.CONNZ", {"filter_subject": "foo.x"}, data(num_connections=1)),
    ("SERVER.PING.CONNZ", {"server_name": "zz"}, SILENCE),
    ("SERVER.PING.CONNZ", "{bad", error(400)),
    ("ACCOUNT.PING.CONNZ", {"subscriptions": True}, data(connections=[{"subscriptions_list": [..., ...]}])),
    ("ACCOUNT.PING.STATZ", "", data(account_statz=[{"acc": "A"}])),
    ("ACCOUNT.PING.STATZ", {"accounts": ["$SYS", "B"]}, data(account_statz=[{"acc": "A"}])),
    ("USER.INFO", "", data(user="a", account="A")),
    ("SERVER.PING.VARZ", "", NOBODY),
    ("SERVER.PING", "", NOBODY),
    ("SERVER.PING.IDZ", "", NOBODY),
    ("CLAIMS.LIST", "", NOBODY),
    ("SERVER.ID.CONNZ", "", NOBODY),
    ("ACCOUNT.B.CONNZ", "", NOBODY),
    ("ACCOUNT.PING.INFO", "", NOBODY),
]


class Asker:
    """A client that asks, and what it is answered."""

    def __init__(self, engine: Engine, client: Client) -> None:
        self._engine = engine.name
        self._client = client
        client.send(b"SUB in 7\r\n")

    async def wrong(self, prefix: str, table: list[tuple[str, object, object]], end: str) -> list[str]:
        """What of a table is not as written. ``end`` is a request that is always answered."""
        faults = []
        for name, body, expected in table:
            if isinstance(expected, dict) and OURS in expected:
                expected = expected[self._engine]
            answer = await self._ask(f"{prefix}{name}", body, end if expected == SILENCE else "")
            if not like(expected, answer):
                faults.append(f"{name} {body}: {answer}, not {expected}")
        return faults

    async def _ask(self, name: str, body: object, end: str) -> object:
        payload = body if isinstance(body, str) else json.dumps(body)
        self._publish(name, payload)
        if end:
            self._publish(end, "")
        head, _, text = (await self._client.receive()).partition(" | ")
        if head.startswith("HMSG"):
            assert text.startswith("NATS/1.0 503")
            return NOBODY
        answer = json.loads(text)
        if end:
            return SILENCE if like({"name": "s1"}, answer) or like(data(user="a"), answer) else answer
        return answer

    def _publish(self, name: str, payload: str) -> None:
        subject = f"$SYS.REQ.{name}".replace("SERVER.ID.", f"SERVER.{self._client.info['server_id']}.")
        self._client.send(f"PUB {subject} in {len(payload)}\r\n{payload}\r\n".encode())


def like(expected: Any, answer: Any) -> bool:
    """Whether an answer has what is expected, `...` being anything, and maybe more members."""
    if expected is ...:
        return True
    if isinstance(expected, dict):
        return isinstance(answer, dict) and all(
            name in answer and like(value, answer[name]) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(answer, list) and len(expected) == len(answer) and all(map(like, expected, answer))
    return bool(expected == answer)


@pytest.fixture
async def player(engine: Engine) -> AsyncIterator[Player]:
    await engine.start(CONFIG)
    player = Player(engine.host, engine.port, engine.name)
    for line in ("s> PUB x 0", "a> SUB foo.* w 1", "b> PUB x 0"):
        await player.line(line)
    yield player
    await player.close()


async def test_server_is_asked_by_the_system_account(engine: Engine, player: Player) -> None:
    asker = Asker(engine, player.clients["s"])
    assert await asker.wrong("SERVER.", SERVER, "SERVER.PING.IDZ") == []


async def test_accounts_are_asked_about_by_the_system_account(engine: Engine, player: Player) -> None:
    asker = Asker(engine, player.clients["s"])
    assert await asker.wrong("ACCOUNT.", ACCOUNT, "SERVER.PING.IDZ") == []


async def test_every_account_asks_about_itself_and_no_other(engine: Engine, player: Player) -> None:
    asker = Asker(engine, player.clients["a"])
    assert await asker.wrong("", OWN, "USER.INFO") == []


async def test_answers_are_compressed_for_accounts_too(engine: Engine, player: Player) -> None:
    client = player.clients["a"]
    headers = "NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n"
    client.send(
        f"SUB in 7\r\nHPUB $SYS.REQ.ACCOUNT.PING.STATZ in {len(headers)} {len(headers)}\r\n{headers}\r\n".encode()
    )
    told, payload = await client.message()
    assert b"Content-Encoding: gzip" in told
    assert payload.startswith(b"\x1f\x8b")


async def test_statistics_are_told_to_who_listens(engine: Engine, player: Player) -> None:
    client = player.clients["s"]
    client.send(b"SUB $SYS.SERVER.*.STATSZ 8\r\n")
    await client.sync()
    if engine.name == OURS:
        await engine.pass_time(10)
    head, _, text = (await client.receive()).partition(" | ")
    assert head.split()[1].endswith(".STATSZ")
    assert like({"server": {"name": "s1"}, "statsz": {"connections": 3, "mem": ..., "cpu": ...}}, json.loads(text))


async def test_what_is_done_without_a_result_is_answered_by_the_server_alone(engine: Engine, player: Player) -> None:
    client, a, b = (player.clients[name] for name in "sab")
    client.send(b"SUB in 7\r\n")
    told = []
    for order, one in (("LDM", a), ("KICK", b)):
        body = json.dumps({"cid": one.info["client_id"]})
        subject = f"$SYS.REQ.SERVER.{client.info['server_id']}.{order}"
        client.send(f"PUB {subject} in {len(body)}\r\n{body}\r\n".encode())
        told.append(json.loads((await client.receive()).partition(" | ")[2]))
    assert [each.keys() for each in told] == [{"server"}, {"server"}]
    server = told[1]["server"]
    assert server["seq"] > told[0]["server"]["seq"]
    assert server.keys() - {"feature_flags"} == {
        "name", "host", "id", "ver", "tags", "metadata", "jetstream", "flags", "seq", "time",
    }  # fmt: skip
    await player.line("b< <EOF>")


async def test_who_wants_no_answer_gets_none_but_statistics_are_told_to_all(engine: Engine, player: Player) -> None:
    await player.play("s> SUB $SYS.SERVER.*.STATSZ 8")
    client = player.clients["s"]
    for name in ("VARZ", "STATSZ"):
        client.send(f"PUB $SYS.REQ.SERVER.{client.info['server_id']}.{name} 0\r\n\r\n".encode())
    head, _, text = (await client.receive()).partition(" | ")
    assert head.split()[1] == f"$SYS.SERVER.{client.info['server_id']}.STATSZ"
    assert json.loads(text)["statsz"].keys() == set(STATISTICS)


async def test_subscribers_are_counted(player: Player) -> None:
    await player.play("""
        s> SUB in 7
        a> SUB foo.x w 2 | SUB foo.x v 3 | SUB foo.x 4
        s> PUB $SYS.DEBUG.SUBSCRIBERS in 5 | foo.x
        s< MSG in 7  1 | 0
        s> PUB $SYS.DEBUG.SUBSCRIBERS in 7 | foo.x w
        s< MSG in 7  1 | 0
    """)


async def test_other_subjects_of_the_system_are_plain_ones_in_a_normal_account(player: Player) -> None:
    await player.play("""
        a> SUB $SYS.> 5 | SUB in 9 | PUB $SYS.REQ.SERVER.PING.VARZ 1 | x | PUB $SYS.ACCOUNT.A.CONNECT 1 | y
        a< MSG $SYS.REQ.SERVER.PING.VARZ 5 1 | x | MSG $SYS.ACCOUNT.A.CONNECT 5 1 | y
        s> SUB $SYS.ACCOUNT.A.CONNECT 8
        s< (nothing)
    """)


@pytest.mark.parametrize(
    ("body", "members"), [("{bad", {"server", "error"}), ('{"sort":"zzz"}', {"server", "data", "error"})]
)
async def test_data_is_null_where_the_request_was_understood(player: Player, body: str, members: set[str]) -> None:
    client = player.clients["s"]
    client.send(f"SUB in 7\r\nPUB $SYS.REQ.SERVER.PING.CONNZ in {len(body)}\r\n{body}\r\n".encode())
    answer = json.loads((await client.receive()).partition(" | ")[2])
    assert answer.keys() == members
    assert answer.get("data") is None
