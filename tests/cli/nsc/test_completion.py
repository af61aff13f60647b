"""Completion: what is offered where, and that bash takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = str(Path(sys.executable).parent)


def offered(nsc, *words):
    return [line.partition("\t")[0] for line in nsc("__complete", *words).out.splitlines()]


def test_commands_by_what_is_begun(nsc):
    assert {"add", "describe", "list"} <= set(offered(nsc, ""))
    assert offered(nsc, "descr") == ["describe"]
    assert offered(nsc, "describe", "u") == ["user"]
    assert offered(nsc, "--json", "describe", "u") == ["user"]
    assert offered(nsc, "nonsense", "") == []


def test_flags_of_the_command_and_of_every_command(nsc):
    assert offered(nsc, "add", "export", "--re") == ["--response-type", "--response-threshold"]
    assert "--operator" in offered(nsc, "add", "export", "--o")
    assert offered(nsc, "add", "export", "--response-type", "S") == ["Singleton", "Stream"]


def test_names_from_the_store(nsc, current_store):
    assert offered(nsc, "describe", "account", "") == ["Alpha", "Beta", "Delta", "Gamma", "SYS"]
    assert offered(nsc, "describe", "account", "-n", "A") == ["Alpha"]
    assert offered(nsc, "describe", "user", "-a", "Beta", "--name", "") == [
        "expired",
        "one",
        "public key only",
        "signed",
    ]
    assert offered(nsc, "list", "accounts", "--operator", "") == ["Main", "Strict"]
    assert offered(nsc, "describe", "account", "--operator=Strict", "-n", "") == ["Epsilon", "SYS"]
    assert offered(nsc, "add", "import", "--src-account", "B") == ["Beta"]


def test_values_behind_an_equals_sign(nsc, current_store):
    assert offered(nsc, "describe", "account", "--name=A") == ["--name=Alpha"]
    assert offered(nsc, "add", "export", "--response-type=S") == ["--response-type=Singleton", "--response-type=Stream"]
    assert offered(nsc, "describe", "account", "--name", "=", "A") == ["Alpha"]  # as bash splits it
    assert "Alpha" in offered(nsc, "describe", "account", "--name", "=")
    assert offered(nsc, "describe", "user", "--account", "=", "Beta", "--name", "=", "o") == ["one"]


def test_arguments_and_subjects(nsc, current_store):
    assert offered(nsc, "select", "operator", "") == ["Main", "Strict"]
    assert offered(nsc, "select", "account", "B") == ["Beta"]
    assert offered(nsc, "delete", "user", "-a", "Beta", "o") == ["one"]
    subjects = [each["subject"] for each in nsc("list", "exports", "-a", "Alpha", "--json").json["exports"]]
    assert subjects
    assert offered(nsc, "edit", "export", "-a", "Alpha", "") == subjects


def test_nothing_is_written_in_an_empty_home(nsc, home):
    for words in (("add", ""), ("describe", "account", ""), ("edit", "user", "--name", "")):
        offered(nsc, *words)
    assert list(home.iterdir()) == []


def test_nothing_is_offered_where_nothing_can_be_read(nsc):
    assert offered(nsc, "describe", "account", "-n", "") == []
    assert offered(nsc, "describe", "user", "-n", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_what_the_shell_reads(shell, nsc, tmp_path):
    script = tmp_path / "script"
    script.write_text(nsc("completion", shell).out)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell}")
    subprocess.run([program, "-n", str(script)], check=True)


def test_bash_completes_names_with_blanks(current_store, home):
    script = """
        source <(nsc completion bash)
        COMP_WORDS=(nsc describe user -a Beta -n pub); COMP_CWORD=6
        _nsc
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    environ = {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    run = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout == "public\\ key\\ only\n"
