"""Users of the configuration at the door. Source: spec/server-accounts.md section 1.2."""

from __future__ import annotations

import base64

import bcrypt
import pytest

from natskit.errors import AuthenticationError, ProtocolError
from natskit.nkeys import KeyPair, Role
from natskit.server.auth import Admission, Authenticator, ConnectOptions, Peer
from natskit.server.auth.certificate import CertificateNames
from natskit.server.clock import Clock
from natskit.server.options import (
    Account,
    AccountLimits,
    Authorization,
    Options,
    Permissions,
    SubjectPermission,
    Tls,
    User,
)
from natskit.server.provision import open_accounts

NONCE = "R5XAKrkxXWqZ_eY"
PEER = Peer(host="127.0.0.1", port=1, nonce=NONCE, cid=7)


async def door(options: Options) -> Authenticator:
    clock = Clock()
    return Authenticator(options, await open_accounts(options, clock, "2.15.1"), clock)


async def admit(options: Options, peer: Peer = PEER, **connect: object) -> Admission:
    return await (await door(options)).authenticate(ConnectOptions(**connect), peer)  # type: ignore[arg-type]


async def refuse(options: Options, peer: Peer = PEER, **connect: object) -> str:
    with pytest.raises(AuthenticationError) as caught:
        await admit(options, peer, **connect)
    assert caught.value.reply == "Authorization Violation"
    return caught.value.message


def users(*found: User, **more: object) -> Options:
    return Options(accounts=(Account(name="A", users=found),), **more)  # type: ignore[arg-type]


async def test_open_server_lets_everybody_into_the_global_account() -> None:
    admission = await admit(Options(), user="whoever", password="x")
    assert (admission.account.id, admission.user) == ("$G", "")
    assert not admission.permissions.restricts_publish


async def test_token_is_compared() -> None:
    options = Options(authorization=Authorization(token="t0k"))
    assert (await admit(options, auth_token="t0k")).user == "[REDACTED]"
    assert "wrong token" in await refuse(options, auth_token="bad")
    assert "a token is required" in await refuse(options, user="t0k")


async def test_log_message_never_holds_the_token() -> None:
    assert "bad-secret" not in await refuse(Options(authorization=Authorization(token="t")), auth_token="bad-secret")


async def test_single_user() -> None:
    options = Options(authorization=Authorization(user="u", password="p"))
    assert (await admit(options, user="u", password="p")).account.id == "$G"
    assert "wrong password" in await refuse(options, user="u", password="q")
    assert "unknown user" in await refuse(options, user="x", password="p")


async def test_user_lands_in_its_account_with_its_permissions() -> None:
    only_a = Permissions(publish=SubjectPermission(allow=("a",)))
    admission = await admit(users(User(name="u", password="p", permissions=only_a)), user="u", password="p")
    assert admission.account.id == "A"
    assert not admission.permissions.may_publish("b")


async def test_block_defaults_apply_to_users_without_permissions() -> None:
    default = Permissions(subscribe=SubjectPermission(deny=("x",)))
    account = Account(name="A", users=(User(name="u", password="p"),), default_permissions=default)
    admission = await admit(Options(accounts=(account,)), user="u", password="p")
    assert not admission.permissions.may_subscribe("x")


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
async def test_bcrypt_password(prefix: bytes) -> None:
    stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4, prefix)).decode()
    options = users(User(name="u", password=stored))
    assert (await admit(options, user="u", password="secret")).user == "u"
    assert "wrong password" in await refuse(options, user="u", password="wrong")
    assert "wrong password" in await refuse(options, user="u", password=stored)


async def test_bcrypt_looks_at_72_bytes_and_no_more() -> None:
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert (await admit(users(User(name="u", password=stored)), user="u", password="x" * 100)).user == "u"


def sign(pair: KeyPair, nonce: str = NONCE) -> bytes:
    return pair.sign(nonce.encode())


