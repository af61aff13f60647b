"""Activations: the token by which an exporter lets one account import a private export."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from natskit import jwt, subjects
from natskit.errors import Error
from natskit.graph.account import Account, Export, Import
from natskit.graph.reason import Reason, Rule, date, refuse

__all__ = ["judge_activation"]


def judge_activation(wanted: Import, importer: Account, exporter: Account, export: Export, now: float) -> Reason:
    """Does the token of the import ``wanted`` open the private ``export`` to ``importer`` at ``now``?

    Everything about the activation is verified here. The caller still owes: that ``export`` is of ``exporter``, of the
    kind of ``wanted`` and covers its subject, and that both accounts are what their tokens say.
    Source: spec/nkeys-and-jwt.md section 7, spec/server-accounts.md section 4.1.
    """
    # (1) there is one, it is an activation, and its issuer signed it
    if not wanted.token:
        return refuse(
            Rule.NO_ACTIVATION, wanted, "the export is private: ask its owner for an activation token", export
        )
    if "://" in wanted.token:
        fault = "the activation is the address of a token, which servers do not fetch: import the token itself"
        return refuse(Rule.ACTIVATION_INVALID, wanted, fault, export)
    claims = _decode(wanted.token)
    if isinstance(claims, str):
        return refuse(Rule.ACTIVATION_INVALID, wanted, f"the activation token is not valid: {claims}", export)
    for rule, fault, until in _faults(claims, wanted, importer, exporter, export, now):
        late = rule is Rule.ACTIVATION_EXPIRED and claims.nats.subject != wanted.subject
        return refuse(rule, wanted, fault, export, activation=claims.id, until=until, differs=_GOES_ON if late else "")
    return Reason(
        granted=True,
        rule=Rule.ACTIVATION,
        text=f'{wanted.kind} import "{wanted.subject}" from {exporter}: activation "{claims.nats.subject}"'
        f' opens the private export "{export.subject}"',
        export=export.subject,
        wanted=wanted.subject,
        activation=claims.id,
        until=claims.expires or None,
    )


_GOES_ON = "nats-server goes on delivering until the account is updated, since the activation names another subject"


def _faults(
    claims: jwt.ActivationClaims, wanted: Import, importer: Account, exporter: Account, export: Export, now: float
) -> Iterator[tuple[Rule, str, int | None]]:
    """What is wrong with a token that its issuer did sign, in the order of the checks."""
    body, owner = claims.nats, claims.exporter
    # (2) the issuer is the exporter, or one of its signing keys on its behalf
    if owner != exporter.id:
        yield Rule.ACTIVATION_FOREIGN, f"the activation is by {owner}, not by {exporter}", None
    if not exporter.signs_with(claims.issuer):
        yield Rule.ACTIVATION_FOREIGN, f"the activation is signed by {claims.issuer}, no key of {exporter}", None
    # (3) it was issued to this importer
    if claims.subject != importer.id:
        yield Rule.ACTIVATION_OTHER_ACCOUNT, f"the activation is for account {claims.subject}, not {importer}", None
    # (4) for the same kind of export
    if body.kind != wanted.kind:
        yield Rule.ACTIVATION_OTHER_KIND, f"the activation is for a {body.kind}", None
    # (5) for all of what is imported
    if not subjects.covers(body.subject, wanted.subject):
        yield Rule.ACTIVATION_OTHER_SUBJECT, f'the activation is for subject "{body.subject}"', None
    # (6) its time has come and is not over
    if claims.not_before and now < claims.not_before:
        yield (
            Rule.ACTIVATION_NOT_YET_VALID,
            f"the activation is valid from {date(claims.not_before)}",
            claims.not_before,
        )
    if claims.expires and now >= claims.expires:
        yield Rule.ACTIVATION_EXPIRED, f"the activation expired at {date(claims.expires)}", None
    # (7) the exporter has not taken it back
    if jwt.is_revoked(export.revocations, importer.id, claims.issued_at):
        yield Rule.ACTIVATION_REVOKED, f"the activation of {date(claims.issued_at)} was revoked by {exporter}", None


@lru_cache(maxsize=4096)
def _decode(token: str) -> jwt.ActivationClaims | str:
    """The claims of an activation that its issuer signed, or what is wrong with it.

    Kept, since an account is judged again whenever one of its neighbours changes.
    """
    try:
        return jwt.decode(token, jwt.ActivationClaims)
    except Error as error:
        return error.message
