"""Accounts of an operator that change under their users, and imports that come and go, on both servers.

Source: spec/server-accounts.md sections 1.3, 1.6, 4 and 5.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES
from support.monitoring import MONITORED, closed
from support.realm import AccountOwner
from support.stage import Stage

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

ENDED = "<EOF>", "Authentication Failure"
SCOPE_KEY = KeyPair.create(Role.ACCOUNT)


def scoped(payload: int) -> dict[str, Any]:
    template = jwt.ScopeTemplate(payload=payload)
    return {"signing_keys": (jwt.UserScope(kind="user_scope", key=SCOPE_KEY.public, role="r", template=template),)}


SIGNING_KEY = KeyPair.create(Role.ACCOUNT)
BY_SIGNING_KEY = {"signing_keys": (SIGNING_KEY.public,)}
STAYS = "(nothing)", ""
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, str]]] = {
    # what the account was, its user, what the account becomes; what the user is told, what monitoring tells
    "its signing key is taken away": (BY_SIGNING_KEY, {"signer": SIGNING_KEY}, {}, ENDED),
    "its signing key stays": (BY_SIGNING_KEY, {"signer": SIGNING_KEY}, BY_SIGNING_KEY | {"limits": {"conn": 9}}, STAYS),
    "its scope changes": (scoped(5), {"signer": SCOPE_KEY, "scoped": True}, scoped(6), ENDED),
    "its scope stays": (scoped(5), {"signer": SCOPE_KEY, "scoped": True}, scoped(5) | {"limits": {"conn": 9}}, STAYS),
    "bearers are not wanted any more": (
        {}, {"bearer_token": True}, {"limits": {"disallow_bearer": True}}, ("-ERR 'Authorization Violation' | <EOF>", "Authentication Failure"),
    ),
    "everybody is revoked": (
        {}, {}, {"revocations": {"*": int(time.time()) + 9999}}, ("-ERR 'User Authentication Revoked' | <EOF>", "Credentials Revoked"),
    ),
    "those before it are revoked": ({}, {}, {"revocations": {"*": int(time.time()) - 99}}, STAYS),
    "another one is revoked": (
        {}, {}, {"revocations": {KeyPair.create(Role.USER).public: int(time.time()) + 9999}}, STAYS,
    ),
}  # fmt: skip


async def reasons(stage: Stage, count: int) -> list[str]:
    """Why connections were closed, as monitoring tells, once it tells of ``count``."""
    return [each["reason"] for each in await closed(stage.engine, count)]


@pytest.mark.parametrize("change", CHANGES)
async def test_account_changes_under_a_user(stage: Stage, change: str) -> None:
    before, user, after, (told, reason) = CHANGES[change]
    account = stage.realm.account("L", **before)
    stage.users["u"] = account.user("u", user.get("signer"), **{k: v for k, v in user.items() if k != "signer"})
    await stage.open(MONITORED)
    await stage.play("u> PUB x 0")
    await stage.update(account, **after)
    await stage.play(f"u< {told}")
    assert await reasons(stage, bool(reason)) == ([reason] if reason else [])


async def test_account_that_ends_ends_its_users(stage: Stage) -> None:
    account = stage.realm.account("L", expires=int(time.time()) + 2)
    stage.users["u"] = account.user("u")
    stage.users["v"] = stage.exporter.user("v", expires=int(time.time()) + 2)
    await stage.open(MONITORED)
    await stage.play("u> PUB x 0\nv> PUB x 0")
    await stage.engine.pass_time(2)
    await stage.play("u< -ERR 'Account Authentication Expired' | <EOF>\nv< -ERR 'User Authentication Expired' | <EOF>")
    assert await reasons(stage, 2) == 2 * ["Authentication Expired"]


async def test_limits_that_change_under_a_user(stage: Stage) -> None:
    account = stage.realm.account("L")
    stage.users |= {"u": account.user("u"), "v": account.user("v")}
    await stage.open()
    await stage.play("u> SUB a 1 | SUB b 2\nv> SUB a 1")
    await stage.update(account, limits={"subs": 2, "payload": 3})
    await stage.play("""
        u< -ERR 'maximum subscriptions exceeded' | <EOF>
        v> SUB b 2 | SUB c 3
        v< -ERR 'maximum subscriptions exceeded'
        v> PUB x 4 | 1234
        v< -ERR 'Maximum Payload Violation' | <EOF>
    """)


async def test_older_token_of_a_user_is_revoked_a_newer_one_is_not(stage: Stage) -> None:
    account = stage.realm.account("L")
    old = account.user("u", ago=100)
    stage.users |= {"u": old, "v": account.user("v")}
    await stage.open()
    await stage.play("u> PUB x 0\nv> PUB x 0")
    await stage.update(account, revocations={"*": int(time.time()) - 50})
    await stage.play("u< -ERR 'User Authentication Revoked' | <EOF>\nv< (nothing)")


def service(exporter: AccountOwner, subject: str = "q", **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An export of a service, and its import: ``more`` is of the import."""
    exported = (jwt.Export(subject="q", type="service"),)
    wanted = {"subject": subject, "type": "service", "account": exporter.id} | more
    return {"exports": exported}, {"imports": (jwt.Import(**wanted),)}


