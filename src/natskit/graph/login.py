"""Logging in with a token: every check of a server, in its order, and the rights that come of it.

A server asks one function after the other and stops at the first that raises; `judge_login` asks all of them and says
what each answered. Source: spec/server-accounts.md section 1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from natskit import jwt, subjects
from natskit.errors import AuthenticationError, Error, InvalidSubject, VerifyError
from natskit.graph.permissions import EVERYTHING, Permissions
from natskit.graph.reason import Reason, Rule, date
from natskit.graph.trust import faults_of
from natskit.graph.window import window_end

if TYPE_CHECKING:
    from natskit.graph.account import Account
    from natskit.graph.trust import Trust

__all__ = [
    "Login",
    "Rights",
    "filled",
    "judge_address",
    "judge_bearer",
    "judge_connection_type",
    "judge_login",
    "judge_payload",
    "judge_revocation",
    "judge_token",
    "judge_window",
    "permissions_of",
    "rights_of",
]

Rights = jwt.UserRights | jwt.ScopeTemplate
"""What a user may do: its own, or the filled-in template of the scoped key that signed it."""


# ---- the checks: each raises AuthenticationError -------------------------------------------------


def judge_token(claims: jwt.UserClaims, now: float) -> None:
    """Nothing in the user's token forbids its use at ``now``."""
    found = [issue.text for issue in jwt.issues(claims, int(now)) if issue.refused]
    if found:
        dates = f"issued at {claims.issued_at}, not before {claims.not_before}, expires {claims.expires}"
        raise AuthenticationError(f"User JWT no longer valid: {'; '.join(found[:8])} ({dates})")


def rights_of(claims: jwt.UserClaims, account_id: str, account: jwt.AccountClaims | None, *, strict: bool) -> Rights:
    """The user's own rights, or those that a scoped signing key gives to all whom it signs.

    ``account`` None: one of a configuration file, without claims. ``strict``: the account's identity key may not sign
    users. Raises AuthenticationError if the key that did may not.
    """
    if claims.issuer == account_id:
        if strict:
            raise AuthenticationError(
                f"User JWT issuer is not known: the operator asks for signing keys, {account_id} is the account's own"
            )
        return claims.nats
    if account is None or not account.nats.has_signing_key(claims.issuer):
        shown = f"{account_id}/{account.name}" if account is not None and account.name else account_id
        raise AuthenticationError(f"User JWT issuer is not known: {claims.issuer} is no key of account {shown}")
    scope = account.nats.scope_of(claims.issuer)
    if scope is None:
        return claims.nats
    try:
        jwt.check_scoped_user(claims, scope.key)
        return filled(scope, claims, account)
    except Error as error:
        raise AuthenticationError(f"User JWT is not valid: {error}") from None


def filled(scope: jwt.UserScope, claims: jwt.UserClaims, account: jwt.AccountClaims) -> jwt.ScopeTemplate:
    """What a scoped key gives a user. Raises ClaimsError or VerifyError if its template cannot be filled in."""
    _check_fillings(scope.template, claims)
    return jwt.expand_template(scope, claims, account)


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


def permissions_of(rights: Rights, default: Permissions) -> Permissions:
    """The permissions of a user: those of its rights, or the account's ``default`` if they restrict nothing."""
    try:
        permissions = Permissions.from_claims(rights)
    except InvalidSubject as error:
        raise AuthenticationError(f"User JWT generated invalid permissions: {error}") from None
    return default if permissions == EVERYTHING else permissions


def judge_bearer(rights: Rights, account: jwt.AccountClaims | None) -> None:
    """The account lets users in that do not sign the server's nonce, if this one does not."""
    if rights.bearer_token and account is not None and account.nats.limits.disallow_bearer:
        raise AuthenticationError(f"Account does not allow bearer tokens: {account.subject}/{account.name}")


def judge_connection_type(rights: Rights, connection_type: str) -> None:
    """The user may come by this kind of connection."""
    listed = rights.allowed_connection_types
    if not listed:
        return
    known = {name.upper() for name in listed}.intersection(jwt.CONNECTION_TYPES)
    if not known:
        shown = " ".join(f'"{name}"' for name in listed)
        raise AuthenticationError(f"invalid connection types [{shown}]")
    if connection_type not in known:
        raise AuthenticationError(
            f"Connection type not allowed: {connection_type} is none of {', '.join(sorted(known))}"
        )


