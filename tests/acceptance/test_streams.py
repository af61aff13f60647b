"""The story of the documentation page "Streams": one account's stream reaches another, publicly and privately."""

import re
import shlex
from pathlib import Path

import pytest

from natskit.nkeys import KeyPair

PAGES = Path(__file__).parent / "pages"
DATA = ".local/share/nats/nsc"


def creds(home, account, user, operator="Test"):
    return home.path / DATA / "keys/creds" / operator / account / f"{user}.creds"


def store(home, operator="Test"):
    return home.path / DATA / "stores" / operator


def exporter_and_importer(home, *export_flags):
    home.run("nsc", "add", "operator", "--name", "Test")
    home.run("nsc", "add", "account", "--name", "TestAccount")
    home.run("nsc", "add", "user", "--name", "TestUser")
    home.run("nsc", "add", "export", "--name", "abc", "--subject", "a.b.c.>", *export_flags)
    home.run("nsc", "add", "account", "--name", "AccountB")
    home.run("nsc", "add", "user", "--name", "userb")


def key_of(home, account):
    import json

    return json.loads(home.run("nsc", "describe", "account", account, "--json"))["sub"]


def deliver(town, *subjects):
    """Publish on each subject as TestUser while userb listens to everything; the subscriber."""
    home = town.home
    resolver = town.serve_accounts(store(home))
    server = town.serve(store(home) / "Test.jwt", resolver)
    subscriber = town.subscribe(server, creds(home, "AccountB", "userb"))
    for subject in subjects:
        assert town.publish(server, creds(home, "TestAccount", "TestUser"), subject) == (
            f"Published [{subject}] : 'hello'\n"
        )
    return subscriber, server


def test_a_private_stream_reaches_the_account_that_holds_the_activation(town):
    home = town.home
    exporter_and_importer(home, "--private")
    home.run("nsc", "env", "--account", "TestAccount")
    token = home.work / "activation.jwt"
    home.run("nsc", "generate", "activation", "-o", str(token), "-t", key_of(home, "AccountB"), "--subject", "a.b.c.d")
    home.run("nsc", "env", "--account", "AccountB")
    home.run("nsc", "add", "import", "--token", str(token))
    subscriber, _ = deliver(town, "a.b.c.a", "a.b.c.d")
    subscriber.wait_for("[#1]")
    assert subscriber.lines == ["Listening on [>]", "[#1] Received on [a.b.c.d]: 'hello'"]


@pytest.mark.parametrize(
    ("flags", "local"),
    [
        ([], "a.b.c.d"),
        (["--prefix", "abc"], "abc.a.b.c.d"),
        (["--local-subject", "abc.>"], "abc.d"),
    ],
)
def test_a_public_stream_arrives_where_the_import_puts_it(town, flags, local):
    home = town.home
    exporter_and_importer(home)
    home.run("nsc", "add", "import", "--src-account", "TestAccount", "--remote-subject", "a.b.c.>", *flags)
    subscriber, _ = deliver(town, "other", "a.b.c.d")
    subscriber.wait_for("[#1]")
    assert subscriber.lines == ["Listening on [>]", f"[#1] Received on [{local}]: 'hello'"]


def test_a_private_import_in_a_store_with_the_exporter_makes_its_activation_itself(town):
    home = town.home
    exporter_and_importer(home, "--private")
    home.run("nsc", "add", "import", "--src-account", "TestAccount", "--remote-subject", "a.b.c.d", "--private")
    subscriber, _ = deliver(town, "a.b.c.a", "a.b.c.d")
    subscriber.wait_for("[#1]")
    assert subscriber.lines == ["Listening on [>]", "[#1] Received on [a.b.c.d]: 'hello'"]


