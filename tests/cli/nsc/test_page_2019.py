"""The "streams" page of the documentation of 2019, command for command: every line as the page prints it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STREAM_EXPORTED = """\
╭──────────────────────────────────╮
│             Exports              │
├──────┬────────┬─────────┬────────┤
│ Name │ Type   │ Subject │ Public │
├──────┼────────┼─────────┼────────┤
│ {name} │ Stream │ a.b.c.> │ {public} │
╰──────┴────────┴─────────┴────────╯
"""

ACCOUNT = """\
╭────────────────────────────────────────────────────╮
│                  Account Details                   │
├──────────────────────────┬─────────────────────────┤
│ Name                     │ {name} │
│ Account ID               │ {account}            │
│ Issuer ID                │ {operator}            │
│ Issued                   │ DATE │
│ Expires                  │                         │
├──────────────────────────┼─────────────────────────┤
│ Max Connections          │ Unlimited               │
│ Max Data                 │ Unlimited               │
│ Max Exports              │ Unlimited               │
│ Max Imports              │ Unlimited               │
│ Max Msg Payload          │ Unlimited               │
│ Max Subscriptions        │ Unlimited               │
│ Exports Allows Wildcards │ True                    │
├──────────────────────────┼─────────────────────────┤
│ {without} │ None                    │
╰──────────────────────────┴─────────────────────────╯
"""

PUBLIC_IMPORT = """\
╭────────────────────────────────────────────────────────────────────╮
│                              Imports                               │
├───────┬────────┬─────────┬───────┬─────────┬──────────────┬────────┤
│ Name  │ Type   │ Remote  │ Local │ Expires │ From Account │ Public │
├───────┼────────┼─────────┼───────┼─────────┼──────────────┼────────┤
│ abc.> │ Stream │ a.b.c.> │ abc.> │         │ {exporter} │ Yes    │
╰───────┴────────┴─────────┴───────┴─────────┴──────────────┴────────╯
"""

PRIVATE_IMPORT = """\
╭────────────────────────────────────────────────────────────────────────╮
│                                Imports                                 │
├─────────┬────────┬─────────┬─────────┬─────────┬──────────────┬────────┤
│ Name    │ Type   │ Remote  │ Local   │ Expires │ From Account │ Public │
├─────────┼────────┼─────────┼─────────┼─────────┼──────────────┼────────┤
│ a.b.c.d │ Stream │ a.b.c.d │ a.b.c.d │         │ {exporter} │ No     │
╰─────────┴────────┴─────────┴─────────┴─────────┴──────────────┴────────╯
"""

ACTIVATION = """\
╭───────────────────────────────────────────╮
│                Activation                 │
├─────────────────┬─────────────────────────┤
│ Import Type     │ Stream                  │
│ Import Subject  │ a.b.c.d                 │
│ Account ID      │ {importer}            │
│ Issuer ID       │ {exporter}            │
│ Issued          │ DATE │
│ Expires         │                         │
├─────────────────┼─────────────────────────┤
│ Max Messages    │ Unlimited               │
│ Max Msg Payload │ Unlimited               │
│ Network Src     │ Any                     │
│ Time            │ Any                     │
╰─────────────────┴─────────────────────────╯
"""


@pytest.fixture
def page(nsc, monkeypatch):
    """nsc of 2019 with what the page before has made; ``page.says`` compares what a command prints."""
    monkeypatch.setenv("NSC_PROFILE", "2019")
    says = Page(nsc)
    says(
        "add operator --name Test",
        'Generated operator key - private key stored "~/.nkeys/Test/Test"\n',
        "operator",
        "Test",
    )
    says(
        "add account --name TestAccount",
        'Generated account key - private key stored "~/.nkeys/Test/accounts/TestAccount/TestAccount"\n',
        "account",
        "TestAccount",
    )
    nsc("add", "user", "--name", "TestUser")
    return says


class Page:
    """Runs commands and compares their output with the page's, dates and (known) keys aside."""

    def __init__(self, nsc) -> None:
        self._nsc = nsc

    def __call__(self, words: str, before: str, kind: str, name: str) -> None:
        self.says(words, f'{before}Success! - added {kind} "{name}"\n')

    def says(self, words: str, expected: str) -> None:
        """The command prints exactly ``expected``, and nothing on stderr."""
        result = self._nsc(*words.split())
        printed = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE", result.out)
        wanted = re.sub(r"DATE *│", "DATE │", expected)
        assert re.sub(r"DATE *│", "DATE │", printed) == wanted
        assert result.err == ""

    def key(self, kind: str, name: str) -> str:
        """A public key."""
        return str(self._nsc("describe", kind, "--name", name, "--field", "sub").out.strip().strip('"'))


