"""Stores on disk that others write to while they are served."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from natskit import jwt
from natskit.account_server import AccountServer, Directory, Nsc, Options
from natskit.errors import InvalidToken, StoreError
from support.account_service import Service
from support.realm import AccountOwner, Realm
from support.waiting import until

GOLDEN = Path(__file__).parents[1] / "golden"


class Folder:
    """An operator's folder as nsc lays it out."""

    def __init__(self, path: Path, realm: Realm) -> None:
        self.path = path
        (path / "accounts").mkdir(parents=True)
        (path / ".nsc").write_text(f'{{"name":"{path.name}","kind":"operator","version":"1"}}')
        (path / f"{path.name}.jwt").write_text(realm.token)

    def write(self, account: AccountOwner, token: str) -> None:
        """Write as nsc does: a temporary file, then a rename."""
        folder = self.path / "accounts" / account.name
        folder.mkdir(exist_ok=True)
        temporary = folder / f".{account.name}.tmp"
        temporary.write_text(token)
        temporary.replace(folder / f"{account.name}.jwt")


@pytest.fixture
def folder(tmp_path: Path, realm: Realm) -> Folder:
    return Folder(tmp_path / "stores" / "OP", realm)


@pytest.fixture
async def nsc(serve: Callable[..., Any], folder: Folder) -> Service:
    started: Service = await serve(store=Nsc(f"{folder.path}/"))
    return started


def announced(caplog: pytest.LogCaptureFixture, account: AccountOwner) -> int:
    """How often a change of the account was seen."""
    return sum(f"account {account.id[:12]} has changed" in each.getMessage() for each in caplog.records)


@pytest.fixture(autouse=True)
def _logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "natskit.account_server")


# ---- nsc -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["store-current/stores/Main", "store-current/stores/Strict"])
async def test_a_store_of_the_go_tool_is_served(serve: Callable[..., Any], store: str) -> None:
    service = await serve(store=Nsc(str(GOLDEN / store)))
    files = sorted(GOLDEN.joinpath(store, "accounts").glob("*/*.jwt"))
    assert files
    for file in files:
        token = file.read_text()
        key = jwt.decode(token, jwt.AccountClaims).subject
        assert (await service.account(key)).text == token.strip()
    operator = GOLDEN / store / f"{Path(store).name}.jwt"
    assert (await service.get("/jwt/v1/operator")).text == operator.read_text().strip()


async def test_a_store_of_2019_is_served(serve: Callable[..., Any], tmp_path: Path) -> None:
    source = GOLDEN / "store-2019" / "private" / "nsc" / "nats" / "Test"
    service = await serve(store=Nsc(str(source)))
    tokens = [file.read_text() for file in source.glob("accounts/*/*.jwt")]
    assert len(tokens) == 2
    for token in tokens:
        assert (await service.account(jwt.decode(token, jwt.AccountClaims).subject)).text == token.strip()


async def test_an_account_made_a_moment_ago_is_there(nsc: Service, folder: Folder, realm: Realm) -> None:
    account = realm.account("NEW")
    assert (await nsc.account(account.id)).status == 404
    folder.write(account, realm.preload[account.id])
    assert (await nsc.account(account.id)).text == realm.preload[account.id]


