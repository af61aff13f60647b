"""Auth callout, on both servers. Source: spec/server-accounts.md section 1.8 and scenario S32."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Client, Player
from support.waiting import until

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

SUBJECT = "$SYS.REQ.USER.AUTH"
Decide = Callable[[jwt.AuthorizationRequestClaims], str]


class Service:
    """The auth callout service: a client that answers requests by ``decide``, which makes the user's token."""

    def __init__(self, client: Client, signer: KeyPair, xkey: KeyPair | None = None) -> None:
        self.client = client
        self.signer = signer
        self.xkey = xkey
        self.sealed = xkey is not None

    async def answer(self, decide: Decide, **response: Any) -> jwt.AuthorizationRequestClaims:
        """Wait for a request and answer it; returns it."""
        head, *lines = (await self._message()).split(" | ")
        reply, payload = head.split()[3], lines[-1].encode("latin-1")
        server_xkey = ""
        if self.xkey is not None:
            server_xkey = next(line.split(": ")[1] for line in lines if line.startswith("Nats-Server-Xkey: "))
            payload = self.xkey.open(payload, server_xkey)
        request = jwt.decode(payload.decode(), jwt.AuthorizationRequestClaims)
        token = self._response(request, decide(request), **response).encode()
        if self.xkey is not None and self.sealed:
            token = self.xkey.seal(token, server_xkey)
        self.client.send(f"PUB {reply} {len(token)}\r\n".encode() + token + b"\r\n")
        return request

    async def _message(self) -> str:
        """Like `Client.receive`, but payloads may be any bytes."""
        reader = self.client._reader
        while True:
            line = (await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)).decode().rstrip()
            if line.startswith(("MSG", "HMSG")):
                break
        size = int(line.split()[-1])
        body = (await reader.readexactly(size + 2))[:-2].decode("latin-1")
        if line.startswith("HMSG"):
            headers = int(line.split()[-2])
            parts = [part for part in body[:headers].split("\r\n") if part]
            words = line.split()
            return " | ".join([" ".join([*words[:4], words[-1]]), *parts, body[headers:]])
        return f"{line} | {body}"

    def _response(self, request: jwt.AuthorizationRequestClaims, user: str, **more: Any) -> str:
        signer = more.pop("signer", self.signer)
        body = {"error": user.removeprefix("error: ")} if user.startswith("error: ") else {"jwt": user}
        claims = jwt.AuthorizationResponseClaims(
            subject=more.pop("subject", request.nats.user_nkey),
            audience=more.pop("audience", request.nats.server_id.id),
            nats=jwt.AuthorizationResponse(**body | more),
        )
        return jwt.encode(claims, signer, issued_at=int(time.time()))


def user_token(request: jwt.AuthorizationRequestClaims, signer: KeyPair, account: str = "APP", **more: Any) -> str:
    claims = jwt.new_user(more.pop("subject", request.nats.user_nkey), more.pop("name", "bob"))
    head = {key: more.pop(key) for key in ("expires",) if key in more}
    claims = replace(claims, audience=account, nats=replace(claims.nats, **more), **head)
    return jwt.encode(claims, signer, issued_at=int(time.time()))


