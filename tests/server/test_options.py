"""Options: what a configuration says, and every fault in it at its place."""

import pytest
import trustme
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ConfigError
from natskit.nkeys import KeyPair, Role
from natskit.server.options import (
    CacheResolver,
    FullResolver,
    Limits,
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
          E: {{ users: [{{nkey: {USER}}}], exports: [ {{stream: "a.>"}}, {{service: "s", accounts: [I],
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
    assert token not in repr(options)


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
    ("cluster { port: 1 }", 1, "run the real nats-server for clusters"),
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


def test_every_fault_is_told_at_once_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("nope: 1\ndebug: 2\nping_interval: 5\nport: x\n")
    with pytest.raises(ConfigError) as caught:
        Options.load(path)
    assert [row.split(":")[1] for row in str(caught.value).splitlines()] == ["3", "1", "2", "4"]
    assert [problem.line for problem in caught.value.problems] == [3, 1, 2, 4]
    assert "ping_interval should be converted to a duration" in str(caught.value.problems[0])


PLACES = [
    ("accounts {\n A { users: [\n {user: a, pass: b}\n {user: a, pass: c} ] } }", 4, 'Duplicate user "a"'),
    ("accounts {\n E { exports: [{stream: a}] }\n A { imports: [\n  {stream: {account: E, subject: a}}\n"
     "  {stream: {account: E, subject: b}} ] } }", 5, "stream import not authorized"),
    ("accounts {\n E { exports: [\n {stream: a, accounts: [Z]} ] } }", 3, '"Z" account not defined for stream export'),
    ("no_system_account: true\naccounts {\n E { exports: [\n {service: a, latency: b} ] } }", 4, "system account not setup"),
    ("accounts { A {} }\nauthorization {\n token: a }\nno_auth_user: x", 4, "no_auth_user"),
    ("max_pending: 1k\nmax_payload: 2k", 2, "cannot be higher than max_pending"),
    ("lame_duck_duration: 1m\nlame_duck_grace_period: 2m".replace("1m", '"1m"').replace("2m", '"2m"'), 2, "must be less than"),
    ("http_port: 1\nhttps_port: 2", 2, "can't specify both"),
    ("\nPort: 1\nport: 2", 3, '"port" is given already: "Port" in line 2'),
    ("host: a\nnet: b", 2, '"net" is given already: "host" in line 1'),
    ("authorization {\n user: a\n username: b }", 3, '"username" is given already'),
    ("mappings {\n a: [\n {dest: b, weight: 1}\n {dest: 'c d', weight: 1} ] }", 4, "invalid mapping destination"),
    ("server_tags: [a,\n 5 ]", 2, '"server_tags" must be a text: put it in quotes'),
    ("trusted_keys: [\n XYZ ]", 2, 'trusted key "XYZ"'),
    ('server_name: "a\\x00b"', 1, "holds a NUL character"),
    ("client_advertise: 'a:b'", 1, 'invalid address "a:b"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), PLACES)
def test_faults_stand_where_they_are_made(text, line, message):
    with pytest.raises(ConfigError) as caught:
        Options.load(text=text)
    assert [problem.line for problem in caught.value.problems if message in problem.message] == [line]


def test_certificates_must_fit_and_be_readable(tmp_path):
    one, other = trustme.CA(), trustme.CA()
    for name, blob in (("ca", one.cert_pem), ("key", other.private_key_pem)):
        blob.write_to_path(str(tmp_path / name))
    block = f"tls {{\n cert_file: {tmp_path}/ca\n key_file: {tmp_path}/key\n ca_file: {tmp_path}/key }}"
    with pytest.raises(ConfigError) as caught:
        Options.load(text=block)
    assert [problem.line for problem in caught.value.problems] == [2, 4]
    assert "key values mismatch" in str(caught.value)
    with pytest.raises(ConfigError, match="no such file or directory"):
        Options.load(values={"tls": {"cert_file": "/nowhere", "key_file": "/nowhere"}})


def test_secrets_are_not_shown():
    options = Options.load(
        text="authorization { users: [{user: u, password: hidden1}] }, remote_syslog: 'udp://hidden2'"
    )
    assert "hidden" not in repr(options)
    for text in ("authorization { user: a, password: [hidden] }", "authorization { token: {hidden: 1} }"):
        with pytest.raises(ConfigError) as caught:
            Options.load(text=text)
        assert "hidden" not in str(caught.value)


def test_zero_is_the_default_where_it_is_for_nats_server():
    options = Options.load(
        text="port: 0, max_payload: 0, max_pending: 0, max_control_line: 0, max_closed_clients: 0, max_connections: 0"
    )
    assert (options.port, options.limits) == (4222, replace(Limits(), max_connections=-1))


@pytest.mark.parametrize(("seconds", "fault"), [("0s", ""), ("-1s", "less than no time")])
def test_no_time_is_the_default_and_less_than_none_is_refused(seconds, fault):
    for text in (
        *("ping_interval: %s", "write_deadline: %s", "lame_duck_duration: %s", "lame_duck_grace_period: %s"),
        *(
            "authorization { timeout: %s }",
            "websocket { port: -1, no_tls: true, handshake_timeout: %s, ping_interval: %s }",
        ),
        "websocket { port: -1, no_tls: true, authorization { timeout: %s } }",
    ):
        given, plain = text.replace("%s", f'"{seconds}"'), text.replace("%s", '"0s"')
        if fault:
            with pytest.raises(ConfigError, match=fault):
                Options.load(text=given)
        options = Options.load(text=plain)
        default = Options()
        assert (options.ping_interval_s, options.write_deadline_s) == (
            default.ping_interval_s,
            default.write_deadline_s,
        )
        assert (options.lame_duck_duration_s, options.lame_duck_grace_period_s, options.auth_timeout_s) == (120, 10, 2)
        if options.websocket is not None:
            assert (options.websocket.handshake_timeout_s, options.websocket.ping_interval_s) == (2.0, None)
            assert options.websocket.authorization is None or options.websocket.authorization.timeout_s is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ("0.0.0.0", 1)), ("a.example", ("a.example", 1)), ("a:2", ("a", 2)), ("'[::1]:2'", ("::1", 2)), ("'[::1]'", ("::1", 1))],
)  # fmt: skip
def test_the_advertised_address(text, expected):
    options = Options.load(text=f"client_advertise: {text}" if text else "")
    assert options.advertised(1) == expected


def test_what_has_no_effect_is_warned_of():
    options = Options.load(
        text="accounts { E {exports: [{stream: a}]}, A { imports: [{stream: {account: E, subject: a}, share: true}] } }"
    )
    assert options.warnings == ('configuration:1:88: "share" has no effect: it is for services only',)


def test_no_auth_user_must_exist():
    with pytest.raises(ConfigError, match='no_auth_user: "x" not present as user or nkey'):
        Options.load(text="authorization { users: [{user: a, pass: b}] }, no_auth_user: x")


def test_values_work_like_text():
    options = Options.load(values={"port": -1, "accounts": {"A": {"users": [{"user": "a", "password": "b"}]}}})
    assert options.users()[0][1].name == "a"
    with pytest.raises(ConfigError, match=r'^unknown field "nope"$'):
        Options.load(values={"nope": 1})


def test_overrides_win_under_whatever_name():
    text = "Port: 1, debug: true, net: a, authorization { username: u, pass: p, timeout: 9 }, tls { nope: 1 }"
    overrides = {"port": 4333, "debug": False, "host": "b", "authorization": {"user": "v", "password": "q"}, "tls": {}}
    with pytest.raises(ConfigError, match="tls needs a certificate"):
        Options.load(text=text, overrides=overrides)
    options = Options.load(text=text, overrides={**overrides, "tls": None})
    assert (options.host, options.port, options.logging.debug) == ("b", 4333, False)
    login = options.authorization
    assert (login.user, login.password, login.timeout_s) == ("v", "q", 9.0)


def test_a_used_variable_is_no_unknown_field():
    assert Options.load(text="P: 4333\nport: $P").port == 4333
