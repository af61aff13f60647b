"""Exports that nobody gets anything from, and revocations of their activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from natskit import subjects

from ..commands import Command, revocations
from .finding import Finding, when
from .permissions import may_publish_into, may_subscribe_into, rights_of

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Export, UserClaims

    from .survey import AccountState, Survey

__all__ = ["export_complaints"]


def export_complaints(
    survey: Survey, importers: dict[str, set[str]], state: AccountState, users: Sequence[UserClaims]
) -> Iterator[Finding]:
    """What is wrong with the exports of one account. ``importers``: by exporter's key, who imports from it.

    Servers answer what the system account exports, and anybody may import it.
    """
    claims = state.claims
    if claims and survey.operator and claims.subject == survey.operator.nats.system_account:
        return
    for export in claims.nats.exports if claims else ():
        assert claims
        what = f'{export.type} export "{export.subject}" of account "{state.name}"'
        if users and not _is_reachable(claims, export, users):
            verb = "publish into" if export.is_stream else "subscribe to"
            text = f"{what}: none of its {len(users)} users may {verb} it"
            yield Finding(code="export-unreachable", text=text, account=state.name, about=export.subject)
        yield from _revocations(survey, state.name, claims, export)
        if not any(_imports(survey, key, claims.subject, export) for key in importers.get(claims.subject, ())):
            text = f"{what} is imported by no account of the store"
            yield Finding(code="export-unimported", text=text, account=state.name, about=export.subject)


def _imports(survey: Survey, importer: str, exporter: str, export: Export) -> bool:
    claims = survey.accounts[importer].claims
    return claims is not None and any(
        each.account == exporter and each.type == export.type and subjects.overlaps(export.subject, each.remote_subject)
        for each in claims.nats.imports
    )


def _is_reachable(claims: AccountClaims, export: Export, users: Sequence[UserClaims]) -> bool:
    """Whether a user, a mapping or (for services) an import of the account has to do with an export.

    Users may be elsewhere: a callout service makes them up, and a role says what those will be allowed that come.
    """
    if claims.nats.authorization:
        return True
    if export.is_service and any(each.is_service for each in claims.nats.imports):
        return True  # requests may go on to the next account
    if export.is_stream and claims.nats.mappings:
        return True  # what is published elsewhere may end up there
    may = may_publish_into if export.is_stream else may_subscribe_into
    roles = (scope.template for scope in claims.nats.signing_keys if not isinstance(scope, str))
    rights = (rights_of(user, claims) for user in users)
    return any(each is not None and may(each, export.subject) for each in (*rights, *roles))


def _revocations(survey: Survey, name: str, claims: AccountClaims, export: Export) -> Iterator[Finding]:
    service = ("--service",) if export.is_service else ()
    for key, moment in export.revocations.items():
        where = f'of {export.type} export "{export.subject}"'
        flags = ("--subject", export.subject, "--target-account", key, *service)
        fix: tuple[Command, ...] = ()
        if survey.can_edit(name):
            fix = (revocations("delete-activation", name, *flags),)
        if not export.token_req:
            text = f"the revocation of {survey.display(key)} {where} has no effect: the export is public"
            yield Finding(code="revocation-useless", text=text, account=name, about=export.subject, fix=fix)
        elif moment > survey.now:
            again = revocations("add-activation", name, *flags)
            text = f"activations for {survey.display(key)} {where} are revoked until {when(moment)}, which is to come"
            fix = (*fix, again) if fix else ()
            yield Finding(code="revocation-future", text=text, account=name, about=export.subject, fix=fix)
        else:
            yield from _undone(survey, name, claims, export, key, moment)


def _undone(
    survey: Survey, name: str, claims: AccountClaims, export: Export, key: str, moment: int
) -> Iterator[Finding]:
    """A revoked importer that has a newer activation."""
    from natskit.errors import Error
    from natskit.jwt import ActivationClaims, decode

    state = survey.accounts.get(survey.names.get(key, ""))
    for each in state.claims.nats.imports if state and state.claims else ():
        if each.account != claims.subject or not each.token or each.type != export.type:
            continue
        if not subjects.covers(export.subject, each.remote_subject):
            continue
        try:
            issued = decode(each.token, ActivationClaims).issued_at
        except Error:
            continue
        if issued > moment:
            text = (
                f'account "{survey.display(key)}" was revoked at {when(moment)},'
                f' its activation for "{each.subject}" was issued at {when(issued)}'
            )
            yield Finding(code="revocation-activation-undone", text=text, account=name, about=export.subject)
