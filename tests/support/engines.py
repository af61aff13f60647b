"""The two servers that scenarios run on: ours, in this process, and the real nats-server."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
from pathlib import Path
from typing import Any, Protocol

from natskit.server import Options, Server

ENGINES = ("natskit", "nats-server")
DEADLINE_S = 10.0


class Engine(Protocol):
    """A running server."""

    name: str
    host: str
    port: int
    monitor: str

    async def start(self, config: str) -> None: ...
    async def reload(self, config: str) -> None: ...
    async def pass_time(self, seconds: float) -> None: ...
    async def lame_duck(self) -> None: ...
    async def ended(self) -> None: ...
    async def stop(self) -> None: ...
    def log(self) -> str: ...


class RealServer:
    """nats-server in a process of its own, with a configuration file in ``folder``."""

    name = "nats-server"

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.host = "127.0.0.1"
        self.port = 0
        self.monitor = ""
        self._config = folder / "server.conf"
        self._log = folder / "server.log"
        self._ports = folder / "ports"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, config: str) -> None:
        self._ports.mkdir()
        self._write(config, "-1")
        self._process = await asyncio.create_subprocess_exec(
            self.program, "-c", str(self._config), "-l", str(self._log), "-D", "--ports_file_dir", str(self._ports)
        )
        await self._until(lambda: "Server is ready" in self.log(), "the server is ready")
        await self._until(self._find_port, "the ports file is there")

    def _find_port(self) -> bool:
        texts = [file.read_text() for file in self._ports.iterdir()]
        if not texts or not texts[0].endswith("}"):
            return False
        told = json.loads(texts[0])
        self.port = int(told["nats"][0].rpartition(":")[2])
        self.monitor = told.get("monitoring", [""])[0]
        return True

    def _write(self, config: str, port: str) -> None:
        self._config.write_text(f"listen: 127.0.0.1:{port}\n{config}\n")

    async def reload(self, config: str) -> None:
        before = self.log().count("Reloaded server configuration")
        self._write(config, "-1")
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        await self._until(lambda: self.log().count("Reloaded server configuration") > before, "the reload is done")

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def lame_duck(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)
        await self._until(lambda: "Entering lame duck mode" in self.log(), "lame duck mode")

    async def ended(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(DEADLINE_S):
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    async def _until(self, condition: Any, what: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                if self._process is not None and self._process.returncode is not None:
                    raise AssertionError(f"the server ended before {what}:\n{self.log()}")
                await asyncio.sleep(0.01)


class OurServer:
    """Our server, in this process, with a clock that can be moved."""

    name = "natskit"

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.server: Server | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._log = io.StringIO()
        self._handler = logging.StreamHandler(self._log)

    @property
    def port(self) -> int:
        assert self.server is not None
        return self.server.port

    @property
    def monitor(self) -> str:
        assert self.server is not None
        return self.server.monitor_url

    async def start(self, config: str) -> None:
        logger = logging.getLogger("natskit")
        logger.addHandler(self._handler)
        logger.setLevel(logging.DEBUG)
        self.server = Server(f"listen: 127.0.0.1:-1\n{config}\n")
        await self.server.start()

    async def reload(self, config: str) -> None:
        assert self.server is not None
        await self.server.reload(Options.load(text=f"listen: 127.0.0.1:-1\n{config}\n"))

    async def pass_time(self, seconds: float) -> None:
        assert self.server is not None
        self.server.clock.advance(seconds)

    async def lame_duck(self) -> None:
        assert self.server is not None
        self._leaving = asyncio.create_task(self.server.lame_duck())
        await asyncio.sleep(0)

    async def ended(self) -> None:
        assert self._leaving is not None
        async with asyncio.timeout(DEADLINE_S):
            await self._leaving

    async def stop(self) -> None:
        logging.getLogger("natskit").removeHandler(self._handler)
        if self.server is not None:
            await self.server.stop()

    def log(self) -> str:
        return self._log.getvalue()
