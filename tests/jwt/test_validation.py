"""What validation finds: every check of spec/nkeys-and-jwt.md section 5, with its words and in its order."""

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ClaimsError
from natskit.jwt.checks import contained
from natskit.nkeys import KeyPair, Role

NOW = 1_700_000_000
OPERATOR, ACCOUNT, OTHER, USER, CURVE, SERVER = (
    KeyPair.from_raw_seed(role, b"validation %21d" % number)
    for number, role in enumerate((Role.OPERATOR, Role.ACCOUNT, Role.ACCOUNT, Role.USER, Role.CURVE, Role.SERVER))
)
A, B, U = ACCOUNT.public, OTHER.public, USER.public


def found(claims):
    return [(issue.severity[0].upper(), issue.text) for issue in jwt.issues(claims, NOW)]


def account(**body):
    claims = replace(jwt.new_account(A, "A"), issuer=OPERATOR.public)
    return replace(claims, nats=replace(claims.nats, **body))


def user(**body):
    claims = jwt.new_user(U, "U")
    return replace(claims, nats=replace(claims.nats, **body))


def operator(**body):
    claims = jwt.new_operator(OPERATOR.public, "O")
    return replace(claims, nats=replace(claims.nats, **body))


def exports(*each):
    return account(exports=tuple(jwt.Export(**one) for one in each))


def imports(*each):
    return account(imports=tuple(jwt.Import(account=B, **one) for one in each))


def limits(**changed):
    return replace(jwt.UNLIMITED, **changed)


def test_constructed_claims_have_no_issues():
    assert not found(operator())
    assert not found(account())
    assert not found(user())


def test_dates():
    assert found(replace(user(), expires=NOW - 1)) == [("T", "claim is expired")]
    assert found(replace(user(), not_before=NOW + 1)) == [("T", "claim is not yet valid")]
    assert not found(replace(user(), expires=NOW, not_before=NOW))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"account_server_url": "localhost/x"}, 'account server url "localhost/x" requires a protocol'),
        ({"operator_service_urls": ("127.0.0.1:4222",)}, 'error parsing operator service url "127.0.0.1:4222": '),
        (
            {"operator_service_urls": ("nats://u:p@h",)},
            'operator service url "nats://u:p@h" - credentials are not supported',
        ),
        ({"operator_service_urls": ("nats://h/",)}, 'operator service url "nats://h/" - paths are not supported'),
        (
            {"operator_service_urls": ("http://h",)},
            "operator service url \"http://h\" - protocol not supported (only 'nats', 'tls', 'ws', 'wss' only)",
        ),
        ({"signing_keys": (A,)}, f"{A} is not an operator public key"),
        ({"system_account": U}, f"{U} is not an account public key"),
        (
            {"assert_server_version": "2.9"},
            "assert server version error: asserted server version must be of the form <major>.<minor>.<update>",
        ),
        (
            {"assert_server_version": "2.x.1"},
            "assert server version error: asserted server version cant parse x to int",
        ),
        (
            {"assert_server_version": "2.-9.1"},
            "assert server version error: asserted server version can'b contain negative values: -9",
        ),
    ],
)
def test_operator_checks(body, text):
    ((level, message),) = found(operator(**body))
    assert level == "E"
    assert message.startswith(text)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://h:1/jwt/v1?a=b#c", ""),
        ("https://[::1]:80/x", ""),
        ("anything:at all", ""),
        ("localhost:9090", ""),
        ("h/x", 'account server url "h/x" requires a protocol'),
        ("//h/x", 'account server url "//h/x" requires a protocol'),
        (":x", 'error parsing account server url: parse ":x": missing protocol scheme'),
        (
            "1.2.3.4:5",
            'error parsing account server url: parse "1.2.3.4:5": first path segment in URL cannot contain colon',
        ),
        ("http://h:x", 'error parsing account server url: parse "http://h:x": invalid port ":x" after host'),
        ("http://[::1", "error parsing account server url: parse \"http://[::1\": missing ']' in host"),
        ("http://h/%zz", 'error parsing account server url: parse "http://h/%zz": invalid URL escape "%zz"'),
        ("http://a b/", 'error parsing account server url: parse "http://a b/": invalid character " " in host name'),
        ("http://u v@h/", 'error parsing account server url: parse "http://u v@h/": net/url: invalid userinfo'),
        (
            "http://h/\x01",
            'error parsing account server url: parse "http://h/\\x01": net/url: invalid control character in URL',
        ),
    ],
)
def test_urls_are_judged_as_the_reference_does(url, fault):
    assert found(operator(account_server_url=url)) == ([("E", fault)] if fault else [])


