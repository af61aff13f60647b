"""Traces of single messages, on both servers. Source: spec/server-protocol.md section 21."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import cramjam
import pytest

from support.engines import ENGINES, Engine, OurServer
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

CONFIG = """
server_name: s1
accounts {
  A { users=[{user:a,password:a}, {user:q,password:q},
             {user:r,password:r,permissions:{publish:{deny:["no.>","t.no"]},subscribe:{deny:"*.deny"}}}],
      mappings { "m.a": "mapped.a" },
      exports=[{service:"svc",allow_trace:true},{service:"dark"},{stream:"st.>"},{stream:"sx.>"}] }
  B { users=[{user:b,password:b}], exports=[{service:"tunnel"}, {service:"way",allow_trace:true}],
      imports=[{service:{account:A,subject:"svc"},to:"tunnel"}, {service:{account:A,subject:"svc"},to:"way"},
               {service:{account:A,subject:"svc"},to:"bsvc"},{service:{account:A,subject:"dark"}},
               {stream:{account:A,subject:"st.>"},prefix:"imp",allow_trace:true},
               {stream:{account:A,subject:"sx.>"},prefix:"imp"}] }
  T { users=[{user:t,password:t}], msg_trace: "account.traces",
      imports=[{service:{account:B,subject:"tunnel"}}, {service:{account:B,subject:"way"}}] }
}
"""
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-%s"


def message(subject: str, headers: dict[str, str] | str, payload: str = "hi", reply: str = "") -> bytes:
    lines = headers if isinstance(headers, str) else "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    block = lines if lines.startswith("NATS") else f"NATS/1.0\r\n{lines}\r\n"
    head = f"HPUB {subject} {reply + ' ' if reply else ''}{len(block)} {len(block) + len(payload)}\r\n"
    return f"{head}{block}{payload}\r\n".encode()


class Stage:
    """Clients that have a name, and what each has received since it was asked last."""

    def __init__(self, player: Player) -> None:
        self.player = player

    async def say(self, name: str, *data: str | bytes) -> None:
        if name not in self.player.clients:
            await self.player.line(f"{name}> PUB nothing.at.all 0")
        for each in data:
            self.player.clients[name].send(each if isinstance(each, bytes) else f"{each}\r\n".encode())
        await self.player.clients[name].sync()  # first, so that the others have got all of it when it is their turn
        for client in self.player.clients.values():
            await client.sync()

    def heard(self, name: str) -> list[str]:
        """Everything but traces, which `trace` gives."""
        client = self.client(name)
        found = [each for each in client.inbox if '"events":' not in each]
        client.inbox = [each for each in client.inbox if '"events":' in each]
        return [each.partition(" | ")[0] for each in found]

    async def traces(self, name: str, count: int) -> list[dict[str, Any]]:
        """So many traces; they may come later than what they are about."""
        client = self.client(name)
        while len(found := [each for each in client.inbox if '"events":' in each]) < count:
            await client.await_count(len(client.inbox) + 1)
        assert len(found) == count
        assert all(re.match(r"MSG \S+ \S+  \d+ |HMSG ", each) for each in found)  # two blanks for no reply
        client.inbox = [each for each in client.inbox if '"events":' not in each]
        return [json.loads(each[each.index("{") :]) for each in found]

    def client(self, name: str) -> Client:
        return self.player.clients[name]

    async def events(self, name: str) -> list[dict[str, Any]]:
        """The events of the one trace that came, without times; clients by name."""
        (trace,) = await self.traces(name, 1)
        assert (trace["server"]["name"], len(trace["server"]["id"])) == ("s1", 56)
        names = {client.info["client_id"]: each for each, client in self.player.clients.items()}
        for event in trace["events"]:
            assert event.pop("ts").endswith("Z")
            if "cid" in event:
                assert event.pop("kind") == 0
                event["who"] = names[event.pop("cid")]
        events: list[dict[str, Any]] = trace["events"]
        return events


@pytest.fixture
async def stage(engine: Engine) -> AsyncIterator[Stage]:
    await engine.start(CONFIG)
    stage = Stage(Player(engine.host, engine.port, engine.name))
    await stage.say("a", "SUB tr 1", "SUB in 2", "SUB foo 3")
    await stage.say("q", "SUB foo group 1", "SUB mapped.a 2", "SUB svc 3", "SUB dark 4")
    await stage.say("b", "SUB tr 1", "SUB in 2", "SUB imp.> 3")
    yield stage
    await stage.player.close()


def came(who: str, account: str, subject: str, **more: str) -> dict[str, str]:
    return {"type": "in", "who": who, "acc": account, "subj": subject, **more}


def went(who: str, subject: str, **more: str) -> dict[str, str]:
    return {"type": "eg", "who": who, "sub": subject, **more}


TO = {"Nats-Trace-Dest": "tr"}
ONLY = {**TO, "Nats-Trace-Only": "true"}


async def test_receivers_are_told(stage: Stage) -> None:
    await stage.say("a", message("foo", {**TO, "K": "1", "k": " 2 "}))
    assert (stage.heard("a"), stage.heard("q")) == (["HMSG foo 3 47 49"], ["HMSG foo 1 47 49"])
    (trace,) = await stage.traces("a", 1)
    assert trace["request"] == {"header": {"K": ["1"], "Nats-Trace-Dest": ["tr"], "k": ["2"]}, "msgsize": 49}
    assert {"name", "host", "id", "ver", "jetstream", "flags", "seq", "time"} <= trace["server"].keys()
    await stage.say("a", message("foo", TO))
    assert await stage.events("a") == [came("a", "A", "foo"), went("a", "foo"), went("q", "foo", queue="group")]


@pytest.mark.parametrize(
    ("only", "delivered"), [("true", 0), ("1", 0), ("ON", 0), ("yes", 1), ("false", 1), ("", 1)], ids=str
)
async def test_trace_without_delivery(stage: Stage, only: str, delivered: int) -> None:
    await stage.say("a", message("foo", {**TO, "Nats-Trace-Only": only}))
    assert len(stage.heard("a")) == len(stage.heard("q")) == delivered
    assert await stage.events("a") == [came("a", "A", "foo"), went("a", "foo"), went("q", "foo", queue="group")]


async def test_requests_that_are_only_traced(stage: Stage) -> None:
    await stage.say("a", message("nobody", ONLY, reply="in"))
    assert stage.heard("a") == ["HMSG in 2 38 38"]  # no responders
    assert await stage.events("a") == [came("a", "A", "nobody")]
    await stage.say("a", message("foo", ONLY, reply="in"))
    assert stage.heard("a") == []
    assert len(await stage.events("a")) == 3


async def test_mapping_is_told(stage: Stage) -> None:
    await stage.say("a", message("m.a", TO))
    assert await stage.events("a") == [came("a", "A", "m.a"), {"type": "sm", "to": "mapped.a"}, went("q", "mapped.a")]


async def test_service_is_followed_where_its_export_allows_it(engine: Engine, stage: Stage) -> None:
    crossing = {"type": "si", "acc": "A", "from": "bsvc", "to": "svc"}
    await stage.say("b", message("bsvc", TO, reply="in"))
    assert await stage.events("b") == [came("b", "B", "bsvc"), crossing, went("q", "svc", acc="A")]
    (request,) = stage.client("q").inbox
    assert "| Nats-Trace-Dest: _R_." in request
    back = request.partition("Nats-Trace-Dest: ")[2].partition(" ")[0]
    stage.heard("q")
    await stage.say("q", f"PUB {back} 2\r\nme")  # a trace from further on
    assert stage.client("b").inbox == ["MSG tr 1 2 | me"] * (engine.name == "natskit")
    stage.heard("b")
    await stage.say("b", message("bsvc", ONLY, reply="in"))
    assert await stage.events("b") == [came("b", "B", "bsvc"), crossing, went("q", "svc", acc="A")]
    assert stage.heard("q") == stage.heard("b") == []


async def test_service_is_not_followed_else(stage: Stage) -> None:
    crossing = {"type": "si", "acc": "A", "from": "dark", "to": "dark"}
    await stage.say("b", message("dark", TO, reply="in"))
    assert await stage.events("b") == [came("b", "B", "dark"), crossing]
    assert "| Nats-Trace-Dest: trace disabled |" in stage.client("q").inbox[0]
    stage.heard("q")
    await stage.say("b", message("dark", ONLY, reply="in"))
    assert await stage.events("b") == [came("b", "B", "dark"), crossing]
    assert (stage.heard("q"), stage.heard("b")) == ([], ["HMSG in 2 36 36"])  # no responders


@pytest.mark.parametrize("headers", [TO, {"traceparent": PARENT % "01"}], ids=["asked for", "sampled"])
async def test_service_is_not_followed_behind_one_that_does_not_allow_it(stage: Stage, headers: dict[str, str]) -> None:
    await stage.say("t", "SUB account.traces 1", "SUB tr 2", "SUB in 3", message("tunnel", headers, reply="in"))
    first = {"type": "si", "acc": "B", "from": "tunnel", "to": "tunnel"}
    assert await stage.events("t") == [came("t", "T", "tunnel"), first]
    assert "| Nats-Trace-Dest: trace disabled |" in stage.client("q").inbox[0]
    await stage.say("t", message("way", headers, reply="in"))
    first = {"type": "si", "acc": "B", "from": "way", "to": "way"}
    second = {"type": "si", "acc": "A", "from": "way", "to": "svc"}
    assert await stage.events("t") == [came("t", "T", "way"), first, second, went("q", "svc", acc="A")]


async def test_requests_that_are_only_traced_wait_for_no_answer(engine: Engine, stage: Stage) -> None:
    await stage.say("b", message("bsvc", ONLY, reply="in"))
    assert len(await stage.events("b")) == 3
    if isinstance(engine, OurServer):
        assert engine.server is not None
        assert engine.server.accounts.services.waiting == 0


async def test_stream_is_followed_where_its_import_allows_it(engine: Engine, stage: Stage) -> None:
    # The real server tells the exporter's subject of the import, ours the subscription that it reached.
    subscription = {"natskit": "imp.>", "nats-server": "st.>"}[engine.name]
    await stage.say("a", message("st.x", TO))
    crossing = {"type": "se", "acc": "B", "to": "imp.st.x"}
    assert await stage.events("a") == [came("a", "A", "st.x"), crossing, went("b", subscription, acc="B")]
    await stage.say("a", message("sx.x", TO))
    assert await stage.events("a") == [came("a", "A", "sx.x"), {"type": "se", "acc": "B", "to": "imp.sx.x"}]
    assert len(stage.heard("b")) == 2


@pytest.mark.parametrize(
    ("headers", "delivered"),
    [
        ({"Nats-Trace-Dest": "a.*"}, True),
        ({"Nats-Trace-Dest": "a.*", "Nats-Trace-Only": "1"}, False),
        ({"Nats-Trace-Dest": "a..b"}, True),
        ({"Nats-Trace-Dest": ""}, True),
        ({"Nats-Trace-Dest": "", "Nats-Trace-Only": "1"}, True),
        ({"Nats-Trace-Dest": "trace disabled"}, True),
        ({"Nats-Trace-Dest": "trace disabled", "Nats-Trace-Only": "1"}, True),
        ({"Nats-Trace-Only": "1"}, True),
        ({"nats-trace-dest": "tr"}, True),
        ({"traceparent": PARENT % "01"}, True),
        ("NATS/1.0 100 x\r\nNats-Trace-Dest: tr\r\n\r\n", True),
        ("NATS/2.0\r\nNats-Trace-Dest: tr\r\n\r\n", True),
    ],
    ids=str,
)
async def test_what_is_no_order_for_a_trace(stage: Stage, headers: dict[str, str] | str, delivered: bool) -> None:
    await stage.say("a", message("foo", headers))
    assert await stage.traces("a", 0) == []
    assert len(stage.heard("a")) == delivered


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("A: 1\r\nA:  2 \r\na:\t3\r\n", {"A": ["1", "2"], "a": ["3"]}),
        (": x\r\nA:\r\nB: x:y: z\r\n", {"B": ["x:y: z"]}),
        ("Nats-Trace-Dest:\r\n", {}),
        ("A : x\r\n B: y\r\n", {"A ": ["x"], " B": ["y"]}),
        ("junk\r\n", None),
        ("A: x\r\n y\r\n", None),
    ],
)
async def test_headers_are_told_as_they_are_read(stage: Stage, lines: str, told: dict[str, list[str]] | None) -> None:
    """A name ends at the next colon, wherever that is."""
    await stage.say("a", message("foo", f"NATS/1.0\r\n{lines}Nats-Trace-Dest: tr\r\njunk\r\n\r\n"))
    assert len(stage.heard("a")) == 1
    traces = await stage.traces("a", 0 if told is None else 1)
    assert [trace["request"]["header"] for trace in traces] == (
        [] if told is None else [{**told, "Nats-Trace-Dest": ["tr"]}]
    )


async def test_header_without_a_blank_is_one(stage: Stage) -> None:
    await stage.say("a", message("foo", "NATS/1.0\r\nNats-Trace-Dest:tr\r\n\r\n"))
    assert len(await stage.events("a")) == 3


async def test_trace_goes_to_no_account_that_a_client_names(engine: Engine, stage: Stage) -> None:
    await stage.say("a", message("foo", {**TO, "Nats-Trace-Origin-Account": "B"}))
    await stage.traces("a", int(engine.name == "natskit"))  # the real server makes none
    await stage.say("b")
    await stage.traces("b", 0)


async def test_refusals_are_told(stage: Stage) -> None:
    await stage.say("r", message("no.x", TO))
    error = 'Permissions Violation for Publish to "no.x"'
    assert stage.heard("r") == [f"-ERR '{error}'"]
    assert await stage.events("a") == [came("r", "A", "no.x", error=error)]
    await stage.say("a", message("foo", TO, reply="_R_.x"))
    error = 'Permissions Violation for Publish with Reply of "_R_.x"'
    assert stage.heard("a") == [f"-ERR '{error}'"]
    assert await stage.events("a") == [came("a", "A", "foo", error=error)]


@pytest.mark.parametrize("subject", ["_GR_.x", "$GNR.x", "$NRG.x"])
async def test_trace_goes_to_no_reserved_subject(engine: Engine, stage: Stage, subject: str) -> None:
    await stage.say("a", f"SUB {subject} 9", message("foo", {"Nats-Trace-Dest": subject}))
    if engine.name == "natskit" or subject != "$GNR.x":
        assert stage.heard("a") == [f"-ERR 'Permissions Violation for Publish to \"{subject}\"'"]
    else:
        await stage.traces("a", 1)


async def test_trace_goes_only_where_its_publisher_may_publish(stage: Stage) -> None:
    await stage.say("r", "SUB foo 1", message("foo", {"Nats-Trace-Dest": "t.no"}))
    assert stage.heard("r") == ["-ERR 'Permissions Violation for Publish to \"t.no\"'"]
    assert stage.heard("a") == []
    await stage.say("r", message("foo", {"Nats-Trace-Dest": 'no."quoted"'}))
    assert stage.heard("r") == ['-ERR \'Permissions Violation for Publish to "no.\\"quoted\\""\'']


async def test_mappings_lead_no_trace_elsewhere(stage: Stage) -> None:
    await stage.say("a", "SUB m.a 4", "SUB mapped.a 5", message("nobody", {"Nats-Trace-Dest": "m.a"}))
    await stage.traces("a", 1)
    assert stage.client("q").inbox == []


async def test_receivers_that_do_not_get_it_are_told(stage: Stage) -> None:
    await stage.say("r", "SUB s.> 1")
    await stage.say("a", message("s.deny", TO))
    assert await stage.events("a") == [
        came("a", "A", "s.deny"),
        went("r", "s.>", error="Not delivered because subscription denies this subject"),
    ]
    silent = 'CONNECT {"user":"a","pass":"a","verbose":false,"headers":true,"echo":false}'
    await stage.say("q", silent.replace('"a"', '"q"'), "SUB e 1", "SUB e group 2", message("e", TO))
    why = "Not delivered because of no echo"
    assert await stage.events("a") == [
        came("q", "A", "e"),
        went("q", "e", error=why),
        went("q", "e", queue="group", error=why),
    ]


async def test_message_that_is_too_large_is_told(stage: Stage) -> None:
    block = "NATS/1.0\r\nNats-Trace-Dest: tr\r\n\r\n"
    await stage.say("q", f"HPUB foo {len(block)} 99999999\r\n{block}")
    assert stage.heard("q") == ["-ERR 'Maximum Payload Violation'", "<EOF>"]
    (trace,) = await stage.traces("a", 1)
    assert trace["request"]["msgsize"] == 99999999
    assert trace["events"][0]["error"] == "maximum payload exceeded"


@pytest.mark.parametrize(
    ("flags", "traced"),
    [("01", True), ("03", True), ("00", False), ("02", False), ("ff", False), ("1", False), ("zz", False)],
)
async def test_account_traces_messages_of_recorded_traces(stage: Stage, flags: str, traced: bool) -> None:
    await stage.say("t", "SUB account.traces 1", "SUB tr 2", "SUB foo 3", "SUB in 4")
    for name in ("traceparent", "TraceParent"):
        await stage.say("t", message("foo", {name: PARENT % flags, "Nats-Trace-Only": "true"}))
        assert [each["events"][0]["subj"] for each in await stage.traces("t", int(traced))] == ["foo"] * traced
        assert len(stage.heard("t")) == 1
    await stage.say("t", message("foo", {"traceparent": PARENT % flags, **TO}))
    await stage.traces("t", 1)
    await stage.say("t", message("foo", {"traceparent": PARENT % flags, "Nats-Trace-Dest": "trace disabled"}))
    assert await stage.traces("t", 0) == []


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("snappy", "snappy"), ("s2", "snappy"), ("snappy, gzip", "snappy"), ("GZIP", "gzip"),
     ("gzip, snappy", "snappy"), ("br", "identity")],
)  # fmt: skip
async def test_traces_are_compressed_if_that_is_wanted(
    engine: Engine, stage: Stage, accepted: str, encoding: str
) -> None:
    raw = stage.client("a")
    raw.send(message("nobody", {**TO, "Accept-Encoding": accepted}))
    headers, body = await raw.message()
    assert headers == f"NATS/1.0\r\nContent-Encoding: {encoding}\r\n\r\n".encode()
    unpack = {"gzip": gzip.decompress, "snappy": cramjam.snappy.decompress, "identity": bytes}[encoding]
    assert json.loads(bytes(unpack(body)))["events"][0]["subj"] == "nobody"


@pytest.mark.parametrize("accepted", ["gzip", "snappy", "br"])
async def test_answers_of_the_server_are_compressed_too(engine: Engine, accepted: str) -> None:
    await engine.start("accounts { $SYS { users=[{user:s,password:s}] } }")
    player = Player(engine.host, engine.port, engine.name)
    await player.line("s> SUB in 1")
    client = player.clients["s"]
    client.send(message("$SYS.REQ.SERVER.PING.HEALTHZ", {"Accept-Encoding": accepted}, payload="", reply="in"))
    headers, body = await client.message()
    encoding = accepted if accepted != "br" else "identity"
    assert headers == f"NATS/1.0\r\nContent-Encoding: {encoding}\r\n\r\n".encode()
    unpack = {"gzip": gzip.decompress, "snappy": cramjam.snappy.decompress, "identity": bytes}[encoding]
    assert json.loads(bytes(unpack(body)))["data"] == {"status": "ok", "status_code": 200}
    await player.close()