class Hall:
    """A server that delegates to a service, and a way to see what becomes of a client."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.issuer = KeyPair.create(Role.ACCOUNT)
        self.player: Player
        self.service: Service

    async def open(self, more: str = "", xkey: KeyPair | None = None) -> None:
        sealed = f"xkey: {xkey.public}" if xkey else ""
        await self.engine.start(f"""
            accounts {{ AUTH {{ users=[{{user:auth,password:auth}}] }}, APP {{ users=[{{user:app,password:app}}] }}, B {{}} }}
            authorization {{ timeout: 1,
              auth_callout {{ issuer: {self.issuer.public}, account: AUTH, auth_users: [auth], {sealed} {more} }} }}
        """)
        self.player = Player(self.engine.host, self.engine.port, self.engine.name)
        await self.player.play(f"auth> SUB {SUBJECT} 1")
        self.service = Service(self.player.clients["auth"], self.issuer, xkey)

    def token(self, **more: Any) -> Decide:
        return lambda request: user_token(request, more.pop("signer", self.issuer), **more)

    async def log_in(self, decide: Decide, **response: Any) -> tuple[str, jwt.AuthorizationRequestClaims]:
        """What a new client is told after the service has decided: PONG, or an error."""
        self.player.clients.pop("u", None)
        client = self.player.clients["u"] = await Client.open("u", self.engine.host, self.engine.port)
        self._opened.append(client)
        fields = {"user": "foo", "pass": "bar", "verbose": False, "name": "n", "lang": "py"}
        client.send(f"CONNECT {json.dumps(fields)}\r\nPING\r\n".encode())
        request = await self.service.answer(decide, **response)
        return await client.receive(), request

    _opened: list[Client]


@pytest.fixture
async def hall(engine: Engine) -> AsyncIterator[Hall]:
    hall = Hall(engine)
    hall._opened = []
    yield hall
    for client in hall._opened:
        await client.close()
        hall.player.clients.pop("u", None)
    await hall.player.close()


DENIED = "-ERR 'Authorization Violation'"


async def logged(engine: Engine, text: str) -> None:
    """Wait until the server's log has ``text``; it may be written after the client was told."""
    await until(lambda: text in engine.log(), f"{text!r} in the log")


async def test_s32_service_decides_who_a_client_is(hall: Hall) -> None:
    await hall.open()
    permissions = jwt.Permission(allow=("x", "$SYS.REQ.USER.INFO"))
    told, request = await hall.log_in(hall.token(pub=permissions))
    assert told == "PONG"
    body = request.nats
    assert (request.audience, request.subject) == ("nats-authorization-request", hall.issuer.public)
    assert request.issuer == body.server_id.id
    assert (body.connect_opts.user, body.connect_opts.password) == ("foo", "bar")
    assert (body.client_info.user, body.client_info.kind, body.client_info.type) == ("foo", "Client", "nats")
    await hall.player.play("u> PUB y 1 | x\nu< -ERR 'Permissions Violation for Publish to \"y\"'")
    await hall.player.line("u> SUB in 1 | PUB $SYS.REQ.USER.INFO in 0")
    await hall.player.clients["u"].await_count(1)
    [info] = hall.player.clients["u"].inbox
    data = json.loads(info.partition(" | ")[2])["data"]
    if hall.engine.name == "nats-server":  # tells them in any order
        data["permissions"]["publish"]["allow"].sort(reverse=True)
    assert data == {
        "user": "bob",
        "account": "APP",
        "account_name": "APP",
        "permissions": {"publish": {"allow": ["x", "$SYS.REQ.USER.INFO"]}, "subscribe": {}},
    }
    hall.player.clients["u"].inbox.clear()
    assert (await hall.log_in(lambda request: "error: denied"))[0] == DENIED
    await logged(hall.engine, "Auth callout service returned an error: denied")


async def test_refusal_is_told_in_the_callout_account(hall: Hall) -> None:
    await hall.open()
    client = hall.player.clients["auth"]
    await hall.player.line("auth> SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 9")
    assert (await hall.log_in(lambda request: "error: denied"))[0] == DENIED
    event = json.loads((await client.receive()).partition(" | ")[2])
    assert event["reason"] == "Auth callout service returned an error: denied"
    assert event["client"]["user"] == "foo"


async def test_nobody_who_decides_lets_nobody_in(hall: Hall) -> None:
    """The real server waits for an answer all the same."""
    await hall.open()
    await hall.player.play("auth> UNSUB 1 | SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 9")
    client = await Client.open("u", hall.engine.host, hall.engine.port)
    hall._opened.append(client)
    begun = time.monotonic()
    client.send(b'CONNECT {"user":"foo","pass":"bar","verbose":false}\r\nPING\r\n')
    told = await client.receive()
    if hall.engine.name == "natskit":
        assert told == DENIED
        assert time.monotonic() - begun < 0.9
    else:
        assert told in (DENIED, "-ERR 'Authentication Timeout'")
        assert time.monotonic() - begun > 0.9
    event = json.loads((await hall.player.clients["auth"].receive()).partition(" | ")[2])
    assert (event["reason"], event["client"]["user"]) == ("", "foo")


