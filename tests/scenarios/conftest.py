from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engines import Engine, RealServer, real_server


@pytest.fixture
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """A server that is not started yet, ours or the real one."""
    if request.param == "nats-server":
        program = real_server()
        if program is None:
            pytest.skip("no nats-server program here")
        engine: Engine = RealServer(program, tmp_path)
    else:
        from support.engines import OurServer

        engine = OurServer()
    yield engine
    await engine.stop()
