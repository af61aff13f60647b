"""Plays scenarios written line by line: what clients send (``x> ...``) and what they receive (``x< ...``).

`` | `` stands for CRLF; blank lines of the protocol (end of headers, empty payload) are left out. A client connects
when it is first named and logs in (with its name as user and password, if nothing else is said), unless it sends
CONNECT itself or is listed as raw.
Received are ``(nothing)``, or messages in any order, ``<EOF>`` for a closed connection, ``<...>`` for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping

from support.engines import ENGINES

DEADLINE_S = 5.0

CONNECT = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1}


class ScenarioError(AssertionError):
    """What happened is not what was written."""


class Client:
    """One raw connection."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.inbox: list[str] = []
        self.info: dict[str, object] = {}
        self.ended = False
        self.raw = False
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, name: str, host: str, port: int) -> Client:
        client = cls(name, *await asyncio.open_connection(host, port))
        await client.receive()
        return client

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> str:
        """The next message; INFO is remembered and passed over, PING is answered."""
        message = await asyncio.wait_for(self._message(), DEADLINE_S)
        while message.startswith(("INFO ", "PING")):
            if message == "PING":
                self.send(b"PONG\r\n")
                message = await asyncio.wait_for(self._message(), DEADLINE_S)
                continue
            self.info = json.loads(message[5:])
            if not self.inbox and "connect_info" not in self.info:
                return message
            message = await asyncio.wait_for(self._message(), DEADLINE_S)
        return message

    async def _message(self) -> str:
        try:
            line = await self._reader.readuntil(b"\r\n")
            verb, *arguments = line.decode().strip().split()
            parts = [line.decode()[:-2].rstrip()]
            if verb in ("MSG", "HMSG"):
                body = (await self._reader.readexactly(int(arguments[-1]) + 2)).decode()[:-2]
                parts += [part for part in body.split("\r\n") if part]
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended = True
            return "<EOF>"
        return " | ".join(parts)

    async def message(self) -> tuple[bytes, bytes]:
        """Headers and payload, as they are, of the HMSG that comes next."""
        line = b""
        while not line.startswith(b"HMSG "):
            line = await asyncio.wait_for(self._reader.readuntil(b"\r\n"), DEADLINE_S)
        headers, total = map(int, line.split()[-2:])
        body = (await self._reader.readexactly(total + 2))[:-2]
        return body[:headers], body[headers:]

    async def sync(self) -> None:
        """Bring everything that is on its way into the inbox: it comes before the answer to a PING."""
        if self.ended:
            return
        self.send(b"PING\r\n")
        while (message := await self.receive()) != "PONG":
            self.inbox.append(message)
            if self.ended:
                return

    async def await_count(self, count: int) -> None:
        while len(self.inbox) < count and not self.ended:
            self.inbox.append(await self.receive())

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Player:
    """Plays lines against one server. ``engine`` names it: lines that begin with ``[name]`` are for that one only."""

    def __init__(
        self,
        host: str,
        port: int,
        engine: str = "",
        *,
        raw: Iterable[str] = (),
        users: Mapping[str, str] | None = None,
        login: Callable[[str, dict[str, object]], dict[str, object]] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.engine = engine
        self.clients: dict[str, Client] = {}
        self._raw = frozenset(raw)
        self._users = dict(users or {})
        self._login = login
        self._response = ""

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()

    async def leave(self, name: str) -> None:
        """Close a client; it can come again."""
        await self.clients.pop(name).close()

    async def play(self, text: str) -> None:
        """Play all lines; at the end nobody may have received anything that is not written."""
        for line in map(str.strip, text.strip().splitlines()):
            if line.startswith("["):
                engine, _, line = line[1:].partition("] ")
                if engine not in ENGINES:
                    raise ValueError(f"no server is called {engine!r}: the line would never be played")
                if engine != self.engine:
                    continue
            if line and not line.startswith("#"):
                await self.line(line)
        for client in self.clients.values():
            if not client.raw:
                await client.sync()
            if client.inbox:
                raise ScenarioError(f"{client.name} also received {client.inbox}")

    async def line(self, line: str) -> None:
        """Play one line; what anybody receives besides waits for later lines."""
        match = re.match(r"(\w+)([<>]) ?(.*)", line)
        if match is None:
            raise ValueError(f"not a line of a scenario: {line!r}")
        name, direction, rest = match.groups()
        client = self.clients.get(name) or await self._open(name, rest if direction == ">" else "")
        if direction == ">":
            await self._send(client, rest)
        else:
            await self._expect(client, rest, line)

    async def _open(self, name: str, first: str) -> Client:
        client = self.clients[name] = await Client.open(name, self.host, self.port)
        client.raw = name in self._raw or first.startswith("CONNECT")
        if not client.raw:
            user = self._users.get(name, name)
            fields = self._login(user, client.info) if self._login else {"user": user, "pass": user}
            client.send(f"CONNECT {json.dumps(CONNECT | fields)}\r\n".encode())
            await client.sync()
        return client

    async def _send(self, client: Client, text: str) -> None:
        text = text.replace("{R}", self._response)
        lines = _with_payloads(text.split(" | "))
        client.send(b"".join(line.replace("\\r\\n", "\r\n").encode() + b"\r\n" for line in lines))
        if not client.raw:
            await client.sync()

    async def _expect(self, client: Client, text: str, line: str) -> None:
        wanted = [] if text == "(nothing)" else _messages(text)
        if not client.raw and "<EOF>" not in wanted:
            await client.sync()
        # What the server itself publishes, such as metrics, may come after the answer to the PING.
        await client.await_count(len(wanted))
        received = list(client.inbox)
        client.inbox.clear()
        for pattern in wanted:
            found = next((message for message in received if _like(pattern, message)), None)
            if found is None:
                raise ScenarioError(f"{line}: there is no {pattern!r} in {received}")
            received.remove(found)
            if reply := re.search(r"_R_\.\S+", found):
                self._response = reply.group()
        if received:
            raise ScenarioError(f"{line}: received {received} too")


def _with_payloads(parts: list[str]) -> Iterable[str]:
    """The lines to send, with the empty payloads that scenarios leave out."""
    waiting = iter(part for part in parts if part)
    for part in waiting:
        yield part
        if part.startswith(("PUB ", "HPUB ")):
            yield "" if part.endswith(" 0") else next(waiting)


def _messages(text: str) -> list[str]:
    found: list[str] = []
    for part in text.split(" | "):
        if not found or re.match(r"(MSG|HMSG|-ERR|\+OK|PING|PONG|INFO|<EOF>)( |$)", part):
            found.append(part)
        else:
            found[-1] += f" | {part}"
    return found


def _like(pattern: str, message: str) -> bool:
    if pattern == "<EOF>":
        return message == pattern
    expression = ".+".join(map(re.escape, re.split(r"<[^>]*>", pattern)))
    return re.fullmatch(expression, message, re.DOTALL) is not None
