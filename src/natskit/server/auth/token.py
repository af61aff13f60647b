"""Users that log in with a token which leads, by way of its account, to a trusted key."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit import graph, jwt
from natskit.errors import AuthenticationError, Error
from natskit.graph.login import (
    Rights,
    judge_address,
    judge_bearer,
    judge_connection_type,
    judge_revocation,
    judge_token,
    judge_window,
    permissions_of,
    rights_of,
)
from natskit.server.accounts import ACCOUNT_EXPIRED, EXPIRED, Account, Accounts, Member
from natskit.server.auth.admission import Admission, tighter
from natskit.server.auth.connect import ConnectOptions, Peer
from natskit.server.auth.signature import verify_nonce

if TYPE_CHECKING:
    from natskit.server.clock import Clock
    from natskit.server.options import Options

__all__ = ["TokenUsers"]

log = logging.getLogger(__name__)


class TokenUsers:
    """Lets users in by their tokens, and judges them again when their account changes."""

    def __init__(self, options: Options, accounts: Accounts, clock: Clock) -> None:
        self._pinned = options.resolver_pinned_accounts
        self._sentinel = options.default_sentinel
        self._accounts = accounts
        self._clock = clock

    async def admit(self, connect: ConnectOptions, peer: Peer) -> Admission:
        """Check the token and the signature of a client. Raises AuthenticationError with the check that failed.

        The caller still owes: that the account takes one more connection (`Account.join`).
        Source: spec/server-accounts.md section 1.4.
        """
        # (1) a user's token, signed by its issuer
        claims = self._user_claims(connect.jwt)
        # (2) nothing in it forbids its use, now
        now = self._clock.now()
        judge_token(claims, now)
        # (3) (4) (5) an account that is in use here, signed by a trusted key
        account = await self._account_of(claims)
        # (6) to (9) what the account says about the user
        admission, rights = judge_user(claims, account, strict=self._accounts.is_strict(account))
        judge_account(account, self._clock.now())
        judge_bearer(rights, account.claims)
        # (10) the right kind of connection
        judge_connection_type(rights, peer.connection_type)
        # (11) the user has the seed of its key
        if not rights.bearer_token:
            verify_nonce(claims.subject, peer.nonce, connect.sig)
        # (12) the account has not taken it back
        judge_revocation(claims, account.model)
        # (13) (14) the right place and time
        judge_address(rights, peer.host)
        return replace(admission, expires_at=self._deadline(claims, rights, now))

    def review(self, member: Member, admission: Admission) -> Admission | None:
        """Judge a connected user by its account's new claims: what it has from now on, or None if it was closed."""
        claims, account = admission.claims, admission.account
        if claims is None or account.claims is None:
            return admission
        if account.model.lapse(self._clock.now()):
            member.close(EXPIRED, ACCOUNT_EXPIRED)
            return None
        try:
            judge_revocation(claims, account.model)
        except AuthenticationError as error:
            log.info("%s is closed: %s", member, error)
            member.close("Credentials Revoked", "User Authentication Revoked")
            return None
        try:
            fresh, rights = judge_user(claims, account, strict=self._accounts.is_strict(account))
        except AuthenticationError as error:
            log.info("%s is closed: %s", member, error)
            member.close(error.reason)
            return None
        try:
            judge_bearer(rights, account.claims)
        except AuthenticationError as error:
            log.info("%s is closed: %s", member, error)
            member.close(error.reason, error.reply)
            return None
        if rights != admission.rights:
            log.info("%s is closed: the scope of its signing key changed", member)
            member.close("Authentication Failure")
            return None
        return replace(fresh, user=admission.user, expires_at=admission.expires_at)

    def _user_claims(self, token: str) -> jwt.UserClaims:
        fault = "the client sent none"
        for candidate in filter(None, (token, self._sentinel)):
            try:
                return _decode(candidate)
            except Error as error:
                fault = error.message
        raise AuthenticationError(f"Authentication requires a user JWT: {fault}")

    async def _account_of(self, claims: jwt.UserClaims) -> Account:
        account_id = claims.account
        if self._pinned and account_id not in self._pinned:
            self._accounts.pinned_fails += 1
            raise AuthenticationError(f"Account {account_id} not listed as operator pinned account")
        try:
            return await self._accounts.get(account_id)
        except Error as error:
            raise AuthenticationError(f"Account JWT lookup error: {error}") from None

    def _deadline(self, claims: jwt.UserClaims, rights: Rights, now: float) -> float | None:
        """When the user has to leave: the end of its token or of the time of day at which it may be here."""
        ends = [float(claims.expires)] if claims.expires else []
        ends += judge_window(rights, now)
        return min(ends, default=None)


@lru_cache(maxsize=4096)
def _decode(token: str) -> jwt.UserClaims:
    # Kept, so that clients that come back all at once do not have their tokens verified again.
    return jwt.decode(token, jwt.UserClaims)


# ---- what the account says -----------------------------------------------------------------------


def judge_user(claims: jwt.UserClaims, account: Account, *, strict: bool) -> tuple[Admission, Rights]:
    """What ``account`` gives a user whose token is in order, by what both claim. Raises AuthenticationError.

    ``strict``: the account's identity key may not sign users.
    """
    rights = rights_of(claims, account.id, account.claims, strict=strict)
    permissions = permissions_of(rights, account.default_permissions)
    return admission_of(claims, rights, account, permissions), rights


def admission_of(claims: jwt.UserClaims, rights: Rights, account: Account, permissions: graph.Permissions) -> Admission:
    """What a user's token and its account come to, when it has ``rights`` there."""
    return Admission(
        account=account,
        permissions=permissions,
        user=claims.subject,
        max_subscriptions=tighter(rights.subs, account.limits.max_subscriptions),
        max_payload=tighter(rights.payload, account.limits.max_payload),
        proxy_required=rights.proxy_required,
        claims=claims,
        rights=rights,
        issuer_key=claims.issuer,
        name_tag=claims.name,
        tags=claims.nats.tags,
    )


def judge_account(account: Account, now: float) -> None:
    """Raise AuthenticationError if the account's own token is not in force ``now``."""
    if lapse := account.model.lapse(now):
        raise AuthenticationError(f"Account JWT has expired: {lapse}")
