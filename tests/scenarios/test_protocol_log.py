"""The protocol in the log, on both servers. Source: spec/server-config.md section 8."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

from natskit.server.logs import TRACE
from support.engines import ENGINES, Engine
from support.scenario import DEADLINE_S
from support.waiting import until

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

CONFIG = """
mappings { x: y }
accounts { $SYS { users: [{user: s, password: s}] }
  A { users: [{user: a, password: a, permissions: {publish: {deny: "no"}}}], mappings { x: y } } }
%s
"""
LINE = re.compile(r"- ((?:<<-|->>|<->) .*)")

TALK = [
    b'CONNECT {"user":"a","pass":"a","headers":true,"protocol":1,"no_responders":true}\r\n',
    b"sub foo 1\r\nSUB foo q  2\r\nSUB  y 3\r\n",
    b'PUB foo 2\r\nhi\r\nPUB foo reply 0\r\n\r\nPUB x 6\r\na\x00"\xffbc\r\n',
    b"HPUB foo 22 27\r\nNATS/1.0\r\nKey: val\r\n\r\nhello\r\n",
    b"UNSUB 1 10\r\nUNSUB 2\r\nPONG\r\nPUB no 1\r\nx\r\nSUB in 9\r\nPUB nobody in 1\r\nx\r\n",
    b"SUB au 5\r\nUNSUB 5 1\r\nPUB au 0\r\n\r\n",
    b"FOO\r\n",
]
SAID = """\
<<- [CONNECT {"user":"a","pass":"[REDACTED]","headers":true,"protocol":1,"no_responders":true}]
->> [OK]
<<- [SUB foo 1]
->> [OK]
<<- [SUB foo q  2]
->> [OK]
<<- [SUB y 3]
->> [OK]
<<- [PUB foo 2]
<<- MSG_PAYLOAD: ["hi"]
->> [OK]
->> [MSG foo 1 2]
->> MSG_PAYLOAD: ["hi"]
->> [MSG foo 2 2]
->> MSG_PAYLOAD: ["hi"]
<<- [PUB foo reply 0]
->> [OK]
->> [MSG foo 1 reply 0]
->> [MSG foo 2 reply 0]
<<- [PUB x 6]
<<- [MAPPING x -> y]
<<- MSG_PAYLOAD: ["a\\x00\\"\\xffbc"]
->> [OK]
->> [MSG y 3 6]
->> MSG_PAYLOAD: ["a\\x00\\"\\xffbc"]
<<- [HPUB foo 22 27]
<<- MSG_PAYLOAD: ["NATS/1.0\\r\\nKey: val\\r\\n\\r\\nhello"]
->> [OK]
->> [HMSG foo 1 22 27]
->> MSG_PAYLOAD: ["NATS/1.0\\r\\nKey: val\\r\\n\\r\\nhello"]
->> [HMSG foo 2 22 27]
->> MSG_PAYLOAD: ["NATS/1.0\\r\\nKey: val\\r\\n\\r\\nhello"]
<<- [UNSUB 1 10]
->> [OK]
<<- [UNSUB 2]
->> [OK]
<-> [DELSUB 2]
<<- [PONG]
<<- [PUB no 1]
<<- MSG_PAYLOAD: ["x"]
->> [-ERR Permissions Violation for Publish to "no"]
<<- [SUB in 9]
->> [OK]
<<- [PUB nobody in 1]
<<- MSG_PAYLOAD: ["x"]
->> [OK]
<<- [SUB au 5]
->> [OK]
<<- [UNSUB 5 1]
->> [OK]
<<- [PUB au 0]
->> [OK]
->> [MSG au 5 0]
<-> [DELSUB 5]
->> [-ERR Unknown Protocol Operation]
<-> [DELSUB 1]
<-> [DELSUB 3]
<-> [DELSUB 9]
"""


@pytest.fixture(autouse=True)
def everything_is_logged(engine: Engine):
    logger = logging.getLogger("natskit")
    before = logger.level
    yield
    logger.setLevel(before)


async def talk(engine: Engine, config: str, *said: bytes) -> list[str]:
    """What the log says of a client."""
    await engine.start(CONFIG % config)
    logging.getLogger("natskit").setLevel(TRACE)
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    for each in (*said, b"FOO\r\n"):
        writer.write(each)
    await asyncio.wait_for(reader.read(), DEADLINE_S)
    writer.close()
    await writer.wait_closed()
    if "->> [-ERR Unknown" in engine.log():
        await until(lambda: "Client connection closed" in engine.log(), "the end")
    return LINE.findall(engine.log())


def in_order(lines: list[str]) -> list[str]:
    """Without what may come in any order: which of a message's own lines is first, and the end of all subscriptions."""
    return sorted(lines)


async def test_lines_and_payloads_are_logged(engine: Engine) -> None:
    said = await talk(engine, "trace: true", *TALK[:-1])
    assert in_order(said) == in_order(SAID.splitlines())
    assert said[:12] == SAID.splitlines()[:12]


@pytest.mark.parametrize(
    ("config", "payloads"),
    [
        ("trace: true, max_traced_msg_len: 3", ['"hey"', '"hey..."', '"NAT..."']),
        ("trace_headers: true", ['"NATS/1.0\\r\\nA: b"']),
        ("debug: true", []),
    ],
)
async def test_payloads_are_cut_as_wanted(engine: Engine, config: str, payloads: list[str]) -> None:
    said = await talk(
        engine,
        config,
        b'CONNECT {"user":"a","pass":"a","headers":true}\r\nPUB foo 3\r\nhey\r\nPUB foo 4\r\nhey!\r\n',
        b"HPUB foo 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
    )
    assert [line for line in said if "MSG_PAYLOAD" in line] == [f"<<- MSG_PAYLOAD: [{each}]" for each in payloads]


async def test_no_secret_is_logged_however_it_is_written(engine: Engine) -> None:
    """The real server shows what stands behind a quote, or under a key in capitals, and the `jwt`."""
    fields = b'"pass":"x\\"SECRET","PASS" : "SECRET","Auth_Token":"SECRET","jwt":"SECRET","sig":"SECRET","proxy_sig":"SECRET"'
    said = await talk(engine, "trace: true", b'CONNECT {"user":"a",' + fields + b',"name":"n"}\r\n')
    assert engine.log().count("SECRET") == (0 if engine.name == "natskit" else 4)
    assert '"name":"n"' in said[0]
