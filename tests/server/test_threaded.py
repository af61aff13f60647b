"""A server in a thread, for programs that are not asynchronous."""

import socket
import threading

import pytest

from natskit.errors import ServerError
from natskit.server import Server


def talk(url, data, until):
    host, port = url.removeprefix("nats://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        while until not in received:
            part = sock.recv(4096)
            assert part, received
            received += part
    return received


def test_it_serves_while_the_block_lasts_and_is_gone_afterwards():
    with Server.in_thread() as server:
        answer = talk(server.client_url, b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n', b"PONG")
        assert b"MSG a 1 2\r\nhi\r\n" in answer
        assert server.call(lambda it: it.total_connections) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "natskit-server"]
    with pytest.raises(OSError, match="refused"):
        talk(server.client_url, b"", b"PONG")
    server.stop()


def test_what_keeps_it_from_starting_is_raised_where_it_was_asked_for():
    with Server.in_thread() as server:
        port = server.client_url.rpartition(":")[2]
        second = Server.in_thread(f"listen: 127.0.0.1:{port}")
        with pytest.raises(ServerError, match="cannot listen"):
            second.start()


def test_errors_of_a_call_are_raised_in_the_caller():
    with Server.in_thread() as server, pytest.raises(ZeroDivisionError):
        server.call(lambda it: 1 / 0)
