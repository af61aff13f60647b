"""Whether a posted account token may take the place of the stored one."""

from __future__ import annotations

from natskit.account_server.record import Record
from natskit.errors import ClaimsError, Error, InvalidToken, UsageError, VerifyError
from natskit.jwt import AccountClaims, OperatorClaims, decode
from natskit.jwt.trust import trusted_keys
from natskit.jwt.validation import issues
from natskit.nkeys import Role, is_public

__all__ = ["accept"]

_ISSUES = "The server was unable to update your account JWT. One more more validation issues occurred."


def accept(key: str, body: bytes, operator: OperatorClaims | None, stored: Record | None, now: int) -> Record:
    """The record to store for ``key``. Raises UsageError, InvalidToken, VerifyError or ClaimsError, with the reason.

    What is left to the caller: that ``stored`` is still the one stored, and that the body is bounded.
    Source: spec/account-server.md section 1.3, and stricter: strict signing keys are heeded, and a token that is older
    than the stored one is refused.
    """
    # (1) the path names an account
    if not is_public(key, Role.ACCOUNT):
        raise UsageError(f'"{key[:64]}" is not an account key')
    # (2) a bare account token whose signature holds
    token = body.rstrip(b"\r\n")
    try:
        claims = decode(token, AccountClaims)
    except Error as error:
        raise InvalidToken(f"bad JWT in request: {error}") from None
    # (3) of the account that the path names
    if claims.subject != key:
        raise UsageError(f"pub keys don't match: the token is that of {claims.subject}")
    # (4) signed by an operator
    if not is_public(claims.issuer, Role.OPERATOR):
        raise VerifyError(f"bad JWT Issuer in request: {claims.issuer} is not an operator key")
    # (5) ours
    if operator is None:
        raise VerifyError("untrusted issuer in request: the account server knows no operator")
    if claims.issuer not in trusted_keys(operator):
        raise VerifyError(f"untrusted issuer in request: {_why_untrusted(claims.issuer, operator)}")
    # (6) valid here and now
    found = issues(claims, now)
    if any(issue.refused for issue in found):
        raise ClaimsError(_ISSUES + "".join(f"\n\t - {issue.text}\n" for issue in found), issues=found)
    # (7) not older than what is stored
    if stored and claims.issued_at < stored.issued_at:
        raise ClaimsError(
            f"older than the stored JWT: issued at {claims.issued_at}, the stored one at {stored.issued_at}"
        )
    return Record(key, token, claims.id, claims.expires, claims.issued_at)


def _why_untrusted(issuer: str, operator: OperatorClaims) -> str:
    if issuer == operator.subject:
        return f'operator "{operator.name}" has its accounts signed by signing keys only'
    return f'{issuer} is no key of operator "{operator.name}"'