async def test_service_that_is_silent_lets_nobody_in(hall: Hall) -> None:
    await hall.open()
    client = await Client.open("u", hall.engine.host, hall.engine.port)
    hall._opened.append(client)
    client.send(b'CONNECT {"user":"foo","pass":"bar","verbose":false}\r\nPING\r\n')
    assert await client.receive() in (DENIED, "-ERR 'Authentication Timeout'")


async def test_auth_users_log_in_by_themselves_but_cannot_pretend_to_ask(hall: Hall) -> None:
    await hall.open()
    text = f"auth> PUB {SUBJECT} 1 | x\nauth< -ERR 'Permissions Violation for Publish to \"{SUBJECT}\"'"
    await hall.player.play(text)


async def test_right_password_is_delegated_too(hall: Hall) -> None:
    await hall.open()
    client = await Client.open("u", hall.engine.host, hall.engine.port)
    hall._opened.append(client)
    client.send(b'CONNECT {"user":"app","pass":"app","verbose":false}\r\nPING\r\n')
    await hall.service.answer(lambda request: "error: no")
    assert await client.receive() == DENIED


@pytest.mark.parametrize("sealed", [True, False])
async def test_requests_are_sealed_and_answers_may_be(hall: Hall, sealed: bool) -> None:
    await hall.open(xkey=KeyPair.create(Role.CURVE))
    hall.service.sealed = sealed
    told, request = await hall.log_in(hall.token())
    assert told == "PONG"
    assert request.nats.server_id.xkey.startswith("X")


OTHER_USER = KeyPair.create(Role.USER).public
OTHER_SERVER = KeyPair.create(Role.SERVER).public
OTHER_ACCOUNT = KeyPair.create(Role.ACCOUNT)
NEVER = (jwt.TimeRange(start="00:00:00", end="00:00:00"),)


@pytest.mark.parametrize(
    ("user", "response", "reason"),
    [
        ({}, {"subject": OTHER_USER}, "auth callout response is not for expected user"),
        ({}, {"audience": OTHER_SERVER}, "is not for server"),
        ({"subject": OTHER_USER}, {}, "Expected authorized user of"),
        ({"signer": OTHER_ACCOUNT}, {}, "Wrong issuer for auth callout response"),
        ({"issuer_account": OTHER_ACCOUNT.public}, {}, "attempted to use issuer_account"),
        ({}, {"error": "no"}, "Authorization response had validation errors: Only Error or Jwt can be set"),
        ({"allowed_connection_types": ("FOO",)}, {}, 'Authorized user on account "AUTH" using invalid connection type'),
        ({"times": NEVER}, {}, 'Authorized user on account "AUTH" outside of valid connect times'),
        ({"expires": 5}, {}, "Error validating user JWT: claim is expired"),
        ({"account": "ZZZ"}, {}, 'No valid account "ZZZ" for auth callout response on account "AUTH": account missing'),
    ],
)
async def test_answer_that_is_not_in_order_lets_nobody_in(
    hall: Hall, user: dict[str, Any], response: dict[str, Any], reason: str
) -> None:
    await hall.open()
    assert (await hall.log_in(hall.token(**user), **response))[0] == DENIED
    await logged(hall.engine, reason)


async def test_answer_of_a_stranger_lets_nobody_in(hall: Hall) -> None:
    await hall.open()
    assert (await hall.log_in(hall.token(), signer=OTHER_ACCOUNT))[0] == DENIED


async def test_sealed_answer_of_a_stranger_lets_nobody_in(hall: Hall) -> None:
    await hall.open(xkey=KeyPair.create(Role.CURVE))
    told, _ = await hall.log_in(hall.token(), signer=OTHER_ACCOUNT)
    assert told == ("PONG" if hall.engine.name == "nats-server" else DENIED)


