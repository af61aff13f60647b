"""What holds for every command: one JSON document, errors as JSON, flags that win over what is current.

`WORKS` says how to run each command in the `town`: a new command needs a line there.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from natskit import errors
from natskit.cli.exits import DONE, MISUSED, REFUSED, UNCHANGED
from natskit.cli.nsc import execute, tree
from natskit.nkeys import KeyPair, Role
from natskit.server import Server

WORKS: dict[str, str] = {
    "add account": "Z",
    "add accounts": "--from accounts.csv",
    "add export": "-s z.>",
    "add import": "--src-account C --remote-subject c.>",
    "add mapping": "-f f -t t",
    "add operator": "Q",
    "add user": "z",
    "add users": "--from users.csv",
    "completion bash": "",
    "completion fish": "",
    "completion zsh": "",
    "delete account": "C -D -C",
    "delete export": "-s a.>",
    "delete import": "-s c.one",
    "delete mapping": "-f x",
    "delete operator": "R --force",
    "delete user": "w",
    "describe account": "",
    "describe export": "a.>",
    "describe import": "c.one",
    "describe jwt": "w.jwt",
    "describe operator": "",
    "describe user": "u",
    "doctor": "",
    "edit account": "--conns 3",
    "edit authcallout": "--auth-user {user} --allowed-account *",
    "edit export": "-s a.> --description d",
    "edit operator": "--tag t",
    "edit signing-key": "--role reader --deny-pub >",
    "edit user": "u --tag t",
    "env": "",
    "expirations": "",
    "explain denied pub": "-u u subject",
    "explain denied sub": "-u u subject",
    "explain pub": "-u u subject",
    "explain sub": "-u u subject",
    "export keys": "--dir out --users",
    "fix": "--in heap --out fixed",
    "generate activation": "-s p.> -t C",
    "generate config": "--mem-resolver",
    "generate context": "-u u --context c",
    "generate creds": "u",
    "generate diagram component": "",
    "generate diagram object": "",
    "generate nkey": "--user",
    "generate profile": "nsc://O/A/u?names",
    "import account": "--file B.jwt --force",
    "import keys": "--dir heap",
    "import user": "--file w.jwt --overwrite",
    "init": "--name first --dir first",
    "keys migrate": "",
    "list accounts": "",
    "list exports": "",
    "list imports": "",
    "list keys": "--users",
    "list operators": "",
    "list users": "",
    "load": "--profile nsc://acme?secret={seed}",
    "migrate": "--url B.jwt",
    "pull": "",
    "push": "",
    "reissue account": "",
    "reissue operator": "",
    "reissue user": "u",
    "rename account": "C D --OK",
    "revocations add-activation": "-s p.> -t C --at 2000000000",
    "revocations add-user": "-n u --at 2000000000",
    "revocations delete-activation": "-s p.> -t {key}",
    "revocations delete-user": "-n w",
    "revocations list-activations": "-s p.>",
    "revocations list-users": "",
    "select account": "C",
    "select operator": "P",
    "tool pub": "subject hello -u u",
    "tool req": "$SYS.REQ.USER.INFO -u u",
    "tool rtt": "-u u",
    "upgrade-jwt": "",
    "validate": "",
}

ENDLESS = {"batch", "tool reply", "tool sub"}
"""They print a document for each command or message, a line each: test_batch, test_tool."""

TWINS = {"pub", "reply", "req", "rtt", "sub"}
"""Other names of the tools."""

NO_CONTEXT = {
    *("add operator", "completion bash", "completion fish", "completion zsh", "delete operator", "describe jwt", "env"),
    *("fix", "generate nkey", "generate profile", "import keys", "init", "keys migrate", "list operators", "load"),
    *("select account", "select operator"),
}
"""They work on no operator, on the one that an argument names, or are there to change what is current."""

NARROWED = {"doctor", "export keys", "list keys"}
"""They look at all accounts unless ``--account`` names one."""

ACTIVATED = KeyPair.create(Role.ACCOUNT).public


class Town:
    """A home with operators O (accounts A, C, SYS), P (B) and R, whose account server and NATS server run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.accounts: dict[str, bytes] = {}
        self.pushed: dict[str, bytes] = {}
        self.url = ""
        self.seed = ""

    def environ(self, root: Path) -> dict[str, str]:
        return {"HOME": str(root / "home"), "NSC_ACME_OPERATOR": f"{self.url}/operator", "TZ": "UTC"}

    def run(self, line: str, **values: str) -> Any:
        out = io.StringIO()
        words = [word.format(**values) for word in line.split()]
        with contextlib.redirect_stdout(out):
            assert execute([*words, "--json"]) == DONE, line
        return json.loads(out.getvalue())

    def settle(self) -> None:
        self.run("add operator R")
        self.run("add operator P")
        self.run("add account B")
        self.run("add user v")
        self.run("add operator O --sys")
        self.run(f"edit operator --account-jwt-server-url {self.url}")
        self.run("add account C")
        self.run("add export -s c.>")
        self.run("add account A")
        for line in (
            *("add user u", "add user w", "add export -s a.>", "add export -s p.> --private", "add export -rs help"),
            *("add import --src-account C --remote-subject c.one", "add mapping -f x -t y"),
            *("edit signing-key --sk generate --role reader", "revocations add-user -n w --at 1700000000"),
            f"revocations add-activation -s p.> -t {ACTIVATED} --at 1700000000",
            "push",
        ):
            self.run(line)
        keys = self.run("list keys --accounts --show-seeds")
        self.seed = next(key["seed"] for key in keys if key["name"] == "A" and not key["signing"])
        data = self.root / "home/.local/share/nats/nsc"
        Path("accounts.csv").write_text("name\nX\nY\n")
        Path("users.csv").write_text("name,allow-pub\nx,a\ny,b\n")
        shutil.copy(data / "stores/P/accounts/B/B.jwt", "B.jwt")
        shutil.copy(data / "stores/O/accounts/A/users/w.jwt", "w.jwt")
        self.run("export keys --dir heap --all --include-jwts")
        self.accounts["operator"] = (data / "stores/O/O.jwt").read_bytes()
        self.pushed = dict(self.accounts)

    def copy(self, to: Path) -> None:
        """Give a test a town of its own."""
        for name in ("home", "work"):
            for there in (to / name).iterdir():
                shutil.rmtree(there) if there.is_dir() else there.unlink()
            shutil.copytree(self.root / name, to / name, dirs_exist_ok=True)
        self.accounts |= self.pushed
        config = to / "home/.config/nats/nsc/nsc.json"
        config.write_text(config.read_text().replace(str(self.root), str(to)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"))
    for name in ("home", "work"):
        (town.root / name).mkdir()

    class AccountServer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(town.accounts.get(self.path.rsplit("/", 1)[1], b""))

        def do_POST(self) -> None:
            town.accounts[self.path.rsplit("/", 1)[1]] = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b"")

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AccountServer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    town.url = f"http://127.0.0.1:{server.server_port}/jwt/v1"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in town.environ(town.root).items():
            patch.setenv(name, value)
        patch.chdir(town.root / "work")
        town.settle()
        config = town.run("generate config --mem-resolver")["config"]
        with Server.in_thread(f"port: -1\n{config}") as nats:
            town.run(f"edit operator --service-url {nats.client_url}")
            yield town
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def town(built: Town, home: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A copy of the town to break, which is the current home."""
    built.copy(home.parent)
    for name, value in built.environ(home.parent).items():
        monkeypatch.setenv(name, value)
    return built


def words_of(path: str, town: Town) -> list[str]:
    values = {"user": KeyPair.create(Role.USER).public, "key": ACTIVATED, "seed": town.seed}
    return [*path.split(" "), *(word.format(**values) for word in WORKS[path].split())]


def test_every_command_is_tried_here():
    assert set(WORKS) | ENDLESS | TWINS == set(tree.LEAVES)


@pytest.mark.parametrize("path", WORKS)
def test_a_result_is_one_document_on_stdout(path, town, nsc, home):
    for json_flag in ("--json", "-J", "--json=true"):
        result = nsc(*words_of(path, town), json_flag, exit=(DONE, UNCHANGED))
        assert isinstance(json.loads(result.out), (dict, list))
        assert result.err == ""
        town.copy(home.parent)


@pytest.mark.parametrize("path", WORKS)
def test_warnings_and_errors_are_never_among_the_results(path, town, nsc):
    done = nsc(*words_of(path, town), exit=(DONE, UNCHANGED))
    assert not re.search("^ *(Warning|Error): ", done.out, re.MULTILINE)
    assert "{" not in done.err


DOCUMENTATION = Path(__file__).parents[3] / "docs/json.md"
EVERYWHERE = {"report", "written", "removed", "changed"}
OF_THE_GO_TOOL = ("describe", "list operators", "list accounts", "list users", "list keys", "expirations")


def documented() -> dict[str, set[str]]:
    """The members that the documentation promises, by command."""
    table = DOCUMENTATION.read_text().split("| command | members |")[1].split("\n\n")[0]
    members: dict[str, set[str]] = {}
    for line in table.splitlines()[2:]:
        commands, words = line.strip("| ").split(" | ")
        for name in re.findall("`([^`]*)`", commands):
            members[name] = set(re.findall("`([^`]*)`", words))
    return members


@pytest.mark.parametrize("path", [path for path in WORKS if not path.startswith((*OF_THE_GO_TOOL, "generate profile"))])
def test_documents_have_the_members_that_are_promised(path, town, nsc):
    promised = documented()[path]
    given = set(nsc(*words_of(path, town), "--json", exit=(DONE, UNCHANGED)).json)
    assert given - EVERYWHERE <= promised
    assert given & promised or path in ("edit operator", "add operator")


def test_every_code_of_errors_is_documented():
    def kinds(kind: type[errors.Error]) -> Iterator[type[errors.Error]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    text = DOCUMENTATION.read_text().split("## Results")[0]
    assert {kind.code for kind in kinds(errors.Error) if kind.__module__ == errors.__name__} <= set(
        re.findall("`([a-z_]+)`", text)
    )


def is_error(text: str, code: str) -> bool:
    document = json.loads(text)
    return (
        document["code"] == code
        and isinstance(document["error"], str)
        and set(document) <= {"error", "code", "hint", "issues", "problems", "report", "written", "removed"}
    )


@pytest.mark.parametrize("path", tree.LEAVES)
def test_an_error_is_one_document_on_stderr(path, town, nsc, monkeypatch):
    for json_flag in ("--json", "-J", "--json=true"):
        result = nsc(*path.split(" "), "--no-such-flag", json_flag, exit=MISUSED)
        assert result.out == ""
        assert is_error(result.err, "usage")
    monkeypatch.setenv("NSC_OPERATOR", "Nobody")
    words = words_of(path, town) if path in WORKS else [*path.split(" "), "subject"]
    result = nsc(*words, "--json", exit=REFUSED)
    assert result.out == ""
    assert is_error(result.err, "not_found")


def comparable(text: str, town: Town, home: Path) -> Any:
    """A document without what differs from run to run: keys, tokens, times, places."""
    text = text.replace(str(home.parent), "...").replace(str(town.root), "...")
    text = re.sub(r"/keys/(.)/\w\w/", r"/keys/\1/", text)
    text = re.sub(r"\b(S?[OAUXN])[A-Z2-7]{55,57}\b", r"\1...", text)
    text = re.sub(r"eyJ[\w.-]+", "eyJ...", text)
    text = re.sub(r'"jwt": "[\w+/=]+"', '"jwt": "..."', text)
    text = re.sub(r'"jti": "\w+"|"(iat|at|exp)": \d+', "...", text)
    text = re.sub(r'"JTI is [^,]*"|"hash": "[^"]*"|"rtt[^"]*": [\d.]+', "...", text)
    text = re.sub(r'"\w*seconds": \d+|seq\\":\d+|\.\d+Z', "...", text)
    return re.sub(r"\d+(\.\d+)? ?(µs|ms)|footer.*?T ?:[^\\]*|\d\d:\d\d:\d\d", "...", text)


@pytest.mark.parametrize("how", ["flags", "variables"])
@pytest.mark.parametrize("path", [path for path in WORKS if path not in NO_CONTEXT])
def test_flags_and_variables_win_over_what_is_current(how, path, town, nsc, home, monkeypatch):
    words = words_of(path, town)
    expected = nsc(*words, "--json", exit=(DONE, UNCHANGED))
    town.copy(home.parent)
    nsc("env", "-o", "P", "-a", "B")
    others = {each: each.read_bytes() for each in (home / ".local/share/nats/nsc/stores/P").rglob("*.jwt")}
    if how == "flags":
        words += ["--operator=O", *([] if path in NARROWED else ["--account=A"])]
    else:
        monkeypatch.setenv("NSC_OPERATOR", "O")
        monkeypatch.setenv("NSC_ACCOUNT", "A")
    result = nsc(*words, "--json", exit=(DONE, UNCHANGED))
    assert comparable(result.out, town, home) == comparable(expected.out, town, home)
    assert {each: each.read_bytes() for each in others} == others
