"""A server under measurement: its process, its cost, and logged-in sockets."""

from __future__ import annotations

import json
import os
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bench.framed import FramedSocket

TICKS = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 20.0
WEBSOCKET_PORT = "$websocket_port"
"""In a configuration: a free port."""

Login = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class BenchError(Exception):
    """A run that did not deliver what it must."""


class Server:
    """One server process on a port of its own. ``with`` ends it."""

    def __init__(self, command: str, config: str, folder: Path) -> None:
        self.port, self.websocket_port = free_port(), free_port()
        config = config.replace(WEBSOCKET_PORT, str(self.websocket_port))
        path = folder / f"{self.port}.conf"
        path.write_text(f"listen: 127.0.0.1:{self.port}\n{config}\n")
        with open(folder / f"{self.port}.log", "wb") as log:
            self.process = subprocess.Popen([command, "-c", str(path)], stdout=log, stderr=log, cwd=folder)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    def dial(self, port: int = 0) -> socket.socket:
        """A TCP connection to that port, or to that of clients; waits for a server that is still starting."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", port or self.port), TIMEOUT_S)
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.0005)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def login(self, login: Login, tls: bool = False, websocket: bool = False) -> socket.socket:
        """Dial, read INFO, perhaps start TLS, CONNECT and PING; returns after the PONG."""
        sock = cast(socket.socket, FramedSocket(self.dial(self.websocket_port))) if websocket else self.dial()
        line = b""
        while not line.endswith(b"\n"):
            line += receive_some(sock)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        more = login(json.loads(line[5:])) if callable(login) else login
        hello = {"verbose": False, "pedantic": False, "lang": "bench", "version": "1", "protocol": 0}
        hello |= {"headers": True, **more}
        sock.sendall(b"CONNECT " + json.dumps(hello).encode() + b"\r\nPING\r\n")
        wait_for_pong(sock)
        return sock


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def cost(argv: Sequence[str], env: Mapping[str, str], statuses: Sequence[int] = (0,)) -> tuple[float, float]:
    """CPU and wall seconds of a command, which runs in its home. Raises BenchError for any other exit status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(argv, env=env, cwd=env["HOME"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in statuses:
        raise BenchError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def receive_some(sock: socket.socket) -> bytes:
    """What has arrived, at least one byte."""
    data = sock.recv(65536)
    if not data:
        raise BenchError("the server closed the connection")
    return data


def wait_for_pong(sock: socket.socket) -> None:
    """Read up to the answer to a PING; only where no message is under way."""
    seen = b""
    while b"PONG\r\n" not in seen:
        seen = seen[-256:] + receive_some(sock)
        if b"-ERR" in seen:
            raise BenchError(f"no PONG: {seen[-200:]!r}")
