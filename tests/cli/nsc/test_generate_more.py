"""generate nkey, context, profile, diagram."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from natskit.nkeys import KeyPair


@pytest.fixture
def realm(nsc):
    nsc("init", "--name", "O")
    return nsc


def field(nsc, *words):
    return nsc("describe", *words, "--field", "sub").json


# ---- nkey


def test_nkeys_of_every_kind_are_printed_as_seed_and_public_key(nsc):
    lines = nsc("generate", "nkey", "-o", "-a", "-u", "-x").out.splitlines()
    assert [line[:1] for line in lines] == ["S", "O", "", "S", "A", "", "S", "U", "", "S", "X", ""]
    assert all(KeyPair.from_seed(seed).public == public for seed, public in zip(lines[::3], lines[1::3], strict=True))


def test_stored_nkeys_are_not_printed(nsc, home):
    document = nsc("generate", "nkey", "--account", "--store", "--json").json["keys"][0]
    assert set(document) == {"kind", "public_key", "path"}
    seed = Path(document["path"]).read_text()
    assert KeyPair.from_seed(seed).public == document["public_key"]
    assert "set --operator" in nsc("generate", "nkey", exit=2).err


# ---- context


def test_context_for_the_nats_command(realm, home):
    realm("generate", "context", "-a", "O", "-u", "O", "--context", "work")
    path = home / ".config/nats/context/work.json"
    content = json.loads(path.read_text())
    assert content["nsc"] == "nsc://O/O/O"
    assert content["url"] == "nats://localhost:4222"
    assert Path(content["creds"]).is_file()
    assert "already exists" in realm("generate", "context", "--context", "work", exit=1).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "context name is required"),
        (["--context", "a/b"], "filepath separators"),
        (["--context", "..x"], "filepath separators"),
        (["--context", "c", "-u", "Nobody"], '"Nobody"'),
    ],
)
def test_contexts_that_cannot_be_made(words, told, realm):
    assert told in realm("generate", "context", *words, exit=(1, 2)).err


# ---- profile


def test_profile_gives_what_the_url_asks_for(realm):
    account = field(realm, "account", "O")
    profile = realm("generate", "profile", "nsc://O/O?accountKey&accountSeed&operatorName").json
    assert profile["operator"] == {"service": ["nats://localhost:4222"], "name": "O"}
    assert profile["account"]["id"] == account
    assert KeyPair.from_seed(profile["account"]["seed"]).public == account
    assert set(realm("generate", "profile", "nsc://O/O/o").json) == {"user_creds", "operator"}


def test_profile_of_a_signing_key(realm):
    key = realm("describe", "account", "SYS", "--field", "nats.signing_keys[0]").json
    profile = realm("generate", "profile", f"nsc://O/SYS?accountSeed={key}").json
    assert KeyPair.from_seed(profile["account"]["seed"]).public == key


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://O", "expecting 'nsc://'"),
        ("nsc://", "expecting an operator name"),
        ("nsc://O/O/O/O", "at most"),
        ("nsc://Nobody", '"Nobody"'),
        ("nsc://O/Nobody", '"Nobody"'),
        ("nsc://O/O/Nobody", '"Nobody"'),
        ("nsc://O?wish", '"wish"'),
        ("nsc://O?operatorSeed=OABC", '"OABC"'),
    ],
)
def test_profiles_of_what_is_not_there(url, told, realm):
    assert told in realm("generate", "profile", url, exit=(1, 2)).err


# ---- diagram


def test_component_diagram_connects_importers_with_exports(realm):
    realm("add", "account", "A")
    realm("add", "export", "-n", "open one", "-s", "open.>")
    realm("add", "account", "B")
    realm("add", "import", "--src-account", "A", "--remote-subject", "open.x", "-s", "mine")
    realm("add", "import", "--src-account", "A", "--remote-subject", "elsewhere")
    text = realm("generate", "diagram", "component").out
    a, b = field(realm, "account", "A"), field(realm, "account", "B")
    assert text.startswith("@startuml\n")
    assert text.endswith("@enduml\n")
    assert f'interface "open one" << public stream >> as {a}_open_one' in text
    assert f'{b} "<&resize-width>mine" ..> {a}_open_one : "open.x"' in text
    assert f'interface " " << not-found public stream >> as {a}_elsewhere' in text


def test_object_diagram_says_who_signed_whom(realm):
    operator, system = field(realm, "operator"), field(realm, "account", "SYS")
    text = realm("generate", "diagram", "object", "--users", "--show-keys", "--detail").out
    assert f'object "SYS" as {system} << system account >> {{' in text
    assert f'{operator} -- {system} : "signed >"' in text
    assert re.search(rf'{system}_SK::A[A-Z2-7]+ -- U[A-Z2-7]+ : "signed >"', text)
    realm("generate", "diagram", "object", "-o", "o.puml")
    assert Path("o.puml").read_text().startswith("@startuml\n")


def test_names_cannot_add_to_a_diagram(realm):
    realm("add", "account", 'x" as y ]{ evil')
    for kind in ("component", "object"):
        lines = realm("generate", "diagram", kind).out.splitlines()
        assert not any("{ evil" in line or '" as y' in line for line in lines)