class Page:
    """A page of the documentation as a transcript: commands after ``$ ``, and below each what it prints.

    Keys are shown as ``<Name>`` or, shortened to 12 characters, as the name filled up with dots.
    """

    def __init__(self, home, name):
        self.home = home
        self.keys = {}
        home.env |= {"NSC_PROFILE": "2019", "NKEYS_PATH": str(home.path / ".nkeys")}
        for part in (PAGES / name).read_text().split("$ ")[1:]:
            line, _, expected = part.partition("\n")
            assert self.run(line) == expected, line

    def run(self, line):
        words = (re.sub(r"<(\w+)>", lambda match: self.keys[match[1]], word) for word in shlex.split(line))
        printed = self.home.run(*words)
        for path in self.home.path.rglob("*.nk"):
            self.keys.setdefault(path.stem, KeyPair.from_seed(path.read_text()).public)
        for name, key in self.keys.items():
            printed = printed.replace(key, f"<{name}>").replace(key[:12], f"{name:.<12}")
        printed = re.sub(r"\d{4}(-\d\d){2} \d\d(:\d\d){2} UTC", "YYYY-MM-DD hh:mm:ss UTC", printed)
        return re.sub(r'JTI is "[A-Z2-7]{52}"', 'JTI is "JTI"', printed)


def test_the_page_of_2019_command_for_command(town):
    home = town.home
    Page(home, "streams-private-2019.txt")
    folder = home.path / ".nsc/nats/Test"
    assert sorted(
        str(path.relative_to(home.path)) for path in home.path.rglob("*") if path.suffix in (".jwt", ".nk", ".creds")
    ) == [
        ".nkeys/Test/Test.nk",
        ".nkeys/Test/accounts/AccountB/AccountB.nk",
        ".nkeys/Test/accounts/AccountB/users/userb.creds",
        ".nkeys/Test/accounts/AccountB/users/userb.nk",
        ".nkeys/Test/accounts/TestAccount/TestAccount.nk",
        ".nkeys/Test/accounts/TestAccount/users/TestUser.creds",
        ".nkeys/Test/accounts/TestAccount/users/TestUser.nk",
        ".nsc/nats/Test/Test.jwt",
        ".nsc/nats/Test/accounts/AccountB/AccountB.jwt",
        ".nsc/nats/Test/accounts/AccountB/users/userb.jwt",
        ".nsc/nats/Test/accounts/TestAccount/TestAccount.jwt",
        ".nsc/nats/Test/accounts/TestAccount/users/TestUser.jwt",
    ]
    resolver = town.serve_accounts(folder)
    server = town.serve(folder / "Test.jwt", resolver)
    keys = home.path / ".nkeys/Test/accounts"
    subscriber = town.subscribe(server, keys / "AccountB/users/userb.creds")
    for subject in ("a.b.c.a", "a.b.c.d"):
        town.publish(server, keys / "TestAccount/users/TestUser.creds", subject)
    subscriber.wait_for("[#1]")
    assert subscriber.lines == ["Listening on [>]", "[#1] Received on [a.b.c.d.a.b.c.d]: 'hello'"]


def test_the_public_part_of_the_page_of_2019(town):
    home = town.home
    Page(home, "streams-public-2019.txt")
    home.run("nsc", "add", "user", "--name", "userb")
    folder = home.path / ".nsc/nats/Test"
    keys = home.path / ".nkeys/Test/accounts"
    server = town.serve(folder / "Test.jwt", town.serve_accounts(folder))
    if not town.engine.embedded:
        # Servers of today take no wildcard in a prefix; those of 2019, and ours, read `abc.>` as the page does.
        town.publish(server, keys / "TestAccount/users/TestUser.creds", "a.b.c.d")
        return
    subscriber = town.subscribe(server, keys / "AccountB/users/userb.creds")
    town.publish(server, keys / "TestAccount/users/TestUser.creds", "a.b.c.d")
    subscriber.wait_for("[#1]")
    assert subscriber.lines[1] == "[#1] Received on [abc.a.b.c.d]: 'hello'"
