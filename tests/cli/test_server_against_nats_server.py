"""``nats-server`` as a command beside the Go program: what its flags do, what it says, its files.

Source: spec/server-config.md sections 4, 7 and 8. What differs on purpose is in docs/differences.md.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.conftest import Program, command, wait_for

Start = Callable[..., Program]
HERE = ("-a", "127.0.0.1", "-p", "-1")
PREFIX = re.compile(r"^\[\d+\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} )?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers run: there are certificates."""
    found = tmp_path_factory.mktemp("server")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(found / "ca.pem"))
    issued.private_key_pem.write_to_path(str(found / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(found / "cert.pem"))
    return found


@pytest.fixture(params=["ours", "theirs"])
def run(request: pytest.FixtureRequest, start: Start, folder: Path) -> Start:
    """Starts one of the two servers; ready when it says so."""
    path = command("nats-server") if request.param == "ours" else request.getfixturevalue("real_server")

    def begin(*flags: str, config: str = "") -> Program:
        if config:
            (folder / "server.conf").write_text(config)
            flags = (*flags, "-c", "server.conf")
        program = start(path, *flags, cwd=folder)
        program.wait_for("Server is ready")
        return program

    return begin


def lines(program: Program) -> list[str]:
    """What it logged, without what stands before the label and what varies."""
    told = (PREFIX.sub("", line) for line in program.errors)
    return [re.sub(r":\d{4,5}\b", ":PORT", line) for line in told]


def port_of(program: Program) -> int:
    found = re.search(r"client connections on \S+:(\d+)", program.output)
    assert found is not None
    return int(found[1])


def said(program: Program, connect: str = "{}") -> list[str]:
    """What a client is told that publishes a message."""
    with socket.create_connection(("127.0.0.1", port_of(program)), timeout=10) as client:
        client.sendall(f"CONNECT {connect}\r\nPUB a 5\r\nhello\r\nPING\r\n".encode())
        data = b""
        while not data.endswith((b"PONG\r\n", b"'\r\n")) and (piece := client.recv(65536)):
            data += piece
    return data.decode().splitlines()


def info(program: Program, address: str = "127.0.0.1") -> dict[str, Any]:
    with socket.create_connection((address, port_of(program)), timeout=10) as client:
        document: dict[str, Any] = json.loads(client.makefile().readline().removeprefix("INFO "))
    return document


def varz(program: Program) -> dict[str, Any]:
    found = re.search(r"http monitor on (\S+)", program.output)
    assert found is not None
    with urllib.request.urlopen(f"http://{found[1]}/varz", timeout=10) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def test_flags_win_over_the_file(run: Start) -> None:
    config = 'server_name: file, listen: "0.0.0.0:1", http: "127.0.0.1:1", max_payload: 1000, debug: true, trace: true'
    flags = ("--name=flag", "--client_advertise", "a.example:99", "-m", "-1", "-D=false", "--trace=false")
    program = run("--net", "127.0.0.1", "--port=-1", *flags, config=config)
    told, seen = info(program), varz(program)
    assert (told["server_name"], told["host"], told["port"], told["max_payload"]) == ("flag", "a.example", 99, 1000)
    assert (seen["host"], seen["port"], seen["http_host"]) == ("a.example", 99, "127.0.0.1")
    assert not [line for line in lines(program) if line.startswith(("[DBG]", "[TRC]"))]


@pytest.mark.parametrize(
    ("flags", "good", "bad"),
    [
        (("--user", "u", "--pass", "p"), '{"user":"u","pass":"p"}', '{"user":"u","pass":"q"}'),
        (("-auth=t",), '{"auth_token":"t"}', '{"auth_token":"u"}'),
    ],
)
def test_logins_by_flag(run: Start, flags: tuple[str, ...], good: str, bad: str) -> None:
    program = run(*HERE, *flags)
    assert said(program, good)[-1] == "PONG"
    assert said(program, bad)[-1] == "-ERR 'Authorization Violation'"


@pytest.mark.parametrize("flags", [("--user", "u", "--pass", "p"), ("--auth", "t")])
def test_login_by_flag_beside_users_is_refused_by_ours_and_passed_over_by_theirs(
    flags: tuple[str, ...], real_server: str, start: Start, folder: Path
) -> None:
    (folder / "users.conf").write_text("authorization { users: [{user: a, password: a}] }")
    ours, theirs = (
        start(each, *HERE, *flags, "-c", "users.conf", cwd=folder) for each in (command("nats-server"), real_server)
    )
    assert ours.wait() == 1
    assert len([line for line in ours.errors if "and a users array" in line]) == 1
    theirs.wait_for("Server is ready")
    assert said(theirs, '{"user":"a","pass":"a"}')[-1] == "PONG"


def test_flags_win_after_a_reload_too(run: Start, folder: Path) -> None:
    program = run(*HERE, "-D=false", config="port: 1, debug: false")
    reload(program, folder, "port: 2, max_payload: 5", "Reloaded server configuration")
    assert info(program)["max_payload"] == 5


def test_name_by_flag_stays_with_a_reload_that_theirs_refuses(
    run: Start, request: pytest.FixtureRequest, folder: Path
) -> None:
    program = run(*HERE, "-n", "flag", config="debug: false")
    outcome = "Reloaded server conf" if "ours" in request.node.name else "not supported for ServerName: old=flag, new="
    reload(program, folder, "max_payload: 5", outcome)
    reload(program, folder, "server_name: other", outcome)
    assert info(program)["server_name"] == "flag"


def reload(program: Program, folder: Path, config: str, outcome: str) -> None:
    before = len(program.errors)
    (folder / "server.conf").write_text(config)
    program.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any(outcome in line for line in program.errors[before:]), outcome)


