"""Cold start of commands of every kind: CPU and wall time beside a bare interpreter, medians of interleaved runs.

``python -m bench.startup [RUNS]``. What connects does so to a server of ours on this machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.process import Server, cost

RUNS = 15
COMMANDS = Path(sys.executable).parent
BARE = "python -c pass"
DONE, UNCHANGED = 0, 3

LOCAL = (
    "--version",
    "help",
    "add user --help",
    "env",
    "describe operator",
    "describe account",
    "describe user bench",
    "list accounts",
    "list users",
    "list keys",
    "expirations",
    "validate",
    "doctor",
    "explain pub -u bench some.subject",
    "add user u@",
    "add export --subject s@.>",
    "add import --src-account SYS --remote-subject $SYS.ACCOUNT.*.m@.> --local-subject x.*.m@.> --name m@",
    "add mapping --from m@ --to n",
    "edit operator --tag t@",
    "edit account --description @",
    "edit user -n bench --tag t@",
    "edit export --subject s@.> --description @",
    "edit signing-key --sk generate",
    "reissue user bench",
    "revocations add-user -n u@",
    "revocations list-users",
    "delete export --subject s@.>",
    "delete user u@",
    "generate nkey --user",
    "generate creds -n bench",
    "generate config --mem-resolver",
    "generate activation --subject private.> -t SYS",
    "export keys --all --dir keys@",
    "import keys --dir keys@",
    "batch batch",
    "add account a@",
    "delete account a@",
    "select account bench",
)
"""Command lines of nsc; ``@`` is another number each time."""

CONNECTING = (
    "push --all",
    "pull --all",
    "tool pub -u bench some.subject x",
    "tool rtt -u bench",
)


def measure(argv: list[str], env: dict[str, str]) -> tuple[float, float]:
    """CPU and wall time of one run, in milliseconds."""
    cpu, wall = cost(argv, env, (DONE, UNCHANGED))
    return cpu * 1e3, wall * 1e3


def prepare(env: dict[str, str]) -> str:
    """Make a store; the configuration of a server that takes its accounts."""
    nsc = str(COMMANDS / "nsc")
    for words in ("init --name bench", "add export --private --subject private.>", "env"):
        measure([nsc, *words.split()], env)
    home = Path(env["HOME"])
    (home / "batch").write_text("describe account\n")
    measure([nsc, "generate", "config", "--nats-resolver", "--config-file", "resolver.conf"], env)
    return (home / "resolver.conf").read_text().replace("./jwt", str(home / "jwt"))


def use(url: str, env: dict[str, str]) -> None:
    """Let the store know the server, and the server the store."""
    for words in (
        f"edit operator --account-jwt-server-url {url} --service-url {url}",
        "push --all",
        "generate creds -n bench -o bench.creds",
    ):
        measure([str(COMMANDS / "nsc"), *words.split()], env)


def cases(url: str) -> dict[str, list[str]]:
    """What is measured, by name."""
    nsc = str(COMMANDS / "nsc")
    return {
        BARE: [sys.executable, "-c", "pass"],
        **{" ".join(["nsc", *named(each)]): [nsc, *each.split()] for each in LOCAL + CONNECTING},
        "nats-pub --version": [str(COMMANDS / "nats-pub"), "--version"],
        "nats-pub": [str(COMMANDS / "nats-pub"), "-s", url, "--creds", "bench.creds", "some.subject", "x"],
    }


def named(line: str) -> list[str]:
    """The words of a command line up to its first flag or placeholder; all of those that have nothing else."""
    words = line.split()
    flag = next((number for number, word in enumerate(words) if word.startswith("-") or "@" in word), len(words))
    return words if flag == 0 or words[-1] == "--help" else words[: min(flag, 2)]


def main(runs: int = RUNS) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": os.defpath}
        with Server(str(COMMANDS / "nats-server"), prepare(env), Path(home)) as server:
            server.dial().close()
            url = f"nats://127.0.0.1:{server.port}"
            use(url, env)
            measured = cases(url)
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
            for number in range(runs + 1):
                for name, argv in measured.items():
                    took = measure([word.replace("@", str(number)) for word in argv], env)
                    times[name] += [took] if number else []  # the first writes what is compiled, and logs in at first
    bare = statistics.median(cpu for cpu, _ in times[BARE])
    for name, each in times.items():
        cpu, wall = (statistics.median(column) for column in zip(*each, strict=True))
        print(f"{name:28} CPU {cpu:6.1f} ms ({cpu / bare:4.1f} x bare)   wall {wall:6.1f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
