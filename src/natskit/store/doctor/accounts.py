"""Accounts one by one: tokens, dates, signers, limits, mappings, default permissions, keys that sign."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from natskit import subjects

from ..checks import DATES, ISSUER, JETSTREAM
from ..commands import Command, edit_account, element
from .finding import MAX_PAIRS, Finding, when
from .permissions import dead_entries

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, WeightedMapping

    from ..checks import Finding as Checked
    from .survey import AccountState, Survey

__all__ = ["account_complaints", "store_complaints"]


def store_complaints(survey: Survey) -> Iterator[Finding]:
    """What concerns the accounts together: several with one key, folders without an account."""
    for name, other in survey.duplicates:
        text = f'accounts "{name}" and "{other}" have the same key'
        yield Finding(code="account-duplicate", text=text, account=name, about=other)
    for name in survey.without_token():
        path = survey.store.account_folder(name)
        yield Finding(code="account-without-token", text=f"`{path}` holds no account token", account=name, path=path)


def account_complaints(survey: Survey, state: AccountState) -> Iterator[Finding]:
    """What is wrong with one account, imports and exports aside."""
    claims, name = state.claims, state.name
    if claims is None:
        fix = _pulled(survey)
        yield Finding(code="account-damaged", text=state.fault, account=name, fix=fix)
        return
    if claims.name != name:
        text = f'account "{name}" is called "{claims.name}" in its token'
        yield Finding(code="account-renamed", text=text, account=name)
    yield from _dates(survey, name, claims)
    for each in state.findings:
        yield from _checked(survey, name, claims, each)
    if survey.store.managed and claims.issuer == claims.subject:
        text = f'account "{name}" is signed by itself, not by its operator'
        yield Finding(code="account-self-signed", text=text, account=name, fix=_pushed(survey, name))
    yield from _mappings(survey, state, claims)
    yield from _defaults(survey, name, claims)
    yield from _keys(survey, name)


def _server(survey: Survey) -> str:
    return survey.operator.nats.account_server_url if survey.operator else ""


def _pulled(survey: Survey) -> tuple[Command, ...]:
    """An account server can be asked for a single account only if its key is known: ask for all."""
    return (("nsc", "pull", "--all"),) if _server(survey) else ()


def _pushed(survey: Survey, name: str) -> tuple[Command, ...]:
    if not _server(survey).startswith("http"):
        return ()
    return ("nsc", "push", "-a", name), ("nsc", "pull", "-a", name)


def _dates(survey: Survey, name: str, claims: AccountClaims) -> Iterator[Finding]:
    can = survey.can_edit(name)
    fix = (edit_account(name, "--expiry", "1y"),) if can else ()
    if 0 < claims.expires <= survey.now:
        text = f'account "{name}" expired at {when(claims.expires)}'
        yield Finding(code="account-expired", text=text, account=name, fix=fix)
    elif 0 < claims.expires <= survey.soon:
        text = f'account "{name}" expires at {when(claims.expires)}'
        yield Finding(code="account-expiring", text=text, account=name, fix=fix)
    if claims.not_before > survey.now:
        text = f'account "{name}" is valid from {when(claims.not_before)} only'
        fix = (edit_account(name, "--start", "0"),) if can else ()
        yield Finding(code="account-early", text=text, account=name, fix=fix)


def _checked(survey: Survey, name: str, claims: AccountClaims, each: Checked) -> Iterator[Finding]:
    """What validation finds; dates, activations and mappings have codes of their own."""
    place = each.about
    if place in (DATES, JETSTREAM) or place.startswith("mappings[") or ".token" in place:
        return
    fix: tuple[Command, ...] = ()
    if place == ISSUER:
        fix = (("nsc", "reissue", "account", "-n", name),) if survey.can_sign_operator() else ()
        text = f'account "{name}" is signed by {claims.issuer}, which is no key of the operator that may sign'
        yield Finding(code="account-untrusted", text=text, account=name, about=claims.issuer, fix=fix)
    elif place in ("imports", "exports"):
        if survey.can_edit(name):
            fix = (edit_account(name, f"--{place}", str(len(getattr(claims.nats, place)))),)
        text = f'account "{name}": {each.text}'
        yield Finding(code="account-over-limits", text=text, account=name, about=place, fix=fix)
    elif each.serious or not place.endswith(".to"):  # the old form of imports, which tell of it
        code = "account-invalid" if each.serious else "account-doubtful"
        yield Finding(code=code, text=f'account "{name}": {each.text}', account=name, about=place)


# ---- mappings


def _mappings(survey: Survey, state: AccountState, claims: AccountClaims) -> Iterator[Finding]:
    name, sources = state.name, list(claims.nats.mappings)
    for source, targets in claims.nats.mappings.items():
        place = f"mappings[{source}]"
        fault = next((each.text for each in state.findings if each.serious and each.about.startswith(place)), "")
        remove = ("nsc", "delete", "mapping", "-a", name, "--from", source)
        if fault:
            instead = (remove,) if survey.can_edit(name) else ()
            text = f'account "{name}": {fault}'
            yield Finding(code="mapping-invalid", text=text, account=name, about=source, instead=instead)
        else:
            yield from _dropping(survey, name, source, targets or ())
    overlapping = (pair for pair in itertools.combinations(sources, 2) if subjects.overlaps(*pair))
    for source, other in itertools.islice(overlapping, MAX_PAIRS):
        text = f'mappings "{source}" and "{other}" of account "{name}" overlap'
        yield Finding(code="mapping-ambiguous", text=text, account=name, about=source)


def _dropping(survey: Survey, name: str, source: str, targets: tuple[WeightedMapping, ...]) -> Iterator[Finding]:
    """Where the source is one of the destinations, nothing takes what the weights leave over."""
    everywhere = {each.subject: each.weight or 100 for each in targets if not each.cluster}
    total = sum(everywhere.values())
    if source not in everywhere or total >= 100:
        return
    rest = str(everywhere[source] + 100 - total)
    keep = ("nsc", "add", "mapping", "-a", name, "--from", source, "--to", source, "--weight", rest)
    text = f'mapping "{source}" of account "{name}" loses {100 - total} % of the messages'
    fix = (keep,) if survey.can_edit(name) else ()
    yield Finding(code="mapping-drops", text=text, account=name, about=source, fix=fix)


# ---- default permissions, auth callout, keys


def _defaults(survey: Survey, name: str, claims: AccountClaims) -> Iterator[Finding]:
    for kind, entry, deny, removable in dead_entries(claims.nats.default_permissions):
        text = f'default permissions of account "{name}": {kind} "{entry}" is allowed, but "{deny}" is denied'
        fix = (edit_account(name, "--rm", element(entry)),) if removable and survey.can_edit(name) else ()
        yield Finding(code="permission-dead", text=text, account=name, about=entry, fix=fix)
    for scope in claims.nats.signing_keys:
        if isinstance(scope, str):
            continue
        for kind, allowed, deny, removable in dead_entries(scope.template):
            text = f'role "{scope.role}" of account "{name}": {kind} "{allowed}" is allowed, but "{deny}" is denied'
            edit = ("nsc", "edit", "signing-key", "-a", name, "--sk", scope.key, "--rm", element(allowed))
            fix = (edit,) if removable and survey.can_edit(name) else ()
            yield Finding(code="permission-dead", text=text, account=name, about=allowed, fix=fix)


def _keys(survey: Survey, name: str) -> Iterator[Finding]:
    if survey.can_issue(name):
        return
    text = f'no key of account "{name}" that may sign users is in the keystore'
    fix = (edit_account(name, "--sk", "generate"),) if survey.can_edit(name) else ()
    yield Finding(code="account-keys-missing", text=text, account=name, fix=fix)
