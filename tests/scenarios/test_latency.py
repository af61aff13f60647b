"""Which requests are measured by what their headers say, on both servers. Source: spec/server-accounts.md section 5."""

from __future__ import annotations

import json

import pytest

from support.engines import ENGINES, Engine
from support.scenario import Player

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
ROWS: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"A": "b"}, False),
    ({"uber-trace-id": "aa:bb:cc:1"}, True),
    ({"Uber-Trace-Id": "aa:bb:cc:3"}, True),
    ({"uber-trace-id": "aa:bb:cc:2"}, False),
    ({"uber-trace-id": "aa:bb:1"}, False),
    ({"uber-trace-id": "aa:bb:cc:zz"}, False),
    ({"x-b3-sampled": "1"}, True),
    ({"X-B3-Sampled": "0"}, False),
    ({"X-B3-Sampled": "true"}, False),
    ({"x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7"}, True),
    ({"X-B3-TraceId": "80f1", "X-B3-SpanId": "1", "X-B3-ParentSpanId": "2"}, True),
    ({"x-b3-traceid": "80f1", "x-b3-sampled": "0"}, False),
    ({"b3": "0"}, False),
    ({"B3": "80f1-e457-0"}, False),
    ({"b3": "80f1-e457-1"}, True),
    ({"b3": "d"}, True),
    ({"traceparent": f"{TRACE}-01"}, True),
    ({"Traceparent": f"{TRACE}-03", "Tracestate": "a=b"}, True),
    ({"uber-trace-id": "aa:bb:cc:1", "uberctx-x": "1", "Uberctx-Y": "2"}, True),
    ({"traceparent": f"{TRACE}-00"}, False),
    ({"traceparent": "rubbish"}, False),
    ({"tracestate": "a=b"}, False),
    ({"x-b3-sampled": "0", "b3": "80f1-e457-1"}, False),
    ({"uber-trace-id": "a:b:c:0", "x-b3-sampled": "1"}, False),
]
OTHERS = {
    "traceparent": {"uberctx-x": "1", "X-B3-SpanId": "1"},
    "x-b3-sampled": {"tracestate": "a=b", "X-B3-Flags": "1"},
    "b3": {"tracestate": "a=b"},
}
"""Headers of other traces, which are not repeated."""


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
async def test_headers_of_traces_ask_for_a_measurement(engine: Engine) -> None:
    await engine.start("""
        accounts {
          S { users: [{user: s, password: s}, {user: m, password: m}],
              exports: [{service: v, latency: {sampling: headers, subject: lat}}] }
          C { users: [{user: c, password: c}], imports: [{service: {account: S, subject: v}}] } }
    """)
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.play("m> SUB lat 1\ns> SUB v 1\nc> SUB in 1")
        for headers, asked in ROWS:
            others = OTHERS.get(next(iter(headers), ""), {})
            told = await measured(player, headers | others)
            expected = {canonical(name): [value] for name, value in headers.items()}
            assert told == (expected if asked else None), headers
    finally:
        await player.close()


def canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


async def measured(player: Player, headers: dict[str, str]) -> dict[str, list[str]] | None:
    """Make a request and answer it; the headers that are repeated if it was measured."""
    block = "".join(f"{name}: {value}\\r\\n" for name, value in headers.items())
    size = len(f"NATS/1.0\\r\\n{block}\\r\\n".replace("\\r\\n", "  "))
    await player.line(f"c> HPUB v in {size} {size + 1} | NATS/1.0\\r\\n{block}\\r\\nq")
    responder, requestor, monitor = (player.clients[name] for name in "scm")
    await responder.await_count(1)
    reply = responder.inbox.pop().split()[3]
    await player.line(f"s> PUB {reply} 1 | r")
    await requestor.await_count(1)
    assert requestor.inbox.pop() == "MSG in 1 1 | r"
    if not reply.endswith(".T"):
        return None
    await monitor.await_count(1)
    found: dict[str, list[str]] = json.loads(monitor.inbox.pop().partition(" | ")[2])["header"]
    return found