def judge_revocation(claims: jwt.UserClaims, account: Account) -> None:
    """The account has not taken the user's token back."""
    if jwt.is_revoked(account.revocations, claims.subject, claims.issued_at):
        raise AuthenticationError(
            f"User authentication revoked: {claims.subject} by {account}, token issued at {claims.issued_at}"
        )


def judge_address(rights: Rights, host: str) -> None:
    """The user may come from this address."""
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


def judge_window(rights: Rights, now: float) -> list[float]:
    """The end of the time of day at which a user may be here; none if it always may."""
    if not rights.times:
        return []
    end = window_end(rights.times, rights.times_location, now)
    if end is None:
        raise AuthenticationError("Outside connect times")
    return [end]


# ---- all of them ---------------------------------------------------------------------------------


class Login(Struct, frozen=True, kw_only=True):
    """A login to be judged: who wants in, when, from where, by what kind of connection.

    ``account``: the claims of the user's account, their issuer's signature verified; None if it is not known, for the
    reason ``account_fault``. ``address``: the IP address, empty if that is not asked. ``public``: the key that will
    sign the server's nonce, empty if the seed is not at hand.
    """

    user: jwt.UserClaims
    account: jwt.AccountClaims | None
    now: float
    account_fault: str = ""
    address: str = ""
    connection_type: str = "STANDARD"
    public: str = ""


def judge_login(login: Login, trust: Trust) -> tuple[tuple[Reason, ...], Rights | None]:
    """What every check says, in the order of a server, which stops at the first that refuses; and the user's rights.

    The rights are None where they cannot be told. Checks that make no sense after a refused one are left out.
    """
    checks = _Checks(login)
    checks.user_token()
    account = login.account
    if account is None:
        checks.refuse(Rule.UNKNOWN_ACCOUNT, login.account_fault or f"account {login.user.account} is not known here")
        return checks.answers, None
    checks.account_token(account, trust)
    rights = checks.rights(account, strict=trust.is_strict(account))
    if rights is not None:
        checks.visit(rights, account)
    return checks.answers, rights


