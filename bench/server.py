"""The embedded server beside the Go one, in turns, over raw sockets: medians, spread and ratios.

    python -m bench.server                        all scenarios
    python -m bench.server 1to1-128 rr50 --runs 3

Frames are made before the clock starts and every byte that arrives is counted. The users have publish and subscribe
permissions, except where a scenario says otherwise.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.process import WEBSOCKET_PORT, BenchError, Login, Server, wait_for_pong
from bench.traffic import FORK, A, B, Traffic, measure
from natskit import jwt
from natskit.nkeys import KeyPair, Role

OURS = str(Path(sys.executable).parent / "nats-server")
REAL = os.environ.get("NATSKIT_REAL_SERVER") or str(Path(__file__).parents[1] / ".tools/nats-server/bin/nats-server")
LOAD = Path(__file__).with_name("load.c")

Runs = Iterator[dict[str, float]]
"""One measurement after the other; keys are columns."""

ACCOUNTS = """
accounts {
  A { users: [ {user: a, password: a, permissions: {publish: ["bench.>", "ev.>", "svc.>", "_INBOX.>"],
                                                    subscribe: ["bench.>", "ev.>", "svc.>", "_INBOX.>"]}} ]
      exports: [ {stream: "ev.>"} ] }
  B { users: [ {user: b, password: b} ], imports: [ {stream: {account: A, subject: "ev.>"}, to: "in.>"} ] }
}
no_auth_user: a
"""
HEADERS = (
    b"NATS/1.0\r\nNats-Msg-Id: 0123456789abcdef\r\n"
    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
)
"""An id of JetStream, and one of OpenTelemetry: what messages carry every day."""
CROWD = tuple(f"bench.{number % 100}.s{number}" for number in range(100_000))
WEBSOCKET = f'websocket {{ listen: "127.0.0.1:{WEBSOCKET_PORT}", no_tls: true }}'


# ---- scenarios ---------------------------------------------------------------------------------------


def imported(subject: str) -> str:
    """How account B sees what A publishes."""
    return subject.replace("ev.", "in.", 1)


def traffic_scenarios() -> dict[str, Traffic]:
    """Streams of messages by name."""
    one, event = ("bench.a",), ("ev.one.two",)
    sizes = {"16": 16, "128": 128, "1k": 1024, "8k": 8192, "64k": 65536}
    named = {f"1to1-{label}": Traffic(one, (one,), size, A) for label, size in sizes.items()}
    named["fan10-128"] = Traffic(one, (one,) * 10, 128, A)
    named["fan100-128"] = Traffic(one, (one,) * 100, 128, A)
    for size in (16, 128):
        named[f"import-{size}"] = Traffic(event, (("in.one.two",),), size, B, imported)
    many = tuple(f"bench.s{number}.x" for number in range(1000))
    named["subjects1000-128"] = Traffic(many, (many,), 128, A)
    named["wild-128"] = Traffic(many, (("bench.*.x",),), 128, A)
    named["subs100k-128"] = Traffic(CROWD[::37], (CROWD,), 128, A)
    named["hpub-128"] = Traffic(one, (one,), 128, A, headers=HEADERS)
    named["hpub1000-128"] = Traffic(many, (many,), 128, A, headers=HEADERS)
    named["nobody-16"] = Traffic(one, (), 16, A)
    named["tls-128"] = Traffic(one, (one,), 128, A, tls=True)
    named["ws-128"] = Traffic(one, (one,), 128, A, websocket=True)
    return named


@dataclass(frozen=True)
class Place:
    """What a scenario needs besides the server."""

    command: str
    folder: Path
    load: Path
    seconds: float

    def server(self, config: str = ACCOUNTS) -> Server:
        """Start the server."""
        return Server(self.command, config, self.folder)


def traffic(place: Place, what: Traffic) -> Runs:
    """A stream of messages."""
    config = ACCOUNTS + (certificate(place.folder) if what.tls else "") + (WEBSOCKET if what.websocket else "")
    with place.server(config) as server:
        yield from measure(server, what, place.seconds)


def requests(place: Place, clients: int) -> Runs:
    """Round trips over inbox subjects, one in flight for each client."""
    with place.server() as server:
        server.login({}).close()
        port = str(server.port)
        with subprocess.Popen([place.load, "respond", port, "svc.echo"], stdout=subprocess.PIPE) as responder:
            try:
                assert responder.stdout
                responder.stdout.readline()
                yield from round_trips(server, [str(place.load), "request", port, "svc.echo", str(clients)], place)
            finally:
                responder.kill()


def round_trips(server: Server, command: list[str], place: Place) -> Runs:
    """Ever more requests until a run is long enough, then runs of that length."""
    count = 2000
    while True:
        cpu = server.cpu_s()
        done = subprocess.run([*command, str(count)], capture_output=True, text=True, check=True)
        seconds, p50, p99, _ = map(float, done.stdout.split())
        if seconds >= place.seconds / 2:
            cpu = (server.cpu_s() - cpu) / count * 1e6
            yield {"per_s": count / seconds, "cpu_us": cpu, "p50_us": p50, "p99_us": p99}
        count = max(2000, int(count * min(20, place.seconds / seconds)))


def connects(place: Place, config: str, login: Login) -> Runs:
    """Connect, log in, PING, PONG, close; over and over from two processes."""
    with place.server(config) as server:
        server.login(login).close()
        while True:
            cpu, start = server.cpu_s(), time.perf_counter()
            with FORK.Pool(2, initializer=churn_until, initargs=(server, login, start + place.seconds)) as pool:
                count = sum(pool.map(churn, range(2), chunksize=1))
            seconds = time.perf_counter() - start
            # On a busy machine a short run may end before the first login did.
            yield {"per_s": count / seconds, "cpu_us": (server.cpu_s() - cpu) / max(1, count) * 1e6}


CHURN: list[tuple[Server, Login, float]] = []
"""In a child: what it connects to, as whom, until when."""


def churn_until(server: Server, login: Login, end: float) -> None:
    """Prepare a child."""
    CHURN[:] = [(server, login, end)]


def churn(_: int) -> int:
    """In a child: how many logins it managed."""
    ((server, login, end),) = CHURN
    count = 0
    while time.perf_counter() < end and count < 20_000:
        server.login(login).close()
        count += 1
    return count


def insertion(place: Place) -> Runs:
    """A hundred thousand subscriptions of one client, from the first byte to the PONG behind them."""
    lines = b"".join(b"SUB %b %d\r\n" % (subject.encode(), sid) for sid, subject in enumerate(CROWD)) + b"PING\r\n"
    with place.server() as server:
        while True:
            with server.login({"user": "a", "pass": "a"}) as sock:
                cpu, start = server.cpu_s(), time.perf_counter()
                sock.sendall(lines)
                wait_for_pong(sock)
                seconds = time.perf_counter() - start
                result = {"per_s": len(CROWD) / seconds, "cpu_us": (server.cpu_s() - cpu) / len(CROWD) * 1e6}
            yield result


def idle(place: Place, count: int) -> Runs:
    """Memory with that many silent connections."""
    while True:
        with place.server("") as server, contextlib.ExitStack() as stack:
            server.login({}).close()
            socks = [stack.enter_context(server.login({})) for _ in range(count)]
            memory = server.memory_mb()
            for sock in socks:
                sock.sendall(b"PING\r\n")
                wait_for_pong(sock)
        yield {"memory_mb": memory}


def start(place: Place) -> Runs:
    """From the start of the process to the first PONG."""
    while True:
        began = time.perf_counter()
        with place.server("") as server:
            server.login({}).close()
            result = {"first_pong_ms": (time.perf_counter() - began) * 1e3, "memory_mb": server.memory_mb()}
        yield result


def certificate(folder: Path) -> str:
    """TLS settings with a certificate of our own."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return f'tls {{ cert_file: "{folder / "cert.pem"}", key_file: "{folder / "key.pem"}" }}\n'


