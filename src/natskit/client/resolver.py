"""The account resolvers of a cluster, spoken to as a user of the system account (spec/nsc.md 6.3, 6.4).

Every server with a resolver answers every request but one: of those that store all accounts a single one sends them
(`Resolver.pack`). How many servers there are is asked first, so that a request is over with the last answer; where no
server tells, it is over when the time is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from natskit.client.connection import Connection, Message
from natskit.errors import DeniedError, Error, Unreachable

__all__ = [
    "DELETE",
    "LIST",
    "LOOKUP",
    "PACK",
    "PING",
    "SUBJECTS",
    "UPDATE",
    "Answer",
    "NobodyListens",
    "Resolver",
    "store_hash",
]

UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
DELETE = "$SYS.REQ.CLAIMS.DELETE"
LIST = "$SYS.REQ.CLAIMS.LIST"
PACK = "$SYS.REQ.CLAIMS.PACK"
LOOKUP = "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP"
PING = "$SYS.REQ.SERVER.PING"
SUBJECTS = (UPDATE, DELETE, LIST, PACK, LOOKUP, PING)

_IN_FLIGHT = 256
_LONGEST_S = 60.0
_SEARCHED_A_SECOND = 1000
_MOST_SERVERS = 10_000
_MOST_ACCOUNTS = 1_000_000

T = TypeVar("T")


class Answer(NamedTuple):
    """What one server said: its name, its text or what is wrong (then ``failed``), its data."""

    server: str
    text: str
    failed: bool = False
    data: Any = None


class NobodyListens(Unreachable):
    """No server of the cluster takes a request."""

    def __init__(self) -> None:
        super().__init__(
            "no server takes such requests: their resolver does not store accounts,"
            " or the user is not one of the system account"
        )


class _Waiting:
    """A request under way: the answers so far, and a future that is done with the last one."""

    def __init__(self, expected: int) -> None:
        self.answers: list[Message] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last = expected or _MOST_SERVERS

    def take(self, message: Message) -> None:
        if not self.done.done():
            self.answers.append(message)
            if len(self.answers) == self._last or _is_no_responders(message):
                self.done.set_result(None)


class Resolver:
    """``async with Resolver(connection, timeout_s=1) as resolver``: requests to all servers at once.

    ``servers`` is how many there are, 0 if none of them told; ``names`` are those that told their names.
    ``timeout_s`` bounds the wait for each request's answers; those for which a server looks through all of the
    ``accounts`` that it may have take longer.
    """

    def __init__(self, connection: Connection, timeout_s: float, accounts: int = 0) -> None:
        self.servers = 0
        self.names: frozenset[str] = frozenset()
        self._answering = 0
        self._connection = connection
        self._timeout_s = timeout_s
        self._search_s = max(timeout_s, accounts / _SEARCHED_A_SECOND)
        self._inbox = f"_INBOX.{os.urandom(11).hex()}"
        self._waiting: dict[str, _Waiting] = {}
        self._packs: dict[str, asyncio.Queue[Message]] = {}
        self._refused: dict[str, DeniedError] = {}
        self._next = 0
        self._heard_at = 0.0

    async def __aenter__(self) -> Self:
        await self._connection.subscribe(f"{self._inbox}.*", self._take)
        await self._meet()
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

    async def _meet(self) -> None:
        """Learn how many servers the cluster has, by the word of the first that answers, and their names."""
        try:
            answers = await self._ask(PING, b"", expected=1)
            self.servers = self._answering = _active_servers(answers[0]) if answers else 0
            if self.servers > 1:
                answers = await self._ask(PING, b"")
        except (DeniedError, NobodyListens):  # a user who may not ask this, or not of the system account
            return
        self.names = frozenset(answer.server for answer in map(_read, answers) if answer.server)

    def _begin(self) -> str:
        self._next += 1
        return str(self._next)

    async def _ask(
        self, subject: str, payload: bytes, *, expected: int | None = None, wait_s: float = 0
    ) -> list[Message]:
        """Every answer to one request. Raises DeniedError, Unreachable."""
        token = self._begin()
        expected = self._answering if expected is None else expected
        waiting = self._waiting[token] = _Waiting(expected)
        try:
            await self._connection.publish(subject, payload, reply=f"{self._inbox}.{token}")
            await self._wait(waiting, wait_s or self._timeout_s)
        finally:
            del self._waiting[token]
        if not waiting.answers:
            await self._check_refused(subject)
        # A server that is silent once is not waited for again: the answers tell that it is missing.
        self._answering = min(self._answering, len(waiting.answers) or 1)
        if any(map(_is_no_responders, waiting.answers)):
            raise NobodyListens
        return waiting.answers

    async def _wait(self, waiting: _Waiting, wait_s: float) -> None:
        """Until the last answer, the time is over, or the connection (raises what ended it).

        With many requests under way a busy server answers each late but all the time: as long as answers come in,
        the others are waited for as well, up to `_LONGEST_S`.
        """
        ends: list[asyncio.Future[None]] = [waiting.done, self._connection.closed]
        clock = asyncio.get_running_loop().time
        start = clock()
        while not waiting.done.done():
            since = max(start, self._heard_at) if self.servers else start
            left = min(since + wait_s, start + _LONGEST_S) - clock()
            if left <= 0:
                return
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            self._check_open()

    def _check_open(self) -> None:
        if self._connection.closed.done():
            self._connection.closed.result()
            raise Unreachable("the connection is closed")

    async def _check_refused(self, subject: str) -> None:
        """Raise DeniedError if the server refused this or an earlier request on ``subject``."""
        try:
            await self._connection.confirm()
        except DeniedError as error:
            self._refused[subject] = error
        if subject in self._refused:
            raise self._refused[subject]

    # ---- the requests

    async def update(self, token: str) -> list[Answer]:
        """Give every server an account's token. Raises DeniedError, Unreachable, UsageError (too large)."""
        return [_read(message) for message in await self._ask(UPDATE, token.encode())]

    async def update_all(self, tokens: Sequence[str]) -> list[list[Answer]]:
        """Give every server many tokens, some hundred at a time; the answers in the order of the tokens.

        What went wrong with one of them is its answer, of no server.
        """

        async def one(token: str) -> list[Answer]:
            try:
                return await self.update(token)
            except Error as error:
                return [Answer("", str(error), failed=True)]

        return await _many(one, tokens)

    async def lookup_all(self, keys: Sequence[str]) -> list[list[str]]:
        """The tokens that the servers have of accounts, in the order of ``keys``; empty where a server has none.

        Which server answers is not told. Raises DeniedError, Unreachable.
        """

        async def one(key: str) -> list[str]:
            answers = await self._ask(LOOKUP.replace("*", key), b"")
            return [message.payload.decode(errors="replace").strip() for message in answers]

        try:
            return await _many(one, keys)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def list_accounts(self) -> list[Answer]:
        """The public keys of the accounts that each server has, as ``data``."""
        return [_read(message) for message in await self._ask(LIST, b"", wait_s=self._search_s)]

    async def delete(self, request: str) -> list[Answer]:
        """Delete the accounts that ``request`` names, a token signed by the operator."""
        return [_read(message) for message in await self._ask(DELETE, request.encode())]

    async def pack(self, known: bytes = b"") -> AsyncIterator[tuple[str, str]]:
        """Key and token of every account that one of the servers has; none if they hash to ``known`` (`store_hash`).

        Raises Unreachable if no server answers, or it stops before the end.
        """
        token = self._begin()
        queue = self._packs[token] = asyncio.Queue()
        try:
            await self._connection.publish(PACK, known, reply=f"{self._inbox}.{token}")
            for _ in range(_MOST_ACCOUNTS):
                message = await self._next_packed(queue)
                if _is_no_responders(message):
                    raise NobodyListens
                if not message.payload:
                    return
                key, _, packed = message.payload.decode(errors="replace").partition("|")
                yield key, packed
            raise Unreachable(f"a server sends more than {_MOST_ACCOUNTS} accounts")
        finally:
            del self._packs[token]

    async def _next_packed(self, queue: asyncio.Queue[Message]) -> Message:
        getting = asyncio.ensure_future(queue.get())
        ends: set[asyncio.Future[Any]] = {getting, self._connection.closed}
        try:
            await asyncio.wait(ends, timeout=self._search_s, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        self._check_open()
        await self._check_refused(PACK)
        raise Unreachable("failed to get response to pull: nats: timeout")


async def _many(one: Callable[[str], Coroutine[Any, Any, T]], texts: Sequence[str]) -> list[T]:
    """``one`` of each text, some hundred at a time. Raises ExceptionGroup."""
    gate = asyncio.Semaphore(_IN_FLIGHT)

    async def gated(text: str) -> T:
        async with gate:
            return await one(text)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(gated(text)) for text in texts]
    return [task.result() for task in tasks]


def store_hash(tokens: Iterable[str]) -> bytes:
    """The hash by which servers compare what they store: the SHA-256 of every token, combined by exclusive or."""
    combined = 0
    for token in tokens:
        combined ^= int.from_bytes(hashlib.sha256(token.encode()).digest(), "big")
    return combined.to_bytes(32, "big")


def _is_no_responders(message: Message) -> bool:
    return not message.payload and bool(message.headers) and (message.headers or {}).get("Status") == "503"


def _active_servers(message: Message) -> int:
    """What the answer to a ping says; 0 if it does not tell, or not what can be."""
    try:
        count = msgspec.json.decode(message.payload)["statsz"]["active_servers"]
    except (LookupError, TypeError, RecursionError, msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return count if isinstance(count, int) and 0 < count < _MOST_SERVERS else 0


def _read(message: Message) -> Answer:
    """A server's answer. Whatever it sends, this does not raise."""
    try:
        document = msgspec.json.decode(message.payload)
        server = document["server"].get("name", "")
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError, RecursionError) as error:
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
