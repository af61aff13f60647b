"""nsc run in this process, in a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pexpect
import pytest

from natskit.cli.nsc import execute

GOLDEN = Path(__file__).parents[2] / "golden"


class Result(NamedTuple):
    """What a run left behind."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Nsc = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, which is the current directory's sibling."""
    folder = tmp_path / "home"
    work = tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "NSC_HOME",
        "NKEYS_PATH",
        "NSC_PROFILE",
        "NSC_OPERATOR",
        "NSC_ACCOUNT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def nsc(home: Path, capfd: pytest.CaptureFixture[str]) -> Nsc:
    """Run nsc: ``nsc("add", "account", "A")``. Fails unless the exit status is ``exit`` (default 0), one of these, or any (None)."""

    def run(*words: str, exit: int | tuple[int, ...] | None = 0) -> Result:
        capfd.readouterr()
        status = execute(words)
        result = Result(status, *capfd.readouterr())
        assert exit is None or status in (exit if isinstance(exit, tuple) else (exit,)), (
            f"nsc {' '.join(words)}: exit {status}\n{result.out}\n{result.err}"
        )
        return result

    return run


@pytest.fixture
def current_store(home: Path) -> Path:
    """A store of today's Go tool as the store of ``home``; return where it is."""
    source = GOLDEN / "store-current"
    data = home / ".local/share/nats/nsc"
    config = home / ".config/nats/nsc"
    shutil.copytree(source / "stores", data / "stores")
    shutil.copytree(source / "keys", data / "keys")
    (data / "keys/gitignore").rename(data / "keys/.gitignore")
    config.mkdir(parents=True)
    text = (source / "config/nsc.json").read_text().replace("@STORES@", str(data / "stores"))
    (config / "nsc.json").write_text(text)
    for path in (*data.rglob("*"), data):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return data


@pytest.fixture
def dialogue(home: Path) -> Callable[..., str]:
    """Runs nsc -i on a terminal: pairs of what it asks and what is typed; returns what it printed at the end."""

    def run(*words: str, answers: list[tuple[str, str]], exit: int = 0, flags: tuple[str, ...] = ("-i",)) -> str:
        environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "LANG": "C.UTF-8",
        }
        child = pexpect.spawn(
            str(Path(sys.executable).parent / "nsc"),
            [*words, *flags],
            env=environ,
            encoding="utf-8",
            timeout=20,
            dimensions=(50, 160),
        )
        try:
            for question, answer in answers:
                child.expect_exact(question)
                child.send(answer)
            child.expect(pexpect.EOF)
        finally:
            child.close()
        assert child.exitstatus == exit, child.before
        return str(child.before)

    return run
