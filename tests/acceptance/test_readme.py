"""The code in README and docs is true: it runs, as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_the_first_five_minutes(town):
    home = town.home
    _, setup, listen, share, explain = blocks("README.md", "sh")[:5]
    for line in setup.splitlines():
        if line.startswith("nsc"):
            home.run(*line.split())
    assert setup.splitlines()[-1] == "nats-server -a 127.0.0.1 -c server.conf &"
    server = town.engine.start((home.work / "server.conf").read_text())
    assignment, subscribe, publish = listen.splitlines()
    creds = assignment.partition("=")[2].replace("~", str(home.path))
    assert subscribe == 'nats-sub -creds $CREDS ">"'
    subscriber = town.subscribe(server, creds)
    assert publish == 'nats-pub -creds $CREDS hello.world "it works"'
    town.publish(server, creds, "hello.world", "it works")
    subscriber.wait_for("[#1] Received on [hello.world]: 'it works'")
    for line in share.splitlines():
        home.run(*line.replace('"', "").split())
    assert "prices.eur" in home.run("nsc", "describe", "account", "reports")
    said = [home.run(*line.split()) for line in explain.splitlines()]
    assert '-> in reports as "prices.eur"' in said[0]
    assert "Nothing stands in the way." in said[1]


@pytest.mark.parametrize("number", range(len(blocks("README.md", "python"))))
def test_the_python_of_the_readme_runs(number, home):
    home.run("nsc", "init", "--name", "demo")
    code = blocks("README.md", "python")[number]
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:natskit", "-c", code],
        env=home.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_python_of_the_websocket_page_runs():
    (code,) = blocks("docs/websocket.md", "python")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "from a WebSocket" in done.stdout


async def test_the_operator_of_the_embedding_page_works(tmp_path):
    import nats

    scope: dict[str, object] = {}
    exec(blocks("docs/embedding.md", "python")[1], {})
    exec(blocks("docs/embedding.md", "python")[2], scope)
    creds = tmp_path / "u.creds"
    creds.write_text(str(scope["creds"]))
    from natskit.server import Server

    async with Server(scope["config"]) as server:
        client = await nats.connect(server.client_url, user_credentials=str(creds))
        await client.flush()
        await client.close()