REQUEST = 'HMSG q 1 _R_.<r> <h> <t> | NATS/1.0 | Nats-Request-Info: {"acc":"<a>","rtt":<n>} | ?'


@pytest.mark.parametrize(
    ("wanted", "local"),
    [({}, "q"), ({"local_subject": "ask"}, "ask"), ({"subject": "ask", "to": "q"}, "ask")],
    ids=["the same", "local_subject", "as in the first generation"],
)
async def test_service_under_another_name(stage: Stage, wanted: dict[str, str], local: str) -> None:
    exported, imported = service(stage.exporter, **wanted)
    stage.exporter.publish(**exported)
    stage.importer.publish(**imported)
    await stage.open()
    await stage.play(f"""
        x> SUB > 1
        i> SUB in 1 | PUB {local} in 1 | ?
        x< {REQUEST}
        x> PUB {{R}} 1 | !
        x< MSG _R_.<r> 1 1 | !
        i< MSG in 1 1 | !
    """)


async def test_new_token_of_the_importer_keeps_requests_that_wait(stage: Stage) -> None:
    exported, imported = service(stage.exporter)
    stage.exporter.publish(**exported)
    stage.importer.publish(**imported)
    await stage.open()
    await stage.play(f"x> SUB q 1\ni> SUB in 1 | PUB q in 1 | ?\nx< {REQUEST}")
    await stage.update(stage.importer, **imported)
    await stage.play("x> PUB {R} 1 | !\ni< MSG in 1 1 | !")


async def test_service_comes_and_goes_with_export_and_activation(stage: Stage) -> None:
    """Whatever is missing, the requestor is told that nobody answers."""
    exported, imported = service(stage.exporter)
    nobody = "i> PUB q in 1 | ?\ni< HMSG in 1 33 33 | NATS/1.0 503 | Nats-Subject: q"
    somebody = f"i> PUB q in 1 | ?\nx< {REQUEST}"
    stage.importer.publish(**imported)
    await stage.open()
    await stage.play(f"x> SUB q 1\ni> SUB in 1\n{nobody}")
    await stage.update(stage.exporter, **exported)
    await stage.play(somebody)
    await stage.update(stage.exporter, exports=(jwt.Export(subject="q", type="service", token_req=True),))
    await stage.play(nobody)
    body = jwt.Activation(subject="q", kind="service")
    claims = jwt.ActivationClaims(subject=stage.importer.id, nats=body)
    token = jwt.encode(claims, stage.exporter.key, issued_at=int(time.time()) - 5)
    await stage.update(stage.importer, **service(stage.exporter, token=token)[1])
    await stage.play(somebody)
    revoked = {stage.importer.id: int(time.time())}
    await stage.update(
        stage.exporter, exports=(jwt.Export(subject="q", type="service", token_req=True, revocations=revoked),)
    )
    await stage.play(nobody)


