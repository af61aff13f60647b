"""``nk`` as a user runs it."""

import nkeys as official
import pytest

from natskit.nkeys import KeyPair, Role, role_of


@pytest.mark.parametrize("kind", ["user", "ACCOUNT", "operator", "server", "cluster", "curve", "x25519"])
def test_it_makes_keys_of_every_kind(home, kind):
    seed, public = home.run("nk", "-gen", kind, "-pubout").split()
    assert KeyPair.from_seed(seed).public == public
    assert role_of(public) is Role.parse(kind)


def test_a_signature_verifies_here_and_in_the_official_library(home):
    seed = home.run("nk", "--gen=user").strip()
    (home.work / "u.nk").write_text(f"# my key\n{seed}\n")
    (home.work / "file").write_bytes(b"content")
    public = home.run("nk", "-inkey", "u.nk", "-pubout").strip()
    (home.work / "u.pub").write_text(public)
    signature = home.run("nk", "-sign", "file", "-inkey", "u.nk").strip()
    (home.work / "sig").write_text(signature)
    assert home.run("nk", "-verify", "file", "-pubin", "u.pub", "-sigfile", "sig") == "Verified OK\n"
    import base64

    pair = official.from_seed(bytearray(seed.encode()))
    assert pair.verify(b"content", base64.urlsafe_b64decode(signature + "=="))
    (home.work / "file").write_bytes(b"changed")
    refused = home.try_run("nk", "-verify", "file", "-inkey", "u.nk", "-sigfile", "sig")
    assert refused.returncode == 1
    assert "signature verification failed" in refused.stderr


def test_a_wanted_prefix_is_found(home):
    _, public = home.run("nk", "-gen", "user", "-pre", "a").split()
    assert public.startswith("UA")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-gen", "robot"], "Usage: nk -gen [user|account|server|cluster|operator|curve|x25519]"),
        (["-e", "x"], "Entropy file only used when creating keys"),
        (["-gen", "user", "-pre", "Z"], "Can not generate base32 encoded strings to match 'Z'"),
        (["-gen", "user", "-pre", "AAAAAAAA", "-maxpre", "3"], "Failed to generate prefix after 3 attempts"),
        (["-sign", "f"], "Sign requires a seed/private key via -inkey"),
        (["-verify", "f"], "Verify requires a seed key"),
        (["-verify", "f", "-inkey", "k"], "Verify requires a signature via -sigfile"),
        (["-inkey", "missing", "-pubout"], "missing"),
        ([], "say what to do"),
    ],
)
def test_misuse_is_told_in_one_line(home, argv, message):
    done = home.try_run("nk", *argv)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_file_without_a_key_is_refused_without_showing_it(home):
    (home.work / "k").write_text("SUsecretish\n")
    done = home.try_run("nk", "-inkey", "k", "-pubout")
    assert done.returncode == 1
    assert "Could not find a valid key" in done.stderr
    assert "secretish" not in done.stderr
