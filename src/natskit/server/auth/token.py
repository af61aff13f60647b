"""Users that log in with a token which leads, by way of its account, to a trusted key."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit import graph, jwt, subjects
from natskit.errors import AuthenticationError, Error, InvalidSubject, VerifyError
from natskit.jwt.validation import check_scoped_user, issues
from natskit.server.accounts import ACCOUNT_EXPIRED, EXPIRED, Account, Accounts, Member
from natskit.server.auth.admission import Admission, tighter
from natskit.server.auth.connect import ConnectOptions, Peer
from natskit.server.auth.signature import verify_nonce
from natskit.server.auth.window import window_end

if TYPE_CHECKING:
    from natskit.server.clock import Clock
    from natskit.server.options import Options

__all__ = ["TokenUsers"]

Rights = jwt.UserRights | jwt.ScopeTemplate
"""What a user may do: its own, or the filled-in template of the scoped key that signed it."""

log = logging.getLogger(__name__)

CONNECTION_TYPES = frozenset({"STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"})


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
        found = [issue.text for issue in issues(claims, int(now)) if issue.refused]
        if found:
            raise AuthenticationError(f"User JWT no longer valid: {'; '.join(found[:8])} ({_dates(claims)})")
        # (3) (4) (5) an account that is in use here, signed by a trusted key
        account = await self._account_of(claims)
        # (6) to (9) what the account says about the user
        admission, rights = judge_user(claims, account, strict=self._accounts.is_strict(account))
        judge_account(account, self._clock.now())
        judge_bearer(rights, account)
        # (10) the right kind of connection
        judge_connection_type(rights, peer)
        # (11) the user has the seed of its key
        if not rights.bearer_token:
            verify_nonce(claims.subject, peer.nonce, connect.sig)
        # (12) the account has not taken it back
        judge_revocation(claims, account)
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
            judge_revocation(claims, account)
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
            judge_bearer(rights, account)
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


def _dates(claims: jwt.UserClaims) -> str:
    return f"issued at {claims.issued_at}, not before {claims.not_before}, expires {claims.expires}"


# ---- what the account says -----------------------------------------------------------------------


def judge_user(claims: jwt.UserClaims, account: Account, *, strict: bool) -> tuple[Admission, Rights]:
    """What ``account`` gives a user whose token is in order, by what both claim. Raises AuthenticationError.

    ``strict``: the account's identity key may not sign users.
    """
    rights = _rights_of(claims, account, strict)
    try:
        permissions = graph.Permissions.from_claims(rights)
    except InvalidSubject as error:
        raise AuthenticationError(f"User JWT generated invalid permissions: {error}") from None
    if permissions == graph.EVERYTHING:
        permissions = account.default_permissions
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


def _rights_of(claims: jwt.UserClaims, account: Account, strict: bool) -> Rights:
    """The user's own rights, or those that a scoped signing key gives to all whom it signs.

    Raises AuthenticationError if the key may not sign the user.
    """
    if claims.issuer == account.id:
        if strict:
            raise AuthenticationError(
                f"User JWT issuer is not known: the operator asks for signing keys, {account.id} is the account's own"
            )
        return claims.nats
    if account.claims is None or not account.claims.nats.has_signing_key(claims.issuer):
        raise AuthenticationError(f"User JWT issuer is not known: {claims.issuer} is no key of account {account.model}")
    scope = account.claims.nats.scope_of(claims.issuer)
    if scope is None:
        return claims.nats
    try:
        check_scoped_user(claims, scope.key)
        _check_fillings(scope.template, claims)
        return jwt.expand_template(scope, claims, account.claims)
    except Error as error:
        raise AuthenticationError(f"User JWT is not valid: {error}") from None


def _check_fillings(template: jwt.ScopeTemplate, claims: jwt.UserClaims) -> None:
    """Raise VerifyError if the user's name or tags would put wildcards into the subjects of the template.

    Who holds the scoped key chooses them, and must not get more than the template gives.
    """
    lists = (template.pub.allow, template.pub.deny, template.sub.allow, template.sub.deny)
    if not any("{{" in entry for entries in lists for entry in entries):
        return
    for text in (claims.name, *(tag.partition(":")[2] for tag in claims.nats.tags)):
        if subjects.has_wildcard(text):
            raise VerifyError(f'"{text}" in its name or tags is a wildcard, which its template does not give')


def judge_account(account: Account, now: float) -> None:
    """Raise AuthenticationError if the account's own token is not in force ``now``."""
    if lapse := account.model.lapse(now):
        raise AuthenticationError(f"Account JWT has expired: {lapse}")


def judge_bearer(rights: Rights, account: Account) -> None:
    """Raise AuthenticationError if the user wants in without a signature and the account allows none of those."""
    if rights.bearer_token and account.claims is not None and account.claims.nats.limits.disallow_bearer:
        raise AuthenticationError(f"Account does not allow bearer tokens: {account.model}")


def judge_revocation(claims: jwt.UserClaims, account: Account) -> None:
    """Raise AuthenticationError if the account has revoked the user's token."""
    if jwt.is_revoked(account.model.revocations, claims.subject, claims.issued_at):
        raise AuthenticationError(
            f"User authentication revoked: {claims.subject} by {account.model}, token issued at {claims.issued_at}"
        )


# ---- what the user's token says about the connection ---------------------------------------------


def judge_connection_type(rights: Rights, peer: Peer) -> None:
    listed = rights.allowed_connection_types
    if not listed:
        return
    known = {name.upper() for name in listed} & CONNECTION_TYPES
    if not known:
        shown = " ".join(f'"{name}"' for name in listed)
        raise AuthenticationError(f"invalid connection types [{shown}]")
    if peer.connection_type not in known:
        raise AuthenticationError(f"Connection type not allowed: {peer.connection_type} is none of {', '.join(known)}")


def judge_window(rights: Rights, now: float) -> list[float]:
    """The end of the time of day at which a user may be here; none if it always may. Raises AuthenticationError."""
    if not rights.times:
        return []
    end = window_end(rights.times, rights.times_location, now)
    if end is None:
        raise AuthenticationError("Outside connect times")
    return [end]


def judge_address(rights: Rights, host: str) -> None:
    if not rights.src:
        return
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        allowed = any(address in ipaddress.ip_network(network, strict=False) for network in rights.src)
    except ValueError:
        allowed = False
    if not allowed:
        raise AuthenticationError(f"Bad src Ip {host}: the user may come from {', '.join(rights.src)}")
