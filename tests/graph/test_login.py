"""Logins: every check of a server, in its order, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.graph import Login, Reason, Rule, Trust, judge_login
from natskit.graph.login import judge_payload, permissions_of
from natskit.graph.permissions import EVERYTHING
from natskit.nkeys import KeyPair, Role

NOW = 1_800_000_000
OPERATOR, SIGNING, STRANGER = (KeyPair.create(Role.OPERATOR) for _ in range(3))
ACCOUNT, ACCOUNT_SIGNING, SCOPED = (KeyPair.create(Role.ACCOUNT) for _ in range(3))
USER, OTHER = (KeyPair.create(Role.USER) for _ in range(2))
SCOPE = jwt.UserScope(
    kind="user_scope",
    key=SCOPED.public,
    role="reader",
    template=jwt.ScopeTemplate(sub=jwt.Permission(allow=("r.{{name()}}",))),
)


def operator(**body: Any) -> jwt.OperatorClaims:
    claims = jwt.new_operator(OPERATOR.public, "OP")
    return replace(claims, nats=replace(claims.nats, signing_keys=(SIGNING.public,), **body))


def account(signer: KeyPair = OPERATOR, limits: dict[str, Any] | None = None, **more: Any) -> jwt.AccountClaims:
    claims = jwt.new_account(ACCOUNT.public, "A")
    head = {name: more.pop(name) for name in ("expires", "not_before") if name in more}
    allowed = replace(claims.nats.limits, **limits or {})
    body = replace(claims.nats, signing_keys=(ACCOUNT_SIGNING.public, SCOPE), limits=allowed, **more)
    return jwt.decode(jwt.encode(replace(claims, nats=body, **head), signer, issued_at=NOW - 900), jwt.AccountClaims)


def user(signer: KeyPair = ACCOUNT, **more: Any) -> jwt.UserClaims:
    make = jwt.new_scoped_user if signer is SCOPED else jwt.new_user
    claims = make(USER.public, "ann")
    head = {name: more.pop(name) for name in ("expires", "not_before") if name in more}
    owner = "" if signer is ACCOUNT else ACCOUNT.public
    body = replace(claims.nats, issuer_account=owner, **more)
    return jwt.decode(jwt.encode(replace(claims, nats=body, **head), signer, issued_at=NOW - 600), jwt.UserClaims)


def judged(login: Login, operator_: jwt.OperatorClaims | None = None) -> tuple[Reason, ...]:
    return judge_login(login, Trust.of([operator_ or operator()]))[0]


def failing(login: Login, operator_: jwt.OperatorClaims | None = None) -> list[Rule]:
    return [check.rule for check in judged(login, operator_) if not check]


def login(user_: jwt.UserClaims | None = None, account_: jwt.AccountClaims | None = None, **more: Any) -> Login:
    return Login(user=user_ or user(), account=account_ or account(), now=NOW, **more)


def test_a_login_that_nothing_speaks_against_passes_every_check() -> None:
    assert failing(login()) == []


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (lambda: login(user(expires=NOW - 1)), Rule.USER_EXPIRED),
        (lambda: login(user(not_before=NOW + 9)), Rule.USER_NOT_YET_VALID),
        (lambda: login(user(src=("nowhere",)), address="10.0.0.1"), Rule.USER_TOKEN),
        (lambda: login(account_=account(STRANGER)), Rule.ACCOUNT_SIGNER),
        (lambda: login(account_=account(expires=NOW)), Rule.ACCOUNT_NOT_IN_FORCE),
        (lambda: login(account_=account(not_before=NOW + 9)), Rule.ACCOUNT_NOT_IN_FORCE),
        (lambda: login(account_=account(exports=(jwt.Export(subject="a..b", type="stream"),))), Rule.ACCOUNT_INVALID),
        (lambda: login(user(KeyPair.create(Role.ACCOUNT))), Rule.USER_SIGNER),
        (lambda: login(user(bearer_token=True), account(limits={"disallow_bearer": True})), Rule.BEARER),
        (lambda: login(user(allowed_connection_types=("WEBSOCKET",))), Rule.CONNECTION_TYPE),
        (lambda: login(user(allowed_connection_types=("PIGEON",))), Rule.CONNECTION_TYPE),
        (lambda: login(public=OTHER.public), Rule.SEED),
        (lambda: login(account_=account(revocations={USER.public: NOW})), Rule.USER_REVOKED),
        (lambda: login(account_=account(revocations={"*": NOW - 600})), Rule.USER_REVOKED),
        (lambda: login(user(src=("10.0.0.0/8",)), address="192.168.0.1"), Rule.SOURCE_ADDRESS),
        (lambda: login(user(times=(jwt.TimeRange("07:59:00", "07:59:30"),), times_location="UTC")), Rule.TIME_OF_DAY),
        (lambda: login(account_=account(limits={"conn": 0})), Rule.CONNECTION_LIMIT),
        (lambda: login(user(subs=0)), Rule.SUBSCRIPTION_LIMIT),
        (lambda: login(account_=account(limits={"subs": 0})), Rule.SUBSCRIPTION_LIMIT),
    ],
)
def test_what_keeps_a_user_out_is_told(made: Any, rule: Rule) -> None:
    assert failing(made())[0] is rule


def test_a_token_is_over_at_the_second_at_which_it_expires() -> None:
    assert failing(login(user(expires=NOW))) == [Rule.USER_EXPIRED]
    assert failing(login(user(expires=NOW + 1))) == []
    assert failing(login(account_=account(expires=NOW))) == [Rule.ACCOUNT_NOT_IN_FORCE]


def test_a_bearer_needs_no_seed() -> None:
    assert failing(login(user(bearer_token=True), public=OTHER.public)) == []
    assert failing(login(public=OTHER.public)) == [Rule.SEED]


def test_a_revocation_names_what_revokes() -> None:
    def told(revocations: dict[str, int]) -> list[str]:
        checks = judged(login(account_=account(revocations=revocations)))
        return [check.text for check in checks if not check]

    issued = NOW - 600
    assert [text.partition(" up to ")[0] for text in told({USER.public: issued, "*": NOW})] == [
        "the account revoked the user"
    ]
    assert [text.partition(" up to ")[0] for text in told({"*": issued})] == ["the account revoked all users (*)"]
    assert told({USER.public: issued - 1, "*": issued - 1, OTHER.public: NOW}) == []


@pytest.mark.parametrize(("user_limit", "account_limit", "whose"), [(0, -1, "user"), (-1, 0, "account"), (5, 5, "")])
def test_a_payload_limit_of_nothing_is_told(user_limit: int, account_limit: int, whose: str) -> None:
    claims = account(limits={"payload": account_limit})
    found = list(judge_payload(user(payload=user_limit).nats, claims))
    assert [each.text.split()[1] for each in found] == ([whose] if whose else [])


def test_an_unknown_account_ends_the_questions() -> None:
    checks = judged(Login(user=user(), account=None, now=NOW, account_fault="nobody knows it"))
    assert (checks[-1].rule, checks[-1].text) == (Rule.UNKNOWN_ACCOUNT, "nobody knows it")


def test_an_operator_that_asks_for_signing_keys_gets_them() -> None:
    strict = operator(strict_signing_key_usage=True)
    assert failing(login(), strict) == [Rule.ACCOUNT_SIGNER]
    assert failing(login(account_=account(SIGNING)), strict) == [Rule.USER_SIGNER]
    assert failing(login(user(ACCOUNT_SIGNING), account(SIGNING)), strict) == []


def test_a_scoped_key_gives_the_rights_of_its_role() -> None:
    checks, rights = judge_login(login(user(SCOPED)), Trust.of([operator()]))
    assert all(checks)
    assert 'role "reader"' in next(check.text for check in checks if check.rule is Rule.SCOPE)
    assert rights is not None
    assert permissions_of(rights, EVERYTHING).subscribe_allow == ("r.ann",)


def test_places_and_times_that_are_allowed_are_told() -> None:
    anywhere = judged(login(user(src=("10.0.0.0/8",))))
    assert "it may come from 10.0.0.0/8 only" in [check.text for check in anywhere]
    assert "it may come from 10.1.2.3" in [
        check.text for check in judged(login(user(src=("10.0.0.0/8",)), address="10.1.2.3"))
    ]


def test_what_comes_first_for_a_server_comes_first() -> None:
    """Everything is wrong at once."""
    everything = login(
        user(expires=NOW - 1, src=("10.0.0.0/8",), allowed_connection_types=("WEBSOCKET",), subs=0),
        account(STRANGER, expires=NOW - 1, revocations={"*": NOW}),
        address="192.168.0.1",
    )
    assert failing(everything) == [
        Rule.USER_EXPIRED,
        Rule.ACCOUNT_SIGNER,
        Rule.ACCOUNT_NOT_IN_FORCE,
        Rule.CONNECTION_TYPE,
        Rule.USER_REVOKED,
        Rule.SOURCE_ADDRESS,
        Rule.SUBSCRIPTION_LIMIT,
    ]