async def test_nkey_signature_in_both_alphabets() -> None:
    pair = KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public))
    raw = base64.urlsafe_b64encode(sign(pair)).rstrip(b"=").decode()
    padded = base64.b64encode(sign(pair)).decode()
    assert (await admit(options, nkey=pair.public, sig=raw)).user == pair.public
    assert (await admit(options, nkey=pair.public, sig=padded, user="ignored")).user == pair.public


async def test_nkey_signature_that_does_not_fit_is_refused_with_the_reason() -> None:
    pair, other = KeyPair.create(Role.USER), KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public))
    foreign = base64.b64encode(sign(other)).decode()
    replayed = base64.b64encode(sign(pair, "another-nonce")).decode()
    assert "Signature missing" in await refuse(options, nkey=pair.public)
    assert "Signature not valid base64" in await refuse(options, nkey=pair.public, sig="!!!")
    assert "Signature not verified" in await refuse(options, nkey=pair.public, sig=foreign)
    assert "Signature not verified" in await refuse(options, nkey=pair.public, sig=replayed)


async def test_padded_url_alphabet_is_refused() -> None:
    pair = KeyPair.create(Role.USER)
    nonce = next(n for n in (f"nonce{i}" for i in range(1000)) if set(b"+/") & set(base64.b64encode(sign(pair, n))))
    padded_url = base64.urlsafe_b64encode(sign(pair, nonce)).decode()
    peer = Peer(host="127.0.0.1", nonce=nonce)
    assert "not valid base64" in await refuse(users(User(nkey=pair.public)), peer, nkey=pair.public, sig=padded_url)


async def test_connection_type_of_an_nkey_is_enforced() -> None:
    pair = KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public, connection_types=("WEBSOCKET",)))
    sig = base64.urlsafe_b64encode(pair.sign(NONCE.encode())).decode().rstrip("=")
    assert "Connection type not allowed" in await refuse(options, nkey=pair.public, sig=sig)


async def test_unknown_nkey_is_refused_even_with_a_right_password() -> None:
    pair, other = KeyPair.create(Role.USER), KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public), User(name="u", password="p"))
    message = await refuse(options, nkey=other.public, user="u", password="p")
    assert message == f'authentication error - Nkey "{other.public}": unknown nkey'


async def test_nkey_of_a_user_is_no_user_name() -> None:
    pair = KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public), User(name="u", password="p"))
    assert "unknown user" in await refuse(options, user=pair.public, password="")


async def test_no_auth_user_stands_in_only_for_those_who_say_nothing() -> None:
    options = users(User(name="u", password="p"), no_auth_user="u")
    assert (await admit(options)).user == "u"
    assert "unknown user" in await refuse(options, user="x")
    assert "no credential" in await refuse(options, auth_token="x")
    authenticator = await door(options)
    assert authenticator.may_skip_connect
    assert not authenticator.announced


async def test_nkey_as_no_auth_user_does_not_permit_skipping_connect() -> None:
    pair = KeyPair.create(Role.USER)
    options = users(User(nkey=pair.public), no_auth_user=pair.public)
    assert (await admit(options)).user == pair.public
    assert not (await door(options)).may_skip_connect


async def test_system_users_alone_leave_the_global_account_open() -> None:
    options = Options(accounts=(Account(name="$SYS", users=(User(name="s", password="s"),)),))
    assert (await admit(options)).account.id == "$G"
    assert (await admit(options, user="s", password="s")).account.is_system
    assert (await door(options)).announced
    one_more = Options(accounts=(*options.accounts, Account(name="A")))
    assert "no credential" in await refuse(one_more)


async def test_accounts_without_users_leave_the_server_open() -> None:
    assert (await admit(Options(accounts=(Account(name="A"),)))).account.id == "$G"


async def test_connection_type_is_enforced() -> None:
    options = users(User(name="u", password="p", connection_types=("WEBSOCKET",)))
    assert "Connection type not allowed: STANDARD" in await refuse(options, user="u", password="p")
    web = Peer(host="127.0.0.1", connection_type="WEBSOCKET")
    assert (await admit(options, web, user="u", password="p")).user == "u"


