"""Short commands stay short: what they may import, and that they import nothing of other commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from natskit.cli.nsc import tree

TOO_HEAVY = {
    *(
        "aiohttp",
        "argparse",
        "ast",
        "asyncio",
        "click",
        "csv",
        "dataclasses",
        "dis",
        "email",
        "hashlib",
        "http",
        "inspect",
    ),
    *("importlib.metadata", "importlib.util", "json", "logging", "nats", "pathlib", "questionary", "random", "shutil"),
    *("socket", "ssl", "subprocess", "tempfile", "typing_extensions", "urllib", "uvloop"),
    *("bisect", "concurrent.futures", "heapq", "ipaddress", "locale", "queue", "secrets", "selectors", "signal"),
    *("struct", "textwrap", "threading", "traceback", "zoneinfo"),
}
"""Modules that cost milliseconds and that reading and showing a store does not need."""

OF_SOME = {"natskit.graph", "natskit.jwt.authorization", "natskit.store.doctor", "natskit.store.web"}
"""Modules of ours that are for a few commands."""

SCRIPT = """
import sys
from natskit.cli.nsc import execute
status = execute(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def modules(*words: str) -> set[str]:
    """The modules that a command has imported, in an interpreter of its own."""
    run = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True)
    return set(run.stderr.split())


STORY = {
    "init": "--name T --all-dirs {work}/init",
    "add operator": "O --sys --generate-signing-key",
    "add account": "A",
    "add user": "u --allow-pub a.> --expiry 30d --tag x",
    "add export": "--name e --subject e.> --private",
    "generate activation": "-a A --subject e.> -t {key} -o {work}/activation.jwt",
    "revocations add-activation": "-a A --subject e.> -t {key}",
    "revocations list-activations": "-a A --subject e.>",
    "revocations delete-activation": "-a A --subject e.> -t {key}",
    "add import": "-a A --src-account SYS --remote-subject $SYS.ACCOUNT.*.> --local-subject x.*.> --name i",
    "add mapping": "-a A --from m --to n",
    "add users": "-a A --from {work}/users.csv",
    "add accounts": "--from {work}/accounts.csv",
    "batch": "{work}/commands",
    "edit account": "-n A --tag y",
    "edit export": "-a A --subject e.> --description d",
    "edit user": "-a A -n u --tag y",
    "edit operator": "--tag y",
    "edit signing-key": "-a A --sk generate --role r",
    "edit authcallout": "-a B --auth-user {user}",
    "revocations add-user": "-a A -n v1",
    "revocations list-users": "-a A",
    "revocations delete-user": "-a A -n v1",
    "describe account": "A",
    "describe export": "-a A --subject e.>",
    "describe import": "-a A --subject $SYS.ACCOUNT.*.>",
    "describe jwt": "-f {work}/activation.jwt",
    "describe operator": "--json",
    "describe user": "-a A u",
    "env": "",
    "expirations": "",
    "list accounts": "",
    "list exports": "-a A",
    "list imports": "-a A",
    "list keys": "--all",
    "list operators": "",
    "list users": "-a A",
    "select account": "A",
    "select operator": "O",
    "explain pub": "-a A -u u some.subject --users",
    "explain sub": "-a A -u u some.> --json",
    "explain denied pub": "-a A -u u a.subject",
    "explain denied sub": "-a A -u u some.subject",
    "validate": "-A",
    "generate config": "--mem-resolver",
    "generate context": "-a A -u u --context c",
    "generate creds": "-a A -n u",
    "generate diagram component": "",
    "generate diagram object": "",
    "generate nkey": "--user",
    "generate profile": "nsc://O/A/u",
    "completion bash": "",
    "completion fish": "",
    "completion zsh": "",
    "export keys": "--all --include-jwts --dir {work}/exported",
    "import keys": "--dir {work}/exported",
    "import account": "--file {work}/account.jwt --force --overwrite",
    "import user": "--file {work}/user.jwt --overwrite",
    "keys migrate": "",
    "migrate": "--url {work}/account.jwt --force",
    "fix": "--in {work}/exported --out {work}/fixed",
    "rename account": "B C --OK",
    "doctor": "",
    "reissue account": "A",
    "reissue user": "-a A u",
    "reissue operator": "",
    "upgrade-jwt": "",
    "delete export": "-a A --subject e.>",
    "delete import": "-a A --subject $SYS.ACCOUNT.*.>",
    "delete mapping": "-a A --from m",
    "delete user": "-a A u",
    "delete account": "A",
    "push": "-a C -u nats://127.0.0.1:1",
    "pull": "--all",
    "load": "--profile nsc://nowhere",
    "tool pub": "-a C --nats nats://127.0.0.1:1 s x",
    "tool reply": "-a C --nats nats://127.0.0.1:1 s",
    "tool req": "-a C --nats nats://127.0.0.1:1 s x",
    "tool rtt": "-a C --nats nats://127.0.0.1:1",
    "tool sub": "-a C --nats nats://127.0.0.1:1 s",
    "pub": "-a C --nats nats://127.0.0.1:1 s x",
    "reply": "-a C --nats nats://127.0.0.1:1 s",
    "req": "-a C --nats nats://127.0.0.1:1 s x",
    "rtt": "-a C --nats nats://127.0.0.1:1",
    "sub": "-a C --nats nats://127.0.0.1:1 s",
    "delete operator": "O --force",
}
"""Every command with arguments that fit what the commands before it have made."""

