"""describe, list: what the store says, as tables and as JSON, against what the Go tool prints for the same store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from natskit.cli.tables import width

GOLDEN = Path(__file__).parents[2] / "golden/store-current"
OUTPUTS = sorted(path.relative_to(GOLDEN / "outputs") for path in GOLDEN.glob("outputs/*/describe-*.txt"))


def words_of(path: Path) -> list[str]:
    """The command that made an output."""
    kind, _, rest = path.stem.removeprefix("describe-").partition("-")
    if kind == "user":
        account, _, user = rest.partition("-")
        return ["describe", "user", "-a", account, "-n", user, "--operator", path.parent.name]
    name = ["-n", rest] if rest else []
    return ["describe", kind, *name, "--operator", path.parent.name]


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, whatever the frame; what the Go tool prints in no fixed order is sorted."""
    rows = [re.split("[|│]", line)[1:-1] for line in text.splitlines() if line.startswith(("|", "│"))]
    return [[cell.strip() for cell in row] for row in rows]


def comparable(text: str) -> list[list[str]]:
    """Cells in sorted order, without what ours says in addition."""
    ours_only = ("Time Zone",)
    rows = [row for row in cells(text) if row[0] not in ours_only]
    return sorted([re.sub(r" \(cluster \w+\)$", "", cell) for cell in row] for row in rows)


@pytest.mark.parametrize("path", OUTPUTS, ids=str)
def test_tables_have_the_rows_of_the_go_tool(path, nsc, current_store):
    assert comparable(nsc(*words_of(path)).out) == comparable((GOLDEN / "outputs" / path).read_text())


@pytest.mark.parametrize("path", OUTPUTS, ids=str)
def test_json_is_that_of_the_go_tool_byte_for_byte(path, nsc, current_store):
    expected = (GOLDEN / "outputs" / path).with_suffix(".json").read_text()
    assert nsc(*words_of(path), "--json").out == expected


@pytest.mark.parametrize("operator", ["Main", "Strict"])
def test_list_accounts_in_json_is_that_of_the_go_tool(operator, nsc, current_store):
    expected = (GOLDEN / f"outputs/{operator}/list-accounts.json").read_text()
    assert nsc("list", "accounts", "--json", "--operator", operator).out == expected


def test_tables_keep_their_columns_where_names_are_wide(nsc, current_store):
    lines = nsc("describe", "account", "Beta").out.splitlines()
    for box in "\n".join(lines).split("╰"):
        sizes = {width(line) for line in box.splitlines() if line.startswith(("│", "├", "╭"))}
        assert len(sizes) <= 1


def test_whole_keys_unless_short_ones_are_asked_for(nsc, current_store):
    whole = nsc("list", "operators").out
    short = nsc("list", "operators", "--short-ids").out
    keys = re.findall(r"O[A-Z2-7]{55}", whole)
    assert len(keys) == 2
    assert all(key not in short and key[:12] in short for key in keys)


def test_long_ids_show_the_exporter_of_an_import_by_key(nsc, current_store):
    key = nsc("describe", "account", "Alpha", "--json").json["sub"]
    assert key not in nsc("describe", "account", "Beta").out
    assert key in nsc("describe", "account", "Beta", "-W").out


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("name", '"Alpha"'),
        ("nats.limits.conn", "100"),
        ("nats.exports[0].subject", '"own.*.\\u003e"'),
        ("nats.missing", "null"),
        ("nats.info_url", '"https://example.com/alpha?x=1\\u0026y=\\u003c2\\u003e"'),
    ],
)
def test_field_prints_one_value(path, printed, nsc, current_store):
    assert nsc("describe", "account", "Alpha", "-F", path).out == f"{printed}\n"


@pytest.mark.parametrize(
    "path",
    ["nats.exports[8]", "nats.exports[-1]", "nats.exports[x]", "nats[", "nats.exports[0]x", "name.more", "sub[0]"],
)
def test_field_that_does_not_fit_is_refused_with_the_path(path, nsc, current_store):
    assert path in nsc("describe", "account", "Alpha", "-F", path, exit=(1, 2)).err


def test_raw_is_the_token_and_decorated_in_a_file(nsc, current_store):
    token = (current_store / "stores/Main/accounts/Alpha/Alpha.jwt").read_text()
    assert nsc("describe", "account", "Alpha", "--raw").out == f"{token}\n"
    nsc("describe", "account", "Alpha", "--raw", "-o", "alpha.jwt")
    assert Path("alpha.jwt").read_text().splitlines()[:2] == ["-----BEGIN NATS ACCOUNT JWT-----", token]
    assert Path("alpha.jwt").stat().st_mode & 0o777 == 0o600
    assert nsc("describe", "jwt", "-f", "alpha.jwt", "--raw").out == f"{token}\n"


def test_description_in_a_file_replaces_what_was_there(nsc, current_store):
    Path("out.txt").write_text("old")
    nsc("describe", "operator", "-o", "out.txt")
    assert "Operator Details" in Path("out.txt").read_text()
    report = nsc("describe", "operator", "--json", "-o", "out.txt").json
    assert report["written"] == [str(Path("out.txt").resolve())]
    assert json.loads(Path("out.txt").read_text())["name"] == "Main"


