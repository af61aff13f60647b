"""How connections end, and what monitoring says of it, on both servers. Source: spec/server-protocol.md sections 11, 19."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct

import pytest

from natskit.nkeys import KeyPair, Role
from support.certificates import certify
from support.engines import ENGINES, Engine
from support.monitoring import MONITORED, closed, report
from support.realm import Realm
from support.waiting import until

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DEADLINE_S = 10.0
PROXY = KeyPair.from_raw_seed(Role.SERVER, bytes(32))  # the same for all who run tests side by side
TOKEN = Realm().account().user(bearer_token=True)
USERS = 'authorization { timeout: "300ms", users: [ {user: a, password: a}, {user: p, password: p, proxy_required: true} ] }\n'
LIMITED = "accounts { A { users: [{user: a, password: a}], limits { max_connections: 0 } } }\n"
TRUSTED = USERS + f"proxies {{ trusted: [ {{ key: {PROXY.public} }} ] }}\n"


async def say(engine: Engine, data: bytes) -> bytes:
    """What the server answers before it closes the connection, INFO and PING left out."""
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    writer.write(data)
    said = b""
    with contextlib.suppress(ConnectionError):
        said = await asyncio.wait_for(reader.read(), DEADLINE_S)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    lines = said.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"INFO ", b"PING")))


ENDINGS = {
    "unknown verb": ("", b"FOO\r\n", "Unknown Protocol Operation", "Protocol Violation"),
    "arguments": ("", b"SUB a b c d\r\n", "", "Protocol Violation"),
    "line": ("", b"SUB " + b"a" * 5000 + b"\r\n", "maximum control line exceeded", "Maximum Control Line Exceeded"),
    "payload": ("", b"PUB a 9999999\r\n", "Maximum Payload Violation", "Maximum Message Payload Exceeded"),
    "protocol": ("", b'CONNECT {"protocol":2}\r\n', "invalid client protocol", "Bad Client Protocol Version"),
    "responders": (
        "",
        b'CONNECT {"no_responders":true}\r\n',
        "no responders requires headers support",
        "No Responders Requires Headers",
    ),
    "error": ("", b"-ERR 'oops'\r\n", "", "Parse Error"),
    "password": (USERS, b'CONNECT {"user":"a","pass":"b"}\r\n', "Authorization Violation", "Authentication Failure"),
    "early": (USERS, b"PING\r\n", "Authorization Violation", "Authentication Failure"),
    "silence": (USERS, b"", "Authentication Timeout", "Authentication Timeout"),
    "stale": ('ping_interval: "60ms"\nping_max: 1\n', b"", "Stale Connection", "Stale Connection"),
    "crowd": ("max_connections: 0\n", b"", "maximum connections exceeded", "Maximum Connections Exceeded"),
    "account crowd": (
        LIMITED,
        b'CONNECT {"user":"a","pass":"a"}\r\n',
        "maximum account active connections exceeded",
        "Maximum Account Connections Exceeded",
    ),
    "proxy": (TRUSTED, b'CONNECT {"user":"p","pass":"p"}\r\n', "Authorization Violation", "Proxy Required"),
    "stranger": (
        TRUSTED,
        b'CONNECT {"user":"p","pass":"p","proxy_sig":"AAAA"}\r\n',
        "Authorization Violation",
        "Proxy Not Trusted",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_reason_of_an_end_is_told(engine: Engine, ending: str) -> None:
    config, data, error, reason = ENDINGS[ending]
    await engine.start(MONITORED + config)
    said = await say(engine, data)
    # The real server may reset the connection, which can cost its last words.
    assert said in ((f"-ERR '{error}'\r\n".encode() if error else b""), b"")
    if engine.name == "natskit":
        assert bool(said) == bool(error)
    (told,) = await closed(engine)
    assert told["reason"] == reason


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A configuration with TLS."""
    folder = tmp_path_factory.mktemp("tls")
    certify(folder)
    return (
        MONITORED
        + f"""tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", timeout: 0.5, %s }}\n"""
    )


@pytest.mark.parametrize("data", [b"CONNECT {}\r\n", b""], ids=["clear text", "silence"])
async def test_handshake_that_fails_is_told(engine: Engine, secured: str, data: bytes) -> None:
    await engine.start(secured % "")
    assert await say(engine, data) == b""
    (told,) = await closed(engine)
    assert told["reason"] == "TLS Handshake Failure"


