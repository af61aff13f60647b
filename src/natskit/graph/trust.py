"""Whose signatures a server believes in operator mode, and whether an account's token deserves to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from natskit import jwt
from natskit.errors import InvalidSubject, VerifyError
from natskit.graph.account import Account
from natskit.graph.mapping import Mappings
from natskit.graph.reason import Rule

__all__ = ["Trust", "faults_of"]


def faults_of(account: jwt.AccountClaims, now: float) -> list[str]:
    """What in an account's claims keeps servers from using them at ``now``: validation, and mappings."""
    found = [issue.text for issue in jwt.issues(account, int(now)) if issue.refused]
    if not found:
        try:
            Mappings.compile(Account.from_claims(account).mappings)
        except InvalidSubject as error:
            found.append(error.message)
    return found


class Trust:
    """The keys that may sign accounts.

    ``strict`` are those of operators that want signing keys used: below an account signed by one of them, the account's
    identity key may not sign users. ``idle`` are the identity keys of these operators, which may not sign accounts.
    """

    def __init__(self, keys: Iterable[str] = (), strict: Iterable[str] = (), idle: Iterable[str] = ()) -> None:
        self.keys = frozenset(keys)
        self.strict = frozenset(strict)
        self.idle = frozenset(idle)

    @classmethod
    def of(cls, operators: Iterable[jwt.OperatorClaims], keys: Iterable[str] = ()) -> Trust:
        """The keys of ``operators``, and plain ``keys``."""
        trusted, strict, idle = set(keys), set[str](), set[str]()
        for operator in operators:
            found = jwt.trusted_keys(operator)
            trusted.update(found)
            if operator.nats.strict_signing_key_usage:
                strict.update(found)
                idle.add(operator.subject)
        return cls(trusted, strict, idle)

    def is_strict(self, account: jwt.AccountClaims) -> bool:
        """Whether the identity key of ``account`` may not sign its users."""
        return account.issuer in self.strict

    def fault_of(self, account: jwt.AccountClaims, now: float) -> tuple[Rule, str] | None:
        """What keeps a server from believing an account whose token its issuer signed; None if nothing does.

        Times count only in so far as they forbid the use of the token at ``now``.
        """
        # (1) a trusted key signed it
        if account.issuer not in self.keys:
            why = "operator requires issuer to be a signing key" if account.issuer in self.idle else "no trusted key"
            return Rule.ACCOUNT_SIGNER, f"{account.subject} is signed by {account.issuer}, {why}"
        # (2) nothing in it forbids its use, now
        found = faults_of(account, now)
        return (Rule.ACCOUNT_INVALID, f"{account.subject}: {'; '.join(found[:8])}") if found else None

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
        # (3) a trusted key signed it, and nothing in it forbids its use
        if fault := self.fault_of(claims, now):
            raise VerifyError(f"account validation failed: {fault[1]}")
        return claims


@lru_cache(maxsize=1024)
def _decode(token: str) -> jwt.AccountClaims:
    # Kept, so that clients that come back all at once do not have the same token verified again and again.
    return jwt.decode(token, jwt.AccountClaims)
