"""Both servers, running the same configuration, for as long as a module's tests need them."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.differential.duel import Step, play

from natskit.server import Options, Server

Duel = Callable[..., None]


class InThread:
    """Our server on an event loop in a thread of its own."""

    def __init__(self, config: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = Server(Options.load(text=f"listen: 127.0.0.1:-1\n{config}\n"))
        self._call(self.server.start())
        self.port = self.server.port
        self.websocket_port = self.server.websocket_port
        self.monitor = self.server.monitor_url

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stop(self) -> None:
        self._call(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class InProcess:
    """The real server in a process of its own."""

    def __init__(self, program: str, config: str, folder: Path) -> None:
        from tests.conftest import wait_for

        path, ports = folder / "server.conf", folder / "ports"
        ports.mkdir()
        path.write_text(f"listen: 127.0.0.1:-1\n{config}\n")
        self.process = subprocess.Popen(
            [program, "-c", str(path), "--ports_file_dir", str(ports), "-l", str(folder / "log")]
        )
        found = wait_for(lambda: list(ports.iterdir()), f"{program} to start with {config!r}")
        ports = wait_for(lambda: _ports(found[0]), "its ports file")
        self.port = ports["nats"]
        self.websocket_port = ports.get("websocket", 0)
        self.monitor = f"http://127.0.0.1:{ports.get('monitoring', 0)}"
        self.log = folder / "log"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _ports(path: Path) -> dict[str, int]:
    try:
        return {name: int(urls[0].rpartition(":")[2]) for name, urls in json.loads(path.read_text()).items()}
    except json.JSONDecodeError:
        return {}


class Arena:
    """Starts a pair of servers per configuration and keeps it."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._pairs: dict[str, tuple[InProcess, InThread]] = {}
        self._numbers = itertools.count()

    def pair(self, config: str) -> tuple[InProcess, InThread]:
        if config not in self._pairs:
            ours = InThread(config)
            folder = self._folder / str(next(self._numbers))
            folder.mkdir()
            self._pairs[config] = (InProcess(self._program, config, folder), ours)
        return self._pairs[config]

    def duel(self, steps: list[Step], *, config: str = "", ends: tuple[str, ...] = ()) -> None:
        """Play the steps to both and fail if what comes back differs."""
        real, ours = self.pair(config)
        expected = play(real.port, steps, ends)
        got = play(ours.port, steps, ends)
        for name in expected:
            assert "\n".join(got[name]) == "\n".join(expected[name]), f"client {name}: ours, then the real server's"

    def stop_pair(self, config: str) -> None:
        for server in self._pairs.pop(config):
            server.stop()

    def stop(self) -> None:
        for config in [*self._pairs]:
            self.stop_pair(config)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory, real_server: str) -> Iterator[Arena]:
    arena = Arena(real_server, tmp_path_factory.mktemp("arena"))
    yield arena
    arena.stop()


@pytest.fixture
def duel(arena: Arena) -> Duel:
    """``duel(steps, config="", ends=())``: both servers must answer the same."""
    return arena.duel