@pytest.mark.parametrize(("types", "told"), [(("WEBSOCKET",), DENIED), (("FOO",), DENIED), (("STANDARD",), "PONG")])
async def test_connection_type_of_the_user_is_enforced(hall: Hall, types: tuple[str, ...], told: str) -> None:
    await hall.open()
    found, _ = await hall.log_in(hall.token(allowed_connection_types=types))
    if hall.engine.name == "nats-server" and types == ("WEBSOCKET",):
        assert found == "PONG"
    else:
        assert found == told


@pytest.mark.parametrize(("account", "told"), [("APP", "PONG"), ("AUTH", "PONG"), ("B", DENIED), ("$SYS", DENIED)])
async def test_users_are_placed_in_allowed_accounts_only(hall: Hall, account: str, told: str) -> None:
    await hall.open("allowed_accounts: [APP]")
    found, _ = await hall.log_in(hall.token(account=account))
    assert found == ("PONG" if hall.engine.name == "nats-server" else told)


async def test_user_who_has_to_come_by_a_proxy_is_refused_without(hall: Hall) -> None:
    await hall.open()
    assert (await hall.log_in(hall.token(proxy_required=True)))[0] == DENIED


@pytest.mark.parametrize(("network", "told"), [("127.0.0.0/8", "PONG"), ("10.0.0.0/8", DENIED)])
async def test_address_of_the_user_is_enforced(hall: Hall, network: str, told: str) -> None:
    await hall.open()
    found, _ = await hall.log_in(hall.token(src=(network,)))
    assert found == ("PONG" if hall.engine.name == "nats-server" else told)


async def test_expired_user_of_a_service_is_cut_off(hall: Hall) -> None:
    await hall.open()
    told, _ = await hall.log_in(hall.token(expires=int(time.time()) + 2))
    assert told == "PONG"
    await hall.engine.pass_time(2)
    await hall.player.line("u< -ERR 'User Authentication Expired' | <EOF>")


# ---- what is asked, and of whom ------------------------------------------------------------------


async def test_request_says_who_wants_in(hall: Hall) -> None:
    await hall.open()
    asked = []
    for _ in range(2):
        told, request = await hall.log_in(hall.token())
        assert told == "PONG"
        asked.append(request)
    first, second = asked
    assert first.nats.user_nkey != second.nats.user_nkey
    assert 0 <= first.expires - int(time.time()) <= 2
    server, info, options = first.nats.server_id, first.nats.client_info, first.nats.connect_opts
    assert (server.name, server.host, bool(server.version)) == (server.id, "127.0.0.1", True)
    assert (info.host, info.name, info.name_tag, info.nonce) == ("127.0.0.1", "n", "", "")
    assert (options.name, options.lang, options.protocol, options.jwt, options.nkey, options.sig) == (
        ("n", "py", 0, "", "", "")
    )


async def test_request_comes_on_a_subject_of_the_server(hall: Hall) -> None:
    await hall.open()
    client = await Client.open("u", hall.engine.host, hall.engine.port)
    hall._opened.append(client)
    client.send(b'CONNECT {"user":"foo","pass":"bar","verbose":false}\r\nPING\r\n')
    head = (await hall.service._message()).split()
    assert head[1] == SUBJECT
    prefix, *tokens = head[3].removeprefix("$SYS.").split(".")
    assert (prefix, [len(token) for token in tokens]) == ("_INBOX", [8, 8])
    hall.service.client.send(f"PUB {head[3]} 0\r\n\r\n".encode())
    assert await client.receive() == DENIED


async def test_user_may_be_placed_in_the_global_account(hall: Hall) -> None:
    await hall.open()
    assert (await hall.log_in(hall.token(account="$G")))[0] == "PONG"
    await hall.player.line("u> SUB in 1 | PUB $SYS.REQ.USER.INFO in 0")
    await hall.player.clients["u"].await_count(1)
    [info] = hall.player.clients["u"].inbox
    hall.player.clients["u"].inbox.clear()
    assert json.loads(info.partition(" | ")[2])["data"]["account"] == "$G"


async def test_user_without_a_name_is_called_as_it_called_itself(hall: Hall) -> None:
    await hall.open()
    assert (await hall.log_in(hall.token(name="")))[0] == "PONG"
    await hall.player.line("u> SUB in 1 | PUB $SYS.REQ.USER.INFO in 0")
    await hall.player.clients["u"].await_count(1)
    [info] = hall.player.clients["u"].inbox
    hall.player.clients["u"].inbox.clear()
    assert json.loads(info.partition(" | ")[2])["data"]["user"] == "foo"


