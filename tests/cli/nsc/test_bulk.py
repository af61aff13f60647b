"""Users and accounts from tables: all or none, with everything that the single commands can say."""

import io
import json
from pathlib import Path

import pytest

from natskit.store import journal


@pytest.fixture
def operator(nsc):
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    nsc("add", "account", "B")


def write(content, name="table.csv"):
    Path(name).write_text(content)
    return name


def describe(nsc, account, user):
    return nsc("describe", "user", "-a", account, user, "--json").json


def test_cells_mean_what_the_flags_mean(nsc, operator):
    table = write(
        "name,account,allow-pub,deny-sub,tags,bearer,source-network,payload,data,subs,conn-type,time,locale,"
        "allow-pub-response,response-ttl,start\n"
        'u,A,"b.>,a.>",x.>,"B,a",true,10.0.0.0/8,1k,2k,3,WEBSOCKET,08:00:00-17:00:00,Europe/Berlin,2,5s,2030-01-01\n'
    )
    nsc("add", "users", "--from", table)
    body = describe(nsc, "A", "u")["nats"]
    assert body["pub"] == {"allow": ["a.>", "b.>"]}
    assert body["sub"] == {"deny": ["x.>"]}
    assert body["resp"] == {"max": 2, "ttl": 5_000_000_000}
    assert body["tags"] == ["a", "b"]
    assert body["bearer_token"] is True
    assert body["src"] == ["10.0.0.0/8"]
    assert (body["payload"], body["data"], body["subs"]) == (1000, 2000, 3)
    assert body["allowed_connection_types"] == ["WEBSOCKET"]
    assert body["times"] == [{"start": "08:00:00", "end": "17:00:00"}]
    assert body["times_location"] == "Europe/Berlin"
    assert describe(nsc, "A", "u")["nbf"] == 1893456000


def test_a_user_of_a_table_is_the_one_that_the_command_makes(nsc, operator):
    nsc("add", "user", "one", "-a", "A", "--allow-pub", "a.>", "--tag", "x")
    nsc("add", "users", "--from", write("name,account,allow-pub,tag\ntwo,A,a.>,x\n"))
    one, two = (describe(nsc, "A", name) for name in ("one", "two"))
    assert one["nats"] == two["nats"]
    assert one["iss"] == two["iss"]


def test_the_account_and_the_role_of_the_command_hold_for_rows_without(nsc, operator):
    key = nsc("edit", "signing-key", "-a", "A", "--sk", "generate", "--role", "service", "--json").json
    assert key
    table = write('{"name": "u"}\n{"name": "v", "account": "B"}\n{"name": "w", "role": "service"}\n')
    nsc("add", "users", "-a", "A", "--from", table)
    assert describe(nsc, "A", "w")["nats"]["issuer_account"]
    assert "issuer_account" not in describe(nsc, "A", "u")["nats"]
    assert describe(nsc, "B", "v")
    assert nsc("add", "users", "-a", "A", "-K", "service", "--from", write("name\nx\ny\n"))
    assert describe(nsc, "A", "y")["nats"]["issuer_account"]


@pytest.fixture
def signing_key(nsc, operator):
    """The operator's second signing key, which signs when it is named only: its public key and where its seed is."""
    nsc("edit", "operator", "--sk", "generate", "--sk", "generate")
    public = nsc("describe", "operator", "--json").json["nats"]["signing_keys"][1]
    (path,) = (Path(each["key_path"]) for each in nsc("list", "keys", "-A", "--json").json if each["pub"] == public)
    return public, path


@pytest.mark.parametrize("form", ["public key", "seed", "file"])
def test_accounts_are_signed_by_the_key_that_is_named(nsc, signing_key, form):
    public, path = signing_key
    named = {"public key": public, "seed": path.read_text().strip(), "file": str(path)}[form]
    nsc("add", "accounts", "-K", named, "--from", write("name\nC\nD\n"))
    for name in ("C", "D"):
        assert nsc("describe", "account", name, "--json").json["iss"] == public
    assert nsc("add", "accounts", "--from", write("name\nE\n"))
    assert nsc("describe", "account", "E", "--json").json["iss"] != public


