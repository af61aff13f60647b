"""A synchronous client of one exchange. Tests of the pytest plugin copy this file into a project of their own."""

import socket


def talk(url: str, data: bytes, until: bytes = b"PONG") -> bytes:
    """Send ``data``; what came back, up to ``until`` at least."""
    host, port = url.removeprefix("nats://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        while until not in received:
            part = sock.recv(4096)
            assert part, received
            received += part
    return received
