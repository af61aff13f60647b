"""Limits of users, accounts and the server, also while they change, on both servers.

Source: spec/server-accounts.md section 9 and the end of section 7.
"""

from __future__ import annotations

import pytest

from natskit import jwt
from support.engines import ENGINES, Engine
from support.scenario import Client, Player
from support.stage import Stage

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

TOO_MANY = "-ERR 'maximum subscriptions exceeded'"
TOO_LONG = "-ERR 'Maximum Payload Violation'"
SUBS = "SUB a 1 | SUB b 2 | SUB c 3 | SUB d 4 | SUB e 5"


@pytest.mark.parametrize(
    ("server", "account", "user", "allowed"),
    [(4, 3, 2, 2), (4, 2, 3, 2), (2, 3, 4, 2), (4, -1, -1, 4), (0, 3, -1, 3), (0, -1, 1, 1)],
)
async def test_least_limit_of_subscriptions_holds(
    stage: Stage, server: int, account: int, user: int, allowed: int
) -> None:
    stage.exporter.publish(limits={"subs": account})
    stage.users["x"] = stage.exporter.user(subs=user)
    stage.users["y"] = stage.exporter.user()
    await stage.open(f"max_subscriptions: {server}" if server else "")
    await stage.play(f"""
        x> {SUBS}
        x< {" | ".join([TOO_MANY] * (5 - allowed))}
        y> PUB a 1 | m | PUB e 1 | n
        x< MSG a 1 1 | m
        x> UNSUB 1 | SUB e 5
        y> PUB e 1 | n
        x< MSG e 5 1 | n
    """)


@pytest.mark.parametrize(
    ("server", "account", "user", "allowed"), [(30, 20, 10, 10), (30, 10, 20, 10), (10, 20, 30, 10), (10, -1, -1, 10)]
)
async def test_least_limit_of_payloads_holds_and_is_announced(
    stage: Stage, server: int, account: int, user: int, allowed: int
) -> None:
    stage.exporter.publish(limits={"payload": account})
    stage.users["x"] = stage.exporter.user(payload=user)
    await stage.open(f"max_payload: {server}")
    await stage.play(f"x> SUB a 1 | PUB a {allowed} | {'x' * allowed}\nx< MSG a 1 {allowed} | {'x' * allowed}")
    assert stage.player.clients["x"].info["max_payload"] == allowed
    await stage.play(f"x> PUB a {allowed + 1} | {'x' * (allowed + 1)}\nx< {TOO_LONG} | <EOF>")


async def test_limit_of_data_is_no_limit(stage: Stage) -> None:
    stage.exporter.publish(limits={"data": 5})
    stage.users["x"] = stage.exporter.user(data=5)
    await stage.open()
    await stage.play("x> SUB a 1 | PUB a 10 | 0123456789\nx< MSG a 1 10 | 0123456789")


async def test_payload_of_an_update_holds_for_the_next_message(stage: Stage) -> None:
    await stage.open()
    await stage.play("x> PUB a 10 | 0123456789")
    await stage.update(stage.exporter, limits={"payload": 5})
    await stage.play(f"x> PUB a 5 | 01234 | PUB a 6 | 012345\nx< {TOO_LONG} | <EOF>")


@pytest.mark.parametrize(("limit", "closed"), [(1, True), (2, True), (3, False)])
async def test_who_has_as_many_subscriptions_as_an_update_allows_is_closed(
    stage: Stage, limit: int, closed: bool
) -> None:
    await stage.open()
    await stage.play("x> SUB a 1 | SUB b 2")
    await stage.update(stage.exporter, limits={"subs": limit})
    await stage.play(f"x< {TOO_MANY} | <EOF>" if closed else "x> SUB c 3 | SUB d 4\nx< " + TOO_MANY)


@pytest.mark.parametrize(("limit", "closed"), [(2, True), (3, False)])
async def test_who_has_as_many_subscriptions_as_a_reload_allows_is_closed(
    engine: Engine, limit: int, closed: bool
) -> None:
    config = "accounts { A { users: [{user: a, password: a%s}], limits { max_subscriptions: %d } } }"
    await engine.start(config % ("", 5))
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.play("a> SUB a 1 | SUB b 2")
        await engine.reload(config % (", permissions: {publish: {deny: x}}", limit))
        await player.play(f"a< {TOO_MANY} | <EOF>" if closed else "a< (nothing)")
    finally:
        await player.close()


async def test_account_that_will_have_no_bearers_closes_them(stage: Stage) -> None:
    stage.users |= {"b": stage.exporter.user(bearer_token=True), "c": stage.exporter.user(bearer_token=True)}
    await stage.open()
    await stage.play("x> PUB a 0\nb> PUB a 0")
    await stage.update(stage.exporter, limits={"disallow_bearer": True})
    await stage.play("""
        b< -ERR 'Authorization Violation' | <EOF>
        x> PUB a 0
        c< -ERR 'Authorization Violation' | <EOF>
    """)


async def test_no_more_connections_than_the_account_may_have(stage: Stage) -> None:
    stage.exporter.publish(limits={"conn": 2})
    stage.users |= {name: stage.exporter.user() for name in "abc"}
    await stage.open()
    full = "-ERR 'maximum account active connections exceeded' | <EOF>"
    await stage.play(f"a> PUB x 0\nb> PUB x 0\nc< {full}")
    await stage.player.leave("c")
    await stage.player.leave("a")
    await stage.play(f"c> PUB x 0\na< {full}")


async def test_connections_beyond_a_reload_are_closed(engine: Engine) -> None:
    config = "accounts { A { users: [{user: a, password: a}], limits { max_connections: %d } } }"
    await engine.start(config % 3)
    player = Player(engine.host, engine.port, engine.name, users=dict.fromkeys("bc", "a"))
    try:
        await player.play("a> PUB x 0\nb> PUB x 0\nc> PUB x 0")
        await engine.reload(config % 2)
        said = [await told(player.clients[name]) for name in "abc"]
        assert sorted(said) == [["-ERR 'maximum account active connections exceeded'", "<EOF>"], [], []][::-1]
    finally:
        await player.close()


async def told(client: Client) -> list[str]:
    await client.sync()
    found, client.inbox = client.inbox, []
    return found


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"conn": -1}, TOO_MANY),
        ({"conn": -1, "subs": -1}, ""),
        ({}, "-ERR 'maximum account active connections exceeded'"),
    ],
    ids=str,
)
async def test_limit_that_a_token_does_not_have_is_zero(stage: Stage, limits: dict[str, int], told: str) -> None:
    nats = {"type": "account", "version": 2, "limits": limits}
    claims = jwt.GenericClaims(subject=stage.exporter.id, name="EXP", nats=nats)
    stage.realm.preload[stage.exporter.id] = jwt.encode(claims, stage.realm.key, issued_at=5)
    await stage.open()
    if told:
        await stage.play(f"x< {told} | <EOF>")
    else:
        await stage.play(f"x> PUB a 0\nx> PUB a 1 | m\nx< {TOO_LONG} | <EOF>")
