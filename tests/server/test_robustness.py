"""A hostile client costs bounded memory and its own connection only, while others go on undisturbed.

The server is a process of its own: what it holds is what the system says it holds. Margins are wide; what is told apart is
bounded from unbounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from conftest import Program, RunningServer, command, wait_for

CONNECT = b'CONNECT {"verbose":false,"headers":true,"user":"%s","pass":"p"}\r\n'
MB = 1 << 20
MARGIN_MB = 48
"""How much the server's memory may grow under an attack: a small part of what is thrown at it."""

LONGEST_WAIT_S = 3.0
"""How long another client may have to wait for its own message meanwhile, on a busy machine."""

CONFIG = """
authorization {{ timeout: 1, users: [{{user: mallory, password: p}}, {{user: other, password: p}}] }}
http: 127.0.0.1:{http}
max_subscriptions: 1000
max_pending: 4MB
write_deadline: "2s"
ping_interval: "1s"
ping_max: 1
"""


class Victim:
    """A server under attack, and what it holds."""

    def __init__(self, server: RunningServer, http: int) -> None:
        self.port = server.port
        self.log_of = server
        self._http = http
        self._proc = Path(f"/proc/{server.program.process.pid}")
        self.before_mb, self.descriptors = self.memory_mb(), self.open_files()
        self.sockets: list[socket.socket] = []
        self.other_cid = 0

    def memory_mb(self) -> float:
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MB

    def open_files(self) -> int:
        return len(os.listdir(self._proc / "fd"))

    def report(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/{path}", timeout=10) as answer:
            return json.load(answer)

    def closed(self) -> list[str]:
        """Why connections were closed that came after the other client's."""
        found = self.report("connz?state=closed")["connections"]
        return [each["reason"] for each in found if each["cid"] > self.other_cid]

    def dial(self, user: bytes | None = b"mallory") -> socket.socket:
        """A connection; logged in, if a user is given."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        if user != b"other":
            self.sockets.append(sock)
        if user is not None:
            sock.sendall(CONNECT % user + b"PING\r\n")
            received = b""
            while b"PONG" not in received:
                received += sock.recv(4096)
        return sock

    def hang_up(self) -> None:
        for sock in self.sockets:
            sock.close()

    def is_as_before(self) -> bool:
        """Whether only the other client is left, and what the attack opened is closed."""
        return self.report("connz")["num_connections"] == 1 and self.open_files() <= self.descriptors + 2


class Other:
    """Another client, which sends itself one message after the other, all the time."""

    def __init__(self, victim: Victim) -> None:
        self.count = 0
        self.longest_s = 0.0
        self.failure: Exception | None = None
        self._sock = victim.dial(b"other")
        self._sock.sendall(b"SUB mine 1\r\n")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Other:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        self._sock.close()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._exchange()
                self._over.wait(0.002)
        except Exception as error:
            self.failure = error

    def _exchange(self) -> None:
        began = time.monotonic()
        text = b"%08d" % self.count
        self._sock.sendall(b"PUB mine 8\r\n%s\r\n" % text)
        received = b""
        while text not in received:
            part = self._sock.recv(4096)
            assert part, "the server closed the connection"
            if part.startswith(b"PING"):
                self._sock.sendall(b"PONG\r\n")
            received += part
        self.count += 1
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def wait_for_more(self) -> None:
        before = self.count
        wait_for(lambda: self.failure or self.count > before + 5, "messages of the other client")


@pytest.fixture
def attack(start, free_port, tmp_path) -> Callable[..., contextlib.AbstractContextManager[Victim]]:
    """``with attack() as victim``: what is done in the block must cost its connections only, and bounded memory."""

    @contextlib.contextmanager
    def run(*more: str) -> Iterator[Victim]:
        http, port = free_port(), free_port()
        path = tmp_path / "server.conf"
        path.write_text(f"listen: 127.0.0.1:{port}\n" + CONFIG.format(http=http) + "\n".join(more))
        program: Program = start(command("nats-server"), "-c", str(path), "-l", str(tmp_path / "log"))
        server = RunningServer(program, port, path)
        server.wait_until_ready()
        wait_for(lambda: _answers(http), "monitoring")
        victim = Victim(server, http)
        with Other(victim) as other, contextlib.ExitStack() as stack:
            other.wait_for_more()
            victim.other_cid = victim.report("connz")["connections"][0]["cid"]
            victim.before_mb, victim.descriptors = victim.memory_mb(), victim.open_files()
            stack.callback(victim.hang_up)
            yield victim
            victim.hang_up()
            other.wait_for_more()
            assert other.failure is None
            assert other.longest_s < LONGEST_WAIT_S
            wait_for(victim.is_as_before, lambda: f"the end of {victim.report('connz')}, {victim.open_files()} open")
            grown = victim.memory_mb() - victim.before_mb
            assert grown < MARGIN_MB, f"{grown:.0f} MB more than before"

    return run


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def throw(sock: socket.socket, data: bytes, times: int) -> int:
    """Send the same again and again, until the server has had enough; how many bytes it took."""
    sent = 0
    with contextlib.suppress(OSError):
        for _ in range(times):
            sock.sendall(data)
            sent += len(data)
    return sent


def test_garbage(attack):
    noise = random.Random(1)
    with attack() as victim:
        for user in (None, b"mallory"):
            for _ in range(10):
                with victim.dial(user) as sock:
                    throw(sock, noise.randbytes(MB), 4)
        wait_for(lambda: len(victim.closed()) == 20, lambda: victim.closed())


@pytest.mark.parametrize(
    "line",
    [b"PUB " + b"a" * MB, b"SUB " + b"a." * (MB // 2), b"CONNECT {" + b" " * MB],
    ids=["PUB", "SUB", "CONNECT"],
)
def test_a_control_line_that_does_not_end(attack, line):
    with attack() as victim, victim.dial() as sock:
        assert throw(sock, line, 64) < 16 * MB
        wait_for(victim.closed, "the end of the connection")
        assert victim.memory_mb() - victim.before_mb < MARGIN_MB


def test_headers_that_do_not_come_to_an_end(attack):
    with attack() as victim:
        with victim.dial() as sock:  # larger than any message may be
            assert throw(sock, b"HPUB x 99999999 99999999\r\n" + b"NATS/1.0\r\n" + b"k: v\r\n" * 100_000, 50) < 16 * MB
        wait_for(lambda: victim.closed() == ["Maximum Message Payload Exceeded"], lambda: victim.closed())
        # Many that announce as much as they may, and send all of it but the end.
        crowd = [victim.dial() for _ in range(30)]
        for sock in crowd:
            throw(sock, b"HPUB x %d %d\r\nNATS/1.0\r\n" % (MB, MB) + b"k: v\r\n" * 100_000, 1)
        assert victim.memory_mb() - victim.before_mb < 30 + MARGIN_MB
        wait_for(lambda: len(victim.closed()) == 31, lambda: victim.closed())  # no PONG comes
        assert set(victim.closed()[1:]) <= {"Stale Connection", "Maximum Message Payload Exceeded"}


def test_a_million_subscriptions_beyond_the_limit(attack):
    with attack() as victim, victim.dial() as sock:
        sid = 0
        with contextlib.suppress(OSError):
            for _ in range(100):
                sock.sendall(b"".join(b"SUB some.subject.%d %d\r\n" % (n, n) for n in range(sid, sid + 10_000)))
                sid += 10_000
        assert victim.report("subsz")["num_subscriptions"] < 1_200
        assert victim.memory_mb() - victim.before_mb < MARGIN_MB


def test_a_client_that_does_not_read(attack):
    with attack("max_payload: 64KB") as victim, victim.dial() as deaf, victim.dial() as loud:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"SUB flood 1\r\n")
        wait_for(lambda: victim.report("subsz")["num_subscriptions"] >= 2, "the subscription")
        sent = throw(loud, b"PUB flood 65536\r\n" + b"x" * 65536 + b"\r\n", 2000)
        assert sent > 100 * MB
        assert victim.memory_mb() - victim.before_mb < MARGIN_MB
        wait_for(victim.closed, "the end of the connection")
        assert victim.closed()[0].startswith("Slow Consumer")


def test_answers_that_are_not_read(attack):
    """PINGs without end, and nothing is read: the answers are bounded, too."""
    with attack() as victim, victim.dial() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        throw(sock, b"PING\r\n" * 100_000, 200)
        assert victim.memory_mb() - victim.before_mb < MARGIN_MB
        wait_for(victim.closed, "the end of the connection")


def test_logins_that_come_byte_by_byte(attack):
    with attack() as victim:
        crowd = [victim.dial(None) for _ in range(200)]
        login = CONNECT % b"mallory"
        at = 0

        def all_gone() -> bool:
            nonlocal at
            for sock in crowd:
                with contextlib.suppress(OSError):
                    sock.sendall(login[at : at + 1])
            at = min(at + 1, len(login) - 3)
            return len(victim.closed()) >= 200

        wait_for(all_gone, lambda: f"{len(victim.closed())} of 200 to be closed")
        assert set(victim.closed()) <= {"Authentication Timeout", "Protocol Violation"}


@pytest.fixture
def tls(tmp_path) -> str:
    """The configuration of optional TLS, so that the other client may speak clear text."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    pem = tmp_path / "server.pem"
    return f'tls {{ cert_file: "{pem}", key_file: "{pem}", timeout: 1 }}\nallow_non_tls: true'


def test_handshakes_that_do_not_end(attack, tls):
    hello = bytes.fromhex("160301020001 0001fc0303".replace(" ", "")) + bytes(100)
    with attack(tls) as victim:
        crowd = [victim.dial(None) for _ in range(200)]
        for number, sock in enumerate(crowd):
            sock.sendall(hello[: 1 + number % len(hello)])
        wait_for(lambda: len(victim.closed()) >= 200, lambda: f"{len(victim.closed())} of 200 to be closed")