def account(page: Page, name: str, without: str) -> str:
    return ACCOUNT.format(
        name=f"{name:<23}",
        account=page.key("account", name)[:12],
        operator=page.key("operator", "Test")[:12],
        without=f"{without:<24}",
    )


def test_public_stream(page):
    page.says("add export --name abc --subject a.b.c.>", 'Success! - added public stream export "abc"\n')
    exports = STREAM_EXPORTED.format(name="abc ", public="Yes   ")
    page.says("describe account", f"{account(page, 'TestAccount', 'Imports')}\n{exports}")
    page("add account --name AccountB", stored("AccountB/AccountB"), "account", "AccountB")
    exporter = page.key("account", "TestAccount")
    page.says(
        f"add import --src-account {exporter} --remote-subject a.b.c.> --local-subject abc.>",
        'Success! - added stream import "a.b.c.>"\n',
    )
    imports = PUBLIC_IMPORT.format(exporter=exporter[:12])
    page.says("describe account", f"{account(page, 'AccountB', 'Exports')}\n{imports}")


def stored(path: str, kind: str = "account") -> str:
    return f'Generated {kind} key - private key stored "~/.nkeys/Test/accounts/{path}"\n'


def test_private_stream(page):
    page.says("add export --name pabc --subject a.b.c.> --private", 'Success! - added private stream export "pabc"\n')
    exports = STREAM_EXPORTED.format(name="pabc", public="No    ")
    page.says("describe account", f"{account(page, 'TestAccount', 'Imports')}\n{exports}")
    page("add account --name AccountB", stored("AccountB/AccountB"), "account", "AccountB")
    page.says(
        "add user --name userb",
        stored("AccountB/users/userb", "user")
        + 'Generated user creds file "~/.nkeys/Test/accounts/AccountB/users/userb.creds"\n'
        'Success! - added user "userb" to "AccountB"\n',
    )
    exporter, importer = page.key("account", "TestAccount"), page.key("account", "AccountB")
    # The page has a dash there that the typesetter made of two.
    generated = page._nsc(
        *f"generate activation -o activation.jwt --target-account {importer} —subject a.b.c.d".split()
    )
    assert re.fullmatch(
        f'generated "pabc" activation for account "{importer}"\\.\nJTI is "[A-Z2-7]{{52}}"\n', generated.out
    )
    lines = Path("activation.jwt").read_text().splitlines()
    assert lines[0] == "-----BEGIN NATS ACTIVATION JWT-----"
    assert lines[1].startswith("eyJ0eXAiOiJqd3QiLCJhbGciOiJlZDI1NTE5In0.")
    assert lines[2:] == ["------END NATS ACTIVATION JWT------", ""]
    page.says("describe jwt -f activation.jwt", ACTIVATION.format(importer=importer[:12], exporter=exporter[:12]))
    page.says("add import --token activation.jwt", 'Success! - added stream import "a.b.c.d"\n')
    imports = PRIVATE_IMPORT.format(exporter=exporter[:12])
    page.says("describe account", f"{account(page, 'AccountB', 'Exports')}\n{imports}")


def test_files_are_where_the_page_looks_for_them(page, home):
    assert (home / ".nsc/nats/Test/Test.jwt").is_file()
    assert (home / ".nkeys/Test/accounts/TestAccount/users/TestUser.creds").is_file()


def test_the_profile_is_remembered_in_the_store(page, nsc, monkeypatch):
    nsc("env", "--profile", "2019")
    monkeypatch.delenv("NSC_PROFILE")
    assert nsc("describe", "operator").out.splitlines()[4].startswith("│ Operator ID │ O")
    nsc("add", "user", "--name", "later")
    token = nsc("describe", "user", "--name", "later", "--raw").out
    assert token.startswith("eyJ0eXAiOiJqd3QiLCJhbGciOiJlZDI1NTE5In0.")


def test_services_cannot_have_wildcards_for_importers(page, nsc):
    nsc("add", "export", "--service", "--subject", "help.>")
    exporter = page.key("account", "TestAccount")
    nsc("add", "account", "--name", "AccountB")
    words = ("add", "import", "--src-account", exporter, "--service", "--remote-subject")
    assert "wildcards" in nsc(*words, "help.>", exit=2).err
    nsc(*words, "help.b", "--local-subject", "ask")
    added = nsc("describe", "account", "--field", "nats.imports[0]").json
    assert (added["subject"], added["to"]) == ("ask", "help.b")
