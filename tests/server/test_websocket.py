"""WebSocket clients of the embedded server: what surrounds them. What they say is in tests/differential."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
import urllib.request
from types import SimpleNamespace

import msgspec
import nats
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ConfigError, ProtocolError, ServerError
from natskit.nkeys import KeyPair, Role
from natskit.server import Options, Server
from natskit.server.websocket.frames import Deflater, Framer, inflate
from natskit.server.websocket.handshake import MAX_REQUEST, Refusal, Request, Upgrade, upgrade
from natskit.wire.frames import DATA
from support.certificates import save, trusting
from support.realm import Realm
from support.waiting import until
from support.websocket import DEFLATE, PING, RawWebSocket, deflated, frame, inflated, request

pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type:DeprecationWarning")
"""nats-py calls aiohttp so; as an error it would try to connect for ever."""

DEADLINE_S = 5.0
WEBSOCKET = 'websocket { listen: "127.0.0.1:-1", no_tls: true }'


def config(websocket=WEBSOCKET, top=""):
    return f"listen: 127.0.0.1:-1\n{top}\n{websocket}\n"


def listening(more):
    return f'websocket {{ listen: "127.0.0.1:-1", no_tls: true, {more} }}'


@contextlib.asynccontextmanager
async def raw(server, context=None, **headers):
    """A raw client, which blocks: each call in a thread."""
    client = await asyncio.to_thread(RawWebSocket.open, server.websocket_port, context, **headers)
    try:
        yield client
    finally:
        client.close()


async def connect(server, **options):
    return await nats.connect(server.websocket_url, allow_reconnect=False, **options)


# ---- embedding -------------------------------------------------------------------------------------


async def test_url_and_port_are_those_to_connect_to():
    async with Server(config()) as server:
        assert server.websocket_url == f"ws://127.0.0.1:{server.websocket_port}"
        assert server.websocket_port > 0
        client = await connect(server)
        subscription = await client.subscribe("a")
        payload = bytes(range(256)) * 3000
        for _ in range(3):
            await client.publish("a", payload, headers={"Key": "value"})
        messages = [await subscription.next_msg(timeout=5) for _ in range(3)]
        assert [(message.data, message.headers) for message in messages] == [(payload, {"Key": "value"})] * 3
        await client.close()
        ports = server.port, server.websocket_port
    assert (server.port, server.websocket_port) == ports  # they are still known when it has ended


async def test_server_without_websocket_has_no_url():
    async with Server() as server:
        assert (server.websocket_url, server.websocket_port) == ("", 0)


def test_url_in_a_thread():
    with Server.in_thread(config()) as server:
        client = RawWebSocket.open(int(server.websocket_url.rpartition(":")[2]))
        client.sync()
        client.close()


async def test_clients_of_both_listeners_talk_to_each_other():
    async with Server(config()) as server:
        web, plain = await connect(server), await nats.connect(server.client_url)
        subscription = await plain.subscribe("a")
        await plain.flush()
        await web.publish("a", b"hello")
        assert (await subscription.next_msg(timeout=5)).data == b"hello"
        await web.close()
        await plain.close()


async def test_taken_port_is_reported_and_nothing_stays_open():
    async with Server(config()) as server:
        taken = f'websocket {{ listen: "127.0.0.1:{server.websocket_port}", no_tls: true }}'
        other = Server(config(taken))
        with pytest.raises(ServerError, match=r"cannot listen on 127\.0\.0\.1"):
            await other.start()
    async with other:
        assert other.websocket_port


async def test_info_tells_the_listener_the_client_came_to():
    async with Server(config()) as server, raw(server) as client:
        info = json.loads(client.said[5:])
        assert (info["host"], info["port"]) == ("127.0.0.1", server.websocket_port)
        assert server.info.port == server.port


async def test_stopping_says_so_to_clients():
    server = Server(config())
    await server.start()
    async with raw(server) as client:
        await server.stop()
        await asyncio.to_thread(client.expect_end)
        assert client.goodbye == b"\x03\xe9Server Shutdown"


async def test_lame_duck_mode_tells_clients_and_lets_nobody_in():
    server = Server(config(top='lame_duck_duration: "30s"'))
    await server.start()
    async with raw(server) as client:
        client.send(frame(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n'))
        await asyncio.to_thread(client.until, lambda: b"connect_info" in client.said)
        leaving = asyncio.create_task(server.lame_duck())
        await asyncio.to_thread(client.until, lambda: b'"ldm":true' in client.said)
        assert json.loads(client.said.rpartition(b"INFO ")[2])["port"] == server.websocket_port
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(RawWebSocket.open, server.websocket_port)
        server.advance(10)
        await asyncio.wait_for(leaving, 10)
        await asyncio.to_thread(client.expect_end)
        assert client.goodbye == b"\x03\xe9Server Shutdown"


async def test_proxy_protocol_is_for_the_other_listener():
    async with Server(config(top="proxy_protocol: true")) as server, raw(server) as client:
        assert json.loads(client.said[5:])["client_ip"] == "127.0.0.1"


async def test_stopping_gives_up_on_a_client_that_does_not_read(monkeypatch):
    monkeypatch.setattr("natskit.server.server.STOP_S", 0.2)
    monkeypatch.setattr("natskit.server.stream.LEAVE_S", 0.2)
    async with Server(config()) as server, raw(server) as client:
        client.send(frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
        await asyncio.to_thread(client.sync)
        (seen,) = server.streams._open
        publisher = await connect(server)
        for _ in range(20):
            await publisher.publish("a", b"x" * 1_000_000)
        await publisher.flush(timeout=5)
        await publisher.close()
        assert seen.held > 1 << 19
        await server.stop()
        assert not server.clients
        assert not server.streams._open
        assert seen._client._ping_timer.cancelled()
        assert seen._client._write_timer is None or seen._client._write_timer.cancelled()


async def test_stopping_ends_handshakes_that_are_under_way():
    server = Server(config())
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.websocket_port)
    writer.write(request()[:-2])
    await until(lambda: server.entrances.websocket.handshakes, "the handshake")
    await server.stop()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
    writer.close()


async def test_log_names_the_client_and_what_a_proxy_says_of_it(caplog):
    caplog.set_level(logging.DEBUG, "natskit")
    async with Server(config()) as server:
        async with raw(server, X_Forwarded_For="192.0.2.7") as client:
            number = client.sock.getsockname()[1]
            assert f"192.0.2.7/127.0.0.1:{number} - wid:5 - Client connection created" in caplog.text
            assert next(iter(server.clients.values())).peer.host == "127.0.0.1"
        async with raw(server, X_Forwarded_For="192.0.2.7, 192.0.2.8") as client:
            address = f"127.0.0.1:{client.sock.getsockname()[1]}"
            assert any(each.startswith(f"{address} - wid:6 ") for each in caplog.messages)


async def test_log_says_where_it_listens_and_that_there_is_no_tls(caplog):
    caplog.set_level(logging.INFO, "natskit")
    async with Server(config()) as server:
        assert f"Listening for websocket clients on ws://127.0.0.1:{server.websocket_port}" in caplog.text
        assert "Websocket not configured with TLS. DO NOT USE IN PRODUCTION!" in caplog.text


@pytest.mark.parametrize(
    ("more", "warned"),
    [("token_cookie: t", True), ("token_cookie: t, same_origin: true", False), ("same_origin: false", False)],
)
async def test_cookies_of_any_page_are_warned_of(caplog, more, warned):
    async with Server(config(listening(more))):
        assert ("cookies from any page: set same_origin" in caplog.text) == warned


async def test_long_cookies_of_strangers_are_not_kept():
    users = "authorization { users: [{user: a, password: a}] }"
    async with Server(config(listening("user_cookie: u, pass_cookie: p, token_cookie: t"), users)) as server:
        long = "x" * 20_000
        async with raw(server, Cookie=f"u={long}; p={long}; t={long}") as client:
            client.send(frame(b'CONNECT {"name":"n"}\r\n'))
            await asyncio.to_thread(client.expect_end)
        (seen,) = server.closed
        assert seen.reason == "Authentication Failure"
        assert seen.connect.name == "n"
        assert len(msgspec.json.encode(seen.connect)) < 1000


async def test_monitoring_knows_the_listener_and_its_clients():
    async with (
        Server(config(listening("compression: true, jwt_cookie: ''"), "http: 127.0.0.1:-1")) as server,
        raw(server),
    ):

        def read(path):
            with urllib.request.urlopen(f"{server.monitor_url}/{path}") as answer:
                return json.load(answer)

        (seen,) = (await asyncio.to_thread(read, "connz"))["connections"]
        assert (seen["type"], seen["kind"], seen["ip"]) == ("websocket", "Client", "127.0.0.1")
        told = (await asyncio.to_thread(read, "varz"))["websocket"]
        assert told == {
            "host": "127.0.0.1", "port": server.websocket_port, "no_tls": True, "compression": True,
            "handshake_timeout": 2_000_000_000,
        }  # fmt: skip


# ---- logging in ------------------------------------------------------------------------------------


async def test_token_for_websocket_only():
    realm = Realm()
    account = realm.account("A")
    cookies = listening("jwt_cookie: token")
    async with Server(realm.config(config(cookies))) as server:
        bearer = account.user("u", bearer_token=True, allowed_connection_types=("WEBSOCKET",))
        async with raw(server, Cookie=f"a=b; token={bearer.token}") as client:
            client.send(frame(b'CONNECT {"verbose":false}\r\n'))
            await asyncio.to_thread(client.sync)
            assert not client.ended
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b'CONNECT {"jwt":"%b"}\r\n' % bearer.token.encode())
        assert (await asyncio.wait_for(reader.read(), DEADLINE_S)).endswith(b"-ERR 'Authorization Violation'\r\n")
        writer.close()
        await writer.wait_closed()
        assert "Connection type not allowed" in str(server.last_auth_error)


@pytest.mark.parametrize(("kinds", "outcome"), [(("WEBSOCKET",), b"PONG"), (("STANDARD",), b"-ERR")])
async def test_auth_callout_is_told_the_kind_and_its_user_is_kept_to_it(kinds, outcome):
    issuer = KeyPair.create(Role.ACCOUNT)
    accounts = "accounts { AUTH { users: [{user: auth, password: auth}] }, APP {} }"
    callout = f"authorization {{ auth_callout {{ issuer: {issuer.public}, account: AUTH, auth_users: [auth] }} }}"
    seen = []

    async def decide(message):
        asked = jwt.decode(message.data.decode(), jwt.AuthorizationRequestClaims)
        seen.append(asked.nats.client_info.type)
        user = jwt.new_user(asked.nats.user_nkey, "u")
        user = replace(user, audience="APP", nats=replace(user.nats, allowed_connection_types=kinds))
        now = int(time.time())
        answer = jwt.AuthorizationResponseClaims(
            subject=asked.nats.user_nkey,
            audience=asked.nats.server_id.id,
            nats=jwt.AuthorizationResponse(jwt=jwt.encode(user, issuer, issued_at=now)),
        )
        await message.respond(jwt.encode(answer, issuer, issued_at=now).encode())

    async with Server(config(top=f"{accounts}\n{callout}")) as server, raw(server) as client:
        service = await nats.connect(server.client_url, user="auth", password="auth")
        await service.subscribe("$SYS.REQ.USER.AUTH", cb=decide)
        await service.flush()
        client.send(frame(b'CONNECT {"verbose":false,"user":"u","pass":"p"}\r\nPING\r\n'))
        await asyncio.to_thread(client.until, lambda: outcome in client.said)
        assert outcome in client.said
        assert seen == ["websocket"]
        await service.close()


async def test_authentication_times_out_as_the_block_says():
    options = config(listening("authorization { timeout: 0.1 }"), "authorization { user: a, password: b, timeout: 60 }")
    async with Server(options) as server, raw(server) as client:
        await asyncio.to_thread(client.expect_end)
        assert client.said.endswith(b"-ERR 'Authentication Timeout'\r\n")
        assert client.goodbye == b"\x03\xf0Authentication Timeout"


async def test_ping_interval_of_the_block():
    async with Server(config(listening('ping_interval: "50ms"'))) as server, raw(server) as client:
        await asyncio.to_thread(client.until, lambda: b"Stale Connection" in client.said)
        assert client.said.count(b"PING\r\n") == 2


# ---- what must not cost more than its own connection ---------------------------------------------------


async def answer_to(server, data, piece=None):
    """What comes back for bytes that are no good request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.websocket_port)
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(data), piece or len(data)):
            writer.write(data[at : at + (piece or len(data))])
            await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), DEADLINE_S)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_request_that_is_too_long_is_refused():
    async with Server(config()) as server:
        assert b" 431 " in await answer_to(server, request(Cookie="x" * MAX_REQUEST))
        assert b" 431 " in await answer_to(server, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, piece=1000)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.websocket_port)
        writer.write(request(Cookie="x" * 40_000))
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        writer.close()
        client = await connect(server)
        await client.close()


