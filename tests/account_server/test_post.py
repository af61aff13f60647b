"""Who may replace an account, and with what."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from natskit import jwt
from natskit.account_server import Directory, Memory
from natskit.nkeys import KeyPair, Role
from support.account_service import NOW, Service
from support.realm import Realm

MEGABYTE = 1 << 20


async def refused(service: Service, key: str, body: str | bytes, words: str) -> None:
    before = (await service.account(key)).body
    answer = await service.post(key, body)
    assert answer.status == 400
    assert words in answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (await service.account(key)).body == before


@pytest.mark.parametrize("sharded", [False, True])
async def test_a_token_of_the_operator_is_stored_where_it_belongs(
    serve: Callable[..., Any], realm: Realm, operator_file: Path, tmp_path: Path, sharded: bool
) -> None:
    service = await serve(store=Directory(str(tmp_path / "new" / "jwts"), sharded=sharded), operator=operator_file)
    account = realm.account()
    for signer in (realm.key, realm.signing_key):
        token = account.token(signer)
        answer = await service.post(account.id, token)
        assert (answer.status, answer.body) == (200, b"")
        shard = [account.id[-2:]] if sharded else []
        path = tmp_path.joinpath("new", "jwts", *shard, f"{account.id}.jwt")
        assert path.read_text() == token
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(path.parent) == [path.name]  # and no temporary file beside it


async def test_a_line_end_after_the_token_is_fine_and_not_stored(service: Service, realm: Realm) -> None:
    account = realm.account()
    token = realm.preload[account.id]
    assert (await service.post(account.id, f"{token}\r\n")).status == 200
    assert (await service.account(account.id)).text == token


async def test_bodies_that_are_no_account_token_are_refused(service: Service, realm: Realm) -> None:
    account = realm.account()
    token = realm.preload[account.id]
    user = account.user().token
    for body in (
        b"",
        b"x",
        b"\xff\xfe",
        token[:-3] + "AAA",
        f" {token}",
        jwt.files.decorate(token, "account"),
        user,
        realm.token,
    ):
        await refused(service, account.id, body, "bad JWT in request")


async def test_the_path_must_name_the_account_of_the_token(service: Service, realm: Realm) -> None:
    one, other = realm.account(), realm.account()
    await refused(service, one.id, realm.preload[other.id], "pub keys don't match")
    for key in (realm.key.public, KeyPair.create(Role.USER).public, "A" * 55, "x"):
        answer = await service.post(key, realm.preload[one.id])
        assert answer.status == 400
        assert "is not an account key" in answer.text


async def test_only_the_operator_and_its_signing_keys_are_trusted(service: Service, realm: Realm) -> None:
    account = realm.account()
    await refused(service, account.id, account.token(account.key), "bad JWT Issuer in request")
    await refused(service, account.id, account.token(Realm().key), "untrusted issuer in request")


async def test_a_strict_operator_signs_by_signing_keys_only(serve: Callable[..., Any], tmp_path: Path) -> None:
    realm = Realm(strict_signing_key_usage=True)
    (tmp_path / "strict.jwt").write_text(realm.token)
    service = await serve(operator=str(tmp_path / "strict.jwt"))
    account = realm.account()
    await refused(service, account.id, account.token(realm.key), "untrusted issuer in request")
    assert (await service.post(account.id, account.token(realm.signing_key))).status == 200


async def test_nobody_is_trusted_without_an_operator(serve: Callable[..., Any], realm: Realm) -> None:
    account = realm.account()
    await refused(await serve(store=Memory()), account.id, realm.preload[account.id], "untrusted issuer in request")


async def test_a_new_signing_key_is_trusted_as_soon_as_the_operator_names_it(
    service: Service, realm: Realm, operator_file: Path
) -> None:
    account, signer = realm.account(), KeyPair.create(Role.OPERATOR)
    await refused(service, account.id, account.token(signer), "untrusted issuer")
    from msgspec.structs import replace

    claims = replace(realm.claims, nats=replace(realm.claims.nats, signing_keys=(signer.public,)))
    operator_file.write_text(jwt.encode(claims, realm.key, issued_at=NOW))
    assert (await service.post(account.id, account.token(signer))).status == 200
    await refused(service, account.id, account.token(realm.signing_key), "untrusted issuer")


async def test_issues_are_listed(service: Service, realm: Realm) -> None:
    account = realm.account()
    expired = account.token(expires=NOW - 1)
    answer = await service.post(account.id, expired)
    assert answer.status == 400
    assert answer.text == (
        "The server was unable to update your account JWT. One more more validation issues occurred."
        "\n\t - claim is expired\n\n"
    )
    await refused(service, account.id, account.token(not_before=NOW + 10), "claim is not yet valid")
    bad = jwt.Export(subject="a..b", type="stream")
    await refused(service, account.id, account.token(exports=(bad,)), "consecutive")


async def test_an_older_token_does_not_replace_a_newer_one(service: Service, realm: Realm) -> None:
    account = realm.account()
    assert (await service.post(account.id, account.token(issued_at=NOW - 50))).status == 200
    await refused(service, account.id, account.token(issued_at=NOW - 51), "older than the stored JWT")
    same = account.token(issued_at=NOW - 50, description="same second")
    assert (await service.post(account.id, same)).status == 200
    assert (await service.account(account.id)).text == same


async def test_what_is_damaged_on_disk_can_be_replaced(service: Service, realm: Realm, tmp_path: Path) -> None:
    account = realm.account()
    (tmp_path / "jwts" / f"{account.id}.jwt").write_text("broken")
    assert (await service.post(account.id, realm.preload[account.id])).status == 200
    assert (await service.account(account.id)).status == 200


async def test_posts_at_once_leave_the_newest(service: Service, realm: Realm) -> None:
    account = realm.account()
    tokens = [account.token(issued_at=NOW - 100 + number) for number in range(20)]
    answers = await asyncio.gather(*(service.post(account.id, token) for token in tokens))
    assert {answer.status for answer in answers} <= {200, 400}
    assert (await service.account(account.id)).text == tokens[-1]


async def test_a_read_only_server_says_so(
    serve: Callable[..., Any], realm: Realm, operator_file: Path, tmp_path: Path
) -> None:
    service = await serve(store=Directory(str(tmp_path), read_only=True), operator=operator_file)
    account = realm.account()
    answer = await service.post(account.id, realm.preload[account.id])
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, OPTIONS")
    assert answer.text == "Method Not Allowed: this account server only reads its store\n"
    assert not (tmp_path / f"{account.id}.jwt").exists()


async def test_a_disk_that_refuses_is_a_500_and_keeps_the_old_token(
    service: Service, realm: Realm, tmp_path: Path
) -> None:
    account = realm.account()
    await service.post(account.id, realm.preload[account.id])
    path = tmp_path / "jwts"
    kept = path.rename(tmp_path / "elsewhere")
    path.write_text("a file is in the way")
    answer = await service.post(account.id, account.token())
    assert (answer.status, answer.text) == (500, "error saving JWT\n")
    assert (kept / f"{account.id}.jwt").read_text() == realm.preload[account.id]


# ---- bounds ----------------------------------------------------------------------------------------


async def test_a_body_larger_than_any_token_is_not_read(service: Service, realm: Realm) -> None:
    account = realm.account()
    answer = await service.post(account.id, b"x" * (MEGABYTE + 3))
    assert answer.status == 413
    assert "1048576" in answer.text

    async def endless() -> Any:
        for _ in range(64):
            yield b"x" * 65536

    answer = await service.post(account.id, endless())
    assert answer.status == 413


async def raw(service: Service, request: bytes) -> bytes:
    """What the server says to some bytes, until it hangs up."""
    port = int(service.server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(
    serve: Callable[..., Any], realm: Realm, operator_file: Path
) -> None:
    service = await serve(operator=operator_file, read_timeout_s=0.1)
    account = realm.account()
    head = f"POST /jwt/v1/accounts/{account.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\neyJ"
    assert b" 408 " in await raw(service, head.encode())


async def test_a_request_that_does_not_come_is_not_waited_for(serve: Callable[..., Any]) -> None:
    service = await serve(read_timeout_s=0.1)
    assert await raw(service, b"") == b""
    assert await raw(service, b"GET /healthz HTTP/1.1\r\nHost: ") == b""


async def test_who_asks_before_sending_is_told_to_go_on(service: Service, realm: Realm) -> None:
    account = realm.account()
    token = realm.preload[account.id].encode()
    head = f"POST /jwt/v1/accounts/{account.id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Expect: 100-continue\r\nContent-Length: {len(token)}\r\n\r\n"
    answer = await raw(service, head.encode() + token)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_a_compressed_body_is_not_unpacked(service: Service, realm: Realm) -> None:
    import gzip

    account = realm.account()
    bomb = gzip.compress(b"x" * (64 * MEGABYTE))
    answer = await service.post(account.id, bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_mutation_of_a_token_is_stored(service: Service, realm: Realm, data: st.DataObject) -> None:
    account = realm.account()
    token = realm.preload[account.id].encode()
    at = data.draw(st.integers(0, len(token) - 1))
    replacement = data.draw(st.binary(max_size=3))
    mutated = token[:at] + replacement + token[at + data.draw(st.integers(0, 3)) :]
    answer = await service.post(account.id, mutated)
    assert answer.status in (200, 400)
    if answer.status == 200:  # spare bits of the base64 are the only freedom there is
        assert jwt.decode(mutated, jwt.AccountClaims) == jwt.decode(token, jwt.AccountClaims)


@pytest.fixture
async def impatient(serve: Callable[..., Any]) -> Service:
    """Waits a moment only for what does not come."""
    started: Service = await serve(read_timeout_s=0.1)
    return started


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=st.binary(min_size=1, max_size=200))
@example(b"CONNECT ")  # no target at all
@example(b"PUT /")  # a request of HTTP/0.9, answered with a status line all the same
async def test_garbage_instead_of_http_costs_its_own_connection(impatient: Service, request: bytes) -> None:
    answer = await raw(impatient, request + b"\r\n\r\n")
    assert answer == b"" or re.match(rb"HTTP/(0\.9|1\.[01]) [1-5]\d\d ", answer)
    assert (await impatient.get("/healthz")).status == 200
