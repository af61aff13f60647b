"""``nsc.json``: where the stores are and which operator and account are current (spec/nsc.md 1.3, 8.1)."""

from __future__ import annotations

import msgspec

from natskit.errors import StoreError

from .files import read_bytes

__all__ = ["Config", "go_json"]


class Config(msgspec.Struct):
    """The content of ``nsc.json``; keys that are not ours are dropped when it is written, as the Go tool does."""

    store_root: str = ""
    operator: str = ""
    account: str = ""
    github_updates: str = ""
    last_update: int = 0

    @classmethod
    def read(cls, path: str) -> Config | None:
        """The configuration in a file; None on a first run (no file, or nothing in it). Raises StoreError."""
        data = read_bytes(path)
        if data is None:
            return None
        try:
            config = msgspec.json.decode(data, type=Config)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"`{path}` is damaged: {error}", hint="correct it or move it away") from None
        return None if config == Config() else config

    def encode(self, *, with_cluster: bool = False) -> bytes:
        """The bytes of the file; ``with_cluster`` adds the key that tools of 2019 had."""
        members = msgspec.structs.asdict(self)
        if with_cluster:
            tail = {name: members.pop(name) for name in ("github_updates", "last_update")}
            members = {**members, "cluster": "", **tail}
        return go_json(members)


def go_json(value: object) -> bytes:
    """Compact JSON as Go writes it: ``<``, ``>`` and ``&`` escaped."""
    data = msgspec.json.encode(value)
    return data.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
