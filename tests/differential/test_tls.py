"""Ways into TLS, against the real server. Source: spec/server-protocol.md section 16."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.differential.duel import DEADLINE_S

from support.certificates import save, trusting

TALK = b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n'
REFUSED = ["refused"]
Way = Callable[[socket.socket, Path], list[str]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server and of a client, one authority's; of a stranger, another's."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("server", "client"):
        save(folder, name, authority.issue_cert("127.0.0.1"))
    save(folder, "stranger", trustme.CA().issue_cert("127.0.0.1"))
    return folder


def pin_of(path: Path) -> str:
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def verbs(said: bytes) -> list[str]:
    """What was said, in short."""
    found = []
    for line in said.split(b"\r\n")[:-1]:
        if line.startswith(b"INFO "):
            told = json.loads(line[5:])
            line = b"INFO again" if "connect_info" in told else b"INFO"
        found.append(line.decode())
    return found


def read(sock: socket.socket, done: bytes = b"\0") -> bytes:
    """What comes, up to ``done``; all of it if that does not come."""
    seen = b""
    with contextlib.suppress(OSError):
        while done not in seen and (piece := sock.recv(4096)):
            seen += piece
    return seen


def in_clear_text(sock: socket.socket, folder: Path) -> list[str]:
    said = read(sock, b"\n")
    sock.sendall(TALK)
    return verbs(said + read(sock, b"connect_info"))[:2]


def in_silence(sock: socket.socket, folder: Path) -> list[str]:
    return verbs(read(sock))


def at_once(sock: socket.socket, folder: Path) -> list[str]:
    """TLS before INFO."""
    return shaken(sock, trusting(folder), b"")


def after_info(sock: socket.socket, folder: Path) -> list[str]:
    return shaken(sock, trusting(folder), read(sock, b"\n"))


def with_a_certificate(sock: socket.socket, folder: Path) -> list[str]:
    return shaken(sock, trusting(folder, "client"), read(sock, b"\n"))


def with_a_foreign_certificate(sock: socket.socket, folder: Path) -> list[str]:
    return shaken(sock, trusting(folder, "stranger"), read(sock, b"\n"))


def with_tls_1_2(sock: socket.socket, folder: Path) -> list[str]:
    context = trusting(folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return shaken(sock, context, read(sock, b"\n"))


def shaken(sock: socket.socket, context: ssl.SSLContext, before: bytes) -> list[str]:
    """What was said in clear text, and then inside of TLS."""
    try:
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as secured:
            secured.sendall(TALK)
            said = read(secured, b'"connect_info"')
            said += read(secured, b"\n") if b"connect_info" in said and not said.endswith(b"\n") else b""
            return [*verbs(before), f"{secured.version()}", *verbs(said)] if said else REFUSED
    except (ssl.SSLError, ConnectionError):
        return REFUSED


WAYS = (in_clear_text, in_silence, at_once, after_info, with_a_certificate, with_a_foreign_certificate, with_tls_1_2)
MODES = {
    "required": ("", ""),
    "with certificates": ("verify: true", ""),
    "possible": ("", "allow_non_tls: true"),
    "possible, with certificates": ("verify: true", "allow_non_tls: true"),
    "first": ("handshake_first: true", ""),
    "first, and possible": ("handshake_first: true", "allow_non_tls: true"),
    "first, or after 50 ms": ("handshake_first: auto", ""),
    "first, or after a while": ('handshake_first: "200ms"', ""),
    "pinned": ('verify: true, pinned_certs: ["{pin}"]', ""),
    "pinned, another": ('verify: true, pinned_certs: ["' + "0" * 64 + '"]', ""),
    "1.3 only": ('min_version: "1.3"', ""),
    "login": ("", "authorization { user: u, password: p, timeout: 0.4 }"),
}


def config(folder: Path, mode: str) -> str:
    more, top = MODES[mode]
    files = ", ".join(f'{key}_file: "{folder}/{name}"' for key, name in (("cert", "server.pem"), ("key", "server.key"), ("ca", "ca.pem")))  # fmt: skip
    return f"{top}\ntls {{ {files}, timeout: 0.6\n{more.format(pin=pin_of(folder / 'client.pem'))} }}"


def observed(port: int, way: Way, folder: Path) -> list[str]:
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
        sock.settimeout(DEADLINE_S if way is not in_silence else 1.0)
        return way(sock, folder)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_ways_in(way, certificates, arena):
    """All modes at once: most of it is waiting."""
    ports = [server.port for mode in MODES for server in arena.pair(config(certificates, mode))]
    with ThreadPoolExecutor(len(ports)) as pool:
        seen = list(pool.map(lambda port: observed(port, way, certificates), ports))
    real, ours = (dict(zip(MODES, seen[at::2], strict=True)) for at in (0, 1))
    assert ours == real


def test_info_comes_when_the_wait_for_a_handshake_is_over(certificates, arena):
    for server in arena.pair(config(certificates, "first, or after a while")):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as sock:
            assert read(sock, b"\n").startswith(b"INFO ")
        assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("timeout", ["", "timeout: 5", "timeout: 0.5"])
@pytest.mark.parametrize("top", ["", "authorization { user: u, password: p, timeout: 0.5 }"])
def test_time_to_log_in_depends_on_that_for_handshakes(timeout, top, certificates, arena):
    tls = f'tls {{ cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key", {timeout} }}'
    told = []
    for server in arena.pair(f'http: "127.0.0.1:-1"\n{top}\n{tls}'):
        with urllib.request.urlopen(f"{server.monitor}/varz", timeout=DEADLINE_S) as answer:
            varz = json.load(answer)
            told.append((varz["auth_timeout"], varz["tls_timeout"]))
    assert told[0] == told[1]
