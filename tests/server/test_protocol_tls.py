"""TLS: every way into a handshake, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import json
import ssl
import weakref

import nats
import pytest
import trustme

from natskit.errors import Error
from natskit.server import Options, Server
from support.certificates import save, trusting
from support.waiting import until

DEADLINE_S = 5.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Certificates of a server and of a client, as files; the authority that signed both."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, cert in (("server", ca.issue_cert("localhost", "127.0.0.1")), ("client", ca.issue_cert("client"))):
        save(folder, name, cert)
    return folder


def config(folder, more="", top=""):
    return f"""
listen: 127.0.0.1:-1
{top}
tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", ca_file: "{folder}/ca.pem", timeout: 1
{more}
}}"""


async def read_info(reader):
    line = await asyncio.wait_for(reader.readline(), DEADLINE_S)
    assert line.startswith(b"INFO ")
    return json.loads(line[5:])


async def closed(reader):
    try:
        return await asyncio.wait_for(reader.read(), DEADLINE_S)
    except (ConnectionError, ssl.SSLError):
        return b""


async def end(writer):
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def talk(server, context, **options):
    client = await nats.connect(f"tls://127.0.0.1:{server.port}", tls=context, allow_reconnect=False, **options)
    subscription = await client.subscribe("a")
    payload = bytes(range(256)) * 3000
    for _ in range(5):
        await client.publish("a", payload)
    assert [(await subscription.next_msg(timeout=5)).data for _ in range(5)] == [payload] * 5
    await client.close()


async def test_client_library_talks_over_tls(authority):
    async with Server(config(authority)) as server:
        await talk(server, trusting(authority))


async def test_login_over_tls(authority):
    async with Server(config(authority, top="authorization { user: u, password: p }")) as server:
        await talk(server, trusting(authority), user="u", password="p")


async def test_info_comes_in_clear_text_and_says_so(authority):
    async with Server(config(authority, "verify: true")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        info = await read_info(reader)
        assert (info["tls_required"], info["tls_verify"]) == (True, True)
        assert "tls_available" not in info
        await end(writer)


async def test_plain_text_instead_of_a_handshake_is_closed_in_silence(authority):
    async with Server(config(authority)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        writer.write(b"CONNECT {}\r\nPING\r\n")
        assert b"-ERR" not in await closed(reader)
        await end(writer)
        await gone(server)


async def gone(server):
    await until(lambda: not server.clients, "all to be gone")


async def test_silent_client_is_closed_after_the_handshake_timeout(authority):
    async with Server(config(authority, "timeout: 0.1")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        assert await closed(reader) == b""
        await end(writer)
        await gone(server)


async def test_client_certificate_is_required_and_checked(authority):
    async with Server(config(authority, "verify: true")) as server:
        await talk(server, trusting(authority, "client"))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(server, trusting(authority))
        await gone(server)


async def handshake(server, context):
    """INFO, then TLS by hand: nats-py leaves transports open when it fails."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        await read_info(reader)
        await writer.start_tls(context, server_hostname="127.0.0.1")
        writer.write(b"PING\r\n")
        said = await asyncio.wait_for(reader.readline(), DEADLINE_S)
        if not said:
            raise ConnectionError("closed")
        return said
    finally:
        await end(writer)


