"""The walkthrough: from an empty home to a private stream between two accounts, on this machine.

Every command is printed before its output. It runs in a temporary home with the installed commands, on free ports of
the loopback interface, and leaves nothing behind.
"""

from __future__ import annotations

import json
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
        try:
            for row in process.stdout or ():
                print(f"  {row.replace(str(self.home), '~')}", end="", flush=True)
                if ready in row:
                    return process
        finally:
            timer.cancel()
        raise SystemExit(f"{name} ended before it was ready")

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


def serve(demo: Demo, operator: Path) -> str:
    """Start an account server over an operator's folder and a server that asks it; the server's URL."""
    http, nats = free_port(), free_port()
    demo.start(f"nats-account-server -nsc {operator} -hp 127.0.0.1:{http}", "resolver: URL")
    (demo.home / "server.conf").write_text(
        f"listen: 127.0.0.1:{nats}\noperator: {operator / operator.name}.jwt\n"
        f"resolver: URL(http://127.0.0.1:{http}/jwt/v1/accounts/)\n"
    )
    demo.run("nats-server -t -c server.conf")
    demo.start("nats-server -c server.conf", "Server is ready")
    return f"nats://127.0.0.1:{nats}"


def rest_of(subscriber: subprocess.Popen[str]) -> str:
    """What a subscriber that ends after one message has printed of it."""
    return subscriber.communicate(timeout=DEADLINE_S)[0].strip()


def today(demo: Demo) -> str:
    """The walkthrough with the tools of today; the line that the subscriber printed."""
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
    url = serve(demo, demo.home / ".local/share/nats/nsc/stores/Demo")
    demo.say("Billing listens to everything; Orders publishes two orders")
    creds = demo.home / ".local/share/nats/nsc/keys/creds/Demo"
    subscriber = demo.start(f"nats-sub -s {url} -creds {creds}/Billing/invoices.creds -count 1 '>'", "Listening on")
    demo.run(f"nats-pub -s {url} -creds {creds}/Orders/shop.creds orders.us 'two hats'")
    demo.run(f"nats-pub -s {url} -creds {creds}/Orders/shop.creds orders.eu 'one coat'")
    return rest_of(subscriber)


def of_2019(demo: Demo) -> str:
    """The page "Streams" of the documentation of 2019, private part; the line that the subscriber printed."""
    demo.env["NSC_PROFILE"] = "2019"
    demo.say('The same as the documentation page "Streams" of 2019 has it (NSC_PROFILE=2019)')
    demo.run("nsc add operator --name Test")
    demo.run("nsc add account --name TestAccount")
    demo.run("nsc add user --name TestUser")
    demo.run("nsc add export --name pabc --subject 'a.b.c.>' --private")
    demo.run("nsc describe account")
    demo.run("nsc add account --name AccountB")
    demo.run("nsc add user --name userb")
    importer = json.loads(demo.run("nsc describe account --field sub"))
    demo.run("nsc env --account TestAccount")
    demo.run(f"nsc generate activation -o activation.jwt --target-account {importer} --subject a.b.c.d")
    demo.run("nsc describe jwt -f activation.jwt")
    demo.run("nsc env --account AccountB")
    demo.run("nsc add import --token activation.jwt")
    demo.run("nsc describe account")
    demo.say("Version 1 tokens, served and enforced the same way")
    url = serve(demo, demo.home / ".nsc/nats/Test")
    demo.say("AccountB listens to everything; TestAccount publishes twice")
    keys = demo.home / ".nkeys/Test/accounts"
    subscriber = demo.start(f"nats-sub -s {url} -creds {keys}/AccountB/users/userb.creds -count 1 '>'", "Listening on")
    for subject in ("a.b.c.a", "a.b.c.d"):
        demo.run(f"nats-pub -s {url} -creds {keys}/TestAccount/users/TestUser.creds {subject} hello")
    return rest_of(subscriber)


ACTS = (
    (
        today,
        "What Billing received: the order on orders.eu, which it has an activation for, and nothing else",
        "[#1] Received on [orders.eu]: 'one coat'",
    ),
    (
        of_2019,
        "What AccountB received: only a.b.c.d, below its own subject, as imports of 2019 are delivered",
        "[#1] Received on [a.b.c.d.a.b.c.d]: 'hello'",
    ),
)


def main() -> int:
    """Run both; 0 if exactly the right messages arrived."""
    good = True
    for act, meaning, expected in ACTS:
        with tempfile.TemporaryDirectory(prefix="natskit-demo-") as folder:
            demo = Demo(Path(folder))
            try:
                received = act(demo)
            finally:
                demo.stop()
            demo.say(meaning)
            print(received, flush=True)
            good = good and received == expected
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
