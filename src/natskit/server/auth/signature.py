"""The signature by which a client proves that it has the seed of its key."""

from __future__ import annotations

import binascii

from natskit import nkeys
from natskit.errors import AuthenticationError, Error

__all__ = ["verify_nonce"]

_RAW_CHARS, _PADDED_CHARS = 86, 88


def verify_nonce(public: str, nonce: str, signature: str, *, padded: bool = True) -> None:
    """Check that ``signature`` is that of ``nonce`` by the key ``public``. Raises AuthenticationError.

    It is base64 of 64 bytes: the URL alphabet without padding or, if ``padded``, the standard one with it.
    """
    if not signature:
        raise AuthenticationError("Signature missing")
    raw = _decode(signature) if padded or not signature.endswith("=") else None
    if raw is None:
        raise AuthenticationError("Signature not valid base64")
    try:
        nkeys.verify(public, nonce.encode(), raw)
    except Error:
        raise AuthenticationError(f"Signature not verified: it is not {public} that signed the nonce") from None


def _decode(text: str) -> bytes | None:
    try:
        data = text.encode("ascii")
        if len(data) == _RAW_CHARS and not data.translate(None, _URL_ALPHABET):
            return binascii.a2b_base64(data.translate(_TO_STANDARD) + b"==", strict_mode=True)
        if len(data) == _PADDED_CHARS:
            return binascii.a2b_base64(data, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        return None  # which is all that the caller asks
    return None


_URL_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
