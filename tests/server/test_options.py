"""Options: what a configuration says, and every fault in it at its place."""

import subprocess

import pytest

from natskit import jwt
from natskit.errors import ConfigError
from natskit.nkeys import KeyPair, Role
from natskit.server.options import (
    CacheResolver,
    FullResolver,
    MemoryResolver,
    Options,
    ResponsePermission,
    UrlResolver,
)

USER = KeyPair.create(Role.USER).public
ACCOUNT = KeyPair.create(Role.ACCOUNT)
OPERATOR = KeyPair.create(Role.OPERATOR)


def test_nothing_given_is_what_nats_server_does():
    options = Options.load(text="")
    assert (options.host, options.port, options.limits.max_payload) == ("0.0.0.0", 4222, 1 << 20)
    assert (options.auth_timeout_s, options.ping_interval_s, options.authorization) == (2.0, 120.0, None)


def test_keys_match_in_any_case_and_under_their_other_names():
    options = Options.load(
        text="""
        LISTEN: "127.0.0.1:-1"
        max_conn: 10, Max_Payload: 64KB
        ping_interval: "5s"
        authorization { timeout: 0.5, users: [{username: a, password: b, permissions: {pub: "x", sub: {deny: ["y q"]},
          allow_responses: {max: 3, ttl: "1s"}}}, {user: c, pass: d}], default_permission: {publish: "z"} }
        http: 8222
        """
    )
    assert (options.host, options.port, options.limits.max_connections) == ("127.0.0.1", -1, 10)
    assert (options.limits.max_payload, options.ping_interval_s, options.auth_timeout_s) == (65536, 5.0, 0.5)
    (_, first), (_, second) = options.users()
    assert first.permissions.publish.allow == ("x",)
    assert first.permissions.subscribe.deny == ("y q",)
    assert first.permissions.responses == ResponsePermission(max_messages=3, expires_s=1.0)
    assert second.permissions.publish.allow == ("z",)
    assert options.monitoring.http_port == 8222


def test_accounts_with_everything():
    options = Options.load(
        text=f"""
        accounts {{
          E: {{ users: [{{nkey: {USER}}}], exports: [ {{stream: "a.>"}}, {{service: "s", response: stream, accounts: [I],
                latency: {{sampling: "50%", subject: lat}}, threshold: "2s"}}, {{stream: "p.*.x", account_token_position: 2}} ],
                mappings: {{ "m.*": "n.$1", w: [{{dest: x, weight: 40}}, {{dest: y, weight: "60%"}}] }},
                limits: {{max_conn: 5, max_subs: 6, max_pay: 7}} }}
          I: {{ users: [{{user: i, password: i}}], imports: [ {{stream: {{account: E, subject: "a.b.*"}}, to: "l.$1"}},
                {{service: {{account: E, subject: s}}, to: t, share: true}}, {{stream: {{account: E, subject: "p.I.x"}}}} ] }}
        }}
        """
    )
    exporter, importer = options.accounts
    assert exporter.limits.max_connections == 5
    assert exporter.exports[1].latency.sampling == 50
    assert exporter.exports[1].response_threshold_s == 2.0
    assert [each.weight for each in exporter.mappings[1].destinations] == [40, 60]
    assert importer.imports[1].share


def test_operator_mode():
    claims = jwt.new_operator(OPERATOR.public, "O")
    token = jwt.encode(claims, OPERATOR, issued_at=1)
    account = jwt.encode(jwt.new_account(ACCOUNT.public, "A"), OPERATOR, issued_at=1)
    options = Options.load(
        text=f"""
        operator: {token}
        system_account: {ACCOUNT.public}
        resolver: MEMORY
        resolver_preload: {{ {ACCOUNT.public}: {account} }}
        """
    )
    assert options.operators[0].claims.name == "O"
    assert options.resolver_preload == {ACCOUNT.public: account}
    assert token not in repr(options.resolver_preload) or "REDACTED" in repr(options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mem", MemoryResolver()),
        ("URL(http://localhost:9090/jwt/v1/accounts)", UrlResolver(url="http://localhost:9090/jwt/v1/accounts/")),
        (
            '{type: full, dir: "./jwt", interval: "2m", allow_delete: true}',
            FullResolver(directory="./jwt", interval_s=120.0, allow_delete=True),
        ),
        ("{type: cache, dir: x, ttl: 1h}", CacheResolver(directory="x", ttl_s=3600.0)),
    ],
)
def test_resolvers(text, expected):
    assert Options.load(text=f"resolver: {text}").resolver == expected


