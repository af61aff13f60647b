"""Forms of tokens: of the first generation, and forged ones, on both servers. Source: spec/server-accounts.md section 1.4."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from natskit import jwt
from natskit.nkeys import KeyPair, Role
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm, User
from support.scenario import Client, Player

pytestmark = pytest.mark.parametrize("engine", ENGINES, indirect=True)

NEW, OLD = "ed25519-nkey", "ed25519"


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(head: dict[str, Any], body: dict[str, Any], key: KeyPair, whole: bool = True) -> str:
    """A token; ``whole``: head and body are signed, else the body."""
    text = f"{encoded(head)}.{encoded(body)}"
    signature = key.sign((text if whole else encoded(body)).encode())
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def parts(token: str) -> list[dict[str, Any]]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def old(token: str, kind: Any, signer: KeyPair) -> str:
    """The same claims in the form of 2019."""
    claims = jwt.decode(token, kind)
    return jwt.encode(claims, signer, issued_at=claims.issued_at, version=1)


Forge = Callable[[AccountOwner, User, dict[str, Any], dict[str, Any]], str]


def changed(
    head: dict[str, Any] | None = None, nats: dict[str, Any] | None = None, whole: bool = True, **body: Any
) -> Forge:
    """Signed by the account, with these members instead of what they were."""

    def forge(account: AccountOwner, user: User, old_head: dict[str, Any], old_body: dict[str, Any]) -> str:
        rights = {**old_body["nats"], **(nats or {})}
        return signed({**old_head, **(head or {})}, {**old_body, "nats": rights, **body}, account.key, whole)

    return forge


def in_old_form(whole: bool, head: str = OLD) -> Forge:
    def forge(account: AccountOwner, user: User, _: dict[str, Any], __: dict[str, Any]) -> str:
        _, body = parts(old(user.token, jwt.UserClaims, account.key))
        return signed({"typ": "jwt", "alg": head}, body, account.key, whole)

    return forge


FORMS: dict[str, tuple[Forge, bool]] = {
    "as it was": (changed(), True),
    "another id": (changed(jti="X"), True),
    "an algorithm in capitals": (changed({"alg": NEW.upper()}), True),
    "no algorithm": (changed({"alg": "none"}), False),
    "a shared secret": (changed({"alg": "HS256"}), False),
    "another type": (changed({"typ": "JWS"}), False),
    "the body alone signed": (changed(whole=False), False),
    "the algorithm of 2019": (changed({"alg": OLD}), True),
    "the algorithm of 2019, the body alone signed": (changed({"alg": OLD}, whole=False), False),
    "a later generation": (changed(nats={"version": 3}), False),
    "no generation": (changed(nats={"version": 0}), False),
    "an account's claims": (changed(nats={"type": "account"}), False),
    "another issuer": (changed(iss=KeyPair.create(Role.ACCOUNT).public), False),
    "the issuer a user": (changed(iss=KeyPair.create(Role.USER).public), False),
    "the subject an account": (changed(sub=KeyPair.create(Role.ACCOUNT).public), False),
    "in the form of 2019": (in_old_form(whole=False), True),
    "in the form of 2019, all signed": (in_old_form(whole=True), False),
    "in the form of 2019, the algorithm of today": (in_old_form(whole=False, head=NEW), True),
    "a piece too many": (lambda account, user, head, body: user.token + ".x", False),
    "a piece too few": (lambda account, user, head, body: user.token.rpartition(".")[0], False),
    "no signature": (lambda account, user, head, body: user.token.rpartition(".")[0] + ".", False),
    "signed by the user": (lambda account, user, head, body: signed(head, body, user.key), False),
}


async def test_forms_that_are_let_in(engine: Engine) -> None:
    realm = Realm()
    account = realm.account("A")
    user = account.user()
    head, body = parts(user.token)
    await engine.start(realm.config())
    found = {}
    for name, (forge, _) in FORMS.items():
        client = await Client.open("c", engine.host, engine.port)
        fields = user.credentials(str(client.info["nonce"])) | {
            "verbose": False,
            "jwt": forge(account, user, head, body),
        }
        client.send(b"CONNECT " + json.dumps(fields).encode() + b"\r\nPING\r\n")
        found[name] = {"PONG": True, "-ERR 'Authorization Violation'": False}[await client.receive()]
        await client.close()
    assert found == {name: admitted for name, (_, admitted) in FORMS.items()}


async def test_private_stream_of_tokens_of_the_first_generation(engine: Engine) -> None:
    realm = Realm()
    exporter, importer = realm.account("EXP"), realm.account("IMP")
    body = jwt.Activation(subject="a.b", kind="stream")
    activation = jwt.encode(
        jwt.ActivationClaims(subject=importer.id, nats=body), exporter.key, issued_at=int(time.time()) - 9, version=1
    )
    exporter.publish(exports=(jwt.Export(subject="a.>", type="stream", token_req=True),))
    wanted = jwt.Import(subject="a.b", type="stream", account=exporter.id, token=activation, to="pre")
    importer.publish(imports=(wanted,))
    for account, token in realm.preload.items():
        realm.preload[account] = old(token, jwt.AccountClaims, realm.key)
    users = {"x": (exporter, exporter.user()), "i": (importer, importer.user())}

    def login(name: str, info: dict[str, object]) -> dict[str, object]:
        owner, user = users[name]
        return user.credentials(str(info["nonce"])) | {"jwt": old(user.token, jwt.UserClaims, owner.key)}

    await engine.start(realm.config())
    player = Player(engine.host, engine.port, engine.name, login=login)
    try:
        await player.play("i> SUB > 1\nx> PUB a.b 1 | x | PUB a.c 1 | y\ni< MSG pre.a.b 1 1 | x")
    finally:
        await player.close()
