"""Watching a folder, for as long as the server runs and whatever becomes of the folder."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any

__all__ = ["watch"]

_log = logging.getLogger("natskit.account_server")

_DEBOUNCE_MS, _STEP_MS = 50, 5
_LOOK_AGAIN_S = 0.5


async def watch(folder: str, changed: Callable[[Iterable[str]], Awaitable[None]], started: asyncio.Event) -> None:
    """Call ``changed`` with the paths of what was made, written, renamed or removed below ``folder``.

    ``started`` is set once nothing is missed any more. A folder that is removed is waited for, and all of it counts as
    changed when it is there again.
    """
    while True:
        if os.path.isdir(folder):  # noqa: ASYNC240 - one system call
            await _watch_while_there(folder, changed, started)
            _log.warning("the folder %s is gone, waiting for it", folder)
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _watch_while_there(
    folder: str, changed: Callable[[Iterable[str]], Awaitable[None]], started: asyncio.Event
) -> None:
    changes = _changes(folder)
    # The watch stands once the generator has run up to its first wait.
    first = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    try:
        if started.is_set():
            await changed([folder])
        started.set()
        paths = await first
        while True:
            await changed(paths)
            if not os.path.isdir(folder):  # noqa: ASYNC240
                return
            paths = await anext(changes)
    except (OSError, StopAsyncIteration) as error:
        _log.debug("watching %s: %r", folder, error)
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await changes.aclose()


async def _changes(folder: str) -> AsyncGenerator[set[str], Any]:
    from watchfiles import awatch

    async for changes in awatch(folder, watch_filter=None, debounce=_DEBOUNCE_MS, step=_STEP_MS):
        yield {path for _, path in changes}
