"""The parts of a story: an account server over the store, a server that asks it, subscribers and publishers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Engine, Home, Program, RunningServer


class Town:
    """A home with its store, and what runs beside it. Everything is started as a user would start it."""

    def __init__(self, home: Home, engine: Engine, start: Callable[..., Program], free_port: Callable[[], int]) -> None:
        self.home = home
        self.engine = engine
        self.start = start
        self.free_port = free_port
        self.account_server_url = ""

    def serve_accounts(self, folder: Path) -> str:
        """Run nats-account-server over an operator's folder; the URL for a resolver."""
        port = self.free_port()
        program = self.start(
            f"{self.bin}/nats-account-server", "-nsc", str(folder), "-hp", f"127.0.0.1:{port}", env=self.home.env
        )
        program.wait_for("configure the nats-server with:")
        self.account_server_url = f"http://127.0.0.1:{port}/jwt/v1/accounts/"
        return self.account_server_url

    @property
    def bin(self) -> str:
        """Where our commands are."""
        return self.home.env["PATH"].split(":")[0]

    def serve(self, operator: Path, resolver: str, *flags: str) -> RunningServer:
        """Run the engine for an operator."""
        return self.engine.start(f"operator: {operator}\nresolver: URL({resolver})", *flags)

    def subscribe(self, server: RunningServer, creds: Path, subject: str = ">") -> Program:
        """Run nats-sub; returns when the server has the subscription."""
        program = self.start(f"{self.bin}/nats-sub", "-s", server.url, "-creds", str(creds), subject, env=self.home.env)
        program.wait_for(f"Listening on [{subject}]")
        return program

    def publish(self, server: RunningServer, creds: Path, subject: str, text: str = "hello") -> str:
        """Run nats-pub; what it printed."""
        return self.home.run("nats-pub", "-s", server.url, "-creds", str(creds), subject, text)


@pytest.fixture
def town(home: Home, engine: Engine, start: Callable[..., Program], free_port: Callable[[], int]) -> Town:
    """A place for a story, on one engine."""
    return Town(home, engine, start, free_port)