async def say(hall: Hall, user: str, password: str) -> Client:
    client = await Client.open("v", hall.engine.host, hall.engine.port)
    hall._opened.append(client)
    fields = {"user": user, "pass": password, "verbose": False} if user else {"verbose": False}
    client.send(f"CONNECT {json.dumps(fields)}\r\nPING\r\n".encode())
    return client


async def test_users_of_accounts_that_are_not_listed_log_in_by_themselves(hall: Hall) -> None:
    await hall.open("allowed_accounts: [B]")
    client = await say(hall, "app", "app")
    assert await client.receive() == "PONG"
    refused = await say(hall, "app", "wrong")
    request = await hall.service.answer(lambda request: user_token(request, hall.issuer, "B"))
    assert (request.nats.connect_opts.user, request.nats.connect_opts.password) == ("app", "wrong")
    assert await refused.receive() == "PONG"


async def test_guests_are_asked_about_by_the_name_that_stands_for_them(hall: Hall) -> None:
    await hall.engine.start(f"""
        accounts {{ AUTH {{ users=[{{user:auth,password:auth}}] }}, APP {{ users=[{{user:guest,password:hidden}}] }} }}
        no_auth_user: guest
        authorization {{ timeout: 1, auth_callout {{ issuer: {hall.issuer.public}, account: AUTH, auth_users: [auth] }} }}
    """)
    hall.player = Player(hall.engine.host, hall.engine.port, hall.engine.name)
    await hall.player.play(f"auth> SUB {SUBJECT} 1")
    hall.service = Service(hall.player.clients["auth"], hall.issuer)
    client = await say(hall, "", "")
    request = await hall.service.answer(hall.token())
    assert (request.nats.connect_opts.user, request.nats.connect_opts.password) == ("guest", "hidden")
    assert await client.receive() == "PONG"


# ---- operator mode -------------------------------------------------------------------------------


