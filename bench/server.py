"""One publisher, one subscriber: the embedded server beside the Go one, in turns, over raw sockets.

Frames are made before the clock starts and every byte that arrives is counted, so the harness costs little; what is
compared is servers. Rates in messages per second, server CPU in microseconds per message.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COMMANDS = Path(sys.executable).parent
REAL = os.environ.get("NATSKIT_REAL_SERVER") or str(Path(__file__).parents[1] / ".tools/nats-server/bin/nats-server")
TICKS = os.sysconf("SC_CLK_TCK")
BLOCK_BYTES = 128 * 1024
SIZES = (16, 128, 1024, 8192)
RUNS = 5
SECONDS = 1.0
CONFIG = """
listen: 127.0.0.1:{port}
authorization {{ users: [ {{ user: a, password: a, permissions: {{ publish: "bench.>", subscribe: "bench.>" }} }} ] }}
"""
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"user":"a","pass":"a"}\r\n'


class Bench:
    """A server process."""

    def __init__(self, path: str, folder: Path) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        config = folder / f"{self.port}.conf"
        config.write_text(CONFIG.format(port=self.port))
        self.process = subprocess.Popen([path, "-c", str(config)], stderr=subprocess.DEVNULL)

    def connect(self) -> socket.socket:
        """A connection that is logged in."""
        for _ in range(500):
            try:
                sock = socket.create_connection(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.01)
        else:
            raise SystemExit("the server does not listen")
        sock.sendall(CONNECT + b"PING\r\n")
        wait_for_pong(sock)
        return sock

    def cpu_s(self) -> float:
        """CPU time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def run(self, size: int, count: int) -> tuple[float, float]:
        """Messages per second and microseconds of server CPU per message."""
        publisher, subscriber = self.connect(), self.connect()
        subscriber.sendall(b"SUB bench.x 1\r\nPING\r\n")
        wait_for_pong(subscriber)
        frame = b"PUB bench.x %d\r\n%b\r\n" % (size, b"x" * size)
        block = frame * max(1, BLOCK_BYTES // len(frame))
        blocks = max(1, count * len(frame) // len(block))
        messages = blocks * (len(block) // len(frame))
        expected = messages * len(b"MSG bench.x 1 %d\r\n%b\r\n" % (size, b"x" * size))
        received = threading.Thread(target=receive, args=(subscriber, expected))
        cpu, start = self.cpu_s(), time.perf_counter()
        received.start()
        for _ in range(blocks):
            publisher.sendall(block)
        received.join()
        took = time.perf_counter() - start
        cpu = self.cpu_s() - cpu
        publisher.close()
        subscriber.close()
        return messages / took, cpu / messages * 1e6


def wait_for_pong(sock: socket.socket) -> None:
    """Read until the server has answered a PING."""
    data = b""
    while b"PONG\r\n" not in data:
        data = data[-8:] + sock.recv(65536)


def receive(sock: socket.socket, expected: int) -> None:
    """Read exactly that many bytes."""
    buffer = bytearray(1 << 20)
    while expected > 0:
        got = sock.recv_into(buffer)
        if not got:
            raise SystemExit("the server closed the connection")
        expected -= got


def main() -> None:
    """Print the figures."""
    if not os.access(REAL, os.X_OK):
        raise SystemExit("no Go nats-server: run `make tools`")
    with tempfile.TemporaryDirectory() as folder:
        servers = {"go": Bench(REAL, Path(folder)), "natskit": Bench(str(COMMANDS / "nats-server"), Path(folder))}
        try:
            for size in SIZES:
                compare(servers, size)
        finally:
            for each in servers.values():
                each.process.terminate()
                each.process.wait()


def compare(servers: dict[str, Bench], size: int) -> None:
    """Measure both in turns; print medians and ratios."""
    counts = {name: int(each.run(size, 20_000)[0] * SECONDS) for name, each in servers.items()}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    for _ in range(RUNS):
        for name, each in servers.items():
            results[name].append(each.run(size, counts[name]))
    (go_rate, go_cpu), (rate, cpu) = (
        tuple(statistics.median(column) for column in zip(*each, strict=True)) for each in results.values()
    )
    print(
        f"1:1 {size:5} B   go {go_rate:12,.0f}/s {go_cpu:7.3f} us   natskit {rate:12,.0f}/s {cpu:7.3f} us"
        f"   rate {rate / go_rate:5.2f} x   CPU {cpu / go_cpu:5.2f} x"
    )


if __name__ == "__main__":
    main()