def test_good_service_urls_pass():
    assert not found(operator(operator_service_urls=("nats://a:1", "tls://b", "WS://c", "wss://d", "")))


@pytest.mark.parametrize(
    ("subject", "texts"),
    [
        ("", ["subject cannot be empty"]),
        ("a b", ['subject "a b" cannot have spaces']),
        (".a", ['subject ".a" cannot start or end with a `.`']),
        ("a..b.", ['subject "a..b." cannot start or end with a `.`', 'subject "a..b." cannot contain consecutive `.`']),
        ("a.>.b", []),
    ],
)
def test_subjects(subject, texts):
    assert found(exports({"subject": subject, "type": "stream"})) == [("E", text) for text in texts]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        ({"subject": "a"}, 'invalid export type: "unknown"'),
        (
            {"subject": "a", "type": "service", "response_type": "singleton"},
            'invalid response type for service: "singleton"',
        ),
        ({"subject": "a", "type": "stream", "response_type": "Stream"}, 'invalid response type for stream: "Stream"'),
        ({"subject": "a", "type": "stream", "allow_trace": True}, "AllowTrace only valid for service export"),
        (
            {"subject": "a", "type": "stream", "service_latency": jwt.ServiceLatency(results="r")},
            "latency tracking only permitted for services",
        ),
        (
            {"subject": "a", "type": "service", "service_latency": jwt.ServiceLatency(sampling=101, results="r")},
            "sampling percentage needs to be between 1-100",
        ),
        (
            {"subject": "a", "type": "service", "service_latency": jwt.ServiceLatency(results="r.*")},
            "results subject can not contain wildcards",
        ),
        ({"subject": "a", "type": "service", "response_threshold": -1}, "negative response threshold is invalid"),
        ({"subject": "a", "type": "stream", "response_threshold": 1}, "response threshold only valid for services"),
        (
            {"subject": "a.b", "type": "stream", "account_token_position": 1},
            "Account Token Position can only be used with wildcard subjects: a.b",
        ),
        (
            {"subject": "a.*", "type": "stream", "account_token_position": 3},
            "Account Token Position 3 exceeds length of subject 'a.*'",
        ),
        (
            {"subject": "a.*", "type": "stream", "account_token_position": 1},
            "Account Token Position 1 matches 'a' but must match a * in: a.*",
        ),
        ({"subject": "a", "type": "stream", "description": "x" * 8193}, "Description is too long"),
        ({"subject": "a", "type": "stream", "info_url": "http://h/" + "x" * 8192}, "Info URL is too long"),
        ({"subject": "a", "type": "stream", "info_url": "foo"}, "error parsing info url: no hostname or scheme"),
        (
            {"subject": "a", "type": "stream", "info_url": "1:"},
            'error parsing info url: parse "1:": first path segment in URL cannot contain colon',
        ),
        ({"subject": 'a "\t', "type": "stream"}, 'subject "a \\"\\t" cannot have spaces'),
    ],
)
def test_export_checks(one, text):
    assert found(exports(one)) == [("E", text)]


def test_exports_that_contain_each_other_are_named():
    both = exports({"subject": "a.>", "type": "stream"}, {"subject": "a.b", "type": "stream"})
    assert found(both) == [("E", 'stream export subject "a.>" already exports "a.b"')]
    same = exports({"subject": "a", "type": "service"}, {"subject": "a", "type": "service"})
    assert found(same) == [("E", 'service export subject "a" already exports "a"')] * 2
    assert not found(exports({"subject": "a", "type": "service"}, {"subject": "a", "type": "stream"}))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"subject": "a"}, [("E", 'invalid import type: "unknown"')]),
        ({"subject": "a", "type": "service", "allow_trace": True}, [("E", "AllowTrace only valid for stream import")]),
        (
            {"subject": "a", "type": "stream", "to": "p"},
            [("W", "the field to has been deprecated (use LocalSubject instead)")],
        ),
        (
            {"subject": "a", "type": "stream", "share": True},
            [("E", 'sharing information (for latency tracking) is only valid for services: "a"')],
        ),
        (
            {"subject": "a.>", "type": "stream", "local_subject": "b"},
            [("E", "both, renaming subject and subject, need to end or not end in >")],
        ),
        (
            {"subject": "a.*", "type": "stream", "local_subject": "b"},
            [("E", "subject does not contain enough * or reference wildcards $[0-9]")],
        ),
        (
            {"subject": "a.*", "type": "stream", "local_subject": "b.$2"},
            [
                ("E", 'Reference $2 in "b.$2" reference * in "a.*" that do not exist'),
                ("E", "subject does not contain enough * or reference wildcards $[0-9]"),
            ],
        ),
        ({"subject": "a.*.*", "type": "stream", "local_subject": "b.$2.$1"}, []),
        ({"subject": "a.*.*", "type": "stream", "local_subject": "b.$1.$1"}, []),
        ({"subject": "a.*.*", "type": "stream", "local_subject": "$x.$-1.$01.$.x$1"}, []),
        (
            {"subject": "a", "type": "stream", "token": "no token"},
            [("E", 'import "a" contains an invalid activation token')],
        ),
    ],
)
def test_import_checks(one, expected):
    assert found(imports(one)) == expected


