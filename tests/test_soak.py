"""The soak runs: a few seconds of it find nothing, and what has grown is found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.soak.clients import KINDS
from bench.soak.verdict import growths

ROOT = Path(__file__).parents[1]
CALM = {
    **dict.fromkeys(("descriptors", "tasks", "members", "accounts", "subscriptions", "timers"), 3),
    **{"connections": 0, "threads": 2, "objects": 40_000, "rss_mb": 80.0, "faults": 0, "fault": ""},
}


def test_a_few_seconds_of_everything_leave_nothing_behind():
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--minutes", "0.05"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    result = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    assert result, done.stderr
    # Too short for a verdict on memory, which settles later.
    assert [leak for leak in result["leaks"] if not leak.startswith(("rss_mb", "objects"))] == [], done.stderr
    assert {*KINDS, "requests"} <= set(result["came"])
    assert result["came"]["members"] > 5
    assert result["after"]["slow_consumers"] > 0
    assert result["after"]["connections"] == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"descriptors": 4}, "descriptors: 3 -> 4"),
        ({"tasks": 9}, "tasks: 3 -> 9"),
        ({"timers": 40}, "timers: 3 -> 40"),
        ({"connections": 1}, "connections that nobody holds: 1"),
        ({"threads": 200}, "threads: 2 -> 200"),
        ({"rss_mb": 120.0}, "rss_mb: 80.0 -> 120.0"),
        ({"objects": 60_000}, "objects: 40000 -> 60000"),
        ({"faults": 1, "fault": "KeyError"}, "1 internal errors, the first: KeyError"),
    ],
)
def test_what_has_grown_is_found(change, told):
    assert growths(CALM, [CALM] * 3) == []
    (leak,) = growths(CALM, [CALM, CALM | change])
    assert leak.startswith(told)
