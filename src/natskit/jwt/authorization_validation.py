"""The checks of what an auth callout is asked and answers, with the words of the reference library.

Source: spec/nkeys-and-jwt.md section 5.
"""

from __future__ import annotations

from natskit.jwt.authorization import AuthorizationRequestClaims, AuthorizationResponseClaims
from natskit.jwt.body import Claims
from natskit.jwt.issue import Issues, quoted
from natskit.nkeys import Role, is_public


def check_authorization(claims: Claims, found: Issues) -> None:
    """All of a request or response but its dates."""
    if isinstance(claims, AuthorizationRequestClaims):
        _check_request(claims, found)
    elif isinstance(claims, AuthorizationResponseClaims):
        _check_response(claims, found)


def _check_request(claims: AuthorizationRequestClaims, found: Issues) -> None:
    key = claims.nats.user_nkey
    if not key:
        found.error("User nkey is required", "user_nkey")
    elif not is_public(key, Role.USER):
        found.error(f"User nkey {quoted(key)} is not a valid user public key", "user_nkey")


def _check_response(claims: AuthorizationResponseClaims, found: Issues) -> None:
    response = claims.nats
    if not is_public(claims.subject, Role.USER):
        found.error("Subject must be a user public key", "sub")
    if not is_public(claims.audience, Role.SERVER):
        found.error("Audience must be a server public key", "aud")
    if not response.error and not response.jwt:
        found.error("Error or Jwt is required", "jwt")
    if response.error and response.jwt:
        found.error("Only Error or Jwt can be set", "error")
    if response.issuer_account and not is_public(response.issuer_account, Role.ACCOUNT):
        found.error("issuer_account is not an account public key", "issuer_account")
