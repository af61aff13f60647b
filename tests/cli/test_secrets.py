"""Secrets that people paste in the wrong place are not repeated in messages."""

import pytest

from natskit.cli.console import masked
from natskit.nkeys import KeyPair, Role

ACCOUNT, USER = (KeyPair.from_raw_seed(role, bytes([7]) * 32) for role in (Role.ACCOUNT, Role.USER))


@pytest.mark.parametrize(
    "argv",
    [
        ["select", "account", ACCOUNT.seed],
        ["describe", "account", ACCOUNT.seed],
        ["describe", "user", USER.seed],
        ["add", "user", "u", "-K", ACCOUNT.seed[:40]],
        ["describe", "jwt", "-f", USER.seed],
        [USER.seed],
        ["add", "import", "--token", "http://u:PASSWORD@127.0.0.1:1/"],
        ["add", "import", "--token", "http://u:PASSWORD@127.0.0.1/"],  # "nonnumeric port: 'PASSWORD@127.0.0.1'"
    ],
    ids=lambda argv: " ".join(argv[:2])[:12],
)
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_no_message_repeats_a_secret(home, argv, flags):
    home.run("nsc", "init", "--name", "demo")
    done = home.try_run("nsc", *argv, *flags)
    printed = done.stdout + done.stderr
    assert done.returncode in (1, 2)
    assert "PASSWORD" not in printed
    for seed in (ACCOUNT.seed, USER.seed):
        assert seed[:24] not in printed


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_no_report_repeats_the_password_of_a_server(home, flags):
    """What fails on the way is a line of the report, not the error that ends the command."""
    home.run("nsc", "init", "--name", "demo")
    home.run("nsc", "edit", "operator", "--account-jwt-server-url", "http://u:PASSWORD@127.0.0.1:1/jwt/v1")
    home.run("nsc", "describe", "operator", "--raw", "-o", "operator.jwt")
    home.run("nsc", "add", "operator", "--url", "operator.jwt", "--force", "-H", "elsewhere")
    done = home.try_run("nsc", "add", "account", "A", "-H", "elsewhere", *flags)
    printed = done.stdout + done.stderr  # text tells warnings on stderr, JSON has them in its document
    assert "http://u:xxxxx@127.0.0.1:1/jwt/v1/accounts/A" in printed
    assert "PASSWORD" not in printed


def test_public_keys_and_words_stay_as_they_are():
    text = f'account {ACCOUNT.public} "SUPPLIERS" nats://localhost:4222 http://a/b@c'
    assert masked(text) == text