async def test_optional_tls_serves_both(authority):
    async with Server(config(authority, top="allow_non_tls: true")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        info = await read_info(reader)
        assert info["tls_available"]
        assert "tls_required" not in info
        writer.write(b"PI")
        writer.write(b"NG\r\n")
        assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"PONG\r\n"
        assert await handshake(server, trusting(authority)) == b"PONG\r\n"
        await end(writer)


async def test_silent_client_of_optional_tls_cannot_stay_for_ever(authority):
    top = "allow_non_tls: true\nauthorization { token: t, timeout: 0.2 }"
    async with Server(config(authority, top=top).replace("timeout: 1\n", "timeout: 0.2\n")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        assert await closed(reader) == b"-ERR 'Authentication Timeout'\r\n"
        await end(writer)


@pytest.mark.parametrize("setting", ["true", "auto", '"500ms"'])
async def test_handshake_before_info(authority, setting):
    async with Server(config(authority, f"handshake_first: {setting}")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting(authority))
        info = await read_info(reader)
        assert info["tls_required"]
        writer.write(b"PING\r\n")
        assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"PONG\r\n"
        await end(writer)


async def test_handshake_first_falls_back_to_info(authority):
    async with Server(config(authority, "handshake_first: auto")) as server:
        assert await handshake(server, trusting(authority)) == b"PONG\r\n"


async def test_handshake_first_alone_sends_nothing_in_clear_text(authority):
    async with Server(config(authority, "handshake_first: true, timeout: 0.1")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await closed(reader) == b""
        await end(writer)


async def test_minimum_version(authority):
    async with Server(config(authority, 'min_version: "1.3"')) as server:
        old = trusting(authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(server, old)
        assert await handshake(server, trusting(authority)) == b"PONG\r\n"


async def test_cipher_suites_of_tls_1_2(authority):
    async with Server(config(authority, 'cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]')) as server:
        context = trusting(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        await writer.start_tls(context, server_hostname="127.0.0.1")
        assert writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        await end(writer)


async def test_pinned_certificates(authority):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate((authority / "client.pem").read_bytes()).public_key()
    pin = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    for pinned, good in ((pin, True), ("0" * 64, False)):
        async with Server(config(authority, f'verify: true, pinned_certs: ["{pinned}"]')) as server:
            if good:
                assert await handshake(server, trusting(authority, "client")) == b"PONG\r\n"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await handshake(server, trusting(authority, "client"))


async def test_too_many_handshakes_are_turned_away(authority):
    async with Server(config(authority, "connection_rate_limit: 2")) as server:
        said = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await read_info(reader)
            said.append((reader, writer))
        refused = await closed(said[3][0])
        assert refused == b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
        for _, writer in said:
            await end(writer)


async def test_slow_reader_over_tls_is_bounded_and_cut_off(authority):
    async with Server(config(authority, top="max_pending: 2000000\nmax_payload: 1000000")) as server:
        slow_reader, slow = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
        await read_info(slow_reader)
        await slow.start_tls(trusting(authority), server_hostname="127.0.0.1")
        slow.write(b'CONNECT {"verbose":false}\r\nSUB flood 1\r\nPING\r\n')
        assert await asyncio.wait_for(slow_reader.readline(), DEADLINE_S) == b"PONG\r\n"
        slow.transport.pause_reading()
        client = await nats.connect(f"tls://127.0.0.1:{server.port}", tls=trusting(authority))
        async with asyncio.timeout(DEADLINE_S):
            while not server.slow_consumers:
                await client.publish("flood", b"x" * 500_000)
                await client.flush()
        await client.close()
        slow.transport.abort()


async def test_new_certificate_after_a_reload(authority, tmp_path):
    other = trustme.CA()
    fresh = other.issue_cert("127.0.0.1")
    save(tmp_path, "server", fresh)
    other.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Server(config(authority)) as server:
        await server.reload(config(tmp_path))
        assert await handshake(server, trusting(tmp_path)) == b"PONG\r\n"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(server, trusting(authority))


@pytest.mark.parametrize("broken", ["cert_file", "key_file", "ca_file"])
async def test_unusable_files_are_refused_at_start(authority, tmp_path, broken):
    (tmp_path / "junk.pem").write_text("junk")
    files = {"cert_file": "server.pem", "key_file": "server.key", "ca_file": "ca.pem"}
    text = " ".join(
        f'{key}: "{tmp_path / "junk.pem" if key == broken else authority / name}"' for key, name in files.items()
    )
    with pytest.raises(Error):
        await Server(Options.load(text=f"listen: 127.0.0.1:-1\ntls {{ {text} }}".replace('" ', '", '))).start()


async def test_a_closed_connection_holds_nothing_any_more(authority):
    async with Server(config(authority)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        await writer.start_tls(trusting(authority), server_hostname="127.0.0.1")
        writer.write(b"CONNECT {}\r\nPING\r\n")
        await asyncio.wait_for(reader.readuntil(b"PONG\r\n"), DEADLINE_S)
        transports = [weakref.ref(client.stream._transport) for client in server.clients.values()]
        await end(writer)
        await gone(server)
        async with asyncio.timeout(DEADLINE_S / 2):  # less than a transport may take to close
            while any(transport() for transport in transports):
                await asyncio.sleep(0.01)
                gc.collect()


async def test_stop_ends_handshakes_and_connections(authority):
    before = asyncio.all_tasks()
    async with Server(config(authority, "timeout: 60")) as server:
        waiting_reader, waiting = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(waiting_reader)
        client = await nats.connect(f"tls://127.0.0.1:{server.port}", tls=trusting(authority), allow_reconnect=False)
    assert await closed(waiting_reader) == b""
    await end(waiting)
    await client.close()
    assert asyncio.all_tasks() == before


async def test_client_that_is_too_many_before_its_handshake_is_done_stays_out(authority):
    async with Server(config(authority)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await read_info(reader)
        (client,) = server.clients.values()
        shaken = asyncio.create_task(writer.start_tls(trusting(authority), server_hostname="127.0.0.1"))
        while client.stream is None:  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0)
        await server.reload(config(authority, top="max_connections: -1"))
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await shaken
        assert b"PONG" not in await closed(reader)
        assert not server.clients
        assert [each.reason for each in server.closed] == ["Maximum Connections Exceeded"]
        await end(writer)
