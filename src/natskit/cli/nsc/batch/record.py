"""What of a batch is done: a small file beside it, written in the same commit as what the commands did.

It says how many commands were reached, which of them failed, and a digest of those that are done, so that a file that
was edited in between is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from natskit.errors import StoreError
from natskit.store.files import read_bytes

if TYPE_CHECKING:
    from .source import BatchCommand

__all__ = ["Record"]

_DIGEST_BYTES = 32


class Record(msgspec.Struct, frozen=True):
    """``reached`` of ``total`` commands are done, but for those in ``failed`` (numbers from 0)."""

    natskit_batch: int = 1
    total: int = 0
    reached: int = 0
    failed: tuple[int, ...] = ()
    digest: str = ""

    @classmethod
    def read(cls, path: str) -> Record | None:
        """The record in a file, None if there is none. Raises StoreError."""
        data = read_bytes(path)
        if data is None:
            return None
        try:
            record = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            record = None
        if record is None or not record.is_sound:
            raise StoreError(
                f"`{path}` is no record of a batch", hint="move it away, or keep the record elsewhere: --record FILE"
            )
        return record

    @property
    def is_sound(self) -> bool:
        """Whether the numbers can be those of a batch."""
        return self.natskit_batch == 1 and self.reached >= 0 and all(0 <= each < self.reached for each in self.failed)

    @property
    def is_through(self) -> bool:
        """Whether nothing is left to do."""
        return self.reached >= self.total and not self.failed

    def check(self, commands: Sequence[BatchCommand], file: str) -> None:
        """Raise StoreError unless the commands that are done are those of the file."""
        failed = set(self.failed)
        done = [number for number in range(min(self.reached, len(commands))) if number not in failed]
        if self.reached > len(commands) or _combined("", done, commands) != self.digest:
            raise StoreError(
                f"{file} was edited: its first {self.reached} commands are not the ones that were carried out",
                hint="undo that edit (what follows them may be edited), or start with the first command: --anew",
            )

    def left(self, commands: Sequence[BatchCommand]) -> list[int]:
        """Numbers of the commands to carry out: what failed, then what was not reached."""
        return [*self.failed, *range(self.reached, len(commands))]

    def after(self, commands: Sequence[BatchCommand], done: Sequence[int], failed: Iterable[int]) -> Record:
        """The record when some more are done, and some have failed (again)."""
        fallen = {*self.failed, *failed} - set(done)
        return Record(
            total=len(commands),
            reached=max((self.reached, *(number + 1 for number in (*done, *fallen)))),
            failed=tuple(sorted(fallen)),
            digest=_combined(self.digest, done, commands),
        )


def _combined(digest: str, numbers: Iterable[int], commands: Sequence[BatchCommand]) -> str:
    """The digest with more commands in it; in what order they come does not matter."""
    combined = int(digest or "0", 16)
    for number in numbers:
        each = msgspec.json.encode((number, commands[number].words))
        combined ^= int.from_bytes(hashlib.sha256(each).digest(), "big")
    return combined.to_bytes(_DIGEST_BYTES, "big").hex()
