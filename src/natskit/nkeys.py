"""nkeys: Ed25519 and X25519 keys as text that says what it is.

A public key is base32 of ``prefix, key[32], crc[2]`` (56 characters, the first names the role), a seed is base32 of
``b1, b2, seed[32], crc[2]`` (58 characters, ``S`` and the role), a private key ``0x78, seed[32], public[32], crc[2]``.
Decoding is strict: upper case, exact length, no blanks or line ends, no spare bits, CRC and role must agree.

Source: spec/nkeys-and-jwt.md section 1; RFC 4648 (base32), RFC 8032 (Ed25519), RFC 7748 (X25519).
"""

from __future__ import annotations

import binascii
import enum
import os

from natskit.errors import InvalidKey, KeyUseError, VerifyError

__all__ = [
    "KeyPair",
    "Role",
    "base32_decode",
    "base32_encode",
    "decode_public",
    "encode_public",
    "is_public",
    "role_of",
    "verify",
]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = [first + second for first in _ALPHABET.decode() for second in _ALPHABET.decode()]
_TO_DIGITS = bytes.maketrans(_ALPHABET, b"0123456789ABCDEFGHIJKLMNOPQRSTUV")

_SEED = 18 << 3
_PRIVATE = 15 << 3

_PUBLIC_CHARS, _SEED_CHARS = 56, 58
_XKEY_VERSION = b"xkv1"
_NONCE_BYTES, _TAG_BYTES = 24, 16


class Role(enum.Enum):
    """What a key stands for. The value is the name used in messages; ``prefix`` is the first byte of a public key."""

    OPERATOR = "operator"
    SERVER = "server"
    CLUSTER = "cluster"
    ACCOUNT = "account"
    USER = "user"
    CURVE = "x25519"

    @property
    def prefix(self) -> int:
        """First byte of a public key of this role."""
        return _PREFIXES[self]

    @property
    def letter(self) -> str:
        """First character of a public key of this role."""
        return chr(_ALPHABET[self.prefix >> 3])

    @classmethod
    def parse(cls, name: str) -> Role:
        """The role called ``name`` (any case; ``curve`` is x25519). Raises InvalidKey."""
        wanted = name.lower()
        for role in cls:
            if wanted == role.value or (wanted == "curve" and role is cls.CURVE):
                return role
        raise InvalidKey(f'"{name}" is not a kind of key: use operator, account, user, server, cluster or curve')


_PREFIXES = {
    Role.OPERATOR: 14 << 3,
    Role.SERVER: 13 << 3,
    Role.CLUSTER: 2 << 3,
    Role.ACCOUNT: 0,
    Role.USER: 20 << 3,
    Role.CURVE: 23 << 3,
}
_ROLES = {prefix: role for role, prefix in _PREFIXES.items()}


# ---- text ----------------------------------------------------------------------------------------


def base32_encode(data: bytes) -> str:
    """RFC 4648 base32 without padding."""
    chars = -(-len(data) * 8 // 5)
    pairs = -(-chars // 2)
    number = int.from_bytes(data, "big") << (pairs * 10 - len(data) * 8)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(10 * pairs - 10, -1, -10)])[:chars]


def base32_decode(text: str | bytes) -> bytes:
    """Inverse of :func:`base32_encode`; refuses anything that it would not have written. Raises InvalidKey."""
    raw = text if isinstance(text, bytes) else text.encode("ascii", "replace")
    if stray := raw.translate(None, _ALPHABET):
        raise InvalidKey(f"illegal base32 data at input byte {raw.index(stray[:1])}")
    size, spare = divmod(len(raw) * 5, 8)
    number = int(raw.translate(_TO_DIGITS) or b"0", 32)
    if spare >= 5 or number & ((1 << spare) - 1):
        raise InvalidKey(f"illegal base32 data at input byte {max(len(raw) - 1, 0)}")
    return (number >> spare).to_bytes(size, "big")


def _seal_crc(data: bytes) -> str:
    return base32_encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little"))


def _open_crc(text: str | bytes) -> bytes:
    data = base32_decode(text)
    if len(data) < 4:
        raise InvalidKey("nkeys: invalid encoded key")
    if binascii.crc_hqx(data[:-2], 0) != int.from_bytes(data[-2:], "little"):
        raise InvalidKey("nkeys: invalid checksum")
    return data[:-2]


