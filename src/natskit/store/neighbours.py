"""The accounts of a store that matter to a question about some of them, as a graph.

A store may hold many thousands of accounts, of which a few share anything with the ones in question. Those are found by
their keys, which stand in the tokens of whoever imports from them; only their tokens are verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

from natskit.errors import Error
from natskit.graph import Account, Graph, Trust
from natskit.jwt.chunks import Chunks

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims

    from .operator_store import OperatorStore

__all__ = ["Neighbours"]


class _Head(Struct):
    """What a token says it is about; unverified, good for looking it up only."""

    sub: str = ""


class Neighbours:
    """The accounts around some, read from the store of an operator, as of ``now`` (Unix seconds).

    ``graph`` holds them as a server would: one whose token no server believes is there with the reason. ``claims`` are
    theirs by id, ``names`` the store's. ``unreadable`` are accounts whose tokens cannot be read, with the error.
    """

    def __init__(self, store: OperatorStore, now: int) -> None:
        self.claims: dict[str, AccountClaims] = {}
        self.names: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self.graph = Graph(now=now)
        self.operator = store.operator()
        self.trust = Trust.of([self.operator])
        self._store = store
        self._now = now
        self._payloads: dict[str, bytes] = {}
        self._ids: dict[str, str] = {}
        self._index()

    def add_receivers(self, account_id: str) -> Graph:
        """Add an account with all that its messages can reach: importers of its streams, services that it imports."""
        self._add([account_id, *self._mentioning(account_id)])
        return self.graph

    def add_senders(self, account_id: str) -> Graph:
        """Add an account with all whose messages can reach it: exporters, and who sends it requests, by any chain."""
        found = dict.fromkeys([account_id])
        waiting = [account_id]
        while waiting:
            for importer in self._mentioning(waiting.pop()):
                if importer not in found:
                    found[importer] = None
                    waiting.append(importer)
        self._add(found)
        return self.graph

    def id_of(self, name: str) -> str:
        """The public key of the account ``name``. Raises NotFound, InvalidToken, VerifyError."""
        return self._ids.get(name) or self._store.account(name).subject

    # ---- looking

    def _index(self) -> None:
        for name in self._store.iter_accounts():
            try:
                payload = Chunks(self._store.account_token(name)).payload
                key = json.decode(payload, type=_Head).sub
            except (Error, DecodeError) as error:
                self.unreadable[name] = str(error)
                continue
            self._payloads[name] = payload
            self._ids[name] = key
            self.names.setdefault(key, name)

    def _mentioning(self, account_id: str) -> Iterator[str]:
        """The ids of the other accounts whose tokens contain this key."""
        key = account_id.encode()
        for name, payload in self._payloads.items():
            if key in payload and self._ids[name] != account_id:
                yield self._ids[name]

    # ---- adding

    def _add(self, account_ids: Iterable[str]) -> None:
        """Add accounts and those that they import from, by any chain: cycles must be seen whole."""
        waiting = list(account_ids)
        found: list[Account] = []
        while waiting:
            account_id = waiting.pop()
            name = self.names.get(account_id, "")
            if account_id in self.claims or not name or name in self.unreadable:
                continue
            claims = self._read(name, account_id)
            if claims is not None:
                self.claims[account_id] = claims
                found.append(self._model(claims))
                waiting += [wanted.account for wanted in claims.nats.imports]
        known = [*self.graph.accounts.values(), *found]
        self.graph = Graph(known, self._now)

    def _read(self, name: str, account_id: str) -> AccountClaims | None:
        try:
            claims = self._store.account(name)
        except Error as error:
            self.unreadable[name] = str(error)
            return None
        if claims.subject != account_id:
            self.unreadable[name] = f"it is of {claims.subject}"
            return None
        return claims

    def _model(self, claims: AccountClaims) -> Account:
        system = claims.subject == self.operator.nats.system_account
        model = Account.from_claims(claims, is_system=system)
        if model.lapse(self._now):
            return model
        fault = self.trust.fault_of(claims, self._now)
        return replace(model, fault=fault[1]) if fault else model
