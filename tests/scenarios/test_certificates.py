"""Which user a certificate stands for, on both servers. Source: spec/server-accounts.md section 1.7."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.certificates import certify, trusting
from support.engines import ENGINES, Engine

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DEADLINE_S = 5.0
KINDS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
}
SUBJECTS = {
    "plain": ("C=US", "O=Org", "CN=cn3"),
    "domain": ("DC=com", "DC=example", "OU=Users", "CN=joe"),
    "san": ("CN=x",),
}
NAMES = (x509.RFC822Name("a@b.c"), x509.DNSName("host.x"), x509.UniformResourceIdentifier("urn:y"))


def issue(folder: Path, ca: trustme.CA, name: str, subject: Iterable[str], names: Iterable[x509.GeneralName]) -> None:
    """A client's certificate with exactly this subject and these further names."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject
    parts = [part.partition("=") for part in subject]
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(KINDS[kind], value) for kind, _, value in parts]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    issued = builder.sign(authority, hashes.SHA256())  # type: ignore[arg-type]
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(pem)
    (folder / f"{name}.pem").write_bytes(issued.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    ca = certify(folder)
    for name, subject in SUBJECTS.items():
        issue(folder, ca, name, subject, NAMES if name == "san" else ())
    return folder


def config(folder: Path, users: Iterable[str], mode: str = "verify_and_map: true") -> str:
    listed = ", ".join(users)
    files = f'cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", ca_file: "{folder}/ca.pem"'
    return f"tls {{ {files}, {mode} }}\nauthorization {{ users: [{listed}] }}"


async def enters(engine: Engine, folder: Path, certificate: str, **fields: Any) -> str:
    """The user that a client with a certificate is; empty: it is refused."""
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    async with asyncio.timeout(DEADLINE_S):
        await reader.readline()
        await writer.start_tls(trusting(folder, certificate), server_hostname="127.0.0.1")
        connect = json.dumps({"verbose": False, "protocol": 1, **fields})
        writer.write(f"CONNECT {connect}\r\nSUB in 1\r\nPUB $SYS.REQ.USER.INFO in 0\r\n\r\n".encode())
        while line := await reader.readline():
            if line.startswith(b"-ERR"):
                assert line == b"-ERR 'Authorization Violation'\r\n"
                break
            if line.startswith(b"MSG"):
                found: str = json.loads(await reader.readline())["data"]["user"]
                writer.close()
                return found
    writer.close()
    return ""


ROWS = [
    ("plain", ["cn3", "CN=cn3", "CN=cn3,O=Org", "CN=cn3,O=org,C=US"], ""),
    ("plain", ["CN=cn3,O=Org,C=US"], "CN=cn3,O=Org,C=US"),
    ("plain", ["O=Org,CN=cn3,C=US"], "O=Org,CN=cn3,C=US"),
    ("plain", ["cn=cn3,o=Org,c=US"], "cn=cn3,o=Org,c=US"),
    ("plain", ["O=Org,CN=cn3,C=US", "CN=cn3,O=Org,C=US"], "CN=cn3,O=Org,C=US"),
    ("domain", ["CN=joe,OU=Users,DC=example,DC=com"], "CN=joe,OU=Users,DC=example,DC=com"),
    ("domain", ["DC=com,DC=example,OU=Users,CN=joe"], "DC=com,DC=example,OU=Users,CN=joe"),
    ("domain", ["CN=joe,OU=Users,DC=com,DC=example"], "CN=joe,OU=Users,DC=com,DC=example"),
    ("domain", ["CN=joe,OU=Users"], "CN=joe,OU=Users"),
    ("domain", ["CN=joe,OU=Users,DC=example", "CN=joe", "joe"], ""),
    ("san", ["urn:y", "host.x", "a@b.c"], "a@b.c"),
    ("san", ["urn:y", "host.x"], "host.x"),
    ("san", ["CN=x", "urn:y"], "urn:y"),
    ("san", ["CN=x"], "CN=x"),
    ("san", ["x"], ""),
]


@pytest.mark.parametrize(("certificate", "users", "mapped"), ROWS)
async def test_certificate_is_a_user(
    engine: Engine, certificates: Path, certificate: str, users: list[str], mapped: str
) -> None:
    await engine.start(config(certificates, (f'{{user: "{user}"}}' for user in users)))
    assert await enters(engine, certificates, certificate) == mapped


async def test_password_of_the_user_counts_and_its_name_does_not(engine: Engine, certificates: Path) -> None:
    await engine.start(config(certificates, ['{user: "a@b.c", password: p}', "{user: u, password: p}"]))
    assert await enters(engine, certificates, "san") == ""
    assert await enters(engine, certificates, "san", **{"pass": "p"}) == "a@b.c"
    assert await enters(engine, certificates, "san", user="u", **{"pass": "p"}) == "a@b.c"
    assert 'User "u" found in connect proto, but user required from cert' in engine.log()
    assert await enters(engine, certificates, "plain", user="u", **{"pass": "p"}) == ""


async def test_verified_certificate_is_no_login(engine: Engine, certificates: Path) -> None:
    await engine.start(config(certificates, ['{user: "a@b.c"}', "{user: u, password: p}"], "verify: true"))
    assert await enters(engine, certificates, "san") == ""
    assert await enters(engine, certificates, "san", user="u", **{"pass": "p"}) == "u"
