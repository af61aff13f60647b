"""Services of one name that two accounts import from each other under other names, and a third that imports one."""

from __future__ import annotations

import pytest

from natskit import jwt
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm
from support.scenario import Player


def exported(subject: str) -> tuple[jwt.Export, ...]:
    return (jwt.Export(subject=subject, type="service"),)


def imported(exporter: AccountOwner, subject: str, local: str = "") -> tuple[jwt.Import, ...]:
    return (jwt.Import(subject=subject, type="service", account=exporter.id, local_subject=local),)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
async def test_services_that_never_come_back_are_no_cycle(engine: Engine) -> None:
    """No request on ``r`` comes back to where it was: what B imports it calls ``l``. docs/differences.md."""
    realm = Realm()
    asking, one, other = (realm.account(name) for name in "ABC")
    asking.publish(imports=imported(one, "r.*"))
    one.publish(exports=exported("r.*"), imports=imported(other, "r.*", "l.$1"))
    other.publish(exports=exported("r.*"), imports=imported(one, "r.*", "l.$1"))
    await engine.start(realm.config())
    users = {"a": asking.user(), "b": one.user(), "c": other.user()}
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: users[name].credentials(str(info["nonce"]))
    )
    try:
        await player.play("""
            b> SUB r.> 1
            c> SUB r.> 1
            a> PUB r.x 1 | q
            [natskit] b< HMSG r.x 1 <h> <t> | NATS/1.0 | Nats-Request-Info: {"acc":"<a>","rtt":<n>} | q
            [nats-server] b< (nothing)
        """)
    finally:
        await player.close()
