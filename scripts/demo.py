"""The walkthrough: from an empty home to a private stream between two accounts, on this machine.

Every command is printed before its output. It runs in a temporary home with the installed commands, on free ports of
the loopback interface, and leaves nothing behind.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

COMMANDS = Path(sys.executable).parent
DEADLINE_S = 30


class Demo:
    """A home, what runs in it, and the screen."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {
            "HOME": str(home),
            "PATH": f"{COMMANDS}{os.pathsep}/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        self.running: list[subprocess.Popen[str]] = []
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str) -> None:
        """A line of the story."""
        print(f"\n\033[1m# {text}\033[0m" if self.colour else f"\n# {text}", flush=True)

    def show(self, line: str) -> list[str]:
        """Print a command line; its words."""
        print(f"$ {line.replace(str(self.home), '~')}", flush=True)
        return shlex.split(line)

    def run(self, line: str) -> str:
        """Run a command that ends; what it printed."""
        name, *words = self.show(line)
        done = subprocess.run(
            [COMMANDS / name, *words],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        print(done.stdout.replace(str(self.home), "~"), end="", flush=True)
        if done.returncode:
            raise SystemExit(f"{name} failed with status {done.returncode}")
        return done.stdout

    def start(self, line: str, ready: str) -> subprocess.Popen[str]:
        """Start a command that goes on; returns once it has printed ``ready``."""
        name, *words = self.show(line + " &")[:-1]
        process = subprocess.Popen(
            [COMMANDS / name, *words],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.append(process)
        timer = threading.Timer(DEADLINE_S, process.kill)
        timer.start()
        for row in process.stdout or ():
            print(f"  {row.replace(str(self.home), '~')}", end="", flush=True)
            if ready in row:
                break
        else:
            raise SystemExit(f"{name} ended before it was ready")
        timer.cancel()
        return process

    def stop(self) -> None:
        """End everything, last started first."""
        for process in reversed(self.running):
            process.terminate()
            process.wait(DEADLINE_S)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def story(demo: Demo) -> str:
    """The walkthrough; the line that the subscriber printed."""
    http, nats = free_port(), free_port()
    store = demo.home / ".local/share/nats/nsc/stores/Demo"
    creds = demo.home / ".local/share/nats/nsc/keys/creds/Demo"
    demo.say("An operator signs accounts, accounts sign users")
    demo.run("nsc add operator Demo")
    demo.run("nsc add account Orders")
    demo.run("nsc add user shop")
    demo.say("Orders offers a stream, but only to accounts that it activates")
    demo.run("nsc add export --name orders --subject 'orders.>' --private")
    demo.run("nsc add account Billing")
    demo.run("nsc add user invoices")
    demo.say("Orders gives Billing an activation for one subject; Billing imports it")
    demo.run("nsc generate activation -a Orders --target-account Billing --subject orders.eu -o activation.jwt")
    demo.run("nsc add import -a Billing --token activation.jwt")
    demo.run("nsc describe account Billing")
    demo.say("An account server hands out the accounts, a server enforces them")
    demo.start(f"nats-account-server -nsc {store} -hp 127.0.0.1:{http}", "resolver: URL")
    config = demo.home / "server.conf"
    config.write_text(
        f"listen: 127.0.0.1:{nats}\noperator: {store}/Demo.jwt\n"
        f"resolver: URL(http://127.0.0.1:{http}/jwt/v1/accounts/)\n"
    )
    demo.run("nats-server -t -c server.conf")
    demo.start("nats-server -c server.conf", "Server is ready")
    demo.say("Billing listens to everything; Orders publishes two orders")
    url = f"nats://127.0.0.1:{nats}"
    subscriber = demo.start(f"nats-sub -s {url} -creds {creds}/Billing/invoices.creds -count 1 '>'", "Listening on")
    demo.run(f"nats-pub -s {url} -creds {creds}/Orders/shop.creds orders.us 'two hats'")
    demo.run(f"nats-pub -s {url} -creds {creds}/Orders/shop.creds orders.eu 'one coat'")
    demo.say("What Billing received: the order on orders.eu, which it has an activation for, and nothing else")
    rest, _ = subscriber.communicate(timeout=DEADLINE_S)
    return rest.strip()


def main() -> int:
    """Run it; 0 if exactly the right message arrived."""
    with tempfile.TemporaryDirectory(prefix="natskit-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            received = story(demo)
        finally:
            demo.stop()
    print(received)
    return 0 if received == "[#1] Received on [orders.eu]: 'one coat'" else 1


if __name__ == "__main__":
    sys.exit(main())
