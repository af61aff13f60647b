"""Headers of the PROXY protocol, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.errors import ProtocolError
from natskit.server import Server, door
from natskit.server.proxy import SIGNATURE, Origin, read_header

WHOLE = [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 4222\r\n", "1.2.3.4", 1111),
    (b"PROXY UNKNOWN\r\n", "", 0),
    (SIGNATURE + b"\x20\x00\x00\x00", "", 0),
    (SIGNATURE + b"\x21\x11\x00\x0c" + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + struct.pack(">HH", 1111, 2), "1.2.3.4", 1111),
]


@pytest.mark.parametrize(("header", "host", "port"), WHOLE)
def test_nothing_is_decided_before_the_header_is_whole(header, host, port):
    assert [read_header(header[:size]) for size in range(len(header))] == [None] * len(header)
    for rest in (b"", b"PING\r\n", b"\x16\x03\x01"):
        assert read_header(header + rest) == Origin(len(header), host, port)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 " + b"1" * 96,
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 fe80::1 ::1%x 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
    ],
)
def test_what_begins_like_a_header_and_is_none_is_refused_at_once(header):
    with pytest.raises(ProtocolError):
        read_header(header)


STARTS = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ::1 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00"])


@given(STARTS, st.binary(max_size=150) | st.text("PROXY TCP46UNKNOW.:0123456789\r\n", max_size=120).map(str.encode))
def test_any_bytes_are_a_header_or_none_or_refused(start, rest):
    def judge(data):
        try:
            return read_header(data)
        except ProtocolError:
            return "refused"

    data = start + rest
    whole = judge(data)
    for size in range(len(data)):  # what is decided early is what is decided late
        early = judge(data[:size])
        assert early is None or early == whole
        if early is not None:
            break


async def test_client_that_says_nothing_to_a_server_behind_proxies_is_cut_off(monkeypatch):
    monkeypatch.setattr(door, "PROXY_TIMEOUT_S", 0.05)
    async with Server("listen: 127.0.0.1:-1, proxy_protocol: true") as server:
        for said in (b"", b"PRO", SIGNATURE + b"\x21"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await reader.readline()
            writer.write(said)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await writer.wait_closed()
        assert [each.reason for each in server.closed] == 3 * ["Protocol Violation"]


async def test_client_that_is_too_many_before_its_header_is_forgotten():
    lines = "listen: 127.0.0.1:-1, proxy_protocol: true"
    async with Server(lines) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        await server.reload(f"{lines}, max_connections: -1")
        writer.write(b"PROXY UNKNOWN\r\nCONNECT {}\r\nPING\r\n")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert not server.clients
        assert [each.reason for each in server.closed] == ["Maximum Connections Exceeded"]
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_client_that_is_kicked_before_its_header_is_forgotten():
    async with Server("listen: 127.0.0.1:-1, proxy_protocol: true") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.setblocking(False)
            assert (await server.loop.sock_recv(sock, 4096)).startswith(b"INFO ")
            (client,) = server.clients.values()
            client.close("Kicked")
            await server.loop.sock_sendall(sock, b"PROXY UNKNOWN\r\nPING\r\n")
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await server.loop.sock_recv(sock, 4096) == b""
            assert not server.clients
