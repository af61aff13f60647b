"""Clients behind a proxy that speaks the PROXY protocol, on both servers. Source: spec/server-protocol.md section 22."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from typing import Any

import pytest
import trustme

from natskit.server import door
from support.engines import ENGINES, Engine
from support.realm import Realm

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DEADLINE_S = 10.0
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\nPING\r\n'
V1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 4222\r\n"
PORTS = struct.pack(">HH", 1111, 4222)
FOUR = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + PORTS
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2") + PORTS
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:1.2.3.4") * 2 + PORTS


def binary(command: int, family: int, rest: bytes, version: int = 2) -> bytes:
    return SIGNATURE + bytes([version << 4 | command, family]) + struct.pack(">H", len(rest)) + rest


HERE = "127.0.0.1"
REFUSED = "refused"  # closed without a word
GARBAGE = "garbage"  # taken for what a client says; the error may be lost with the connection

HEADERS: dict[str, tuple[bytes, str]] = {
    "none": (b"", HERE),
    "v1": (V1, "1.2.3.4"),
    "v1 over IPv6": (b"PROXY TCP6 2001:db8::1 ::1 1111 4222\r\n", "2001:db8::1"),
    "v1 from nowhere": (b"PROXY UNKNOWN\r\n", HERE),
    "v1 from nowhere, with a rest": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", HERE),
    "v1 with two spaces": (b"PROXY TCP4  1.2.3.4 5.6.7.8 1111 4222\r\n", "1.2.3.4"),
    "v1 with a zero in front": (b"PROXY TCP4 1.2.3.4 5.6.7.8 0011 4222\r\n", "1.2.3.4"),
    "v1 of 107 bytes": (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", HERE),
    "v1 of 108 bytes": (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", REFUSED),
    "v1 too short": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111\r\n", REFUSED),
    "v1 with too much": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2 3\r\n", REFUSED),
    "v1 with a bad address": (b"PROXY TCP4 1.2.3 5.6.7.8 1111 2\r\n", REFUSED),
    "v1 with a bad target": (b"PROXY TCP4 1.2.3.4 x 1 4222\r\n", REFUSED),
    "v1 with a port too large": (b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 2\r\n", REFUSED),
    "v1 with a signed port": (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", REFUSED),
    "v1 with the wrong family": (b"PROXY TCP4 ::1 ::1 1 2\r\n", REFUSED),
    "v1 with the other wrong family": (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", REFUSED),
    "v1 with a mapped address": (b"PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n", "1.2.3.4"),
    "v1 with a bare LF": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 4222\n", REFUSED),
    "v1 over UDP": (b"PROXY UDP4 1.2.3.4 5.6.7.8 1111 4222\r\n", REFUSED),
    "v1 in small letters": (b"proxy TCP4 1.2.3.4 5.6.7.8 1111 4222\r\n", GARBAGE),
    "v1 twice": (V1 + V1, GARBAGE),
    "v2": (binary(1, 0x11, FOUR), "1.2.3.4"),
    "v2 over IPv6": (binary(1, 0x21, SIX), "2001:db8::1"),
    "v2 with a mapped address": (binary(1, 0x21, MAPPED), "1.2.3.4"),
    "v2 of the proxy itself": (binary(0, 0x11, FOUR), HERE),
    "v2 of the proxy itself, bare": (binary(0, 0, b""), HERE),
    "v2 with extensions": (binary(1, 0x11, FOUR + b"\x04\x00\x03abc"), "1.2.3.4"),
    "v2 with long extensions": (binary(1, 0x11, FOUR + b"\x04\x13\x88" + b"a" * 5000), "1.2.3.4"),
    "v2 from nowhere": (binary(1, 0, b""), REFUSED),
    "v2 over UDP": (binary(1, 0x12, FOUR), REFUSED),
    "v2 of a unix socket": (binary(1, 0x31, bytes(216)), REFUSED),
    "v2 of no known family": (binary(1, 0x41, FOUR), REFUSED),
    "v2 with short addresses": (binary(1, 0x11, FOUR[:8]), REFUSED),
    "v2 with another command": (binary(2, 0x11, FOUR), REFUSED),
    "v2 with another version": (binary(1, 0x11, FOUR, version=1), REFUSED),
    "v2 with another signature": (SIGNATURE[:-1] + b"X" + bytes(4), REFUSED),
    "a blank line": (b"\r\n", GARBAGE),
}


class Raw:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def info(self) -> dict[str, Any]:
        line = await self.line()
        assert line.startswith(b"INFO "), line
        info: dict[str, Any] = json.loads(line[5:])
        return info

    async def line(self) -> bytes:
        try:
            return await asyncio.wait_for(self.reader.readline(), DEADLINE_S)
        except ConnectionError:
            return b""

    async def place(self) -> str:
        """Where the server sees a client that has said CONNECT and PING, or how it was turned away."""
        first = await self.line()
        if first != b"PONG\r\n":
            return REFUSED if not first else GARBAGE if b"Unknown Protocol Operation" in first else first.decode()
        return str((await self.info())["client_ip"])

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def approach(engine: Engine) -> Raw:
    return Raw(*await asyncio.open_connection(engine.host, engine.port))


async def test_headers(engine: Engine) -> None:
    await engine.start("proxy_protocol: true")
    seen = {}
    for name, (header, expected) in HEADERS.items():
        raw = await approach(engine)
        assert "client_ip" not in await raw.info()
        raw.writer.write(header + CONNECT)
        place = await raw.place()
        seen[name] = GARBAGE if place == REFUSED and expected == GARBAGE else place
        await raw.close()
    assert seen == {name: place for name, (_, place) in HEADERS.items()}
    assert "Error reading PROXY protocol header" in engine.log()
    # The real one goes on logging the proxy.
    assert ("1.2.3.4:1111 - cid:" in engine.log()) == (engine.name == "natskit")


@pytest.mark.parametrize("header", [V1, binary(1, 0x11, FOUR + b"\x04\x00\x03abc")], ids=["v1", "v2"])
async def test_header_may_come_in_pieces(engine: Engine, header: bytes) -> None:
    await engine.start("proxy_protocol: true")
    raw = await approach(engine)
    await raw.info()
    for byte in header + CONNECT:
        raw.writer.write(bytes([byte]))
        await raw.writer.drain()
        await asyncio.sleep(0)
    assert await raw.place() == "1.2.3.4"
    await raw.close()


async def test_address_that_the_proxy_tells_is_the_one_that_counts(engine: Engine) -> None:
    realm = Realm()
    account = realm.account()
    user = account.user(src=("1.2.3.0/24",), bearer_token=True)
    await engine.start(realm.config("proxy_protocol: true"))
    login = b"CONNECT " + json.dumps({"jwt": user.token, "verbose": False, "protocol": 1}).encode() + b"\r\nPING\r\n"
    answers = []
    for header in (V1, b"", b"PROXY TCP4 1.2.4.4 5.6.7.8 1111 4222\r\n"):
        raw = await approach(engine)
        await raw.info()
        raw.writer.write(header + login)
        answers.append(await raw.line())
        await raw.close()
    assert answers == [b"PONG\r\n"] + 2 * [b"-ERR 'Authorization Violation'\r\n"]


@pytest.mark.parametrize("mode", ["tls", "available", "first"])
async def test_header_comes_before_tls(engine: Engine, mode: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "pair.pem"))
    first = "handshake_first: true" if mode == "first" else ""
    pair = folder / "pair.pem"
    await engine.start(f"""
        proxy_protocol: true
        allow_non_tls: {"true" if mode == "available" else "false"}
        tls {{ cert_file: "{pair}", key_file: "{pair}", {first} }}
    """)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    raw = await approach(engine)
    if mode != "first":
        await raw.info()
    raw.writer.write(V1)
    await raw.writer.start_tls(context)
    if mode == "first":
        await raw.info()
    raw.writer.write(CONNECT)
    assert await raw.place() == "1.2.3.4"
    await raw.close()
    if mode == "available":
        raw = await approach(engine)
        await raw.info()
        raw.writer.write(V1 + CONNECT)
        assert await raw.place() == "1.2.3.4"
        await raw.close()


@pytest.mark.parametrize("said", [b"", b"PROXY TCP4 1.2.3", SIGNATURE + b"\x21\x11\x00"])
async def test_header_that_stops_half_way(engine: Engine, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real server waits for the rest, whatever time it gives for logging in. docs/differences.md."""
    monkeypatch.setattr(door, "PROXY_TIMEOUT_S", 0.2)
    await engine.start('proxy_protocol: true\nauthorization { user: a, password: a, timeout: "200ms" }')
    raw = await approach(engine)
    await raw.info()
    raw.writer.write(said)
    ended = b"-"
    with contextlib.suppress(TimeoutError):
        ended = await asyncio.wait_for(raw.reader.read(), 0.6 if engine.name == "nats-server" else DEADLINE_S)
    assert ended == (b"-" if engine.name == "nats-server" else b"")
    await raw.close()
