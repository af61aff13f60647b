"""Activations that do not hold: nothing arrives through them, and both the log and the graph say why."""

import time

import pytest
from msgspec.structs import replace

from conftest import wait_for
from natskit import graph, jwt
from natskit.jwt.files import format_creds
from natskit.nkeys import KeyPair, Role

OPERATOR, STRANGER = KeyPair.create(Role.OPERATOR), KeyPair.create(Role.ACCOUNT)
EXPORTER, IMPORTER = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.ACCOUNT)


def activation(*, importer=IMPORTER, signer=EXPORTER, subject="private.x", expires=0, issued=None):
    claims = replace(jwt.new_activation(importer.public, subject), expires=expires)
    claims = replace(claims, nats=jwt.Activation(subject=subject, kind="stream"))
    return jwt.encode(claims, signer, issued_at=issued or int(time.time()) - 60)


def accounts(token, revocations=None):
    exports = (
        jwt.Export(subject="private.>", type="stream", token_req=True, revocations=revocations or {}),
        jwt.Export(subject="public.>", type="stream"),
    )
    imports = (
        jwt.Import(subject="private.x", account=EXPORTER.public, type="stream", token=token),
        jwt.Import(subject="public.>", account=EXPORTER.public, type="stream"),
    )
    exporter, importer = jwt.new_account(EXPORTER.public, "exporter"), jwt.new_account(IMPORTER.public, "importer")
    return (
        replace(exporter, nats=replace(exporter.nats, exports=exports)),
        replace(importer, nats=replace(importer.nats, imports=imports)),
    )


def now():
    return int(time.time())


CASES = {
    "expired": (lambda: (activation(expires=now() - 10), None), "expired", ""),
    "revoked": (lambda: (activation(), {IMPORTER.public: now()}), "revoked", ""),
    "revoked for all": (lambda: (activation(), {"*": now()}), "revoked", ""),
    "for another account": (
        lambda: (activation(importer=STRANGER), None),
        f"is for account {STRANGER.public}",
        "activation token doesn't match account it is being included in",
    ),
    "for another subject": (
        lambda: (activation(subject="private.y"), None),
        'is for subject "private.y"',
        'activation token import subject "private.y" doesn\'t match import "private.x"',
    ),
    "signed by another account": (
        lambda: (activation(signer=STRANGER), None),
        f"is by {STRANGER.public}",
        'activation token doesn\'t match account for import "private.x"',
    ),
    "forged": (
        lambda: (forged(), None),
        "signature verification",
        'import "private.x" contains an invalid activation token',
    ),
}
"""How it is made, what the graph says of it, and why the whole account is refused for it, if it is."""


def forged():
    """A token whose body was changed after signing."""
    head, body, signature = activation().split(".")
    other = activation(subject="private.>").split(".")[1]
    assert body != other
    return f"{head}.{other}.{signature}"


def creds(folder, name, account):
    user = KeyPair.create(Role.USER)
    token = jwt.encode(jwt.new_user(user.public, name), account, issued_at=now())
    path = folder / f"{name}.creds"
    path.write_text(format_creds(token, user.seed))
    return path


def test_an_activation_that_holds_delivers(town, tmp_path):
    received, _ = story(town, tmp_path, *accounts(activation()))
    assert received == ["[#1] Received on [private.x]: 'hello'", "[#2] Received on [public.end]: 'hello'"]


@pytest.mark.parametrize("case", CASES)
def test_nothing_arrives_through_it_and_the_reason_is_told(case, town, tmp_path):
    make, word, fault = CASES[case]
    exporter, importer = accounts(*make())
    received, server = story(town, tmp_path, exporter, importer)
    assert received == ([] if fault else ["[#1] Received on [public.end]: 'hello'"])
    answer = graph.Graph([graph.Account.from_claims(exporter), graph.Account.from_claims(importer)], now())
    decision = answer.publish(EXPORTER.public, "private.x")
    assert not [each for each in decision.deliveries if each.account == IMPORTER.public]
    (refusal,) = [each for each in decision.refusals if each.account == IMPORTER.public]
    assert word in refusal.because.text
    if fault or town.engine.embedded:
        wait_for(lambda: (fault or refusal.because.text) in server.log, "the reason in the log")


def story(town, folder, exporter, importer):
    """What a subscriber of the importer receives of two publishes by the exporter, and the server.

    The account may be refused as a whole; nothing is received then.
    """
    operator = jwt.encode(jwt.new_operator(OPERATOR.public, "O"), OPERATOR, issued_at=now())
    preload = "\n".join(
        f"  {claims.subject}: {jwt.encode(claims, OPERATOR, issued_at=now())}" for claims in (exporter, importer)
    )
    server = town.engine.start(f"operator: {operator}\nresolver: MEMORY\nresolver_preload {{\n{preload}\n}}", "-D")
    publisher = creds(folder, "publisher", EXPORTER)
    listening = creds(folder, "subscriber", IMPORTER)
    subscriber = town.start(
        f"{town.bin}/nats-sub", "-s", server.url, "-creds", str(listening), "-count", "2", ">", env=town.home.env
    )
    if not subscriber.waits_or_ends("Listening on [>]"):
        return [], server
    for subject in ("private.x", "public.end"):
        town.publish(server, publisher, subject)
    subscriber.wait_for("[public.end]")
    return [line for line in subscriber.lines if line.startswith("[#")], server
