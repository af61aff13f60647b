"""The watched process, ``python -m bench.soak.served CONFIG...``: servers, and answers to questions on stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import sys
import threading
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

from natskit.server import Server


class Faults(logging.Handler):
    """Counts what a server must never log: errors of its own."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()  # formatting is a part of the load
        if record.exc_info or record.name == "asyncio":
            self.found.append(logging.Formatter().format(record)[-2000:])


class Watched:
    """Several servers and what they hold."""

    def __init__(self, servers: list[Server], faults: Faults) -> None:
        self.servers = servers
        self.faults = faults
        self.caches = [each for each in gc.get_objects() if isinstance(each, _lru_cache_wrapper) and _is_ours(each)]

    def held(self) -> dict[str, Any]:
        """Counts of what is held, once the caches of tokens (bounded, but slow to fill) are emptied and garbage is
        collected. Routes stay, and hold what they led to; so objects of the core, and lists, do not count."""
        accounts = [account for server in self.servers for account in server.accounts]
        routes = sum(account.space.cached_routes for account in accounts)
        tokens = sum(cache.cache_info().currsize for cache in self.caches)
        for cache in self.caches:
            cache.cache_clear()
        for _ in range(3):
            gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "rss_mb": round(pages * resource.getpagesize() / 2**20, 2),
            "objects": sum(not _is_of_a_route(each) for each in gc.get_objects()),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
            "tasks": len(asyncio.all_tasks()),
            "connections": sum(len(server.clients) for server in self.servers),
            "members": sum(len(account.members) for account in accounts),
            "accounts": len(accounts),
            "subscriptions": sum(account.space.subscription_count for account in accounts),
            "timers": sum(len(server.clock._planned) - server.clock._cancelled for server in self.servers),
            "routes": routes,
            "cached_tokens": tokens,
            "total": sum(server.total_connections for server in self.servers),
            "slow_consumers": sum(server.slow_consumers for server in self.servers),
            "faults": len(self.faults.found),
            "fault": next(iter(self.faults.found), ""),
        }

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question["ask"] == "reload":
            await self.servers[question["server"]].reload(Path(question["config"]))
            return {}
        return self.held()


def _is_ours(cache: _lru_cache_wrapper[Any]) -> bool:
    return str(getattr(cache, "__module__", "")).startswith("natskit")


def _is_of_a_route(thing: object) -> bool:
    return type(thing) is list or str(type(thing).__module__).startswith("natskit.wire")


async def serve(configs: list[str]) -> None:
    faults = Faults()
    logging.getLogger().addHandler(faults)
    logging.getLogger("natskit").setLevel(logging.INFO)
    servers = [Server(Path(config)) for config in configs]
    for server in servers:
        await server.start()
    watched = Watched(servers, faults)
    ports = [(server.port, server.monitor_port) for server in servers]
    print(json.dumps({"ports": ports, "pid": os.getpid()}), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await watched.answer(json.loads(line))), flush=True)
    for server in servers:
        await server.stop()


def main() -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(sys.argv[1:]))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(sys.argv[1:]))


if __name__ == "__main__":
    main()
