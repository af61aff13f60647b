"""The accounts that are read for a question give the same answers as all of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from natskit import jwt
from natskit.graph import Account, Graph, Stop, route_of_publish, route_of_subscription
from natskit.store import OperatorStore
from natskit.store.neighbours import Neighbours
from natskit.store.operator_store import find_store
from support.realm import Realm

NAMES = "ABCDEFGHIJ"
SHARED = {
    "x.*": ("x.*", "y.$1", "z.$1"),
    "y.*": ("y.*", "x.$1", "z.$1"),
    "z.>": ("z.>", "p.z.>"),
}


def write_store(folder: Path, realm: Realm, names: dict[str, str]) -> OperatorStore:
    (folder / "OP").mkdir(parents=True)
    (folder / "OP/.nsc").write_text('{"managed":false,"name":"OP","kind":"operator","version":"1"}')
    (folder / "OP/OP.jwt").write_text(realm.token)
    for account_id, name in names.items():
        path = folder / "OP/accounts" / name
        path.mkdir(parents=True)
        (path / f"{name}.jwt").write_text(realm.preload[account_id])
    return find_store(str(folder), "OP")


def made_up(realm: Realm, chance: random.Random) -> dict[str, str]:
    """Ten accounts, each importing from a few of the others; their names by id."""
    owners = {name: realm.account(name) for name in NAMES}
    for owner in owners.values():
        exports = tuple(jwt.Export(subject=subject, type=kind) for subject in SHARED for kind in ("stream", "service"))
        imports = []
        for _ in range(chance.randint(0, 3)):
            subject = chance.choice(list(SHARED))
            imports.append(
                jwt.Import(
                    subject=subject,
                    type=chance.choice(("stream", "service")),
                    account=owners[chance.choice(NAMES)].id,
                    local_subject=chance.choice(SHARED[subject]),
                )
            )
        mappings = {"x.a": (jwt.WeightedMapping(subject="y.a"),)} if chance.random() < 0.3 else {}
        expires = 1_600_000_000 if chance.random() < 0.1 else 0
        owner.publish(exports=exports, imports=tuple(imports), mappings=mappings, expires=expires)
    return {owner.id: name for name, owner in owners.items()}


def told(route: Stop) -> Iterator[tuple[object, ...]]:
    return ((stop.kind, stop.account, stop.flow, stop.ends, stop.because.text) for stop in route.walk())


@pytest.mark.parametrize("seed", range(6))
def test_a_part_of_the_store_answers_like_the_whole(seed: int, tmp_path: Path) -> None:
    realm, now = Realm(), int(time.time())
    names = made_up(realm, random.Random(seed))
    store = write_store(tmp_path, realm, names)
    trust = Neighbours(store, now).trust
    everyone = []
    for name in names.values():
        claims = store.account(name)
        model = Account.from_claims(claims)
        if not model.lapse(now) and (fault := trust.fault_of(claims, now)):
            model = Account.from_claims(claims, fault=fault[1])
        everyone.append(model)
    whole = Graph(everyone, now)
    for account_id in names:
        for subject in ("x.a", "y.*", ">"):
            part = Neighbours(store, now).add_receivers(account_id)
            wanted = sorted(told(route_of_publish(whole, account_id, subject)), key=str)
            assert sorted(told(route_of_publish(part, account_id, subject)), key=str) == wanted
            part = Neighbours(store, now).add_senders(account_id)
            wanted = sorted(told(route_of_subscription(whole, account_id, subject)), key=str)
            assert sorted(told(route_of_subscription(part, account_id, subject)), key=str) == wanted


def test_only_what_matters_is_verified(tmp_path: Path) -> None:
    realm = Realm()
    owners = {name: realm.account(name) for name in NAMES}
    owners["A"].publish(exports=(jwt.Export(subject="x.*", type="stream"),))
    owners["B"].publish(imports=(jwt.Import(subject="x.*", type="stream", account=owners["A"].id),))
    store = write_store(tmp_path, realm, {owner.id: name for name, owner in owners.items()})
    found = Neighbours(store, int(time.time()))
    found.add_receivers(owners["A"].id)
    assert set(found.claims) == {owners["A"].id, owners["B"].id}


def test_accounts_that_no_server_accepts_are_there_with_the_reason(tmp_path: Path) -> None:
    realm, stranger = Realm(), Realm()
    owner = realm.account("A")
    realm.preload[owner.id] = owner.token(stranger.key)
    found = Neighbours(write_store(tmp_path, realm, {owner.id: "A"}), int(time.time()))
    graph = found.add_receivers(owner.id)
    assert "no trusted key" in graph.accounts[owner.id].fault
