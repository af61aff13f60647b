"""``python -m bench.soak [--minutes 10]``: exit status 1 if something grows that must not. The last line is JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.soak.clients import KINDS, Crowd
from bench.soak.stage import Stage
from bench.soak.verdict import growths

WARM_UP = 0.2
"""This part of the time comes before the first measurement that counts: pools and logs of closed clients fill."""

ROUND_S = 5.0
REST_S = 20.0


class Watch:
    """The watched process, asked line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lock = asyncio.Lock()

    async def ask(self, what: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        async with self._lock:
            self._process.stdin.write(json.dumps({"ask": what, **more}).encode() + b"\n")
            return await self.answer()

    async def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        if not line:
            raise RuntimeError(f"the watched process ended with {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def rest(self) -> dict[str, Any]:
        """What is held once everybody has gone."""
        end = time.monotonic() + REST_S
        while (held := await self.ask("held"))["connections"] and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        return held


async def soak(minutes: float, kinds: Sequence[str], folder: Path) -> dict[str, Any]:
    stage = Stage(folder)
    command = [sys.executable, "-m", "bench.soak.served", *map(str, stage.configs)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        watch = Watch(process)
        ports = [tuple(pair) for pair in (await watch.answer())["ports"]]

        async def reload(version: int) -> None:
            await watch.ask("reload", server=1, config=str(stage.configured(version)))

        crowd = Crowd(stage, ports, reload, kinds)  # type: ignore[arg-type]
        await crowd.fill(min(60, round(60 * minutes)))
        before = (await go_on(crowd, watch, minutes * 60 * WARM_UP))[-1]
        print("-- warm", flush=True)
        samples = await go_on(crowd, watch, minutes * 60 * (1 - WARM_UP))
        return {
            "minutes": minutes,
            "leaks": growths(before, samples),
            "before": before,
            "after": samples[-1],
            "rss_mb": [each["rss_mb"] for each in samples],
            "objects": [each["objects"] for each in samples],
            "came": crowd.counts,
        }
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


async def go_on(crowd: Crowd, watch: Watch, seconds: float) -> list[dict[str, Any]]:
    """Some rounds of everybody; after each everybody goes, and what is held is noted."""
    samples: list[dict[str, Any]] = []
    end = time.monotonic() + seconds
    while not samples or time.monotonic() < end:
        await crowd.run(min(ROUND_S, max(end - time.monotonic(), 1.0)))
        held = await watch.rest()
        samples.append(held)
        print(json.dumps(held | {"came": sum(crowd.counts.values())}), flush=True)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND", help=f"only {', '.join(KINDS)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(soak(options.minutes, options.kinds or list(KINDS), Path(folder)))
    for leak in result["leaks"]:
        print(f"LEAK: {leak}", file=sys.stderr)
    print(json.dumps(result))
    return 1 if result["leaks"] else 0


if __name__ == "__main__":
    sys.exit(main())