def _decode_any_public(text: str) -> tuple[Role, bytes]:
    data = _open_crc(text)
    role = _ROLES.get(data[0])
    if role is None:
        raise InvalidKey("nkeys: invalid public key")
    if len(data) != 33:
        raise InvalidKey(f"nkeys: invalid encoded key: {len(text)} characters, a public key has {_PUBLIC_CHARS}")
    return role, data[1:]


def _decode_seed(text: str | bytes) -> tuple[Role, bytes]:
    data = _open_crc(text)
    role = _ROLES.get((data[0] & 7) << 5 | data[1] >> 3) if len(data) > 1 else None
    if data[0] & 0xF8 != _SEED or role is None or data[1] & 7:
        raise InvalidKey("nkeys: invalid seed")
    if len(data) != 34:
        raise InvalidKey(f"nkeys: invalid seed length: {len(text)} characters, a seed has {_SEED_CHARS}")
    return role, data[2:]


def role_of(public: str) -> Role:
    """The role of a public key. Raises InvalidKey if it is no whole public key."""
    return _decode_any_public(public)[0]


def is_public(text: str, *roles: Role) -> bool:
    """Whether ``text`` is a whole public key, of one of ``roles`` if any are given."""
    try:
        role, _ = _decode_any_public(text)
    except InvalidKey:
        return False
    return not roles or role in roles


def decode_public(text: str, *roles: Role) -> bytes:
    """The 32 raw bytes of a public key. Raises InvalidKey, also if its role is none of ``roles`` (if any are given)."""
    role, raw = _decode_any_public(text)
    if roles and role not in roles:
        wanted = " or ".join(each.value for each in roles)
        raise InvalidKey(f'nkeys: invalid prefix byte: "{text}" is a key of kind {role.value}, not {wanted}')
    return raw


def encode_public(role: Role, raw: bytes) -> str:
    """The text of 32 raw bytes as a public key of ``role``."""
    return _seal_crc(bytes([role.prefix]) + raw)


def verify(public: str, data: bytes, signature: bytes) -> None:
    """Check an Ed25519 ``signature`` (64 bytes) of ``data``. Raises VerifyError; InvalidKey for a key that is none."""
    role, raw = _decode_any_public(public)
    if role is Role.CURVE:
        raise KeyUseError("nkeys: curve key is not valid for sign/verify")
    _verify(raw, data, signature)


def _verify(raw: bytes, data: bytes, signature: bytes) -> None:
    from nacl import bindings, exceptions

    if len(signature) != 64:
        raise VerifyError("nkeys: signature verification failed")
    try:
        bindings.crypto_sign_open(signature + data, raw)
    except exceptions.CryptoError:
        raise VerifyError("nkeys: signature verification failed") from None


# ---- pairs ---------------------------------------------------------------------------------------


