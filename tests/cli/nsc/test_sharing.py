"""Exports, imports and activations: what is stored, what is refused and with which words, what is warned of."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

NSC = str(Path(sys.executable).parent / "nsc")


@pytest.fixture
def shop(nsc):
    """An operator with accounts A (exports) and B, which is current."""
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "export", "--name", "open", "--subject", "open.>")
    nsc("add", "export", "--name", "secret", "--subject", "secret.*.>", "--private")
    nsc("add", "export", "--service", "--subject", "help.*")
    nsc("add", "account", "B")
    nsc("add", "account", "C")
    nsc("env", "--account", "B")
    return nsc


def imports(nsc, account="B"):
    return nsc("list", "imports", "-a", account, "--json").json["imports"]


def key(nsc, account):
    return nsc("describe", "account", account, "--field", "sub").json


def activation(nsc, *words, target="B"):
    nsc("generate", "activation", "-a", "A", "-t", target, "-o", "token.jwt", *words)
    return "token.jwt"


# ---- importing


def test_public_stream_keeps_its_subject(shop):
    shop("add", "import", "--src-account", "A", "--remote-subject", "open.x")
    assert imports(shop) == [{"name": "open.x", "subject": "open.x", "account": key(shop, "A"), "type": "stream"}]


@pytest.mark.parametrize(
    ("subject", "prefix", "local"),
    [
        ("open.x", "abc", "abc.open.x"),
        ("open.>", "abc", "abc.open.>"),
        ("open.*.y.*", "abc", "abc.open.$1.y.$2"),
        ("open.x", "abc.>", "abc.open.x"),
        ("open.x", "a.b.", "a.b.open.x"),
    ],
)
def test_prefix_goes_before_the_remote_subject(subject, prefix, local, shop):
    shop("add", "import", "--src-account", "A", "--remote-subject", subject, "--prefix", prefix)
    assert imports(shop)[0]["local_subject"] == local


def test_prefix_and_local_subject_exclude_each_other(shop):
    words = ("add", "import", "--src-account", "A", "--remote-subject", "open.x", "--prefix", "p", "-s", "q")
    assert "--local-subject or --prefix" in shop(*words, exit=2).err


@pytest.mark.parametrize("prefix", ["a.*", ">", "a b", "a..b"])
def test_prefix_must_be_a_plain_subject(prefix, shop):
    words = ("add", "import", "--src-account", "A", "--remote-subject", "open.x", "--prefix", prefix)
    assert shop(*words, exit=2).err.startswith("Error: ")
    assert imports(shop) == []


def test_private_import_makes_its_own_activation(shop):
    result = shop("add", "import", "--src-account", "A", "--remote-subject", "secret.b.>", "--private")
    assert result.err == ""
    made = imports(shop)[0]
    claims = shop("describe", "jwt", made["token"], "--json").json
    assert (claims["iss"], claims["sub"]) == (key(shop, "A"), key(shop, "B"))
    assert claims["nats"]["subject"] == "secret.b.>"


def test_private_import_needs_a_private_export(shop):
    words = ("add", "import", "--src-account", "A", "--private", "--remote-subject")
    assert 'a private export for "open.x" was not found in account "A"' in shop(*words, "open.x", exit=1).err
    assert '"secret.*.>"' in shop(*words, "elsewhere", exit=1).err


def test_token_may_be_a_file_the_token_itself_or_a_url(shop, account_server):
    path = activation(shop, "-s", "secret.one.>")
    for number, source in enumerate((path, Path(path).read_text(), bare(path), account_server(bare(path)))):
        shop("add", "import", "--token", source, "--name", f"n{number}")
        stored = imports(shop)[0]
        assert (stored["subject"], stored["token"]) == ("secret.one.>", bare(path))
        shop("delete", "import")


def bare(path: str) -> str:
    return Path(path).read_text().splitlines()[1]


@pytest.fixture
def account_server():
    """Serve one text; return its URL."""
    servers = []

    def serve(text: str, status: int = 200) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/activation"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_url_that_does_not_answer_well_is_told(shop, account_server):
    url = account_server("nothing here", 404)
    assert "404" in shop("add", "import", "--token", url, exit=1).err
    assert "127.0.0.1:1/" in shop("add", "import", "--token", "http://127.0.0.1:1/x", exit=1).err


def test_token_for_another_account_is_refused_with_both_accounts(shop):
    path = activation(shop, "-s", "secret.c.>", target="C")
    error = shop("add", "import", "--token", path, exit=1).err
    assert key(shop, "C") in error
    assert key(shop, "B") in error
    assert "--account" in error


def test_token_that_was_tampered_with_is_refused(shop):
    token = bare(activation(shop, "-s", "secret.one.>"))
    head, payload, signature = token.split(".")
    forged = ".".join((head, payload, signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")))
    error = shop("add", "import", "--token", forged, exit=1).err
    assert payload not in error
    assert imports(shop) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--src-account", "B", "--remote-subject", "open.x"], "export issuer is this account"),
        (["--src-account", "Nobody", "--remote-subject", "open.x"], "account Nobody does not exist"),
        (["--src-account", "A", "--remote-subject", "a b"], '"a b"'),
        (["--src-account", "A", "--remote-subject", "open.>", "-s", "x"], "need to end or not end in >"),
        (["--src-account", "A", "--remote-subject", "open.x", "--share"], "only services"),
        (["--src-account", "A"], "remote-subject"),
        (["--token", "missing.jwt"], "missing.jwt"),
        (["--token", "x", "--src-account", "A"], "to be unset"),
    ],
)
def test_imports_that_cannot_work_are_refused(words, told, shop):
    before = shop("describe", "account", "B", "--raw").out
    result = shop("add", "import", *words, exit=(1, 2))
    assert told in result.err
    assert result.out == ""
    assert shop("describe", "account", "B", "--raw").out == before


def test_overlapping_service_imports_are_refused(shop):
    shop("add", "import", "--src-account", "A", "--remote-subject", "help.me", "--service", "-s", "ask")
    words = ("add", "import", "--src-account", "A", "--remote-subject", "help.you", "--service", "-s", "ask")
    assert "overlapping" in shop(*words, exit=1).err


def test_second_import_of_the_same_is_refused_and_says_how_to_change_it(shop):
    words = ("add", "import", "--src-account", "A", "--remote-subject", "open.x")
    shop(*words)
    error = shop(*words, "--name", "again", exit=1).err
    assert 'already imports stream "open.x"' in error
    assert "nsc delete import" in error


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--src-account", "A", "--remote-subject", "secret.b.>"], "private"),
        (["--src-account", "A", "--remote-subject", "not.exported"], "no stream export covers it"),
        (["--src-account", "A", "--remote-subject", "help.me"], "no stream export covers it"),
    ],
)
def test_import_that_will_not_deliver_yet_is_made_with_a_warning(words, reason, shop):
    result = shop("add", "import", *words)
    assert result.err.startswith("Warning: nothing will arrive yet: ")
    assert reason in result.err
    assert len(imports(shop)) == 1


def test_expired_activation_is_imported_with_a_warning(shop):
    path = activation(shop, "-s", "secret.b.>", "--expiry", "2020-01-01")
    assert "expired" in shop("add", "import", "--token", path).err


def test_ambiguous_import_is_deleted_by_exporter(shop):
    for account in ("A", "C"):
        shop("add", "import", "--src-account", account, "--remote-subject", "open.x", "-s", f"from.{account}")
    error = shop("delete", "import", "-s", "open.x", exit=2).err
    assert key(shop, "A") in error
    assert key(shop, "C") in error
    shop("delete", "import", "-s", "open.x", "--src-account", "C")
    assert [each["account"] for each in imports(shop)] == [key(shop, "A")]


# ---- exporting


def test_export_in_json_says_what_was_done(shop):
    document = shop("add", "export", "-a", "A", "-s", "more.>", "--json").json
    assert document["account"] == "A"
    assert document["export"] == {"name": "more.>", "subject": "more.>", "type": "stream"}
    assert document["report"] == [{"status": "success", "text": 'added public stream export "more.>"'}]
    assert [Path(path).name for path in document["written"]] == ["A.jwt"]


@pytest.mark.parametrize(("subject", "reason"), [("x\ty", "it has white space"), ("x.>.y", '">" can stand at the end')])
def test_export_that_no_server_takes_is_warned_of_with_the_reason(subject, reason, shop):
    assert reason in shop("add", "export", "-a", "A", "-s", subject).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a subject is required"),
        (["-s", "open.more"], 'stream export subject "open.>" already exports "open.more"'),
        (["-s", "x y"], '"x y"'),
        (["-s", "x", "--sampling", "10"], "--latency"),
        (["-s", "x", "--sampling", "lots"], '"lots"'),
        (["-s", "x", "--latency", "l", "--sampling", "10"], "only permitted for services"),
        (["-s", "x.*", "--private", "--account-token-position", "2"], "only valid for public exports"),
        (["-s", "x", "--account-token-position", "-1"], "counts from 1"),
        (["-s", "x", "--response-type", "Stream"], "--service"),
        (["-s", "x", "-r", "--response-type", "Often"], '"Often"'),
        (["-s", "x", "-r", "--response-threshold", "soon"], '"soon"'),
    ],
)
def test_exports_that_make_no_sense_are_refused(words, told, shop):
    before = shop("describe", "account", "A", "--raw").out
    assert told in shop("add", "export", "-a", "A", *words, exit=(1, 2)).err
    assert shop("describe", "account", "A", "--raw").out == before


def test_deleting_an_export_names_what_there_is(shop):
    error = shop("delete", "export", "-a", "A", "-s", "nothing", exit=1).err
    assert '"nothing"' in error
    assert '"secret.*.>"' in error
    shop("delete", "export", "-a", "A", "open.>")
    assert "open.>" not in shop("list", "exports", "-a", "A").out


# ---- activations


def test_activation_lies_within_a_private_export(shop):
    claims = shop("describe", "jwt", activation(shop, "-s", "secret.b.x"), "--json").json
    assert claims["nats"] == {"subject": "secret.b.x", "kind": "stream", "type": "activation", "version": 2}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-s", "secret.>"], '"secret.>"'),
        (["-s", "open.x"], '"secret.*.>"'),
        (["-s", "secret.b.x", "-t", "Nobody"], "Nobody"),
        (["-s", "secret.b.x", "-t", "A"], "its own exports"),
        (["-s", "secret.b.x", "--expiry", "sometime"], '"sometime"'),
        (["-s", "secret.b.x", "--push"], "account server url"),
        (["-a", "B"], "doesn't have exports"),
        (["-a", "Nobody"], "Nobody"),
    ],
)
def test_activations_that_open_nothing_are_refused(words, told, shop):
    words = [*([] if "-a" in words else ["-a", "A"]), *([] if "-t" in words else ["-t", "B"]), *words]
    result = shop("generate", "activation", *words, "-o", "never.jwt", exit=(1, 2))
    assert told in result.err
    assert not Path("never.jwt").exists()


def test_activation_on_stdout_is_the_token_alone(shop):
    result = shop("generate", "activation", "-a", "A", "-t", "B", "-s", "secret.b.x", "--expiry", "30d")
    assert result.out.startswith("-----BEGIN NATS ACTIVATION JWT-----\n")
    assert "generated" not in result.out
    assert "Token expires on" in result.err
    document = shop("generate", "activation", "-a", "A", "-t", "B", "-s", "secret.b.x", "--json").json
    assert document["activation"]["sub"] == key(shop, "B")
    assert document["jwt"].count(".") == 2


def test_exporter_is_found_where_only_one_account_can_be_meant(shop):
    shop("generate", "activation", "-t", "B", "-s", "secret.b.x", "-o", "token.jwt")
    assert shop("describe", "jwt", "token.jwt", "--json").json["iss"] == key(shop, "A")


# ---- many at once


def test_twenty_exports_at_once_are_all_there(shop, home):
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    commands = [[NSC, "add", "export", "-a", "A", "-s", f"parallel.{number}"] for number in range(20)]
    running = [subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL) for words in commands]
    assert [process.wait(60) for process in running] == [0] * 20
    exports = json.loads(shop("list", "exports", "-a", "A", "--json").out)["exports"]
    assert sum(each["subject"].startswith("parallel.") for each in exports) == 20


# ---- revocations


def test_listing_revocations_waits_for_no_writer(shop, home):
    """Whoever takes the lock makes its file in the stores root, and removes it."""
    shop("revocations", "add-activation", "-a", "A", "-s", "secret.x.y", "-t", "B")
    root = home / ".local/share/nats/nsc/stores"
    before = root.stat().st_mtime_ns
    listed = shop("revocations", "list-activations", "-a", "A", "-s", "secret.x.y", "--json").json
    assert list(listed["revocations"]) == [key(shop, "B")]
    assert root.stat().st_mtime_ns == before