def test_public_keys_stand_for_names(nsc, current_store):
    for kind, name in (("operator", "Strict"), ("account", "Beta")):
        key = nsc("describe", kind, name, "--json").json["sub"]
        assert nsc("describe", kind, key, "--json").json["name"] == name
    key = nsc("describe", "user", "-a", "Beta", "one", "--json").json["sub"]
    assert nsc("describe", "user", "-a", "Beta", key, "--json").json["name"] == "one"


def test_describe_jwt_reads_creds_and_tokens_typed_in(nsc, current_store):
    creds = current_store / "keys/creds/Main/Beta/one.creds"
    assert nsc("describe", "jwt", str(creds), "--json").json["name"] == "one"
    token = nsc("describe", "user", "-a", "Beta", "one", "--raw").out.strip()
    assert nsc("describe", "jwt", "-f", token, "--json").json["name"] == "one"


def test_a_forged_token_is_not_described(nsc, current_store):
    token = nsc("describe", "account", "Alpha", "--raw").out.strip()
    Path("forged.jwt").write_text(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"))
    result = nsc("describe", "jwt", "-f", "forged.jwt", exit=1)
    assert "verify" in result.err or "signature" in result.err
    assert token[:40] not in result.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["describe", "account", "Nobody"], "Nobody"),
        (["describe", "operator", "Nobody"], "Nobody"),
        (["describe", "user", "-a", "Beta", "Nobody"], "Nobody"),
        (["describe", "user", "-a", "Beta"], "user is required"),
        (["describe", "jwt"], "file is required"),
        (["describe", "jwt", "-f", "missing.jwt"], "missing.jwt"),
        (["describe", "export", "-a", "Alpha", "nothing"], "nothing"),
        (["describe", "export", "-a", "Beta"], "doesn't have exports"),
        (["describe", "import", "-a", "Beta"], "subject is required"),
        (["list", "users", "-a", "Nobody"], "Nobody"),
    ],
)
def test_what_is_not_there_is_told_by_name(words, told, nsc, current_store):
    result = nsc(*words, exit=(1, 2))
    assert told in result.err
    assert result.err.startswith("Error: ")
    assert result.out == ""
    failure = json.loads(nsc(*words, "--json", exit=(1, 2)).err)
    assert told in failure["error"]


def test_describe_export_by_subject_and_by_name(nsc, current_store):
    by_subject = nsc("describe", "export", "-a", "Alpha", "svc.chunked", "--json").json
    assert by_subject == nsc("describe", "export", "-a", "Alpha", "chunked private", "--json").json
    assert by_subject["response_type"] == "Chunked"
    assert "Service [Chunked]" in nsc("describe", "export", "-a", "Alpha", "svc.chunked").out


@pytest.mark.parametrize(
    ("exporter", "told"),
    [
        ("Gamma", 'account "Beta" imports nothing from Gamma'),
        ("Nobody", "account Nobody does not exist in the current operator"),
    ],
)
def test_describe_import_says_which_exporter_is_wrong(exporter, told, nsc, current_store):
    assert told in nsc("describe", "import", "-a", "Beta", "--src-account", exporter, exit=1).err


def test_describe_import_shows_the_activation(nsc, current_store):
    table = nsc("describe", "import", "-a", "Beta", "private.beta.>").out
    assert "2099-01-01 00:00:00 UTC" in table
    token = nsc("describe", "import", "-a", "Beta", "private.beta.>", "--raw").out.strip()
    assert nsc("describe", "jwt", "-f", token, "--json").json["nats"]["type"] == "activation"


def test_exports_and_imports_are_listed(nsc, current_store):
    exports = nsc("list", "exports", "-a", "Alpha", "--json").json["exports"]
    assert [each["subject"] for each in exports][:2] == ["own.*.>", "private.>"]
    assert "from.alpha.>" in nsc("list", "imports", "-a", "Beta").out
    assert "No entries defined" in nsc("list", "imports", "-a", "Alpha").out


def test_configurations_are_those_of_the_go_tool(nsc, current_store):
    def settings(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]

    for flag, name in (("--mem-resolver", "mem-resolver"), ("--nats-resolver", "nats-resolver")):
        for operator in ("Main", "Strict"):
            expected = (GOLDEN / f"outputs/{operator}/{name}.conf").read_text()
            assert settings(nsc("generate", "config", flag, "--operator", operator).out) == settings(expected)


def test_validate_marks_what_a_server_refuses(nsc, current_store):
    result = nsc("validate", "-A", exit=1)
    assert 'user "expired": claim is expired' in result.out
    assert result.err == "Error: validation found errors\n"
    checked = nsc("validate", "-A", "--json", exit=1).json["checked"]
    assert {"text": 'user "expired": claim is expired', "serious": True} in checked[2]["issues"]
    assert "No issues found" in nsc("validate", "-a", "Delta").out