async def test_silent_client_is_closed_after_the_handshake_timeout():
    async with Server(config(listening("handshake_timeout: 0.1"))) as server:
        assert await answer_to(server, b"GET / HT") == b""
        assert not server.entrances.websocket.handshakes


async def test_secrets_of_a_request_that_cannot_be_read_are_not_logged(caplog):
    async with Server(config()) as server:
        await answer_to(server, b"GET / HTTP/1.1\r\nCookie : token=SECRET\r\n\r\n")
    assert "websocket handshake error: request is refused" in caplog.text
    assert "SECRET" not in caplog.text


async def test_client_that_does_not_read_pongs_costs_bounded_memory():
    """Its own answers wait in the transport, up to a limit, and after that only the last one."""
    async with Server(config()) as server, raw(server) as client:
        client.sock.settimeout(0.2)
        pings = frame(b"x" * 125, PING) * 2000

        def flood():
            with contextlib.suppress(TimeoutError):
                for _ in range(40):
                    client.sock.sendall(pings)

        await asyncio.to_thread(flood)
        (stream,) = server.streams._open
        assert stream._transport.get_write_buffer_size() < 2 << 20
        other = await connect(server)
        await other.flush(timeout=5)
        await other.close()


async def test_slow_consumer_is_cut_off_and_others_go_on():
    async with Server(config(top="max_pending: 1mb, max_payload: 100kb")) as server, raw(server) as slow:
        slow.send(frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
        await asyncio.to_thread(slow.sync)
        publisher = await connect(server)
        for _ in range(400):
            await publisher.publish("a", b"x" * 100_000)
            if server.slow_consumers:
                break
            await publisher.flush(timeout=5)
        await publisher.flush(timeout=5)
        assert server.slow_consumers == 1
        assert [seen.reason for seen in server.closed] == ["Slow Consumer (Pending Bytes)"]
        await publisher.close()


async def test_client_that_does_not_take_what_waits_is_cut_off_after_the_write_deadline():
    async with Server(config(top='write_deadline: "200ms"')) as server, raw(server) as slow:
        slow.send(frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
        await asyncio.to_thread(slow.sync)
        publisher = await connect(server)
        for _ in range(20):
            await publisher.publish("a", b"x" * 1_000_000)
        await publisher.flush(timeout=5)
        await until(lambda: server.slow_consumers == 1, "the deadline")
        assert [seen.reason for seen in server.closed] == ["Slow Consumer (Write Deadline)"]
        await publisher.close()


async def test_message_that_inflates_to_far_too_much_costs_its_connection_only():
    async with Server(config(listening("compression: true"))) as server:
        other = await connect(server)
        async with raw(server, **DEFLATE) as client:
            client.send(frame(deflated(b" " * (64 << 20)), rsv=4))
            await asyncio.to_thread(client.expect_end)
        await other.flush(timeout=5)
        await other.close()


async def test_strangers_send_no_long_messages():
    users = "authorization { users: [{user: a, password: a}] }"
    connect_line = b'CONNECT {"verbose":false,"user":"a","pass":"a"}\r\n'
    long = deflated(b"PUB a 100000\r\n" + b" " * 100_000 + b"\r\n")
    async with Server(config(listening("compression: true"), users)) as server:
        async with raw(server, **DEFLATE) as client:
            client.send(frame(deflated(connect_line), rsv=4))
            await asyncio.to_thread(client.sync)
            client.send(frame(long, rsv=4))
            await asyncio.to_thread(client.sync)
            assert next(iter(server.clients.values())).engine.in_messages == 3
        for first in (long, bytes(600_000)):
            async with raw(server, **DEFLATE) as client:
                client.send(frame(first, rsv=4))
                await asyncio.to_thread(client.expect_end)
                assert server.closed[-1].reason == "Read Error"


async def test_compressed_messages_wait_as_they_came_until_a_login_is_decided():
    """Half a megabyte of them would be a gigabyte."""
    opened = asyncio.Event()
    users = "authorization { users: [{user: a, password: a}] }"
    async with Server(config(listening("compression: true"), users)) as server, raw(server, **DEFLATE) as client:
        authenticator = server.gates["WEBSOCKET"].authenticator
        authenticate = authenticator.authenticate

        async def held(connect, peer):
            await opened.wait()
            return await authenticate(connect, peer)

        authenticator.authenticate = held
        publish = frame(deflated(b"PUB a 1000000\r\n" + b" " * 1_000_000 + b"\r\n"), rsv=4)
        client.send(frame(b'CONNECT {"verbose":false,"user":"a","pass":"a"}\r\n') + publish * 100)
        (seen,) = server.clients.values()
        await until(lambda: seen.stream._later, "messages to wait")
        assert seen.engine.held_bytes < 2 << 20
        opened.set()
        await asyncio.to_thread(client.sync)
        assert seen.engine.in_messages == 101


async def test_clients_that_send_compressed_messages_take_turns():
    async with Server(config(listening("compression: true"))) as server, raw(server, **DEFLATE) as client:
        other = await connect(server)
        publish = frame(deflated(b"PUB a 1000000\r\n" + b" " * 1_000_000 + b"\r\n"), rsv=4)
        client.send(frame(b'CONNECT {"verbose":false}\r\n') + publish * 200)
        (seen, _) = server.clients.values()
        await until(lambda: seen.engine.in_messages > 0, "the first message")
        await other.flush(timeout=5)
        before = seen.engine.in_messages
        assert before < 200
        stream, decoder = seen.stream, seen.stream._decoder
        stream._decoder = SimpleNamespace(feed=lambda data: [(DATA, b"PUB a 0\r\n\r\n")])
        stream.receive(memoryview(b""))  # it does not overtake what waits
        stream._decoder = decoder
        assert seen.engine.in_messages == before
        await asyncio.to_thread(client.sync)
        assert seen.engine.in_messages == 202
        await other.close()


@pytest.mark.parametrize("piece", [frame(b"", PING), frame(b"\x00", rsv=4)], ids=["pings", "empty messages"])
async def test_clients_that_send_many_small_frames_take_turns(piece):
    async with Server(config(listening("compression: true"))) as server, raw(server, **DEFLATE) as client:
        (seen,) = server.clients.values()
        seen.stream.receive(memoryview(bytearray(piece * 20_000)))
        assert len(seen.stream._later) > 19_000
        await asyncio.to_thread(client.sync)
        assert not seen.stream._later
        assert len(client.pongs) in (0, 20_000)


async def test_too_many_handshakes_at_once_are_turned_away(monkeypatch):
    monkeypatch.setattr("natskit.server.websocket.door.MAX_HANDSHAKES", 1)
    async with Server(config()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.websocket_port)
        await until(lambda: server.entrances.websocket.handshakes, "the first")
        assert await answer_to(server, request()) == b""
        writer.write(request())
        assert (await asyncio.wait_for(reader.readline(), DEADLINE_S)).startswith(b"HTTP/1.1 101 ")
        writer.close()
        await writer.wait_closed()


# ---- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Certificates of two servers and of a client, as files; the authority that signed them."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("server", "other", "client"):
        cert = ca.issue_cert("localhost", "127.0.0.1", common_name=name)
        save(folder, name, cert)
    return folder


def secured(folder, more="", block="", name="server"):
    tls = f'cert_file: "{folder}/{name}.pem", key_file: "{folder}/{name}.key", ca_file: "{folder}/ca.pem"\n{more}'
    return f'websocket {{ listen: "127.0.0.1:-1", tls {{ {tls} }}\n{block} }}'


async def test_client_library_talks_over_tls(authority):
    async with Server(config(secured(authority))) as server:
        assert server.websocket_url.startswith("wss://")
        client = await connect(server, tls=trusting(authority))
        subscription = await client.subscribe("a")
        await client.publish("a", b"x" * 500_000)
        assert (await subscription.next_msg(timeout=5)).data == b"x" * 500_000
        (seen,) = server.clients.values()
        assert seen.secured.version == "1.3"
        await client.close()


async def test_info_says_that_there_is_tls(authority):
    async with Server(config(secured(authority, "verify: true"))) as server:
        async with raw(server, trusting(authority, "client")) as client:
            info = json.loads(client.said[5:])
            assert [info[name] for name in ("tls_required", "tls_verify", "tls_available")] == [True] * 3
        assert not server.info.tls_required


async def test_http_instead_of_tls_is_told_so(authority):
    async with Server(config(secured(authority))) as server:
        expected = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        assert await answer_to(server, request()) == expected
        assert await answer_to(server, b"whatever it is") == b""


async def test_certificate_of_a_client_is_its_user(authority):
    users = 'authorization { users: [{user: "CN=client"}, {user: localhost, password: p}] }'
    async with (
        Server(config(secured(authority, "verify_and_map: true"), users)) as server,
        raw(server, trusting(authority, "client")) as client,
    ):
        client.send(frame(b'CONNECT {"verbose":false,"pass":"p"}\r\n'))
        await asyncio.to_thread(client.sync)
        (seen,) = server.clients.values()
        assert seen.admission.user == "localhost"


async def test_client_with_another_certificate_than_the_pinned_ones_is_refused(authority, caplog):
    pins = f'verify: true, pinned_certs: ["{"0" * 64}"]'
    async with Server(config(secured(authority, pins))) as server:
        client = await asyncio.to_thread(RawWebSocket, server.websocket_port, trusting(authority, "client"))
        await asyncio.to_thread(client.shake, request())
        assert not client.answer
        client.close()
        assert server.total_connections == 0
        assert "certificate not pinned" in caplog.text


async def test_client_that_does_not_begin_with_tls_in_time_is_closed(authority):
    async with Server(config(secured(authority, "timeout: 0.1"))) as server:
        for said in (b"", b"\x16\x03"):
            assert await answer_to(server, said, 1) == b""
        assert server.total_connections == 0


async def test_client_without_certificate_is_refused(authority):
    async with Server(config(secured(authority, "verify: true"))) as server:
        client = None
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            client = await asyncio.to_thread(RawWebSocket, server.websocket_port, trusting(authority))
            await asyncio.to_thread(client.shake, request())
        assert client is None or not client.answer
        if client is not None:
            client.close()
        assert server.total_connections == 0


async def test_origin_of_a_page_over_tls(authority):
    async with Server(config(secured(authority, block="same_origin: true"))) as server:
        async with raw(server, trusting(authority), Origin="https://127.0.0.1"):
            pass
        client = await asyncio.to_thread(RawWebSocket, server.websocket_port, trusting(authority))
        await asyncio.to_thread(client.shake, request(Origin="http://127.0.0.1"))
        assert client.answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        client.close()


# ---- reload ----------------------------------------------------------------------------------------


def names_of(port, context):
    client = RawWebSocket.open(port, context)
    certificate = client.sock.getpeercert()
    client.close()
    return dict(part[0] for part in certificate["subject"])["commonName"]


async def test_reload_takes_other_certificates_and_keeps_the_port(authority):
    async with Server(config(secured(authority))) as server:
        port, context = server.websocket_port, trusting(authority)
        async with raw(server, context) as client:
            assert await asyncio.to_thread(names_of, port, context) == "server"
            await server.reload(config(secured(authority, "timeout: 3", name="other")))
            assert (server.websocket_port, server.websocket_url) == (port, f"wss://127.0.0.1:{port}")
            assert await asyncio.to_thread(names_of, port, context) == "other"
            await asyncio.to_thread(client.sync)
            assert not client.ended


async def test_reload_that_pins_other_certificates_closes_clients(authority):
    async with (
        Server(config(secured(authority, "verify: true"))) as server,
        raw(server, trusting(authority, "client")) as client,
    ):
        await server.reload(config(secured(authority, f'verify: true, pinned_certs: ["{"a" * 64}"]')))
        await asyncio.to_thread(client.expect_end)
        assert client.goodbye == b"\x03\xf7TLS Handshake Failure"


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (WEBSOCKET, listening("compression: true"), "websocket.compression"),
        (WEBSOCKET, listening("handshake_timeout: 3"), "websocket.handshake_timeout"),
        (WEBSOCKET, listening("authorization { token: SECRET }"), "websocket.authorization"),
        (WEBSOCKET, listening('same_origin: true, headers {a: b}'), "websocket.headers"),
        (WEBSOCKET, 'websocket { listen: "127.0.0.1:1", no_tls: true }', "websocket.port"),
        (WEBSOCKET, "", "websocket"),
        ("", WEBSOCKET, "websocket"),
    ],
)  # fmt: skip
async def test_reload_refuses_other_changes_by_name(before, after, name):
    async with Server(config(before)) as server:
        with pytest.raises(ServerError, match=rf"config reload not supported for .*{name}: old=") as refused:
            await server.reload(config(after))
        assert "SECRET" not in str(refused.value)