@pytest.mark.parametrize("first", [False, True])
async def test_what_connz_tells_of_a_client_over_tls(engine: Engine, secured: str, first: bool) -> None:
    await engine.start(secured % ("handshake_first: true" if first else ""))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # of 1.3, each server chooses the suite that it likes best
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    reader, writer = await asyncio.open_connection(engine.host, engine.port, ssl=context if first else None)
    await reader.readline()
    if not first:
        await writer.start_tls(context)
    writer.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
    assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"PONG\r\n"
    (told,) = (await report(engine, "connz"))["connections"]
    assert (told["tls_version"], told["tls_cipher_suite"]) == ("1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    assert told.get("tls_first", False) is first
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_client_that_stops_sending_gets_its_answers(engine: Engine) -> None:
    await engine.start(MONITORED)
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    writer.write(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n')
    writer.write_eof()
    said = await asyncio.wait_for(reader.read(), DEADLINE_S)
    assert b"MSG a 1 2\r\nhi\r\n" in said
    assert b"PONG\r\n" in said
    writer.close()
    await writer.wait_closed()
    assert (await closed(engine))[0]["reason"] == "Client Closed"


async def test_connection_that_is_reset_is_a_read_error(engine: Engine) -> None:
    await engine.start(MONITORED)
    with socket.create_connection((engine.host, engine.port)) as sock:
        await asyncio.to_thread(sock.recv, 10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert (await closed(engine))[0]["reason"] == "Read Error"


async def test_lower_limit_of_connections_closes_some(engine: Engine) -> None:
    await engine.start(MONITORED)
    clients = [await asyncio.open_connection(engine.host, engine.port) for _ in range(5)]
    for reader, writer in clients:
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
        assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"PONG\r\n"
    await engine.reload(MONITORED + "max_connections: 3\n")
    found = await closed(engine, 2)
    assert [each["reason"] for each in found] == 2 * ["Maximum Connections Exceeded"]
    said = []
    for reader, writer in clients:
        writer.write(b"PING\r\n")
        with contextlib.suppress(ConnectionError):
            said.append(await asyncio.wait_for(reader.readline(), DEADLINE_S))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert said.count(b"PONG\r\n") == 3
    assert said.count(b"-ERR 'maximum connections exceeded'\r\n") == 2


async def test_what_connz_tells_of_a_client_of_a_trusted_proxy(engine: Engine) -> None:
    await engine.start(MONITORED + TRUSTED)
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    info = json.loads((await reader.readline())[5:])
    user = {"user": "p", "pass": "p", "verbose": False, "proxy_sig": signature(str(info["nonce"]))}
    writer.write(f"CONNECT {json.dumps(user)}\r\nPING\r\n".encode())
    assert await asyncio.wait_for(reader.readline(), DEADLINE_S) == b"PONG\r\n"
    told = await report(engine, "connz")
    assert told["connections"][0]["proxy"] == {"key": PROXY.public}
    writer.close()
    await writer.wait_closed()


def signature(nonce: str) -> str:
    import base64

    return base64.urlsafe_b64encode(PROXY.sign(nonce.encode())).rstrip(b"=").decode()


LABELS = [
    ("", {"name": "n"}, '"n"'),
    ("", {"user": "bob", "lang": "go", "version": "1", "name": "n"}, '"v1:go:n" - "$G/user:bob"'),
    ("authorization { token: tok }", {"auth_token": "tok", "lang": "go"}, '"go" - "$G/token"'),
    ("authorization { users: [{user: bob, password: b}] }", {"user": "bob", "pass": "b"}, '"$G/user:bob"'),
]


@pytest.mark.parametrize(("config", "connect", "labels"), LABELS)
async def test_log_says_who_a_client_is(engine: Engine, config: str, connect: dict[str, str], labels: str) -> None:
    await engine.start(MONITORED + config)
    await say(engine, f"CONNECT {json.dumps(connect | {'verbose': False})}\r\nPING\r\nFOO\r\n".encode())
    await closed(engine)
    assert f" - {labels} - Client connection closed: Protocol Violation" in engine.log()


async def test_log_says_which_token_a_client_has(engine: Engine) -> None:
    realm = Realm()
    account = realm.account("ACC")
    user = account.user("joe", bearer_token=True)
    await engine.start(realm.config("debug: true"))
    await say(engine, f"CONNECT {json.dumps({'jwt': user.token, 'name': 'n'})}\r\nPING\r\nFOO\r\n".encode())
    await until(lambda: "Client connection closed" in engine.log(), "the end")
    assert f' - "n" - "{account.id}/ACC/jwt:{user.key.public}" - Client connection closed' in engine.log()


FAULTY = """
max_subscription_tokens: 9
accounts { A {
  users: [{user: a, password: a, permissions: {publish: {deny: hidden}, subscribe: {deny: hidden}}}], limits { max_subs: 1 }
} }
"""
FAULTS = [
    ("PUB hidden 0\r\n\r\n", 'Publish Violation - Subject "hidden"'),
    ("PUB x _R_.y 0\r\n\r\n", 'Publish Violation - Reply "_R_.y"'),
    ("SUB hidden 5\r\n", 'Subscription Violation - Subject "hidden", SID 5'),
    ("SUB hidden q 6\r\n", 'Subscription Violation - Subject "hidden", Queue: "q", SID 6'),
    ("SUB a.b.c.d.e.f.g.h.i.j 6\r\n", 'Subscription Violation Too Many Tokens - Subject "a.b.c.d.e.f.g.h.i.j", SID 6'),
    ("SUB x 1\r\nSUB y 2\r\nSUB z 3\r\n", "maximum subscriptions exceeded"),
    ("PUB x 99999999\r\n", "maximum payload exceeded: 99999999 vs 1048576"),
    ("-ERR 'oops'\r\n", "Client Error 'oops'"),
    ("HPUB x 2 2\r\nab\r\n", "message headers not supported"),
    ("", "Client parser ERROR"),
]


@pytest.mark.parametrize(("said", "logged"), FAULTS)
async def test_log_says_at_its_default_level_what_a_client_did_wrong(engine: Engine, said: str, logged: str) -> None:
    await engine.start(MONITORED + FAULTY)
    login = json.dumps({"user": "a", "pass": "a", "verbose": False})
    await say(engine, f"CONNECT {login}\r\n{said}FOO\r\n".encode())
    await closed(engine)
    assert engine.log().count(f' - "A/user:a" - {logged}') == 1
    if logged == "Client parser ERROR":  # what was sent may be a password: ours does not say it
        assert ("FOO" in engine.log()) == (engine.name == "nats-server")


@pytest.mark.parametrize(
    ("connect", "user", "logged"),
    [
        ({"jwt": TOKEN.token}, TOKEN.key.public, ""),  # not to the real server
        ({"user": "zz", "pass": "x"}, "zz", ' - User "zz"'),
        ({"auth_token": "hush"}, "[REDACTED]", ' - Token "[REDACTED]"'),
        ({"user": "zz", "nkey": PROXY.public}, PROXY.public, f' - Nkey "{PROXY.public}"'),
        ({}, None, ""),
    ],
    ids=["jwt", "user", "token", "nkey", "nothing"],
)
async def test_who_failed_to_log_in_is_remembered(
    engine: Engine, connect: dict[str, str], user: str | None, logged: str
) -> None:
    await engine.start(MONITORED + FAULTY)
    await say(engine, f"CONNECT {json.dumps(connect)}\r\n".encode())
    await closed(engine)
    [told] = (await report(engine, "connz?state=closed&auth=1"))["connections"]
    if "jwt" in connect and engine.name == "nats-server":
        user = None
    assert (told["reason"], told.get("authorized_user")) == ("Authentication Failure", user)
    assert f" - authentication error{logged}" in engine.log()


async def test_speaking_before_login_is_a_failed_login(engine: Engine) -> None:
    await engine.start(MONITORED + FAULTY)
    await say(engine, b"PING\r\n")
    [told] = await closed(engine)
    assert told["reason"] == "Authentication Failure"
    assert " - authentication error" in engine.log()


async def test_log_says_which_subscriptions_a_reload_removes(engine: Engine) -> None:
    user = "authorization {{ users: [ {{user: a, password: a{}}} ] }}"
    await engine.start(user.format(""))
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    writer.write(
        b'CONNECT {"user":"a","pass":"a","verbose":false}\r\nSUB foo 1\r\nSUB foo q 2\r\nSUB bar 3\r\nPING\r\n'
    )
    async with asyncio.timeout(DEADLINE_S):
        while await reader.readline() != b"PONG\r\n":
            pass
    await engine.reload(user.format(", permissions: {subscribe: bar}"))
    for removed in ('"foo" (sid "1")', '"foo" using queue "q" (sid "2")'):
        wanted = f'Removed sub {removed} for User "a" - not authorized'
        await until(lambda: wanted in engine.log(), wanted)  # noqa: B023
    assert 'Removed sub "bar"' not in engine.log()
    writer.close()
    await writer.wait_closed()


MOVES = {
    "to another account": ("accounts { A {}, B { users: [{user: a, password: a}] } }", "Client Closed"),
    "out of the configuration": ("accounts { A { users: [{user: b, password: b}] } }", "Client Closed"),
    "to another password": ("accounts { A { users: [{user: a, password: b}] } }", "Authentication Failure"),
}


@pytest.mark.parametrize("move", MOVES)
async def test_reason_of_an_end_by_reload_is_told(engine: Engine, move: str) -> None:
    config, reason = MOVES[move]
    await engine.start(MONITORED + "accounts { A { users: [{user: a, password: a}] } }")
    reader, writer = await asyncio.open_connection(engine.host, engine.port)
    writer.write(b'CONNECT {"user":"a","pass":"a","verbose":false}\r\nPING\r\n')
    await asyncio.wait_for(reader.readuntil(b"PONG\r\n"), DEADLINE_S)
    await engine.reload(MONITORED + config)
    assert (await closed(engine))[0]["reason"] == reason
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
