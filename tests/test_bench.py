"""The benchmarks run: a short one of each kind."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bench(*words):
    """The lines that a benchmark prints."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("scenario", ["1to1-16", "import-128", "tls-128", "ws-128", "rr1", "connect-jwt", "start"])
def test_a_scenario_of_the_server_is_measured_on_both(scenario, real_server, monkeypatch):
    monkeypatch.setenv("NATSKIT_REAL_SERVER", real_server)
    rows = bench("bench.server", "--runs", "1", "--seconds", "0.05", scenario)
    assert rows
    for row in rows:
        assert row.startswith(scenario)
        assert " x " in row or " - " in row, row  # no ratio to what the machine was too busy for


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bench.core", "--count", "1000", "--runs", "1"), "HPUB with a reply"),
        (("bench.bulk", "3"), "push --all --verify"),
        (("bench.stores", "3"), "nsc doctor"),
        (("bench.startup", "1"), "nats-pub"),
    ],
    ids=["core", "bulk", "stores", "startup"],
)
def test_figures_of_commands_and_of_the_core_are_printed(words, told, real_server, monkeypatch):
    monkeypatch.setenv("NATSKIT_REAL_SERVER", real_server)
    assert any(row.startswith(told) for row in bench(*words))
