"""Requests to the resolvers of a cluster, whatever the servers answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from natskit.client.connection import Message
from natskit.client.resolver import Resolver, store_hash
from natskit.errors import DeniedError, Unreachable

NOBODY = ("", {"Status": "503"})


def ping(servers: Any, name: str = "S1") -> str:
    return json.dumps({"server": {"name": name}, "statsz": {"active_servers": servers}})


def ok(name: str = "S1", message: str = "jwt updated") -> str:
    return json.dumps({"server": {"name": name}, "data": {"message": message}})


class Line:
    """A connection whose other end answers as ``servers`` (by the last part of the subject) wants."""

    def __init__(self, **servers: Callable[[bytes], list[Any]]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.servers = servers
        self.refused: list[str] = []
        self.sent: list[str] = []
        self.replies: list[str] = []

    async def subscribe(self, subject: str, on_message: Callable[[Message], None]) -> None:
        self.deliver = on_message

    async def publish(self, subject: str, payload: bytes, *, reply: str) -> None:
        self.sent.append(subject)
        self.replies.append(reply)
        for answer in self.servers.get(subject.rpartition(".")[2], lambda payload: [])(payload):
            text, headers = answer if isinstance(answer, tuple) else (answer, None)
            self.deliver(Message(reply, text.encode(), "", headers))

    async def confirm(self) -> None:
        refused, self.refused = self.refused, []
        if refused:
            raise DeniedError("; ".join(refused))


def resolver(line: Line, timeout_s: float = 0.05) -> Resolver:
    return Resolver(line, timeout_s)  # type: ignore[arg-type]


async def test_a_request_is_over_with_the_last_answer() -> None:
    line = Line(PING=lambda _: [ping(2), ping(2, "S2")], UPDATE=lambda _: [ok(), ok("S2")])
    async with asyncio.timeout(5), resolver(line, timeout_s=60) as cluster:
        assert (cluster.servers, cluster.names) == (2, {"S1", "S2"})
        assert [each.server for each in await cluster.update("eyJ")] == ["S1", "S2"]


@pytest.mark.parametrize("servers", [0, -5, 10**9, 1.5, "2", None, [], {}])
async def test_a_count_that_cannot_be_is_not_believed(servers: Any) -> None:
    line = Line(PING=lambda _: [ping(servers)], UPDATE=lambda _: [ok()])
    async with resolver(line) as cluster:
        assert cluster.servers == 0
        assert len(await cluster.update("eyJ")) == 1


@pytest.mark.parametrize(
    "answer",
    ["", "x", "[]", "{}", "\xff", "null", "7", '{"server":7}', '{"server":{"name":7},"data":{}}', "[" * 100_000],
)
async def test_an_answer_that_is_none_is_told(answer: str) -> None:
    line = Line(PING=lambda _: [answer], UPDATE=lambda _: [answer])
    async with resolver(line) as cluster:
        (told,) = await cluster.update("eyJ")
        assert told.failed
        assert told.server == ""


async def test_answers_beyond_the_last_are_not_kept() -> None:
    line = Line(PING=lambda _: [ping(1)], UPDATE=lambda _: [ok()] * 1000)
    async with resolver(line) as cluster:
        assert len(await cluster.update("eyJ")) == 1


async def test_a_server_that_is_silent_is_waited_for_once() -> None:
    line = Line(PING=lambda _: [ping(2), ping(2, "S2")], UPDATE=lambda _: [ok()])
    async with resolver(line, timeout_s=0.2) as cluster:
        start = asyncio.get_running_loop().time()
        for _ in range(20):
            assert len(await cluster.update("eyJ")) == 1
        assert asyncio.get_running_loop().time() - start < 2


async def test_slow_answers_are_waited_for_while_they_come() -> None:
    line = Line(PING=lambda _: [ping(2), ping(2, "S2")])
    async with resolver(line, timeout_s=1.0) as cluster:
        waiting = asyncio.create_task(cluster.update_all(["1", "2", "3", "4"]))
        await asyncio.sleep(0)
        for number in range(8):  # each comes in time, the last long after the first would have been given up
            await asyncio.sleep(0.15)
            line.deliver(Message(line.replies[-4 + number % 4], ok(f"S{1 + number // 4}").encode(), "", None))
        assert [len(got) for got in await waiting] == [2, 2, 2, 2]


async def test_answers_to_other_requests_do_not_hold_one_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natskit.client.resolver._LONGEST_S", 0.2)
    line = Line(PING=lambda _: [ping(2), ping(2, "S2")])
    async with asyncio.timeout(5), resolver(line, timeout_s=60) as cluster:
        assert await cluster.update("eyJ") == []


async def test_a_connection_that_breaks_fails_what_is_left() -> None:
    line = Line(PING=lambda _: [ping(1)])

    def update(payload: bytes) -> list[Any]:
        if payload == b"2":
            line.closed.set_exception(Unreachable("gone"))
            return []
        return [ok()]

    line.servers["UPDATE"] = update
    async with asyncio.timeout(5), resolver(line, timeout_s=60) as cluster:
        one, two = await cluster.update_all(["1", "2"])
        assert not one[0].failed
        assert (two[0].failed, two[0].text) == (True, "gone")
        with pytest.raises(Unreachable, match="gone"):
            await cluster.lookup_all(["A"])
        with pytest.raises(Unreachable, match="gone"):
            [_ async for _ in cluster.pack()]


async def test_what_the_server_refuses_is_told_for_each_request() -> None:
    line = Line(PING=lambda _: [ping(1)])
    async with resolver(line) as cluster:
        line.refused = ["no"]
        assert [each[0].text for each in await cluster.update_all(["1", "2", "3"])] == ["no"] * 3
        line.refused = ["not that"]
        with pytest.raises(DeniedError, match="not that"):
            [_ async for _ in cluster.pack()]


async def test_where_nobody_listens_nobody_waits() -> None:
    line = Line(PING=lambda _: [NOBODY], UPDATE=lambda _: [NOBODY], PACK=lambda _: [NOBODY], LOOKUP=lambda _: [NOBODY])
    async with asyncio.timeout(5), resolver(line, timeout_s=60) as cluster:
        assert cluster.servers == 0
        assert (await cluster.update_all(["1"]))[0][0].failed
        with pytest.raises(Unreachable, match="no server takes such requests"):
            await cluster.lookup_all(["A"])
        with pytest.raises(Unreachable, match="no server takes such requests"):
            [_ async for _ in cluster.pack()]


async def test_a_pack_that_stops_before_its_end_is_not_the_whole() -> None:
    line = Line(PING=lambda _: [ping(1)], PACK=lambda _: ["A|1", "B|2"])
    async with resolver(line) as cluster:
        pack = cluster.pack()
        assert [await anext(pack), await anext(pack)] == [("A", "1"), ("B", "2")]
        with pytest.raises(Unreachable, match="timeout"):
            await anext(pack)
        line.servers["PACK"] = lambda _: ["A|1", ""]
        assert [each async for each in cluster.pack()] == [("A", "1")]


async def test_a_pack_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natskit.client.resolver._MOST_ACCOUNTS", 10)
    line = Line(PING=lambda _: [ping(1)], PACK=lambda _: ["A|1"] * 11)
    async with resolver(line) as cluster:
        with pytest.raises(Unreachable, match="more than 10 accounts"):
            [_ async for _ in cluster.pack()]


async def test_every_server_is_asked_for_every_token() -> None:
    line = Line(PING=lambda _: [ping(2)] * 2, LOOKUP=lambda _: ["eyJ\n", ""])
    async with resolver(line) as cluster:
        assert await cluster.lookup_all(["A", "B"]) == [["eyJ", ""], ["eyJ", ""]]
        assert line.sent[-2:] == ["$SYS.REQ.ACCOUNT.A.CLAIMS.LOOKUP", "$SYS.REQ.ACCOUNT.B.CLAIMS.LOOKUP"]


def test_the_hash_of_a_store_does_not_depend_on_the_order() -> None:
    assert store_hash(["a", "b"]) == store_hash(["b", "a"]) != store_hash(["a"])
    assert store_hash([]) == bytes(32)


async def test_a_server_with_many_accounts_may_take_its_time_to_list_them() -> None:
    line = Line(PING=lambda _: [ping(1)])
    late = json.dumps({"server": {"name": "S1"}, "data": ["A"]}).encode()

    async def publish(subject: str, payload: bytes, *, reply: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, lambda: line.deliver(Message(reply, late, "", None)))

    async with Resolver(line, 0.05, accounts=10_000) as cluster:  # type: ignore[arg-type]
        line.publish = publish  # type: ignore[method-assign]
        (listed,) = await cluster.list_accounts()
        assert listed.data == ["A"]