def test_service_imports_of_one_exporter_must_not_overlap():
    same = imports({"subject": "a.>", "type": "service"}, {"subject": "a.b", "type": "service"})
    assert found(same) == [("E", f'overlapping subject namespace for "a.b" and "a.>" in same account "{B}"')]
    renamed = imports(
        {"subject": "a.>", "type": "service", "local_subject": "x.>"}, {"subject": "a.b", "type": "service"}
    )
    assert not found(renamed)
    here, there = (
        jwt.Import(account=key, subject="a", type="service") for key in (B, KeyPair.create(Role.ACCOUNT).public)
    )
    assert not found(account(imports=(here, there)))


def test_an_activation_must_fit_its_import():
    def import_with(subject="a.b", kind="stream", importer=A, signer=OTHER, granted="a.b", issuer_account=""):
        body = jwt.Activation(subject=granted, kind=kind, issuer_account=issuer_account)
        claims = replace(jwt.new_activation(importer, granted), nats=body)
        token = jwt.encode(claims, signer, issued_at=NOW)
        return found(imports({"subject": subject, "type": "stream", "token": token}))

    assert not import_with()
    assert not import_with(granted="a.>")
    assert import_with(granted="a.c") == [("E", 'activation token import subject "a.c" doesn\'t match import "a.b"')]
    assert import_with(importer=B) == [("E", 'activation token doesn\'t match account it is being included in, "a.b"')]
    assert import_with(signer=ACCOUNT) == [("E", 'activation token doesn\'t match account for import "a.b"')]
    assert import_with(issuer_account=U) == [("E", "account_id is not an account public key")]
    assert import_with(kind="service") == [
        ("E", "mismatch between token import type service and type of import stream")
    ]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (
            {"limits": limits(imports=0), "imports": (jwt.Import(subject="a", account=B, type="stream"),)},
            ["the account contains more imports than allowed by the operator"] * 2,
        ),
        (
            {"limits": jwt.AccountLimits(), "imports": (jwt.Import(subject="a", account=B, type="stream"),)},
            ["the account contains more imports than allowed by the operator"],
        ),
        (
            {"limits": limits(exports=0, wildcards=False), "exports": (jwt.Export(subject="a.*", type="stream"),)},
            [
                "the account contains more exports than allowed by the operator",
                "the account contains wildcard exports that are not allowed by the operator",
            ],
        ),
        (
            {"limits": limits(disk_storage=1, tiered_limits={"R1": jwt.JetStreamLimits()})},
            ["JetStream Limits and tiered JetStream Limits are mutually exclusive"],
        ),
        (
            {"limits": limits(tiered_limits={"": jwt.JetStreamLimits()})},
            ['Tiered JetStream Limits can not contain a blank "" tier name'],
        ),
        (
            {
                "mappings": {
                    "a": (jwt.WeightedMapping(subject="b", weight=60), jwt.WeightedMapping(subject="c", weight=50))
                }
            },
            ['Mapping "a" exceeds 100% among all of it\'s weighted to mappings'],
        ),
        (
            {"mappings": {"a": (jwt.WeightedMapping(subject="b"), jwt.WeightedMapping(subject="c", weight=1))}},
            ['Mapping "a" exceeds 100% among all of it\'s weighted to mappings'],
        ),
        (
            {"mappings": {"a": (jwt.WeightedMapping(subject="b", weight=101, cluster="x"),)}},
            [
                'Mapping "b" has a weight 101 that exceeds 100',
                'Mapping "a" in cluster "x" exceeds 100% among all of it\'s weighted to mappings',
            ],
        ),
        (
            {"authorization": jwt.ExternalAuthorization(allowed_accounts=(B,))},
            ["External authorization cannot have accounts without users specified"],
        ),
        (
            {"authorization": jwt.ExternalAuthorization(auth_users=(A,), allowed_accounts=("*", B), xkey=U)},
            [
                f'AuthUser "{A}" is not a valid user public key',
                'AllowedAccounts can only be a list of accounts or "*"',
                f'XKey "{U}" is not a valid public xkey',
            ],
        ),
        ({"trace": jwt.MessageTrace(dest="")}, ["the account Trace.Destination subject cannot be empty"]),
        (
            {"trace": jwt.MessageTrace(dest="a.*", sampling=101)},
            [
                'the account Trace.Destination subject "a.*" is not a valid publish subject',
                "the account Trace.Sampling value '101' is not valid, should be in the range [1..100]",
            ],
        ),
        ({"signing_keys": (U,)}, [f'"{U}" is not a valid account signing key']),
        ({"signing_keys": (jwt.UserScope(kind="user_scope", key=U),)}, [f"{U} is not an account public key"]),
        ({"cluster_traffic": "x"}, ['unknown cluster traffic option: "x"']),
        (
            {
                "default_permissions": jwt.Permissions(
                    pub=jwt.Permission(allow=("a b",)), sub=jwt.Permission(deny=("a b c",))
                )
            },
            [
                'Permission Subject "a b c" contains too many spaces',
                'Permission Subject "a b" is not allowed to contain queue',
            ],
        ),
    ],
)
def test_account_checks(body, texts):
    assert found(account(**body)) == [("E", text) for text in texts]


