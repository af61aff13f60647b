"""Private exports and the tokens that open them. Source: spec/nkeys-and-jwt.md section 7.

Whatever is wrong with an activation, nothing is delivered and the answer says what it is.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.graph import Account, Graph, Rule
from natskit.nkeys import KeyPair, Role

OPERATOR = KeyPair.create(Role.OPERATOR)
EXPORTER, SIGNER, IMPORTER, STRANGER = (KeyPair.create(Role.ACCOUNT) for _ in range(4))
NOW = 1_700_000_000


def activation(
    signer: KeyPair = EXPORTER,
    to: str = IMPORTER.public,
    subject: str = "a.b.c.>",
    kind: str = "stream",
    issuer_account: str = "",
    issued_at: int = NOW - 100,
    **head: Any,
) -> str:
    body = jwt.Activation(subject=subject, kind=kind, issuer_account=issuer_account)
    return jwt.encode(jwt.ActivationClaims(subject=to, nats=body, **head), signer, issued_at=issued_at)


def exporting(signing_keys: tuple[str, ...] = (), **revocations: int) -> Account:
    export = jwt.Export(subject="a.b.c.>", type="stream", token_req=True, revocations=revocations)
    claims = jwt.new_account(EXPORTER.public, "EXP")
    return Account.from_claims(replace(claims, nats=replace(claims.nats, exports=(export,), signing_keys=signing_keys)))


def importing(token: str, **wanted: Any) -> Account:
    wanted = {"subject": "a.b.c.d", "type": "stream", "account": EXPORTER.public} | wanted
    claims = jwt.new_account(IMPORTER.public, "IMP")
    return Account.from_claims(replace(claims, nats=replace(claims.nats, imports=(jwt.Import(token=token, **wanted),))))


def delivered(graph: Graph, subject: str = "a.b.c.d") -> list[str]:
    decision = graph.publish(EXPORTER.public, subject)
    return [delivery.subject for delivery in decision.deliveries if delivery.account == IMPORTER.public]


def refusal(graph: Graph) -> tuple[Rule, str]:
    assert delivered(graph) == []
    [refused] = graph.publish(EXPORTER.public, "a.b.c.d").refusals
    assert refused.account == IMPORTER.public
    return refused.because.rule, refused.because.text


def test_activation_opens_a_private_export() -> None:
    graph = Graph([exporting(), importing(activation())], NOW)
    assert delivered(graph) == ["a.b.c.d"]
    assert delivered(graph, "a.b.c.e") == []
    [link] = graph.links
    assert link.because.rule is Rule.ACTIVATION
    assert link.because.activation == jwt.decode(activation(), jwt.ActivationClaims).id


def test_activation_by_a_signing_key_on_behalf_of_the_exporter() -> None:
    token = activation(SIGNER, issuer_account=EXPORTER.public)
    assert delivered(Graph([exporting((SIGNER.public,)), importing(token)], NOW)) == ["a.b.c.d"]
    rule, text = refusal(Graph([exporting(), importing(token)], NOW))
    assert rule is Rule.ACTIVATION_FOREIGN
    assert SIGNER.public in text


def test_old_prefix_and_new_local_subject() -> None:
    assert delivered(Graph([exporting(), importing(activation(), to="pre")], NOW)) == ["pre.a.b.c.d"]
    mapped = importing(activation(), subject="a.b.c.*", local_subject="loc.$1.x")
    assert delivered(Graph([exporting(), mapped], NOW)) == ["loc.d.x"]


def test_first_generation_token_is_as_good() -> None:
    body = jwt.Activation(subject="a.b.c.>", kind="stream")
    claims = jwt.ActivationClaims(subject=IMPORTER.public, nats=body)
    token = jwt.encode(claims, EXPORTER, issued_at=NOW, version=1)
    assert delivered(Graph([exporting(), importing(token)], NOW)) == ["a.b.c.d"]


@pytest.mark.parametrize(
    ("token", "rule"),
    [
        ("", Rule.NO_ACTIVATION),
        ("not a token", Rule.ACTIVATION_INVALID),
        ("http://127.0.0.1/activation", Rule.ACTIVATION_INVALID),
        (activation(STRANGER), Rule.ACTIVATION_FOREIGN),
        (activation(OPERATOR), Rule.ACTIVATION_FOREIGN),
        (activation(STRANGER, issuer_account=EXPORTER.public), Rule.ACTIVATION_FOREIGN),
        (activation(EXPORTER, issuer_account=STRANGER.public), Rule.ACTIVATION_FOREIGN),
        (activation(to=STRANGER.public), Rule.ACTIVATION_OTHER_ACCOUNT),
        (activation(kind="service"), Rule.ACTIVATION_OTHER_KIND),
        (activation(subject="a.b.c.e"), Rule.ACTIVATION_OTHER_SUBJECT),
        (activation(subject="x.>"), Rule.ACTIVATION_OTHER_SUBJECT),
        (activation(expires=NOW), Rule.ACTIVATION_EXPIRED),
        (activation(expires=NOW - 10), Rule.ACTIVATION_EXPIRED),
        (activation(not_before=NOW + 10), Rule.ACTIVATION_NOT_YET_VALID),
    ],
)
def test_activation_that_is_not_in_order_delivers_nothing(token: str, rule: Rule) -> None:
    assert refusal(Graph([exporting(), importing(token)], NOW))[0] is rule


def test_forged_activation_delivers_nothing() -> None:
    real = activation()
    head, _, signature = real.split(".")
    other = activation(subject="a.>").split(".")[1]
    rule, text = refusal(Graph([exporting(), importing(f"{head}.{other}.{signature}")], NOW))
    assert rule is Rule.ACTIVATION_INVALID
    assert "signature" in text
    # Signed by somebody else in the exporter's name.
    claims = jwt.decode(real, jwt.ActivationClaims)
    forged = jwt.encode(replace(claims, issuer=EXPORTER.public), STRANGER, issued_at=NOW)
    assert refusal(Graph([exporting(), importing(forged)], NOW))[0] is Rule.ACTIVATION_FOREIGN


def test_other_kind_of_token_is_no_activation() -> None:
    user = KeyPair.create(Role.USER)
    token = jwt.encode(jwt.new_user(user.public), EXPORTER, issued_at=NOW)
    assert refusal(Graph([exporting(), importing(token)], NOW))[0] is Rule.ACTIVATION_INVALID


@pytest.mark.parametrize("who", [IMPORTER.public, "*"], ids=["one", "all"])
def test_revoked_activation_delivers_nothing(who: str) -> None:
    token = activation(issued_at=NOW - 100)
    assert refusal(Graph([exporting(**{who: NOW - 100}), importing(token)], NOW))[0] is Rule.ACTIVATION_REVOKED
    assert delivered(Graph([exporting(**{who: NOW - 101}), importing(token)], NOW)) == ["a.b.c.d"]


def test_revocation_of_others_does_not_matter() -> None:
    assert delivered(Graph([exporting(**{STRANGER.public: NOW}), importing(activation())], NOW)) == ["a.b.c.d"]


def test_activation_ends_at_its_time_whatever_the_subjects() -> None:
    token = activation(subject="a.b.>", expires=NOW + 10)
    graph = Graph([exporting(), importing(token, subject="a.b.c.*", local_subject="loc.$1")], NOW)
    assert delivered(graph) == ["loc.d"]
    assert graph.next_change == NOW + 10
    assert graph.advance(NOW + 9).removed == ()
    change = graph.advance(NOW + 10)
    assert [link.local for link in change.removed] == ["loc.*"]
    assert [refused.because.rule for refused in change.refused] == [Rule.ACTIVATION_EXPIRED]


def test_renewed_activation_revives_the_import() -> None:
    graph = Graph([exporting(**{IMPORTER.public: NOW}), importing(activation(issued_at=NOW))], NOW)
    assert delivered(graph) == []
    change = graph.put(importing(activation(issued_at=NOW + 1)))
    assert len(change.added) == 1
    assert delivered(graph) == ["a.b.c.d"]


def test_public_export_does_not_look_at_tokens() -> None:
    export = jwt.Export(subject="a.b.c.>", type="stream")
    claims = jwt.new_account(EXPORTER.public)
    public = Account.from_claims(replace(claims, nats=replace(claims.nats, exports=(export,))))
    graph = Graph([public, importing("rubbish")], NOW)
    assert delivered(graph) == ["a.b.c.d"]
    assert graph.links[0].because.rule is Rule.PUBLIC_EXPORT
