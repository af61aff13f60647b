"""A new configuration under a running server."""

from __future__ import annotations

import asyncio

import nats
import pytest

from natskit.errors import ConfigError, ServerError
from natskit.server import Options, Server

BASE = "listen: 127.0.0.1:-1\n"


async def said_to_a_stranger(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"CONNECT {}\r\n")
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return said


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("max_pending: 100000000", "max_pending"),
        ("server_name: other", "server_name"),
        ("max_subscriptions: 5", "max_subscriptions"),
        ("no_header_support: true", "no_header_support"),
        ("listen: 127.0.0.1:1", "port"),
        ("host: localhost", "host"),
        ("no_system_account: true", "no_system_account"),
        ("system_account: A\naccounts { A {} }", "system_account"),
    ],
)
async def test_change_that_needs_a_restart_is_refused_by_name(change, name):
    async with Server(BASE) as server:
        before = server.options
        with pytest.raises(ServerError, match=f"config reload not supported for {name}: old="):
            await server.reload(BASE + change)
        assert server.options is before


async def test_file_is_read_again_and_keeps_the_port(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(BASE)
    async with Server(path) as server:
        port = server.port
        client = await nats.connect(server.client_url)
        path.write_text(BASE + "max_payload: 100\nauthorization { user: u, password: p }\n")
        await server.reload()
        assert (server.port, server.options.limits.max_payload) == (port, 100)
        assert b"Authorization Violation" in await said_to_a_stranger(port)
        other = await nats.connect(server.client_url, user="u", password="p")
        assert other.max_payload == 100
        await other.close()
        await client.close()


async def test_broken_file_changes_nothing(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(BASE)
    async with Server(path) as server:
        path.write_text(BASE + "max_payload: lots\n")
        with pytest.raises(ConfigError):
            await server.reload()
        assert server.options.limits.max_payload == 1 << 20


async def test_server_without_a_file_cannot_reread_it():
    async with Server(Options(host="127.0.0.1", port=-1)) as server:
        with pytest.raises(ServerError, match="file"):
            await server.reload()
