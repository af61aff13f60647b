"""Seeds and creds on disk."""

import stat

import pytest

from natskit.errors import NotFound, StoreError
from natskit.nkeys import KeyPair, Role, role_of
from natskit.store import Keystore, Plan


def stored(workspace, *pairs):
    plan = Plan(workspace)
    paths = [plan.key(pair) for pair in pairs]
    plan.commit()
    return paths


def test_a_key_goes_to_its_shard(open_workspace, home):
    workspace, pair = open_workspace(), KeyPair.create(Role.ACCOUNT)
    (path,) = stored(workspace, pair)
    root = home / ".local/share/nats/nsc/keys"
    assert path == str(root / f"keys/A/{pair.public[1:3]}/{pair.public}.nk")
    with open(path, "rb") as file:
        assert file.read() == pair.seed.encode()
    for entry in root.rglob("*"):
        assert stat.S_IMODE(entry.stat().st_mode) == (0o700 if entry.is_dir() else 0o600)
    assert (root / "creds").is_dir()
    assert b"**/*.nk" in (root / ".gitignore").read_bytes()
    assert workspace.keystore.require(pair.public).seed == pair.seed


def test_no_gitignore_on_request(open_workspace, home):
    stored(open_workspace(NSC_NO_GIT_IGNORE=""), KeyPair.create(Role.USER))
    assert not (home / ".local/share/nats/nsc/keys/.gitignore").exists()


def test_every_kind_is_stored_and_found(open_workspace):
    workspace = open_workspace()
    pairs = [KeyPair.create(role) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER, Role.CURVE)]
    stored(workspace, *pairs)
    found = list(workspace.keystore.keys())
    assert {key.public for key in found} == {pair.public for pair in pairs}


def test_a_different_key_is_never_written_over(open_workspace):
    workspace, pair = open_workspace(), KeyPair.create(Role.USER)
    (path,) = stored(workspace, pair)
    stored(workspace, pair)
    with open(path, "w") as file:
        file.write(KeyPair.create(Role.USER).seed)
    with pytest.raises(StoreError, match="already exists and is different"):
        stored(workspace, pair)
    with pytest.raises(StoreError, match="its name says"):
        workspace.keystore.pair(pair.public)


@pytest.mark.parametrize("content", ["", "SUAnonsense", "\x00", "-----BEGIN"])
def test_a_file_without_a_key_is_told_without_its_content(open_workspace, content):
    workspace, pair = open_workspace(), KeyPair.create(Role.USER)
    (path,) = stored(workspace, pair)
    with open(path, "w") as file:
        file.write(content)
    with pytest.raises(StoreError, match="does not hold a key") as refused:
        workspace.keystore.pair(pair.public)
    assert not content or content not in str(refused.value).replace(path, "")


def test_a_missing_key_is_none_or_an_error_for_who_needs_it(tmp_path):
    keystore, public = Keystore(str(tmp_path)), KeyPair.create(Role.USER).public
    assert keystore.pair(public) is None
    assert keystore.find("../../etc/passwd") is None
    with pytest.raises(NotFound, match="is not in the keystore"):
        keystore.require(public)


def test_a_public_key_in_the_file_is_no_secret(open_workspace):
    workspace, pair = open_workspace(), KeyPair.create(Role.USER)
    (path,) = stored(workspace, pair)
    with open(path, "w") as file:
        file.write(pair.public)
    assert workspace.keystore.pair(pair.public) is None


def test_the_golden_keystore_is_read_whole(open_workspace, current):
    keystore = open_workspace().keystore
    keys = list(keystore.keys())
    assert len(keys) == len(list((current / "keys/keys").rglob("*.nk"))) > 20
    for key in keys:
        pair = keystore.pair(key.public)
        assert pair is not None
        assert (pair.public, pair.role) == (key.public, role_of(key.public))
        assert keystore.find(key.public) == key.path


def test_discarding_a_key_takes_its_empty_shard_along(open_workspace, home):
    workspace, pair = open_workspace(), KeyPair.create(Role.USER)
    (path,) = stored(workspace, pair)
    plan = Plan(workspace)
    plan.discard(path)
    assert plan.commit().removed == (path,)
    assert list((home / ".local/share/nats/nsc/keys/keys/U").iterdir()) == []
