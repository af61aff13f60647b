"""What is answered to those who ask for accounts."""

from __future__ import annotations

import json
import re
import string
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from natskit import jwt
from natskit.account_server import Memory
from natskit.nkeys import KeyPair, Role
from support.account_service import NOW, Service
from support.realm import Realm

STALE = "stale-while-revalidate=3600, stale-if-error=3600"


async def test_an_account_comes_back_as_it_was_posted(service: Service, realm: Realm) -> None:
    account = realm.account(expires=NOW + 100)
    token = realm.preload[account.id]
    assert (await service.post(account.id, token)).status == 200
    answer = await service.account(account.id)
    assert (answer.status, answer.text) == (200, token)
    assert answer.headers["Content-Type"] == "application/jwt"
    assert answer.headers["Cache-Control"] == f"max-age=100, {STALE}"
    assert answer.headers["Etag"] == f'"{jwt.decode(token, jwt.AccountClaims).id}"'


async def test_a_token_without_end_or_expired_is_never_given_a_negative_age(
    service: Service, realm: Realm, tmp_path: Path
) -> None:
    for expires in (0, NOW - 5):
        account = realm.account(expires=expires)
        (tmp_path / "jwts" / f"{account.id}.jwt").write_text(realm.preload[account.id])
        answer = await service.account(account.id)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == f"max-age=0, {STALE}"


