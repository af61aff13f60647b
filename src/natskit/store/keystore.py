"""Seeds and creds on disk, today's sharded layout and that of 2019 (spec/nsc.md 1.5, 1.6, 8.1).

A seed lies in ``keys/<T>/<SS>/<PUBLIC>.nk`` where ``T`` is the first character of the public key and ``SS`` the next
two; in 2019 it was named after the entity, ``<Operator>/accounts/<Account>/users/<User>.nk``. Writing is planned by
:class:`natskit.store.plan.Plan`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import msgspec

from natskit.errors import DecodeError, NotFound, StoreError
from natskit.nkeys import KeyPair, is_public

from .files import is_dir, is_file, read_text, walk

__all__ = ["GITIGNORE", "Keystore", "NamedKeystore", "Owner", "StoredKey"]

GITIGNORE = b"# ignore all nk files \n**/*.nk\n\n# ignore all creds files\n**/*.creds\n"


class Owner(msgspec.Struct, frozen=True):
    """The entity a key belongs to, by names: operator, or account of it, or user of that."""

    operator: str
    account: str = ""
    user: str = ""


class StoredKey(msgspec.Struct, frozen=True):
    """A file of the keystore: the key that its name (or its content, in the 2019 layout) says, and where it is."""

    public: str
    path: str


class Keystore:
    """Today's layout under ``root``, which need not exist."""

    __slots__ = ("root",)

    gitignore_text = GITIGNORE

    def __init__(self, root: str) -> None:
        self.root = root

    # ---- where things are

    @property
    def base_folders(self) -> tuple[str, ...]:
        """Folders that exist as soon as one key is stored."""
        return (os.path.join(self.root, "keys"), os.path.join(self.root, "creds"))

    @property
    def gitignore(self) -> str:
        """The file that keeps keys out of a repository."""
        return os.path.join(self.root, ".gitignore")

    def path_of(self, public: str, owner: Owner | None = None) -> str:
        """Where the seed of ``public`` is, or would be. ``owner`` matters in the 2019 layout only."""
        return f"{self.root}/keys/{public[:1]}/{public[1:3]}/{public}.nk"

    def creds_folder(self, operator: str, account: str) -> str:
        """The folder of the creds of an account's users."""
        return f"{self.root}/creds/{operator}/{account}"

    def creds_path(self, operator: str, account: str, user: str) -> str:
        """Where the creds of a user are, or would be."""
        return f"{self.creds_folder(operator, account)}/{user}.creds"

    # ---- reading

    def exists(self) -> bool:
        """Whether the keystore has been made."""
        return is_dir(self.root)

    def find(self, public: str) -> str | None:
        """The file that holds the seed of ``public``, None if it is not stored."""
        path = self.path_of(public)
        return path if is_public(public) and is_file(path) else None

    def has(self, public: str) -> bool:
        """Whether the seed of ``public`` is stored."""
        return self.find(public) is not None

    def seed(self, public: str) -> str | None:
        """The seed of ``public``, None if it is not stored. Raises StoreError if the file holds something else."""
        pair = self.pair(public)
        return pair.seed if pair else None

    def pair(self, public: str) -> KeyPair | None:
        """The key pair of ``public``, None if its seed is not stored. Raises StoreError if the file holds another."""
        path = self.find(public)
        pair = read_pair(path) if path else None
        if pair and pair.public != public:
            raise StoreError(f"the key in `{path}` is {pair.public}: its name says {public}")
        return pair if pair and pair.can_sign else None

    def require(self, public: str) -> KeyPair:
        """Like :meth:`pair`, but raises NotFound."""
        pair = self.pair(public)
        if pair is None:
            raise NotFound(f"the private key of {public} is not in the keystore `{self.root}`")
        return pair

    def keys(self) -> Iterator[StoredKey]:
        """Every stored key, sorted by path; only names are read."""
        for folder, _, files in walk(os.path.join(self.root, "keys")):
            for name in files:
                public, suffix = os.path.splitext(name)
                if suffix == ".nk" and is_public(public):
                    yield StoredKey(public, os.path.join(folder, name))

    def index(self) -> dict[str, str]:
        """The file of every stored key, by its public key, as of now: for who asks for many. Damaged ones may miss."""
        found: dict[str, str] = {}
        for key in self.keys():
            found.setdefault(key.public, key.path)
        return found

    def creds(self, operator: str, account: str, user: str) -> str | None:
        """The creds file's text, None if there is none."""
        return read_text(self.creds_path(operator, account, user))

    def is_outdated(self) -> bool:
        """Whether keys or creds lie where they did before the sharded layout (``nsc keys migrate`` moves them)."""
        return any(True for _ in self.outdated())

    def outdated(self) -> Iterator[str]:
        """Every key and creds file outside ``keys`` and ``creds``."""
        for folder, folders, files in walk(self.root):
            if folder == self.root:
                folders[:] = [name for name in folders if name not in ("keys", "creds")]
            elif ".nsc" in files:
                folders.clear()  # an operator's store under the same roof
            for name in files:
                if name.endswith((".nk", ".creds")):
                    yield os.path.join(folder, name)


class NamedKeystore(Keystore):
    """The layout of 2019: files are named after the entity. Signing keys had no place in it; ours go to ``keys``."""

    __slots__ = ()

    gitignore_text = GITIGNORE.replace(b" \n", b"\n")

    @property
    def base_folders(self) -> tuple[str, ...]:
        """Nothing is made before it is needed."""
        return ()

    def path_of(self, public: str, owner: Owner | None = None) -> str:
        if owner is None:
            return super().path_of(public)
        if not owner.account:
            return os.path.join(self.root, owner.operator, f"{owner.operator}.nk")
        folder = self.creds_folder(owner.operator, owner.account)
        if owner.user:
            return os.path.join(folder, f"{owner.user}.nk")
        return os.path.join(os.path.dirname(folder), f"{owner.account}.nk")

    def creds_folder(self, operator: str, account: str) -> str:
        return os.path.join(self.root, operator, "accounts", account, "users")

    def find(self, public: str) -> str | None:
        for key in self._named():
            if key.public == public:
                return key.path
        return super().find(public)

    def keys(self) -> Iterator[StoredKey]:
        yield from self._named()
        yield from super().keys()

    def index(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in self.outdated():
            with contextlib.suppress(StoreError):
                pair = read_pair(path) if path.endswith(".nk") else None
                if pair:
                    found.setdefault(pair.public, path)
        for key in super().keys():  # noqa: SIM118 - no dict
            found.setdefault(key.public, key.path)
        return found

    def is_outdated(self) -> bool:
        return False

    def _named(self) -> Iterator[StoredKey]:
        for path in self.outdated():
            if path.endswith(".nk"):
                pair = read_pair(path)
                if pair:
                    yield StoredKey(pair.public, path)


def read_pair(path: str) -> KeyPair | None:
    """The key in a file: a seed or a public key, blanks and line ends around it. Raises StoreError."""
    text = read_text(path)
    if text is None:
        return None
    try:
        stripped = text.strip()
        return KeyPair.from_seed(stripped) if stripped.startswith("S") else KeyPair.from_public(stripped)
    except DecodeError as error:
        raise StoreError(f"`{path}` does not hold a key: {error}") from None
