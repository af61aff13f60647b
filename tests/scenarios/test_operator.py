"""Scenarios of operator mode, each on both servers. Source: spec/server-accounts.md section 10.

Where the real server lets something through that its configuration meant to forbid, lines for one server only say so;
docs/differences.md has the reasons.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)


class Stage:
    """A server of an operator with a system account, an exporter and an importer; clients are users of these."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.realm = Realm()
        self.system = self.realm.account("SYS")
        self.exporter = self.realm.account("EXP")
        self.importer = self.realm.account("IMP")
        body = replace(self.realm.claims.nats, system_account=self.system.id)
        self.realm.claims = replace(self.realm.claims, nats=body)
        self.users: dict[str, User] = {
            "sys": self.system.user(),
            "x": self.exporter.user(),
            "i": self.importer.user(),
        }
        self.player: Player

    async def open(self, *more: str) -> None:
        await self.engine.start(self.realm.config(*more))
        self.player = Player(self.engine.host, self.engine.port, self.engine.name, login=self._login)

    def _login(self, name: str, info: dict[str, object]) -> dict[str, object]:
        return self.users[name].credentials(str(info["nonce"]))

    async def play(self, text: str) -> None:
        await self.player.play(text)

    async def push(self, owner: AccountOwner, token: str) -> dict[str, Any]:
        """Push an account through the system account; returns what the server answers."""
        client = self.player.clients.get("sys") or await self.player._open("sys", "")
        client.send(b"SUB pushed 77\r\n")
        subject = f"$SYS.REQ.ACCOUNT.{owner.id}.CLAIMS.UPDATE"
        client.send(f"PUB {subject} pushed {len(token)}\r\n{token}\r\n".encode())
        message = await client.receive()
        assert message.startswith("MSG pushed 77"), message
        answer: dict[str, Any] = json.loads(message.partition(" | ")[2])
        client.send(b"UNSUB 77\r\n")
        await client.sync()
        return answer

    async def update(self, owner: AccountOwner, **body: Any) -> None:
        answer = await self.push(owner, owner.token(**body))
        assert answer["data"]["message"] == "jwt updated"

    def activation(self, subject: str = "a.b.c.d", **head: Any) -> str:
        signer, issued_at = head.pop("signer", self.exporter.key), head.pop("issued_at", int(time.time()) - 100)
        to = head.pop("to", self.importer.id)
        body = jwt.Activation(subject=subject, kind="stream", issuer_account=head.pop("issuer_account", ""))
        return jwt.encode(jwt.ActivationClaims(subject=to, nats=body, **head), signer, issued_at=issued_at)

    def exports(self, **more: Any) -> dict[str, Any]:
        return {"exports": (jwt.Export(subject="a.b.c.>", type="stream", token_req=True, **more),)}

    def imports(self, token: str, **wanted: Any) -> dict[str, Any]:
        wanted = {"subject": "a.b.c.d", "account": self.exporter.id, "type": "stream"} | wanted
        return {"imports": (jwt.Import(token=token, **wanted),)}


@pytest.fixture
async def stage(engine: Engine) -> AsyncIterator[Stage]:
    stage = Stage(engine)
    yield stage
    await stage.player.close()


async def test_s23_activation_narrowed_to_a_literal_subject(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(stage.activation()))
    await stage.open()
    await stage.play("""
        i> SUB a.b.c.> 1 | SUB > 2 | SUB a.b.c.e 3
        x> PUB a.b.c.d 1 | D | PUB a.b.c.e 1 | E | PUB a.b.c.d.f 1 | F
        i< MSG a.b.c.d 1 1 | D | MSG a.b.c.d 2 1 | D
    """)


async def test_s24_import_narrower_than_the_activation_with_old_prefix(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(stage.activation("a.b.c.>"), to="pre"))
    await stage.open()
    await stage.play("""
        i> SUB > 1
        x> PUB a.b.c.d 1 | D | PUB a.b.c.e 1 | E | PUB a.b.c.d.f 1 | F
        i< MSG pre.a.b.c.d 1 1 | D
    """)