async def test_an_edit_is_served_at_once_and_announced_once(
    nsc: Service, folder: Folder, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    account, other = realm.account("A"), realm.account("B")
    for each in (account, other):
        folder.write(each, realm.preload[each.id])
        await until(lambda each=each: announced(caplog, each) == 1, "the new account")
    edited = account.token(description="edited")
    folder.write(account, edited)
    assert (await nsc.account(account.id)).text == edited
    await until(lambda: announced(caplog, account) == 2, "the edit")
    (folder.path / "accounts" / "A" / "users").mkdir()
    (folder.path / "accounts" / "A" / "users" / "u.jwt").write_text("a user is not our business")
    folder.write(other, other.token())
    await until(lambda: announced(caplog, other) == 2, "an edit after it")
    assert announced(caplog, account) == 2


async def test_an_account_that_is_renamed_or_removed_is_followed(
    nsc: Service, folder: Folder, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    account = realm.account("A")
    folder.write(account, realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 1, "the new account")
    accounts = folder.path / "accounts"
    (accounts / "A").rename(accounts / "B")
    (accounts / "B" / "A.jwt").rename(accounts / "B" / "B.jwt")
    assert (await nsc.account(account.id)).text == realm.preload[account.id]
    shutil.rmtree(accounts / "B")
    await until(lambda: "no JWT of account" in caplog.text, "the end of it")
    assert (await nsc.account(account.id)).status == 404


async def test_a_store_that_cannot_be_listed_for_a_while_is_followed_afterwards(
    nsc: Service, folder: Folder, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    accounts, aside = folder.path / "accounts", folder.path / "aside"
    accounts.rename(aside)
    accounts.symlink_to("accounts")
    await until(lambda: "cannot be followed: cannot list" in caplog.text, "the loss")
    accounts.unlink()
    aside.rename(accounts)
    account = realm.account("A")
    folder.write(account, realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 1, "an account after that")


async def test_a_file_that_is_damaged_hides_only_itself(
    serve: Callable[..., Any], folder: Folder, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = realm.account("GOOD"), realm.account("BAD")
    folder.write(good, realm.preload[good.id])
    folder.write(bad, "broken")
    nsc = await serve(store=Nsc(str(folder.path)))
    assert "BAD.jwt is left out: expected 3 chunks" in caplog.text
    assert (await nsc.account(good.id)).status == 200
    assert (await nsc.account(bad.id)).status == 404
    folder.write(bad, realm.preload[bad.id])
    await until(lambda: announced(caplog, bad) == 1, "the repaired one")
    assert (await nsc.account(bad.id)).status == 200


async def test_the_newest_of_two_files_of_one_account_is_served(
    serve: Callable[..., Any], folder: Folder, realm: Realm
) -> None:
    account = realm.account("A")
    old, new = account.token(), account.token()
    folder.write(account, new)
    (folder.path / "accounts" / "COPY").mkdir()
    (folder.path / "accounts" / "COPY" / "COPY.jwt").write_text(old)
    nsc = await serve(store=Nsc(str(folder.path)))
    assert (await nsc.account(account.id)).text == new


async def test_nsc_s_store_cannot_be_posted_to(nsc: Service, realm: Realm) -> None:
    account = realm.account()
    answer = await nsc.post(account.id, realm.preload[account.id])
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, OPTIONS")


@pytest.mark.parametrize("name", ["", "accounts", "nowhere"])
async def test_what_is_no_operator_s_folder_is_refused(folder: Folder, name: str) -> None:
    path = folder.path / name if name else folder.path.parent
    with pytest.raises(StoreError, match="is not a valid configuration directory"):
        await AccountServer(Options(store=Nsc(str(path)), port=0)).start()


# ---- directories -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sharded", [False, True])
async def test_files_written_removed_and_renamed_by_others_are_followed(
    serve: Callable[..., Any], realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture, sharded: bool
) -> None:
    service = await serve(store=Directory(str(tmp_path), sharded=sharded, read_only=True))
    account = realm.account()
    place = tmp_path / account.id[-2:] if sharded else tmp_path
    place.mkdir(exist_ok=True)
    path = place / f"{account.id}.jwt"
    path.write_text(realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 1, "the new file")
    newer = account.token()
    path.with_suffix(".tmp").write_text(newer)
    path.with_suffix(".tmp").replace(path)
    await until(lambda: announced(caplog, account) == 2, "the replaced file")
    assert (await service.account(account.id)).text == newer
    path.unlink()
    await until(lambda: "no JWT of account" in caplog.text, "the end of it")
    assert (await service.account(account.id)).status == 404


async def test_a_shard_that_is_moved_in_is_seen(
    serve: Callable[..., Any], realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jwts").mkdir()
    service = await serve(store=Directory(str(tmp_path / "jwts"), sharded=True, read_only=True))
    account = realm.account()
    shard = tmp_path / account.id[-2:]
    shard.mkdir()
    (shard / f"{account.id}.jwt").write_text(realm.preload[account.id])
    shard.rename(tmp_path / "jwts" / shard.name)
    await until(lambda: announced(caplog, account) == 1, "the shard")
    assert (await service.account(account.id)).status == 200


async def test_a_file_touched_or_written_by_a_post_is_not_announced_again(
    service: Service, realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account, other = realm.account(), realm.account()
    await service.post(account.id, realm.preload[account.id])
    path = tmp_path / "jwts" / f"{account.id}.jwt"
    os.utime(path)
    (tmp_path / "jwts" / f"{other.id}.jwt").write_text(realm.preload[other.id])
    await until(lambda: announced(caplog, other) == 1, "a change after it")
    assert announced(caplog, account) == 0


async def test_a_damaged_token_is_told_as_that(
    serve: Callable[..., Any], realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jwts").mkdir()
    await serve(store=Directory(str(tmp_path / "jwts"), read_only=True))
    account = realm.account()
    path = tmp_path / "jwts" / f"{account.id}.jwt"
    path.write_text(realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 1, "the account")
    path.write_text("no token")
    await until(lambda: "cannot be served" in caplog.text, "the damage")
    assert "there is no JWT of account" not in caplog.text
    path.write_text(realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 2, "the same token again")


async def test_a_folder_that_is_replaced_is_watched_again(
    serve: Callable[..., Any], realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "jwts"
    service = await serve(store=Directory(str(folder)))
    account, later = realm.account(), realm.account()
    shutil.rmtree(folder)
    await until(lambda: "is gone, waiting for it" in caplog.text, "the loss")
    assert (await service.account(account.id)).status == 404
    folder.mkdir()
    (folder / f"{account.id}.jwt").write_text(realm.preload[account.id])
    await until(lambda: announced(caplog, account) == 1, "the account in the new folder")
    (folder / f"{later.id}.jwt").write_text(realm.preload[later.id])
    await until(lambda: announced(caplog, later) == 1, "an account after that")


@pytest.mark.parametrize("how", ["removed", "renamed"])
async def test_a_folder_that_another_takes_the_place_of_is_watched_again(
    serve: Callable[..., Any], realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    folder, other = tmp_path / "jwts", tmp_path / "other"
    account, later = realm.account(), realm.account()
    folder.mkdir()
    await serve(store=Directory(str(folder)))
    other.mkdir()
    (other / f"{account.id}.jwt").write_text(realm.preload[account.id])
    shutil.rmtree(folder) if how == "removed" else folder.rename(tmp_path / "aside")
    other.rename(folder)
    await until(lambda: announced(caplog, account) == 1, "the account in the new folder")
    (folder / f"{later.id}.jwt").write_text(realm.preload[later.id])
    await until(lambda: announced(caplog, later) == 1, "an account after that")


async def test_where_the_system_cannot_watch_the_folder_is_looked_through(
    serve: Callable[..., Any],
    realm: Realm,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def awatch(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.awatch", awatch)
    await serve(store=Directory(str(tmp_path)))
    for account in (realm.account(), realm.account()):
        (tmp_path / f"{account.id}.jwt").write_text(realm.preload[account.id])
        await until(lambda account=account: announced(caplog, account) == 1, "the new file")
    assert caplog.text.count("OS file watch limit reached") == 1
    assert "is gone" not in caplog.text


async def test_a_read_only_directory_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a folder"):
        await AccountServer(Options(store=Directory(str(tmp_path / "none"), read_only=True), port=0)).start()
    assert not (tmp_path / "none").exists()


async def test_an_operator_file_that_is_none_is_refused_by_name(tmp_path: Path, realm: Realm) -> None:
    with pytest.raises(InvalidToken, match="there is no file"):
        await AccountServer(Options(operator=str(tmp_path / "none.jwt"), port=0)).start()
    path = tmp_path / "account.jwt"
    path.write_text(realm.account().token())
    with pytest.raises(InvalidToken, match=r"account\.jwt` holds no operator token"):
        await AccountServer(Options(operator=str(path), port=0)).start()
