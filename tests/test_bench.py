"""The benchmarks run: a short one of each kind."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("scenario", ["1to1-16", "import-128", "tls-128", "ws-128", "rr1", "connect-jwt", "start"])
def test_a_scenario_of_the_server_is_measured_on_both(scenario, real_server, monkeypatch):
    monkeypatch.setenv("NATSKIT_REAL_SERVER", real_server)
    done = subprocess.run(
        [sys.executable, "-m", "bench.server", "--runs", "1", "--seconds", "0.05", scenario],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows
    for row in rows:
        assert row.startswith(scenario)
        assert " x " in row or " - " in row, row  # no ratio to what the machine was too busy for
