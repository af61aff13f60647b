"""Telling running servers what to do: ``nats-server --signal NAME[=PID]``.

Source: spec/server-config.md section 6.
"""

from __future__ import annotations

import os
import signal

from natskit.errors import UsageError

__all__ = ["SIGNALS", "send"]

SIGNALS = {
    "stop": signal.SIGKILL,
    "quit": signal.SIGINT,
    "term": signal.SIGTERM,
    "reopen": signal.SIGUSR1,
    "ldm": signal.SIGUSR2,
    "reload": signal.SIGHUP,
}
MOST_OF_A_PID_FILE = 32


def send(order: str) -> None:
    """``NAME``, ``NAME=PID``, ``NAME=FILE`` with a pid in it, or ``NAME=PREFIX*`` for all servers whose pid begins so.

    Raises UsageError if there is no such signal or process.
    """
    name, _, target = order.partition("=")
    if name not in SIGNALS:
        raise UsageError(f'unknown signal "{name}": use {", ".join(SIGNALS)}')
    for pid in _targets(target):
        try:
            os.kill(pid, SIGNALS[name])
        except OSError as error:
            raise UsageError(f'signal "{name}" {pid}: {(error.strerror or "").lower()}') from None


def _targets(target: str) -> list[int]:
    if target.endswith("*"):
        found = [pid for pid in _servers() if str(pid).startswith(target[:-1])]
    elif target:
        return [_pid(target)]
    else:
        found = _servers()
        if len(found) > 1:
            pids = "\n".join(map(str, found))
            raise UsageError(f"multiple nats-server processes running:\n{pids}", hint="name one: --signal reload=PID")
    if not found:
        raise UsageError("no nats-server processes running")
    return found


def _pid(target: str) -> int:
    text = target
    if os.path.isfile(target):
        with open(target, encoding="ascii", errors="replace") as stream:
            text = stream.read(MOST_OF_A_PID_FILE).strip()
    # A pid of 0 or less would mean whole groups of processes.
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0):
        raise UsageError(f"invalid pid: {text}")
    return int(text)


def _servers() -> list[int]:
    """The other nats-servers that run here."""
    import subprocess

    try:
        found = subprocess.run(
            ["pgrep", "-x", "nats-server"],  # noqa: S607 - wherever it is
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("unable to resolve pid: there is no pgrep here", hint="name it: --signal reload=PID") from None
    return [int(pid) for pid in found.stdout.split() if int(pid) != os.getpid()]
