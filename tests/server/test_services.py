"""What becomes of requests across accounts as time passes and accounts change.

Source: spec/server-accounts.md section 5; who receives what is in tests/scenarios/services.txt.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from natskit.server import Server
from natskit.server.headers import read_headers, with_header
from natskit.server.services import answers
from natskit.server.services.latency import _recorded_trace
from support.engines import OurServer
from support.scenario import Player

CONFIG = """
accounts {
  S { users=[{user:s,password:s},{user:m,password:m}],
      exports=[{service:"h"},{service:"st",response_type:stream,threshold:"10s"},
               {service:"v",latency:{sampling:100,subject:lat},threshold:"5s"}] }
  C { users=[{user:c,password:c}], imports=[{service:{account:S,subject:h}},{service:{account:S,subject:st}},
      {service:{account:S,subject:v}}] }
}
"""


@pytest.fixture
async def stage() -> AsyncIterator[tuple[OurServer, Player]]:
    engine = OurServer()
    await engine.start(CONFIG)
    player = Player(engine.host, engine.port, engine.name)
    yield engine, player
    await player.close()
    await engine.stop()


Stage = tuple[OurServer, Player]

REQUEST = 'HMSG {} 1 _R_.<r> <h> <t> | NATS/1.0 | Nats-Request-Info: {{"acc":"C","rtt":<n>}} | q'


def waiting(engine: OurServer) -> int:
    assert engine.server is not None
    return engine.server.accounts.services.waiting


async def test_answer_after_two_minutes_is_dropped_in_silence(stage: Stage) -> None:
    engine, player = stage
    await player.play(f"s> SUB h 1\nc> SUB in 1 | PUB h in 1 | q\ns< {REQUEST.format('h')}")
    assert waiting(engine) == 1
    await engine.pass_time(119)
    assert waiting(engine) == 1
    await engine.pass_time(2)
    assert waiting(engine) == 0
    await player.play("s> PUB {R} in 1 | r\ns< (nothing)\nc< (nothing)")


async def test_each_answer_of_a_stream_keeps_it_open(stage: Stage) -> None:
    engine, player = stage
    await player.play(f"s> SUB st 1\nc> SUB in 1 | PUB st in 1 | q\ns< {REQUEST.format('st')}")
    for _ in range(3):
        await engine.pass_time(9)
        await player.play("s> PUB {R} 1 | r\nc< MSG in 1 1 | r")
    await engine.pass_time(11)
    await player.play("s> PUB {R} 1 | r\nc< (nothing)")
    assert waiting(engine) == 0


async def test_request_that_nobody_takes_is_not_waited_for(stage: Stage) -> None:
    engine, player = stage
    await player.play("c> SUB in 1 | PUB h in 1 | q\nc< HMSG in 1 33 33 | NATS/1.0 503 | Nats-Subject: h")
    assert waiting(engine) == 0


async def test_requests_that_wait_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_PENDING", 10)
    engine, player = stage
    await player.play("s> SUB h 1\nc> SUB in 1")
    await player.line("c> " + " | ".join("PUB h in 1 | q" for _ in range(50)))
    assert waiting(engine) == 10


async def test_requestor_that_is_gone_does_no_harm(stage: Stage) -> None:
    engine, player = stage
    await player.play(f"s> SUB st 1\nc> SUB in 1 | PUB st in 1 | q\ns< {REQUEST.format('st')}")
    await player.leave("c")
    await player.play("s> PUB {R} 1 | r\ns< (nothing)")
    assert waiting(engine) == 0


async def metric(player: Player) -> Any:
    client = player.clients["m"]
    await client.sync()
    [message] = client.inbox
    client.inbox.clear()
    return json.loads(message.partition(" | ")[2])


async def test_service_that_does_not_answer_is_measured_too(stage: Stage) -> None:
    engine, player = stage
    await player.play(f"m> SUB lat 1\ns> SUB v 1\nc> SUB in 1 | PUB v in 1 | q\ns< {REQUEST.format('v')}")
    await engine.pass_time(6)
    timeout = await metric(player)
    assert (timeout["status"], timeout["description"]) == (504, "Service Timeout")
    await player.play(f"c> PUB v in 1 | q\ns< {REQUEST.format('v')}\nc> UNSUB 1")
    await engine.pass_time(6)
    gone = await metric(player)
    assert (gone["status"], gone["description"]) == (408, "Request Timeout")
    await player.line("c> PUB v 1 | q")
    bad = await metric(player)
    assert (bad["status"], bad["description"], bad["requestor"]["acc"]) == (400, "Bad Request", "C")
    player.clients["s"].inbox.clear()


@pytest.mark.parametrize(
    ("headers", "sampled"),
    [
        ({}, False),
        ({"uber-trace-id": "a:b:c:1"}, True),
        ({"uber-trace-id": "a:b:c:2"}, False),
        ({"uber-trace-id": "a:b:1"}, False),
        ({"x-b3-sampled": "1"}, True),
        ({"x-b3-sampled": "0"}, False),
        ({"x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7"}, True),
        ({"x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7", "x-b3-sampled": "0"}, False),
        ({"b3": "0"}, False),
        ({"b3": "80f1-e457-0"}, False),
        ({"b3": "80f1-e457-1"}, True),
        ({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, True),
        ({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}, False),
        ({"traceparent": "rubbish"}, False),
    ],
)
def test_trace_headers_ask_to_be_measured(headers: dict[str, str], sampled: bool) -> None:
    assert bool(_recorded_trace(headers)) is sampled


def test_request_info_is_the_last_header_and_the_only_one() -> None:
    assert with_header(b"", b"Nats-Request-Info", b"{}") == b"NATS/1.0\r\nNats-Request-Info: {}\r\n\r\n"
    forged = b"NATS/1.0\r\nnats-request-info: x\r\nA: b\r\nNats-Request-Info: y\r\n\r\n"
    assert with_header(forged, b"Nats-Request-Info", b"{}") == b"NATS/1.0\r\nA: b\r\nNats-Request-Info: {}\r\n\r\n"
    assert read_headers(with_header(forged, b"Nats-Request-Info", b"{}")) == {"A": ["b"], "Nats-Request-Info": ["{}"]}


async def test_request_on_a_subject_that_is_not_utf8_crosses_accounts() -> None:
    text = """
    accounts {
      S { users=[{user:s,password:s}], exports=[{service:"v.*"}] }
      C { users=[{user:c,password:c}], imports=[{service:{account:S,subject:"v.*"}}] }
    }
    """
    heard: list[bytes] = []
    async with Server("listen: 127.0.0.1:-1\n" + text) as server:
        exporter, importer = server.accounts.find("S"), server.accounts.find("C")
        assert exporter is not None
        assert importer is not None
        exporter.space.subscribe_internal(b"v.*", lambda subject, *rest: heard.append(subject))
        importer.space.publish_internal(b"v.\xff", payload=b"q")
    assert heard == [b"v.\xff"]
