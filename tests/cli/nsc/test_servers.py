"""Account servers that answer what they should not, and operators that are somebody else's."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role

DATA = ".local/share/nats/nsc"
NOW = 1_900_000_000


class Service:
    """An account server of an operator; ``answers`` maps paths to status and text, ``posted`` keeps what came."""

    def __init__(self) -> None:
        self.key = KeyPair.create(Role.OPERATOR)
        self.answers: dict[str, tuple[int, str]] = {}
        self.posted: dict[str, str] = {}
        self.signs = True
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(*service.answers.get(self.path, (404, "")))

            def do_POST(self) -> None:
                token = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.posted[self.path] = token
                service.sign(self.path, token)
                self.reply(*service.answers.get(f"POST {self.path}", (200, "")))

            def reply(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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


def test_a_refused_account_stays_self_signed_and_that_is_an_error(nsc, home, service):
    nsc("add", "operator", "-u", f"{service.url}/operator")
    nsc("add", "account", "A")
    public = stored(home, "accounts/A/A.jwt").subject
    service.answers[f"POST /jwt/v1/accounts/{public}"] = (403, "pay first\n")
    done = nsc("edit", "account", "A", "--tag", "x", exit=1)
    assert "> pay first" in done.err
    account = stored(home, "accounts/A/A.jwt")
    assert (account.issuer, account.nats.tags) == (public, ("x",))


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
    service.answers[f"/jwt/v1/accounts/{key.public}"] = (200, jwt.encode(account, service.key, issued_at=NOW))
    loaded = nsc("load", "--profile", profile, "--json").json
    assert Path(loaded["user"]["creds"]).is_file()
    assert nsc("env", "--json").json["account"] == "Mine"
    assert "already exists" in nsc("load", "--profile", profile).err
    for bad in ("nsc://nobody?secret=x", "http://acme", f"nsc://acme?secret={KeyPair.create(Role.USER).seed}"):
        assert "SU" not in nsc("load", "--profile", bad, exit=(1, 2)).err


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
    nsc("upgrade-jwt")
    assert Path("Old-jwtV1-upgrade-backup.zip").is_file()
    assert jwt.decode((home / ".nsc/nats/Old/Old.jwt").read_text()).nats.version == 2
    nsc("list", "accounts")
    nsc("add", "user", "-a", "A", "v")
    nsc("edit", "account", "A", "--tag", "today")
    assert "already upgraded" in nsc("upgrade-jwt", exit=3).out
