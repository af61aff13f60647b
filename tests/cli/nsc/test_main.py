"""The front door: finding commands, help, errors, streams and exit statuses."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from natskit.cli.nsc import tree

NSC = str(Path(sys.executable).parent / "nsc")


def test_bare_command_and_groups_print_help_on_stdout(nsc):
    for words in ((), ("--help",), ("-h",), ("help",)):
        assert "Commands:" in nsc(*words).out
    for words in (("add",), ("add", "--help"), ("add", "nonsense"), ("help", "add"), ("create",)):
        assert "  account" in nsc(*words).out


def test_every_command_has_help_with_examples(nsc):
    for path in tree.LEAVES:
        text = nsc(*path.split(), "--help").out
        assert f"  nsc {path}" in text
        assert "Examples:" in text, path
        assert "--json" in text
        assert nsc("help", *path.split()).out == text


def test_every_command_has_a_group_with_a_summary():
    for path in tree.LEAVES:
        group = path.rpartition(" ")[0]
        assert group in tree.GROUPS
    assert all(tree.children(group) for group in tree.GROUPS)


def test_version(nsc):
    assert nsc("--version").out.startswith("nsc version ")
    assert nsc("-v").out == nsc("--version").out


@pytest.mark.parametrize(
    ("word", "meant"), [("describ", "describe"), ("lst", "list"), ("ad", "add"), ("valdiate", "validate")]
)
def test_unknown_command_suggests_what_was_meant(word, meant, nsc):
    error = nsc(word, exit=2).err
    assert f'unknown command "{word}" for "nsc"' in error
    assert meant in error


def test_flags_may_stand_before_the_words_of_a_command(nsc, tmp_path):
    nsc("-H", str(tmp_path / "all"), "add", "operator", "O")
    assert (tmp_path / "all/O/O.jwt").is_file()
    assert nsc("describe", "-H", str(tmp_path / "all"), "operator", "--json").json["name"] == "O"
    assert nsc("--json", "describe", "operator", f"--all-dirs={tmp_path}/all").json["name"] == "O"


def test_underscores_and_aliases_name_the_same_command(nsc):
    nsc("create", "operator", "O")
    assert nsc("list", "operator", "--json").json == nsc("list", "operators", "--json").json


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "accounts", "--nope"), "unknown flag: --nope"),
        (("list", "accounts", "-z"), "unknown shorthand flag: 'z' in -z"),
        (("list", "accounts", "--operator"), "flag needs an argument: --operator"),
        (("list", "accounts", "x"), "accepts at most 0 arg(s), received 1"),
        (("describe", "account", "--raw=perhaps"), 'invalid argument "perhaps" for "-R, --raw" flag'),
    ],
)
def test_misuse_is_one_line_and_where_to_read_more(words, told, nsc):
    result = nsc(*words, exit=2)
    first, second = result.err.splitlines()
    assert told in first
    assert second == f"nsc {' '.join(words[:2])} --help"
    assert result.out == ""


def test_errors_are_json_when_json_is_asked_for(nsc):
    for words in (("describe", "operator", "--json"), ("list", "accounts", "--nope", "-J"), ("nonsense", "--json")):
        result = nsc(*words, exit=2)
        assert set(json.loads(result.err)) == {"error", "code", "hint"}
        assert result.out == ""


def test_operator_and_account_come_from_flags_and_variables(nsc, current_store, monkeypatch):
    def name(*words: str) -> str:
        return str(nsc("describe", "account", *words, "--field", "name").json)

    assert name() == "Alpha"
    assert name("-a", "Beta") == "Beta"
    assert name("--operator", "Strict", "-a", "Epsilon") == "Epsilon"
    monkeypatch.setenv("NSC_ACCOUNT", "Delta")
    assert name() == "Delta"
    assert name("-a", "Beta") == "Beta"
    monkeypatch.setenv("NSC_OPERATOR", "Strict")
    monkeypatch.setenv("NSC_ACCOUNT", "Epsilon")
    assert name() == "Epsilon"
    monkeypatch.delenv("NSC_OPERATOR")
    monkeypatch.delenv("NSC_ACCOUNT")
    assert name() == "Alpha"


def test_a_flag_changes_nothing_of_what_is_current(nsc, monkeypatch):
    def current() -> tuple[str, str]:
        env = nsc("env", "--json").json
        return env["operator"], env["account"]

    for operator in ("One", "Two"):
        nsc("add", "operator", operator)
        nsc("add", "account", "A")
    nsc("add", "account", "B", "--operator", "One")
    nsc("rename", "account", "A", "C", "--operator", "One", "--OK")
    monkeypatch.setenv("NSC_OPERATOR", "One")
    nsc("add", "account", "D")
    monkeypatch.delenv("NSC_OPERATOR")
    assert current() == ("Two", "A")
    nsc("add", "account", "E", "--operator", "Two")
    assert current() == ("Two", "E")


def test_no_colour_and_no_bold_in_a_pipe(nsc, current_store):
    assert "\x1b" not in nsc("list", "accounts").out
    assert "\x1b" not in nsc("describe", "account", "Nobody", exit=1).err


def test_nothing_in_an_error_controls_the_terminal(nsc, current_store):
    nsc("add", "export", "-a", "Beta", "--subject", "q.\x1b[31mred")
    result = nsc("edit", "export", "-a", "Beta", "-s", "no\x1b[31m", "--private", exit=1)
    assert "\x1b" not in result.err
    assert r'"q.\x1b[31mred"' in result.err  # what there is, in the hint


def test_a_reader_that_leaves_early_is_no_error(current_store, home):
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run([NSC, "describe", "account"], env=environ, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert run.stderr == b""
    assert run.returncode == 141


def test_output_survives_an_ascii_terminal(current_store, home):
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    environ["PYTHONIOENCODING"] = "ascii"
    run = subprocess.run([NSC, "describe", "account"], env=environ, capture_output=True, check=True)
    assert b"Alpha" in run.stdout


def test_deprecated_flags_say_so(nsc, current_store):
    result = nsc("add", "user", "-a", "Beta", "later", "--max-responses", "2")
    assert "has been deprecated" in result.err


def test_help_teaches_every_command_by_task(nsc):
    from natskit.cli.nsc import find

    guide = nsc("help").out.split("By task:")[1]
    lines = [shlex.split(line) for line in guide.splitlines() if line.startswith("  nsc ")]
    taught = {find(words[1:])[0] for words in lines}
    assert taught == {path for path, leaf in tree.LEAVES.items() if not leaf.hidden}
    assert "By task:" not in nsc("--help").out


def test_every_command_line_that_help_shows_is_understood(nsc):
    from natskit.cli.command import parse, place
    from natskit.cli.nsc import find
    from natskit.cli.nsc.help import _TASKS
    from natskit.cli.nsc.run import merged

    lines = [line for _, *lines in _TASKS for line in lines]
    lines += [line for leaf in tree.LEAVES.values() for line, _ in leaf.load().examples]
    for line in lines:
        words = shlex.split(re.split(" [|>] ", line)[0])
        if words[0] != "nsc":
            continue
        path, rest = find(words[1:])
        command = tree.LEAVES[path].load()
        place(parse(rest, merged(command.flags)), command.arguments)
