"""Many processes at once, and processes that are killed: the store loses nothing and every file is whole."""

import json
import subprocess
from pathlib import Path

import pytest

from natskit import jwt
from natskit.jwt import files
from natskit.nkeys import KeyPair

TOGETHER = 20
KILLS = 100
DATA = ".local/share/nats/nsc"


@pytest.fixture
def account(home):
    """A home with an operator and an account."""
    home.run("nsc", "add", "operator", "O")
    home.run("nsc", "add", "account", "A")
    return home


def spawn(home, *argv):
    return subprocess.Popen(
        [Path(home.env["PATH"].split(":")[0]) / argv[0], *argv[1:]],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_forty_commands_at_once_on_one_account_all_take_effect(account):
    running = [spawn(account, "nsc", "add", "user", f"u{number}") for number in range(TOGETHER)]
    running += [
        spawn(account, "nsc", "add", "export", "--name", f"e{number}", "--subject", f"e{number}.>")
        for number in range(TOGETHER)
    ]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    users = json.loads(account.run("nsc", "list", "users", "--json"))
    assert {each["name"] for each in users} == {f"u{number}" for number in range(TOGETHER)}
    exports = json.loads(account.run("nsc", "describe", "account", "--json"))["nats"]["exports"]
    assert {each["name"] for each in exports} == {f"e{number}" for number in range(TOGETHER)}


def test_killed_commands_leave_every_file_whole(account):
    for number in range(KILLS):
        process = spawn(account, "nsc", "add", "user", f"u{number}")
        # Moments spread over the life of the command, from its start to its end.
        try:
            process.wait((number % 50) * 0.004)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate(timeout=30)
    listed = account.run("nsc", "list", "users", "--json")  # recovers what was begun
    root = account.path / DATA
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_text()
        if path.suffix == ".jwt":
            assert jwt.decode(text)
        elif path.suffix == ".nk":
            assert KeyPair.from_seed(text).public == path.stem
        elif path.suffix == ".creds":
            token, seed = files.parse_creds(text)
            assert jwt.decode(token).subject == KeyPair.from_seed(seed).public
    stored = {path.stem for path in (root / "stores/O/accounts/A/users").glob("*.jwt")}
    names = {each["name"] for each in json.loads(listed) or []}
    assert names == stored
    creds = {path.stem for path in (root / "keys/creds/O/A").glob("*.creds")}
    assert creds == stored