def operator_mode() -> tuple[str, Login]:
    """A configuration with an operator, and a login as a user of its account."""
    operator, account, user = (KeyPair.create(role) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))
    now = int(time.time())
    tokens = {
        key.public: jwt.encode(claims, operator, issued_at=now)
        for key, claims in ((operator, jwt.new_operator(operator.public)), (account, jwt.new_account(account.public)))
    }
    token = jwt.encode(jwt.new_user(user.public, "bench"), account, issued_at=now)
    config = f"operator: {tokens[operator.public]}\nresolver: MEMORY\n"
    config += f"resolver_preload {{ {account.public}: {tokens[account.public]} }}\n"

    def login(info: object) -> dict[str, str]:
        signature = user.sign(info["nonce"].encode())  # type: ignore[index]
        return {"jwt": token, "sig": base64.urlsafe_b64encode(signature).decode().rstrip("=")}

    return config, login


def scenarios() -> dict[str, Callable[[Place], Runs]]:
    """All of them by name."""
    named: dict[str, Callable[[Place], Runs]] = {
        name: lambda place, what=what: traffic(place, what)  # type: ignore[misc]
        for name, what in traffic_scenarios().items()
    }
    named["rr1"] = lambda place: requests(place, 1)
    named["rr50"] = lambda place: requests(place, 50)
    named["connect-open"] = lambda place: connects(place, "", {})
    named["connect-jwt"] = lambda place: connects(place, *operator_mode())
    named["insert100k"] = insertion
    named["idle1000"] = lambda place: idle(place, 1000)
    named["idle10000"] = lambda place: idle(place, 10_000)
    named["start"] = start
    return named


