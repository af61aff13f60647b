"""The operator itself, its keys and its system account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..checks import DATES, JETSTREAM, operator_findings
from ..commands import edit_account, edit_operator
from .finding import Finding, when

if TYPE_CHECKING:
    from natskit.jwt import OperatorClaims

    from .survey import Survey

__all__ = ["operator_complaints", "system_account_complaints"]


def operator_complaints(survey: Survey) -> Iterator[Finding]:
    """Token, dates and signing keys."""
    operator = survey.operator
    if operator is None:
        yield Finding(code="operator-damaged", text=survey.operator_fault, path=survey.store.operator_path)
        return
    if operator.nats.version == 1 and survey.workspace.profile.token_version == 2:
        text = f'operator "{survey.store.name}" has a token of version 1'
        yield Finding(code="operator-old", text=text, fix=(("nsc", "upgrade-jwt"),))
    yield from _dates(survey, operator)
    for each in operator_findings(operator, survey.now):
        if each.about != DATES:
            yield Finding(code="operator-invalid", text=each.text, about=each.about)
    if not survey.store.managed:
        yield from _keys(survey, operator)


def _dates(survey: Survey, operator: OperatorClaims) -> Iterator[Finding]:
    fix = (edit_operator("--expiry", "1y"),) if survey.can_sign_operator() else ()
    text = f'operator "{survey.store.name}" expires at {when(operator.expires)}'
    if 0 < operator.expires <= survey.now:
        yield Finding(code="operator-expired", text=text.replace("expires", "expired"), fix=fix)
    elif 0 < operator.expires <= survey.soon:
        yield Finding(code="operator-expiring", text=text, fix=fix)


def _keys(survey: Survey, operator: OperatorClaims) -> Iterator[Finding]:
    if not operator.nats.signing_keys:
        fix = (edit_operator("--sk", "generate"),) if survey.can_sign_operator() else ()
        text = f'operator "{survey.store.name}" has no signing key'
        yield Finding(code="operator-no-signing-key", text=text, fix=fix)
    if not survey.can_sign_operator():
        text = f'no key of operator "{survey.store.name}" that may sign accounts is in the keystore'
        yield Finding(code="operator-keys-missing", text=text)


def system_account_complaints(survey: Survey) -> Iterator[Finding]:
    """Whether there is a system account, and whether servers take it. In a managed store it is elsewhere."""
    operator = survey.operator
    if operator is None or survey.store.managed:
        return
    key = operator.nats.system_account
    if key in survey.names:
        yield from _jetstream(survey, survey.names[key])
        return
    there = survey.accounts.get("SYS")
    commands = [] if there else [("nsc", "add", "account", "-n", "SYS")]
    fix = (*commands, edit_operator("--system-account", "SYS")) if survey.can_sign_operator() else ()
    if there and there.claims is None:
        fix = ()
    if not key:
        text = f'operator "{survey.store.name}" names no system account'
        yield Finding(code="system-account-unset", text=text, fix=fix)
    elif not survey.store.has_account(key):
        text = f"the system account {key} is not in the store"
        yield Finding(code="system-account-missing", text=text, about=key, fix=fix)


def _jetstream(survey: Survey, name: str) -> Iterator[Finding]:
    for each in survey.accounts[name].findings:
        if each.about == JETSTREAM:
            fix = (edit_account(name, "--js-disable"),) if survey.can_edit(name) else ()
            text = f'the system account "{name}" has JetStream'
            yield Finding(code="system-account-jetstream", text=text, account=name, fix=fix)
