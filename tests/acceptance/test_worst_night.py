"""Many processes at once, and processes that are killed: the store loses nothing and every file is whole."""

import contextlib
import json
import subprocess
import time

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


def test_forty_commands_at_once_on_one_account_all_take_effect(account):
    running = [account.spawn("nsc", "add", "user", f"u{number}") for number in range(TOGETHER)]
    running += [
        account.spawn("nsc", "add", "export", "--name", f"e{number}", "--subject", f"e{number}.>")
        for number in range(TOGETHER)
    ]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    users = json.loads(account.run("nsc", "list", "users", "--json"))
    assert {each["name"] for each in users} == {f"u{number}" for number in range(TOGETHER)}
    exports = json.loads(account.run("nsc", "describe", "account", "--json"))["nats"]["exports"]
    assert {each["name"] for each in exports} == {f"e{number}" for number in range(TOGETHER)}


def kill_in_the_act(home, after_s, *argv):
    """Run a command and kill it ``after_s`` seconds (None: never) after it began to change the stores folder.

    Before that there is nothing to break. Whether it came to its end.
    """
    folder = home.path / DATA / "stores"
    before = folder.stat().st_mtime_ns
    process = home.spawn(*argv)
    while folder.stat().st_mtime_ns == before and process.poll() is None:
        time.sleep(0.0005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    process.kill()
    process.communicate(timeout=30)
    return process.returncode == 0


def test_killed_commands_leave_every_file_whole(account):
    # Moments spread over what a command does with the store; some come to their end however slow the machine is.
    moments = [None if number % 50 == 49 else (number % 50) * 0.001 for number in range(KILLS)]
    done = {
        f"u{number}"
        for number, after_s in enumerate(moments)
        if kill_in_the_act(account, after_s, "nsc", "add", "user", f"u{number}")
    }
    assert 0 < len(done) < KILLS
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
    users = root / "stores/O/accounts/A/users"
    stored = {path.stem: jwt.decode(path.read_text()).subject for path in users.glob("*.jwt")}
    names = {each["name"] for each in json.loads(listed) or []}
    assert done <= names
    assert names == stored.keys()
    creds = {path.stem for path in (root / "keys/creds/O/A").glob("*.creds")}
    assert creds == stored.keys()
    assert {path.stem for path in (root / "keys/keys/U").rglob("*.nk")} == set(stored.values())
    assert [path for path in root.rglob(".natskit*") if path.is_file()] == []
