"""`make demo` tells its story to the end, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


def test_the_demo_shows_every_command_and_ends_with_what_was_received(tmp_path):
    done = subprocess.run(
        [sys.executable, str(DEMO)],
        env=os.environ | {"TMPDIR": str(tmp_path), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "$ nsc add import -a Billing --token activation.jwt" in lines
    assert [line for line in lines if line.startswith("[#")] == [
        "[#1] Received on [orders.eu]: 'one coat'",
        "[#1] Received on [a.b.c.d.a.b.c.d]: 'hello'",
    ]
    assert lines[-1].startswith("[#1]")
    assert list(tmp_path.iterdir()) == []