async def test_reload_refuses_to_map_certificates_or_to_give_up_tls(authority):
    async with Server(config(secured(authority))) as server:
        with pytest.raises(ServerError, match=r"websocket\.tls\.verify_and_map"):
            await server.reload(config(secured(authority, "verify_and_map: true")))
        with pytest.raises(ServerError, match=r"websocket\.tls: old=Tls, new=None"):
            await server.reload(config(WEBSOCKET))


async def test_reload_judges_clients_by_the_login_of_the_block():
    block = listening("no_auth_user: a")
    users = "authorization {{ users: [{{user: a, password: a}}, {{user: b, password: {}}}] }}\nmax_payload: {}"
    async with Server(config(block, users.format("b", 10))) as server, raw(server) as client:
        client.send(frame(b'CONNECT {"verbose":false}\r\n'))
        await asyncio.to_thread(client.sync)
        await server.reload(config(block, users.format("c", 5)))
        await asyncio.to_thread(client.sync)
        assert not client.ended
        client.send(frame(b"PUB a 6\r\n"))
        await asyncio.to_thread(client.expect_end)
        assert client.goodbye == b"\x03\xf1Maximum Message Payload Exceeded"


# ---- parts -----------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=65, max_size=3000), max_size=5), st.sampled_from([0, 64, 4096]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_compressed_message_stands_alone(messages, limit, splits):
    framer = Framer(Upgrade(answer=b"", deflate=True, max_frame=limit, splits_deflated=splits), Deflater())
    for message in messages:
        data, pieces = framer.frames(message), b""
        while data:
            size, at = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
            assert not limit or not splits or size <= limit
            pieces, data = pieces + data[at : at + size], data[at + size :]
        assert inflated(pieces) == message
        assert inflate(pieces, len(message)) == message
        with pytest.raises(ProtocolError, match="maximum payload exceeded"):
            inflate(pieces, len(message) - 1)


