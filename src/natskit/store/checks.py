"""What is wrong with the tokens of a store (spec/nsc-commands.md 3.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from natskit.errors import Error, InvalidToken

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, OperatorClaims, UserClaims

    from .operator_store import OperatorStore

__all__ = [
    "DAMAGED",
    "DATES",
    "ISSUER",
    "JETSTREAM",
    "STRICT",
    "Finding",
    "account_findings",
    "check_account",
    "check_operator",
    "check_tokens",
    "operator_findings",
    "user_findings",
]

DATES, ISSUER, STRICT, JETSTREAM, DAMAGED = "dates", "issuer", "strict", "jetstream", "damaged"


class Finding(msgspec.Struct, frozen=True):
    """One finding. ``serious``: a server refuses the token, or part of it.

    ``about`` is one of the constants above, or for what is wrong with the content of claims the place, such as
    ``imports[2].token``.
    """

    text: str
    serious: bool
    about: str = ""


# ---- claims


def operator_findings(claims: OperatorClaims, now: int) -> list[Finding]:
    """Findings about an operator's claims at ``now`` (Unix seconds)."""
    from natskit.jwt import did_sign

    found = _findings(claims, now)
    if not did_sign(claims, claims):
        found.append(Finding("operator is not issued by operator or operator signing key", True, ISSUER))
    return found


def account_findings(operator: OperatorClaims | None, claims: AccountClaims, now: int) -> list[Finding]:
    """Findings about an account's claims; of an ``operator`` that is not known (None) nothing is asked."""
    from natskit.jwt import did_sign

    found = [*_findings(claims, now), *_mapping_findings(claims)]
    if operator is None:
        return found
    if claims.subject == operator.nats.system_account and _has_jetstream(claims):
        found.append(Finding("JetStream should not be enabled for system account", True, JETSTREAM))
    if not did_sign(operator, claims):
        found.append(Finding("Account is not issued by operator or operator signing keys", True, ISSUER))
    return found


def user_findings(
    operator: OperatorClaims | None, account: AccountClaims, user: str, claims: UserClaims, now: int
) -> Iterator[Finding]:
    """Findings about the claims of ``user`` (its name in the store)."""
    from natskit.jwt import did_sign

    for each in _findings(claims, now):
        yield Finding(f'user "{user}": {each.text}', each.serious, each.about)
    if not did_sign(account, claims):
        yield Finding(f'user "{user}" is not issued by account or account signing keys', True, ISSUER)
    elif operator and operator.nats.strict_signing_key_usage and claims.issuer == account.subject:
        yield Finding(f'user "{user}" is issued by account key but operator is in strict mode', True, STRICT)


def _mapping_findings(claims: AccountClaims) -> Iterator[Finding]:
    """Mappings that servers cannot make: they refuse the account then."""
    for source, targets in claims.nats.mappings.items():
        from .mappings import fault_of

        for each in targets or ():
            fault = fault_of(source, each.subject)
            if fault:
                yield Finding(f'Mapping "{source}" to "{each.subject}": {fault}', True, f"mappings[{source}]")


def _has_jetstream(account: AccountClaims) -> bool:
    limits = account.nats.limits
    return limits.jetstream.enabled or any(tier.enabled for tier in limits.tiered_limits.values())


def _findings(claims: Claims, now: int) -> list[Finding]:
    from natskit.jwt import issues

    return [
        Finding(each.text, each.refused, DATES if each.severity == "time" else each.path)
        for each in issues(claims, now)
    ]


# ---- stores


def check_operator(store: OperatorStore, now: int) -> tuple[OperatorClaims | None, list[Finding]]:
    """The operator, None if its token does not read, and the findings about it."""
    try:
        claims = store.operator()
    except Error as error:
        return None, [Finding(str(error), True, DAMAGED)]
    return claims, operator_findings(claims, now)


def check_account(store: OperatorStore, operator: OperatorClaims | None, account: str, now: int) -> list[Finding]:
    """Findings about an account and its users. A token that does not read is a finding too."""
    try:
        claims, users = store.account(account), store.users(account)
    except Error as error:
        return [Finding(str(error), True, DAMAGED)]
    found = account_findings(operator, claims, now)
    for user in users:
        try:
            found += user_findings(operator, claims, user, store.user(account, user), now)
        except Error as error:
            found.append(Finding(f'user "{user}": {error}', True, DAMAGED))
    return found


def check_tokens(lines: Iterable[str], now: int) -> dict[str, tuple[str, list[Finding]]]:
    """Findings about tokens, one a line (``key|token`` too), by subject: its kind and what is wrong.

    Raises UsageError for a line that is no token.
    """
    from natskit.jwt import decode

    found: dict[str, tuple[str, list[Finding]]] = {}
    for line in filter(None, map(str.strip, lines)):
        token = line.rpartition("|")[2]
        try:
            claims = decode(token)
        except Error as error:
            shown = token if len(token) < 20 else f"{token[:8]}..."
            raise InvalidToken(f"claim decoding error: '{error}' claim: '{shown}'") from None
        _, findings = found.setdefault(claims.subject, (claims.kind, []))
        findings += _findings(claims, now)
    return found