MORE = {
    "add accounts": {"csv"},
    "add users": {"csv"},
    "add import": {"heapq", "natskit.graph"},  # does it close a circle?
    "batch": {"signal"},  # being stopped
    "describe jwt": {"hashlib", "struct"},  # the hash of an activation
    "doctor": {"heapq", "natskit.graph", "natskit.store.doctor"},
    **{f"explain {what}": {"heapq", "natskit.graph"} for what in ("pub", "sub", "denied pub", "denied sub")},
    "generate profile": {"ipaddress", "urllib"},  # takes a URL apart
    "keys migrate": {"shutil"},
    "load": {"ipaddress", "urllib"},
    **{path: {"asyncio"} for path in ("push", "pull")},
    **{f"{group}{word}": {"asyncio"} for group in ("", "tool ") for word in ("pub", "reply", "req", "rtt", "sub")},
}
"""What some commands need beyond that. Who opens a connection waits for a server anyway: anything goes."""

FORKING = """
import os, sys
from natskit.cli.nsc import execute

def run(words):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(nowhere, stream)
        with open(write, "w") as told:
            status = execute(words)
            print(status, *sorted(sys.modules), file=told)
        sys.stderr.flush()
        os._exit(0)
    os.close(write)
    with open(read) as heard:
        said = heard.read().strip()
    os.waitpid(child, 0)
    return said

for line in sys.stdin:
    print(run(line.rstrip("\\n").split("\\t")), flush=True)
"""


class Forks:
    """Runs commands, each in a process of its own that has loaded what every command needs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: str) -> tuple[int, set[str]]:
        """The exit status and the modules that are loaded in the end."""
        assert self._process.stdin
        assert self._process.stdout
        print(*words, sep="\t", file=self._process.stdin, flush=True)
        status, *names = self._process.stdout.readline().split()
        return int(status), set(names)

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


def test_no_command_imports_what_it_does_not_need(nsc, home):
    work = Path.cwd()
    (work / "users.csv").write_text("name\nv1\n")
    (work / "accounts.csv").write_text("name\nB\n")
    (work / "commands").write_text("add user w -a A\n")
    assert set(STORY) == set(tree.LEAVES), "every command has its line in STORY"
    forks = Forks()
    names: dict[str, str] = {"work": str(work), "key": "", "user": ""}
    for path, arguments in STORY.items():
        if path == "generate activation":
            names["key"] = nsc("describe", "account", "SYS", "--json").json["sub"]
            names["user"] = nsc("describe", "user", "-a", "A", "u", "--json").json["sub"]
        if path == "import account":
            (folder,) = home.rglob("accounts/A")
            shutil.copy(folder / "A.jwt", work / "account.jwt")
            shutil.copy(folder / "users/v1.jwt", work / "user.jwt")
        status, loaded = forks.run(*path.split(), *arguments.format(**names).split())
        served = "asyncio" in MORE.get(path, ())
        assert status in (0, 3) or served or path == "load", f"nsc {path} {arguments}: exit {status}"
        if not served:
            assert loaded & (TOO_HEAVY | OF_SOME) <= MORE.get(path, set()), f"nsc {path} imports what takes long"
        own = {name for name in loaded if name.startswith("natskit.") and name.split(".")[1] in ("client", "server")}
        assert not own or served, f"nsc {path} imports {own}"
    forks.close()


def test_only_the_command_that_is_run_is_imported(current_store):
    own = {name for name in modules("list", "accounts") if name.startswith("natskit.cli.nsc.")}
    assert own == {"natskit.cli.nsc.listing", "natskit.cli.nsc.run", "natskit.cli.nsc.tree"}


def test_the_doctor_loads_what_it_looks_with_when_there_is_something_to_look_at(nsc, home):
    nsc("init", "-n", "T")
    loaded = modules("doctor")
    assert "natskit.store.doctor" in loaded
    assert not loaded & {"natskit.graph", "natskit.store.doctor.imports", "natskit.store.doctor.servers", "shlex"}


def test_help_of_a_group_imports_no_command(home):
    own = {name for name in modules("add") if name.startswith("natskit.")}
    assert not any(name.startswith(("natskit.store", "natskit.jwt")) for name in own)
    assert "msgspec" in modules("add")


def test_nothing_is_loaded_before_the_collection_of_garbage_is_put_off():
    script = (
        "import sys; before = set(sys.modules); import natskit.cli.startup; print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    own = {"natskit", "natskit.cli", "natskit.cli.startup"}
    assert set(run.stdout.split()) <= {"__future__", "gc", "os", *own}


def test_typing_extensions_can_still_be_imported_later():
    script = "import natskit.cli.nsc, typing_extensions; print(typing_extensions.TypedDict)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_who_connects_loads_websocket_when_a_url_asks_for_it():
    script = (
        "import sys; from natskit.cli.startup import import_nats; import_nats('nats://a,tls://b');"
        "assert 'aiohttp' not in sys.modules; from nats.aio import transport; import_nats('nats://a,ws://b');"
        "import aiohttp; assert transport.aiohttp is aiohttp"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
