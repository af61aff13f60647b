"""The accounts of a store that matter to a question about some of them, as a graph.

A store may hold many thousands of accounts, of which a few share anything with the ones in question. Those are found by
their keys, which stand in the tokens of whoever imports from them; only their tokens are verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

from natskit.errors import Error
from natskit.graph import SERVICE, Account, Graph, Trust
from natskit.jwt.chunks import Chunks
from natskit.subjects import overlaps

if TYPE_CHECKING:
    from natskit.graph import Import
    from natskit.jwt import AccountClaims

    from .operator_store import OperatorStore

__all__ = ["Neighbours"]


_KEY = re.compile(rb"\bA[A-Z2-7]{55}\b")


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
        self._models: dict[str, Account | None] = {}
        self._mentions: dict[str, list[str]] = {}
        self._ids: dict[str, str] = {}
        self._index()

    def add_receivers(self, account_id: str) -> Graph:
        """Add an account with all that its messages can reach: importers of its streams, services that it imports."""
        self._add([account_id], self._mentioning(account_id))
        return self.graph

    def add_senders(self, account_id: str) -> Graph:
        """Add an account with all whose messages can reach it: exporters, and who sends it requests, by any chain."""
        found = {account_id: None}
        waiting = [account_id]
        while waiting:
            exporter = waiting.pop()
            for importer in self._mentioning(exporter):
                if importer not in found and self._asks(importer, exporter):
                    found[importer] = None
                    waiting.append(importer)
        self._add(found, ())
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
            self._ids[name] = key
            self.names.setdefault(key, name)
            for mentioned in dict.fromkeys(_KEY.findall(payload)):
                self._mentions.setdefault(mentioned.decode(), []).append(key)

    def _mentioning(self, account_id: str) -> list[str]:
        """The ids of the accounts whose tokens contain this key."""
        return self._mentions.get(account_id, [])

    # ---- adding

    def _asks(self, importer: str, exporter: str) -> bool:
        """Whether an account imports a service from another."""
        model = self._model(importer)
        return model is not None and any(each.account == exporter and each.kind == SERVICE for each in model.imports)

    def _add(self, asked: Iterable[str], besides: Iterable[str]) -> None:
        """Add accounts, and what decides about their imports: the exporters, and all that could close a cycle.

        A cycle goes on only where what is taken from an account overlaps with what that account imports (or with
        anything, if the account renames its messages). Of the accounts ``besides``, only imports from others that are
        added anyway matter.
        """
        waiting: list[tuple[str, str]] = [(account_id, ">") for account_id in asked]
        wanted = dict.fromkeys((*besides, *asked))
        seen: set[tuple[str, str]] = set()
        while waiting:
            step = waiting.pop()
            model = self._model(step[0]) if step not in seen else None
            seen.add(step)
            if model is not None:
                wanted[model.id] = None
                taken = ">" if model.mappings else step[1]
                waiting += [(each.account, each.subject) for each in model.imports if _goes_on(each, taken)]
        found = filter(None, map(self._model, wanted))
        self.graph = Graph({model.id: model for model in (*self.graph.accounts.values(), *found)}.values(), self._now)

    def _model(self, account_id: str) -> Account | None:
        """The account as a server sees it; None if it is not there or does not read. Read once."""
        if account_id not in self._models:
            name = self.names.get(account_id, "")
            claims = self._read(name, account_id) if name and name not in self.unreadable else None
            self._models[account_id] = self._judged(claims) if claims is not None else None
        return self._models[account_id]

    def _read(self, name: str, account_id: str) -> AccountClaims | None:
        try:
            claims = self._store.account(name)
        except Error as error:
            self.unreadable[name] = str(error)
            return None
        if claims.subject != account_id:
            self.unreadable[name] = f"it is of {claims.subject}"
            return None
        self.claims[account_id] = claims
        return claims

    def _judged(self, claims: AccountClaims) -> Account:
        system = claims.subject == self.operator.nats.system_account
        model = Account.from_claims(claims, is_system=system)
        if model.lapse(self._now):
            return model
        fault = self.trust.fault_of(claims, self._now)
        return replace(model, fault=fault[1]) if fault else model


def _goes_on(wanted: Import, taken: str) -> bool:
    """Whether a cycle of what is ``taken`` from an account goes on by an import of it, for nats-server too."""
    return overlaps(wanted.local_pattern, taken) or (wanted.kind == SERVICE and overlaps(wanted.subject, taken))
