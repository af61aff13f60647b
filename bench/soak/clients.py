"""What comes and goes: each method of `Crowd` is a kind of client, and runs again and again until told to end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from socket import SHUT_RDWR
from typing import Any

import aiohttp

from bench.soak.stage import Fields, Stage, creds, password

PATIENCE_S = 20.0
KINDS = {
    "members": 4,
    "requesters": 1,
    "streams": 1,
    "browsers": 1,
    "deaf": 1,
    "intruders": 2,
    "updates": 1,
    "reloads": 1,
    "monitors": 1,
}
"""How many of each kind there are at a time."""

SUBJECTS = 200
"""Members and inboxes take so many, so that caches are soon as they stay; streams take ever new ones."""

ENDPOINTS = ("varz", "connz?auth=1&subs=detail&state=any", "subsz?subs=1", "accountz", "accstatz?unused=1", "healthz")


class Wire:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, info: Mapping[str, Any]) -> None:
        self.reader = reader
        self.writer = writer
        self.info = info

    @classmethod
    async def dial(cls, port: int, tls: ssl.SSLContext | None = None) -> Wire:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            info = json.loads(line[5:]) if line else {}
            if tls is not None:
                await writer.start_tls(tls, server_hostname="127.0.0.1")
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer, info)

    async def log_in(self, fields: Fields) -> None:
        hello = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1}
        self.writer.write(b"CONNECT " + json.dumps({**hello, **fields(self.info)}).encode() + b"\r\n")
        await self.sync()

    async def sync(self, data: bytes = b"") -> bytes:
        """Send, and read everything up to the PONG. Raises EOFError if the server ends the connection."""
        self.writer.write(data + b"PING\r\n")
        return await self.until(b"PONG\r\n")

    async def until(self, end: bytes) -> bytes:
        got = b""
        async with asyncio.timeout(PATIENCE_S):
            while end not in got:
                part = await self.reader.read(65536)
                if not part:
                    raise EOFError(got[-200:])
                got += part
                if b"PING\r\n" in part:
                    self.writer.write(b"PONG\r\n")
        return got

    async def close(self, *, rudely: bool = False) -> None:
        if rudely:
            self.writer.transport.abort()
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 2)


class Crowd:
    """All clients. ``counts`` says how often each kind came."""

    def __init__(
        self,
        stage: Stage,
        ports: list[tuple[int, int]],
        reload: Callable[[int], Coroutine[Any, Any, None]],
        websocket: str,
        kinds: Sequence[str],
    ) -> None:
        self.kinds = kinds
        self.websocket = websocket
        self.stage = stage
        self.ports = ports
        self.counts: dict[str, int] = {}
        self._reload = reload
        self._random = random.Random(7)
        self._number = itertools.count()
        self._over = asyncio.Event()

    async def fill(self, blocks: int) -> None:
        """Fill the route caches (60 blocks do), so that what comes later takes the place of something."""
        for server, fields, tls in self.stage.logins:
            async with self._wire(server, fields, tls) as wire:
                with contextlib.suppress(EOFError, ConnectionError, ssl.SSLError):
                    for block in range(blocks):
                        await wire.sync(b"".join(b"PUB ev.fill.%d.%d 0\r\n\r\n" % (block, n) for n in range(1000)))

    async def run(self, seconds: float) -> None:
        """Let everybody come and go for a while; returns when all have gone. Raises what went wrong."""
        self._over.clear()
        async with asyncio.TaskGroup() as group:
            for kind in self.kinds:
                for _ in range(KINDS[kind]):
                    group.create_task(self._again(getattr(self, kind)))
            await asyncio.sleep(seconds)
            self._over.set()

    async def _again(self, kind: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._over.is_set():
            await kind()
            self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def _wire(self, server: int, fields: Fields, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
        wire = await Wire.dial(self.ports[server][0], tls)
        try:
            await wire.log_in(fields)
            yield wire
        finally:
            await wire.close(rudely=self._random.random() < 0.3)

    # who behaves

    async def members(self) -> None:
        """Log in somehow, subscribe, talk, go."""
        server, fields, tls = self._random.choice(self.stage.logins)
        number = next(self._number) % SUBJECTS
        async with self._wire(server, fields, tls) as wire:
            subscribed = b"".join(b"SUB s.%d.%d %d\r\nSUB w.*.%d %d\r\n" % (number, n, n, n, 50 + n) for n in range(5))
            await wire.sync(subscribed + b"SUB q work 100\r\n")
            talk = b"".join(b"PUB s.%d.%d 5\r\nhello\r\n" % (number, n % 5) for n in range(50))
            got = await wire.sync(talk + b"HPUB ev.one.%d 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 3\r\n" % number)
            if fields is self.stage.logins[0][1] and got.count(b"MSG s.") != 50:
                raise AssertionError(f"lost messages: {got.count(b'MSG s.')} of 50")

    async def requesters(self) -> None:
        """Requests across accounts, with an inbox for each. A change of the exporter ends those that wait."""
        kinds = [(0, self.stage.logins[0][1], self.stage.logins[4][1]), (1, password("plain"), password("b"))]
        server, answering, asking = self._random.choice(kinds)
        async with self._wire(server, answering) as worker, self._wire(server, asking) as client:
            await worker.sync(b"SUB sum.one g 1\r\n")
            with contextlib.suppress(TimeoutError):
                for _ in range(50):
                    await self._request(client, worker)
                    self.counts["requests"] = self.counts.get("requests", 0) + 1

    async def _request(self, client: Wire, worker: Wire) -> None:
        inbox = b"_INBOX.%d.%d" % (next(self._number) % SUBJECTS, next(self._number) % 2)
        client.writer.write(b"SUB %s 9\r\nUNSUB 9 1\r\nPUB sum.one %s 1\r\n1\r\n" % (inbox, inbox))
        async with asyncio.timeout(1):
            asked = (await worker.until(b"\r\n1\r\n")).split()
            reply = asked[asked.index(b"sum.one") + 2]
            worker.writer.write(b"PUB %s 1\r\n2\r\n" % reply)
            await client.until(b"\r\n2\r\n")

    async def streams(self) -> None:
        """Messages that cross accounts under another subject."""
        async with (
            self._wire(0, creds(self.stage.reports.user("reader"))) as reader,
            self._wire(0, self.stage.logins[0][1]) as writer,
        ):
            await reader.sync(b"SUB in.> 1\r\n")
            for _ in range(10):
                await writer.sync(b"".join(b"PUB ev.one.%d 2\r\nhi\r\n" % next(self._number) for _ in range(200)))
                await reader.sync()

    async def browsers(self) -> None:
        """Members that come over WebSocket, some compressed, some of whom vanish."""
        compress = self._random.choice([0, 15])
        async with aiohttp.ClientSession() as session, session.ws_connect(self.websocket, compress=compress) as socket:
            info = json.loads((await socket.receive_bytes(timeout=PATIENCE_S))[5:])
            hello = {"verbose": False, "pedantic": False, **self.stage.logins[0][1](info)}
            talk = b"".join(b"PUB browsed 400\r\n" + b"x" * 400 + b"\r\n" for _ in range(20))
            await socket.send_bytes(
                b"CONNECT " + json.dumps(hello).encode() + b"\r\nSUB browsed 1\r\n" + talk + b"PING\r\n"
            )
            got = b""
            while b"PONG\r\n" not in got:
                got += await socket.receive_bytes(timeout=PATIENCE_S)
            if self._random.random() < 0.3:
                socket.get_extra_info("socket").shutdown(SHUT_RDWR)
            elif got.count(b"MSG browsed") < 20:
                raise AssertionError(f"lost messages: {got.count(b'MSG browsed')} of 20")

    async def monitors(self) -> None:
        """Monitoring and requests of the system account."""
        for _, http in self.ports:
            for endpoint in ENDPOINTS:
                reader, writer = await asyncio.open_connection("127.0.0.1", http)
                writer.write(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % endpoint.encode())
                status = await asyncio.wait_for(reader.read(), PATIENCE_S)
                writer.close()
                if not status.startswith(b"HTTP/1.1 200"):
                    raise AssertionError(f"{endpoint}: {status[:200]!r}")
        async with self._wire(0, creds(self.stage.operator.system.user("admin"))) as admin:
            admin.writer.write(b"SUB report 1\r\nPUB $SYS.REQ.SERVER.PING.CONNZ report 0\r\n\r\n")
            await admin.until(b"num_connections")
        await asyncio.sleep(0.3)

    # who does not

    async def deaf(self) -> None:
        """Subscribe and never read, while somebody publishes; the server gives up on it."""
        wire = await Wire.dial(self.ports[1][0])
        deaf = await Wire.dial(self.ports[1][0])
        try:
            await wire.log_in(password("plain"))
            await deaf.log_in(password("plain"))
            await deaf.sync(b"SUB flood 1\r\n")
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            block = (b"PUB flood 16384\r\n" + b"x" * 16384 + b"\r\n") * 64
            for _ in range(16):
                await wire.sync(block)
        except (EOFError, ConnectionError):
            pass  # the server has cut one of them off: that is what it is for
        finally:
            await deaf.close(rudely=True)
            await wire.close()
        await asyncio.sleep(0.5)

    async def intruders(self) -> None:
        """Wrong logins, garbage, halves of everything."""
        with contextlib.suppress(OSError, EOFError, ssl.SSLError, TimeoutError):
            match self._random.randrange(4):
                case 0:
                    server, fields = self._random.choice(self.stage.refused)
                    async with self._wire(server, fields):
                        raise AssertionError("a login was accepted that must not be")
                case 1:
                    wire = await Wire.dial(self._random.choice(self.ports)[0])
                    wire.writer.write(self._random.randbytes(2000))
                    await asyncio.wait_for(wire.reader.read(), 3)
                    await wire.close()
                case 2:
                    wire = await Wire.dial(self._random.choice(self.ports)[0])
                    wire.writer.write(self._random.choice([b"\x16\x03\x01\x02\x00", b"CONNECT {", b"PUB ", b""]))
                    await asyncio.sleep(self._random.random() * 2)
                    await wire.close(rudely=True)
                case 3:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._random.choice(self.ports)[0])
                    writer.transport.abort()

    # what changes

    async def updates(self) -> None:
        """Change accounts: limits, imports, exports, revocations that hit a connected user, and back again."""
        stage = self.stage
        leaver = stage.orders.user("leaver")
        async with self._wire(0, creds(leaver)) as wire:
            stage.orders.revoke(leaver)
            await self._push()
            try:
                await wire.until(b"never")
            except (EOFError, ConnectionError):
                pass  # cut off, as one who is revoked must be
            except TimeoutError:
                raise AssertionError("a revoked user stayed") from None
        imports = stage.reports.claims.nats.imports
        stage.reports.edit(imports=tuple(each for each in imports if each.is_service))
        stage.orders.limit(conn=50)
        await self._push()
        stage.orders.edit(revocations={})
        stage.orders.limit(conn=-1)
        stage.reports.edit(imports=imports)
        await self._push()
        await asyncio.sleep(0.1)

    async def _push(self) -> None:
        waiting = self.stage.pushes.waiting
        async with self._wire(0, creds(self.stage.operator.system.user("admin"))) as admin:
            admin.writer.write(b"SUB pushed 1\r\n")
            while not waiting.empty():
                token = waiting.get_nowait().encode()
                admin.writer.write(b"PUB $SYS.REQ.CLAIMS.UPDATE pushed %d\r\n%s\r\n" % (len(token), token))
                answer = await admin.until(b"}\r\n")
                if b'"code":200' not in answer:
                    raise AssertionError(f"an update was refused: {answer!r}")

    async def reloads(self) -> None:
        """Read another version of the configuration."""
        await self._reload(next(self._number))
        await asyncio.sleep(1)