async def test_s25_local_subject_with_references(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    wanted = {"subject": "a.b.c.*", "local_subject": "loc.$1.x"}
    stage.importer.publish(**stage.imports(stage.activation("a.b.c.>"), **wanted))
    await stage.open()
    await stage.play("""
        i> SUB loc.e.> 1 | SUB loc.*.x 2 | SUB a.b.c.e 3
        x> PUB a.b.c.d 1 | D | PUB a.b.c.e 1 | E | PUB a.b.c.d.f 1 | F
        i< MSG loc.d.x 2 1 | D | MSG loc.e.x 1 1 | E | MSG loc.e.x 2 1 | E
    """)


async def test_s26_revoked_activation(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(stage.activation()))
    await stage.open()
    await stage.play("""
        i> SUB a.b.c.d 1
        x> PUB a.b.c.d 1 | 1
        i< MSG a.b.c.d 1 1 | 1
    """)
    now = int(time.time())
    await stage.update(stage.exporter, **stage.exports(revocations={stage.importer.id: now + 1}))
    await stage.play("""
        x> PUB a.b.c.d 1 | 2
        i< (nothing)
        i> SUB a.b.c.d 2
        x> PUB a.b.c.d 1 | 2
        i< (nothing)
    """)
    await stage.update(stage.importer, **stage.imports(stage.activation(issued_at=now + 5)))
    await stage.play("""
        i> SUB a.b.c.d 3
        x> PUB a.b.c.d 1 | 3
        [nats-server] i< MSG a.b.c.d 3 1 | 3
        [natskit] i< MSG a.b.c.d 1 1 | 3 | MSG a.b.c.d 2 1 | 3 | MSG a.b.c.d 3 1 | 3
    """)
    await stage.update(stage.exporter, **stage.exports())
    await stage.play("""
        x> PUB a.b.c.d 1 | 4
        i< MSG a.b.c.d 2 1 | 4 | MSG a.b.c.d 3 1 | 4 | MSG a.b.c.d 1 1 | 4
    """)


async def test_s27_expired_activation(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    expires = int(time.time()) + 2
    stage.importer.publish(**stage.imports(stage.activation(expires=expires)))
    await stage.open()
    await stage.play("""
        i> SUB a.b.c.d 1
        x> PUB a.b.c.d 1 | 1
        i< MSG a.b.c.d 1 1 | 1
    """)
    await stage.engine.pass_time(3)
    await stage.play("""
        x> PUB a.b.c.d 1 | 2
        i< (nothing)
    """)
    await stage.update(stage.importer, **stage.imports(stage.activation()))
    await stage.play("""
        x> PUB a.b.c.d 1 | 3
        [nats-server] i< (nothing)
        [natskit] i< MSG a.b.c.d 1 1 | 3
        i> SUB a.b.c.d 2
        x> PUB a.b.c.d 1 | 4
        [nats-server] i< MSG a.b.c.d 2 1 | 4
        [natskit] i< MSG a.b.c.d 1 1 | 4 | MSG a.b.c.d 2 1 | 4
    """)


async def test_activation_that_expires_under_another_subject(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    token = stage.activation("a.b.c.>", expires=int(time.time()) + 2)
    stage.importer.publish(**stage.imports(token, subject="a.b.c.*", local_subject="loc.$1"))
    await stage.open()
    await stage.play("""
        i> SUB loc.* 1
        x> PUB a.b.c.d 1 | 1
        i< MSG loc.d 1 1 | 1
    """)
    await stage.engine.pass_time(3)
    await stage.play("""
        x> PUB a.b.c.d 1 | 2
        [nats-server] i< MSG loc.d 1 1 | 2
        [natskit] i< (nothing)
    """)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"expires": 1}, "the activation expired at 1"),
        ({"to": KeyPair.create(Role.ACCOUNT).public}, "activation token doesn't match account it is being included"),
        ({"subject": "a.b.c.e"}, 'activation token import subject "a.b.c.e" doesn\'t match import "a.b.c.d"'),
        ({"signer": KeyPair.create(Role.ACCOUNT)}, 'activation token doesn\'t match account for import "a.b.c.d"'),
        ({"signer": None}, "the activation is signed by"),
    ],
    ids=["expired", "for another account", "for another subject", "of a stranger", "forged"],
)
async def test_bad_activation_delivers_nothing_and_the_log_says_why(
    stage: Stage, fault: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    if "signer" in fault and fault["signer"] is None:
        fault = {"signer": KeyPair.create(Role.ACCOUNT), "issuer_account": stage.exporter.id}
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(stage.activation(**fault)))
    await stage.open()
    if reason.startswith("activation token"):  # the whole account is not valid
        await stage.play("i< -ERR 'Authorization Violation' | <EOF>")
    else:
        await stage.play("""
            i> SUB > 1
            x> PUB a.b.c.d 1 | D
            i< (nothing)
        """)
    if stage.engine.name == "natskit":
        assert reason in stage.engine.log()


