"""What the server does by itself: pings, timeouts, cutting off those who do not read."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from natskit.server import Options, Server
from support.waiting import until

CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
DEADLINE_S = 10.0


def options(text):
    return Options.load(text=f"listen: 127.0.0.1:-1\n{text}\n")


class Raw:
    """One raw connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server):
        raw = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        assert (await raw.line()).startswith(b"INFO ")
        return raw

    async def line(self):
        return await asyncio.wait_for(self.reader.readline(), DEADLINE_S)

    def send(self, data):
        self.writer.write(data)

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


async def test_silent_client_is_pinged_and_given_up():
    async with Server(options("ping_interval: 0.05\nping_max: 2")) as server:
        raw = await Raw.open(server)
        assert [await raw.line() for _ in range(4)] == [b"PING\r\n", b"PING\r\n", b"-ERR 'Stale Connection'\r\n", b""]
        await until(lambda: not server.clients, "the client is gone")
        await raw.close()


async def test_client_that_answers_is_kept():
    async with Server(options("ping_interval: 0.03\nping_max: 1")) as server:
        raw = await Raw.open(server)
        raw.send(CONNECT)
        for _ in range(5):
            assert await raw.line() == b"PING\r\n"
            raw.send(b"PONG\r\n")
        (client,) = server.clients.values()
        await until(lambda: client.rtt_s > 0, "the round trip time is known")
        await raw.close()


async def test_client_that_never_logs_in_is_cut_off():
    async with Server(options("authorization { user: u, password: p, timeout: 0.1 }")) as server:
        raw = await Raw.open(server)
        assert await raw.line() == b"-ERR 'Authentication Timeout'\r\n"
        assert await raw.line() == b""
        await raw.close()


async def test_client_that_logged_in_is_not():
    async with Server(options("authorization { user: u, password: p, timeout: 0.1 }")) as server:
        raw = await Raw.open(server)
        raw.send(b'CONNECT {"user":"u","pass":"p","verbose":false}\r\n')
        started = server.loop.time()
        await until(lambda: server.loop.time() > started + 0.2, "the timeout has passed")
        raw.send(b"PING\r\n")
        assert await raw.line() == b"PONG\r\n"
        await raw.close()


async def flood(server, publisher, size, condition):
    """Publish until the condition holds; nobody reads at the other end."""
    frame = b"PUB flood %d\r\n%b\r\n" % (size, b"x" * size)

    async def run():
        while not condition():
            publisher.send(frame)
            await publisher.writer.drain()

    await asyncio.wait_for(run(), DEADLINE_S)


@contextlib.asynccontextmanager
async def deaf_receiver(server, room=0):
    """A subscriber that does not read, its client at the server, and a publisher.

    ``room`` bytes are taken for the subscriber all the same (0: as many as the system likes).
    """
    with socket.socket() as sock:
        if room:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(CONNECT + b"SUB flood 1\r\n")
        sock.setblocking(False)
        publisher = await Raw.open(server)
        publisher.send(CONNECT)
        await until(lambda: sum(c.engine.subscription_count for c in server.clients.values()), "the subscription")
        receiver = next(c for c in server.clients.values() if c.engine.subscription_count)
        yield sock, receiver, publisher
        await publisher.close()


async def test_receiver_beyond_max_pending_is_cut_off():
    async with (
        Server(options("max_pending: 1000000\nmax_payload: 1000000\nno_fast_producer_stall: false")) as server,
        deaf_receiver(server) as (_, _, publisher),
    ):
        await flood(server, publisher, 400_000, lambda: server.slow_consumers)
        assert server.slow_consumers == 1
        publisher.send(b"PING\r\n")
        assert await publisher.line() == b"PONG\r\n"


async def test_receiver_that_reads_nothing_until_the_write_deadline_is_cut_off():
    async with (
        Server(options('write_deadline: "100ms"')) as server,
        deaf_receiver(server) as (_, receiver, publisher),
    ):
        await flood(server, publisher, 400_000, lambda: receiver.engine.pending > 1_000_000)
        await until(lambda: server.slow_consumers, "it to be found slow")
        assert len(server.clients) == 1


