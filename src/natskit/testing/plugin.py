"""The pytest plugin: servers and an operator as fixtures. Installed with natskit; loads nothing before a test asks.

Servers run in a thread of their own, so that synchronous tests and those of any asyncio plugin use them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from natskit.server import Options, ThreadedServer
    from natskit.testing import Operator

    Config: TypeAlias = Options | str | Path | Mapping[str, Any] | None

__all__ = ["make_nats_server", "nats_operator", "nats_server", "nats_server_config"]


@pytest.fixture
def nats_server_config() -> Config:
    """The configuration of ``nats_server``; a test module that wants another one overrides this fixture."""
    return None


@pytest.fixture
def nats_server(make_nats_server: Callable[[Config], ThreadedServer], nats_server_config: Config) -> ThreadedServer:
    """A running NATS server (`natskit.server.ThreadedServer`), open to everybody if nothing else is configured."""
    return make_nats_server(nats_server_config)


@pytest.fixture
def make_nats_server() -> Iterator[Callable[[Config], ThreadedServer]]:
    """Starts servers for a given configuration (as for `natskit.server.Server`); they stop with the test."""
    from natskit.server import Server

    running: list[ThreadedServer] = []

    def make(config: Config = None) -> ThreadedServer:
        server = Server.in_thread(config)
        server.start()
        running.append(server)
        return server

    yield make
    while running:
        running.pop().stop()


@pytest.fixture
def nats_operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator (`natskit.testing.Operator`); ``nats_operator.server`` is a server that trusts it."""
    from natskit.testing import Operator

    operator = Operator(folder=tmp_path_factory.mktemp("nats"))
    yield operator
    operator.stop()