FAULTS = [
    ("cluster { port: 1 }", 1, "clusters need the real nats-server"),
    ("\njetstream: true", 2, "JetStream"),
    ("gateway {}", 1, "gateways"),
    ("leafnodes {}", 1, "leaf nodes"),
    ("mqtt {}", 1, "MQTT"),
    ("a: 1\nnope: 2", 2, 'unknown field "nope"'),
    ('port: "4222"', 1, "whole number without quotes"),
    ("debug: 1", 1, "true or false"),
    ("listen: foo", 1, 'could not parse address string "foo"'),
    ("port: 99999", 1, "not a port"),
    ("max_subscription_tokens: 0", 1, "out of range"),
    ("server_name: 'a b'", 1, "cannot contain spaces"),
    ("max_payload: 2MB, max_pending: 1MB", 1, "cannot be higher than max_pending"),
    ("lame_duck_duration: 10s", 1, "minimum is 30 seconds"),
    ("authorization { user: a, token: b }", 1, "Cannot have a user/pass and token"),
    ("authorization { user: a, users: [{user: b, pass: c}] }", 1, "single user/pass and a users array"),
    ("authorization { users: [{user: b, pass: c}, {user: b}] }", 1, 'Duplicate user "b" detected'),
    ("authorization { users: [{pass: c}] }", 1, "User entry requires a user"),
    ("authorization { users: [{nkey: U}] }", 1, "Not a valid public nkey for a user"),
    ("authorization { users: [{user: a, pass: b, clients: [FOO]}] }", 1, 'invalid connection types ["FOO"]'),
    ("authorization {\n users: [{user: a, pass: b,\n permissions: {publish: 'a b'}}] }", 3, 'subject "a b" is not a valid'),
    ("authorization { users: [{user: a, permissions: {publish: {only: x}}}] }", 1, "only 'allow' or 'deny'"),
    ("accounts { $G {} }", 1, "is a Reserved Account"),
    ("accounts { A { zzz: 1 } }", 1, 'unknown field "zzz"'),
    ("accounts { A { limits { zzz: 1 } } }", 1, 'Unknown field "zzz" parsing account limits'),
    ("accounts { A { imports: [{stream: {account: Z, subject: a}}] } }", 1, '"Z" account not defined for stream import'),
    ("accounts { E { exports: [{stream: b}] }, A { imports: [{stream: {account: E, subject: a}}] } }", 1, "stream import not authorized"),
    ("accounts { E { exports: [{stream: 'a.*'}] }, A { imports: [{stream: {account: E, subject: 'a.*'}, to: b}] } }", 1, "not using all of the token wildcard(s)"),
    ("accounts { E { exports: [{stream: 'a.*'}] }, A { imports: [{stream: {account: E, subject: 'a.*'}, prefix: '*'}] } }", 1, "prefix can not contain wildcard"),
    ("mappings { a: [{dest: b, weight: 60}, {dest: c, weight: 50}] }", 1, "total weight needs to be <= 100"),
    ("mappings { a: 'b.$1' }", 1, "wildcard index out of range in $1"),
    ("resolver: nowhere", 1, "use MEMORY"),
    ("resolver: {type: full}", 1, "dir has no value"),
    ("resolver: {type: cache, dir: x, allow_delete: true}", 1, "CACHE does not accept allow_delete"),
    ("operator: /nowhere/at/all.jwt", 1, "cannot read the operator JWT"),
    ("operator: eyJhbGciOiJub25lIn0.e30.", 1, "error parsing the operator JWT"),
    ("trusted_keys: XYZ", 1, "is not an operator public nkey"),
    ("tls { cert_file: a }", 1, "missing 'key_file'"),
    ("websocket { port: 1 }", 1, "websocket requires TLS configuration"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), FAULTS)
def test_faults_are_told_with_their_place(text, line, message, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Options.load(path)
    found = next(row for row in str(caught.value).splitlines() if message in row)
    assert found.startswith(f"{path}:{line}:")


def test_every_fault_is_told_at_once(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("nope: 1\ndebug: 2\nport: x\n")
    with pytest.raises(ConfigError) as caught:
        Options.load(path)
    assert [row.split(":")[1] for row in str(caught.value).splitlines()] == ["3", "2", "1"]


def test_no_auth_user_must_exist():
    with pytest.raises(ConfigError, match='no_auth_user: "x" not present as user or nkey'):
        Options.load(text="authorization { users: [{user: a, pass: b}] }, no_auth_user: x")


def test_overrides_win_and_values_work_like_text():
    options = Options.load(text="Port: 1, debug: true", overrides={"port": 4333, "debug": False})
    assert (options.port, options.logging.debug) == (4333, False)
    again = Options.load(values={"port": -1, "accounts": {"A": {"users": [{"user": "a", "password": "b"}]}}})
    assert again.users()[0][1].name == "a"


def test_a_used_variable_is_no_unknown_field():
    assert Options.load(text="P: 4333\nport: $P").port == 4333


@pytest.mark.parametrize("text", [row[0] for row in FAULTS if "clusters" not in row[2]])
def test_the_go_server_refuses_the_same(text, real_server, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(text)
    allowed_there = (
        "cluster",
        "jetstream",
        "gateway",
        "leafnodes",
        "mqtt",
        "max_payload",
        "server_name",
        "lame_duck",
        "websocket",
        "port: 99999",
        "accounts { $G",
    )
    if text.strip().startswith(allowed_there):
        return
    done = subprocess.run(
        [real_server, "-t", "-c", str(path)], capture_output=True, text=True, timeout=20, cwd=path.parent
    )
    assert done.returncode == 1, done.stderr