def test_compressed_message_that_breaks_off_is_refused():
    with pytest.raises(ProtocolError, match="breaks off"):
        inflate(b"\x00\x40\x00\xbf\xff" + b"three of 64", 100)


@given(st.binary(max_size=200))
def test_inflating_garbage_is_refused_or_bounded(data):
    with contextlib.suppress(ProtocolError):
        assert len(inflate(data, 1000)) <= 1000


LINES = st.sampled_from([b"GET / HTTP/1.1", b"Host: a", b"Upgrade: websocket", b"Connection: upgrade", b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", b"Origin: http://a", b"Cookie: a=b; c; =; d=\"", b" folded", b"\xff: \xff", b":", b""])  # fmt: skip


@given(st.lists(st.one_of(LINES, LINES, LINES, st.binary(max_size=20)), max_size=14), st.integers(1, 60))
@settings(max_examples=200)
def test_any_request_is_granted_refused_or_waited_for(lines, size):
    websocket = Options.load(text=config(listening("same_origin: true, user_cookie: a, compression: true"))).websocket
    incoming = Request()
    data = b"\r\n".join([*lines, b"", b""])
    with contextlib.suppress(Refusal):
        for at in range(0, len(data), size):
            if incoming.feed(data[at : at + size]):
                upgrade(incoming, websocket, secure=False)
                return


def test_cookies_are_read_as_browsers_write_them():
    incoming = Request()
    assert incoming.feed(b'GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c="d e"; e\r\nCookie: a=f; g=h=i; j=\r\n\r\n')
    assert incoming.cookies() == {"a": "b", "c": "d e", "g": "h=i", "j": ""}


@pytest.mark.parametrize("origin", ["http://a:b", "http://a:99999", "http://[1", "http://", "//a"])
def test_configured_origin_that_is_none_is_refused(origin):
    with pytest.raises(ConfigError, match=r"must be like https://example\.com"):
        Options.load(text=config(listening(f'allowed_origins: "{origin}"')))
