"""What monitoring tells of a server of a scenario."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from support.engines import Engine

MONITORED = 'http: "127.0.0.1:-1"\n'
DEADLINE_S = 10.0


async def report(engine: Engine, path: str) -> dict[str, Any]:
    """One of its documents, such as ``varz``."""

    def fetch() -> bytes:
        with urllib.request.urlopen(f"{engine.monitor}/{path}", timeout=DEADLINE_S) as answer:
            found: bytes = answer.read()
            return found

    told: dict[str, Any] = json.loads(await asyncio.to_thread(fetch))
    return told


async def closed(engine: Engine, count: int = 1) -> list[dict[str, Any]]:
    """What it tells of so many closed connections."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found: list[dict[str, Any]] = (await report(engine, "connz?state=closed"))["connections"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)
