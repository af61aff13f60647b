"""Imports point down: the layers of the package, lowest first, and no room imports one above or beside it."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "natskit"

LAYERS = [
    {"errors", "durations"},
    {"subjects", "nkeys", "config"},
    {"jwt"},
    {"graph"},
    {"store", "wire", "client", "http"},
    {"server", "account_server"},
    {"testing"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(path for suffix in ("*.py", "*.pyi") for path in SOURCE.rglob(suffix))


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def absolute(path, node):
    """The full name of the module that a ``from`` names."""
    if not node.level:
        return node.module or ""
    package = ("natskit", *path.relative_to(SOURCE).parts[: -node.level])
    return ".".join([*package, node.module] if node.module else package)


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node)
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "natskit" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "natskit" and len(parts) > 1 and parts[1] != "__version__":
                yield node.lineno, parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    room = room_of(path)
    if room == "__init__":
        assert not list(imported_rooms(path)), "the package itself imports nothing"
        return
    for line, other in imported_rooms(path):
        assert other == room or LEVEL[other] < LEVEL[room], f"{path}:{line}: {room} must not import {other}"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py[xd]")), ids=lambda path: path.name)
def test_the_core_imports_nothing_of_ours_but_its_siblings(path):
    if path.suffix == ".pyi":
        return
    for line in path.read_text().splitlines():
        if "import" in line and "natskit" in line:
            assert "natskit.wire._core" in line, f"{path}: {line}"


def test_every_room_has_its_layer():
    rooms = {room_of(path) for path in FILES} - {"__init__", "py"}
    assert rooms <= set(LEVEL), f"name the layer of {rooms - set(LEVEL)}"


@pytest.mark.parametrize(
    "room",
    [
        "account_server",
        "client",
        "config",
        "graph",
        "http",
        "jwt",
        "nkeys",
        "server",
        "store",
        "subjects",
        "testing",
        "wire",
    ],
)
def test_a_room_names_what_it_offers(room):
    module = importlib.import_module(f"natskit.{room}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert not [name for name in module.__all__ if not hasattr(module, name)]
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith(module.__name__)
    }
    assert own <= set(module.__all__), f"natskit.{room} has public names that __all__ lacks"


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        ("natskit", {"asyncio", "msgspec", "nacl", "typing"}),
        ("natskit.subjects", {"asyncio", "socket", "logging"}),
        ("natskit.nkeys", {"asyncio", "socket", "logging"}),
        ("natskit.jwt", {"asyncio", "socket", "logging", "aiohttp", "urllib.request"}),
        ("natskit.graph", {"asyncio", "socket", "logging", "aiohttp", "nats"}),
        ("natskit.store", {"asyncio", "aiohttp", "nats", "uvloop"}),
        ("natskit.wire", {"asyncio", "aiohttp", "nats", "uvloop"}),
        ("natskit.server", {"aiohttp", "nats", "click", "bcrypt", "pathlib", "urllib.parse", "logging.handlers"}),
        (
            "natskit.server",
            {f"natskit.server.{room}" for room in ("auth.callout", "claims", "resolvers", "tls", "logs")},
        ),
    ],
)
def test_a_room_brings_no_more_than_it_needs(room, heavy):
    script = f"import sys, {room}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & heavy == set()
