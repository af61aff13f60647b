"""What pulled tokens may replace in a store."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import Error, StoreError
from natskit.nkeys import KeyPair, Role
from natskit.store import Plan
from natskit.store.operator_store import Info
from natskit.store.syncing import Known

NOW = 1_900_000_000


@pytest.fixture
def place(current, open_workspace):
    """The golden store, and the key that its operator signs with."""
    workspace = open_workspace()
    store = workspace.operator("Main")
    pair = next(filter(None, map(workspace.keystore.pair, (store.operator().subject,))))
    return workspace, store, pair


def take(place, token, public, *, overwrite=False):
    workspace, store, _ = place
    plan = Plan(workspace)
    Known(store).plan(plan, token, public=public, overwrite=overwrite)
    return [path.rpartition("/accounts/")[2] for path in plan.commit().written]


def managed(store):
    store.info = Info(True, store.name, kind="operator", version="1")


def test_a_new_account_of_the_operator_is_stored(place):
    key = KeyPair.create(Role.ACCOUNT)
    token = jwt.encode(jwt.new_account(key.public, "New"), place[2], issued_at=NOW)
    assert take(place, token, key.public) == ["New/New.jwt"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["Alpha", "ALPHA", "", ".", "..", "a/b", "../../x", "x\0", " Alpha", "a" * 300])
def test_a_new_account_takes_no_place_that_is_not_its_own(place, name, overwrite):
    key = KeyPair.create(Role.ACCOUNT)
    token = jwt.encode(jwt.new_account(key.public, name), place[2], issued_at=NOW)
    with pytest.raises(Error):
        take(place, token, key.public, overwrite=overwrite)


def test_two_new_accounts_of_one_name_are_not_both_stored(place):
    workspace, store, pair = place
    plan, known = Plan(workspace), Known(store)
    keys = [KeyPair.create(Role.ACCOUNT).public for _ in range(2)]
    tokens = [jwt.encode(jwt.new_account(key, "New"), pair, issued_at=NOW) for key in keys]
    known.plan(plan, tokens[0], public=keys[0], overwrite=False)
    with pytest.raises(StoreError, match="is another one"):
        known.plan(plan, tokens[1], public=keys[1], overwrite=True)


def test_the_token_of_another_account_is_not_taken(place):
    _workspace, store, pair = place
    token = jwt.encode(store.account("Beta"), pair, issued_at=NOW)
    with pytest.raises(StoreError, match="the server answers with the token of"):
        take(place, token, store.account("Alpha").subject, overwrite=True)


def test_an_account_signs_itself_only_where_the_operator_is_elsewhere(place):
    workspace, store, _ = place
    alpha = store.account("Alpha")
    own = workspace.keystore.require(alpha.subject)
    signing = next(pair for key in alpha.nats.signing_key_names if (pair := workspace.keystore.pair(key)))
    tokens = [jwt.encode(alpha, pair, issued_at=NOW) for pair in (own, signing)]
    for token in tokens:
        with pytest.raises(StoreError, match='"Alpha" is not signed by operator "Main"'):
            take(place, token, alpha.subject)
    managed(store)
    for token in tokens:
        assert take(place, token, alpha.subject) == ["Alpha/Alpha.jwt"]
    stranger = KeyPair.create(Role.ACCOUNT)
    listed = replace(alpha, nats=replace(alpha.nats, signing_keys=(stranger.public,)))
    with pytest.raises(StoreError, match="is not signed by"):
        take(place, jwt.encode(listed, stranger, issued_at=NOW), alpha.subject)


def test_a_token_of_the_same_second_counts_where_a_service_signs(place):
    _workspace, store, pair = place
    alpha = store.account("Alpha")
    other = jwt.encode(replace(alpha, nats=replace(alpha.nats, tags=("x",))), pair, issued_at=alpha.issued_at)
    with pytest.raises(StoreError, match="is newer than remote version"):
        take(place, other, alpha.subject)
    managed(store)
    assert take(place, other, alpha.subject) == ["Alpha/Alpha.jwt"]


def test_an_older_token_stays_out_unless_it_is_wanted(place):
    _workspace, store, pair = place
    alpha = store.account("Alpha")
    older = jwt.encode(alpha, pair, issued_at=alpha.issued_at - 1)
    for _ in range(2):
        with pytest.raises(StoreError, match="is newer than remote version"):
            take(place, older, alpha.subject)
        managed(store)
    assert take(place, older, alpha.subject, overwrite=True) == ["Alpha/Alpha.jwt"]


def test_a_damaged_account_is_mended(place):
    _workspace, store, _pair = place
    alpha = store.account("Alpha")
    token = store.account_token("Alpha")
    with open(store.account_path("Alpha"), "w") as file:
        file.write("damaged")
    assert take(place, token, alpha.subject) == ["Alpha/Alpha.jwt"]
    assert msgspec.structs.asdict(store.account("Alpha")) == msgspec.structs.asdict(alpha)
