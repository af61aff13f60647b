"""Workspaces in homes of their own, and copies of the golden stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from natskit.store import Flags, Workspace

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = 1_900_000_000

OpenWorkspace = Callable[..., Workspace]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def open_workspace(home: Path, tmp_path: Path) -> OpenWorkspace:
    """Opens a workspace: environment by keywords, ``cwd``, ``flags``."""

    def opened(*, cwd: Path | None = None, flags: Flags | None = None, **environ: str) -> Workspace:
        return Workspace.open({"HOME": str(home), **environ}, flags, str(cwd or tmp_path), lambda: NOW)

    return opened


def _tighten(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


@pytest.fixture
def current(home: Path) -> Path:
    """The golden store of today's tool, in its place in the home."""
    source, data = GOLDEN / "store-current", home / ".local/share/nats/nsc"
    shutil.copytree(source / "stores", data / "stores")
    shutil.copytree(source / "keys", data / "keys")
    (data / "keys/gitignore").rename(data / "keys/.gitignore")
    config = home / ".config/nats/nsc/nsc.json"
    config.parent.mkdir(parents=True)
    text = (source / "config/nsc.json").read_text()
    config.write_text(text.replace("@STORES@", str(data / "stores")))
    _tighten(home)
    return data


@pytest.fixture(params=["public", "private"])
def of_2019(request: pytest.FixtureRequest, home: Path) -> Path:
    """The golden stores of 2019, in their places in the home."""
    source = GOLDEN / "store-2019" / request.param
    shutil.copytree(source / "nsc", home / ".nsc")
    shutil.copytree(source / "nkeys", home / ".nkeys")
    (home / ".nkeys/gitignore").rename(home / ".nkeys/.gitignore")
    config = home / ".nsc/nsc.json"
    config.write_text(config.read_text().replace("@STORES@", str(home / ".nsc/nats")))
    _tighten(home)
    return home