@pytest.mark.parametrize(
    ("flags", "kinds", "payload"),
    [
        (("-D",), {"DBG"}, None),
        (("-V",), {"TRC"}, '"hello"'),
        (("--trace", "--debug=false", "--max_traced_msg_len", "3"), {"TRC"}, '"hel..."'),
        (("-DV",), {"DBG", "TRC"}, '"hello"'),
        (("-DV=false",), set(), None),
    ],
)
def test_what_is_logged_by_flag(run: Start, flags: tuple[str, ...], kinds: set[str], payload: str | None) -> None:
    program = run(*HERE, *flags)
    said(program)
    program.stop()
    assert {line[1:4] for line in lines(program)} & {"DBG", "TRC"} == kinds
    shown = [line.partition(": ")[2] for line in lines(program) if "MSG_PAYLOAD" in line]
    assert shown == ([f"[{payload}]"] if payload else [])


@pytest.mark.parametrize(("flag", "wanted"), [("-V", False), ("-VV", True), ("-DVV", True)])
def test_what_the_server_itself_says_is_logged_if_wanted(run: Start, flag: str, wanted: bool) -> None:
    config = "accounts { A { users: [{user: a, password: a}] }, $SYS { users: [{user: s, password: s}] } }"
    program = run(*HERE, flag, "--max_traced_msg_len", "8", config=config)
    with socket.create_connection(("127.0.0.1", port_of(program)), timeout=10) as listening:
        listening.sendall(b'CONNECT {"user":"s","pass":"s","verbose":false}\r\nSUB $SYS.ACCOUNT.A.CONNECT 1\r\n')
        program.wait_for("[SUB $SYS.ACCOUNT.A.CONNECT 1]")
        assert said(program, '{"user":"a","pass":"a"}')[-1] == "PONG"
        if wanted:
            program.wait_for("SYSTEM - <<- [PUB $SYS.ACCOUNT.A.CONNECT  ")
            program.wait_for(r'SYSTEM - <<- MSG_PAYLOAD: ["{\"type\":..."]')
        else:
            program.wait_for("->> [MSG $SYS.ACCOUNT.A.CONNECT 1 ")
    program.stop()
    assert any("SYSTEM - " in line for line in program.errors) == wanted


ANYBODY = ""
USERS = "authorization { users: [{user: a, password: b}], timeout: 5 }"
TOKEN = "authorization { token: t }"
GUEST = "accounts { A { users: [{user: a, password: b}] } }, no_auth_user: a"
LABELS = [  # configuration, what a client says of itself, what its lines in the log are marked with
    (ANYBODY, {}, ""),
    (ANYBODY, {"name": "n"}, ' - "n"'),
    (ANYBODY, {"lang": "go", "version": "1.2"}, ' - "v1.2:go"'),
    (ANYBODY, {"name": 'a "b\\', "lang": "l", "version": "v"}, r' - "vv:l:a \"b\\"'),
    (USERS, {"user": "a", "pass": "b", "name": "N"}, ' - "N" - "$G/user:a"'),
    (TOKEN, {"auth_token": "t"}, ' - "$G/token"'),
    (GUEST, {"user": "a", "pass": "b"}, ' - "A/user:a"'),
    (GUEST, {}, ' - "A/user:a"'),
]


def test_clients_are_marked_in_the_log_by_what_they_said(real_server: str, start: Start, folder: Path) -> None:
    for path in (command("nats-server"), real_server):
        for config in dict.fromkeys(config for config, *_ in LABELS):
            (folder / "labels.conf").write_text(f"debug: true\n{config}")
            program = start(path, *HERE, "-c", "labels.conf", cwd=folder)
            program.wait_for("Server is ready")
            expected = [(says, label) for each, says, label in LABELS if each == config]
            for number, (says, label) in enumerate(expected, 1):
                assert said(program, json.dumps(says))[-1] == "PONG"
                wait_for(lambda: ended(program)[number - 1 :], "the end of the client")  # noqa: B023 - at once
                assert ended(program)[-1] == label, (path, config, says)


def ended(program: Program) -> list[str]:
    return re.findall(r"cid:\d+(.*) - Client connection closed: Client Closed", program.output)


def test_time_in_lines_by_flag(run: Start) -> None:
    assert re.match(r"\[\d+\] \[INF\] Starting", run(*HERE, "-T=false").errors[0])
    assert re.match(r"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[INF\] ", run(*HERE, "--logtime_utc").errors[0])


