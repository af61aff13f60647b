"""Which settings a reload takes and which it refuses, the same on both servers.

Source: spec/server-config.md section 2 (column R). What differs on purpose is in docs/differences.md.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Program, command, free_port, wait_for

from natskit.errors import Error
from natskit.nkeys import KeyPair, Role
from natskit.server import Options
from natskit.server.operator_mode import check
from natskit.server.reload import reloadable
from support.certificates import certify
from support.realm import Realm
from support.talking import talk

Start = Callable[..., Program]

TAKEN = """
client_advertise: "a:1"
server_tags: [a]
server_metadata: {a: b}
debug: true
trace: true
trace_verbose: true
trace_headers: true
logtime: false
logtime_utc: true
max_traced_msg_len: 5
pid_file: "FOLDER/pid"
ports_file_dir: "FOLDER"
max_connections: 5
max_control_line: 1000
max_payload: 2MB
ping_interval: "5s"
ping_max: 7
write_deadline: "3s"
no_fast_producer_stall: true
authorization: {user: a, password: b}
accounts: {A: {}}
mappings: {a: b}
connect_error_reports: 5
reconnect_error_reports: 7
port: -1
"""
REFUSED = f"""
host: "0.0.0.0"
server_name: x
logfile_size_limit: 100k
logfile_max_num: 3
http: "127.0.0.1:-1"
http_base_path: /x
max_subscriptions: 7
max_subscription_tokens: 6
max_pending: 10MB
max_closed_clients: 7
write_timeout: retry
feature_flags: {{a: true}}
lame_duck_duration: "40s"
lame_duck_grace_period: "3s"
no_header_support: true
disable_sublist_cache: true
proxy_protocol: true
allow_non_tls: true
no_system_account: true
trusted_keys: [{KeyPair.from_raw_seed(Role.OPERATOR, bytes(32)).public}]
websocket: {{port: -1, no_tls: true}}
resolver: MEMORY
system_account: A; accounts: {{A: {{}}}}
"""


def configuration(port: int, setting: str, folder: Path) -> str:
    """The usual settings, one of them changed."""
    usual = {"host": "host: 127.0.0.1", "port": f"port: {port}"}
    name = setting.partition(":")[0]
    return "\n".join(
        [*(line for key, line in usual.items() if key != name), setting.replace("FOLDER", str(folder)), ""]
    )


def settings() -> Iterator[tuple[str, bool]]:
    for text, taken in ((TAKEN, True), (REFUSED, False)):
        yield from ((line, taken) for line in text.strip().splitlines())


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_reload_takes_the_same_settings(whose: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program = command("nats-server") if whose == "ours" else request.getfixturevalue("real_server")
    path, port = tmp_path / "server.conf", free_port()
    path.write_text(configuration(port, "", tmp_path))
    running = Program([program, "-c", str(path)])
    try:
        running.wait_for("Server is ready")
        found = {}
        for setting, _ in settings():
            found[setting] = takes(running, path, configuration(port, setting, tmp_path))
            assert takes(running, path, configuration(port, "", tmp_path)), f"back from {setting}"
    finally:
        running.stop()
    assert found == dict(settings())


def takes(running: Program, path: Path, text: str) -> bool:
    """Whether the server takes a new configuration."""
    good, bad = "Reloaded server configuration", "Failed to reload"
    before = running.output.count(good), running.output.count(bad)
    path.write_text(text)
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: (running.output.count(good), running.output.count(bad)) != before, "the outcome of a reload")
    return running.output.count(good) > before[0]


@pytest.mark.parametrize(("setting", "taken"), list(settings()))
def test_what_is_refused_is_named(setting: str, taken: bool, tmp_path: Path) -> None:
    usual = Options.load(text=configuration(4222, "", tmp_path))
    try:
        reloadable(usual, Options.load(text=configuration(4222, setting, tmp_path)))
    except Error as error:
        assert not taken
        assert setting.partition(":")[0] in str(error) or "moving to or from" in str(error)
    else:
        assert taken


USER = "authorization { user: a, password: a }"
USERS = "authorization { users: [{user: a, password: a}, {user: b, password: b}] }"
OTHERS = "authorization { users: [{user: b, password: b}] }"
NAMED = '{"user":"a","pass":"a","verbose":false}'
VIOLATION = "-ERR 'Authorization Violation' EOF"
CLIENTS = [  # before, after, CONNECT; what a client of before is told: by both, or by ours and by nats-server
    (USERS + "\nno_auth_user: a", OTHERS, "{}", VIOLATION, "EOF"),
    (USERS, OTHERS, NAMED, "EOF"),
    (USERS, USERS.replace("a, password: a", "a, password: x"), NAMED, VIOLATION),
    (USERS, USER, NAMED, "PONG"),
    (USER, USERS, NAMED, "PONG"),
    ("", USER, "{}", VIOLATION),
    ("", "accounts { A {} }", "{}", "PONG"),
    ("", "accounts { A { users: [{user: a, password: a}] } }", NAMED, "EOF"),
    ("accounts { A { users: [{user: a, password: a}] } }", "", NAMED, "EOF"),
    ("authorization { token: a }", "authorization { token: b }", '{"auth_token":"a","verbose":false}', VIOLATION),
    ("authorization { token: a }", "", '{"auth_token":"a","verbose":false}', "PONG"),
    (USER, USER + "\ndebug: true", NAMED, "PONG", "EOF"),
    (USER, "", NAMED, "PONG", "EOF"),
    (USERS, "", NAMED, "PONG", "EOF"),
    (USERS, "authorization { token: a }", NAMED, VIOLATION, "PONG"),
]  # fmt: skip


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_reload_does_to_clients(whose: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program = command("nats-server") if whose == "ours" else request.getfixturevalue("real_server")
    path = tmp_path / "server.conf"
    path.write_text(f"listen: 127.0.0.1:-1\n{CLIENTS[0][0]}")
    running = Program([program, "-c", str(path)])
    try:
        running.wait_for("Server is ready")
        port = int(re.findall(r"client connections on 127\.0\.0\.1:(\d+)", running.output)[0])
        for before, after, connect, *expected in CLIENTS:
            assert takes(running, path, f"listen: 127.0.0.1:-1\n{before}")
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(f"CONNECT {connect}\r\nPING\r\n".encode())
                said(client)
                assert takes(running, path, f"listen: 127.0.0.1:-1\n{after}")
                assert said(client, b"PING\r\n") == expected[-1 if whose == "real" else 0], (before, after)
    finally:
        running.stop()


def said(client: socket.socket, asked: bytes = b"") -> str:
    """What a client is told up to PONG or the end; INFO, PING and OK do not count."""
    told: list[str] = []
    try:
        client.sendall(asked)
        stream = client.makefile("rb", buffering=0)
        while not told or told[-1] not in ("PONG", "EOF"):
            told.append(stream.readline().decode().rstrip("\r\n") or "EOF")
    except ConnectionError:
        told.append("EOF")
    return " ".join(line for line in told if not line.startswith(("INFO", "PING", "+OK")))


ACCOUNT = KeyPair.from_raw_seed(Role.ACCOUNT, bytes(32)).public
CALLOUT = (
    f"users: [{{user: c, password: c}}, {{user: d, password: d}}], auth_callout: {{issuer: {ACCOUNT}, auth_users: [c]}}"
)
BLOCKS = [  # before, after; what is named if it is refused
    (f"authorization {{ {CALLOUT} }}", f"authorization {{ {CALLOUT.replace('[c]', '[d]')} }}", "auth_callout"),
    (USER, "authorization { user: a, password: a, proxy_required: true }", "proxy_required"),
    ("tls { PAIR }", "tls { PAIR, connection_rate_limit: 5 }", "connection_rate_limit"),
    ("tls { PAIR }", "tls { PAIR, verify_and_map: true, ca_file: ca.pem }", "verify_and_map"),
    ("tls { PAIR }", "tls { PAIR, verify: true, ca_file: ca.pem }", ""),
    ("tls { PAIR }", f'tls {{ PAIR, timeout: 5, min_version: "1.3", pinned_certs: ["{"a" * 64}"] }}', ""),
    ("tls { PAIR }", "tls { PAIR }\nallow_non_tls: true", "allow_non_tls"),
    ("accounts { A {}, B {} }, system_account: A", "accounts { A {}, B {} }, system_account: B", "system_account"),
]


@pytest.mark.parametrize("whose", ["ours", "real"])
@pytest.mark.parametrize(("before", "after", "named"), BLOCKS, ids=[named or "taken" for *_, named in BLOCKS])
def test_reload_takes_and_refuses_the_same_in_blocks(
    before: str, after: str, named: str, whose: str, request: pytest.FixtureRequest, tmp_path: Path, start: Start
) -> None:
    certify(tmp_path)
    pair = "cert_file: server.pem, key_file: server.key"
    path = tmp_path / "server.conf"
    path.write_text(f"listen: 127.0.0.1:-1\n{before.replace('PAIR', pair)}")
    program = command("nats-server") if whose == "ours" else request.getfixturevalue("real_server")
    running = start(program, "-c", "server.conf", cwd=tmp_path)
    running.wait_for("Server is ready")
    assert takes(running, path, f"listen: 127.0.0.1:-1\n{after.replace('PAIR', pair)}") == (not named)
    if named and whose == "ours":
        assert f"config reload not supported for {named}: " in running.output


# ---- where the two differ (docs/differences.md) ------------------------------------------------------


class Reloading:
    """A server of either kind whose file is changed."""

    def __init__(self, whose: str, request: pytest.FixtureRequest, folder: Path, config: str) -> None:
        program = command("nats-server") if whose == "ours" else request.getfixturevalue("real_server")
        self.path = folder / "server.conf"
        self.port = free_port()
        self._listen = f"listen: 127.0.0.1:{self.port}\n"
        self.path.write_text(self._listen + config)
        self.running = Program([program, "-c", str(self.path)])
        self.running.wait_for("Server is ready")

    def takes(self, config: str) -> tuple[bool, str]:
        """Whether a new configuration is taken, and what the log says of it."""
        begin = len(self.running.output)
        taken = takes(self.running, self.path, self._listen + config)
        return taken, self.running.output[begin:]


@pytest.fixture
def reloading(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str, str], Reloading]]:
    begun: list[Reloading] = []

    def begin(whose: str, config: str) -> Reloading:
        begun.append(Reloading(whose, request, tmp_path, config))
        return begun[-1]

    yield begin
    for each in begun:
        each.running.stop()


Reload = Callable[[str, str], Reloading]


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_refusal_names_what_was_changed(whose: str, reloading: Reload) -> None:
    taken, said = reloading(whose, "").takes("server_name: other\nmax_pending: 10MB\n")
    assert not taken
    named = [name for name in ("server_name", "max_pending", "ServerName", "MaxPending") if name in said]
    assert named == ["server_name", "max_pending"] if whose == "ours" else len(named) < 2


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_what_did_not_change_is_not_told_of(whose: str, reloading: Reload) -> None:
    config = "accounts { A { users: [{user: a, password: a}] } }\n"
    taken, said = reloading(whose, config).takes(config)
    assert taken
    told = {line for line in ("Reloaded: accounts", "Reloaded: authorization users") if line in said}
    assert len(told) == (0 if whose == "ours" else 2)


@pytest.mark.parametrize("whose", ["ours", "real"])
@pytest.mark.parametrize("name", ["resolver", "resolver_tls", "tls"])
def test_what_needs_a_restart_of_ours_only(whose: str, name: str, reloading: Reload, tmp_path: Path) -> None:
    realm = Realm()
    system = realm.account("SYS")
    certify(tmp_path)
    changes = {
        "resolver": ("resolver: MEMORY\n", f'resolver: {{ type: full, dir: "{tmp_path}/jwt" }}\n'),
        "resolver_tls": ("resolver: MEMORY\n", f'resolver: MEMORY\nresolver_tls {{ ca_file: "{tmp_path}/ca.pem" }}\n'),
        "tls": ("", f'tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key" }}\n'),
    }
    before, after = changes[name]
    if name != "tls":
        head = f"operator: {realm.token}\nsystem_account: {system.id}\n"
        head += f"resolver_preload {{ {system.id}: {system.token()} }}\n"
        before, after = head + before, head + after
    taken, said = reloading(whose, before).takes(after)
    assert taken == (whose == "real")
    assert whose == "real" or f"not supported for {name}" in said or f"moving to or from {name}" in said


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_certificates_pinned_for_websocket(whose: str, reloading: Reload, tmp_path: Path) -> None:
    certify(tmp_path)

    def config(pin: str) -> str:
        tls = f'cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key", ca_file: "{tmp_path}/ca.pem"'
        return f'websocket {{ listen: "127.0.0.1:-1", tls {{ {tls}, verify: true, pinned_certs: ["{pin * 64}"] }} }}\n'

    server = reloading(whose, config("a"))
    assert server.takes(config("a"))[0]
    assert server.takes(config("b"))[0] == (whose == "ours")


@pytest.mark.parametrize("whose", ["ours", "real"])
def test_reload_by_request_of_the_system_account(whose: str, reloading: Reload) -> None:
    config = "accounts { $SYS { users: [{user: s, password: s}] }, A { users: [{user: a, password: %s}] } }\n"
    server = reloading(whose, config % "a")
    server.path.write_text(server.path.read_text().replace("password: a", "password: b"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        stream = client.makefile("rwb")
        server_id = json.loads(stream.readline()[5:])["server_id"]
        stream.write(b'CONNECT {"user":"s","pass":"s","verbose":false}\r\nSUB in 1\r\n')
        stream.write(f"PUB $SYS.REQ.SERVER.{server_id}.RELOAD in 0\r\n\r\n".encode())
        stream.flush()
        line = stream.readline()
        while not line.startswith(b"MSG in 1 "):
            line = stream.readline()
        assert json.loads(stream.readline()).keys() == {"server"}
        stream.close()
    assert b"PONG" in talk(f"nats://127.0.0.1:{server.port}", b'CONNECT {"user":"a","pass":"b"}\r\nPING\r\n')


AT_START = [  # the real server checks these when it starts, and not with -t
    "max_pending: 1000",
    "no_auth_user: x",
    "system_account: X",
    "websocket { port: -1 }",
    'lame_duck_duration: "1m"; lame_duck_grace_period: "2m"',
    f"operator: {Realm().token}; resolver: MEMORY; accounts {{ A {{}} }}",
]


def test_what_only_starting_finds_is_found_before(real_server: str, tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    for text in AT_START:
        path.write_text(f"listen: 127.0.0.1:-1; {text}")
        for more, accepted in (["-t"], True), ([], False):
            words = [real_server, *more, "-c", str(path)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
            assert (done.returncode == 0) == accepted, (words, text, done.stderr)
        with pytest.raises(Error):
            check(Options.load(path), "2.15.1")  # as -t does
