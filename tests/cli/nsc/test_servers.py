"""Account servers that answer what they should not, and operators that are somebody else's."""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from natskit.store import group, journal

DATA = ".local/share/nats/nsc"
NOW = 1_900_000_000


class Service:
    """An account server of an operator; ``answers`` maps paths to status and text, ``posted`` keeps what came."""

    def __init__(self) -> None:
        self.key = KeyPair.create(Role.OPERATOR)
        self.answers: dict[str, tuple[int, str]] = {}
        self.posted: dict[str, str] = {}
        self.logins: list[tuple[str, str | None]] = []
        self.signs = True
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(*service.answers.get(self.path, (404, "")))

            def do_POST(self) -> None:
                service.logins.append((self.headers["Host"], self.headers["Authorization"]))
                token = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.posted[self.path] = token
                service.sign(self.path, token)
                self.reply(*service.answers.get(f"POST {self.path}", (200, "")))

            def reply(self, status: int, text: str) -> None:
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", text)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:  # a client that has read enough of an answer hangs up
                if not isinstance(sys.exception(), ConnectionError):
                    raise

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwt/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        claims = jwt.new_operator(self.key.public, "Service")
        claims = replace(claims, nats=replace(claims.nats, account_server_url=self.url))
        self.operator = jwt.encode(claims, self.key, issued_at=NOW)
        self.answers["/jwt/v1/operator"] = (200, self.operator)

    def sign(self, path: str, token: str) -> None:
        """Keep the account that was posted, with the operator's signature."""
        if self.signs:
            claims = jwt.decode(token, jwt.AccountClaims)
            self.answers[path] = (200, jwt.encode(self.limited(claims), self.key, issued_at=NOW))

    @staticmethod
    def limited(claims: jwt.AccountClaims) -> jwt.AccountClaims:
        limits = replace(claims.nats.limits, conn=10)
        return replace(claims, nats=replace(claims.nats, limits=limits))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


def stored(home: Path, path: str) -> Any:
    return jwt.decode((home / DATA / "stores/Service" / path).read_text())


