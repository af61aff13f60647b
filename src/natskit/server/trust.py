"""Whose signatures the server believes in operator mode, and whether an account's token deserves to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from natskit import jwt
from natskit.errors import VerifyError
from natskit.jwt.validation import issues

if TYPE_CHECKING:
    from natskit.server.options import Options

__all__ = ["Trust"]


class Trust:
    """The keys that may sign accounts.

    ``strict`` are those of operators that want signing keys used: below an account signed by one of them, the account's
    identity key may not sign users.
    """

    def __init__(self, keys: Iterable[str] = (), strict: Iterable[str] = ()) -> None:
        self.keys = frozenset(keys)
        self.strict = frozenset(strict)

    @classmethod
    def from_options(cls, options: Options) -> Trust:
        """The trusted keys of the configuration: those of its operators, or plain ``trusted_keys``."""
        keys, strict = set(options.trusted_keys), set[str]()
        for operator in options.operators:
            trusted = jwt.trusted_keys(operator.claims)
            keys.update(trusted)
            if operator.claims.nats.strict_signing_key_usage:
                strict.update(trusted)
        return cls(keys, strict)

    def verify_account(self, token: str | bytes, account_id: str, now: float) -> jwt.AccountClaims:
        """The claims of the account ``account_id``, after every check that makes them worth acting on.

        Raises InvalidToken or VerifyError, whose message names the first check that failed.
        Source: spec/account-server.md section 7.3, spec/server-accounts.md section 7.
        """
        # (1) it is an account's token and its issuer signed it
        claims = _decode(token if isinstance(token, str) else token.decode("ascii", "replace"))
        # (2) it is the account that was asked for
        if claims.subject != account_id:
            raise VerifyError(f"subject does not match jwt content: it is of {claims.subject}, not of {account_id}")
        # (3) a trusted key signed it
        if claims.issuer not in self.keys:
            raise VerifyError(f"account validation failed: {account_id} is signed by {claims.issuer}, no trusted key")
        # (4) nothing in it forbids its use, now
        found = [issue.text for issue in issues(claims, int(now)) if issue.refused]
        if found:
            raise VerifyError(f"account validation failed: {account_id}: {'; '.join(found[:8])}")
        return claims


@lru_cache(maxsize=1024)
def _decode(token: str) -> jwt.AccountClaims:
    # Kept, so that clients that come back all at once do not have the same token verified again and again.
    return jwt.decode(token, jwt.AccountClaims)
