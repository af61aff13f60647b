"""Issuing user tokens in one call, for services that mint users.

Source: ADR-14; spec/nkeys-and-jwt.md section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from natskit.errors import ClaimsError
from natskit.jwt.codec import encode
from natskit.jwt.user import new_scoped_user
from natskit.nkeys import KeyPair, Role, is_public, role_of


def issue_user(
    signing_key: KeyPair,
    account: str,
    user: str,
    name: str = "",
    expires_in: int = 0,
    tags: Sequence[str] = (),
    *,
    now: int,
) -> str:
    """A token for the public key ``user``, with the rights of the scoped ``signing_key`` of ``account``.

    ``expires_in`` is in seconds (0: never), ``now`` in Unix seconds; the name defaults to the user's key. Raises
    ClaimsError for keys of another role, KeyUseError for a signing key without its secret half.
    """
    _expect(account, Role.ACCOUNT, "accountId")
    _expect(user, Role.USER, "publicUserKey")
    claims = new_scoped_user(user, name or user, account)
    claims = replace(claims, expires=now + expires_in if expires_in else 0, nats=replace(claims.nats, tags=tuple(tags)))
    return encode(claims, signing_key, issued_at=now)


def _expect(key: str, role: Role, parameter: str) -> None:
    if is_public(key, role):
        return
    got = f"a key of kind {role_of(key).value}" if is_public(key) else "no public key"
    article = "an" if role is Role.ACCOUNT else "a"
    raise ClaimsError(f"issueUserJWT requires {article} {role.value} key for the {parameter} parameter, but got {got}")
