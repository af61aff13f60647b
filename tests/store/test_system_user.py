"""The user that nsc talks to servers with."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import Error, NotFound
from natskit.store import Plan
from natskit.store.accounts import plan_account
from natskit.store.system_user import system_creds

NOW = 1_900_000_000


@pytest.fixture(params=["Main", "Strict"])
def place(request, current, open_workspace):
    """The golden store: an operator that signs with its identity, and a strict one."""
    workspace = open_workspace()
    return workspace, workspace.operator(request.param)


def scoped(store, workspace):
    """Give the system account signing keys with roles only."""
    claims = store.account("SYS")
    keys = tuple(jwt.UserScope(key=key, role=f"r{number}") for number, key in enumerate(claims.nats.signing_key_names))
    plan = Plan(workspace)
    plan_account(plan, store, replace(claims, nats=replace(claims.nats, signing_keys=keys)))
    plan.commit()


def test_it_is_made_for_the_occasion_and_may_do_nothing_else(place):
    workspace, store = place
    creds = system_creds(workspace, store, publish=("$SYS.REQ.CLAIMS.UPDATE",), lifetime_s=120)
    user, account = jwt.decode(creds.token, jwt.UserClaims), store.account("SYS")
    assert jwt.did_sign(account, user)
    assert user.expires == NOW + 120
    assert user.nats.pub.allow == ("$SYS.REQ.CLAIMS.UPDATE",)
    assert user.nats.sub.allow == ("_INBOX.>",)
    assert user.nats.issuer_account == account.subject
    strict = store.operator().nats.strict_signing_key_usage
    assert (user.issuer == account.subject) is not strict
    assert not any(name.startswith("nsc temporary") for name in store.users("SYS"))


def test_a_key_with_a_role_does_not_make_it(place):
    workspace, store = place
    scoped(store, workspace)
    if store.operator().nats.strict_signing_key_usage:
        with pytest.raises(Error, match="only has scoped signing keys, specify --system-user"):
            system_creds(workspace, store)
    else:
        assert jwt.decode(system_creds(workspace, store).token).issuer == store.account("SYS").subject


def test_without_a_key_of_the_account_a_stored_user_is_taken(place):
    workspace, store = place
    claims = store.account("SYS")
    for key in (claims.subject, *claims.nats.signing_key_names):
        os.unlink(workspace.keystore.find(key))
    assert system_creds(workspace, store).token == store.user_token("SYS", "sys")
    os.unlink(workspace.keystore.find(store.user("SYS", "sys").subject))
    with pytest.raises(NotFound, match="no system account user with corresponding nkey found"):
        system_creds(workspace, store)


def test_it_may_be_named(place):
    workspace, store = place
    assert system_creds(workspace, store, user="sys").token == store.user_token("SYS", "sys")
    public = store.account("SYS").subject
    assert system_creds(workspace, store, account=public, user="sys").token == store.user_token("SYS", "sys")
    with pytest.raises(NotFound):
        system_creds(workspace, store, user="nobody")
    with pytest.raises(NotFound, match='system account "Nowhere" not found'):
        system_creds(workspace, store, account="Nowhere")
