"""Reading tokens: what the reference reads, ours reads alike; everything else is refused with our errors."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ClaimsError, DecodeError, InvalidToken, KeyUseError, VerifyError
from natskit.jwt.chunks import HEADER_V1, HEADER_V2
from natskit.nkeys import KeyPair, Role

OPERATOR, ACCOUNT, USER = (
    KeyPair.from_raw_seed(role, b"reading %24d" % number)
    for number, role in enumerate((Role.OPERATOR, Role.ACCOUNT, Role.USER))
)


def signed(payload, signer=ACCOUNT, header=HEADER_V2, whole=True):
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    chunk = base64.urlsafe_b64encode(text).rstrip(b"=")
    unsigned = header + b"." + chunk
    signature = signer.sign(unsigned if whole else chunk)
    return (unsigned + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def user_payload(**body):
    return {"iss": ACCOUNT.public, "sub": USER.public, "nats": {"type": "user", "version": 2, **body}}


def account_payload(**body):
    return {"iss": OPERATOR.public, "sub": ACCOUNT.public, "nats": {"type": "account", "version": 2, **body}}


def test_member_names_match_in_any_case_and_null_keeps_the_default():
    payload = user_payload(Pub={"ALLOW": ["a"], "Deny": ["b"]}, sub=None, Subs=7)
    user = jwt.decode(signed(payload), jwt.UserClaims).nats
    assert user.pub == jwt.Permission(allow=("a",), deny=("b",))
    assert user.subs == 7
    assert user.sub == jwt.Permission()


def test_the_last_of_equal_members_wins_and_unknown_ones_are_passed_over():
    text = json.dumps(user_payload(future=[1, {"a": 2}])).encode()
    text = text.replace(b'"nats":', b'"name": "first", "name": "last", "other": null, "nats":')
    assert jwt.decode(signed(text), jwt.UserClaims).name == "last"


def test_a_member_in_two_spellings_is_refused():
    for text in (b'{"name":"a","NAME":"b","nats":{}}', b'{"nats":{"type":"user","version":2,"Type":"account"}}'):
        with pytest.raises(InvalidToken, match="two spellings"):
            jwt.decode(signed(text))


def test_a_kind_at_the_top_makes_it_version_1_however_it_is_spelled():
    payload = {"iss": ACCOUNT.public, "sub": USER.public, "TYPE": "user", "nats": {"type": "account", "version": 2}}
    assert jwt.decode(signed(payload, whole=False), jwt.UserClaims).nats.version == 1
    with pytest.raises(VerifyError, match="V1 signature"):
        jwt.decode(signed(payload))


def test_null_in_lists_and_maps_is_the_zero_of_its_kind():
    payload = user_payload(pub={"allow": [None, "a"]}, times=[None])
    user = jwt.decode(signed(payload), jwt.UserClaims).nats
    assert (user.pub.allow, user.times) == (("", "a"), (jwt.TimeRange(),))
    body = {"revocations": {"U": None}, "mappings": {"a": None, "b": [None, {"Subject": "c"}]}}
    account = jwt.decode(signed(account_payload(**body), OPERATOR), jwt.AccountClaims).nats
    assert account.revocations == {"U": 0}
    assert account.mappings == {"a": None, "b": (jwt.WeightedMapping(), jwt.WeightedMapping(subject="c"))}


def test_null_for_an_export_or_import_is_refused():
    for name in ("export", "import"):
        with pytest.raises(InvalidToken, match=f"null {name} is not allowed"):
            jwt.decode(signed(account_payload(**{f"{name}s": [None]}), OPERATOR))


def test_networks_come_as_a_list_or_as_one_text():
    text = jwt.decode(signed(user_payload(src=" 10.0.0.0/8,A::/16, 10.0.0.0/8,")), jwt.UserClaims)
    assert text.nats.src == ("10.0.0.0/8", "a::/16")
    assert jwt.decode(signed(user_payload(src=["1.2.3.4/32"])), jwt.UserClaims).nats.src == ("1.2.3.4/32",)


def test_line_ends_after_a_token_do_no_harm():
    token = jwt.encode(jwt.new_user(USER.public), ACCOUNT, issued_at=1)
    assert jwt.decode(token + "\r\n") == jwt.decode(token.encode())
    with pytest.raises(InvalidToken):
        jwt.decode(" " + token)


@pytest.mark.parametrize(
    ("token", "error", "message"),
    [
        ("", InvalidToken, "expected 3 chunks"),
        ("a.b", InvalidToken, "expected 3 chunks"),
        ("a" * (1 << 20) + ".b.c", InvalidToken, "exceeds maximum of 1048576 bytes: token too large"),
        ("a=.b.c", InvalidToken, "illegal base64 data at input byte 1"),
        (
            signed(user_payload(), header=base64.b64encode(b'{"typ":"x","alg":"ed25519"}').rstrip(b"=")),
            InvalidToken,
            'not supported type "x"',
        ),
        (
            signed(user_payload(), header=base64.b64encode(b'{"typ":"JWT","alg":"none"}').rstrip(b"=")),
            InvalidToken,
            'unexpected "none" algorithm',
        ),
        (signed(b"[]"), InvalidToken, "not an object"),
        (signed(b"{"), InvalidToken, "invalid JSON"),
        (signed(b"[" * 100_000), InvalidToken, "invalid JSON"),
        (signed(b'{"nats":' + b'{"a":' * 50_000), InvalidToken, "invalid JSON"),
        (signed(user_payload(version=3)), InvalidToken, "newer version"),
        (signed(user_payload(version=0)), InvalidToken, "library supports version 2 or less - received 0"),
        (signed({"type": "cluster", "nats": {}}), InvalidToken, "ClusterClaims are not supported"),
        (signed(user_payload(subs="7")), InvalidToken, "invalid claims"),
        (signed(user_payload(subs=1.5)), InvalidToken, "invalid claims"),
        (signed(user_payload(subs=2**70)), InvalidToken, "invalid claims"),
        (signed({**user_payload(), "iss": KeyPair.create(Role.CURVE).public}), VerifyError, "V2 signature"),
        (signed(user_payload(subs=1.0)), InvalidToken, "invalid claims"),
        (signed(user_payload(tags=["\ud800"])), InvalidToken, "invalid JSON"),
        (signed(user_payload(version=True)), InvalidToken, "invalid claims"),
        (signed({**user_payload(), "iss": "nobody"}), InvalidToken, "is not a public key"),
        (signed(user_payload(), whole=False), VerifyError, "claim failed V2 signature verification"),
        (signed(user_payload(), header=HEADER_V1, whole=False), VerifyError, "claim failed V2 signature verification"),
        (signed({**user_payload(), "iss": USER.public}, signer=USER), VerifyError, r"expected prefixes - \[account\]"),
        (signed({**user_payload(), "iss": OPERATOR.public}, signer=ACCOUNT), VerifyError, "V2 signature"),
    ],
)
def test_tokens_that_do_not_hold_are_refused_with_the_reason(token, error, message):
    with pytest.raises(error, match=message):
        jwt.decode(token)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (jwt.OperatorClaims, "not operator claim"),
        (jwt.AccountClaims, "not account claim"),
        (jwt.ActivationClaims, "not activation claim"),
        (jwt.AuthorizationRequestClaims, "not an authorization request claim"),
    ],
)
def test_a_token_of_another_kind_is_refused(kind, message):
    with pytest.raises(InvalidToken, match=message):
        jwt.decode(jwt.encode(jwt.new_user(USER.public), ACCOUNT, issued_at=1), kind)


def test_export_types_and_scopes_must_be_known():
    base = {"iss": OPERATOR.public, "sub": ACCOUNT.public}
    for body, message in [
        ({"exports": [{"subject": "a", "type": "queue"}]}, 'unknown export type "queue"'),
        ({"imports": [{"subject": "a", "type": "queue"}]}, 'unknown export type "queue"'),
        ({"signing_keys": [{"kind": "other", "key": ACCOUNT.public}]}, "unknown signing key scope"),
        ({"signing_keys": [{"key": ACCOUNT.public}]}, "unknown signing key scope"),
    ]:
        with pytest.raises(InvalidToken, match=message):
            jwt.decode(signed({**base, "nats": {"type": "account", "version": 2, **body}}, OPERATOR))


def test_a_later_entry_of_a_signing_key_replaces_the_earlier():
    key = KeyPair.create(Role.ACCOUNT).public
    scope = {"kind": "user_scope", "key": key, "role": "r", "template": {}, "description": ""}
    payload = {
        "iss": OPERATOR.public,
        "sub": ACCOUNT.public,
        "nats": {"type": "account", "version": 2, "signing_keys": [key, 7, scope]},
    }
    account = jwt.decode(signed(payload, OPERATOR), jwt.AccountClaims).nats
    assert account.signing_key_names == (key,)
    assert account.scope_of(key).template.subs == -1


def test_generic_tokens_are_signed_as_their_header_says():
    claims = jwt.GenericClaims(subject="x", nats={"accounts": ["A"], "b": {"z": 1, "a": None}})
    read = jwt.decode(jwt.encode(claims, OPERATOR, issued_at=5))
    assert isinstance(read, jwt.GenericClaims)
    assert read.nats == {**claims.nats, "version": 2}
    old = signed({"iss": USER.public, "type": "x", "tags": ["t"], "nats": {"a": 1}}, USER, HEADER_V1, whole=False)
    assert jwt.decode(old).body == {"a": 1, "type": "x", "tags": ["t"]}


def test_the_generic_reader_takes_tokens_of_every_kind_and_issuer():
    token = signed({**user_payload(), "iss": USER.public}, USER)
    assert jwt.decode(token, jwt.GenericClaims).nats["type"] == "user"
    with pytest.raises(VerifyError):
        jwt.decode(token[:-4] + "AAAA", jwt.GenericClaims)
    assert jwt.decode_unverified(token[:-4] + "AAAA").nats["type"] == "user"


def test_authorization_claims_are_signed_as_their_version_says():
    for version, whole in ((0, False), (1, False), (2, True)):
        body = {"type": "authorization_response", "error": "no", "version": version}
        token = signed({"iss": ACCOUNT.public, "sub": USER.public, "nats": body}, whole=whole)
        assert jwt.decode(token, jwt.AuthorizationResponseClaims).nats.error == "no"


def test_what_a_client_sent_does_not_show_in_the_text_of_claims():
    options = jwt.ConnectOptions(user="u", password="secret", auth_token="secret", jwt="secret", sig="secret")
    request = jwt.AuthorizationRequestClaims(nats=jwt.AuthorizationRequest(connect_opts=options))
    response = jwt.AuthorizationResponseClaims(nats=jwt.AuthorizationResponse(jwt="secret"))
    assert "secret" not in repr(request) + repr(response)


def test_exports_and_imports_are_written_in_the_order_of_their_subjects():
    exports = tuple(jwt.Export(subject=subject, type="stream") for subject in "cab")
    imports = tuple(jwt.Import(subject=subject, account=ACCOUNT.public, type="stream") for subject in "cab")
    claims = jwt.AccountClaims(subject=ACCOUNT.public, nats=jwt.Account(exports=exports, imports=imports))
    read = jwt.decode(jwt.encode(claims, OPERATOR, issued_at=1), jwt.AccountClaims).nats
    assert "".join(each.subject for each in read.exports + read.imports) == "abcabc"


def test_only_fitting_keys_sign():
    with pytest.raises(ClaimsError, match="subject is not set"):
        jwt.encode(jwt.UserClaims(), ACCOUNT, issued_at=1)
    with pytest.raises(ClaimsError, match="expected subject to be user public key"):
        jwt.encode(jwt.new_user(ACCOUNT.public), ACCOUNT, issued_at=1)
    with pytest.raises(ClaimsError, match=r"expected prefixes - \[account\]"):
        jwt.encode(jwt.new_user(USER.public), OPERATOR, issued_at=1)
    with pytest.raises(KeyUseError):
        jwt.encode(jwt.new_user(USER.public), KeyPair.from_public(ACCOUNT.public), issued_at=1)
    latency = jwt.Export(subject="s", type="service", service_latency=jwt.ServiceLatency(sampling=101, results="r"))
    claims = jwt.new_account(ACCOUNT.public)
    with pytest.raises(ClaimsError, match="unknown sampling rate"):
        jwt.encode(replace(claims, nats=replace(claims.nats, exports=(latency,))), OPERATOR, issued_at=1)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXT, st.lists(TEXT, max_size=4), st.integers(-(2**63), 2**63 - 1))
def test_any_text_and_number_round_trips(name, tags, number):
    claims = replace(
        jwt.new_user(USER.public, name),
        nats=jwt.User(tags=tuple(tags), subs=number, pub=jwt.Permission(allow=tuple(tags))),
    )
    token = jwt.encode(claims, ACCOUNT, issued_at=7)
    read = jwt.decode(token, jwt.UserClaims)
    assert (read.name, read.nats.tags, read.nats.subs, read.nats.pub.allow) == (name, tuple(tags), number, tuple(tags))


NAMES = ["pub", "Sub", "allow", "src", "exports", "signing_keys", "limits", "type", "subs"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(kind=st.sampled_from(["operator", "account", "user", "activation", "authorization_request", "other"]), body=JSON)
def test_any_signed_json_reads_or_is_refused_with_our_errors(kind, body):
    nats = {**body, "type": kind, "version": 2} if isinstance(body, dict) else body
    signer = OPERATOR if kind in ("operator", "account") else ACCOUNT
    try:
        jwt.decode(signed({"iss": signer.public, "sub": USER.public, "nats": nats}, signer))
    except (DecodeError, VerifyError):
        return


VERSION_1 = [
    ("description of account", jwt.Account(description="x")),
    ("signing_keys of account", jwt.Account(signing_keys=(jwt.UserScope(key=ACCOUNT.public),))),
    ("limits of account", jwt.Account(limits=jwt.AccountLimits(disk_storage=1))),
    ("imports of account", jwt.Account(imports=(jwt.Import(subject="a", local_subject="b", type="stream"),))),
    ("default_permissions of account", jwt.Account(default_permissions=jwt.Permissions(pub=jwt.Permission(("a",))))),
]


@pytest.mark.parametrize(("message", "body"), VERSION_1, ids=[message for message, _ in VERSION_1])
def test_what_version_1_has_no_place_for_is_refused(message, body):
    claims = jwt.AccountClaims(subject=ACCOUNT.public, nats=body)
    with pytest.raises(ClaimsError, match=f"version 1 has no place for {message} {ACCOUNT.public}"):
        jwt.encode(claims, OPERATOR, issued_at=1, version=1)
    assert jwt.encode(claims, OPERATOR, issued_at=1)


def test_version_1_keeps_what_it_has_a_place_for():
    latency = jwt.ServiceLatency(sampling=5, results="r")
    exports = (jwt.Export(subject="a", type="service", service_latency=latency, revocations={ACCOUNT.public: 5}),)
    imports = (jwt.Import(subject="b", account=ACCOUNT.public, to="p", type="stream"),)
    keys = tuple(sorted((OPERATOR.public, ACCOUNT.public), reverse=True))
    account = jwt.Account(exports=exports, imports=imports, limits=jwt.UNLIMITED, signing_keys=keys, tags=("t",))
    claims = jwt.AccountClaims(subject=ACCOUNT.public, nats=account)
    read = jwt.decode(jwt.encode(claims, OPERATOR, issued_at=1, version=1), jwt.AccountClaims)
    assert replace(read.nats, version=0, type="") == account
    rights = jwt.User(
        src=("10.0.0.0/8", "::1/128"), payload=5, subs=-1, data=-1, bearer_token=True, issuer_account=ACCOUNT.public
    )
    token = jwt.encode(jwt.UserClaims(subject=USER.public, nats=rights), ACCOUNT, issued_at=1, version=1)
    assert replace(jwt.decode(token, jwt.UserClaims).nats, version=0, type="") == rights


@pytest.mark.parametrize(
    "claims",
    [
        jwt.new_user(USER.public, "\ud800"),
        replace(jwt.new_operator(OPERATOR.public), nats=jwt.Operator(account_server_url="//no.protocol")),
    ],
    ids=["text", "url"],
)
def test_claims_that_cannot_be_written_are_refused(claims):
    signer = OPERATOR if isinstance(claims, jwt.OperatorClaims) else ACCOUNT
    with pytest.raises(ClaimsError):
        jwt.encode(claims, signer, issued_at=1)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_refused_with_our_errors(data):
    with pytest.raises((DecodeError, VerifyError)):
        jwt.decode(data)
    with pytest.raises(DecodeError):
        jwt.decode_unverified(data)


def test_a_position_below_zero_is_refused_in_both_versions():
    exports = [{"subject": "a.*", "type": "stream", "account_token_position": -1}]
    head = {"iss": OPERATOR.public, "sub": ACCOUNT.public}
    for payload, whole in (
        ({**head, "nats": {"type": "account", "version": 2, "exports": exports}}, True),
        ({**head, "type": "account", "nats": {"exports": exports}}, False),
    ):
        with pytest.raises(InvalidToken, match="account_token_position"):
            jwt.decode(signed(payload, OPERATOR, whole=whole))
