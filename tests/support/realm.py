"""An operator whose tokens a test makes one by one: older, forged, signed by others.

Where all that is wanted is an operator that works, there is `natskit.testing.Operator`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from natskit import jwt, testing
from natskit.nkeys import KeyPair, Role
from natskit.server.auth import ConnectOptions
from natskit.server.options import MemoryResolver, Options, TrustedOperator
from natskit.store.server_config import Preload, memory_config


class Realm:
    """One operator, its token issued when it was made up. Other tokens are issued now, or ``ago`` seconds before."""

    def __init__(self, **operator: Any) -> None:
        self.key = KeyPair.create(Role.OPERATOR)
        self.signing_key = KeyPair.create(Role.OPERATOR)
        body = jwt.Operator(signing_keys=(self.signing_key.public,), **operator)
        self.claims = replace(jwt.new_operator(self.key.public, "OP"), nats=body)
        self.preload: dict[str, str] = {}
        self._issued_at = int(time.time())

    @property
    def token(self) -> str:
        """The same for the same ``claims``, whenever it is asked for."""
        return jwt.encode(self.claims, self.key, issued_at=self._issued_at)

    def options(self, **more: Any) -> Options:
        operator = TrustedOperator(token=self.token, claims=jwt.decode(self.token, jwt.OperatorClaims))
        defaults: dict[str, Any] = {
            "operators": (operator,),
            "resolver": MemoryResolver(),
            "resolver_preload": dict(self.preload),
        }
        return Options(**defaults | more)

    def config(self, *more: str) -> str:
        """The configuration text of a server of this operator, all its accounts preloaded."""
        known = [(Preload(account, account, token), token) for account, token in self.preload.items()]
        return "\n".join([memory_config(self.claims.name, self.token, None, known), *more])

    def write_store(self, stores: Path, users: Iterable[User] = ()) -> None:
        """The same operator, the accounts of the preload, and users, as nsc keeps them; without keys."""
        folder = stores / self.claims.name
        for token in self.preload.values():
            name = jwt.decode(token, jwt.AccountClaims).name
            (folder / "accounts" / name / "users").mkdir(parents=True)
            (folder / "accounts" / name / f"{name}.jwt").write_text(token)
        for user in users:
            (folder / "accounts" / user.account.name / "users" / f"{user.name}.jwt").write_text(user.token)
        facts = {"managed": False, "name": self.claims.name, "kind": "operator", "version": "1"}
        (folder / ".nsc").write_text(json.dumps(facts))
        (folder / f"{self.claims.name}.jwt").write_text(self.token)

    def account(self, name: str = "A", **body: Any) -> AccountOwner:
        """A new account, known to the resolver."""
        owner = AccountOwner(self, name)
        owner.publish(**body)
        return owner


class AccountOwner:
    """One account and its keys."""

    def __init__(self, realm: Realm, name: str) -> None:
        self.realm = realm
        self.name = name
        self.key = KeyPair.create(Role.ACCOUNT)
        self.signing_key = KeyPair.create(Role.ACCOUNT)
        self.body: dict[str, Any] = {}
        self.issued_at = int(time.time()) - 1000

    @property
    def id(self) -> str:
        return self.key.public

    def token(self, signer: KeyPair | None = None, issued_at: int | None = None, **body: Any) -> str:
        """A token with these members of ``nats``; ``limits`` may be a dict. ``expires`` and ``not_before`` are head."""
        claims = jwt.new_account(self.id, self.name)
        head = {name: body.pop(name) for name in ("expires", "not_before") if name in body}
        limits = replace(claims.nats.limits, **body.pop("limits", {}))
        claims = replace(claims, nats=replace(claims.nats, limits=limits, **body), **head)
        self.issued_at += 1
        return jwt.encode(
            claims, signer or self.realm.key, issued_at=self.issued_at if issued_at is None else issued_at
        )

    def publish(self, **body: Any) -> str:
        """Make the resolver's preload have this version of the account."""
        token = self.token(**body)
        self.realm.preload[self.id] = token
        return token

    def user(self, name: str = "u", signer: KeyPair | None = None, ago: int = 10, **body: Any) -> User:
        """A user without limits, but for what ``body`` says."""
        key = KeyPair.create(Role.USER)
        signer = signer or self.key
        claims = jwt.new_user(key.public, name)
        if body.pop("scoped", False):
            claims = jwt.new_scoped_user(key.public, name)
        head = {name: body.pop(name) for name in ("expires", "not_before") if name in body}
        issuer_account = "" if signer is self.key else self.id
        nats = replace(claims.nats, issuer_account=issuer_account, **body)
        token = jwt.encode(replace(claims, nats=nats, **head), signer, issued_at=int(time.time()) - ago)
        return User(self, name, key, token)


class User(testing.User):
    """A user with its token and seed."""

    def connect(self, nonce: str, **more: Any) -> ConnectOptions:
        """What the user says in CONNECT."""
        return ConnectOptions(**self.credentials(nonce) | {"verbose": False} | more)