@pytest.mark.parametrize("form", ["public key", "seed", "file"])
def test_users_are_signed_by_the_key_that_is_named(nsc, operator, form):
    nsc("edit", "signing-key", "-a", "A", "--sk", "generate", "--role", "service")
    (key,) = (each for each in nsc("list", "keys", "-a", "--account", "A", "--json").json if each["signing"])
    path = Path(key["key_path"])
    named = {"public key": key["pub"], "seed": path.read_text().strip(), "file": str(path)}[form]
    nsc("add", "users", "-a", "A", "-K", named, "--from", write("name\nu\nv\n"))
    for name in ("u", "v"):
        assert describe(nsc, "A", name)["iss"] == key["pub"]


@pytest.mark.parametrize(
    ("command", "named"),
    [("users", "nobody"), ("accounts", "nobody"), ("users", "operator"), ("accounts", "account")],
)
def test_a_key_that_may_not_sign_is_refused_and_nothing_is_written(nsc, operator, home, command, named):
    keys = {"operator": nsc("describe", "operator", "--json").json["sub"], "nobody": "nobody"}
    keys["account"] = nsc("describe", "account", "A", "--json").json["sub"]
    before = {path for path in home.rglob("*") if path.is_file()}
    nsc("add", command, "-a", "A", "-K", keys[named], "--from", write("name\nx\ny\n"), exit=1)
    assert {path for path in home.rglob("*") if path.is_file()} == before


def test_what_was_made_is_listed_in_json(nsc, operator):
    result = nsc("add", "users", "-a", "A", "--from", write("name\nu\nv\n"), "--creds-dir", "out", "--json").json
    assert [each["name"] for each in result["users"]] == ["u", "v"]
    for each in result["users"]:
        assert "BEGIN NATS USER JWT" in Path(each["creds"]).read_text()
    assert not list(Path.home().rglob("A/*.creds"))
    made = nsc("add", "accounts", "--from", write("name\nC\n"), "--json").json["accounts"]
    assert [each["name"] for each in made] == ["C"]
    assert nsc("env", "--json").json["account"] != "C"


def test_a_table_comes_from_stdin_too(nsc, operator, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeffname\nu\n".encode())))
    nsc("add", "users", "-a", "A", "--from", "-")
    assert describe(nsc, "A", "u")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name\n\xff\n"), errors="surrogateescape"))
    assert "what comes from stdin is not text" in nsc("add", "users", "-a", "A", "--from", "-", exit=1).err


def test_a_dry_run_only_checks(nsc, operator):
    assert "2 users could be added" in nsc("add", "users", "-a", "A", "--from", write("name\nu\nv\n"), "-n").out
    assert nsc("list", "users", "-a", "A", "--json").json is None


@pytest.mark.parametrize(
    ("command", "content", "message"),
    [
        ("users", "name,expiry\nu,soon\n", "table.csv:2: "),
        ("users", "name\nu\nu\n", 'table.csv:3: the user "u" is in line 2 already'),
        ("users", "name\nthere\n", 'table.csv:2: the user "there" already exists'),
        ("users", "name,role\nu,nobody\n", 'table.csv:2: "nobody" is neither'),
        ("users", "account\nA\n", "table.csv:2: user name is required"),
        ("users", "name,allow-pub\nu,a b\n", "table.csv:2: "),
        ("accounts", "name\nC\nc\n", 'table.csv:3: the account "c" is in line 2 already'),
        ("accounts", "name\na\n", 'table.csv:2: the account "A" already exists'),
        ("accounts", "name,tag\nC,x\n", 'table.csv:1: unknown column "tag"'),
    ],
)
def test_one_wrong_line_and_nothing_is_written(nsc, operator, monkeypatch, command, content, message):
    nsc("add", "user", "there", "-a", "A")
    monkeypatch.setattr(journal, "commit", lambda *_: pytest.fail("something is written"))
    table = write(content)
    result = nsc("add", command, "-a", "A", "--from", table, exit=1)
    assert message in result.err
    problems = json.loads(nsc("add", command, "-a", "A", "--from", table, "--json", exit=1).err)["problems"]
    assert all(each["file"] == table for each in problems)
