"""What the system account of an operator is told of accounts and users, on both servers.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from natskit import jwt
from support.engines import ENGINES
from support.scenario import Client
from support.stage import Stage

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)


async def ask(
    stage: Stage, subject: str, payload: object = None, who: str = "sys", headers: str = ""
) -> dict[str, Any]:
    """What a client is answered."""
    client = await listening(stage, who, "SUB answers 70")
    body = payload if isinstance(payload, str) else json.dumps(payload) if payload is not None else ""
    sizes = f"{len(headers)} {len(headers) + len(body)}" if headers else len(body)
    verb = "HPUB" if headers else "PUB"
    client.send(f"{verb} {subject} answers {sizes}\r\n{headers}{body}\r\n".encode())
    answer: dict[str, Any] = json.loads((await client.receive()).partition(" | ")[2])
    client.send(b"UNSUB 70\r\n")
    await client.sync()
    return answer


async def listening(stage: Stage, who: str, *lines: str) -> Client:
    for line in lines:
        await stage.player.line(f"{who}> {line}")
    return stage.player.clients[who]


async def test_account_is_described(stage: Stage) -> None:
    account = stage.realm.account("ACC")
    user = stage.users["u"] = account.user("joe")
    token = account.publish(
        tags=("t:1",),
        revocations={user.key.public: 5},
        exports=(
            jwt.Export(subject="q.*", type="service", response_type="Stream", account_token_position=2),
            jwt.Export(
                subject="r", type="service", service_latency=jwt.ServiceLatency(sampling="headers", results="res")
            ),
        ),
        imports=(jwt.Import(subject="s", type="stream", account=stage.exporter.id, local_subject="l"),),
        mappings={"m": (jwt.WeightedMapping(subject="n", weight=100),)},
    )
    stage.exporter.publish(exports=(jwt.Export(subject="s", type="stream"),))
    await stage.open()
    await stage.play("u> SUB x 1")
    data = (await ask(stage, f"$SYS.REQ.ACCOUNT.{account.id}.INFO"))["data"]
    told = {name: data.get(name) for name in ("account_name", "name_tag", "tags", "jwt", "issuer_key", "expired")}
    assert told == {
        "account_name": account.id,
        "name_tag": "ACC",
        "tags": ["t:1"],
        "jwt": token,
        "issuer_key": stage.realm.key.public,
        "expired": False,
    }
    assert data["decoded_jwt"]["nats"]["revocations"] == {user.key.public: 5}
    assert data["revoked_user"].keys() == {user.key.public}
    assert (data["complete"], data["client_connections"], data["leafnode_connections"]) == (True, 1, 0)
    [wanted] = [each for each in data["imports"] if each["account"] != stage.system.id]
    assert len(data["imports"]) == (1 if stage.engine.name == "natskit" else 5)  # with four of the system account
    assert (wanted["subject"], wanted["local_subject"], wanted["type"]) == ("s", "l", "stream")
    assert sorted(data["exports"], key=str) == [
        {"subject": "q.*", "type": "service", "response_type": "Streamed"},
        {
            "subject": "r",
            "type": "service",
            "response_type": "Singleton",
            "service_latency": {"sampling": "headers", "results": "res"},
        },
    ]
    assert data["mappings"] == {"m": [{"subject": "n", "weight": 100}]}
    assert "is_system" not in data


async def test_user_is_told_who_it_is(stage: Stage) -> None:
    account = stage.realm.account("ACC")
    account.publish(default_permissions=jwt.Permissions(sub=jwt.Permission(deny=("no",))))
    stage.users |= {
        "plain": account.user("joe"),
        "short": account.user("jane", expires=int(time.time()) + 100, pub=jwt.Permission(deny=("x",))),
        "mute": account.user("mute", pub=jwt.Permission(allow=("x",))),
    }
    await stage.open()
    who = "$SYS.REQ.USER.INFO"
    plain, short = [(await ask(stage, who, who=name))["data"] for name in ("plain", "short")]
    usual = {"account": account.id, "account_name": "ACC"}
    assert plain == usual | {
        "user": stage.users["plain"].key.public,
        "user_name": "joe",
        "permissions": {"publish": {}, "subscribe": {"deny": ["no"]}},
    }
    left = short.pop("expires")
    assert left % 1_000_000_000 == 0
    assert 90 < left / 1_000_000_000 <= 100
    assert short["permissions"] == {"publish": {"deny": ["x"]}, "subscribe": {}}
    await stage.play(f"""
        mute> SUB in 1 | PUB {who} in 0
        mute< -ERR 'Permissions Violation for Publish to "{who}"'
    """)


async def test_events_say_which_token_a_client_has(stage: Stage) -> None:
    account = stage.realm.account("ACC", tags=("acc:1",))
    user = stage.users["u"] = account.user("joe", tags=("usr:1",))
    await stage.open()
    hears = await listening(stage, "sys", f"SUB $SYS.ACCOUNT.{account.id}.> 1")
    await stage.player.line("u> PUB x 0")
    events = {}
    for _ in range(2):
        head, _, body = (await hears.receive()).partition(" | ")
        events[head.split()[1].rpartition(".")[2]] = json.loads(body)
    assert list(events) == ["CONNS", "CONNECT"]  # in this order
    client = events["CONNECT"]["client"]
    assert {name: client.get(name) for name in ("acc", "user", "name_tag", "jwt", "issuer_key")} == {
        "acc": account.id, "user": user.key.public, "name_tag": "ACC", "jwt": user.token, "issuer_key": account.id,
    }  # fmt: skip
    assert client["tags"] == ["usr:1"]
    assert (events["CONNS"]["acc"], events["CONNS"]["name"]) == (account.id, "ACC")


async def test_exports_of_the_system_account_are_imported_like_others(stage: Stage) -> None:
    """As nsc makes a system account."""
    stage.system.publish(
        exports=(
            jwt.Export(subject="$SYS.ACCOUNT.*.>", type="stream", account_token_position=3),
            jwt.Export(
                subject="$SYS.REQ.ACCOUNT.*.*", type="service", account_token_position=4, response_type="Stream"
            ),
        )
    )
    own = stage.importer.id
    stage.importer.publish(
        imports=(
            jwt.Import(subject=f"$SYS.ACCOUNT.{own}.>", type="stream", account=stage.system.id, local_subject="mine.>"),
            jwt.Import(
                subject=f"$SYS.REQ.ACCOUNT.{own}.*", type="service", account=stage.system.id, local_subject="ask.*"
            ),
        )
    )
    stage.users |= {"i2": stage.importer.user()}
    await stage.open()
    client = await listening(stage, "i", "SUB mine.> 1", "SUB in 2")
    await stage.player.line("i2> PUB x 0")
    heard: set[str] = set()
    while heard != {"mine.SERVER.CONNS", "mine.CONNECT"}:
        heard.add((await client.receive()).split()[1])
    await stage.player.line("i> PUB ask.CONNZ in 0")
    answers: list[str] = []
    while not answers:  # events come when they come
        await client.await_count(1)
        answers = [message for message in client.inbox if message.startswith("MSG in 2 ")]
        client.inbox.clear()
    head, _, body = answers[0].partition(" | ")
    assert "  " not in head
    assert json.loads(body)["data"]["num_connections"] == 2
