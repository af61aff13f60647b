"""Run fuzz targets for a bounded time: ``python -m fuzz [--seconds N] [--seed N] [--plain] [TARGET ...]``.

The core is compiled with the address sanitizer into ``build/fuzz`` and loaded from there, unless ``--plain`` or the
compiler has none. Without a TARGET the tests of the core run with it, too. A failure prints the seed that repeats it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "fuzz"
SANITIZE = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"


NOT_FUZZ = "not against_model and not fuzz_target"


def sanitizer() -> str | None:
    """The runtime library of the address sanitizer, if the compiler has one."""
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    path = found.stdout.strip()
    return path if found.returncode == 0 and os.path.isabs(path) else None


def build() -> None:
    """Compile the core with sanitizers and put the package beside it."""
    env = os.environ | {"NATSKIT_CFLAGS": SANITIZE, "NATSKIT_LDFLAGS": "-fsanitize=address,undefined"}
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build",
        "--build-lib",
        "build/fuzz/lib",
        "--build-temp",
        "build/fuzz/tmp",
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr[-2000:]}\nthe core cannot be built with sanitizers; without them: --plain")


def rerun_sanitized(library: str, wants_tests: bool) -> int:
    """Run this program again with the sanitized core; then tests of the core, if wanted."""
    print("building the core with sanitizers", flush=True)
    build()
    env = os.environ | {
        "LD_PRELOAD": library,
        "PYTHONPATH": os.pathsep.join([str(BUILT / "lib"), str(ROOT)]),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    fuzzed = subprocess.run([sys.executable, "-m", "fuzz", "--plain", *sys.argv[1:]], cwd=ROOT, env=env, check=False)
    return fuzzed.returncode or (run_tests(env) if wants_tests else 0)


def run_tests(env: Mapping[str, str]) -> int:
    """The tests of the wire layer with the sanitized core, but for those that make up long scripts."""
    print("tests of the core with sanitizers", flush=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-s",
        "-p",
        "no:cacheprovider",
        "-k",
        NOT_FUZZ,
        "tests/wire",
    ]
    return subprocess.run(command, cwd=ROOT, env=dict(env), check=False).returncode


def run(name: str, seconds: float, seed: int) -> bool:
    """Run one target; whether it held."""
    one = importlib.import_module(f"fuzz.{name}").one
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        try:
            one(random.Random(seed + count))
        except Exception:
            traceback.print_exc()
            print(f"{name}: failed; repeat with --seed {seed + count} {name}", flush=True)
            return False
        count += 1
    print(f"{name}: {count} inputs in {seconds:g} s, all held", flush=True)
    return True


def main() -> int:
    targets = sorted(module.name for module in pkgutil.iter_modules([str(ROOT / "fuzz")]) if module.name != "__main__")
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="per target (20)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--plain", action="store_true", help="use the core as installed, without sanitizers")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets))
    options = parser.parse_args()
    library = None if options.plain else sanitizer()
    if library:
        return rerun_sanitized(library, not options.targets)
    seed = random.SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    good = [run(name, options.seconds, seed) for name in options.targets or targets]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