class OperatorHall:
    """An operator with an account whose service decides, and another one that it may place users in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.realm = Realm()
        self.system = self.realm.account("SYS")
        body = replace(self.realm.claims.nats, system_account=self.system.id)
        self.realm.claims = replace(self.realm.claims, nats=body)
        self.auth, self.app, self.other = (self.realm.account(name) for name in ("AUTH", "APP", "OTHER"))
        self.users: dict[str, User] = {"auth": self.auth.user("auth"), "u": self.auth.user("u", bearer_token=True)}
        self.player: Player
        self.service: Service

    async def open(self, allowed: tuple[str, ...] = (), *more: str, a: AccountOwner | None = None) -> None:
        chosen = jwt.ExternalAuthorization(auth_users=(self.users["auth"].key.public,), allowed_accounts=allowed)
        self.auth.body = {"authorization": chosen, "signing_keys": (self.auth.signing_key.public,)}
        self.auth.publish(**self.auth.body)
        await self.engine.start(self.realm.config(*more))
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)
        self.users |= {"a": (a or self.app).user(), "o": self.other.user()}
        await self.player.play(f"auth> SUB {SUBJECT} 1\na> PUB x 0\no> PUB x 0")
        self.service = Service(self.player.clients["auth"], self.auth.key)

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))

    async def push(self, owner: AccountOwner, token: str) -> None:
        """Update an account through the system account."""
        self.users["sys"] = self.system.user()
        await self.player.play("sys> SUB in 1")
        client = self.player.clients["sys"]
        client.send(f"PUB $SYS.REQ.ACCOUNT.{owner.id}.CLAIMS.UPDATE in {len(token)}\r\n{token}\r\n".encode())
        assert "jwt updated" in await client.receive()

    async def log_in(self, decide: Decide, **response: Any) -> str:
        client = self.player.clients["u"] = await Client.open("u", self.engine.host, self.engine.port)
        fields = {"jwt": self.users["u"].token, "verbose": False}
        client.send(f"CONNECT {json.dumps(fields)}\r\nPING\r\n".encode())
        await self.service.answer(decide, **response)
        return await client.receive()


@pytest.fixture
async def operator_hall(engine: Engine) -> AsyncIterator[OperatorHall]:
    hall = OperatorHall(engine)
    yield hall
    await hall.player.close()


async def test_user_stays_in_the_callout_account(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open()
    assert await hall.log_in(lambda request: user_token(request, hall.auth.key, "")) == "PONG"
    await hall.player.play("u> SUB x 1\nauth> PUB x 1 | m\nu< MSG x 1 1 | m")


async def test_answer_may_be_signed_by_a_signing_key(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open()
    issuer = {"issuer_account": hall.auth.id}

    def decide(request: jwt.AuthorizationRequestClaims) -> str:
        return user_token(request, hall.auth.signing_key, "", **issuer)

    assert await hall.log_in(decide, signer=hall.auth.signing_key, **issuer) == "PONG"


@pytest.mark.parametrize("by_account", [False, True])
async def test_answer_must_come_from_the_callout_account(operator_hall: OperatorHall, by_account: bool) -> None:
    hall = operator_hall
    await hall.open(allowed=("*",))
    more: dict[str, Any] = {"issuer_account": hall.other.id} if by_account else {"signer": hall.other.key}
    assert await hall.log_in(lambda request: user_token(request, hall.auth.key, ""), **more) == DENIED


async def test_user_in_the_callout_account_cannot_pretend_to_ask(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open()
    assert await hall.log_in(lambda request: user_token(request, hall.auth.key, "")) == "PONG"
    text = f"u> PUB {SUBJECT} 1 | x\nu< -ERR 'Permissions Violation for Publish to \"{SUBJECT}\"'"
    await hall.player.play(text)
    update = hall.auth.token(default_permissions=jwt.Permissions(pub=jwt.Permission(deny=("no",))), **hall.auth.body)
    await hall.push(hall.auth, update)
    if hall.engine.name == "natskit":  # 2.15.1 says nothing any more
        await hall.player.play(text)


async def test_user_is_placed_in_an_allowed_account(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open(allowed=(hall.app.id,))
    assert await hall.log_in(lambda request: user_token(request, hall.app.key, "")) == "PONG"
    await hall.player.play("u> SUB x 1\na> PUB x 1 | m\nu< MSG x 1 1 | m")


async def test_user_is_placed_in_an_account_that_nobody_uses_yet(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    fresh = hall.realm.account("FRESH")
    await hall.open(allowed=(fresh.id,))
    assert await hall.log_in(lambda request: user_token(request, fresh.key, "")) == "PONG"


async def test_user_is_not_placed_in_an_account_that_nobody_knows(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open(allowed=("*",))
    assert await hall.log_in(lambda request: user_token(request, OTHER_ACCOUNT, "")) == DENIED


async def test_user_is_not_placed_in_an_account_that_has_expired(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    short = hall.realm.account("SHORT", expires=int(time.time()) + 2)
    await hall.open(allowed=(short.id,))
    assert await hall.log_in(lambda request: user_token(request, short.key, "")) == "PONG"
    await hall.engine.pass_time(2)
    await hall.player.line("u< -ERR 'Account Authentication Expired' | <EOF>")
    await hall.player.clients.pop("u").close()
    told = await hall.log_in(lambda request: user_token(request, short.key, ""))
    assert told == ("PONG" if hall.engine.name == "nats-server" else DENIED)


async def test_user_is_not_placed_in_an_account_that_revoked_everybody(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    wary = hall.realm.account("WARY", revocations={"*": int(time.time()) + 60})
    await hall.open(allowed=(wary.id,))
    told = await hall.log_in(lambda request: user_token(request, wary.key, ""))
    assert told == ("PONG" if hall.engine.name == "nats-server" else DENIED)


async def test_user_is_not_placed_in_another_account(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open(allowed=(hall.app.id,))
    assert await hall.log_in(lambda request: user_token(request, hall.other.key, "")) == DENIED
    await logged(hall.engine, f'Account "{hall.other.id}" not permitted as valid account option')


@pytest.mark.parametrize("pinned", [False, True])
async def test_user_is_placed_in_pinned_accounts_only(operator_hall: OperatorHall, pinned: bool) -> None:
    hall = operator_hall
    accounts = [hall.auth, hall.other, hall.system, *([hall.app] if pinned else [])]
    names = ", ".join(account.id for account in accounts)
    await hall.open((hall.app.id,), f"resolver_pinned_accounts: [{names}]", a=hall.app if pinned else hall.other)
    told = await hall.log_in(lambda request: user_token(request, hall.app.key, ""))
    assert told == ("PONG" if pinned or hall.engine.name == "nats-server" else DENIED)


async def test_user_without_any_name_is_called_by_its_key(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open()
    keys = []

    def decide(request: jwt.AuthorizationRequestClaims) -> str:
        keys.append(request.nats.user_nkey)
        return user_token(request, hall.auth.key, "", name="")

    assert await hall.log_in(decide) == "PONG"
    await hall.player.line("u> SUB in 1 | PUB $SYS.REQ.USER.INFO in 0")
    await hall.player.clients["u"].await_count(1)
    [info] = hall.player.clients["u"].inbox
    hall.player.clients["u"].inbox.clear()
    assert json.loads(info.partition(" | ")[2])["data"]["user"] == (
        "" if hall.engine.name == "nats-server" else keys[0]
    )


async def test_request_of_operator_mode_is_about_the_callout_account(operator_hall: OperatorHall) -> None:
    hall = operator_hall
    await hall.open()
    asked: list[jwt.AuthorizationRequestClaims] = []

    def decide(request: jwt.AuthorizationRequestClaims) -> str:
        asked.append(request)
        return user_token(request, hall.auth.key, "")

    assert await hall.log_in(decide) == "PONG"
    [request] = asked
    assert request.subject == hall.auth.id
    assert request.nats.connect_opts.jwt == hall.users["u"].token


@pytest.mark.parametrize("revoked", ["the user", "*", "another"])
async def test_user_of_a_service_is_revoked(operator_hall: OperatorHall, revoked: str) -> None:
    hall = operator_hall
    await hall.open()
    placed: list[str] = []

    def decide(request: jwt.AuthorizationRequestClaims) -> str:
        placed.append(request.nats.user_nkey)
        return user_token(request, hall.auth.key, "")

    assert await hall.log_in(decide) == "PONG"
    whom = {"the user": placed[0], "another": OTHER_USER}.get(revoked, revoked)
    await hall.push(hall.auth, hall.auth.token(**hall.auth.body, revocations={whom: int(time.time()) + 60}))
    if revoked == "another":
        await hall.player.line("u< (nothing)")
    else:
        await hall.player.line("u< -ERR 'User Authentication Revoked' | <EOF>")


@pytest.mark.parametrize("scoped", [True, False])
async def test_template_of_a_scoped_key_holds_for_users_of_a_service(operator_hall: OperatorHall, scoped: bool) -> None:
    hall = operator_hall
    template = jwt.ScopeTemplate(pub=jwt.Permission(allow=("t.{{name()}}",)))
    scope = jwt.UserScope(kind="user_scope", key=hall.auth.signing_key.public, role="r", template=template)
    await hall.open()
    await hall.push(hall.auth, hall.auth.token(**hall.auth.body | {"signing_keys": (scope,)}))

    def decide(request: jwt.AuthorizationRequestClaims) -> str:
        make = jwt.new_scoped_user if scoped else jwt.new_user
        claims = make(request.nats.user_nkey, "bob")
        claims = replace(claims, nats=replace(claims.nats, issuer_account=hall.auth.id))
        return jwt.encode(claims, hall.auth.signing_key, issued_at=int(time.time()))

    told = await hall.log_in(decide)
    if not scoped:  # it brings limits of its own
        assert told == DENIED
        return
    assert told == "PONG"
    text = "u> PUB t.bob 1 | x | PUB t.eve 1 | x\nu< -ERR 'Permissions Violation for Publish to \"t.eve\"'"
    await hall.player.play(text)