def test_a_service_signs_the_accounts_of_its_users(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    done = nsc("add", "account", "A")
    assert "max connections changed from unlimited to 10" in done.out + done.err
    account = stored(home, "accounts/A/A.jwt")
    assert (account.issuer, account.nats.limits.conn) == (service.key.public, 10)
    nsc("add", "user", "u")
    nsc("add", "export", "--subject", "x")
    assert stored(home, "accounts/A/A.jwt").nats.exports[0].subject == "x"


def test_a_batch_writes_soon_what_the_service_knows_and_a_rehearsal_tells_it_nothing(nsc, service, monkeypatch):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    Path("commands").write_text("add account A\nadd account B\n")
    nsc("batch", "commands", "--dry-run")
    assert not service.posted
    monkeypatch.setattr(group, "_LONGEST_S", 1e9)
    commits, commit = [], journal.commit
    monkeypatch.setattr(journal, "commit", lambda root, changes: (commits.append(root), commit(root, changes)))
    nsc("batch", "commands")
    assert len(service.posted) == len(commits) == 2


def test_an_activation_of_a_batch_is_pushed_in_its_turn_and_not_by_a_rehearsal(nsc, service):
    service.signs = False
    nsc("add", "operator", "O")
    nsc("edit", "operator", "--account-jwt-server-url", service.url)
    lines = ["add account A", "add account B", "add export -a A --subject x --private"]
    lines.append("generate activation -a A --subject x -t B -o activation.jwt --push")
    Path("commands").write_text("\n".join(lines))
    assert "3 of 4 commands would be carried out, 1 not tried" in nsc("batch", "commands", "--dry-run").err
    assert not service.posted
    activation = json.loads(nsc("batch", "commands", "--json").out.splitlines()[3])
    token = service.posted["/jwt/v1/activations"]
    assert nsc("describe", "jwt", "activation.jwt", "--raw").out.strip() == token
    assert f"{service.url}/activations/{jwt.activation_hash(jwt.decode(token))}" in json.dumps(activation)
    service.answers["POST /jwt/v1/activations"] = (500, "full")
    assert "full" in nsc("batch", "commands", "--anew", "--keep-going", exit=1).err


def test_a_refused_account_stays_self_signed_and_that_is_an_error(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    public = stored(home, "accounts/A/A.jwt").subject
    service.answers[f"POST /jwt/v1/accounts/{public}"] = (403, "pay first\n")
    done = nsc("edit", "account", "A", "--tag", "x", exit=1)
    assert "> pay first" in done.err
    account = stored(home, "accounts/A/A.jwt")
    assert (account.issuer, account.nats.tags) == (public, ("x",))


def test_the_operator_of_a_deleted_account_gets_a_last_token(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    public = stored(home, "accounts/A/A.jwt").subject
    refused = nsc("delete", "account", "A", exit=1)
    assert "--force" in refused.err
    before = int(time.time())
    nsc("delete", "account", "A", "--force", "-D", "-C")
    last = jwt.decode(service.posted[f"/jwt/v1/accounts/{public}"], jwt.AccountClaims)
    assert before + 60 <= last.expires <= time.time() + 60
    assert last.issuer == public
    assert last.nats.revocations["*"] >= before
    assert not (home / DATA / "stores/Service/accounts/A").exists()


def test_a_deleted_account_of_which_no_key_is_here_is_warned_of(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    for key in home.rglob("*.nk"):
        key.unlink()
    service.posted.clear()
    assert "not told" in nsc("delete", "account", "A", "--force").err
    assert service.posted == {}


def test_deleting_the_operator_here_leaves_its_accounts_there(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    service.posted.clear()
    nsc("delete", "operator", "Service", "--force")
    assert service.posted == {}


@pytest.mark.parametrize("status", [201, 202])
def test_an_accepted_account_waits_for_a_pull(nsc, home, service, status):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    public = stored(home, "accounts/A/A.jwt").subject
    service.answers[f"POST /jwt/v1/accounts/{public}"] = (status, "")
    done = nsc("edit", "account", "A", "--tag", "x")
    assert "was accepted by the account server" in done.err
    assert stored(home, "accounts/A/A.jwt").issuer == public
    nsc("pull", "-a", "A", "-F")
    assert stored(home, "accounts/A/A.jwt").issuer == service.key.public


def test_the_token_of_another_account_is_not_taken(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    public = stored(home, "accounts/A/A.jwt").subject
    other = jwt.new_account(KeyPair.create(Role.ACCOUNT).public, "A")
    service.signs = False
    path = home / DATA / "stores/Service/accounts/A/A.jwt"
    before = path.read_text()
    answers = (
        jwt.encode(other, service.key, issued_at=NOW + 100),
        jwt.encode(jwt.new_account(public, "../../evil"), service.key, issued_at=NOW + 100),
        before[:-8] + "AAAAAAAA",
        "<html>",
        "x" * (2 << 20),
        "\xff",
    )
    for answer in answers:
        service.answers[f"/jwt/v1/accounts/{public}"] = (200, answer)
        done = nsc("pull", "-a", "A", "-F", exit=1)
        assert "Traceback" not in done.err
        assert path.read_text() == before
    assert not (home / DATA / "stores/evil.jwt").exists()


def test_another_operator_does_not_replace_the_one_in_the_store(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    thief = KeyPair.create(Role.OPERATOR)
    service.answers["/jwt/v1/operator"] = (
        200,
        jwt.encode(jwt.new_operator(thief.public, "Service"), thief, issued_at=NOW),
    )
    done = nsc("pull", "--all", exit=1)
    assert "the server has another operator" in done.err
    assert stored(home, "Service.jwt").subject == service.key.public


@pytest.mark.parametrize("fault", ["forged", "older"])
def test_a_token_of_the_operator_that_should_not_count_does_not_replace_it(nsc, home, service, fault):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    before = (home / DATA / "stores/Service/Service.jwt").read_text()
    thief = KeyPair.create(Role.OPERATOR)
    claims = jwt.new_operator(service.key.public, "Service")
    if fault == "forged":  # names the operator, and a key of the thief that would sign accounts
        claims = replace(claims, nats=replace(claims.nats, signing_keys=(thief.public,)))
        token, why = jwt.encode(claims, thief, issued_at=NOW + 1), "which is no key of"
    else:
        token, why = jwt.encode(claims, service.key, issued_at=NOW - 1), "is newer than remote version"
    service.answers["/jwt/v1/operator"] = (200, token)
    assert why in nsc("pull", "--all", exit=1).err
    assert (home / DATA / "stores/Service/Service.jwt").read_text() == before
    nsc("pull", "--all", "--overwrite-newer")
    assert (home / DATA / "stores/Service/Service.jwt").read_text() == token


def test_an_operator_that_another_one_signed_is_not_taken(nsc, home, service):
    thief = KeyPair.create(Role.OPERATOR)
    token = jwt.encode(jwt.new_operator(service.key.public, "Service"), thief, issued_at=NOW)
    service.answers["/jwt/v1/operator"] = (200, token)
    assert "which is none of its keys" in nsc("add", "operator", "-u", f"{service.url}/operator", exit=1).err


@pytest.fixture
def own(nsc, home, service):
    """Operator O of our own with accounts A and B, at the account server; what the server has of them, by name."""
    nsc("add", "operator", "O")
    nsc("edit", "operator", "--account-jwt-server-url", service.url)
    service.signs = False
    for name in ("A", "B"):
        nsc("add", "account", name)
    nsc("push", "--all")
    for path, token in service.posted.items():
        service.answers[path] = (200, token)
    service.answers["/jwt/v1/operator"] = (200, (home / DATA / "stores/O/O.jwt").read_text())
    return {jwt.decode(token).name: path for path, token in service.posted.items()}


def text_of(home: Path, account: str) -> str:
    return (home / DATA / f"stores/O/accounts/{account}/{account}.jwt").read_text()


def operator_key(home: Path) -> KeyPair:
    public = jwt.decode((home / DATA / "stores/O/O.jwt").read_text()).subject
    return KeyPair.from_seed((home / DATA / f"keys/keys/O/{public[1:3]}/{public}.nk").read_text())


def test_what_was_pushed_comes_back_identical(nsc, home, service, own):
    before = {name: text_of(home, name) for name in own}
    pulled = nsc("pull", "--all", "--json").json
    assert {each["name"] for each in pulled["accounts"]} == {"A", "B"}
    assert "written" not in pulled
    assert {name: text_of(home, name) for name in own} == before


def renewed(home: Path, service: Service, own: dict[str, str]) -> KeyPair:
    """The server gets an operator with a new signing key, and accounts that are signed with it."""
    key = KeyPair.create(Role.OPERATOR)
    operator = jwt.decode((home / DATA / "stores/O/O.jwt").read_text(), jwt.OperatorClaims)
    operator = replace(operator, nats=replace(operator.nats, signing_keys=(key.public,)))
    service.answers["/jwt/v1/operator"] = (200, jwt.encode(operator, operator_key(home), issued_at=NOW))
    for name, path in own.items():
        claims = jwt.decode(text_of(home, name), jwt.AccountClaims)
        service.answers[path] = (200, jwt.encode(claims, key, issued_at=NOW))
    return key


def test_operator_and_accounts_are_stored_together_and_judged_by_the_new_operator(nsc, home, service, own, monkeypatch):
    key = renewed(home, service, own)
    commits, commit = [], journal.commit
    monkeypatch.setattr(journal, "commit", lambda root, changes: (commits.append(len(changes)), commit(root, changes)))
    pulled = nsc("pull", "--all", "--json").json
    assert commits == [3]
    assert len(pulled["written"]) == 3
    assert {jwt.decode(text_of(home, name)).issuer for name in own} == {key.public}
    nsc("validate", "-A")


def test_a_pull_that_cannot_be_written_changes_nothing(nsc, home, service, own, monkeypatch):
    renewed(home, service, own)
    files = [path for path in (home / DATA / "stores").rglob("*.jwt") if path.is_file()]
    before = {path: path.read_text() for path in files}
    write, written = journal._write, []

    def full(path: str, *args: Any, **more: Any) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device", path)
        write(path, *args, **more)

    monkeypatch.setattr(journal, "_write", full)
    assert "No space left" in nsc("pull", "--all", exit=1).err
    assert {path: path.read_text() for path in files} == before


def test_accounts_are_pulled_though_the_operator_is_not_there(nsc, home, service, own):
    claims = jwt.decode(text_of(home, "A"), jwt.AccountClaims)
    service.answers[own["A"]] = (200, jwt.encode(claims, operator_key(home), issued_at=NOW))
    service.answers["/jwt/v1/operator"] = (503, "")
    assert 'pull "O" from the account server' in nsc("pull", "--all", exit=1).err
    assert jwt.decode(text_of(home, "A")).issued_at == NOW


def test_each_pulled_token_is_verified_once(nsc, home, service, own, monkeypatch):
    renewed(home, service, own)
    verified, decode = [], jwt.decode
    pulled = {text for status, text in service.answers.values() if status == 200}
    monkeypatch.setattr(jwt, "decode", lambda token, *kind: (verified.append(str(token)), decode(token, *kind))[1])
    nsc("pull", "--all")
    assert sorted(token for token in verified if token in pulled) == sorted(pulled)


def test_an_edit_of_the_same_second_is_not_undone(nsc, home, service, own):
    nsc("edit", "account", "A", "--tag", "mine")
    local = jwt.decode(text_of(home, "A"), jwt.AccountClaims)
    pushed = replace(local, nats=replace(local.nats, tags=()))
    service.answers[own["A"]] = (200, jwt.encode(pushed, operator_key(home), issued_at=local.issued_at))
    done = nsc("pull", "--all", "--json", exit=1)
    assert [each["name"] for each in done.json["accounts"]] == ["B"]
    assert jwt.decode(text_of(home, "A"), jwt.AccountClaims).nats.tags == ("mine",)


def test_an_older_token_does_not_come_back_under_an_older_name(nsc, home, service, own):
    claims = jwt.decode(text_of(home, "A"), jwt.AccountClaims)
    token = jwt.encode(replace(claims, name="Before"), operator_key(home), issued_at=claims.issued_at - 100)
    service.answers[own["A"]] = (200, token)
    done = nsc("pull", "--all", "--overwrite-newer", exit=1)
    assert 'the account "Before" of the server is "A" in the store' in done.err
    assert not (home / DATA / "stores/O/accounts/Before").exists()


def test_a_pulled_account_does_not_take_the_place_of_another(nsc, home, service, own):
    claims = jwt.decode(text_of(home, "A"), jwt.AccountClaims)
    for name in ("B", "b"):
        token = jwt.encode(replace(claims, name=name), operator_key(home), issued_at=claims.issued_at + 100)
        service.answers[own["A"]] = (200, token)
        before = text_of(home, "B")
        nsc("pull", "--account", "A", "--overwrite-newer", exit=1)
        assert text_of(home, "B") == before
    assert sorted(path.name for path in (home / DATA / "stores/O/accounts").iterdir()) == ["A", "B"]


@pytest.mark.parametrize("managed", [False, True])
def test_an_account_that_a_stranger_signed_is_not_taken(nsc, home, service, request, managed):
    if managed:
        nsc("add", "operator", "-u", f"{service.url}/operator")
        nsc("add", "account", "A")
        path = home / DATA / "stores/Service/accounts/A/A.jwt"
    else:
        request.getfixturevalue("own")
        path = home / DATA / "stores/O/accounts/A/A.jwt"
    claims = jwt.decode(path.read_text(), jwt.AccountClaims)
    before = path.read_text()
    for thief in (KeyPair.create(Role.OPERATOR), KeyPair.create(Role.ACCOUNT)):
        named = replace(claims, nats=replace(claims.nats, signing_keys=(thief.public,)))
        named = named if thief.role is Role.ACCOUNT else claims
        token = jwt.encode(named, thief, issued_at=NOW + 100)
        service.answers[f"/jwt/v1/accounts/{claims.subject}"] = (200, token)
        assert "is not signed by operator" in nsc("pull", "--account", "A", exit=1).err
        assert path.read_text() == before


def test_a_service_cannot_put_a_strangers_token_in_the_place_of_an_edit(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    account = stored(home, "accounts/A/A.jwt")
    service.signs = False
    token = jwt.encode(account, KeyPair.create(Role.OPERATOR), issued_at=NOW + 100)
    service.answers[f"/jwt/v1/accounts/{account.subject}"] = (200, token)
    assert "which is no key of operator" in nsc("edit", "account", "A", "--tag", "mine", exit=1).err
    after = stored(home, "accounts/A/A.jwt")
    assert (after.issuer, after.nats.tags) == (account.subject, ("mine",))


@pytest.mark.parametrize("answer", ["x" * (2 << 20), "\xff\xfe"])
def test_an_edit_survives_an_answer_that_is_none(nsc, home, service, answer):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    public = stored(home, "accounts/A/A.jwt").subject
    service.signs = False
    for tag, path in (("get", f"/jwt/v1/accounts/{public}"), ("post", f"POST /jwt/v1/accounts/{public}")):
        service.answers[path] = (200, answer)
        done = nsc("edit", "account", "A", "--tag", tag, exit=1)
        assert "Traceback" not in done.err
        assert tag in stored(home, "accounts/A/A.jwt").nats.tags


def test_a_password_in_the_url_is_sent_to_that_server_only_and_not_shown(nsc, home, service, own, request):
    url = service.url.replace("://", "://me:s%20cret@")
    result = nsc("push", "-u", url, "--json")
    assert "cret" not in result.out + result.err
    host = service.url.split("/")[2]
    assert service.logins[-1] == (host, "Basic bWU6cyBjcmV0")
    other = Service()
    request.addfinalizer(other.close)
    path = own["B"]
    service.answers[f"POST {path}"] = (307, other.url.removesuffix("/jwt/v1") + path)
    nsc("push", "-u", url)
    assert other.logins == [(other.url.split("/")[2], None)]
    assert other.posted[path] == service.posted[path]


def test_a_push_of_several_tells_which_of_them_failed(nsc, home, service, own):
    service.answers[f"POST {own['A']}"] = (400, "not A\n")
    done = nsc("push", "--all", "--json", exit=1)
    assert [each["account"] for each in done.json["pushed"]] == ["B"]
    assert [each["account"] for each in done.json["failed"]] == ["A"]
    assert "not A" in nsc("push", "--all", exit=1).err


def test_a_server_that_is_away_is_not_asked_for_each_account(nsc, home, service, own):
    for number in range(20):
        nsc("add", "account", f"N{number}")
    service.close()
    done = nsc("push", "--all", exit=1)
    assert "accounts were not sent: the server cannot be reached" in done.err
    assert done.err.count("refused") <= 8


def test_accounts_that_servers_would_refuse_are_all_named_before_any_is_sent(nsc, home, service, own):
    for name in ("A", "B"):
        claims = jwt.decode(text_of(home, name), jwt.AccountClaims)
        path = home / DATA / f"stores/O/accounts/{name}/{name}.jwt"
        path.write_text(jwt.encode(replace(claims, expires=2), operator_key(home), issued_at=NOW))
    service.posted.clear()
    done = nsc("push", "--all", exit=1)
    assert 'unable to push account "A" as it has validation issues' in done.err
    assert 'unable to push account "B" as it has validation issues' in done.err
    assert not service.posted
    nsc("push", "--all", "--force")
    assert len(service.posted) == 2


def test_an_account_that_is_not_the_operators_is_not_sent(nsc, home, service, own):
    path = home / DATA / "stores/O/accounts/A/A.jwt"
    claims = jwt.decode(path.read_text(), jwt.AccountClaims)
    path.write_text(jwt.encode(claims, KeyPair.create(Role.OPERATOR), issued_at=NOW))
    service.posted.clear()
    done = nsc("push", "--account", "A", exit=1)
    assert 'unable to push account "A" as it is not signed by the operator "O"' in done.err
    assert not service.posted
    nsc("push", "--account", "A", "--force")
    assert list(service.posted) == [own["A"]]


def test_a_damaged_account_does_not_hide_what_else_is_wrong(nsc, home, service, own):
    (home / DATA / "stores/O/accounts/A/A.jwt").write_text("damaged")
    path = home / DATA / "stores/O/accounts/B/B.jwt"
    claims = jwt.decode(path.read_text(), jwt.AccountClaims)
    path.write_text(jwt.encode(claims, KeyPair.create(Role.OPERATOR), issued_at=NOW))
    service.posted.clear()
    done = nsc("push", "--all", exit=1)
    assert 'unable to push account "A": error loading jwt' in done.err
    assert 'unable to push account "B" as it is not signed' in done.err
    assert not service.posted


def test_of_many_accounts_that_cannot_be_sent_some_are_named(nsc, home, service, own):
    accounts = home / DATA / "stores/O/accounts"
    thief = KeyPair.create(Role.OPERATOR)
    for number in range(30):
        claims = jwt.new_account(KeyPair.create(Role.ACCOUNT).public, f"N{number:02}")
        (accounts / claims.name).mkdir()
        (accounts / claims.name / f"{claims.name}.jwt").write_text(jwt.encode(claims, thief, issued_at=NOW))
    done = nsc("push", "--all", exit=1)
    assert done.err.count("unable to push account") == 20
    assert "and 10 more" in done.err


def test_todays_operator_is_preferred_to_the_one_for_old_tools(nsc, home, service):
    service.answers["/jwt/v2/operator"] = (200, service.operator)
    service.answers["/jwt/v1/operator"] = (200, "for old tools")
    nsc("add", "operator", "-u", f"{service.url}/operator")
    assert stored(home, "Service.jwt").subject == service.key.public


def test_a_service_is_known_by_name(nsc, home, service, monkeypatch):
    monkeypatch.setenv("NSC_ACME_OPERATOR", f"{service.url}/operator")
    nsc("add", "operator", "-u", "acme")
    assert (home / DATA / "stores/ACME/ACME.jwt").read_text() == service.operator
    nsc("init", "-o", "Acme", "-n", "mine", "-d", "elsewhere")
    assert Path("elsewhere/ACME/accounts/mine/users/mine.jwt").is_file()


def test_a_server_that_is_not_there_is_told(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    service.close()
    done = nsc("push", exit=1)
    assert "error loading" in done.err
    done = nsc("edit", "account", "A", "--tag", "x", exit=1)
    assert "refused" in done.err
    assert stored(home, "accounts/A/A.jwt").nats.tags == ("x",)


def test_load_sets_everything_up_or_nothing(nsc, home, service, monkeypatch):
    monkeypatch.setenv("NSC_ACME_OPERATOR", f"{service.url}/operator")
    key = KeyPair.create(Role.ACCOUNT)
    profile = f"nsc://acme?secret={key.seed}&user=me"
    nsc("load", "--profile", profile, exit=1)
    assert not (home / DATA / "stores/acme").exists()
    account = jwt.new_account(key.public, "Mine")
    stranger = jwt.encode(account, KeyPair.create(Role.OPERATOR), issued_at=NOW)
    service.answers[f"/jwt/v1/accounts/{key.public}"] = (200, stranger)
    refused = nsc("load", "--profile", profile, "--json", exit=1)
    assert "written" not in json.loads(refused.err)
    assert not list((home / DATA).rglob("*.jwt"))
    assert not list((home / DATA).rglob("*.nk"))
    assert nsc("env", "--json").json["operator"] == ""
    service.answers[f"/jwt/v1/accounts/{key.public}"] = (200, jwt.encode(account, service.key, issued_at=NOW))
    loaded = nsc("load", "--profile", profile, "--json").json
    assert Path(loaded["user"]["creds"]).is_file()
    assert nsc("env", "--json").json["account"] == "Mine"
    assert "already exists" in nsc("load", "--profile", profile).err
    for bad in ("nsc://nobody?secret=x", "http://acme", f"nsc://acme?secret={KeyPair.create(Role.USER).seed}"):
        assert "SU" not in nsc("load", "--profile", bad, exit=(1, 2)).err


def test_load_leaves_what_is_not_its_own(nsc, home, service, monkeypatch):
    monkeypatch.setenv("NSC_ACME_OPERATOR", f"{service.url}/operator")
    key, other = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.ACCOUNT)
    account = jwt.new_account(key.public, "Mine")
    mine, theirs = f"nsc://acme?secret={key.seed}", f"nsc://acme?secret={other.seed}"
    place = f"/jwt/v1/accounts/{key.public}"
    service.answers[place] = (200, jwt.encode(account, KeyPair.create(Role.OPERATOR), issued_at=NOW))
    assert "which is no key of" in nsc("load", "--profile", mine, exit=1).err
    service.answers[place] = (200, jwt.encode(account, service.key, issued_at=NOW))
    nsc("load", "--profile", mine)
    path = home / DATA / "stores/acme/accounts/Mine/Mine.jwt"
    before = path.read_text()
    same_name = jwt.new_account(other.public, "Mine")
    service.answers[f"/jwt/v1/accounts/{other.public}"] = (200, jwt.encode(same_name, service.key, issued_at=NOW))
    assert "is another one" in nsc("load", "--profile", theirs, exit=1).err
    assert path.read_text() == before
    other_name = jwt.encode(replace(account, name="Other"), service.key, issued_at=NOW + 1)
    service.answers[place] = (200, other_name)
    assert 'of the server is "Mine" in the store' in nsc("load", "--profile", mine, exit=1).err
    assert not path.parent.with_name("Other").exists()
    service.answers[place] = (200, jwt.encode(account, service.key, issued_at=NOW - 100))
    assert "it stays" in nsc("load", "--profile", mine).err
    assert path.read_text() == before
    thief = KeyPair.create(Role.OPERATOR)
    path = next((home / DATA / "stores/acme").glob("*.jwt"))
    before, claims = path.read_text(), jwt.decode(service.operator)
    forged = replace(claims, nats=replace(claims.nats, signing_keys=(thief.public,)))
    service.answers["/jwt/v1/operator"] = (200, jwt.encode(forged, thief, issued_at=NOW + 1))
    assert "which is no key of" in nsc("load", "--profile", mine, exit=1).err
    service.answers["/jwt/v1/operator"] = (200, jwt.encode(claims, service.key, issued_at=NOW - 1))
    nsc("load", "--profile", mine)
    assert path.read_text() == before


def test_load_wants_an_account_and_the_operator_that_it_knows(nsc, home, service, monkeypatch):
    monkeypatch.setenv("NSC_ACME_OPERATOR", f"{service.url}/operator")
    user = f"nsc://acme?secret={KeyPair.create(Role.USER).seed}"
    assert "expected account seed to initialize, not one of kind user" in nsc("load", "--profile", user, exit=2).err
    key, thief = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.OPERATOR)
    account, place = jwt.new_account(key.public, "Mine"), f"/jwt/v1/accounts/{key.public}"
    service.answers[place] = (200, jwt.encode(account, service.key, issued_at=NOW))
    nsc("load", "--profile", f"nsc://acme?secret={key.seed}")
    path = next((home / DATA / "stores/acme").glob("*.jwt"))
    before = path.read_text()
    claims = replace(jwt.decode(service.operator, jwt.OperatorClaims), subject=thief.public)
    service.answers["/jwt/v1/operator"] = (200, jwt.encode(claims, thief, issued_at=NOW + 1))
    done = nsc("load", "--profile", f"nsc://acme?secret={key.seed}", exit=1)
    assert 'a different operator named "acme" already exists' in done.err
    assert path.read_text() == before


def test_a_token_that_has_no_place_does_not_hide_the_one_that_has(nsc, home):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    thief, false_account = KeyPair.create(Role.OPERATOR), KeyPair.create(Role.ACCOUNT)
    store = home / DATA / "stores/O"
    operator, account, user = (
        jwt.decode((store / path).read_text()) for path in ("O.jwt", "accounts/A/A.jwt", "accounts/A/users/u.jwt")
    )
    heap = home / DATA / "stores/heap"
    heap.mkdir()
    own = replace(operator, nats=replace(operator.nats, signing_keys=(thief.public,)))
    claimed = replace(user, nats=replace(user.nats, issuer_account=account.subject))
    for name, claims, signer in (("o", own, thief), ("a", account, thief), ("u", claimed, false_account)):
        (heap / f"{name}.jwt").write_text(jwt.encode(claims, signer, issued_at=NOW))
    os.mkfifo(heap / "pipe.jwt")
    made = nsc("fix", "--in", str(home / DATA), "--out", "new", "--json").json
    assert (made["operators"], made["accounts"], made["users"]) == (["O"], ["O/A"], ["O/A/u"])
    for path in ("O.jwt", "accounts/A/A.jwt", "accounts/A/users/u.jwt"):
        assert (Path("new/operators/O") / path).read_text() == (store / path).read_text()
    assert sorted(Path(each["path"]).name for each in made["passed_over"]) == ["a.jwt", "o.jwt", "u.jwt"]


@pytest.mark.parametrize("names", [("1", "2"), ("2", "1")])
def test_of_two_tokens_the_one_that_was_issued_last_counts(nsc, home, names):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    claims = jwt.decode(text_of(home, "A"))
    heap = Path("heap")
    heap.mkdir()
    for name, when in zip(names, (NOW, NOW - 1), strict=True):
        (heap / f"{name}.jwt").write_text(jwt.encode(claims, operator_key(home), issued_at=when))
    made = nsc("fix", "--in", str(heap), "--in", str(home / DATA), "--out", "new", "--json").json
    assert jwt.decode(Path("new/operators/O/accounts/A/A.jwt").read_text()).issued_at == NOW
    older = [each["path"] for each in made["passed_over"] if each["why"] == "an older token of the same key"]
    assert sorted(Path(path).name for path in older) == [f"{names[1]}.jwt", "A.jwt"]


def test_two_of_one_name_are_not_made_one(nsc, home):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    heap = home / DATA / "stores/heap"
    heap.mkdir()
    public = jwt.decode(text_of(home, "A")).subject
    account = KeyPair.from_seed((home / DATA / f"keys/keys/A/{public[1:3]}/{public}.nk").read_text())
    other = jwt.new_account(KeyPair.create(Role.ACCOUNT).public, "A")
    (heap / "a.jwt").write_text(jwt.encode(other, operator_key(home), issued_at=NOW))
    user = jwt.new_user(KeyPair.create(Role.USER).public, "u")
    (heap / "u.jwt").write_text(jwt.encode(user, account, issued_at=NOW))
    made = nsc("fix", "--in", str(home / DATA), "--out", "new", "--json").json
    assert (made["accounts"], made["users"]) == (["O/A"], ["O/A/u"])
    whys = [each["why"] for each in made["passed_over"]]
    assert whys == ["another account has the same name", "another user has the same name"]


def test_a_store_without_the_operators_key_is_somebody_elses(nsc, home):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    for keys, managed in (((), True), (("--in", str(home / DATA / "keys")), False)):
        out = f"new{managed}"
        nsc("fix", "--in", str(home / DATA / "stores"), *keys, "--out", out)
        assert json.loads(Path(out, "operators/O/.nsc").read_text())["managed"] is managed


def test_what_is_in_the_folder_already_is_not_written_over(nsc, home):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    creds = Path("new/keys/creds/O/A/u.creds")
    creds.parent.mkdir(parents=True)
    creds.write_text("mine")
    assert "already exists" in nsc("fix", "--in", str(home / DATA), "--out", "new", exit=1).err
    assert creds.read_text() == "mine"
    assert not Path("new/operators").exists()


def test_a_store_is_made_again_from_a_heap(nsc, home):
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    nsc("add", "user", "u")
    nsc("generate", "nkey", "--curve", "--store")
    heap = Path("heap")
    heap.mkdir()
    for number, path in enumerate(sorted((home / DATA).rglob("*.*"))):
        if path.suffix in (".jwt", ".nk"):
            (heap / f"{number}{path.suffix}").write_bytes(path.read_bytes())
    (heap / "junk.jwt").write_text("junk")
    (heap / "junk.nk").write_text("junk")
    made = nsc("fix", "--in", "heap", "--out", "new", "--json").json
    assert (made["operators"], made["accounts"]) == (["O"], ["O/A", "O/SYS"])
    assert [Path(each["path"]).name for each in made["passed_over"]] == ["junk.jwt", "junk.nk"]
    for kind in ("stores", "keys"):
        target = Path("new") / {"stores": "operators"}.get(kind, kind)
        assert {p.relative_to(target): p.read_bytes() for p in target.rglob("*.jwt")} == {
            p.relative_to(home / DATA / kind): p.read_bytes() for p in (home / DATA / kind).rglob("*.jwt")
        }
        assert {p.name: p.read_bytes() for p in target.rglob("*.nk")} == {
            p.name: p.read_bytes() for p in (home / DATA / kind).rglob("*.nk")
        }
    nsc("--data-dir", "new/operators", "--keystore-dir", "new/keys", "validate", "--all-accounts")
    assert nsc("fix", "--in", "heap", "--out", "new", exit=1)


def test_an_operator_of_2019_becomes_one_of_today(nsc, home, monkeypatch):
    with monkeypatch.context() as then:
        then.setenv("NSC_PROFILE", "2019")
        nsc("add", "operator", "Old")
        nsc("add", "account", "A")
        nsc("add", "user", "u")
    nsc("list", "accounts", exit=1)
    assert "not found" in nsc("upgrade-jwt", exit=1).err
    nsc("keys", "migrate")
    backup, old = Path("Old-jwtV1-upgrade-backup.zip"), home / ".nsc/nats/Old"
    backup.write_text("mine")
    assert "already exists" in nsc("upgrade-jwt", exit=1).err
    assert backup.read_text() == "mine"
    backup.unlink()
    before = {f"Old/{path.relative_to(old)}": path.read_bytes() for path in old.rglob("*.jwt")}
    nsc("upgrade-jwt")
    with zipfile.ZipFile(backup) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if name.endswith(".jwt")} == before
    assert jwt.decode((home / ".nsc/nats/Old/Old.jwt").read_text()).nats.version == 2
    nsc("list", "accounts")
    nsc("add", "user", "-a", "A", "v")
    nsc("edit", "account", "A", "--tag", "today")
    assert "already upgraded" in nsc("upgrade-jwt", exit=3).out
