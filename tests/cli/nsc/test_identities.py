"""Keys, accounts and users that come and go: export and import, renaming, new identities, expiry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role

DATA = ".local/share/nats/nsc"


@pytest.fixture
def made(nsc, home) -> Path:
    """Operator O with account A, its users u and v; the folder of stores and keys."""
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    nsc("add", "user", "v")
    return home / DATA


def claims(data: Path, path: str) -> jwt.Claims:
    return jwt.decode((data / "stores/O" / path).read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- keys


def test_exported_keys_and_tokens_make_the_store_again(nsc, made, tmp_path):
    nsc("export", "keys", "--all", "--dir", "out", "--include-jwts", "--remove")
    assert not list((made / "keys/keys").rglob("*.nk"))
    nsc("add", "user", "w", exit=1)
    nsc("import", "keys", "--dir", "out")
    nsc("add", "user", "w")


def test_a_damaged_key_does_not_keep_the_others_out(nsc, made, tmp_path):
    folder = Path("in")
    folder.mkdir()
    good = KeyPair.create(Role.USER)
    (folder / "a.nk").write_text("nonsense")
    (folder / "b.nk").write_text(f"-----BEGIN USER NKEY SEED-----\n{good.seed}\n------END USER NKEY SEED------\n")
    (folder / "c.nk").write_text(good.public)
    done = nsc("import", "keys", "--dir", "in", exit=1)
    assert done.err.count("failed to import") == 2
    assert "2 jobs failed - 1 job succeeded" in done.err
    assert (made / f"keys/keys/U/{good.public[1:3]}/{good.public}.nk").read_text() == good.seed


def test_seeds_are_never_shown_in_errors(nsc, made):
    seed = KeyPair.create(Role.ACCOUNT).seed
    for argv in (["add", "user", "w", "-K", seed[:-2] + "AA"], ["add", "account", "B", "-k", seed[:-1]]):
        done = nsc(*argv, exit=1)
        assert seed[:20] not in done.err
        assert "seed that was given is damaged" in done.err


def test_the_old_keystore_is_migrated_without_a_gap(nsc, made):
    keys = made / "keys"
    before = {path.read_bytes() for path in (keys / "keys").rglob("*.nk")}
    old = keys / "O/accounts/A/users"
    old.mkdir(parents=True)
    for path in (keys / "keys").rglob("U*.nk"):
        path.rename(old / f"{path.stem[:5]}.nk")
    (keys / "creds/O/A/u.creds").rename(old / "u.creds")
    nsc("list", "accounts", exit=1)
    told = nsc("keys", "migrate", "--json").json
    assert {path.read_bytes() for path in (keys / "keys").rglob("*.nk")} == before
    assert (keys / "creds/O/A/u.creds").is_file()
    assert not (keys / "O").exists()
    assert (Path(told["old"]) / "O/accounts/A/users/u.creds").is_file()
    nsc("list", "accounts")


def test_creds_in_a_strange_place_stop_the_migration_before_anything_happens(nsc, made):
    (made / "keys/O").mkdir()
    (made / "keys/O/u.creds").write_text("x")
    before = files(made)
    assert "unexpected creds filepath len of 2" in nsc("keys", "migrate", exit=1).err
    assert files(made) == before


# ---- renaming


def test_a_renamed_account_keeps_keys_users_and_creds(nsc, made):
    before = claims(made, "accounts/A/A.jwt")
    creds = (made / "keys/creds/O/A/u.creds").read_bytes()
    refused = nsc("rename", "account", "A", "B", exit=1)
    assert 'signs account "A" again as "B" and moves 2 users and 2 creds files' in refused.err
    nsc("rename", "account", "A", "B", "--OK")
    after = claims(made, "accounts/B/B.jwt")
    assert (after.name, after.subject, after.nats) == ("B", before.subject, before.nats)
    assert (made / "keys/creds/O/B/u.creds").read_bytes() == creds
    assert not (made / "stores/O/accounts/A").exists()
    assert not (made / "keys/creds/O/A").exists()
    assert nsc("env", "--json").json["account"] == "B"
    nsc("add", "user", "w")


def test_a_renamed_account_of_2019_keeps_its_keys(nsc, home, monkeypatch):
    monkeypatch.setenv("NSC_PROFILE", "2019")
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    nsc("rename", "account", "A", "B", "--OK")
    assert (home / ".nkeys/O/accounts/B/B.nk").is_file()
    assert (home / ".nkeys/O/accounts/B/users/u.nk").is_file()
    assert (home / ".nkeys/O/accounts/B/users/u.creds").is_file()
    assert not list((home / ".nkeys/O/accounts/A").rglob("*.*"))
    nsc("add", "user", "v")


# ---- new identities


def test_a_new_identity_signs_what_the_old_one_had_signed(nsc, made):
    was = claims(made, "O.jwt").subject
    told = nsc("reissue", "operator", "--json").json
    operator, account = claims(made, "O.jwt"), claims(made, "accounts/A/A.jwt")
    assert operator.subject == operator.issuer == account.issuer == told["operator"]["id"] != was
    nsc("validate", "--all-accounts")


def test_the_old_identity_may_stay_as_a_signing_key(nsc, made):
    was = claims(made, "O.jwt").subject
    token = (made / "stores/O/accounts/A/A.jwt").read_text()
    nsc("reissue", "operator", "--convert-to-signing-key")
    assert claims(made, "O.jwt").nats.signing_keys == (was,)
    assert (made / "stores/O/accounts/A/A.jwt").read_text() == token
    nsc("validate", "--all-accounts")


# ---- tokens from elsewhere


def test_an_account_of_another_operator_is_signed_again_if_told_so(nsc, made):
    shutil.copytree(made / "stores/O/accounts/A", "A")
    nsc("add", "operator", "P")
    assert "can only import account signed by same operator" in nsc("import", "account", "-j", "A/A.jwt", exit=1).err
    nsc("import", "account", "-j", "A/A.jwt", "--force")
    nsc("import", "user", "-f", "A/users/u.jwt")
    operator = jwt.decode((made / "stores/P/P.jwt").read_text())
    assert jwt.decode((made / "stores/P/accounts/A/A.jwt").read_text()).issuer == operator.subject
    assert nsc("list", "users", "-a", "A", "--json").json[0]["name"] == "u"


def test_creds_with_another_users_seed_are_refused(nsc, made):
    text = (made / "keys/creds/O/A/u.creds").read_text()
    (Path("u.creds")).write_text(text.replace(text.split("\n")[9], KeyPair.create(Role.USER).seed))
    nsc("delete", "user", "u")
    assert "the seed in the creds is that of" in nsc("import", "user", "-f", "u.creds", exit=1).err
    assert not (made / "stores/O/accounts/A/users/u.jwt").exists()


def test_a_forged_account_is_refused(nsc, made):
    token = (made / "stores/O/accounts/A/A.jwt").read_text()
    Path("forged.jwt").write_text(token[:-6] + "AAAAAA")
    assert "failed to decode" in nsc("import", "account", "-j", "forged.jwt", "--overwrite", "--force", exit=1).err


# ---- expiry


def test_what_expires_soon_is_told(nsc, made):
    nsc("add", "user", "soon", "--expiry", "3d")
    nsc("add", "user", "gone", "--expiry", "2020-01-01")
    report = nsc("expirations", "--skip", "--json").json["report"]
    assert [each["resource"].rpartition("/")[2] for each in report] == ["gone", "gone.creds", "soon", "soon.creds"]
    assert [each["expired"] for each in report] == [True, True, False, False]
    assert json.loads(nsc("expirations", "--skip", "--within", "1d", "--json").out)["report"][2:] == []
    assert "Never" in nsc("expirations").out
