"""What tests share: the installed commands, the real programs, and processes that end with the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = Path(sys.executable).parent
DEADLINE_S = 15.0


def wait_for(probe: Callable[[], Any], what: str | Callable[[], str], deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of ``probe``; fails with ``what`` (as it is by then) if none comes in time."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while not (value := probe()):
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline_s} s in vain for {what() if callable(what) else what}")
        pause.wait(0.01)
    return value


@pytest.fixture(name="wait_for", scope="session")
def _wait_for() -> Callable[..., Any]:
    """Waits for conditions."""
    return wait_for


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(name="free_port", scope="session")
def _free_port() -> Callable[[], int]:
    """Gives free ports."""
    return free_port


def command(name: str) -> str:
    """The path of one of our installed commands."""
    return str(COMMANDS / name)


def find_real_server() -> str | None:
    """The Go nats-server: $NATSKIT_REAL_SERVER, or what scripts/tools.sh installed."""
    for path in (os.environ.get("NATSKIT_REAL_SERVER", ""), str(ROOT / ".tools/nats-server/bin/nats-server")):
        if path and os.access(path, os.X_OK):
            return path
    return None


def missing(what: str) -> NoReturn:
    """Skip a test that needs a program that is not here; fail where nothing may be skipped."""
    if os.environ.get("NATSKIT_SKIP_NOTHING") or os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(name="missing", scope="session")
def _missing() -> Callable[[str], NoReturn]:
    """Says that a program is not here."""
    return missing


@pytest.fixture(scope="session")
def real_server() -> str:
    """The path of the Go nats-server."""
    return find_real_server() or missing("no Go nats-server: run `make tools`")


# ---- processes -------------------------------------------------------------------------------------


class Program:
    """A running process whose output is read line by line; ``stop`` ends it."""

    def __init__(self, argv: list[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.argv = argv
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            argv,
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        with stream:
            lines.extend(line.rstrip("\n") for line in stream)

    @property
    def output(self) -> str:
        """Everything printed so far, on both streams."""
        return "\n".join([*self.lines, *self.errors])

    def wait_for(self, text: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until ``text`` was printed."""

        if not self.waits_or_ends(text, deadline_s):
            pytest.fail(f"{self.argv[0]} ended with {self.process.returncode} before {text!r}:\n{self.output}")

    def waits_or_ends(self, text: str, deadline_s: float = DEADLINE_S) -> bool:
        """Wait until ``text`` was printed (True), or the program has ended without (False)."""

        def over() -> bool:
            if self.process.poll() is not None:
                self.wait()  # what it printed last may not be read yet
                return True
            return text in self.output

        wait_for(over, lambda: f"{text!r} from {self.argv}; it printed:\n{self.output}", deadline_s)
        return text in self.output

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit status, once it has ended and all its output is read."""
        status = self.process.wait(deadline_s)
        for reader in self.readers:
            reader.join(deadline_s)
        return status

    def stop(self) -> None:
        """End it; kill it if it does not heed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.wait()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts programs, and ends them with the test."""
    running: list[Program] = []

    def run(*argv: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Program:
        running.append(Program(list(argv), env, cwd))
        return running[-1]

    yield run
    for program in reversed(running):
        program.stop()


class Engine:
    """One of the two servers that a scenario runs on."""

    def __init__(self, name: str, path: str, start: Callable[..., Program], folder: Path) -> None:
        self.name = name
        self.path = path
        self.folder = folder
        self._start = start

    @property
    def embedded(self) -> bool:
        """Whether it is ours."""
        return self.name == "embedded"

    def start(self, config: str = "", *flags: str) -> RunningServer:
        """Run it with a configuration; ready when it accepts connections."""
        port = free_port()
        path = self.folder / f"{self.name}-{port}.conf"
        path.write_text(f"listen: 127.0.0.1:{port}\n{config}\n")
        server = RunningServer(self._start(self.path, "-c", str(path), *flags, cwd=self.folder), port, path)
        server.wait_until_ready()
        return server

    def start_again(self, before: RunningServer) -> RunningServer:
        """Run what was stopped once more, on the same ports."""
        server = RunningServer(self._start(*before.program.argv, cwd=self.folder), before.port, before.config)
        server.wait_until_ready()
        return server


class RunningServer:
    """A server process on a port of its own."""

    def __init__(self, program: Program, port: int, config: Path) -> None:
        self.program = program
        self.port = port
        self.config = config
        self.url = f"nats://127.0.0.1:{port}"

    def wait_until_ready(self) -> None:
        """Wait until it accepts connections."""

        def accepts() -> bool:
            if self.program.process.poll() is not None:
                self.program.wait()
                pytest.fail(f"{self.program.argv} ended at once:\n{self.program.output}")
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for(accepts, f"{self.program.argv} to listen")

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self.program.output

    def reload(self, config: str) -> None:
        """Write a new configuration and have it read."""
        before = self.log.count("Reloaded server configuration")
        self.config.write_text(f"listen: 127.0.0.1:{self.port}\n{config}\n")
        self.program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.count("Reloaded server configuration") > before, "the reload")

    def stop(self) -> None:
        """End it."""
        self.program.stop()


@pytest.fixture(params=["embedded", "real"])
def engine(request: pytest.FixtureRequest, start: Callable[..., Program], tmp_path: Path) -> Engine:
    """The server under test: ours, then the Go one."""
    if request.param == "embedded":
        return Engine("embedded", command("nats-server"), start, tmp_path)
    return Engine("real", request.getfixturevalue("real_server"), start, tmp_path)


# ---- a user's home -----------------------------------------------------------------------------------


class Home:
    """A home of its own in which commands run as a user would run them."""

    def __init__(self, root: Path) -> None:
        self.path = root / "home"
        self.work = root / "work"
        for folder in (self.path, self.work):
            folder.mkdir()
        self.env = {
            "HOME": str(self.path),
            "PATH": f"{COMMANDS}:/usr/bin:/bin",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
        }

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        """Start one of our commands, both streams in one."""
        return subprocess.Popen(
            [command(argv[0]), *argv[1:]],
            env=self.env,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def try_run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one of our commands; the result, whatever it is."""
        return subprocess.run(
            [command(argv[0]), *argv[1:]],
            env=self.env | env,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, *argv: str, **env: str) -> str:
        """Run one of our commands, which must succeed; what it printed on both streams."""
        done = self.try_run(*argv, **env)
        assert done.returncode == 0, f"{' '.join(argv)} exits {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def document(self, *argv: str, exit: int | None = 0) -> Any:
        """The JSON document that nsc prints, and nothing else, on stdout. ``exit``: its status; None: any."""
        done = self.try_run("nsc", *argv, "--json")
        assert exit is None or done.returncode == exit, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home and a work folder."""
    return Home(tmp_path)
