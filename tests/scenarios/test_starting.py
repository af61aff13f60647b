"""What keeps a server from starting, in the same words on both servers. Source: spec/server-accounts.md sections 1.5, 2.2."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit.errors import Error
from natskit.server import Server
from support.engines import ENGINES
from support.realm import AccountOwner, Realm
from support.scenario import Player

REALM, OTHER = Realm(), Realm()
ACCOUNT = REALM.account("A")
OPERATOR = f"operator: {REALM.token}\n"
MEMORY = OPERATOR + "resolver: MEMORY\n"
BY_KEY = f"trusted_keys: [{REALM.key.public}]\nresolver: MEMORY\n"
BEARER = ACCOUNT.user(bearer_token=True).token


def designating(account: AccountOwner | None = None, **operator: Any) -> str:
    """An operator with these members, and with a system account if one is named."""
    realm = Realm(**operator)
    if account is not None:
        realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, system_account=account.id))
    return f"operator: {realm.token}\nresolver: MEMORY\n"


FULL = (
    "using nats based account resolver - the system account needs to be specified in configuration or the operator jwt"
)
PRELOAD = f"resolver_preload: {{ {ACCOUNT.id}: {REALM.preload[ACCOUNT.id]} }}"
FAULTS = [
    (f"operator: [{REALM.token}, {OTHER.token}]", "operators require an account resolver to be configured"),
    (MEMORY + "accounts { A {} }", "operators do not allow Accounts to be configured directly"),
    (
        MEMORY + "authorization { users: [{user: a, password: a}] }",
        "operators do not allow users to be configured directly",
    ),
    (
        MEMORY + f"authorization {{ auth_callout {{ issuer: {ACCOUNT.id}, auth_users: [x] }} }}",
        "operators do not allow authorization callouts to be configured directly",
    ),
    (MEMORY + "no_auth_user: x", "no_auth_user not compatible with Trusted Operator"),
    (MEMORY + f"trusted_keys: [{OTHER.key.public}]", "conflicting options for 'TrustedKeys' and 'TrustedOperators'"),
    (
        designating(AccountOwner(REALM, "S")) + f"system_account: {ACCOUNT.id}",
        "system_account in config and operator JWT must be identical",
    ),
    (designating(AccountOwner(REALM, "S")), "error resolving system account: account missing"),
    (MEMORY + f"system_account: {AccountOwner(REALM, 'S').id}", "error resolving system account: account missing"),
    (OPERATOR + "resolver: {type: full, dir: x}", FULL),
    (OPERATOR + "resolver: {type: cache, dir: x}", FULL),
    (designating(assert_server_version="9.0.0"), "expected major version 9 > server major version 2"),
    (MEMORY + "resolver_pinned_accounts: [abc]", 'pinned account key "abc" is not a valid public account nkey'),
    (OPERATOR, 'could not fetch <"/accounts/">'),
    (
        OPERATOR + f"resolver: URL(http://127.0.0.1:1/)\n{PRELOAD}",
        "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
    ),
    (MEMORY + "default_sentinel: abc", "default sentinel JWT not valid"),
    (MEMORY + f"default_sentinel: {REALM.preload[ACCOUNT.id]}", "default sentinel JWT not valid"),
    (MEMORY + f"default_sentinel: {ACCOUNT.user().token}", "default sentinel must be a bearer token"),
    (f"default_sentinel: {BEARER}", "default sentinel requires operators and accounts"),
    (BY_KEY + f"default_sentinel: {BEARER}", "default sentinel requires operators and accounts"),
    (
        "accounts { A { users: [{user: a, password: a}] } }\nno_auth_user: x",
        'no_auth_user: "x" not present as user or nkey in authorization block or account configuration',
    ),
    ("no_auth_user: x", 'no_auth_user: "x" present, but users/nkeys are not defined'),
    ("authorization { user: x, password: y }\nno_auth_user: x", "present, but users/nkeys are not defined"),
    ("system_account: X", "error resolving system account: account missing"),
]

EXPORTER = "accounts { A { exports: [%s] }, C {}, B { imports: [%s] } }"
STREAM = "{stream: {account: A, subject: foo}%s}"
SERVICE = "{service: {account: A, subject: foo}%s}"
ROUND = "accounts {{ A {{ exports: [{{{0}: x}}], imports: [{{{0}: {{account: B, subject: x}}}}] }}, B {{ exports: [{{{0}: x}}], imports: [{{{0}: {{account: A, subject: x}}}}] }} }}"
MAPPED = 'failed to create mapping transform for %s import subject from "%s" to "%s": invalid mapping destination: '
USER = "authorization { users: [{user: a, password: b, %s}] }"
# Whether nats-server tells of accounts or of an array of users beside a single user is by chance.
FAULTS += [
    ("authorization { user: a, password: b, users: [{user: c}] }", "Can not have a single user/pass and a users array"),
    ("authorization { token: t, users: [{user: c}] }", "Can not have a token and a users array"),
    ("authorization { user: a, password: b, token: t }", "Cannot have a user/pass and token"),
    (
        "authorization { user: a }\naccounts { A { users: [{user: c}] } }",
        "Can not have a single user/pass and ",
    ),
    ("authorization { token: t }\naccounts { A { users: [{user: c}] } }", "Can not have a token and "),
    ("accounts { A { users: [{user: a}] }, B { users: [{user: a}] } }", 'Duplicate user "a" detected'),
    ("authorization { users: [{user: a}] }\naccounts { B { users: [{user: a}] } }", 'Duplicate user "a" detected'),
    ("authorization { users: [{password: b}] }", "User entry requires a user"),
    ("authorization { users: [{nkey: UAAA}] }", "Not a valid public nkey for a user"),
    (USER % "connection_types: [FOO]", 'invalid connection types ["FOO"]'),
    (EXPORTER % ("{stream: foo, accounts: [Z]}", ""), '"Z" account not defined for stream export'),
    (EXPORTER % ("", "{stream: {account: Z, subject: foo}}"), '"Z" account not defined for stream import'),
    (EXPORTER % ("", "{service: {account: Z, subject: foo}}"), '"Z" account not defined for service import'),
    (
        EXPORTER % ("{stream: foo, accounts: [C]}", STREAM % ""),
        'Error adding stream import "foo": stream import not authorized',
    ),
    (
        EXPORTER % ("{service: foo, accounts: [C]}", SERVICE % ""),
        'Error adding service import "foo": service import not authorized',
    ),
    (EXPORTER % ("{stream: foo}", f"{STREAM % ''}, {STREAM % ''}"), '"foo": stream import already exists'),
    (
        EXPORTER % ("{service: foo}", f"{SERVICE % ''}, {SERVICE % ''}"),
        'Duplicate service import subject "foo", previously used in import for account "A", subject "foo"',
    ),
    (
        EXPORTER % ("{service: '*'}", f"{SERVICE % ', to: l'}, {{service: {{account: A, subject: bar}}, to: l}}"),
        'Duplicate service import subject "l", previously used in import for account "A", subject "foo"',
    ),
    (
        EXPORTER % ("{stream: foo}", STREAM % ", prefix: 'p.*'"),
        'Error adding stream import "foo": stream import prefix can not contain wildcard tokens',
    ),
    (ROUND.format("stream"), 'Error adding stream import "x": import forms a cycle'),
    (ROUND.format("service"), 'Error adding service import "x": import forms a cycle'),
    (
        EXPORTER % ("{stream: 'foo.*'}", "{stream: {account: A, subject: 'foo.*'}, to: bar}"),
        MAPPED % ("stream", "foo.*", "bar") + "not using all of the token wildcard(s) in bar",
    ),
    (
        EXPORTER % ("{service: 'foo.*'}", "{service: {account: A, subject: 'foo.*'}, to: bar}"),
        MAPPED % ("service", "bar", "foo.*") + "not using all of the token wildcard(s) in bar",
    ),
    (
        EXPORTER % ("{stream: 'foo.*'}", "{stream: {account: A, subject: 'foo.*'}, to: 'b.{{left(1,2)}}'}"),
        MAPPED % ("stream", "foo.*", "b.{{left(1,2)}}") + "the only mapping function allowed for import transforms is",
    ),
    (
        EXPORTER % ("{service: foo, latency: lat, response: stream}", ""),
        'Error adding service latency sampling for "foo" on subject "lat": bad service response type',
    ),
    (
        EXPORTER % ("{service: foo, latency: 'lat.*'}", ""),
        'Error adding service latency sampling for "foo" on subject "lat.*": invalid publish subject',
    ),
    (USER % "permissions: {zzz: x}", 'Unknown field "zzz" parsing permissions'),
    ("accounts { A { limits: {zzz: 5} } }", 'Unknown field "zzz" parsing account limits'),
    (
        USER % "permissions: {publish: {zzz: x}}",
        "Unknown field name \"zzz\" parsing subject permissions, only 'allow' or 'deny' are permitted",
    ),
    (USER % "permissions: {publish: 'foo bar'}", 'subject "foo bar" is not a valid subject'),
]

Start = Callable[[str, str], Any]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts one of the servers in vain; what it says."""
    path = tmp_path / "server.conf"
    monkeypatch.chdir(tmp_path)

    async def started(engine: str, config: str) -> str:
        path.write_text(f"listen: 127.0.0.1:-1\n{config}\n")
        if engine == "nats-server":
            program = request.getfixturevalue("real_server")
            done = await asyncio.to_thread(
                subprocess.run, [program, "-c", str(path)], capture_output=True, text=True, timeout=20, check=False
            )
            assert done.returncode != 0
            return str(done.stderr)
        with pytest.raises(Error) as caught:
            async with Server(path):
                pass
        return str(caught.value)

    return started


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("config", "fault"), FAULTS, ids=[f"{number}" for number in range(len(FAULTS))])
async def test_what_is_wrong_is_said_in_the_same_words(start: Start, engine: str, config: str, fault: str) -> None:
    assert fault in await start(engine, config)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("more", ["authorization { user: a, password: a }", "authorization { token: a }"])
async def test_single_user_or_token_beside_an_operator_lets_nobody_in(engine: Any, more: str) -> None:
    await engine.start(REALM.config(more))
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.play("""
            a> CONNECT {"user":"a","pass":"a"}
            a< -ERR 'Authorization Violation' | <EOF>
            b> CONNECT {"auth_token":"a"}
            b< -ERR 'Authorization Violation' | <EOF>
        """)
    finally:
        await player.close()


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize(
    "more", ["accounts { A { users: [{user: a, password: a}] } }", "authorization { users: [{user: a}] }"]
)
async def test_passwords_beside_trusted_keys_let_nobody_in(engine: Any, more: str) -> None:
    if engine.name == "natskit":
        with pytest.raises(Error, match="operators do not allow"):
            await engine.start(BY_KEY + more)
        return
    await engine.start(BY_KEY + more)
    player = Player(engine.host, engine.port, engine.name)
    await player.play('a> CONNECT {"user":"a","pass":"a"}\na< -ERR \'Authorization Violation\' | <EOF>')
    await player.close()