async def test_what_the_client_has_is_not_sent_again(service: Service, realm: Realm) -> None:
    account = realm.account()
    await service.post(account.id, realm.preload[account.id])
    etag = (await service.account(account.id)).headers["Etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}'):
        answer = await service.account(account.id, If_None_Match=value)
        assert (answer.status, answer.body) == (304, b"")
        assert "Etag" not in answer.headers
    for value in ("*", '"other"', etag.strip('"')[:-1]):
        assert (await service.account(account.id, If_None_Match=value)).status == 200
    await service.post(account.id, account.token())
    assert (await service.account(account.id, If_None_Match=etag)).status == 200


async def test_unknown_accounts_are_404_with_a_text(service: Service) -> None:
    answer = await service.account(KeyPair.create(Role.ACCOUNT).public)
    assert (answer.status, answer.text) == (404, "no matching account JWT\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_expired_accounts_are_served_but_not_to_who_checks(
    service: Service, realm: Realm, tmp_path: Path
) -> None:
    account = realm.account(expires=NOW - 1)
    (tmp_path / "jwts" / f"{account.id}.jwt").write_text(realm.preload[account.id])
    assert (await service.account(account.id)).status == 200
    assert (await service.account(account.id, "?check=false")).status == 200
    answer = await service.account(account.id, "?check=TRUE")
    assert answer.status == 404
    assert "expired" in answer.text


async def test_text_and_decode_are_for_people(service: Service, realm: Realm) -> None:
    account = realm.account(expires=1_950_000_000, description="ünïcode & <b>")
    token = realm.preload[account.id]
    await service.post(account.id, token)
    answer = await service.account(account.id, "?text=true&decode=true")
    assert (answer.text, answer.headers["Content-Type"]) == (token, "text/plain")
    answer = await service.account(account.id, "?decode=true")
    header, claims, signature = answer.text.split("\n\r\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert json.loads(header) == {"alg": "ed25519-nkey", "typ": "JWT"}
    assert '    "exp": 1950000000 (2031-10-17),\n' in claims
    assert '"description": "ünïcode & <b>"' in claims
    plain = json.loads(re.sub(r" \(\d{4}-\d\d-\d\d\),", ",", claims))
    assert plain["sub"] == account.id
    assert list(plain) == sorted(plain)
    assert signature == token.split(".")[2]


async def test_decode_shows_the_activations_of_imports(service: Service, realm: Realm, tmp_path: Path) -> None:
    exporter, importer = realm.account("X"), KeyPair.create(Role.ACCOUNT)
    claims = jwt.new_activation(importer.public)
    claims = replace(claims, nats=jwt.Activation(subject="private.>", kind="stream"))
    good = jwt.encode(claims, exporter.key, issued_at=NOW)
    imports = tuple(
        jwt.Import(name=name, subject="private.>", account=exporter.id, token=token, type="stream")
        for name, token in (("good", good), ("bad", f"{good[:-4]}AAAA"))
    )
    account = realm.account("I")
    body = jwt.encode(jwt.decode(account.token(imports=imports), jwt.AccountClaims), realm.key, issued_at=NOW)
    (tmp_path / "jwts" / f"{account.id}.jwt").write_text(body)  # posted it would be refused
    text = (await service.account(account.id, "?decode=true")).text
    assert f'"sub": "{importer.public}"' in text
    assert '"token": "<bad token - ' in text


async def test_v1_tokens_are_served(service: Service, realm: Realm) -> None:
    account = realm.account("OLD")
    claims = jwt.decode(realm.preload[account.id], jwt.AccountClaims)
    token = jwt.encode(claims, realm.key, issued_at=NOW, version=1)
    assert (await service.post(account.id, token)).status == 200
    assert (await service.account(account.id)).text == token


async def test_the_base_answers_what_a_nats_server_asks_at_its_start(service: Service) -> None:
    for path in ("/jwt/v1/accounts/", "/jwt/v1/accounts"):
        answer = await service.get(path)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


async def test_help_health_and_operator(service: Service, realm: Realm) -> None:
    assert (await service.get("/healthz")).status == 200
    text = (await service.get("/jwt/v1/help")).text
    assert f"resolver: URL({service.server.resolver_url})" in text
    operator = await service.get("/jwt/v1/operator")
    assert (operator.text, operator.headers["Content-Type"]) == (realm.token, "application/jwt")
    assert '"name": "OP"' in (await service.get("/jwt/v1/operator?decode=true")).text


async def test_without_an_operator_there_is_none_to_ask_for(serve: Callable[..., Any]) -> None:
    assert (await (await serve(store=Memory())).get("/jwt/v1/operator")).status == 404


async def test_a_renewed_operator_is_served_without_a_restart(
    service: Service, realm: Realm, operator_file: Path
) -> None:
    token = jwt.encode(realm.claims, realm.key, issued_at=NOW)
    operator_file.write_text(f"-----BEGIN NATS OPERATOR JWT-----\n{token}\n------END NATS OPERATOR JWT------\n")
    assert (await service.get("/jwt/v1/operator")).text == token
    operator_file.write_text("broken")
    assert (await service.get("/jwt/v1/operator")).text == token


async def test_the_system_account_comes_from_its_file_if_the_store_has_none(
    serve: Callable[..., Any], realm: Realm, operator_file: Path, tmp_path: Path
) -> None:
    system = realm.account("SYS")
    path = tmp_path / "sys.jwt"
    path.write_text(realm.preload[system.id])
    service = await serve(operator=operator_file, system_account=path)
    assert (await service.account(system.id)).text == realm.preload[system.id]
    newer = system.token()
    await service.post(system.id, newer)
    assert (await service.account(system.id)).text == newer


async def test_pack_lists_what_has_not_expired(service: Service, realm: Realm, tmp_path: Path) -> None:
    accounts = [realm.account(str(number)) for number in range(5)]
    for account in accounts:
        await service.post(account.id, realm.preload[account.id])
    expired = realm.account(expires=NOW - 10)
    (tmp_path / "jwts" / f"{expired.id}.jwt").write_text(realm.preload[expired.id])
    (tmp_path / "jwts" / f"{KeyPair.create(Role.ACCOUNT).public}.jwt").write_text("broken")
    (tmp_path / "jwts" / "README.jwt").write_text("not ours")
    answer = await service.get("/jwt/v1/pack")
    text = answer.text
    assert dict(line.split("|") for line in text.split("\n")) == {a.id: realm.preload[a.id] for a in accounts}
    assert len((await service.get("/jwt/v1/pack?max=2")).text.split("\n")) == 2
    assert len((await service.get("/jwt/v1/pack?max=-1")).text.split("\n")) == 5
    assert (await service.get("/jwt/v1/pack?max=0")).text == ""
    for wrong, words in (("foo", '"foo"'), ("20000", "no more than 10000")):
        answer = await service.get(f"/jwt/v1/pack?max={wrong}")
        assert answer.status == 400
        assert words in answer.text


# ---- paths -----------------------------------------------------------------------------------------


async def test_other_spellings_of_a_path_lead_to_the_one(service: Service, realm: Realm) -> None:
    account = realm.account()
    await service.post(account.id, realm.preload[account.id])
    path = f"/jwt/v1/accounts/{account.id}"
    for other in (f"/jwt/v1//accounts/{account.id}", f"{path}/", f"/JWT/v1/Accounts/{account.id}", f"//jwt{path[4:]}"):
        answer = await service.get(f"{other}?text=true")
        assert (answer.status, answer.headers["Location"]) == (301, f"{path}?text=true")
        answer = await service.request("POST", other, data=b"")
        assert (answer.status, answer.headers["Location"]) == (308, path)
        async with service.http.get(service.server.url + other) as followed:
            assert await followed.text() == realm.preload[account.id]


async def test_unknown_paths_are_404_with_a_text(service: Service) -> None:
    for path in ("/", "/jwt", "/jwt/v2/accounts/", "/jwt/v1/accounts/a/b", "/favicon.ico", "/jwt/v1/activations/X"):
        answer = await service.get(path)
        assert answer.status == 404
        assert (answer.text).strip()


async def test_other_methods_are_405_and_name_those_that_exist(service: Service, realm: Realm) -> None:
    account = realm.account()
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        answer = await service.request(method, f"/jwt/v1/accounts/{account.id}")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST, OPTIONS")
        assert answer.text == "Method Not Allowed\n"
    answer = await service.request("POST", "/jwt/v1/operator")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, OPTIONS")


async def test_browsers_of_any_origin_may_ask(service: Service) -> None:
    path = f"/jwt/v1/accounts/{KeyPair.create(Role.ACCOUNT).public}"
    answer = await service.get(path, Origin="https://app.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in answer.headers["Vary"]
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = await service.request("OPTIONS", path, headers=asked | {"Access-Control-Request-Headers": "x-a"})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-a"
    answer = await service.request("OPTIONS", path)
    assert (answer.status, answer.headers["Allow"]) == (200, "GET, POST, OPTIONS")
    assert "Access-Control-Allow-Origin" not in (await service.get(path)).headers


PIECES = st.sampled_from(
    [
        "jwt",
        "v1",
        "accounts",
        "operator",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2f",
        "\\",
        "etc",
        "passwd",
        "%00",
        "pack",
        "A" * 56,
    ]
)
SAFE = string.ascii_letters + string.digits + "%./-_~?&=:@!$'()*+,;\\"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.one_of(st.lists(PIECES, max_size=8).map("/".join), st.text(SAFE, max_size=60)))
async def test_no_path_reaches_a_file_that_is_no_account(service: Service, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.jwt").write_text("secret")
    (tmp_path / "jwts" / "README.jwt").write_text("secret")
    answer = await service.get(f"/{path}")
    assert answer.status in (200, 301, 400, 404)
    assert b"secret" not in answer.body
    if answer.status == 301:
        assert not answer.headers["Location"].startswith("//")
        assert urllib.parse.urlsplit(answer.headers["Location"]).netloc == ""


@pytest.mark.parametrize(
    "key", ["../secret", "..%2fsecret", "%2e%2e%2fsecret", "README", "OABC", "secret%00", "A" * 55]
)
async def test_only_account_keys_are_ever_looked_up(service: Service, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret.jwt").write_text("secret")
    (tmp_path / "jwts" / "README.jwt").write_text("secret")
    assert (await service.account(key)).status in (301, 404)
    assert (await service.post(key, b"x")).status in (308, 400, 404)


async def test_what_is_damaged_on_disk_is_an_error_for_that_account_only(
    service: Service, realm: Realm, tmp_path: Path
) -> None:
    good, bad, swapped = realm.account(), realm.account(), realm.account()
    await service.post(good.id, realm.preload[good.id])
    (tmp_path / "jwts" / f"{bad.id}.jwt").write_bytes(b"\xff" * 100)
    (tmp_path / "jwts" / f"{swapped.id}.jwt").write_text(realm.preload[good.id])
    for account in (bad, swapped):
        answer = await service.account(account.id)
        assert (answer.status, answer.text) == (500, "error loading JWT\n")
    assert (await service.account(good.id)).status == 200
