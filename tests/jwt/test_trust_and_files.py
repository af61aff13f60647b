"""Who signed what, revocations, templates of scoped keys, and tokens in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ClaimsError, InvalidToken
from natskit.jwt import files
from natskit.nkeys import KeyPair, Role

OPERATOR, O_SIGNING, ACCOUNT, A_SIGNING, USER = (
    KeyPair.from_raw_seed(role, b"trust %26d" % number)
    for number, role in enumerate((Role.OPERATOR, Role.OPERATOR, Role.ACCOUNT, Role.ACCOUNT, Role.USER))
)


def operator(strict=False):
    claims = jwt.new_operator(OPERATOR.public, "O")
    body = replace(claims.nats, signing_keys=(O_SIGNING.public,), strict_signing_key_usage=strict)
    return replace(claims, nats=body)


def signed(claims, key):
    return jwt.decode(jwt.encode(claims, key, issued_at=100))


@pytest.mark.parametrize(("strict", "key", "expected"), [
    (False, OPERATOR, True), (False, O_SIGNING, True), (True, OPERATOR, False), (True, O_SIGNING, True),
    (False, KeyPair.create(Role.OPERATOR), False),
], ids=["identity", "signing", "strict identity", "strict signing", "stranger"])  # fmt: skip
def test_which_accounts_an_operator_signed(strict, key, expected):
    account = signed(jwt.new_account(ACCOUNT.public), key)
    assert jwt.did_sign(operator(strict), account) is expected
    assert (key.public in jwt.trusted_keys(operator(strict))) is expected


def test_an_operator_signs_itself_even_if_strict():
    assert jwt.did_sign(operator(strict=True), signed(operator(strict=True), OPERATOR))


def test_which_users_an_account_signed():
    account = jwt.new_account(ACCOUNT.public)
    account = replace(account, nats=replace(account.nats, signing_keys=(A_SIGNING.public,)))
    user = jwt.new_user(USER.public)
    assert jwt.did_sign(account, signed(user, ACCOUNT))
    assert not jwt.did_sign(account, signed(user, A_SIGNING))
    owned = replace(user, nats=replace(user.nats, issuer_account=ACCOUNT.public))
    assert jwt.did_sign(account, signed(owned, A_SIGNING))
    assert not jwt.did_sign(account, signed(owned, KeyPair.create(Role.ACCOUNT)))


def test_revocations_count_to_the_second_and_never_go_back():
    revocations = jwt.revoke({}, "U1", 100)
    assert jwt.is_revoked(revocations, "U1", 100)
    assert not jwt.is_revoked(revocations, "U1", 101)
    assert not jwt.is_revoked(revocations, "U2", 1)
    assert jwt.is_revoked({}, "U2", 0)
    assert jwt.revoke(revocations, "U1", 50) == {"U1": 100}
    everybody = jwt.revoke({"U1": 100, "U2": 300}, "*", 200)
    assert everybody == {"U1": 100, "U2": 300, "*": 200}
    assert jwt.is_revoked(everybody, "anyone", 200)


# ---- templates -------------------------------------------------------------------------------------


def expand(allow=(), deny=(), tags=(), name="bob", account_tags=("region:eu",)):
    template = jwt.ScopeTemplate(pub=jwt.Permission(allow=allow, deny=deny), payload=20)
    scope = jwt.UserScope(kind="user_scope", key=A_SIGNING.public, template=template)
    user = jwt.new_scoped_user(USER.public, name, ACCOUNT.public)
    user = replace(user, nats=replace(user.nats, tags=tags))
    account = jwt.new_account(ACCOUNT.public, "acme")
    account = replace(account, nats=replace(account.nats, tags=account_tags))
    return jwt.expand_template(scope, user, account)


@pytest.mark.parametrize(
    ("entry", "tags", "expected"),
    [
        ("plain.>", (), ("plain.>",)),
        ("u.{{name()}}.>", (), ("u.bob.>",)),
        ("{{ NAME() }}", (), ("bob",)),
        ("{{subject()}}", (), (USER.public,)),
        ("{{account-name()}}.{{account-subject()}}", (), (f"acme.{ACCOUNT.public}",)),
        ("{{account-tag(region)}}.x", (), ("eu.x",)),
        ("d.{{tag(dept)}}", ("dept:eng", "dept:ops"), ("d.eng", "d.ops")),
        ("{{tag(a)}}.{{tag(b)}}", ("a:1", "a:2", "b:3", "b:4"), ("1.3", "1.4", "2.3", "2.4")),
        ("KV_{{tag(dept)}}.x", ("dept:eng",), ("KV_eng.x",)),
        ("{{tag(Dept)}}", ("dept:eng",), ("eng",)),
        ("{{tag(t)}}.{{name()}}.{{tag(t)}}", ("t:1", "t:2"), ("1.bob.1", "1.bob.1", "2.bob.2", "2.bob.2")),
        ("{{tag(t)}}.{{name()}}", ("t:{{name()}}",), ("bob.bob",)),
        ("a.{{}}.{{name()}}", (), ("a.{{}}.bob",)),
    ],
)
def test_placeholders_are_filled_in(entry, tags, expected):
    assert expand(allow=(entry,), tags=tags).pub.allow == expected


def test_an_allow_rule_without_values_goes_and_an_empty_list_denies_everything():
    rights = expand(allow=("x.{{tag(no)}}", "y.{{name()}}"))
    assert rights.pub == jwt.Permission(allow=("y.bob",))
    assert expand(allow=("x.{{tag(no)}}",)).pub == jwt.Permission(deny=(">",))


def test_tags_of_upper_case_functions_are_not_found_as_on_the_server():
    assert expand(allow=("x", "{{TAG(dept)}}"), tags=("dept:eng",)).pub == jwt.Permission(allow=("x",))
    assert expand(allow=("{{TAG(dept)}}",), tags=("tag(dept:eng",)).pub == jwt.Permission(allow=("eng",))


def test_values_that_blow_up_are_refused():
    name = "{{tag(t)}}" * 1000
    with pytest.raises(ClaimsError, match="exceeds limit"):
        expand(allow=("{{name()}}.{{tag(t)}}",), tags=("t:" + "x" * 1000,), name=name)


def test_a_deny_rule_without_values_refuses_the_user():
    with pytest.raises(ClaimsError, match="is not defined"):
        expand(deny=("x.{{tag(no)}}",))
    with pytest.raises(ClaimsError, match="generated invalid subject"):
        expand(deny=("x.{{tag(t)}}",), tags=("t:a b",))
    assert expand(allow=("x.{{tag(t)}}", "{{name()}}"), tags=("t:a b",)).pub.allow == ("bob",)


def test_unknown_placeholders_and_explosions_are_refused():
    with pytest.raises(ClaimsError, match="template operation"):
        expand(allow=("{{nobody()}}",))
    with pytest.raises(ClaimsError, match=r'template operation in "a.{{b.{{name\(\)}}": "b.{{name\(\)" is not defined'):
        expand(allow=("a.{{b.{{name()}}",))
    tags = tuple(f"{name}:{number}" for name in "tu" for number in range(100))
    for allow in (("{{tag(t)}}.{{tag(u)}}",), tuple(f"{{{{tag(t)}}}}.{number}" for number in range(41))):
        with pytest.raises(ClaimsError, match="exceeds limit: 4096"):
            expand(allow=allow, tags=tags)


# ---- files -----------------------------------------------------------------------------------------

TOKEN = jwt.encode(jwt.new_user(USER.public, "U"), ACCOUNT, issued_at=100)


def test_creds_round_trip():
    text = files.format_creds(TOKEN, USER.seed)
    assert files.parse_creds(text) == (TOKEN, USER.seed)
    assert files.parse_creds(text.replace("\n", "\r\n")) == (TOKEN, USER.seed)
    assert USER.seed not in repr(files.parse_creds(text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("------END NATS USER JWT------\n\n", "------END NATS USER JWT------\n").replace(
            "secrets.\n\n", "secrets.\n"
        ),
        lambda text: text.replace("NATS USER JWT", "TEST OPERATOR JWT"),
        lambda text: text[: text.index("------END USER NKEY SEED------") + 30],
        lambda text: text.replace("------END USER NKEY SEED------", "-----END USER NKEY SEED-----"),
        lambda text: "some words before\n" + text,
        lambda text: "user: " + text.replace("------END USER NKEY SEED------\n", "------END USER NKEY SEED------"),
        lambda text: text.replace("\n------END NATS", " \t\n------END NATS"),
    ],
    ids=["2019", "labels", "javascript", "five dashes", "words before", "word in the line", "blanks"],
)
def test_creds_of_other_writers_are_read(change):
    assert files.parse_creds(change(files.format_creds(TOKEN, USER.seed))) == (TOKEN, USER.seed)


def test_decorated_and_bare_tokens_are_read():
    assert files.parse_jwt(files.decorate(TOKEN, "user")) == TOKEN
    assert files.parse_jwt(TOKEN + "\n") == TOKEN + "\n"
    assert files.decorate(TOKEN, "activation").startswith("-----BEGIN NATS ACTIVATION JWT-----\n")


def _creds():
    return files.format_creds(TOKEN, USER.seed)


def _account_token():
    return jwt.encode(jwt.new_account(ACCOUNT.public), OPERATOR, issued_at=100)


def test_files_that_do_not_fit_are_refused_without_showing_secrets():
    other = KeyPair.create(Role.USER)
    for call, message in [
        (lambda: files.format_creds(TOKEN, other.seed), "does not match the jwt subject"),
        (lambda: files.format_creds(TOKEN, ACCOUNT.seed), "not an user seed"),
        (lambda: files.format_creds(_account_token(), USER.seed), '"account" cannot be serialized as a user config'),
        (lambda: files.decorate_seed("S"), "seed is too short"),
        (lambda: files.parse_creds("nothing"), "no user JWT found"),
        (lambda: files.parse_creds(_creds().replace("JWT-----\n", "JWT----- \n")), "no user JWT found"),
        (lambda: files.parse_creds(_creds().replace("JWT------\n", "JWT------ x\n")), "no user JWT found"),
        (lambda: files.parse_creds(files.decorate(TOKEN, "user") + files.decorate_seed(ACCOUNT.seed)), "user seed"),
        (lambda: files.parse_seed("hello"), "no nkey seed found"),
        (lambda: files.parse_seed("  " + USER.seed), "doesn't contain a seed"),
        (lambda: files.decorate_seed(KeyPair.create(Role.SERVER).seed), "not an operator, account or user seed"),
    ]:
        with pytest.raises(InvalidToken, match=message) as caught:
            call()
        assert "SU" not in str(caught.value).replace("SUBJECT", "")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_our_error(text):
    files.parse_jwt(text)
    for read in (files.parse_seed, files.parse_creds):
        try:
            read(text)
        except InvalidToken:
            continue


def test_minting_a_user_in_one_call():
    token = jwt.issue_user(A_SIGNING, ACCOUNT.public, USER.public, expires_in=60, tags=["A:b"], now=100)
    claims = jwt.decode(token, jwt.UserClaims)
    assert (claims.name, claims.expires, claims.account, claims.nats.tags) == (
        USER.public,
        160,
        ACCOUNT.public,
        ("A:b",),
    )
    jwt.check_scoped_user(claims, A_SIGNING.public)
    with pytest.raises(ClaimsError, match="requires an account key"):
        jwt.issue_user(A_SIGNING, USER.public, USER.public, now=1)
    with pytest.raises(ClaimsError, match="requires a user key"):
        jwt.issue_user(A_SIGNING, ACCOUNT.public, ACCOUNT.public, now=1)