class KeyPair:
    """A key, with its secret half or without. Make one by :meth:`create` or one of the ``from_`` methods.

    Its text form never shows the secret; compare pairs by ``public``.
    """

    __slots__ = ("_raw_seed", "_secret", "public", "role")

    role: Role
    public: str

    def __init__(self, role: Role, public: str, raw_seed: bytearray | None) -> None:
        self.role = role
        self.public = public
        self._raw_seed = raw_seed
        self._secret: bytes | None = None

    def __repr__(self) -> str:
        return f"<{'' if self.can_sign else 'public '}{self.role.value} key {self.public}>"

    # making

    @classmethod
    def create(cls, role: Role) -> KeyPair:
        """A new key from the system's randomness."""
        return cls.from_raw_seed(role, os.urandom(32))

    @classmethod
    def from_raw_seed(cls, role: Role, raw: bytes) -> KeyPair:
        """The key of a 32-byte secret. For the curve role the bytes are the X25519 scalar (clamped on use)."""
        from nacl import bindings

        if len(raw) != 32:
            raise InvalidKey(f"nkeys: invalid seed length: {len(raw)} bytes, a raw seed has 32")
        if role is Role.CURVE:
            public = bindings.crypto_scalarmult_base(bytes(raw))
            return cls(role, encode_public(role, public), bytearray(raw))
        public, secret = bindings.crypto_sign_seed_keypair(bytes(raw))
        pair = cls(role, encode_public(role, public), bytearray(raw))
        pair._secret = secret
        return pair

    @classmethod
    def from_seed(cls, seed: str | bytes) -> KeyPair:
        """The key of a seed text (``SU...``). Raises InvalidKey."""
        return cls.from_raw_seed(*_decode_seed(seed))

    @classmethod
    def from_public(cls, public: str) -> KeyPair:
        """A key that can verify only. Raises InvalidKey."""
        return cls(role_of(public), public, None)

    # its texts

    @property
    def can_sign(self) -> bool:
        """Whether the secret half is here."""
        return self._raw_seed is not None

    @property
    def seed(self) -> str:
        """The seed text. Raises KeyUseError without the secret half."""
        prefix = self.role.prefix
        return _seal_crc(bytes([_SEED | prefix >> 5, (prefix & 0x1F) << 3]) + self._seed_bytes())

    @property
    def private(self) -> str:
        """The private key text (``P...``). Raises KeyUseError without the secret half."""
        public = b"" if self.role is Role.CURVE else decode_public(self.public)
        return _seal_crc(bytes([_PRIVATE]) + self._seed_bytes() + public)

    def _seed_bytes(self) -> bytes:
        if self._raw_seed is None:
            raise KeyUseError("nkeys: no seed or private key available")
        return bytes(self._raw_seed)

    # its use

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature of ``data``. Raises KeyUseError for public-only and curve keys."""
        if self.role is Role.CURVE:
            raise KeyUseError("nkeys: curve key is not valid for sign/verify")
        if self._secret is None:
            raise KeyUseError("nkeys: can not sign, no private key available")
        from nacl import bindings

        return bindings.crypto_sign(data, self._secret)[:64]

    def verify(self, data: bytes, signature: bytes) -> None:
        """Check a signature made by this key. Raises VerifyError."""
        verify(self.public, data, signature)

    def seal(self, plain: bytes, recipient: str) -> bytes:
        """Encrypt for the curve key ``recipient``: ``xkv1``, nonce, NaCl box (44 bytes more than ``plain``)."""
        from nacl import bindings

        secret = self._curve_secret("nkeys: cannot seal no private curve key available")
        try:
            other = decode_public(recipient, Role.CURVE)
        except InvalidKey:
            raise InvalidKey("nkeys: not a valid recipient public curve key") from None
        nonce = os.urandom(_NONCE_BYTES)
        return _XKEY_VERSION + nonce + bindings.crypto_box(plain, nonce, other, secret)

    def open(self, sealed: bytes, sender: str) -> bytes:
        """Decrypt what the curve key ``sender`` sealed for this one. Raises VerifyError, InvalidKey, KeyUseError."""
        from nacl import bindings, exceptions

        secret = self._curve_secret("nkeys: cannot open no private curve key available")
        head = len(_XKEY_VERSION)
        if len(sealed) < head + _NONCE_BYTES + _TAG_BYTES:
            raise VerifyError("nkeys: encrypted input is not valid")
        if sealed[:head] != _XKEY_VERSION:
            raise VerifyError("nkeys: encrypted input wrong version")
        try:
            other = decode_public(sender, Role.CURVE)
        except InvalidKey:
            raise InvalidKey("nkeys: not a valid sender public curve key") from None
        nonce, box = sealed[head : head + _NONCE_BYTES], sealed[head + _NONCE_BYTES :]
        try:
            return bindings.crypto_box_open(box, nonce, other, secret)
        except exceptions.CryptoError:
            raise VerifyError("nkeys: could not decrypt input") from None

    def _curve_secret(self, missing: str) -> bytes:
        if self.role is not Role.CURVE:
            raise KeyUseError("nkeys: only curve key can seal/open")
        if self._raw_seed is None:
            raise KeyUseError(missing)
        return bytes(self._raw_seed)

    def wipe(self) -> None:
        """Overwrite and drop the secret. Afterwards the pair can only verify.

        Python may have copied the bytes before (the signing library takes immutable ones), so this shortens the time
        that a secret stays in memory; it cannot promise that no copy is left.
        """
        if self._raw_seed is not None:
            self._raw_seed[:] = os.urandom(32)
        self._raw_seed = None
        self._secret = None
