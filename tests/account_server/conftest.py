"""An operator whose accounts are served."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from natskit.account_server import AccountServer, Directory, Options
from support.account_service import NOW, Service
from support.realm import Realm


@pytest.fixture
def realm() -> Realm:
    """An operator."""
    return Realm()


@pytest.fixture
def operator_file(realm: Realm, tmp_path: Path) -> Path:
    """The file of its token."""
    path = tmp_path / "operator.jwt"
    path.write_text(realm.token)
    return path


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    """Starts account servers on free ports; they stop with the test."""
    async with AsyncExitStack() as stack:

        async def start(clock: Callable[[], float] = lambda: NOW, **options: Any) -> Service:
            options = {"host": "127.0.0.1", "port": 0} | options
            options |= {name: str(options[name]) for name in ("operator", "system_account") if name in options}
            server = await stack.enter_async_context(AccountServer(Options(**options), clock=clock))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Service(server, http)

        yield start


@pytest.fixture
async def service(serve: Callable[..., Any], tmp_path: Path, operator_file: Path) -> Service:
    """A directory that is read and written, with the operator that is trusted."""
    started: Service = await serve(store=Directory(str(tmp_path / "jwts")), operator=operator_file)
    return started
