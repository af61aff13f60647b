"""TLS: users by certificate, and what is told of handshakes, on both servers; what cannot be had is refused."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl

import nats
import pytest
import trustme
from tests.conftest import Engine, wait_for

from natskit.errors import Error
from natskit.server import Server
from natskit.server.tls import public_key_info
from support.certificates import save, trusting

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
        save(folder, name, issued)
    return folder


def settings(folder, more=""):
    return f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", ca_file: "{folder}/ca.pem", {more} }}'


def log_in(port, folder, name, **fields):
    """What the server says after CONNECT and PING with a certificate."""
    context = trusting(folder, name)
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


def test_failed_handshake_says_why_in_the_log(engine: Engine, certificates, tmp_path):
    server = engine.start(settings(certificates, f'verify: true, pinned_certs: ["{"0" * 64}"]'))
    other = trustme.CA().issue_cert("mail.example.com")
    save(tmp_path, "other", other)
    (tmp_path / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes())
    with contextlib.suppress(OSError):
        assert not log_in(server.port, tmp_path, "other")
    server.program.wait_for("TLS handshake error: ")
    with contextlib.suppress(OSError):
        log_in(server.port, certificates, "mail")
    server.program.wait_for("TLS handshake error: certificate not pinned")


async def test_certificate_that_is_not_pinned_any_more_ends_its_connections(certificates):
    def config(pin):
        return f'listen: "127.0.0.1:-1"\n{settings(certificates, f"""verify: true, pinned_certs: ["{pin}"]""")}'

    der = ssl.PEM_cert_to_DER_cert((certificates / "mail.pem").read_text())
    pin = hashlib.sha256(public_key_info(der)).hexdigest()
    context = trusting(certificates, "mail")
    async with Server(config(pin)) as server:
        closed = asyncio.Event()

        async def on_close():
            closed.set()

        client = await nats.connect(
            f"tls://127.0.0.1:{server.port}", tls=context, allow_reconnect=False, closed_cb=on_close
        )
        await server.reload(config(pin))
        await client.flush()
        await server.reload(config("0" * 64))
        await asyncio.wait_for(closed.wait(), DEADLINE_S)
        assert server.closed[-1].reason == "TLS Handshake Failure"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ('cipher_suites: ["TLS_FOO"]', "TLS_FOO"),
        ('curve_preferences: ["CurveFoo"]', "CurveFoo"),
        ('curve_preferences: ["X25519MLKEM768"]', "X25519MLKEM768"),
    ],
)
async def test_what_cannot_be_chosen_is_refused_by_name(certificates, setting, named):
    with pytest.raises(Error, match=named):
        await Server(f'listen: "127.0.0.1:-1"\n{settings(certificates, setting)}').start()


def test_ports_file_tells_how_to_connect(engine: Engine, certificates, tmp_path):
    server = engine.start(f'{settings(certificates)}\nhttp: "127.0.0.1:-1"\nports_file_dir: "{tmp_path}"')
    found = wait_for(lambda: list(tmp_path.glob("*.ports")), "the ports file")
    ports = wait_for(lambda: found[0].read_text(), "what it says")
    assert f'"nats":["tls://127.0.0.1:{server.port}"]' in ports
    assert '"monitoring":["http://127.0.0.1:' in ports


async def test_of_several_certificates_the_one_for_the_name_is_shown(tmp_path):
    ca = trustme.CA()
    pairs = []
    for number, names in enumerate((("first.example.com",), ("second.example.com",), ("*.wild.example.com",))):
        issued = ca.issue_cert(*names)
        save(tmp_path, str(number), issued)
        pairs.append(f'{{ cert_file: "{tmp_path}/{number}.pem", key_file: "{tmp_path}/{number}.key" }}')
    context = ssl.create_default_context()
    ca.configure_trust(context)

    async def shown(server, name, check=True):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        context.check_hostname = check
        await writer.start_tls(context, server_hostname=name)
        names = [value for _, value in writer.get_extra_info("peercert")["subjectAltName"]]
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return names

    async with Server(f'listen: "127.0.0.1:-1"\ntls {{ certs: [{", ".join(pairs)}] }}') as server:
        assert await shown(server, "first.example.com") == ["first.example.com"]
        assert await shown(server, "second.example.com") == ["second.example.com"]
        assert await shown(server, "a.wild.example.com") == ["*.wild.example.com"]
        assert await shown(server, "other.example.com", check=False) == ["first.example.com"]


@pytest.mark.parametrize("first", [False, True])
def test_only_so_many_handshakes_begin_in_a_second(engine: Engine, certificates, first):
    more = "handshake_first: true" if first else ""
    server = engine.start(settings(certificates, f"connection_rate_limit: 2, {more}"))
    said = b""
    for _ in range(20):  # two servers agree on the limit, not on where a second begins
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as plain:
            plain.settimeout(0.05)
            with contextlib.suppress(OSError):
                while data := plain.recv(4096):
                    said = data if b"-ERR" in data else said
        if said:
            break
    assert b"-ERR 'Connection throttling is active. Please try again later.'\r\n" in said


def test_clients_in_clear_text_are_no_handshakes(engine: Engine, certificates):
    server = engine.start(settings(certificates, "connection_rate_limit: 1") + "\nallow_non_tls: true")
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S))
            plain.sendall(b"CONNECT {}\r\nPING\r\n")
            said = b""
            while b"PONG\r\n" not in said and b"-ERR" not in said and (data := plain.recv(4096)):
                said += data
            assert b"PONG\r\n" in said
