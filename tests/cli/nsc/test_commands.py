"""Every command of the Go tool with every flag, as the list in ``go_commands.txt`` has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from natskit.cli.nsc import tree
from natskit.cli.nsc.run import merged

LIST = Path(__file__).parent / "go_commands.txt"

NOT_HERE = {
    "update": "pip and other package tools update natskit",
    "completion powershell": "a shell that the tests have no hold of",
    "help": "handled before commands are looked up: test_main",
    "test doc!": "makes the Go tool's own documentation",
    "test flags!": "a table for its developers",
    "test whoflag!": "a table for its developers",
    "test nkey!": "generate nkey under another name",
}
"""Commands that have no purpose here, and why."""


def read() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Groups of flags, and the flags of each command, as the list has them."""
    groups: dict[str, list[str]] = {}
    commands: dict[str, list[str]] = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, words = line.removeprefix("= ").partition(":")
            (groups if line.startswith("= ") else commands)[name] = words.split()
    return groups, commands


GROUPS, COMMANDS = read()


def test_the_list_is_whole():
    assert len(COMMANDS) == 78


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in NOT_HERE])
def test_the_command_is_here_with_all_its_flags(name):
    path = tree.canonical(name.removesuffix("!"))
    assert path in tree.LEAVES
    flags = {flag.name: flag for flag in merged(tree.LEAVES[path].load().flags)}
    words = [flag for word in COMMANDS[name] for flag in GROUPS.get(word, [word])]
    for word in [*words, *GROUPS["GLOBAL"]]:
        long, _, letter = word.partition("/")
        assert long in flags, f"{path} --{long}"
        if letter and word in words:
            assert flags[long].letter == letter, f"{path} -{letter}"


def test_every_flag_says_what_it_is_for():
    for path in tree.LEAVES:
        for flag in merged(tree.LEAVES[path].load().flags):
            assert flag.hidden or flag.summary, f"{path} --{flag.name}"
