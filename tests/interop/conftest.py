"""Running scripts with the official JavaScript libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NODE_FOLDER = Path(__file__).parents[2] / ".tools" / "node"


@pytest.fixture(scope="session")
def javascript(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a script with Node.js; its arguments and its answer (the last line it prints) are JSON."""
    node = shutil.which("node")
    if node is None or not (NODE_FOLDER / "node_modules").is_dir():
        request.getfixturevalue("missing")("no Node.js with the official libraries: run `make tools`")

    def run(script: str, *arguments: Any) -> Any:
        path = NODE_FOLDER / f"test-{os.getpid()}-{threading.get_ident()}.mjs"
        path.write_text("const args = process.argv.slice(2).map((each) => JSON.parse(each));\n" + script)
        try:
            done = subprocess.run(
                [node, str(path), *map(json.dumps, arguments)],
                cwd=NODE_FOLDER,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            path.unlink()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
