"""Tokens in files of their own: the operator that is trusted, and the system account."""

from __future__ import annotations

import logging
import os
from typing import Generic, TypeVar

from natskit.account_server.record import bare
from natskit.errors import Error, InvalidToken
from natskit.jwt import Claims, decode
from natskit.store.files import read_bytes

__all__ = ["TokenFile"]

_log = logging.getLogger("natskit.account_server")

_C = TypeVar("_C", bound=Claims)


class TokenFile(Generic[_C]):
    """A token file that may be rewritten while we run: it is read again when it has changed.

    Raises InvalidToken, VerifyError, StoreError if it cannot be read at first; later the last good one stays.
    """

    def __init__(self, path: str, kind: type[_C]) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self._kind = kind
        self._stamp = self._look()
        self._token, self._claims = self._read()

    @property
    def token(self) -> bytes:
        """The token as it is now."""
        self._refresh()
        return self._token

    @property
    def claims(self) -> _C:
        """The claims as they are now."""
        self._refresh()
        return self._claims

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[bytes, _C]:
        data = read_bytes(self.path)
        if data is None:
            raise InvalidToken(f"there is no file `{self.path}`")
        token = bare(data)
        try:
            return token, decode(token, self._kind)
        except Error as error:
            raise InvalidToken(f"`{self.path}` holds no {self._kind.kind} token: {error}") from None

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._token, self._claims = self._read()
            _log.info("read %s again", self.path)
        except Error as error:
            _log.error("%s; going on with the one before", error)