async def test_s28_connection_limit_and_revocation_reach_connections(stage: Stage) -> None:
    account = stage.realm.account("L")
    for name in ("u1", "u2", "u3"):
        stage.users[name] = account.user(name)
    await stage.open()
    await stage.play("""
        u1> PUB x 0
        u2> PUB x 0
        u3> PUB x 0
    """)
    await stage.update(account, limits={"conn": 2})
    await stage.play("""
        u1< (nothing)
        u2< (nothing)
        u3< -ERR 'maximum account active connections exceeded' | <EOF>
    """)
    revoked = stage.users["u1"].key.public
    await stage.update(account, revocations={revoked: int(time.time()) + 1})
    await stage.play("""
        u1< -ERR 'User Authentication Revoked' | <EOF>
        u2< (nothing)
    """)


async def test_lower_limits_reach_connections(stage: Stage) -> None:
    account = stage.realm.account("L")
    stage.users |= {name: account.user() for name in ("full", "few", "late")}
    await stage.open()
    await stage.play("full> SUB a 1 | SUB b 2\nfew> SUB a 1")
    await stage.update(account, limits={"subs": 2, "payload": 4})
    await stage.player.line("full< -ERR 'maximum subscriptions exceeded' | <EOF>")  # it has as many as it may have
    await stage.play("""
        few> SUB b 2 | SUB c 3
        few< -ERR 'maximum subscriptions exceeded'
        late> PUB a 4 | 1234
        few< MSG a 1 4 | 1234
    """)
    assert stage.player.clients["late"].info["max_payload"] == 4
    await stage.player.line("few> PUB x 5 | 12345")
    await stage.player.line("few< -ERR 'Maximum Payload Violation' | <EOF>")


async def test_s29_user_lifetime_and_default_permissions(stage: Stage) -> None:
    account = stage.realm.account("L")
    stage.users["a"] = account.user("a", expires=int(time.time()) + 2)
    stage.users["b"] = account.user("b")
    await stage.open()
    await stage.play("""
        a> PUB x 0
        b> SUB foo 1
    """)
    permissions = jwt.Permissions(sub=jwt.Permission(allow=("bar",)), pub=jwt.Permission(deny=("no",)))
    await stage.update(account, default_permissions=permissions)
    await stage.play("""
        b< -ERR 'Permissions Violation for Subscription to "foo" (sid "1")'
        b> PUB no 1 | x
        b< -ERR 'Permissions Violation for Publish to "no"'
        a> PUB no 1 | x
        a< -ERR 'Permissions Violation for Publish to "no"'
    """)
    await stage.engine.pass_time(2)
    await stage.play("a< -ERR 'User Authentication Expired' | <EOF>")


async def test_s33_scoped_signing_key_template(stage: Stage) -> None:
    account = stage.realm.account("L")
    template = jwt.ScopeTemplate(
        pub=jwt.Permission(allow=("t.{{name()}}.{{tag(dept)}}", "$SYS.REQ.USER.INFO")),
        sub=jwt.Permission(deny=("d.{{tag(dept)}}",)),
        payload=20,
    )
    key = account.signing_key
    account.publish(
        signing_keys=(jwt.UserScope(kind="user_scope", key=key.public, role="r", template=template),),
    )
    stage.users["b"] = account.user("bob", key, scoped=True, tags=("dept:eng", "dept:ops"))
    stage.users["c"] = account.user("bob", key, scoped=True)
    await stage.open()
    await stage.play("""
        b> PUB t.bob.eng 1 | x | PUB t.bob.ops 1 | x | PUB t.bob.hr 1 | x
        b< -ERR 'Permissions Violation for Publish to "t.bob.hr"'
        b> SUB d.ops 1
        b< -ERR 'Permissions Violation for Subscription to "d.ops"'
        b> PUB t.bob.eng 21 | xxxxxxxxxxxxxxxxxxxxx
        b< -ERR 'Maximum Payload Violation' | <EOF>
        c< -ERR 'Authorization Violation' | <EOF>
    """)


