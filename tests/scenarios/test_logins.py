"""Who gets in by what, on both servers: one table for each way of logging in. Source: spec/server-accounts.md section 1.

A row is what a client says in CONNECT, and whether it is let in; of the log, what both servers say of a refusal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.scenario import Client

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

DENIED = "-ERR 'Authorization Violation'"
KEY, OTHER = (KeyPair.from_raw_seed(Role.USER, bytes([number]) * 32) for number in (7, 8))
NKEY = KEY.public
HASH = "$2a$04$DrK34bbZl/xng4Fv9gZMJ.AcHWBia3OxftLConax9XwQcOtvXYX5C"

Said = dict[str, Any] | bytes | Callable[[str], dict[str, Any] | None]


def url(key: KeyPair, nonce: str) -> str:
    """A signature in the alphabet of URLs, without padding."""
    return base64.urlsafe_b64encode(key.sign(nonce.encode())).rstrip(b"=").decode()


def standard(key: KeyPair, nonce: str) -> str:
    return base64.b64encode(key.sign(nonce.encode())).decode()


def mixed(form: Callable[[bytes], bytes], strip: bytes = b"") -> Callable[[str], dict[str, Any] | None]:
    """A signature in a form that nobody takes; None for those that look the same in one that is taken."""

    def said(nonce: str) -> dict[str, Any] | None:
        raw = KEY.sign(nonce.encode())
        text = base64.b64encode(raw)
        return {"nkey": NKEY, "sig": form(raw).rstrip(strip).decode()} if set(text) & set(b"+/") else None

    return said


def proxied(form: Callable[[KeyPair, str], str], key: KeyPair = KEY, **more: str) -> Said:
    return lambda nonce: {"proxy_sig": form(key, nonce), **more}


def named(name: str, password: str | None = None, **more: str) -> dict[str, str]:
    return {"user": name, "pass": name if password is None else password, **more}


SIGNED: Said = lambda nonce: {"nkey": NKEY, "sig": url(KEY, nonce)}  # noqa: E731
MIXED = f"""accounts {{ A {{ users: [ {{user: u, password: u}}, {{nkey: {NKEY}}}, {{user: e, password: ""}},
  {{user: web, password: web, allowed_connection_types: [WEBSOCKET]}},
  {{user: std, password: std, allowed_connection_types: [standard, Mqtt]}} ] }} }}"""
GUESTS = f"""accounts {{ A {{ users: [{{user: a, password: secret}}, {{nkey: {NKEY}}}] }}, B {{ users: [{{user: b, password: b}}] }} }}
no_auth_user: a"""
SYSTEM = "accounts { $SYS { users: [{user: s, password: s}] } }"
PROXIES = f"proxies {{ trusted: [{{key: {NKEY}}}] }}\n"

IN, OUT = True, False
NATSKIT_ONLY_OUT = {"natskit": OUT, "nats-server": IN}

TABLES: dict[str, tuple[str, list[tuple[Said, bool | dict[str, bool]]]]] = {
    "nobody": (
        "",
        [({}, IN), (named("u"), IN), ({"auth_token": "t"}, IN), ({"nkey": NKEY, "sig": "x"}, IN), ({"jwt": "a.b.c"}, IN),
         ({"account": "A"}, OUT), ({"new_account": True}, OUT), (b"PING\r\n", IN)],
    ),
    "users and nkeys": (
        MIXED,
        [(SIGNED, IN), (lambda nonce: {"nkey": NKEY, "sig": standard(KEY, nonce)}, IN),
         (mixed(base64.urlsafe_b64encode), OUT), (mixed(base64.b64encode, b"="), OUT),
         (lambda nonce: {"nkey": NKEY, "sig": url(KEY, nonce), **named("u", "wrong")}, IN),
         (lambda nonce: {"nkey": OTHER.public, "sig": url(OTHER, nonce), **named("u")}, OUT),
         (lambda nonce: {"nkey": NKEY, "sig": url(OTHER, nonce)}, OUT), ({"nkey": NKEY}, OUT),
         (named("u", nkey="x"), OUT), (named("u", sig="x"), IN), (named("u", auth_token="x"), IN),
         (named("u", jwt="a.b.c"), IN), (named("u", "wrong", auth_token="u"), OUT), ({"jwt": "a.b.c"}, OUT),
         ({"auth_token": "u"}, OUT), ({"user": NKEY}, OUT), ({"pass": "u"}, OUT), (named("e", ""), IN), (named("e", "x"), OUT),
         (named("web"), OUT), (named("std"), IN), ({}, OUT), (b"PING\r\n", OUT), (b"PONG\r\n", OUT), (b"SUB a 1\r\n", OUT),
         (b"PUB a 0\r\n\r\n", OUT)],
    ),
    "users": (
        "authorization { users: [{user: u, password: u}] }",
        [(named("u", nkey=NKEY), IN), ({"nkey": NKEY, "sig": "x"}, OUT), ({"auth_token": "u"}, OUT), (named("U", "u"), OUT)],
    ),
    "nkeys": (f"authorization {{ users: [{{nkey: {NKEY}}}] }}", [(SIGNED, IN), (named("u"), OUT), ({}, OUT)]),
    "a token": (
        "authorization { token: t0k }",
        [({"auth_token": "t0k"}, IN), (named("x", auth_token="t0k"), IN), ({"auth_token": "t0k", "nkey": NKEY}, IN),
         (named("t0k", auth_token="x"), OUT), (named("t0k"), OUT), ({}, OUT)],
    ),
    "a hashed token": (
        f'authorization {{ token: "{HASH}" }}', [({"auth_token": "secret"}, IN), ({"auth_token": HASH}, OUT)]
    ),
    "a single user": (
        "authorization { user: u, password: p }",
        [(named("u", "p", auth_token="x", nkey=NKEY), IN), (named("u", "q"), OUT), (named("U", "p"), OUT), ({}, OUT)],
    ),
    "a single user without a password": ("authorization { user: u }", [(named("u", ""), IN), (named("u", "x"), OUT)]),
    "a password without a user": ("authorization { password: p }", [({}, IN), ({"pass": "q"}, IN)]),
    "no users at all": ("authorization { users: [] }", [({}, IN), (named("x"), IN)]),
    "accounts without users": ("accounts { A {}, B {} }", [({}, IN), (named("x"), IN)]),
    "a guest": (
        GUESTS,
        [({}, IN), ({"name": "x"}, IN), ({"sig": "x"}, IN), ({"jwt": "a.b.c"}, IN), (named("b"), IN), (SIGNED, IN),
         (named("b", "wrong"), OUT), (named("a", ""), OUT), ({"pass": "secret"}, OUT), ({"auth_token": "x"}, OUT),
         ({"nkey": NKEY}, OUT), (b"PING\r\n", IN), (b"SUB a 1\r\n", IN)],
    ),
    "a guest with an nkey": (
        f"authorization {{ users: [{{user: a, password: a}}, {{nkey: {NKEY}}}] }}\nno_auth_user: {NKEY}",
        [({}, IN), ({"auth_token": "x"}, OUT), (b"PING\r\n", OUT), (b"SUB a 1\r\n", OUT)],
    ),
    "a guest among users without nkeys": (
        "authorization { users: [{user: a, password: a}] }\nno_auth_user: a", [({"nkey": NKEY}, IN), ({"pass": "a"}, OUT)]
    ),
    "a guest who may not come this way": (
        "authorization { users: [{user: a, password: a, allowed_connection_types: [WEBSOCKET]}] }\nno_auth_user: a",
        [({}, OUT), (b"PING\r\n", OUT)],
    ),
    "a guest whose password is a hash": (
        f'authorization {{ users: [{{user: a, password: "{HASH}"}}] }}\nno_auth_user: a', [({}, OUT), (b"PING\r\n", OUT)]
    ),
    "system users": (
        SYSTEM,
        [({}, IN), (named("s"), IN), ({"nkey": NKEY}, IN), (named("s", "x"), OUT), ({"auth_token": "x"}, OUT), (b"PING\r\n", IN)],
    ),
    "system users, and a block": (SYSTEM + "\nauthorization {}", [({}, OUT), (named("s"), IN), (b"PING\r\n", OUT)]),
    "system users, and an account": (
        "accounts { $SYS { users: [{user: s, password: s}] }, A {} }", [({}, OUT), (named("s"), IN)]
    ),
    "users of a system account of another name": (
        "accounts { SY { users: [{user: s, password: s}] } }\nsystem_account: SY", [({}, IN), (named("s"), IN)]
    ),
    "trusted proxies": (
        PROXIES,
        [({}, IN), (proxied(url), IN), ({"proxy_sig": "x"}, OUT), (proxied(standard), OUT), (proxied(url, OTHER), OUT)],
    ),
    "a single user who comes by a proxy": (
        PROXIES + "authorization { proxy_required: true, user: u, password: u }",
        [(named("u"), OUT), (named("u", proxy_sig="x"), OUT), (proxied(url, **named("u")), IN),
         (proxied(url, **named("u", "x")), OUT)],
    ),
    "a token that comes by a proxy": (
        PROXIES + "authorization { proxy_required: true, token: t }",
        [({"auth_token": "t"}, OUT), (proxied(url, auth_token="t"), IN)],
    ),
    "users of a block that asks for a proxy": (
        PROXIES + "authorization { proxy_required: true, users: [{user: u, password: u}] }",
        [(named("u"), NATSKIT_ONLY_OUT), (proxied(url, **named("u")), IN)],
    ),
    "a user who has to come by a proxy where none is trusted": (
        "authorization { users: [{user: u, password: u, proxy_required: true}] }",
        [(named("u"), OUT), (named("u", proxy_sig="x"), OUT)],
    ),
}  # fmt: skip


async def says(engine: Engine, said: Said) -> str:
    """What a new client is told after CONNECT, or ``said`` if these are bytes."""
    while True:
        client = await Client.open("c", engine.host, engine.port)
        try:
            fields = said(str(client.info.get("nonce", ""))) if callable(said) else said
            if fields is None:
                continue
            if isinstance(fields, dict):
                fields = b"CONNECT " + json.dumps({"verbose": False} | fields).encode() + b"\r\nPING\r\n"
            client.send(fields)
            return await client.receive()
        finally:
            await client.close()


@pytest.mark.parametrize("table", TABLES)
async def test_who_gets_in(engine: Engine, table: str) -> None:
    config, rows = TABLES[table]
    await engine.start(config)
    for number, (said, expected) in enumerate(rows):
        wanted = expected[engine.name] if isinstance(expected, dict) else expected
        told = await says(engine, said)
        assert told in (("PONG", "+OK") if wanted else (DENIED,)), (number, said)


ANNOUNCED = [
    ("", False, False),
    ("authorization { user: u, password: p }", True, False),
    ("authorization { token: t }", True, False),
    ("authorization { users: [{user: u, password: p}] }", True, False),
    (MIXED, True, True),
    (GUESTS, False, True),
    (SYSTEM, True, False),
    (PROXIES, False, True),
    ("accounts { A {} }", False, False),
]


@pytest.mark.parametrize(("config", "login", "nonce"), ANNOUNCED)
async def test_greeting_says_whether_to_log_in(engine: Engine, config: str, login: bool, nonce: bool) -> None:
    await engine.start(config)
    client = await Client.open("c", engine.host, engine.port)
    assert client.info.get("auth_required", False) is login
    assert len(str(client.info.get("nonce", ""))) == (15 if nonce else 0)
    assert KeyPair.from_public(str(client.info["xkey"])).role is Role.CURVE
    await client.close()


async def test_greeting_after_the_login_has_the_payload_limit_of_the_client(engine: Engine) -> None:
    await engine.start("accounts { A { users: [{user: u, password: u}], limits { max_payload: 7 } } }")
    client = await Client.open("c", engine.host, engine.port)
    assert client.info["max_payload"] == 1 << 20
    client.send(b'CONNECT {"user":"u","pass":"u","verbose":false,"protocol":1}\r\nPING\r\nPING\r\n')
    assert [await client.receive(), await client.receive()] == 2 * ["PONG"]
    assert client.info["max_payload"] == 7
    await client.close()


LABELS = [
    ({"user": "x", "pass": "y", "auth_token": "t", "jwt": "e30.e30.e30"}, ' - User "x"'),
    ({"user": "x", "nkey": NKEY}, f' - Nkey "{NKEY}"'),
    ({"auth_token": "hush"}, ' - Token "[REDACTED]"'),
    ({}, ""),
]


@pytest.mark.parametrize(("said", "label"), LABELS)
async def test_log_says_who_did_not_get_in(engine: Engine, said: dict[str, Any], label: str) -> None:
    await engine.start(MIXED)
    assert await says(engine, said) == DENIED
    assert f"- authentication error{label}" in engine.log()
    assert "hush" not in engine.log()