async def test_stream_comes_and_goes_with_its_export(stage: Stage) -> None:
    public = {"exports": (jwt.Export(subject="a.>", type="stream"),)}
    private = {"exports": (jwt.Export(subject="a.>", type="stream", token_req=True),)}
    stage.exporter.publish()
    stage.importer.publish(**stage.imports(""))
    await stage.open()
    await stage.play("i> SUB > 1\nx> PUB a.b.c.d 1 | 1\ni< (nothing)")
    for body, delivered in ((public, True), (private, False), (public, True), ({}, False)):
        await stage.update(stage.exporter, **body)
        arrived = "MSG a.b.c.d 1 1 | x" if delivered else "(nothing)"
        await stage.play(f"x> PUB a.b.c.d 1 | x\ni< {arrived}")


@pytest.mark.parametrize("known", [True, False])
async def test_activation_of_a_signing_key(stage: Stage, known: bool) -> None:
    keys = {"signing_keys": (stage.exporter.signing_key.public,)} if known else {}
    stage.exporter.publish(**stage.exports(), **keys)
    token = stage.activation(signer=stage.exporter.signing_key, issuer_account=stage.exporter.id)
    stage.importer.publish(**stage.imports(token))
    await stage.open()
    arrived = "MSG a.b.c.d 1 1 | x" if known else "(nothing)"
    await stage.play(f"i> SUB > 1\nx> PUB a.b.c.d 1 | x\ni< {arrived}")
    await stage.update(stage.exporter, **stage.exports(), **({} if known else BY_SIGNING_KEY))
    await stage.play("x> PUB a.b.c.d 1 | x\ni< (nothing)")


async def test_everybodys_activation_is_revoked(stage: Stage) -> None:
    stage.exporter.publish(**stage.exports())
    stage.importer.publish(**stage.imports(stage.activation(issued_at=1000)))
    await stage.open()
    await stage.play("i> SUB > 1\nx> PUB a.b.c.d 1 | x\ni< MSG a.b.c.d 1 1 | x")
    await stage.update(stage.exporter, **stage.exports(revocations={"*": 999}))
    await stage.play("x> PUB a.b.c.d 1 | x\ni< MSG a.b.c.d 1 1 | x")
    await stage.update(stage.exporter, **stage.exports(revocations={"*": 1000}))
    await stage.play("x> PUB a.b.c.d 1 | x\ni< (nothing)")


@pytest.mark.parametrize("which", ["mine", "another's"])
async def test_account_token_position_in_tokens(stage: Stage, which: str) -> None:
    stage.exporter.publish(exports=(jwt.Export(subject="to.*.x", type="stream", account_token_position=2),))
    name = stage.importer.id if which == "mine" else stage.exporter.id
    stage.importer.publish(**stage.imports("", subject=f"to.{name}.x"))
    await stage.open()
    arrived = f"MSG to.{name}.x 1 1 | x" if which == "mine" else "(nothing)"
    await stage.play(f"i> SUB > 1\nx> PUB to.{name}.x 1 | x\ni< {arrived}")


@pytest.mark.parametrize("local", ["q", "ask"])
async def test_service_ends_with_its_activation(stage: Stage, local: str) -> None:
    """nats-server does not notice if the service is called otherwise."""
    stage.exporter.publish(exports=(jwt.Export(subject="q", type="service", token_req=True),))
    claims = jwt.ActivationClaims(
        subject=stage.importer.id, expires=int(time.time()) + 2, nats=jwt.Activation(subject="q", kind="service")
    )
    token = jwt.encode(claims, stage.exporter.key, issued_at=int(time.time()) - 5)
    wanted = {"token": token} if local == "q" else {"token": token, "local_subject": local}
    stage.importer.publish(**service(stage.exporter, **wanted)[1])
    await stage.open()
    await stage.play(f"x> SUB q 1\ni> SUB in 1 | PUB {local} in 1 | ?\nx< {REQUEST}")
    await stage.engine.pass_time(3)
    await stage.player.line(f"i> PUB {local} in 1 | ?")
    if local == "ask" and stage.engine.name == "nats-server":
        await stage.play(f"x< {REQUEST}")
    else:
        size = len(f"NATS/1.0 503..Nats-Subject: {local}....")
        await stage.play(f"i< HMSG in 1 {size} {size} | NATS/1.0 503 | Nats-Subject: {local}")
