"""What happens to a client whose login takes a while."""

from __future__ import annotations

import asyncio
import json

from msgspec.structs import replace

from natskit.server import Server
from natskit.server.auth import Authenticator
from natskit.testing import Operator

DEADLINE_S = 5.0


class Gate:
    """Holds the next login of a server after it was judged, until it is opened."""

    def __init__(self, server):
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()
        self._door = server.gates["STANDARD"].authenticator
        self._authenticate = self._door.authenticate
        self._door.authenticate = self._held

    async def _held(self, connect, peer):
        admission = await self._authenticate(connect, peer)
        self.reached.set()
        await self._opened.wait()
        return admission

    def open(self):
        self._door.authenticate = self._authenticate
        self._opened.set()


class Wire:
    """A raw connection."""

    def __init__(self, reader, writer, info):
        self.reader, self.writer, self.info = reader, writer, info

    @classmethod
    async def open(cls, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        return cls(reader, writer, json.loads((await reader.readline())[5:]))

    def connect(self, fields, more=b""):
        self.writer.write(b"CONNECT " + json.dumps({"verbose": False} | fields).encode() + b"\r\n" + more)

    async def line(self):
        return await asyncio.wait_for(self.reader.readline(), DEADLINE_S)

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


async def test_change_of_the_old_account_does_not_admit_a_client_that_logs_in_to_another():
    operator = Operator()
    old, new = operator.account("OLD"), operator.account("NEW")
    async with Server(operator.config("listen: 127.0.0.1:-1")) as server:
        operator.follow(server)
        wire = await Wire.open(server)
        wire.connect(old.user("u").credentials(wire.info["nonce"]), b"PING\r\n")
        assert await wire.line() == b"PONG\r\n"
        gate = Gate(server)
        wire.connect(new.user("u").credentials(wire.info["nonce"]), b"SUB mine 1\r\nPING\r\n")
        await asyncio.wait_for(gate.reached.wait(), DEADLINE_S)
        old.limit(subs=7)
        gate.open()
        assert await wire.line() == b"PONG\r\n"
        assert [entry.subject for entry in server.accounts.find(new.id).space.subscriptions()] == [b"mine"]
        assert not server.accounts.find(old.id).members
        await wire.close()


async def test_login_that_was_under_way_is_judged_by_the_new_configuration():
    base = "listen: 127.0.0.1:-1\n"
    async with Server(base + "authorization { users = [{user: a, password: a}] }") as server:
        gate = Gate(server)
        wire = await Wire.open(server)
        wire.connect({"user": "a", "pass": "a"}, b"PING\r\n")
        await asyncio.wait_for(gate.reached.wait(), DEADLINE_S)
        await server.reload(base + "authorization { users = [{user: b, password: b}] }")
        gate.open()
        assert await wire.line() == b"-ERR 'Authorization Violation'\r\n"
        await wire.close()


async def test_client_that_a_reload_would_place_in_another_account_is_closed(monkeypatch):
    config = "listen: 127.0.0.1:-1\naccounts { A { users = [{user: a, password: a}] }, B {} }"
    async with Server(config) as server:
        wire = await Wire.open(server)
        wire.connect({"user": "a", "pass": "a"}, b"PING\r\n")
        assert await wire.line() == b"PONG\r\n"
        judge = Authenticator.authenticate

        async def authenticate(self, connect, peer):
            return replace(await judge(self, connect, peer), account=server.accounts.find("B"))

        monkeypatch.setattr(Authenticator, "authenticate", authenticate)
        await server.reload(config)
        assert await wire.line() == b""
        assert [each.reason for each in server.closed] == ["Client Closed"]
        await wire.close()


async def test_client_that_leaves_while_it_is_judged_again_does_not_end_the_reload(monkeypatch):
    config = "listen: 127.0.0.1:-1\nauthorization { users = [{user: a, password: %s}, {user: b, password: b}] }"
    async with Server(config % "a") as server:
        wires = [await Wire.open(server) for _ in range(3)]
        for wire, user in zip(wires, "bba", strict=True):
            wire.connect({"user": user, "pass": user}, b"PING\r\n")
            assert await wire.line() == b"PONG\r\n"
        first, second, third = server.clients.values()
        judge = Authenticator.authenticate

        async def authenticate(self, connect, peer):
            admission = await judge(self, connect, peer)
            first.engine.cut("Client Closed")
            return admission

        monkeypatch.setattr(Authenticator, "authenticate", authenticate)
        await server.reload(config % "other")
        assert await wires[2].line() == b"-ERR 'Authorization Violation'\r\n"
        assert list(server.clients.values()) == [second]
        assert third.engine.closing
        for wire in wires:
            await wire.close()
