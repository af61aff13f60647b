"""Accounts in a directory of the server's own, one file each (``resolver { type: full }`` and ``type: cache``).

``<key>.jwt`` holds a token and nothing else. The directory has mode 0700, files 0600; they are replaced in one step.
Source: spec/server-accounts.md section 7.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from natskit import jwt, nkeys
from natskit.errors import Error, NotFound, ServerError, StoreError, VerifyError
from natskit.server.resolvers.resolver import Resolver, refuse_older

if TYPE_CHECKING:
    from natskit.server.clock import Clock, Timer

__all__ = ["Cache", "Directory"]

log = logging.getLogger(__name__)

LOOKUP_TIMEOUT_S = 1.9

SWEEP_S = 60.0
"""Files whose token has expired go at the latest after this time."""

Version = tuple[int, int, int]
"""What differs once a file was replaced: its inode, time and size."""

Lookup = Callable[[str], Awaitable[str | None]]
"""Asks others for the token of an account; None: nobody had one in time."""


class Directory(Resolver):
    """The directory of all accounts (``type: full``). ``limit`` 0: any number of them.

    ``lookup``, if set, is asked for accounts that are not there; it may take ``timeout_s``.
    """

    title = "Managing all jwt in exclusive directory %s"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        clock: Clock,
        *,
        limit: int = 0,
        allow_delete: bool = False,
        hard_delete: bool = False,
        preload: Mapping[str, str] | None = None,
        timeout_s: float = LOOKUP_TIMEOUT_S,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.limit = limit
        self.allow_delete = allow_delete
        self.timeout_s = timeout_s
        self.lookup: Lookup | None = None
        self._hard_delete = hard_delete
        self._preload = dict(preload or {})
        self._ends: dict[str, tuple[Version, int]] = {}
        self._clock = clock
        self._timer: Timer | None = None

    async def start(self) -> None:
        try:
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            os.listdir(self.folder)
        except OSError as error:
            raise ServerError(f"cannot use {self.folder} for accounts: {error.strerror}") from None
        for account_id, token in self._preload.items():
            self._keep_if_newer(account_id, token)
        self._sweep()
        log.info(self.title, self.folder)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # reading

    async def fetch(self, account_id: str) -> str:
        token = self.read(account_id)
        if token is None and self.lookup is not None:
            token = await self.lookup(account_id)
            if token is not None:
                self._keep_if_newer(account_id, token)
        if token is None:
            raise NotFound(f"account missing: nobody has a token of {account_id}")
        return token

    def read(self, account_id: str) -> str | None:
        """The token of an account; None if there is no file of it, or it cannot be read, which the log says."""
        try:
            return self._file(account_id).read_text("ascii", "replace").strip()
        except (FileNotFoundError, VerifyError):
            return None
        except OSError as error:
            log.error("cannot read the token of account %s: %s", account_id, error)
            return None

    def account_ids(self) -> list[str]:
        """The keys of all accounts that have a file, sorted. Raises StoreError if the directory cannot be read."""
        try:
            found = [name.removesuffix(".jwt") for name in os.listdir(self.folder) if name.endswith(".jwt")]
        except OSError as error:
            raise StoreError(f"cannot read {self.folder}: {error.strerror}") from None
        return sorted(name for name in found if nkeys.is_public(name, nkeys.Role.ACCOUNT))

    def digest(self) -> bytes:
        """32 bytes that are equal for directories with the same tokens: SHA-256 of each, all by exclusive or."""
        total = 0
        for account_id in self.account_ids():
            token = self.read(account_id)
            if token is not None:
                total ^= int.from_bytes(hashlib.sha256(token.encode()).digest(), "big")
        return total.to_bytes(32, "big")

    def _file(self, account_id: str) -> Path:
        if not nkeys.is_public(account_id, nkeys.Role.ACCOUNT):
            raise VerifyError(f'"{account_id}" is not an account public key')
        return self.folder / f"{account_id}.jwt"

    # writing

    def keep(self, account_id: str, token: str, *, in_use: bool) -> bool:
        known = self.read(account_id)
        if known is not None:
            refuse_older(token, known)
        else:
            self._make_room()
        if token != known:
            from natskit.store.output import write_output

            write_output(str(self._file(account_id)), token.encode())
        return True

    def _keep_if_newer(self, account_id: str, token: str) -> None:
        try:
            self.keep(account_id, token, in_use=True)
        except Error as error:
            log.info("token of account %s is not stored: %s", account_id, error)

    def _make_room(self) -> None:
        if self.limit and len(self.account_ids()) >= self.limit:
            raise StoreError("jwt store is full")

    def delete(self, account_id: str) -> None:
        """Remove the file of an account, or set it aside as ``.jwt.deleted``. Harmless if there is none."""
        file = self._file(account_id)
        try:
            if self._hard_delete:
                file.unlink()
            else:
                file.replace(file.with_suffix(".jwt.deleted"))
        except FileNotFoundError:
            pass  # there was none, which is what was wanted
        except OSError as error:
            raise StoreError(f"cannot delete {file}: {error.strerror}") from None

    def reload(self, preload: Mapping[str, str]) -> tuple[str, ...]:
        for account_id, token in preload.items():
            self._keep_if_newer(account_id, token)
        return tuple(self.account_ids())

    # time

    def _sweep(self) -> None:
        """Remove what has had its time, now and again."""
        now = self._clock.now()
        self._timer = self._clock.call_at(now + SWEEP_S, self._sweep)
        try:
            present = self.account_ids()
        except StoreError as error:
            log.error("cannot look for tokens that have expired: %s", error)
            return
        self._ends = {account_id: self._ends[account_id] for account_id in present if account_id in self._ends}
        for account_id in present:
            if not self._is_over(account_id, now):
                continue
            try:
                self._file(account_id).unlink(missing_ok=True)
            except OSError as error:
                log.error("cannot remove the expired token of account %s: %s", account_id, error)

    def _is_over(self, account_id: str, now: float) -> bool:
        return 0 < self._end(account_id) <= now

    def _end(self, account_id: str) -> int:
        """When the token of an account expires, 0: never. A file is read again only if it was replaced."""
        try:
            seen = self._file(account_id).stat()
        except OSError:  # it went since the directory was listed
            return 0
        version = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        known = self._ends.get(account_id)
        if known is None or known[0] != version:
            known = self._ends[account_id] = (version, _expires(self.read(account_id)))
        return known[1]


def _expires(token: str | None) -> int:
    try:
        return jwt.decode_unverified(token or "").expires
    except Error:
        return 0


class Cache(Directory):
    """A directory of the accounts in use (``type: cache``).

    Beyond ``limit`` the one not used for longest goes, and each after ``ttl_s`` seconds without use (0: never).
    """

    update = "jwt update cache"
    title = "Managing some jwt in exclusive directory %s"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        clock: Clock,
        *,
        limit: int = 1000,
        ttl_s: float = 0.0,
        preload: Mapping[str, str] | None = None,
        timeout_s: float = LOOKUP_TIMEOUT_S,
    ) -> None:
        super().__init__(
            folder, clock, limit=limit, allow_delete=True, hard_delete=True, preload=preload, timeout_s=timeout_s
        )
        self._ttl_s = ttl_s
        self._used: dict[str, float] = {}

    async def fetch(self, account_id: str) -> str:
        token = await super().fetch(account_id)
        self._used[account_id] = self._clock.now()
        return token

    def keep(self, account_id: str, token: str, *, in_use: bool) -> bool:
        if not in_use and self.read(account_id) is None:
            return False
        kept = super().keep(account_id, token, in_use=in_use)
        self._used[account_id] = self._clock.now()
        return kept

    def _make_room(self) -> None:
        have = self.account_ids()
        while self.limit and len(have) >= self.limit:
            oldest = min(have, key=lambda account_id: self._used.get(account_id, 0.0))
            have.remove(oldest)
            self._used.pop(oldest, None)
            self.delete(oldest)

    def _is_over(self, account_id: str, now: float) -> bool:
        last = self._used.setdefault(account_id, now)
        return (self._ttl_s > 0 and now - last >= self._ttl_s) or super()._is_over(account_id, now)
