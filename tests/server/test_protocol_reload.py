"""A new configuration under a running server."""

from __future__ import annotations

import asyncio
import socket
import ssl

import nats
import pytest
import trustme

from natskit.errors import ConfigError, Error, ServerError
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


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("first", "second"):
        issued = trustme.CA().issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
    return folder


def tls(folder, name):
    return f'tls {{ cert_file: "{folder}/{name}.pem", key_file: "{folder}/{name}.pem" }}\n'


def shown(port):
    """The certificate that the server shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        while plain.recv(1) != b"\n":
            pass
        with context.wrap_socket(plain) as secured:
            return secured.getpeercert(binary_form=True)


@pytest.mark.parametrize(
    "fault",
    [
        'accounts { A { mappings { "a.*": "b.{{partition(x,1)}}" } } }',
        "accounts { A { users: [{user: u, password: p, permissions: {publish: {allow: 'a..b'}}}] } }",
        "system_account: NOBODY",
        "no_auth_user: nobody",
    ],
)
async def test_reload_that_fails_changes_nothing(certificates, fault):
    base = BASE + "accounts { A { users: [{user: a, password: a}] } }\n"
    async with Server(base + tls(certificates, "first")) as server:
        before = await asyncio.to_thread(shown, server.port)
        options, gates, accounts = server.options, server.gates, {account.id for account in server.accounts}
        with pytest.raises(Error):
            await server.reload(BASE + fault + "\n" + tls(certificates, "second"))
        assert await asyncio.to_thread(shown, server.port) == before
        assert server.options is options
        assert server.gates is gates
        assert {account.id for account in server.accounts} == accounts
        await server.reload(base + tls(certificates, "second"))
        assert await asyncio.to_thread(shown, server.port) != before


async def test_certificate_that_cannot_be_read_changes_nothing(certificates, tmp_path):
    (tmp_path / "broken.pem").write_text("nothing")
    base = BASE + "accounts { A { users: [{user: a, password: a}] } }\n"
    async with Server(base + tls(certificates, "first")) as server:
        with pytest.raises(Error):
            await server.reload(BASE + "accounts { B { } }\n" + tls(tmp_path, "broken"))
        assert server.accounts.find("A") is not None
        assert server.accounts.find("B") is None


async def test_tags_and_metadata_are_told_as_they_are_now():
    async with Server(BASE + "server_tags: old") as server:
        await server.reload(BASE + "server_tags: [new, newer]\nserver_metadata { room: kitchen }")
        assert list(server.describe()["tags"]) == ["new", "newer"]
        assert server.describe()["metadata"] == {"room": "kitchen"}


async def test_program_is_told_of_a_reload():
    async with Server(BASE) as server:
        told = []
        server.on_reload = told.append
        before = server.options
        await server.reload(BASE + "max_payload: 100")
        assert told == [before]