@pytest.mark.parametrize("field", [{"account": "A"}, {"new_account": True}])
async def test_account_in_connect_is_refused(field: dict[str, object]) -> None:
    await refuse(users(User(name="u", password="p")), user="u", password="p", **field)


class Connection:
    """Something that joins accounts and notes how it is closed."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.subscription_count = 0
        self.closed: list[tuple[str, str]] = []

    def close(self, reason: str, error: str = "") -> None:
        self.closed.append((reason, error))
        self.admission.account.leave(self)

    def readmit(self, admission: Admission) -> None:
        self.admission = admission


async def test_connection_limit_of_the_account() -> None:
    account = Account(name="A", users=(User(name="u", password="p"),), limits=AccountLimits(max_connections=1))
    authenticator = await door(Options(accounts=(account,)))
    connect = ConnectOptions(user="u", password="p")
    first, second = [Connection(await authenticator.authenticate(connect, PEER)) for _ in range(2)]
    authenticator.join(first, connect)
    with pytest.raises(AuthenticationError) as caught:
        authenticator.join(second, connect)
    assert caught.value.reply == "maximum account active connections exceeded"
    assert caught.value.reason == "Maximum Account Connections Exceeded"
    first.close("Client Closed")
    authenticator.join(second, connect)


# ---- CONNECT -------------------------------------------------------------------------------------


def test_connect_keys_match_in_any_case_and_null_changes_nothing() -> None:
    said = ConnectOptions().merge(b'{"USER":"u","Pass":"p","verbose":null,"echo":false,"protocol":1,"other":[1]}')
    assert (said.user, said.password, said.verbose, said.echo, said.protocol) == ("u", "p", True, False, 1)


def test_second_connect_keeps_what_it_does_not_name() -> None:
    said = ConnectOptions().merge(b'{"user":"u","verbose":false}').merge(b'{"user":"v"}').merge(b"null")
    assert (said.user, said.verbose) == ("v", False)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b'"x"', b"1", b'{"user":1}', b'{"protocol":1.0}', b'{"verbose":"true"}', b"{} x", b"[" * 100_000],
)
def test_connect_that_makes_no_sense_is_a_protocol_error(document: bytes) -> None:
    with pytest.raises(ProtocolError):
        ConnectOptions().merge(document)


def test_last_of_duplicate_connect_keys_wins() -> None:
    assert ConnectOptions().merge(b'{"user":"u","user":"v"}').user == "v"


def test_connect_options_never_show_secrets() -> None:
    shown = repr(ConnectOptions(user="u", password="hush", auth_token="hush", sig="hush"))
    assert "hush" not in shown


# ---- certificates --------------------------------------------------------------------------------


def subject(*parts: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple((tuple(part.split("=")),) for part in parts)  # type: ignore[misc]


PLAIN = CertificateNames(subject=subject("C=US", "O=Org", "CN=cn3"))
DOMAIN = CertificateNames(subject=subject("DC=com", "DC=example", "OU=Users", "CN=joe"))
NAMED = CertificateNames(emails=("a@b.c",), dns_names=("host.x",), uris=("urn:y",), subject=subject("CN=x"))


@pytest.mark.parametrize(
    ("user", "certificate", "mapped"),
    [
        ("CN=cn3,O=Org,C=US", PLAIN, True),
        ("C=US,O=Org,CN=cn3", PLAIN, True),
        ("O=Org,CN=cn3,C=US", PLAIN, True),
        ("cn=cn3,o=Org,c=US", PLAIN, True),
        ("CN=cn3, O=Org, C=US", PLAIN, True),
        ("cn3", PLAIN, False),
        ("CN=cn3", PLAIN, False),
        ("CN=cn3,O=Org", PLAIN, False),
        ("CN=cn3,O=org,C=US", PLAIN, False),
        ("CN=joe,OU=Users,DC=example,DC=com", DOMAIN, True),
        ("DC=com,DC=example,OU=Users,CN=joe", DOMAIN, True),
        ("CN=joe,OU=Users,DC=com,DC=example", DOMAIN, True),
        ("CN=joe,OU=Users", DOMAIN, True),
        ("a@b.c", NAMED, True),
        ("host.x", NAMED, True),
        ("urn:y", NAMED, True),
        ("CN=x", NAMED, True),
        ("CN=m,OU=b,OU=a,O=Org", CertificateNames(subject=subject("O=Org", "OU=a", "OU=b", "CN=m")), True),
        ("CN=m,OU=a+OU=b,O=Org", CertificateNames(subject=subject("O=Org", "OU=a", "OU=b", "CN=m")), True),
        ("CN=e,O=Org\\, Inc.", CertificateNames(subject=subject("O=Org, Inc.", "CN=e")), True),
    ],
)
async def test_certificate_stands_for_a_user(user: str, certificate: CertificateNames, mapped: bool) -> None:
    options = users(User(name=user), tls=Tls(verify_and_map=True))
    peer = Peer(host="127.0.0.1", certificate=certificate)
    if mapped:
        assert (await admit(options, peer, user="ignored")).user == user
    else:
        assert "not found" in await refuse(options, peer)


async def test_mapping_is_for_everybody_and_compares_passwords() -> None:
    options = users(User(name="a@b.c", password="p"), User(name="u", password="u"), tls=Tls(verify_and_map=True))
    peer = Peer(host="127.0.0.1", certificate=NAMED)
    assert "wrong password" in await refuse(options, peer)
    assert (await admit(options, peer, password="p")).user == "a@b.c"
    assert "no TLS certificate" in await refuse(options, user="u", password="u")


async def test_user_without_password_needs_its_certificate_on_every_listener() -> None:
    options = users(User(name="a@b.c"), User(name="u", password="u"), tls=Tls(verify_and_map=True))
    web = Peer(host="127.0.0.1", connection_type="WEBSOCKET")
    assert "certificate only" in await refuse(options, web, user="a@b.c")
    assert (await admit(options, web, user="u", password="u")).user == "u"


def test_names_are_read_from_what_ssl_knows() -> None:
    decoded = {
        "subject": ((("countryName", "US"),), (("commonName", "x"), ("emailAddress", "e@f"))),
        "subjectAltName": (("email", "a@b.c"), ("DNS", "host.x"), ("URI", "urn:y"), ("IP Address", "127.0.0.1")),
    }
    names = CertificateNames.from_ssl(decoded)
    assert (names.emails, names.dns_names, names.uris) == (("a@b.c",), ("host.x",), ("urn:y",))
    assert names.subject == ((("C", "US"),), (("CN", "x"), ("EMAILADDRESS", "e@f")))


# ---- proxies -------------------------------------------------------------------------------------


def signed_by(pair: KeyPair) -> str:
    return base64.urlsafe_b64encode(sign(pair)).rstrip(b"=").decode()


async def test_user_may_have_to_come_through_a_trusted_proxy() -> None:
    proxy, stranger = KeyPair.create(Role.SERVER), KeyPair.create(Role.SERVER)
    options = users(
        User(name="u", password="p", proxy_required=True),
        User(name="v", password="p"),
        trusted_proxies=(KeyPair.create(Role.SERVER).public, proxy.public),
    )
    assert (await door(options)).needs_nonce
    assert (await admit(options, user="u", password="p", proxy_sig=signed_by(proxy))).user == "u"
    assert (await admit(options, user="v", password="p")).user == "v"
    assert "Proxy Required" in await refuse(options, user="u", password="p")
    for user in ("u", "v"):
        message = await refuse(options, user=user, password="p", proxy_sig=signed_by(stranger))
        assert "Proxy Not Trusted" in message
