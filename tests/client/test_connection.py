"""A connection against peers that behave badly; what well-behaved servers do is tested with the commands."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natskit.client import Connection, Login, Message, connect
from natskit.client.connection import shown
from natskit.errors import AuthenticationError, DeniedError, Error, InvalidSubject, Unreachable, UsageError
from natskit.testing import Operator
from support.waiting import until

INFO = b'INFO {"server_id":"S","version":"2.15.1","max_payload":100,"headers":true}\r\n'
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[str]:
    """The URL of a server that treats its one client as ``peer`` does."""
    ends: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        ends.add(task)
        try:
            await peer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await server.wait_closed()


def talking(*answers: bytes, then: bytes = b"PONG\r\n") -> Peer:
    """A peer that says INFO, then one of ``answers`` to each PING, ``then`` to the later ones."""
    queue = list(answers)

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        async for line in reader:
            if line.startswith(b"PING"):
                writer.write(queue.pop(0) if queue else then)

    return peer


async def open_to(url: str, **options: object) -> Connection:
    return await connect(url, timeout_s=1, max_reconnects=0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "expecting INFO"),
        (b"INFO not json\r\n", "json"),
        (b"INFO [1]\r\n", ""),
        (b"INFO " + b"x" * 100_000 + b"\r\n", ""),
        (b"", ""),
    ],
)
async def test_a_peer_that_is_no_nats_server_is_told_at_once(greeting: bytes, words: str) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async with listening(peer) as url:
        with pytest.raises(Unreachable, match=words or "no connection") as caught:
            await open_to(url)
        assert url in str(caught.value)


async def test_a_silent_peer_costs_the_time_limit_only() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(peer) as url:
        with pytest.raises(Unreachable, match=r"no answer within 0\.1 s"):
            await connect(url, timeout_s=0.1)


async def test_what_comes_before_the_answer_to_a_login_is_no_answer() -> None:
    async with listening(talking(INFO + b"PONG\r\n")) as url, await open_to(url) as connection:
        assert connection.is_connected
        await connection.publish("a", b"x")
        await connection.confirm()
    async with listening(talking(INFO + b"-ERR 'Authorization Violation'\r\n")) as url:
        with pytest.raises(AuthenticationError, match="authorization failed"):
            await open_to(url)


async def test_a_peer_that_hangs_up_at_a_login_is_no_connection() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        async for line in reader:
            if line.startswith(b"PING"):
                return

    async with listening(peer) as url:
        with pytest.raises(Unreachable, match=url):
            await open_to(url)


async def test_refused_login_is_told_from_other_errors() -> None:
    async with listening(talking(b"-ERR 'Authorization Violation'\r\n")) as url:
        with pytest.raises(AuthenticationError, match="Authorization Violation"):
            await open_to(url)
    async with listening(talking(b"-ERR 'maximum connections exceeded'\r\n")) as url:
        with pytest.raises(Unreachable, match="maximum connections exceeded"):
            await open_to(url)


async def test_a_refusal_followed_by_a_reset_is_still_a_refusal() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"-ERR 'Authorization Violation'\r\n")
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    for _ in range(20):
        async with listening(peer) as url:
            with pytest.raises(AuthenticationError, match="Authorization Violation"):
                await open_to(url)


async def test_the_server_that_answered_decides_what_is_told_of_several() -> None:
    async with listening(talking(b"-ERR 'Authorization Violation'\r\n")) as url:
        with pytest.raises(AuthenticationError):
            await open_to(f"nats://127.0.0.1:1,{url},nats://127.0.0.1:1")


async def test_a_refusal_is_raised_by_the_call_that_waits_for_it() -> None:
    refusal = b"-ERR 'Permissions Violation for Publish to \"Orders.EU\"'\r\nPONG\r\n"
    async with listening(talking(b"PONG\r\n", refusal)) as url, await open_to(url) as connection:
        await connection.publish("Orders.EU", b"x")
        with pytest.raises(DeniedError, match=r'^Permissions Violation for publish to "Orders\.EU"$'):
            await connection.confirm()
        await connection.publish("other", b"x")
        await connection.confirm()  # the refusal is told once


async def test_a_connection_that_breaks_ends_a_wait() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")
        await reader.readuntil(b"PING\r\n")

    async with listening(peer) as url, await open_to(url) as connection:
        with pytest.raises(Unreachable):
            await asyncio.wait_for(connection.confirm(), 5)
        with pytest.raises(Unreachable):
            await asyncio.wait_for(asyncio.shield(connection.closed), 5)


async def test_an_expired_login_ends_the_connection_with_its_reason() -> None:
    async with (
        listening(talking(b"PONG\r\n", b"PONG\r\n-ERR 'User Authentication Expired'\r\n")) as url,
        await open_to(url) as connection,
    ):
        await connection.confirm()
        with pytest.raises(AuthenticationError, match="user authentication expired"):
            await asyncio.wait_for(asyncio.shield(connection.closed), 5)


async def test_what_a_message_handler_raises_is_not_lost() -> None:
    def handle(_: Message) -> None:
        raise BrokenPipeError

    answer = b"PONG\r\nMSG a 1 1\r\nx\r\n"
    async with listening(talking(b"PONG\r\n", answer)) as url, await open_to(url) as connection:
        await connection.subscribe("a", handle)
        with pytest.raises(BrokenPipeError):
            await asyncio.wait_for(asyncio.shield(connection.closed), 5)


async def test_nothing_unsendable_is_sent() -> None:
    async with listening(talking()) as url, await open_to(url) as connection:
        for subject in ("", "a b", "a..b", "a\r\nPUB x 0\r\n", "a.*", ">"):
            with pytest.raises(InvalidSubject):
                await connection.publish(subject)
        with pytest.raises(UsageError, match=r"101 bytes.*100"):
            await connection.publish("a", b"x" * 101)
        with pytest.raises(UsageError, match="header"):
            await connection.publish("a", headers={"a b": "c"})
        await connection.close()
        with pytest.raises(Unreachable):
            await connection.publish("a")


async def test_closing_twice_is_closing_once() -> None:
    async with listening(talking()) as url:
        connection = await open_to(url)
        await connection.close()
        await connection.close()
        assert connection.closed.result() is None


@pytest.mark.parametrize("url", ["", "http://host", "nats://", "nats://host:0", "nats://host:x", "nats://[::1"])
async def test_what_is_no_server_is_refused_by_name(url: str) -> None:
    with pytest.raises(UsageError, match="is not a NATS server"):
        await open_to(url)


@pytest.mark.parametrize("url", ["nats://u:secret@h:1", "u:secret@h:1", "nats://u:secret@h:x", "nats://secret@@h"])
def test_passwords_are_never_shown(url: str) -> None:
    assert "secret" not in shown(url)
    assert shown(url).endswith(url.rpartition("@")[2])


def test_two_ways_to_log_in_are_refused() -> None:
    with pytest.raises(UsageError, match="creds and user"):
        Login(creds="x", user="a", password="b")
    with pytest.raises(UsageError):
        Login(password="b")
    with pytest.raises(UsageError):
        Login(tls_key="k")


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Let two ends agree on a key, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in ends * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()


def test_the_curve_that_is_named_is_the_one_that_is_used() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    server.set_ecdh_curve("secp384r1")
    for curve in ("P384", "CurveP384", "p384"):
        client = Login(tls_curves=(curve,)).options()["tls"]
        authority.configure_trust(client)
        shake_hands(client, server)
    client = Login(tls_curves=("P256",)).options()["tls"]
    authority.configure_trust(client)
    with pytest.raises(ssl.SSLError):
        shake_hands(client, server)
    with pytest.raises(UsageError, match="P257"):
        Login(tls_curves=("P257",))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.binary(max_size=200))
async def test_garbage_after_the_greeting_ends_in_one_of_our_errors(answer: bytes) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(answer)

    async with listening(peer) as url:
        with contextlib.suppress(Error):  # what is not one of ours fails the test
            async with await open_to(url) as connection:
                await asyncio.wait_for(connection.confirm(1), 5)


async def test_creds_are_read_again_at_a_reconnect(tmp_path: Path) -> None:
    account = Operator().account("A")
    first, second = account.user("u"), account.user("u")
    path = tmp_path / "u.creds"
    path.write_text(first.creds)
    tokens: list[str] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO.replace(b"{", b'{"auth_required":true,"nonce":"bm9uY2U",'))
        line = await reader.readline()
        said = json.loads(line.removeprefix(b"CONNECT "))
        tokens.append(said["jwt"])
        signer = first if said["jwt"] == first.token else second
        signer.key.verify(b"bm9uY2U", base64.urlsafe_b64decode(said["sig"] + "=="))
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")
        if len(tokens) == 1:
            path.write_text(second.creds)
            return
        async for ping in reader:
            if ping.startswith(b"PING"):
                writer.write(b"PONG\r\n")

    notices: list[str] = []
    async with (
        listening(peer) as url,
        await connect(url, Login(creds=str(path)), reconnect_wait_s=0.01, notice=notices.append),
    ):
        await until(lambda: len(notices) == 2, "the reconnect")
    assert tokens == [first.token, second.token]
    assert notices == ["the connection is lost, trying to make it again", f"connected again to {url}"]
