"""Many at once: a batch of commands, tables of users and accounts, and a large store pushed to a server.

``python -m bench.bulk [COUNT]``; 10,000 of each by default. ``$BENCH_FOLDER`` is where the store goes: what it costs to
have so many files on disk for certain differs much between disks, CPU time less.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from bench.process import Server, cost
from natskit import jwt
from natskit.nkeys import KeyPair, Role

NSC = str(Path(sys.executable).parent / "nsc")
REAL_SERVER = os.environ.get("NATSKIT_REAL_SERVER", ".tools/nats-server/bin/nats-server")


class Store:
    """A home with an operator, in which commands are measured."""

    def __init__(self, home: str) -> None:
        self.home = Path(home)
        self.env = {"HOME": home, "PATH": os.defpath}

    def write(self, name: str, lines: list[str]) -> str:
        """A file with these lines; its path."""
        path = self.home / name
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def run(self, *words: str) -> tuple[float, float]:
        """Run nsc; CPU and wall seconds."""
        return cost([NSC, *words], self.env)

    def show(self, what: str, count: int, *words: str) -> None:
        """Run nsc and print what it took, for each of ``count`` things too."""
        cpu, wall = self.run(*words)
        print(f"{what:34} CPU {cpu:6.2f} s   wall {wall:6.2f} s   each {cpu / count * 1e3:6.3f} ms CPU", flush=True)


def measure_batches(store: Store, count: int) -> None:
    """Commands of a batch: those that sign, and those that only look."""
    add = store.write("add", [f"add user b{number:05} -a B --allow-pub 'orders.>'" for number in range(count)])
    edit = store.write("edit", [f"edit user b{number:05} -a B --tag t" for number in range(count)])
    look = store.write("look", [f"describe user b{number:05} -a B --json" for number in range(count)])
    store.show("batch: add user", count, "batch", add, "--quiet")
    store.show("batch: edit user", count, "batch", edit, "--quiet")
    store.show("batch: describe user", count, "batch", look, "--quiet")
    print(f"{'':34} (a key and a signed token alone: {measure_token(min(count, 2000)):.3f} ms CPU)")


def measure_token(count: int) -> float:
    """What making a user's key and signing its token takes in this process, in milliseconds of CPU."""
    account = KeyPair.create(Role.ACCOUNT)
    start = time.process_time()
    for _ in range(count):
        jwt.encode(jwt.new_user(KeyPair.create(Role.USER).public, "bench"), account, issued_at=1)
    return (time.process_time() - start) / count * 1e3


def measure_tables(store: Store, count: int) -> None:
    """Users with creds, and accounts, from CSV."""
    head = "name,account,allow-pub,tags,expiry"
    users = store.write("users.csv", [head, *(f'u{number:05},A,"a.>,b.>",x:y,30d' for number in range(count))])
    accounts = store.write("accounts.csv", ["name", *(f"acc{number:05}" for number in range(count))])
    store.show("add users --from", count, "add", "users", "--from", users, "--creds-dir", "out")
    store.show("add accounts --from", count, "add", "accounts", "--from", accounts)


def measure_large_store(store: Store, count: int) -> None:
    """Commands that read all accounts and users."""
    store.show("list accounts", count, "list", "accounts")
    store.show("list users", count, "list", "users", "-a", "A")
    store.show("validate --all-accounts", 3 * count, "validate", "-A")


def measure_push(store: Store, count: int) -> None:
    """All accounts to the real server, over one connection."""
    if not os.access(REAL_SERVER, os.X_OK):
        print("push: no Go nats-server, run `make tools`")
        return
    store.run("generate", "config", "--nats-resolver", "--config-file", "resolver.conf")
    config = (store.home / "resolver.conf").read_text().replace("./jwt", str(store.home / "jwt"))
    with Server(os.path.abspath(REAL_SERVER), config, store.home) as server:
        server.dial().close()
        url = f"nats://127.0.0.1:{server.port}"
        store.show("push --all", count, "push", "--all", "-u", url)
        store.show("push --all --verify", count, "push", "--all", "--verify", "--timeout", "10", "-u", url)


def main(count: int = 10_000) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as home:
        store = Store(home)
        store.run("add", "operator", "O", "--sys")
        store.run("add", "account", "B")
        store.run("add", "account", "A")
        measure_batches(store, count)
        measure_tables(store, count)
        measure_large_store(store, count)
        measure_push(store, count)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
