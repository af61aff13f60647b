"""Clients that do not read what they are sent, on both servers. Source: spec/server-protocol.md section 12."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from support.engines import ENGINES, Engine
from support.monitoring import MONITORED, closed, report
from support.waiting import until

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DEADLINE_S = 10.0
SIZE = 100_000
CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
FRAME = b"PUB flood %d\r\n%b\r\n" % (SIZE, b"x" * SIZE)


class Deaf:
    """A subscriber that reads nothing unless it is asked to."""

    def __init__(self, engine: Engine) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
        self.sock.connect((engine.host, engine.port))
        self.sock.setblocking(False)

    async def subscribe(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, CONNECT + b"SUB flood 1\r\nPING\r\n")
        said = b""
        while b"PONG" not in said:
            said += await asyncio.wait_for(loop.sock_recv(self.sock, 4096), DEADLINE_S)

    async def read_to_the_end(self, last: bytes = b"\0") -> bytes:
        """All that comes, until the connection ends or ``last`` has come."""
        loop = asyncio.get_running_loop()
        said = b""
        with contextlib.suppress(ConnectionError):
            while not said.endswith(last) and (
                piece := await asyncio.wait_for(loop.sock_recv(self.sock, 1 << 20), DEADLINE_S)
            ):
                said += piece
        return said


@contextlib.asynccontextmanager
async def deaf_client(engine: Engine, config: str) -> AsyncIterator[tuple[Deaf, Publisher]]:
    await engine.start(f"{MONITORED}max_payload: {SIZE}\n{config}")
    deaf = Deaf(engine)
    await deaf.subscribe()
    publisher = Publisher(*await asyncio.open_connection(engine.host, engine.port))
    publisher.writer.write(CONNECT)
    try:
        yield deaf, publisher
    finally:
        publisher.writer.close()
        deaf.sock.close()
        with contextlib.suppress(ConnectionError):
            await publisher.writer.wait_closed()


class Publisher:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def publish(self, count: int) -> None:
        """So many messages, and wait until they are dealt with."""
        for _ in range(count):
            self.writer.write(FRAME)
            await self.writer.drain()
        self.writer.write(b"PING\r\n")
        await asyncio.wait_for(self.reader.readuntil(b"PONG\r\n"), DEADLINE_S)


async def test_what_waits_is_bounded(engine: Engine) -> None:
    async with deaf_client(engine, "max_pending: 1000000\n") as (deaf, publisher):
        await publisher.publish(120)
        assert (await closed(engine))[0]["reason"] == "Slow Consumer (Pending Bytes)"
        assert " - Slow Consumer Detected: MaxPending of 1000000 Exceeded" in engine.log()
        told = await report(engine, "varz")
        assert (told["slow_consumers"], told["slow_consumer_stats"]["clients"]) == (1, 1)
        assert b"-ERR" not in await deaf.read_to_the_end()


async def test_publisher_has_to_wait_for_who_is_near_the_limit(engine: Engine) -> None:
    async with deaf_client(engine, "max_pending: 1000000\n") as (_, publisher):
        await publisher.publish(120)
        (told,) = await closed(engine)
        assert told["stalls"] > 0
        assert (await report(engine, "varz"))["stalled_clients"] > 0


async def test_who_takes_nothing_until_the_deadline_is_closed(engine: Engine) -> None:
    async with deaf_client(engine, 'write_deadline: "300ms"\n') as (deaf, publisher):
        await publisher.publish(120)
        assert (await closed(engine))[0]["reason"] == "Slow Consumer (Write Deadline)"
        await until(
            lambda: " - Slow Consumer Detected: WriteDeadline of 300ms exceeded with " in engine.log(), "the log"
        )
        assert (await report(engine, "varz"))["slow_consumers"] == 1
        assert b"-ERR" not in await deaf.read_to_the_end()


async def test_messages_are_dropped_where_nobody_shall_wait(engine: Engine) -> None:
    async with deaf_client(engine, "max_pending: 1000000\nno_fast_producer_stall: true\n") as (deaf, publisher):
        await publisher.publish(120)
        told = await report(engine, "varz")
        assert (told["connections"], told["slow_consumers"], told.get("stalled_clients", 0)) == (2, 0, 0)
        await asyncio.get_running_loop().sock_sendall(deaf.sock, b"PING\r\n")
        said = await deaf.read_to_the_end(b"PONG\r\n")
        assert 0 < said.count(b"MSG flood") < 120
        assert len(said) == said.count(b"MSG flood") * len(b"MSG flood 1 100000\r\n" + b"x" * SIZE + b"\r\n") + 6
