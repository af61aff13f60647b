"""Scenarios of users and accounts in a configuration file, each on both servers.

A file has scenarios ``== title``, made of sections ``--- config`` (the first starts the server, further ones reload
it), ``--- play`` (see `support.scenario`), ``--- wait`` (so many seconds), ``--- raw`` and ``--- users`` (clients that
send CONNECT themselves, and those that log in under another name). Source: spec/server-accounts.md section 10 and the text before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engines import ENGINES, Engine
from support.scenario import Player

FOLDER = Path(__file__).parent


def scenarios() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for file in sorted(FOLDER.glob("*.txt")):
        for block in file.read_text().split("\n== "):
            title, _, rest = block.removeprefix("== ").partition("\n")
            sections = [part.partition("\n") for part in rest.removeprefix("--- ").split("\n--- ")]
            if unknown := {name.strip() for name, _, _ in sections} - {"config", "play", "raw", "users", "wait"}:
                raise ValueError(f"{file.name}, {title}: sections {unknown} would never be played")
            yield f"{file.stem}: {title}", [(name.strip(), body) for name, _, body in sections]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("sections", [pytest.param(body, id=title) for title, body in scenarios()])
async def test_scenario(engine: Engine, sections: list[tuple[str, str]]) -> None:
    raw = " ".join(body for name, body in sections if name == "raw").split()
    users = " ".join(body for name, body in sections if name == "users").split()
    steps = [(name, body) for name, body in sections if name in ("config", "play", "wait")]
    await engine.start(steps[0][1])
    named = dict(pair.split("=") for pair in users)
    player = Player(engine.host, engine.port, engine.name, raw=raw, users=named)
    try:
        for name, body in steps[1:]:
            if name == "wait":
                await engine.pass_time(float(body))
            else:
                await (engine.reload(body) if name == "config" else player.play(body))
    finally:
        await player.close()


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
async def test_s12_queue_group_spans_exporter_and_importer(engine: Engine) -> None:
    await engine.start("""
        accounts {
         E { users=[{user:e,password:e}], exports=[{stream:"pub.>"}] }
         I { users=[{user:i,password:i}], imports=[ {stream:{account:E,subject:"pub.>"},prefix:"from"} ] } }
    """)
    player = Player(engine.host, engine.port, engine.name, users={"e2": "e"})
    try:
        await player.play("i> SUB from.pub.> g 1\ne2> SUB pub.> g 7")
        await player.line("e> " + " | ".join("PUB pub.z 1 | x" for _ in range(100)))
        counts = []
        for name, message in (("i", "MSG from.pub.z 1 1 | x"), ("e2", "MSG pub.z 7 1 | x")):
            client = player.clients[name]
            await client.sync()
            assert set(client.inbox) == {message}
            counts.append(len(client.inbox))
        assert sum(counts) == 100
        assert min(counts) > 0
    finally:
        await player.close()
