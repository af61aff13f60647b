"""INFO, key by key, against the real server. Source: spec/server-protocol.md section 3."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.differential.duel import DEADLINE_S

from natskit.nkeys import KeyPair, Role
from support.certificates import certify
from support.realm import Realm
from support.websocket import RawWebSocket, frame

USER, PROXY = (KeyPair.from_raw_seed(role, bytes(32)).public for role in (Role.USER, Role.SERVER))
NOT_OURS = {"git_commit", "api_lvl"}
"""What only the real server tells."""

FORMS = {
    "server_id": r"N[A-Z2-7]{55}",
    "server_name": r"N[A-Z2-7]{55}|kitchen",
    "version": r"\d+\.\d+\.\d+(\+\S+)?",
    "go": r"(go|python)\d\S+",
    "port": r"[1-9]\d*",
    "client_id": r"[1-9]\d*",
    "nonce": r"[A-Za-z0-9_-]{15}",
    "xkey": r"X[A-Z2-7]{55}",
}
"""What is not the same on two servers, but looks the same."""


def lines_of(port: int, said: bytes, count: int) -> list[bytes]:
    """The INFO lines that come, as they are."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
        sock.sendall(said)
        seen = b""
        while len(found := re.findall(rb"^INFO .*\n", seen, re.MULTILINE)) < count:
            piece = sock.recv(1 << 16)
            assert piece, seen
            seen += piece
    return found


def shape(line: bytes) -> list[tuple[str, Any]]:
    """Keys in their order, with their values or what these look like."""
    told = re.fullmatch(rb"INFO (\{.*\}) \r\n", line)
    assert told, line
    fields = json.loads(told[1])
    for name, form in FORMS.items():
        if name in fields:
            assert re.fullmatch(form, str(fields[name])), (name, fields[name])
    return [(name, FORMS.get(name, value)) for name, value in fields.items() if name not in NOT_OURS]


SYSTEM = "accounts { $SYS { users: [{user: s, password: s}] }, A { users: [{user: a, password: a}], limits { max_payload: 9 } } }"
CONFIGS = {
    "nothing": "",
    "name": "server_name: kitchen",
    "advertised": 'client_advertise: "example.com:4223"',
    "advertised, host only": 'client_advertise: "example.com"',
    "no headers": "no_header_support: true",
    "user": "authorization { user: u, password: p }",
    "token": "authorization { token: t }",
    "anonymous": SYSTEM + "\nno_auth_user: a",
    "nkey": f"authorization {{ users: [{{nkey: {USER}}}] }}",
    "proxy": f"proxies {{ trusted: [{{key: {PROXY}}}] }}",
    "behind a proxy": "proxy_protocol: true",
    "payload": "max_payload: 100",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_client_is_told_at_once(name, arena):
    real, ours = (lines_of(server.port, b"", 1)[0] for server in arena.pair(CONFIGS[name]))
    assert shape(ours) == shape(real)


def test_operator_mode_asks_for_a_signature(arena):
    real, ours = (lines_of(server.port, b"", 1)[0] for server in arena.pair(Realm().config("")))
    assert "nonce" in dict(shape(real))
    assert shape(ours) == shape(real)


@pytest.mark.parametrize(
    ("config", "login"),
    [
        ("", "{}"),
        (SYSTEM, '{"user":"s","pass":"s"}'),
        (SYSTEM, '{"user":"a","pass":"a"}'),
        (SYSTEM + "\nmax_payload: 5", '{"user":"a","pass":"a"}'),
        (CONFIGS["proxy"], "{}"),
        (CONFIGS["advertised"], "{}"),
        (CONFIGS["anonymous"], "{}"),
    ],
)
def test_what_a_client_is_told_after_its_first_pong(config, login, arena):
    said = f'CONNECT {login[:-1]}{"," * (login != "{}")}"protocol":1}}\r\nPING\r\n'.encode()
    real, ours = (lines_of(server.port, said, 2)[1] for server in arena.pair(config))
    assert shape(ours) == shape(real)


@pytest.mark.parametrize("name", ["nothing", "user", "anonymous"])
def test_monitoring_says_whether_there_are_logins(name, arena):
    told = []
    for server in arena.pair(f'http: "127.0.0.1:-1"\n{CONFIGS[name]}'):
        with urllib.request.urlopen(f"{server.monitor}/varz", timeout=DEADLINE_S) as answer:
            told.append(json.load(answer).get("auth_required"))
    assert told[0] == told[1]


def test_ids_of_clients_are_counted_from_5(arena):
    for server in arena.pair("max_payload: 4321"):
        ids = [json.loads(lines_of(server.port, b"", 1)[0][5:])["client_id"] for _ in range(3)]
        assert ids == [5, 6, 7]


def test_what_only_the_real_server_tells(arena):
    """Listed in docs/differences.md."""
    real, ours = (json.loads(lines_of(server.port, b"", 1)[0][5:]) for server in arena.pair(""))
    assert real.keys() - ours.keys() == NOT_OURS


def test_name_is_the_id_if_there_is_no_other(arena):
    for server in arena.pair(""):
        told = json.loads(lines_of(server.port, b"", 1)[0][5:])
        assert told["server_name"] == told["server_id"]


TLS = {
    "required": ("", ""),
    "with certificates": ("verify: true", ""),
    "possible": ("", "allow_non_tls: true"),
    "possible, with certificates": ("verify: true", "allow_non_tls: true"),
    "fallback": ('handshake_first: "1ms"', ""),
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certify(folder)
    return folder


@pytest.mark.parametrize("name", TLS)
def test_what_a_client_is_told_of_tls(name, certificates, arena):
    more, top = TLS[name]
    files = ", ".join(f'{key}_file: "{certificates}/{file}"' for key, file in (("cert", "server.pem"), ("key", "server.key"), ("ca", "ca.pem")))  # fmt: skip
    real, ours = (lines_of(server.port, b"", 1)[0] for server in arena.pair(f"{top}\ntls {{ {files}\n{more} }}"))
    assert shape(ours) == shape(real)


WEB = 'websocket { listen: "127.0.0.1:-1", no_tls: true, %s }'
WEBS = {
    "nobody logs in": WEB % "",
    "login": "authorization { user: u, password: p }\n" + WEB % "",
    "anonymous": CONFIGS["anonymous"] + "\n" + WEB % "",
    "anonymous there only": SYSTEM + "\n" + WEB % "no_auth_user: a",
    "login there only": WEB % "authorization { user: u, password: p }",
    "behind a proxy, which is not for it": "proxy_protocol: true\n" + WEB % "",
}


@pytest.mark.parametrize("name", WEBS)
def test_what_a_websocket_client_is_told(name, arena):
    """At once, and after its first PONG."""
    said = b'CONNECT {"user":"u","pass":"p","protocol":1}' if "login" in name else b'CONNECT {"protocol":1}'
    told = []
    for server in arena.pair(WEBS[name]):
        client = RawWebSocket.open(server.websocket_port)
        client.send(frame(said + b"\r\nPING\r\n"))
        client.until(lambda client=client: client.said.count(b"INFO ") == 2)
        client.close()
        told.append([shape(line) for line in re.findall(rb"^INFO .*\n", client.said, re.MULTILINE)])
    assert told[1] == told[0]
