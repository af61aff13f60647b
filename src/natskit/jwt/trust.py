"""Who may have signed what, and what has been taken back.

Source: spec/nkeys-and-jwt.md sections 6.2 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping

from natskit.errors import ClaimsError
from natskit.jwt.account import AccountClaims
from natskit.jwt.activation import ActivationClaims
from natskit.jwt.body import Claims
from natskit.jwt.operator import OperatorClaims
from natskit.jwt.user import UserClaims

ALL = "*"


def did_sign(signer: OperatorClaims | AccountClaims, claims: Claims) -> bool:
    """Whether an operator or account signed ``claims``, by its identity key or a signing key, as its rules allow."""
    if isinstance(signer, OperatorClaims):
        return _operator_signed(signer, claims)
    return _account_signed(signer, claims)


def _operator_signed(operator: OperatorClaims, claims: Claims) -> bool:
    if claims.issuer == operator.subject:
        return not operator.nats.strict_signing_key_usage or claims.subject == operator.subject
    return claims.issuer in operator.nats.signing_keys


def _account_signed(account: AccountClaims, claims: Claims) -> bool:
    if claims.issuer == account.subject:
        return True
    if isinstance(claims, UserClaims | ActivationClaims) and claims.nats.issuer_account == account.subject:
        return account.nats.has_signing_key(claims.issuer)
    return False


def trusted_keys(operator: OperatorClaims) -> frozenset[str]:
    """The keys whose signature on an account a server trusts."""
    identity = () if operator.nats.strict_signing_key_usage else (operator.subject,)
    return frozenset((*identity, *operator.nats.signing_keys))


def is_revoked(revocations: Mapping[str, int], key: str, issued_at: int) -> bool:
    """Whether a token of ``key`` issued at ``issued_at`` (Unix seconds) is revoked: one second counts as revoked."""
    return not key or issued_at <= 0 or any(revocations.get(name, -1) >= issued_at for name in (ALL, key))


def revoke(revocations: Mapping[str, int], key: str, at: int) -> dict[str, int]:
    """The revocations with one more. A later time that is there already stays."""
    return {**revocations, key: max(at, revocations.get(key, 0))}


def activation_hash(claims: ActivationClaims) -> str:
    """The id under which an activation is published: 56 characters of padded base32. Raises ClaimsError."""
    import base64
    import hashlib

    if not (claims.issuer and claims.subject and claims.nats.subject):
        raise ClaimsError(
            "not enough data in the activaion claims to create a hash: issuer, subject and import subject"  # sic
        )
    text = f"{claims.issuer}.{claims.subject}.{_fixed_part(claims.nats.subject)}"
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()


def _fixed_part(subject: str) -> str:
    """The tokens before the first wildcard, ``_`` if there are none."""
    fixed: list[str] = []
    for token in subject.split("."):
        if token in ("*", ">"):
            return ".".join(fixed) or "_"
        fixed.append(token)
    return subject
