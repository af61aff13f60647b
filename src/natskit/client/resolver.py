"""The account resolvers of a cluster, spoken to as a user of the system account (spec/nsc.md 6.3, 6.4).

Every server with a resolver answers every request. How many there are is asked first, so that a request is over with
the last answer; where no server tells, it is over when the time is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from natskit.client.connection import Connection, Message
from natskit.errors import Unreachable

__all__ = ["DELETE", "LIST", "PACK", "PING", "SUBJECTS", "UPDATE", "Answer", "Resolver", "store_hash"]

UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
DELETE = "$SYS.REQ.CLAIMS.DELETE"
LIST = "$SYS.REQ.CLAIMS.LIST"
PACK = "$SYS.REQ.CLAIMS.PACK"
PING = "$SYS.REQ.SERVER.PING"
SUBJECTS = (UPDATE, DELETE, LIST, PACK, PING)

_IN_FLIGHT = 256
_LONGEST_S = 60.0


class Answer(NamedTuple):
    """What one server said: its name, its text or what is wrong (then ``failed``), its data."""

    server: str
    text: str
    failed: bool = False
    data: Any = None


class _Waiting:
    """A request under way: the answers so far, and a future that is done with the last one."""

    def __init__(self, expected: int) -> None:
        self.answers: list[Message] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expected = expected

    def take(self, message: Message) -> None:
        self.answers.append(message)
        if len(self.answers) == self._expected and not self.done.done():
            self.done.set_result(None)


class Resolver:
    """``async with Resolver(connection, timeout_s=1) as resolver``: requests to all servers at once.

    ``servers`` is how many there are, 0 if none of them told. ``timeout_s`` bounds the wait for each request's answers.
    """

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self.servers = 0
        self._connection = connection
        self._timeout_s = timeout_s
        self._inbox = f"_INBOX.{os.urandom(11).hex()}"
        self._waiting: dict[str, _Waiting] = {}
        self._next = 0
        self._heard_at = 0.0
        self._packs: dict[str, asyncio.Queue[Message]] = {}

    async def __aenter__(self) -> Self:
        await self._connection.subscribe(f"{self._inbox}.*", self._take)
        self.servers = await self._count_servers()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._waiting.clear()

    def _take(self, message: Message) -> None:
        token = message.subject.rpartition(".")[2]
        if token in self._packs:
            self._packs[token].put_nowait(message)
        elif token in self._waiting:
            self._heard_at = asyncio.get_running_loop().time()
            self._waiting[token].take(message)

    async def _count_servers(self) -> int:
        """How many servers the cluster has, by the word of the first that answers; 0 if none does."""
        answers = await self._ask(PING, b"", expected=1)
        try:
            return int(msgspec.json.decode(answers[0].payload)["statsz"]["active_servers"])
        except (IndexError, KeyError, TypeError, ValueError, msgspec.DecodeError):
            return 0

    async def _ask(self, subject: str, payload: bytes, *, expected: int | None = None) -> list[Message]:
        """Every answer to one request, without those that say that nobody listens."""
        self._next += 1
        token = str(self._next)
        waiting = self._waiting[token] = _Waiting(self.servers if expected is None else expected)
        try:
            await self._connection.publish(subject, payload, reply=f"{self._inbox}.{token}")
            await self._wait(waiting)
        finally:
            del self._waiting[token]
        return [message for message in waiting.answers if not _is_no_responders(message)]

    async def _wait(self, waiting: _Waiting) -> None:
        """Until the last answer, the time is over, or the connection (raises what ended it).

        With many requests under way a busy server answers each late but all the time: as long as answers come in,
        the others are waited for as well, up to `_LONGEST_S`.
        """
        ends: list[asyncio.Future[None]] = [waiting.done, self._connection.closed]
        clock = asyncio.get_running_loop().time
        start = clock()
        while not waiting.done.done():
            since = max(start, self._heard_at) if self.servers else start
            left = min(since + self._timeout_s, start + _LONGEST_S) - clock()
            if left <= 0:
                return
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if self._connection.closed.done():
                self._connection.closed.result()
                raise Unreachable("the connection is closed")

    # ---- the requests

    async def update(self, token: str) -> list[Answer]:
        """Give every server an account's token."""
        return [_read(message) for message in await self._ask(UPDATE, token.encode())]

    async def update_all(self, tokens: Sequence[str]) -> list[list[Answer]]:
        """Give every server many tokens, some hundred at a time; the answers in the order of the tokens."""
        gate = asyncio.Semaphore(_IN_FLIGHT)

        async def one(token: str) -> list[Answer]:
            async with gate:
                return await self.update(token)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(token)) for token in tokens]
        return [task.result() for task in tasks]

    async def list_accounts(self) -> list[Answer]:
        """The public keys of the accounts that each server has, as ``data``."""
        return [_read(message) for message in await self._ask(LIST, b"")]

    async def delete(self, request: str) -> list[Answer]:
        """Delete the accounts that ``request`` names, a token signed by the operator."""
        return [_read(message) for message in await self._ask(DELETE, request.encode())]

    async def pack(self, known: bytes = b"") -> AsyncIterator[tuple[str, str]]:
        """Key and token of every account that a server has, unless all of them hash to ``known`` (see `store_hash`).

        Ends when every server has sent its last; an empty key says that one has. Raises Unreachable if none answers.
        """
        self._next += 1
        name = str(self._next)
        queue = self._packs[name] = asyncio.Queue()
        try:
            await self._connection.publish(PACK, known, reply=f"{self._inbox}.{name}")
            ended, heard = 0, False
            while not self.servers or ended < self.servers:
                message = await self._next_packed(queue)
                if message is None and heard:
                    return
                if message is None:
                    raise Unreachable("failed to get response to pull: nats: timeout")
                if _is_no_responders(message):
                    raise Unreachable("no server of the cluster has a resolver that stores accounts")
                heard = True
                key, _, token = message.payload.decode(errors="replace").partition("|")
                ended += not key
                yield key, token
        finally:
            del self._packs[name]

    async def _next_packed(self, queue: asyncio.Queue[Message]) -> Message | None:
        """The next message, None if none comes in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await queue.get()
        except TimeoutError:
            return None


def store_hash(tokens: Iterable[str]) -> bytes:
    """The hash by which servers compare what they store: the SHA-256 of every token, combined by exclusive or."""
    combined = 0
    for token in tokens:
        combined ^= int.from_bytes(hashlib.sha256(token.encode()).digest(), "big")
    return combined.to_bytes(32, "big")


def _is_no_responders(message: Message) -> bool:
    return not message.payload and bool(message.headers) and (message.headers or {}).get("Status") == "503"


def _read(message: Message) -> Answer:
    """A server's answer. Whatever it sends, this does not raise."""
    try:
        document = msgspec.json.decode(message.payload)
        server = document["server"].get("name", "")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        return Answer("", f"failed to parse response: {error}", failed=True)
    if not isinstance(server, str) or not server:
        return Answer("", "server responded without server name in info", failed=True)
    if problem := document.get("error"):
        text = problem.get("description", "") if isinstance(problem, dict) else problem
        return Answer(server, f"server {server} responded with error: {text}", failed=True)
    data = document.get("data")
    if data is None:
        return Answer(server, f"server {server} responded without data", failed=True)
    return Answer(server, str(data.get("message", "")) if isinstance(data, dict) else "", data=data)
