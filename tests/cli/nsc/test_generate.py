"""generate creds and config: what comes out, where it goes, what real servers make of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def realm(nsc):
    """An operator with a system account, and account A with user U."""
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    nsc("add", "user", "U")
    return nsc


# ---- creds


def test_creds_on_stdout_are_what_the_store_has_written(realm, home):
    stored = next(home.rglob("U.creds")).read_text()
    assert realm("generate", "creds", "-n", "U").out == f"{stored}\n"


def test_creds_in_a_file_are_for_the_owner_alone(realm):
    Path("u.creds").write_text("old")
    Path("u.creds").chmod(0o644)
    result = realm("generate", "creds", "U", "-o", "u.creds")
    assert result.out == f"Success! - generated `{Path('u.creds').resolve()}`\n"
    assert Path("u.creds").stat().st_mode & 0o777 == 0o600
    assert realm("describe", "jwt", "u.creds", "--json").json["name"] == "U"


def test_creds_in_json(realm):
    document = realm("generate", "creds", "U", "--json").json
    assert (document["account"], document["user"]) == ("A", "U")
    assert "BEGIN USER NKEY SEED" in document["creds"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-n", "Nobody"], '"Nobody"'),
        (["-a", "SYS", "-n", "U"], '"U" not found in "SYS"'),
        (["-a", "Nobody"], "Nobody"),
    ],
)
def test_creds_of_nobody(words, told, realm):
    assert told in realm("generate", "creds", *words, exit=1).err


def test_creds_need_the_seed(realm, home):
    for path in home.rglob("U*.nk"):
        path.unlink()
    error = realm("generate", "creds", "U", exit=1).err
    assert 'seed of user "U"' in error
    assert "nsc import keys" in error


def test_output_file_that_cannot_be_written_is_told(realm):
    error = realm("generate", "creds", "U", "-o", "no/such/folder/u.creds", exit=1).err
    assert "no/such/folder/u.creds" in error


def test_output_to_a_device_is_written_into_it(realm):
    realm("generate", "creds", "U", "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()


# ---- configurations


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "specify a config type option"),
        (["--mem-resolver", "--nats-resolver"], "one config at a time"),
        (["--nats-resolver", "--dir", "d"], "--dir is not valid"),
        (["--mem-resolver", "--dir", "d", "--config-file", "f"], "exclusive"),
        (["--mem-resolver", "--sys-account", "Nobody"], '"Nobody"'),
        (["--nkey"], "system account"),
    ],
)
def test_configurations_that_do_not_go_together(words, told, realm):
    assert told in realm("generate", "config", *words, exit=(1, 2)).err


def test_configuration_is_not_written_over_unless_forced(realm):
    realm("generate", "config", "--mem-resolver", "--config-file", "s.conf")
    before = Path("s.conf").read_text()
    realm("add", "account", "B")
    assert "already exists" in realm("generate", "config", "--mem-resolver", "--config-file", "s.conf", exit=1).err
    assert Path("s.conf").read_text() == before
    realm("generate", "config", "--mem-resolver", "--config-file", "s.conf", "--force")
    assert '// Account "B"' in Path("s.conf").read_text()


def test_nats_resolver_needs_a_system_account(nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    error = nsc("generate", "config", "--nats-resolver", exit=1).err
    assert "system account is not set" in error
    assert "--sys-account" in error


def test_names_cannot_smuggle_settings_into_a_configuration(nsc, home):
    # The name in a token may differ from the folder's; comments carry the folder's.
    nsc("add", "operator", "O")
    nsc("add", "account", 'A"} authorization {')
    config = nsc("generate", "config", "--mem-resolver").out
    assert sum(line.startswith("operator:") for line in config.splitlines()) == 1
    assert not any(line.strip().startswith("authorization") for line in config.splitlines())


@pytest.mark.parametrize("flag", ["--mem-resolver", "--nats-resolver", "--nats-resolver-cache"])
def test_the_real_server_takes_the_configuration(flag, realm, real_server):
    realm("generate", "config", flag, "--config-file", "s.conf")
    run = subprocess.run([real_server, "-t", "-c", "s.conf"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_real_server_takes_the_folder(realm, real_server):
    realm("generate", "config", "--mem-resolver", "--dir", "conf")
    assert {path.name for path in Path("conf").iterdir()} == {"O.jwt", "SYS.jwt", "A.jwt", "resolver.conf"}


def test_the_real_server_takes_accounts_without_tokens(nsc, real_server):
    nsc("add", "operator", "O")
    nsc("add", "account", "My Account")
    nsc("add", "user", "U")
    nsc("add", "export", "-s", "open.>")
    nsc("add", "export", "-s", "closed.>", "--private")
    nsc("add", "account", "B")
    nsc("add", "import", "--src-account", "My Account", "--remote-subject", "open.x", "-s", "local.x")
    nsc("add", "import", "--src-account", "My Account", "--remote-subject", "closed.x", "--private")
    nsc("generate", "config", "--nkey", "--config-file", "s.conf")
    text = Path("s.conf").read_text()
    assert "{ stream: closed.>, accounts: [B] }" in text
    run = subprocess.run([real_server, "-t", "-c", "s.conf"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stderr}\n{text}"
