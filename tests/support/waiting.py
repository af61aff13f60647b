"""Waiting for what must come to be true while the event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
    """Wait until ``condition`` holds; it is looked at again and again. ``what`` names it when it does not come true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not condition():
        assert loop.time() < end, f"waited {deadline_s} s in vain for {what}"
        await asyncio.sleep(0.005)