def test_self_signed_accounts_should_not_limit_themselves():
    assert found(replace(account(), issuer=A)) == [("W", "self-signed account JWTs shouldn't contain operator limits")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"src": ("10.0.0.1",)}, 'invalid cidr "10.0.0.1" in user src limits'),
        ({"src": (" 10.0.0.0/8",)}, 'invalid cidr " 10.0.0.0/8" in user src limits'),
        ({"src": ("fe80::1%eth0/64",)}, 'invalid cidr "fe80::1%eth0/64" in user src limits'),
        ({"times": (jwt.TimeRange(start="10:60:00", end="11:00:00"),)}, 'start in time range is invalid "10:60:00"'),
        ({"times": (jwt.TimeRange(start="10:00:00", end="11:00:60"),)}, 'end in time range is invalid "11:00:60"'),
        ({"times": (jwt.TimeRange(end="10:00:00"),)}, "time ranges start must contain a start"),
        ({"times": (jwt.TimeRange(start="24:00:00", end="10:00:00"),)}, 'start in time range is invalid "24:00:00"'),
        ({"times": (jwt.TimeRange(start="8:00:00", end=""),)}, "time ranges end must contain an end"),
        ({"times_location": "Nowhere/Land"}, "could not parse iana time zone by name: unknown time zone Nowhere/Land"),
        ({"issuer_account": U}, "account_id is not an account public key"),
    ],
)
def test_user_checks(body, text):
    assert found(user(**body)) == [("E", text)]


def test_good_networks_and_times_pass():
    spans = (jwt.TimeRange(start="8:00:00", end="17:30:00.5"), jwt.TimeRange(start="22:00:00", end="06:00:00"))
    assert not found(user(src=("10.0.0.0/8", "::1/128"), times=spans, times_location="Europe/Berlin"))


def test_scoped_users_carry_no_rights():
    claims = replace(jwt.new_scoped_user(U, "U", A), issuer=B)
    jwt.check_scoped_user(claims, B)
    for wrong, message in [
        (replace(user(), issuer=B), "scoped users require no permissions or limits set"),
        (replace(claims, issuer=A), "issuer not the scoped signer"),
        (account(), "not an user claim"),
    ]:
        with pytest.raises(ClaimsError, match=message):
            jwt.check_scoped_user(wrong, B)


def test_authorization_requests_and_responses():
    request = jwt.AuthorizationRequestClaims(nats=jwt.AuthorizationRequest())
    assert found(request) == [("E", "User nkey is required")]
    late = replace(request, expires=NOW - 1, nats=jwt.AuthorizationRequest(user_nkey=A))
    assert found(late) == [("E", f'User nkey "{A}" is not a valid user public key'), ("T", "claim is expired")]
    response = jwt.AuthorizationResponseClaims(
        subject=U, audience=SERVER.public, nats=jwt.AuthorizationResponse(jwt="x", error="y")
    )
    assert found(response) == [("E", "Only Error or Jwt can be set")]
    foreign = replace(response, nats=jwt.AuthorizationResponse(jwt="x", issuer_account=U))
    assert found(foreign) == [("E", "issuer_account is not an account public key")]
    assert [text for _, text in found(jwt.AuthorizationResponseClaims())] == [
        "Subject must be a user public key",
        "Audience must be a server public key",
        "Error or Jwt is required",
    ]


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("a.b", "a.*", True),
        ("a", "a.*", False),
        ("a.b.c", "a.>", True),
        ("a.>", "a.*", True),
        ("a.b.c", "a.*", False),
        ("a", "a.>", False),
    ],
)
def test_containment_is_that_of_the_reference(inner, outer, expected):
    assert contained(inner, outer) is expected