async def test_slow_but_steady_receiver_is_kept():
    async with (
        Server(options('write_deadline: "1s"')) as server,
        deaf_receiver(server) as (sock, receiver, publisher),
    ):
        await flood(server, publisher, 400_000, lambda: receiver.engine.pending > 1_000_000)
        total = receiver.engine.out_messages * (400_000 + len(b"MSG flood 1 400000\r\n\r\n"))
        got = 0
        while got < total - 1000:
            data = await asyncio.wait_for(server.loop.sock_recv(sock, 100_000), DEADLINE_S)
            assert data
            got += len(data)
        assert server.slow_consumers == 0


async def test_write_timeout_retry_keeps_a_receiver_that_reads_at_all(caplog):
    caplog.set_level("INFO", "natskit")
    async with (
        Server(options('write_deadline: "700ms"\nwrite_timeout: retry')) as server,
        deaf_receiver(server, room=500_000) as (sock, receiver, publisher),  # or else progress comes in leaps
    ):

        async def sip() -> None:  # 400 kB each time: little, but steadily, and less in a deadline than what waits
            while server.slow_consumers < 2:
                assert await asyncio.wait_for(server.loop.sock_recv(sock, 400_000), DEADLINE_S)
                await asyncio.sleep(0.02)

        sipping = server.loop.create_task(sip())
        await flood(server, publisher, 400_000, lambda: receiver.engine.pending > 40_000_000)
        await sipping
        total = receiver.engine.out_messages * (400_000 + len(b"MSG flood 1 400000\r\n\r\n"))
        while receiver.engine.pending:
            assert await asyncio.wait_for(server.loop.sock_recv(sock, 1_000_000), DEADLINE_S)
        assert receiver.engine.sent_bytes >= total
        told = " ".join(caplog.messages)
        assert "Slow Consumer Detected: WriteDeadline of 700ms exceeded" in told
        assert "Slow Consumer State: WriteDeadline" in told
        await until(lambda: "Slow Consumer Recovered" in " ".join(caplog.messages), "its recovery")
        assert len(server.clients) == 2


async def test_write_timeout_retry_gives_up_a_receiver_that_reads_nothing():
    async with (
        Server(options('write_deadline: "50ms"\nwrite_timeout: retry')) as server,
        deaf_receiver(server) as (_, receiver, publisher),
    ):
        await flood(server, publisher, 400_000, lambda: receiver.engine.pending > 1_000_000)
        await until(lambda: len(server.clients) == 1, "it to be cut off")
        assert server.closed[0].reason == "Slow Consumer (Write Deadline)"


async def test_garbage_costs_its_sender_only():
    async with Server() as server:
        good = await Raw.open(server)
        good.send(CONNECT + b"SUB a 1\r\nPING\r\n")
        assert await good.line() == b"PONG\r\n"
        unknown, long = b"-ERR 'Unknown Protocol Operation'\r\n", b"-ERR 'maximum control line exceeded'\r\n"
        for garbage, answer in (
            (b"\x00" * 1000, unknown),
            (b"GET / HTTP/1.0\r\n\r\n", unknown),
            (b"PUB " + b"a" * 100_000, long),
            (b"CONNECT {" + b"[" * 5000, long),
            (b'CONNECT {"a":' + b"[" * 4000 + b"\r\n", b""),
        ):
            bad = await Raw.open(server)
            bad.send(garbage)
            assert await asyncio.wait_for(bad.reader.read(), DEADLINE_S) == answer
            await bad.close()
        await until(lambda: len(server.clients) == 1, "only the good one is left")
        good.send(b"PUB a 2\r\nhi\r\n")
        assert await good.line() == b"MSG a 1 2\r\n"
        await good.close()


async def test_deeply_nested_connect_is_refused():
    async with Server(options("max_control_line: 1000000")) as server:
        raw = await Raw.open(server)
        raw.send(b"CONNECT " + b"[" * 500_000 + b"\r\n")
        assert await asyncio.wait_for(raw.reader.read(), DEADLINE_S) == b""
        await raw.close()


async def test_subscription_with_very_many_tokens():
    async with Server(options("max_control_line: 1000000")) as server:
        raw = await Raw.open(server)
        subject = b".".join([b"*"] * 200_000)
        raw.send(CONNECT + b"SUB %b 1\r\nPUB %b 0\r\n\r\nPING\r\n" % (subject, subject))
        got = b""
        while not got.endswith(b"PONG\r\n"):
            got += await asyncio.wait_for(raw.reader.read(1 << 20), DEADLINE_S)
        assert got.startswith(b"MSG *.*")
        await raw.close()
