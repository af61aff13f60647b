"""Options as Go's ``flag`` package reads them, and what a program says when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit import errors
from natskit.cli.program import program

RAISE: dict[str, BaseException] = {
    "denied": errors.DeniedError("no import matches", hint="nsc add import"),
    "usage": errors.UsageError("-a and -b exclude each other"),
    "file": FileNotFoundError(2, "No such file or directory", "x.creds"),
    "interrupt": KeyboardInterrupt(),
}


@program("tool", examples=[("tool -n 1 word", "say word once")])
@click.option("-s", "--server")
@click.option("--creds", metavar="FILE")
@click.option("-n", "--count", type=int)
@click.option("-D", "debug", is_flag=True)
@click.option("-DV", "both", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--fail", type=click.Choice(list(RAISE)))
@click.argument("words", nargs=-1)
def tool(**values: object) -> None:
    """Say what was given."""
    fail = values.pop("fail")
    if fail:
        raise RAISE[str(fail)]
    print(json.dumps({name: value for name, value in values.items() if value}))


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    assert tool.execute(argv) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "argv", [["-creds", "f"], ["--creds", "f"], ["-creds=f"], ["--creds=f"], ["w", "-creds", "f"], ["w", "--creds=f"]]
)
def test_an_option_takes_one_dash_or_two_and_its_value_either_way(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert said(capsys, *argv)["creds"] == "f"


def test_a_value_may_begin_with_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "-creds", "-creds", "-n", "-5") == {"creds": "-creds", "count": -5}


def test_letters_are_not_bundled(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "-DV") == {"both": True}
    assert tool.execute(["-Ds"]) == 2
    assert "-Ds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("true", {"debug": True}), ("false", {}), ("0", {}), ("T", {"debug": True})]
)
def test_a_switch_takes_a_truth_value(capsys: pytest.CaptureFixture[str], text: str, expected: dict[str, bool]) -> None:
    assert said(capsys, f"-D={text}") == expected


def test_a_switch_with_another_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.execute(["-D=maybe"]) == 2
    assert "true or false, not 'maybe'" in capsys.readouterr().err


def test_behind_the_first_word_only_known_options_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "temp", "-5", "-s", "u") == {"words": ["temp", "-5"], "server": "u"}
    assert said(capsys, "temp", "--", "-s", "u") == {"words": ["temp", "-s", "u"]}
    assert said(capsys, "-") == {"words": ["-"]}


def test_an_unknown_option_is_named_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.execute(["-cred", "f"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("tool: ")
    assert "-cred" in err
    assert "-creds" in err
    assert "tool --help" in err


def test_a_missing_value_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.execute(["-creds"]) == 2
    assert "--creds needs a value" in capsys.readouterr().err


def test_errors_are_one_line_and_a_hint_with_their_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.execute(["-fail", "denied"]) == 1
    assert capsys.readouterr().err == "tool: no import matches\nnsc add import\n"
    assert tool.execute(["-fail", "usage"]) == 2
    assert tool.execute(["-fail", "interrupt"]) == 130
    capsys.readouterr()
    assert tool.execute(["-fail", "file"]) == 1
    assert capsys.readouterr().err == "tool: x.creds: No such file or directory\n"


def test_errors_are_json_when_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.execute(["-json", "-fail", "denied"]) == 1
    assert json.loads(capsys.readouterr().err) == {
        "error": "no import matches",
        "code": "denied",
        "hint": "nsc add import",
    }
    assert tool.execute(["--json", "-nope"]) == 2
    assert "-nope" in json.loads(capsys.readouterr().err)["error"]


@pytest.mark.parametrize("option", ["-h", "-help", "--help"])
def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert tool.execute([option]) == 0
    out = capsys.readouterr().out
    assert "tool -n 1 word" in out
    assert "say word once" in out
    assert "Say what was given." in out


@pytest.mark.parametrize("option", ["-version", "--version"])
def test_version_names_the_program(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert tool.execute([option]) == 0
    assert capsys.readouterr().out.startswith("tool (natskit) ")


@given(
    st.lists(st.one_of(st.text(), st.sampled_from(["-s", "-creds", "--json", "-D", "-n", "--", "-D=0", "-=", "--="])))
)
def test_no_arguments_lead_to_a_traceback(argv: list[str]) -> None:
    assert tool.execute([argument for argument in argv if argument not in ("-fail", "--fail")]) in (0, 2)


def test_a_closed_pipe_ends_the_program_quietly() -> None:
    script = textwrap.dedent(
        """
        from natskit.cli.program import program
        @program("chatter")
        def chatter():
            for _ in range(100_000):
                print("x" * 100)
        chatter.run([])
        """
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -1; exit ${PIPESTATUS[0]}', sys.executable, script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("program_name", ["nsc", "nk"])
def test_closed_streams_are_as_good_as_dev_null(program_name: str, tmp_path: Path) -> None:
    words = {"nsc": "generate nkey --user", "nk": "-gen user"}[program_name]
    program_path = Path(sys.executable).with_name(program_name)
    done = subprocess.run(
        ["sh", "-c", f"exec {program_path} {words} <&- >&- 2>{tmp_path}/err"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=30,
        check=False,
    )
    assert (done.returncode, (tmp_path / "err").read_text()) == (0, "")
