from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engines import Engine, OurServer, RealServer
from support.stage import Stage


@pytest.fixture
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """A server that is not started yet, ours or the real one."""
    if request.param == "nats-server":
        engine: Engine = RealServer(request.getfixturevalue("real_server"), tmp_path)
    else:
        engine = OurServer()
    yield engine
    await engine.stop()


@pytest.fixture
async def stage(engine: Engine) -> AsyncIterator[Stage]:
    """An operator's server that is not opened yet."""
    stage = Stage(engine)
    yield stage
    await stage.player.close()
