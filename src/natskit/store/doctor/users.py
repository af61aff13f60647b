"""Users and what revocations do to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from natskit.errors import ClaimsError, Error

from ..checks import DATES, ISSUER, STRICT, user_findings
from ..commands import Command, edit_user, element, revocations
from .finding import Finding, when
from .permissions import dead_entries

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, UserClaims, UserScope

    from ..checks import Finding as Checked
    from .survey import AccountState, Survey, UserState

__all__ = ["callout_complaints", "revocation_complaints", "user_complaints"]

_ALL = "*"


def user_complaints(survey: Survey, state: AccountState, user: UserState) -> Iterator[Finding]:
    """What is wrong with one user."""
    name, claims, owner = state.name, user.claims, state.claims
    if claims is None:
        yield Finding(code="user-damaged", text=f'user "{user.name}": {user.fault}', account=name, user=user.name)
        return
    if owner is None:
        return
    yield from _dates(survey, name, user.name, claims)
    for each in user_findings(survey.operator, owner, user.name, claims, survey.now):
        if each.about != DATES:
            yield _checked(survey, name, owner, user.name, claims, each)
    yield from _rights(survey, name, owner, user.name, claims)
    yield from _revoked(survey, name, owner, user.name, claims)


def _dates(survey: Survey, account: str, name: str, claims: UserClaims) -> Iterator[Finding]:
    where: dict[str, Any] = {"account": account, "user": name}
    can = survey.can_issue(account)
    lifetime = max(claims.expires - claims.issued_at, 2 * (survey.soon - survey.now), 86_400)
    fix = (edit_user(account, name, "--expiry", f"{-(-lifetime // 86_400)}d"),) if can else ()
    if 0 < claims.expires <= survey.now:
        yield Finding(code="user-expired", text=f'user "{name}" expired at {when(claims.expires)}', fix=fix, **where)
    elif 0 < claims.expires <= survey.soon:
        yield Finding(code="user-expiring", text=f'user "{name}" expires at {when(claims.expires)}', fix=fix, **where)
    if claims.not_before > survey.now:
        fix = (edit_user(account, name, "--start", "0"),) if can else ()
        text = f'user "{name}" is valid from {when(claims.not_before)} only'
        yield Finding(code="user-early", text=text, fix=fix, **where)


def _checked(
    survey: Survey, account: str, owner: AccountClaims, name: str, claims: UserClaims, each: Checked
) -> Finding:
    """What validation finds."""
    where: dict[str, Any] = {"account": account, "user": name}
    if each.about not in (ISSUER, STRICT):
        return Finding(code="user-invalid", text=each.text, about=each.about, **where)
    if each.about == STRICT:
        code, text = "user-strict", f'user "{name}" is signed by the identity key of its account'
    else:
        code, text = "user-untrusted", f'user "{name}" is signed by {claims.issuer}, which is no key of its account'
    fix = _reissued(survey, account, owner, name, claims)
    return Finding(code=code, text=text, about=claims.issuer, fix=fix, **where)


def _reissued(survey: Survey, account: str, owner: AccountClaims, name: str, claims: UserClaims) -> tuple[Command, ...]:
    """Sign the user again with the first stored key that takes it: a role takes no user that has rights of its own."""
    from natskit.jwt import User, new_user

    plain = (User().rights, new_user("").nats.rights)
    keys = [key for key in survey.signing_keys(owner) if survey.has(key)]
    fitting = [key for key in keys if owner.nats.scope_of(key) is None or claims.nats.rights in plain]
    if not fitting:
        return ()
    chosen = () if fitting[0] == keys[0] else ("-K", fitting[0])
    return (("nsc", "reissue", "user", "-a", account, "-n", name, *chosen),)


def _rights(survey: Survey, account: str, owner: AccountClaims, name: str, claims: UserClaims) -> Iterator[Finding]:
    where: dict[str, Any] = {"account": account, "user": name}
    can = survey.can_issue(account)
    scope = owner.nats.scope_of(claims.issuer)
    if scope is not None:
        yield from _role(survey, owner, scope, claims, where)
    by_role = scope is not None and scope.template.bearer_token
    if (claims.nats.bearer_token or by_role) and owner.nats.limits.disallow_bearer:
        fix: tuple[Command, ...] = (edit_user(account, name, "--bearer=false"),) if can and not by_role else ()
        if by_role and survey.can_edit(account):
            fix = (("nsc", "edit", "signing-key", "-a", account, "--sk", claims.issuer, "--bearer=false"),)
        text = f'user "{name}" is a bearer, which account "{account}" forbids'
        yield Finding(code="user-bearer", text=text, fix=fix, **where)
    for kind, entry, deny, removable in dead_entries(claims.nats.permissions):
        fix = (edit_user(account, name, "--rm", element(entry)),) if removable and can else ()
        text = f'user "{name}": {kind} "{entry}" is allowed, but "{deny}" is denied'
        yield Finding(code="permission-dead", text=text, about=entry, fix=fix, **where)


def _role(
    survey: Survey, owner: AccountClaims, scope: UserScope, claims: UserClaims, where: dict[str, Any]
) -> Iterator[Finding]:
    """Whether a user fits the role that it has."""
    from natskit.graph.login import filled
    from natskit.jwt import check_scoped_user

    account, name = where["account"], where["user"]
    try:
        check_scoped_user(claims, scope.key)
    except ClaimsError:
        again = ("nsc", "reissue", "user", "-a", account, "-n", name, "--as-role", "-K", scope.key)
        fix: tuple[Command, ...] = (again,) if survey.has(scope.key) else ()
        text = f'user "{name}" has the role "{scope.role}" and permissions or limits of its own'
        yield Finding(code="user-scoped-rights", text=text, fix=fix, **where)
    try:
        filled(scope, claims, owner)
    except Error as error:
        text = f'the role "{scope.role}" of user "{name}" cannot be filled in: {error}'
        yield Finding(code="user-template", text=text, about=scope.key, **where)


# ---- revocations


def _revoked(survey: Survey, account: str, owner: AccountClaims, name: str, claims: UserClaims) -> Iterator[Finding]:
    from natskit.jwt import is_revoked

    where: dict[str, Any] = {"account": account, "user": name}
    revoked = owner.nats.revocations
    if is_revoked(revoked, claims.subject, claims.issued_at):
        moment = max(revoked.get(claims.subject, 0), revoked.get(_ALL, 0))
        text = f'user "{name}", issued at {when(claims.issued_at)}, is revoked up to {when(moment)}'
        gone = ("nsc", "delete", "user", "-a", account, "-n", element(name), "--rm-nkey", "--rm-creds")
        again = _reissued(survey, account, owner, name, claims) if moment < survey.now else ()
        yield Finding(code="user-revoked", text=text, fix=(gone,), instead=again, **where)
    elif claims.subject in revoked:
        moment = revoked[claims.subject]
        text = f'user "{name}" was revoked at {when(moment)} and issued again at {when(claims.issued_at)}'
        fix = (revocations("add-user", account, "-n", name),) if survey.can_edit(account) else ()
        yield Finding(code="revocation-undone", text=text, instead=fix, **where)


def revocation_complaints(survey: Survey, state: AccountState) -> Iterator[Finding]:
    """Revocations of users that are to come, or that say nothing."""
    claims, name = state.claims, state.name
    revoked = claims.nats.revocations if claims else {}
    everybody = revoked.get(_ALL, -1)
    can = survey.can_edit(name)
    for key, moment in revoked.items():
        whom = "all users" if key == _ALL else f"user {key}"
        delete = revocations("delete-user", name, "-u", key)
        if moment > survey.now:
            fix: tuple[Command, ...] = (delete, revocations("add-user", name, "-u", key)) if can else ()
            text = f'{whom} of account "{name}" are revoked until {when(moment)}, which is to come'
            yield Finding(code="revocation-future", text=text, account=name, about=key, fix=fix)
        elif key != _ALL and moment <= everybody:
            text = f'the revocation of {whom} of account "{name}" is part of that of all users'
            fix = (delete,) if can else ()
            yield Finding(code="revocation-redundant", text=text, account=name, about=key, fix=fix)


def callout_complaints(state: AccountState, users: Sequence[UserClaims]) -> Iterator[Finding]:
    """Users that answer logins but are not in the store."""
    claims = state.claims
    known = {user.subject for user in users}
    for key in claims.nats.authorization.auth_users if claims else ():
        if key not in known:
            text = f'the auth callout user {key} of account "{state.name}" is not in the store'
            yield Finding(code="callout-user-unknown", text=text, account=state.name, about=key)