# ---- driver ------------------------------------------------------------------------------------------


def compare(name: str, scenario: Callable[[Place], Runs], places: dict[str, Place], runs: int) -> None:
    """Measure both in turns; print one line a column."""
    measured = {who: scenario(place) for who, place in places.items()}
    results: dict[str, list[dict[str, float]]] = {who: [] for who in places}
    try:
        for _ in range(runs):
            for who, each in measured.items():
                results[who].append(next(each))
    except (BenchError, OSError) as error:
        print(f"{name:18} {who}: {error}", flush=True)
        return
    finally:
        for each in measured.values():
            each.close()  # type: ignore[attr-defined]
    for column in results["natskit"][0]:
        print(row(name, column, {who: [run[column] for run in each] for who, each in results.items()}), flush=True)


def row(name: str, column: str, values: dict[str, list[float]]) -> str:
    """The ratio of the medians, the medians and their spread."""
    cells = [
        f"{who} {figure(statistics.median(each)):>11} ({figure(min(each))} to {figure(max(each))})"
        for who, each in values.items()
    ]
    theirs, ours = (statistics.median(each) for each in values.values())
    ratio = f"{ours / theirs:6.2f} x" if theirs else "     -  "
    return f"{name:18}{column:14}{ratio}   {cells[0]:45}{cells[1]}"


def figure(value: float) -> str:
    """Three digits of small numbers, all of big ones."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def main(argv: list[str] | None = None) -> None:
    """Print the figures."""
    known = scenarios()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="for each server, in turns")
    parser.add_argument("--seconds", type=float, default=1.0, help="aimed at for each run")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(known))
    options = parser.parse_args(argv)
    unknown = set(options.scenarios) - set(known)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if not os.access(REAL, os.X_OK):
        raise SystemExit("no Go nats-server: run `make tools`")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = folder / "load"
        subprocess.run(["cc", "-O2", "-o", load, LOAD], check=True)
        places = {who: Place(path, folder, load, options.seconds) for who, path in (("go", REAL), ("natskit", OURS))}
        for each in options.scenarios or known:
            compare(each, known[each], places, options.runs)


if __name__ == "__main__":
    main()