@pytest.mark.parametrize(
    ("fault", "real"),
    [
        ("untrusted", "refuses"),
        ("self-signed", "refuses"),
        ("expired", "refuses"),
        ("older", "accepts"),
    ],
)
async def test_update_that_is_not_to_be_trusted(stage: Stage, fault: str, real: str) -> None:
    account = stage.realm.account("L", limits={"conn": 5})
    stage.users["u"] = account.user()
    await stage.open()
    await stage.play("u> PUB x 0")
    token = {
        "untrusted": account.token(KeyPair.create(Role.OPERATOR), limits={"conn": 0}),
        "self-signed": account.token(account.key, limits={"conn": 0}),
        "expired": account.token(expires=int(time.time()) - 5, limits={"conn": 0}),
        "older": account.token(issued_at=5, limits={"conn": 0}),
    }[fault]
    answer = await stage.push(account, token)
    if stage.engine.name == "nats-server" and real == "accepts":
        assert answer["data"]["message"] == "jwt updated"
        return
    assert answer["error"]["code"] == 500
    assert answer["error"]["account"] == account.id
    assert answer["error"]["description"].startswith("jwt update resulted in error - ")
    await stage.play("u< (nothing)")


async def test_push_of_the_token_in_use_disturbs_no_request(stage: Stage) -> None:
    service = {"subject": "q", "type": "service"}
    in_use = stage.exporter.publish(exports=(jwt.Export(**service),))
    stage.importer.publish(imports=(jwt.Import(account=stage.exporter.id, **service),))
    await stage.open()
    await stage.play("""
        x> SUB q 1
        i> SUB in 1 | PUB q in 1 | ?
        x< HMSG q 1 _R_.<r> <h> <t> | NATS/1.0 | Nats-Request-Info: <info> | ?
    """)
    answer = await stage.push(stage.exporter, in_use)
    assert answer["data"]["message"] == "jwt updated"
    await stage.play("x> PUB {R} 1 | !\ni< MSG in 1 1 | !")


async def test_new_token_of_the_exporter_ends_requests_that_wait(stage: Stage) -> None:
    service = {"subject": "q", "type": "service"}
    exports = (jwt.Export(**service),)
    stage.exporter.publish(exports=exports)
    stage.importer.publish(imports=(jwt.Import(account=stage.exporter.id, **service),))
    await stage.open()
    await stage.play("""
        x> SUB q 1
        i> SUB in 1 | PUB q in 1 | ?
        x< HMSG q 1 _R_.<r> <h> <t> | NATS/1.0 | Nats-Request-Info: <info> | ?
    """)
    await stage.update(stage.exporter, exports=exports)
    await stage.play("x> PUB {R} 1 | !\ni< (nothing)")


async def test_subject_of_an_update_must_be_its_account(stage: Stage) -> None:
    await stage.open()
    answer = await stage.push(stage.importer, stage.exporter.token())
    description = "jwt update resulted in error - subject does not match jwt content"
    assert answer["error"]["description"].startswith(description)


async def test_limits_that_are_absent_are_zero(stage: Stage) -> None:
    stage.users["p"] = stage.exporter.user("p", payload=0)
    await stage.open()
    await stage.play("""
        x> SUB > 1
        p> PUB a 0
        x< MSG a 1 0
        p> PUB a 1 | x
        p< -ERR 'Maximum Payload Violation' | <EOF>
    """)


async def test_refused_import_is_told_by_monitoring(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(""))
    await stage.open("http: 127.0.0.1:-1")
    await stage.player.line("i> PUB x 0")
    url = f"{stage.engine.monitor}/accountz?acc={stage.importer.id}"

    def fetch() -> list[dict[str, Any]]:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["account_detail"].get("imports", [])
        return [each for each in found if each["account"] != stage.system.id]

    told = [(each["subject"], each.get("invalid")) for each in await asyncio.to_thread(fetch)]
    assert told == ([("a.b.c.d", True)] if stage.engine.name == "natskit" else [])


async def test_user_without_subscriptions_is_closed_at_once(stage: Stage) -> None:
    user = stage.exporter.user("p", subs=0)
    await stage.open()
    client = await Client.open("p", stage.engine.host, stage.engine.port)
    stage.player.clients["p"] = client
    fields = user.credentials(str(client.info["nonce"])) | {"verbose": False}
    client.send(f"CONNECT {json.dumps(fields)}\r\n".encode())
    async with asyncio.timeout(5):
        assert await client.receive() == "-ERR 'maximum subscriptions exceeded'"
        assert await client.receive() == "<EOF>"
