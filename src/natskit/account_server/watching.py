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
    changed when it is there again, or another in its place. Where the system cannot watch, all of it counts as changed
    again and again.
    """
    failure = ""
    while True:
        if os.path.isdir(folder):  # noqa: ASYNC240 - one system call
            before, failure = failure, await _watch_while_there(folder, changed, started)
            if not os.path.isdir(folder):  # noqa: ASYNC240
                _log.warning("the folder %s is gone, waiting for it", folder)
            elif failure and failure != before:
                _log.error("cannot watch %s, looking every %g s instead: %s", folder, _LOOK_AGAIN_S, failure)
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _watch_while_there(
    folder: str, changed: Callable[[Iterable[str]], Awaitable[None]], started: asyncio.Event
) -> str:
    """Watch this folder until it is gone or replaced; what went wrong, if anything did."""
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
            # Another folder may be in its place by now: the watch would stay with the one that is gone.
            if folder in paths or not os.path.isdir(folder):  # noqa: ASYNC240
                return ""
            paths = await anext(changes)
    except StopAsyncIteration:
        return ""
    except (OSError, RuntimeError) as error:  # the library has a RuntimeError for what it does not know
        return str(error) or type(error).__name__
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await changes.aclose()


async def _changes(folder: str) -> AsyncGenerator[set[str], Any]:
    from watchfiles import awatch

    async for changes in awatch(folder, watch_filter=None, debounce=_DEBOUNCE_MS, step=_STEP_MS):
        yield {path for _, path in changes}
