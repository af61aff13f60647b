"""Short commands stay short: what they may import, and that they import nothing of other commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

TOO_HEAVY = {
    *("aiohttp", "argparse", "ast", "asyncio", "click", "dataclasses", "dis", "email", "hashlib", "http", "inspect"),
    *("importlib.metadata", "importlib.util", "json", "logging", "nats", "pathlib", "questionary", "random", "shutil"),
    *("socket", "ssl", "subprocess", "tempfile", "typing_extensions", "urllib", "uvloop"),
}
"""Modules that cost milliseconds and that reading and showing a store does not need."""

SCRIPT = """
import sys
from natskit.cli.nsc import execute
status = execute(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def modules(*words: str) -> set[str]:
    """The modules that a command has imported, in an interpreter of its own."""
    run = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True)
    return set(run.stderr.split())


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("describe", "account", "--help"),
        ("list", "accounts"),
        ("describe", "account", "Alpha"),
        ("describe", "operator", "--json"),
        ("describe", "user", "-a", "Beta", "one"),
        ("generate", "creds", "-a", "Beta", "-n", "one"),
        ("explain", "pub", "-a", "Beta", "-u", "one", "x.y"),
        ("explain", "sub", "-a", "Beta", "x.>", "--json"),
        ("explain", "denied", "pub", "-a", "Beta", "-u", "one", "x.y"),
    ],
    ids=" ".join,
)
def test_short_commands_import_nothing_heavy(words, current_store):
    assert modules(*words) & TOO_HEAVY == set()


def test_only_the_command_that_is_run_is_imported(current_store):
    own = {name for name in modules("list", "accounts") if name.startswith("natskit.cli.nsc.")}
    assert own == {"natskit.cli.nsc.listing", "natskit.cli.nsc.run", "natskit.cli.nsc.tree"}


def test_help_of_a_group_imports_no_command(home):
    own = {name for name in modules("add") if name.startswith("natskit.")}
    assert not any(name.startswith(("natskit.store", "natskit.jwt")) for name in own)
    assert "msgspec" in modules("add")


def test_typing_extensions_can_still_be_imported_later():
    script = "import natskit.cli.nsc, typing_extensions; print(typing_extensions.TypedDict)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
