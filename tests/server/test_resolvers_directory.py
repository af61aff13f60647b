"""Directories of tokens. Source: spec/server-accounts.md section 7."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from natskit.errors import NotFound, ServerError, StoreError, VerifyError
from natskit.server.clock import Clock
from natskit.server.resolvers import Cache, Directory
from support.realm import Realm


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    clock = Clock()
    yield clock
    clock.close()


@pytest.fixture
def realm() -> Realm:
    return Realm()


async def directory(folder: Path, clock: Clock, **more: object) -> Directory:
    found = Directory(folder, clock, **more)  # type: ignore[arg-type]
    await found.start()
    return found


async def cache(folder: Path, clock: Clock, **more: object) -> Cache:
    found = Cache(folder, clock, **more)  # type: ignore[arg-type]
    await found.start()
    return found


async def test_token_is_a_file_of_its_own_for_the_owner_only(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account = realm.account()
    store = await directory(tmp_path / "a" / "jwt", clock)
    token = account.token()
    assert store.keep(account.id, token, in_use=False)
    [file] = store.folder.iterdir()
    assert (file.name, file.read_text()) == (f"{account.id}.jwt", token)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert await store.fetch(account.id) == token


async def test_servers_of_one_process_may_share_a_directory(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account = realm.account()
    tokens = [account.token(issued_at=1_700_000_000, description=text) for text in ("one", "other")]

    async def keep_writing(token: str) -> None:
        store = await directory(tmp_path, clock)
        await asyncio.to_thread(lambda: [store.keep(account.id, token, in_use=True) for _ in range(200)])

    await asyncio.gather(*map(keep_writing, tokens))
    assert [file.read_text() in tokens for file in tmp_path.iterdir()] == [True]


async def test_what_is_not_there_is_said(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    with pytest.raises(NotFound, match="account missing"):
        await (await directory(tmp_path, clock)).fetch(realm.account().id)


async def test_names_that_are_no_account_never_become_a_path(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "x.jwt").write_text("secret")
    store = await directory(tmp_path / "jwt", clock)
    assert store.read("../x") is None
    with pytest.raises(VerifyError):
        store.keep("../y", "token", in_use=True)
    with pytest.raises(VerifyError):
        store.delete("../x")


async def test_older_token_does_not_replace_a_newer_one(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account = realm.account()
    store = await directory(tmp_path, clock)
    old, new = account.token(), account.token()
    store.keep(account.id, new, in_use=False)
    with pytest.raises(VerifyError, match="older than the one that is known"):
        store.keep(account.id, old, in_use=False)
    assert store.read(account.id) == new


async def test_full_store_takes_no_new_account_but_updates(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    first, second = realm.account(), realm.account()
    store = await directory(tmp_path, clock, limit=1)
    store.keep(first.id, first.token(), in_use=False)
    with pytest.raises(StoreError, match="jwt store is full"):
        store.keep(second.id, second.token(), in_use=False)
    store.keep(first.id, first.token(), in_use=False)


@pytest.mark.parametrize(("hard", "left"), [(False, [".jwt.deleted"]), (True, [])])
async def test_deleted_account_is_set_aside_or_gone(
    tmp_path: Path, clock: Clock, realm: Realm, hard: bool, left: list[str]
) -> None:
    account = realm.account()
    store = await directory(tmp_path, clock, allow_delete=True, hard_delete=hard)
    store.keep(account.id, account.token(), in_use=False)
    store.delete(account.id)
    store.delete(account.id)
    assert store.account_ids() == []
    assert os.listdir(tmp_path) == [account.id + end for end in left]


async def test_preloaded_tokens_are_stored_unless_there_are_newer_ones(
    tmp_path: Path, clock: Clock, realm: Realm
) -> None:
    account, other = realm.account(), realm.account()
    old, new = account.token(), account.token()
    await directory(tmp_path, clock, preload={account.id: new})
    store = await directory(tmp_path, clock, preload={account.id: old, other.id: other.token()})
    assert store.read(account.id) == new
    assert store.account_ids() == sorted([account.id, other.id])


async def test_file_goes_when_its_token_expires(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account, other = realm.account(), realm.account()
    store = await directory(tmp_path, clock)
    store.keep(account.id, account.token(expires=int(time.time()) + 100), in_use=False)
    store.keep(other.id, other.token(), in_use=False)
    clock.advance(99)
    assert account.id in store.account_ids()
    clock.advance(61)
    assert store.account_ids() == [other.id]


async def test_file_is_judged_by_the_token_that_it_has_now(
    tmp_path: Path, clock: Clock, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, other = realm.account(), realm.account()
    soon = int(time.time()) + 100
    store = await directory(tmp_path, clock)
    store.keep(account.id, account.token(expires=soon), in_use=False)
    store.keep(other.id, other.token(), in_use=False)
    clock.advance(60)
    store.keep(account.id, account.token(), in_use=False)
    store.keep(other.id, other.token(expires=soon), in_use=False)
    clock.advance(60)
    assert store.account_ids() == [account.id]
    monkeypatch.setattr(store, "read", lambda account_id: pytest.fail("a file that is as it was is read again"))
    clock.advance(600)
    assert store.account_ids() == [account.id]


async def test_digest_is_of_all_tokens_in_any_order(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    accounts = [realm.account() for _ in range(3)]
    store = await directory(tmp_path, clock)
    assert store.digest() == bytes(32)
    expected = 0
    for account in accounts:
        token = account.token()
        store.keep(account.id, token, in_use=False)
        expected ^= int.from_bytes(hashlib.sha256(token.encode()).digest(), "big")
    assert store.digest() == expected.to_bytes(32, "big")


async def test_folder_that_cannot_be_used_keeps_the_server_from_starting(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="cannot use"):
        await directory(tmp_path / "file" / "jwt", clock)


async def test_file_that_cannot_be_read_is_told_to_the_log(
    tmp_path: Path, clock: Clock, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    account = realm.account()
    store = await directory(tmp_path, clock)
    (tmp_path / f"{account.id}.jwt").mkdir()
    assert store.read(account.id) is None
    assert f"cannot read the token of account {account.id}" in caplog.text


async def test_folder_that_is_gone_for_a_while_is_swept_again(
    tmp_path: Path, clock: Clock, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    account = realm.account()
    store = await directory(tmp_path / "jwt", clock)
    store.keep(account.id, account.token(expires=int(time.time()) + 100), in_use=False)
    store.folder.rename(tmp_path / "away")
    clock.advance(60)
    assert "cannot look for tokens that have expired" in caplog.text
    with pytest.raises(StoreError, match="cannot read"):
        store.account_ids()
    (tmp_path / "away").rename(store.folder)
    clock.advance(60)
    assert store.account_ids() == []


async def test_cache_keeps_accounts_in_use_only(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account = realm.account()
    store = await cache(tmp_path, clock)
    assert not store.keep(account.id, account.token(), in_use=False)
    assert store.keep(account.id, account.token(), in_use=True)
    assert store.keep(account.id, account.token(), in_use=False)


async def test_cache_drops_what_was_not_used_for_longest(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    first, second, third = [realm.account() for _ in range(3)]
    store = await cache(tmp_path, clock, limit=2)
    for account in (first, second):
        store.keep(account.id, account.token(), in_use=True)
        clock.advance(1)
    await store.fetch(first.id)
    store.keep(third.id, third.token(), in_use=True)
    assert store.account_ids() == sorted([first.id, third.id])


async def test_cache_drops_what_was_not_used_for_its_time(tmp_path: Path, clock: Clock, realm: Realm) -> None:
    account, other = realm.account(), realm.account()
    store = await cache(tmp_path, clock, ttl_s=300)
    for each in (account, other):
        store.keep(each.id, each.token(), in_use=True)
    clock.advance(200)
    await store.fetch(other.id)
    clock.advance(200)
    assert store.account_ids() == [other.id]