class _Checks:
    """Collects the answers of the checks."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._found: list[Reason] = []

    @property
    def answers(self) -> tuple[Reason, ...]:
        return tuple(self._found)

    def refuse(self, rule: Rule, text: str, *, until: int | None = None) -> None:
        self._found.append(Reason(granted=False, rule=rule, text=text, until=until))

    def grant(self, rule: Rule, text: str, *, until: int | None = None) -> None:
        self._found.append(Reason(granted=True, rule=rule, text=text, until=until))

    def ask(self, rule: Rule, check: Callable[[], object], text: str) -> None:
        """Note what ``check`` says: ``text`` if it raises nothing."""
        try:
            check()
        except AuthenticationError as error:
            self.refuse(rule, error.message)
        else:
            self.grant(rule, text)

    def user_token(self) -> None:
        user, now = self._login.user, self._login.now
        if user.expires and now >= user.expires:
            self.refuse(Rule.USER_EXPIRED, f"the user's token expired at {date(user.expires)}")
        elif now < user.not_before:
            text = f"the user's token is not valid before {date(user.not_before)}"
            self.refuse(Rule.USER_NOT_YET_VALID, text, until=user.not_before)
        else:
            lasts = f"until {date(user.expires)}" if user.expires else "without end"
            self.ask(Rule.USER_TOKEN, lambda: judge_token(user, now), f"the user's token is valid {lasts}")

    def account_token(self, account: jwt.AccountClaims, trust: Trust) -> None:
        now = self._login.now
        if account.issuer not in trust.keys:
            strict = " (it asks for signing keys)" if trust.strict else ""
            fault = f"the account is signed by {account.issuer}, which is no key of the operator{strict}"
            self.refuse(Rule.ACCOUNT_SIGNER, fault)
        else:
            self.grant(Rule.ACCOUNT_SIGNER, f"the operator signed the account {account.name}")
        if account.expires and now >= account.expires:
            self.refuse(Rule.ACCOUNT_NOT_IN_FORCE, f"the account's token expired at {date(account.expires)}")
        elif now < account.not_before:
            text = f"the account's token is not valid before {date(account.not_before)}"
            self.refuse(Rule.ACCOUNT_NOT_IN_FORCE, text, until=account.not_before)
        elif found := faults_of(account, now):
            self.refuse(Rule.ACCOUNT_INVALID, f"the account's token is not valid: {'; '.join(found[:8])}")
        else:
            lasts = f"until {date(account.expires)}" if account.expires else "without end"
            self.grant(Rule.ACCOUNT_INVALID, f"the account's token is valid {lasts}")

    def rights(self, account: jwt.AccountClaims, *, strict: bool) -> Rights | None:
        user = self._login.user
        try:
            rights = rights_of(user, account.subject, account, strict=strict)
            permissions_of(rights, EVERYTHING)
        except AuthenticationError as error:
            scoped = account.nats.scope_of(user.issuer) is not None
            self.refuse(Rule.SCOPE if scoped else Rule.USER_SIGNER, error.message)
            return None
        scope = account.nats.scope_of(user.issuer)
        if scope is not None:
            self.grant(Rule.SCOPE, f'signed by the scoped key {scope.key}: role "{scope.role}" gives the rights')
        else:
            whose = "the account's own key" if user.issuer == account.subject else f"its signing key {user.issuer}"
            self.grant(Rule.USER_SIGNER, f"{account.name} signed the user with {whose}")
        return rights

    def visit(self, rights: Rights, account: jwt.AccountClaims) -> None:
        """The checks of the connection itself."""
        login, user = self._login, self._login.user
        if rights.bearer_token:
            text = "the token alone logs in (bearer), and the account allows that"
            self.ask(Rule.BEARER, lambda: judge_bearer(rights, account), text)
        if rights.allowed_connection_types:
            text = f"it may connect by {login.connection_type}"
            self.ask(Rule.CONNECTION_TYPE, lambda: judge_connection_type(rights, login.connection_type), text)
        if not rights.bearer_token and login.public and login.public != user.subject:
            self.refuse(Rule.SEED, f"the seed beside the token is of {login.public}, the token of {user.subject}")
        if rights.proxy_required:
            self.grant(Rule.PROXY, "it may come through a trusted proxy only")
        revoked = jwt.is_revoked(account.nats.revocations, user.subject, user.issued_at)
        if revoked:
            self.refuse(Rule.USER_REVOKED, _revoked(user, account))
        else:
            self.grant(Rule.USER_REVOKED, "the account has not revoked the user")
        self._whereabouts(rights)
        self._limits(rights, account)

    def _whereabouts(self, rights: Rights) -> None:
        login = self._login
        if rights.src and not login.address:
            self.grant(Rule.SOURCE_ADDRESS, f"it may come from {', '.join(rights.src)} only")
        elif rights.src:
            text = f"it may come from {login.address}"
            self.ask(Rule.SOURCE_ADDRESS, lambda: judge_address(rights, login.address), text)
        if rights.times:
            zone = rights.times_location or "the server's time zone"
            shown = ", ".join(f"{each.start}-{each.end}" for each in rights.times)
            text = f"it may be connected at this time of day ({shown}, {zone})"
            try:
                judge_window(rights, login.now)
            except AuthenticationError as error:
                self.refuse(Rule.TIME_OF_DAY, f"{error.message}: {date(int(login.now))} is not in {shown}, {zone}")
            else:
                self.grant(Rule.TIME_OF_DAY, text)

    def _limits(self, rights: Rights, account: jwt.AccountClaims) -> None:
        for rule, text in _limit_faults(rights, account.nats.limits):
            self.refuse(rule, text)


def _limit_faults(rights: Rights, limits: jwt.AccountLimits) -> Iterator[tuple[Rule, str]]:
    """Limits that keep everybody out."""
    if limits.conn == 0:
        yield Rule.CONNECTION_LIMIT, "the account may have no connections"
    if 0 in (rights.subs, limits.subs):
        whose = "user" if rights.subs == 0 else "account"
        yield Rule.SUBSCRIPTION_LIMIT, f"the {whose} may have no subscriptions, so servers close the connection at once"


def judge_payload(rights: Rights, account: jwt.AccountClaims) -> Iterator[Reason]:
    """What a user's limits say about publishing: one of 0 lets nothing but empty messages through."""
    if 0 in (rights.payload, account.nats.limits.payload):
        whose = "account" if account.nats.limits.payload == 0 else "user"
        text = f"the {whose} may publish empty messages only: its payload limit is 0"
        yield Reason(granted=False, rule=Rule.PAYLOAD_LIMIT, text=text)


def _revoked(user: jwt.UserClaims, account: jwt.AccountClaims) -> str:
    revocations = account.nats.revocations
    key = user.subject if revocations.get(user.subject, -1) >= user.issued_at else "*"
    if key not in revocations:
        return "the user's token does not say when it was issued, so it counts as revoked"
    who = "the user" if key == user.subject else "all users (*)"
    return f"the account revoked {who} up to {date(revocations[key])}; this token was issued at {date(user.issued_at)}"
