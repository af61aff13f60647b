"""The accounts that are served: looked up, replaced by newer tokens, announced when they change."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator

from natskit.account_server.posting import accept
from natskit.account_server.record import Record, Records, short
from natskit.account_server.stores import Store
from natskit.account_server.token_file import TokenFile
from natskit.errors import Error, StoreError
from natskit.jwt import AccountClaims, OperatorClaims

__all__ = ["Accounts"]

_AT_ONCE = 64

_log = logging.getLogger("natskit.account_server")


class Accounts:
    """A store, the operator whose signature counts, and whoever wants to know of changes."""

    def __init__(
        self,
        store: Store,
        operator: TokenFile[OperatorClaims] | None,
        system_account: TokenFile[AccountClaims] | None,
        announce: Callable[[Record], None],
        clock: Callable[[], float],
    ) -> None:
        self.store = store
        self.operator = operator
        self.announce = announce
        self._system_account = system_account
        self._clock = clock
        self._records = Records()
        self._announced: dict[str, bytes] = {}
        self._writing = asyncio.Lock()

    @property
    def now(self) -> int:
        """The time, in Unix seconds."""
        return int(self._clock())

    def find(self, key: str) -> Record | None:
        """The account's record. Raises StoreError, InvalidToken, VerifyError if what is stored is no good."""
        record, system = self._read(key), self._system_account
        if record is None and system and system.claims.subject == key:
            return self._records.read(key, system.token)
        return record

    async def replace(self, key: str, body: bytes) -> Record:
        """Store a posted token if it may be, and announce it. Raises what `posting.accept` raises; StoreError."""
        operator = self.operator.claims if self.operator else None
        async with self._writing:
            record = accept(key, body, operator, self._stored(key), self.now)
            await asyncio.to_thread(self.store.save, key, record.token)
        _log.info("updated JWT for account - %s - %s", short(key), record.id)
        self._announced[key] = _digest(record)
        self.announce(record)
        return record

    def _stored(self, key: str) -> Record | None:
        try:
            return self._read(key)
        except Error as error:
            _log.warning("replacing what was stored for %s: %s", short(key), error)
            return None

    def pack(self, limit: int) -> Iterator[Record]:
        """Up to ``limit`` accounts that have not expired; what cannot be read is left out."""
        count = 0
        for key in self.store.keys():  # noqa: SIM118 - a store is no dict
            if count == limit:
                return
            try:
                record = self.find(key)
            except Error:
                continue
            if record and not 0 < record.expires < self.now:
                count += 1
                yield record

    # ---- changes on disk

    async def changed(self, paths: Iterable[str]) -> None:
        """Announce the accounts whose tokens have other contents now."""
        try:
            keys = sorted(self.store.keys_in(paths))
        except StoreError as error:
            _log.warning("changes of the store cannot be followed: %s", error)
            return
        for number, key in enumerate(keys):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                record = self._read(key)
            except Error as error:
                self._announced.pop(key, None)
                _log.warning("the JWT of account %s cannot be served: %s", short(key), error)
                continue
            if record is None:
                self._announced.pop(key, None)
                _log.info("there is no JWT of account %s any more", short(key))
            elif self._announced.get(key) != (digest := _digest(record)):
                self._announced[key] = digest
                _log.info("the JWT of account %s has changed - %s", short(key), record.id)
                self.announce(record)

    def _read(self, key: str) -> Record | None:
        """What is stored, None if nothing is. Raises an Error for what is damaged."""
        data = self.store.load(key)
        return None if data is None else self._records.read(key, data)


def _digest(record: Record) -> bytes:
    return hashlib.sha256(record.token).digest()