PAIR = ("--tlscert", "cert.pem", "--tlskey", "key.pem")
BLOCK = "tls { cert_file: cert.pem, key_file: key.pem, ca_file: ca.pem, verify: true }"


@pytest.mark.parametrize(
    ("flags", "config", "expected"),
    [
        (("--tls", *PAIR), "", {"tls_required": True}),
        (PAIR, "", {"tls_required": True}),
        (("--tlsverify", *PAIR, "--tlscacert", "ca.pem"), "", {"tls_required": True, "tls_verify": True}),
        (("--tls", *PAIR), BLOCK, {"tls_required": True}),
        (("--tls=false",), BLOCK, {}),
    ],
)
def test_tls_by_flag(run: Start, flags: tuple[str, ...], config: str, expected: dict[str, bool]) -> None:
    program = run(*HERE, *flags, config=config)
    assert {key: value for key, value in info(program).items() if key.startswith("tls_")} == expected
    assert ("[INF] TLS required for client connections" in lines(program)) == bool(expected)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0"), ("::", "[::]")])
def test_any_address_means_ipv4_and_ipv6(run: Start, host: str, shown: str) -> None:
    program = run("-a", host, "-p", "-1")
    assert f"[INF] Listening for client connections on {shown}:PORT" in lines(program)
    for address in ("127.0.0.1", "::1"):
        assert info(program, address)["client_ip"] == address


def test_monitoring_over_tls_by_flag(run: Start) -> None:
    assert "[INF] Starting https monitor on 127.0.0.1:PORT" in lines(run(*HERE, *PAIR, "-ms", "-1"))


STARTS = [
    'server_name: n, listen: "127.0.0.1:-1", http: "127.0.0.1:-1", proxy_protocol: true, max_payload: 9MB\n'
    'websocket { listen: "127.0.0.1:-1", no_tls: true }, authorization { user: a, password: b }',
    'listen: "127.0.0.1:-1", https: "127.0.0.1:-1", tls { cert_file: cert.pem, key_file: key.pem }\n'
    'websocket { listen: "127.0.0.1:-1", tls { cert_file: cert.pem, key_file: key.pem } }',
    'listen: "127.0.0.1:-1", allow_non_tls: true, tls { cert_file: cert.pem, key_file: key.pem }',
    'listen: "127.0.0.1:-1", authorization { user: a, password: "$2a$04$' + "a" * 53 + '" }',
    'listen: "127.0.0.1:-1", authorization { token: t }',
    'listen: "127.0.0.1:-1", accounts { A { users: [{user: a, password: b}] } }',
]
OWN_WORDS = re.compile(
    r"(  Version:  |  Name:     N|  ID:       N|Using configuration file: |Maximum payloads over 8).*"
)


def test_the_start_is_told_in_the_same_order(real_server: str, start: Start, folder: Path) -> None:
    for number, config in enumerate(STARTS):
        path = folder / f"start{number}.conf"
        path.write_text(config)
        told = []
        for program in (start(each, "-c", str(path), cwd=folder) for each in (command("nats-server"), real_server)):
            program.wait_for("Server is ready")
            program.process.send_signal(signal.SIGTERM)
            assert program.wait() == 0
            told.append([OWN_WORDS.sub(r"\1", line) for line in lines(program) if "  Git:" not in line])
        assert told[0] == told[1], config


FILES = [
    'listen: "127.0.0.1:-1", http: "127.0.0.1:-1", websocket { listen: "127.0.0.1:-1", no_tls: true }',
    STARTS[1],
    'listen: "[::1]:-1"',
    'listen: "127.0.0.1:-1", client_advertise: "a.example:7"',
]


def test_ports_file_of_any_address(run: Start, folder: Path, request: pytest.FixtureRequest) -> None:
    where = folder / request.node.name
    where.mkdir()
    program = run("-a", "0.0.0.0", "-p", "-1", "--ports_file_dir", str(where))
    file = where / f"nats-server_{program.process.pid}.ports"
    urls = json.loads(wait_for(lambda: file.exists() and file.read_text(), "the ports file"))["nats"]
    assert urls[0] == f"nats://127.0.0.1:{port_of(program)}"
    assert ("theirs" in request.node.name) == (f"nats://[::1]:{port_of(program)}" in urls)  # see docs/differences.md


def test_ports_files_are_the_same(real_server: str, start: Start, folder: Path) -> None:
    for number, config in enumerate(FILES):
        found = []
        for name, path in (("ours", command("nats-server")), ("theirs", real_server)):
            where = folder / f"{name}{number}"
            where.mkdir()
            (folder / f"{name}.conf").write_text(config)
            program = start(path, "-c", f"{name}.conf", "--ports_file_dir", str(where), cwd=folder)
            file = where / f"nats-server_{program.process.pid}.ports"
            text = wait_for(lambda each=file: each.exists() and each.read_text(), "the ports file")
            program.stop()
            assert not file.exists()
            listed = {
                what: sorted(re.sub(r":\d+$", "", url) for url in urls) for what, urls in json.loads(text).items()
            }
            found.append((listed, list(json.loads(text))))
        assert found[0] == found[1], config
