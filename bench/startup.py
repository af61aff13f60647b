"""Cold start of commands: CPU and wall time beside a bare interpreter, medians of interleaved runs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 15
COMMANDS = Path(sys.executable).parent


def measure(argv: list[str], env: dict[str, str]) -> tuple[float, float]:
    """CPU and wall time of one run, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu * 1e3, wall * 1e3


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": os.defpath}
        nsc = str(COMMANDS / "nsc")
        subprocess.run([nsc, "init", "--name", "bench"], env=env, stdout=subprocess.DEVNULL, check=True)
        cases = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "nsc env": [nsc, "env"],
            "nsc describe account": [nsc, "describe", "account"],
            "nsc list users": [nsc, "list", "users"],
            "nsc edit account": [nsc, "edit", "account", "--description", "@"],
            "nsc add user": [nsc, "add", "user", "*"],
            "nsc add export": [nsc, "add", "export", "--subject", "s@.>"],
            "nsc generate creds": [nsc, "generate", "creds", "-n", "bench"],
            "nsc validate": [nsc, "validate"],
            "nsc add user --help": [nsc, "add", "user", "--help"],
            "nsc --version": [nsc, "--version"],
            "nats-pub --version": [str(COMMANDS / "nats-pub"), "--version"],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for number in range(RUNS):
            for name, argv in cases.items():
                times[name].append(measure([word.replace("@", str(number)) for word in argv], env))
    bare = statistics.median(cpu for cpu, _ in times["python -c pass"])
    for name, each in times.items():
        cpu, wall = (statistics.median(column) for column in zip(*each, strict=True))
        print(f"{name:22} CPU {cpu:6.1f} ms ({cpu / bare:4.1f} x bare)   wall {wall:6.1f} ms")


if __name__ == "__main__":
    main()
