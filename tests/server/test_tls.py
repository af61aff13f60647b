"""TLS: users by certificate, on both servers."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
import trustme
from tests.conftest import Engine

DEADLINE_S = 5.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, a server, and clients that are called by e-mail, by host name, and in vain."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, identity in (
        ("server", "127.0.0.1"),
        ("mail", "derek@example.com"),
        ("host", "app.example.com"),
        ("stranger", "nobody.example.com"),
    ):
        issued = ca.issue_cert(identity)
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    return folder


def settings(folder, more=""):
    return f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", ca_file: "{folder}/ca.pem", {more} }}'


def log_in(port, folder, name, **fields):
    """What the server says after CONNECT and PING with a certificate."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as plain:
        info = b""
        while not info.endswith(b"\r\n"):
            info += plain.recv(1)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            connect = {"verbose": False, "pedantic": False, "protocol": 1, **fields}
            secured.sendall(f"CONNECT {json.dumps(connect)}\r\nPUB secret 0\r\n\r\nPING\r\n".encode())
            said = b""
            while b"PONG\r\n" not in said and (data := secured.recv(4096)):
                said += data
    return said.partition(b"PONG\r\n")[0] or said[:6]


CASES = {
    "by e-mail": ("mail", {}, b"PONG\r\n"),
    "by host name, which has permissions": ("host", {}, b"-ERR 'Permissions Violation for Publish to \"secret\"'\r\n"),
    "whatever user it names": ("mail", {"user": "app.example.com"}, b"PONG\r\n"),
    "but with the password of its user": ("mail", {"pass": "wrong"}, b"-ERR 'Authorization Violation'\r\n"),
    "unless it is unknown": ("stranger", {}, b"-ERR 'Authorization Violation'\r\n"),
}


@pytest.mark.parametrize(("name", "fields", "expected"), CASES.values(), ids=list(CASES))
def test_certificate_stands_for_a_user(engine: Engine, certificates, name, fields, expected):
    server = engine.start(
        settings(certificates, "verify_and_map: true")
        + """
        authorization { users: [
          { user: "derek@example.com" }
          { user: "app.example.com", permissions: { publish: "open" } }
        ] }"""
    )
    assert log_in(server.port, certificates, name, **fields) == expected
