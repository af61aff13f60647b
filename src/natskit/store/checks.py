"""What is wrong with the tokens of a store (spec/nsc-commands.md 3.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import DecodeError, Error, InvalidToken, VerifyError

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Claims, Issue, OperatorClaims

    from .operator_store import OperatorStore

__all__ = ["Finding", "check_account", "check_operator", "check_tokens"]


class Finding(NamedTuple):
    """One finding. ``serious``: a server refuses the token, or part of it."""

    text: str
    serious: bool


def check_operator(store: OperatorStore, now: int) -> list[Finding]:
    """Findings about the operator's own token at ``now`` (Unix seconds). Raises NotFound, InvalidToken, VerifyError."""
    from natskit.jwt import did_sign

    claims = store.operator()
    found = _findings(claims, now)
    if not did_sign(claims, claims):
        found.append(Finding("operator is not issued by operator or operator signing key", serious=True))
    return found


def check_account(store: OperatorStore, account: str, now: int) -> list[Finding]:
    """Findings about an account and its users. A token that does not read is a finding too. Raises NotFound."""
    from natskit.jwt import did_sign

    operator = store.operator()
    try:
        claims = store.account(account)
    except (DecodeError, VerifyError) as error:
        return [Finding(str(error), serious=True)]
    found = _findings(claims, now)
    if claims.subject == operator.nats.system_account and _has_jetstream(claims):
        found.append(Finding("JetStream should not be enabled for system account", serious=True))
    if not did_sign(operator, claims):
        found.append(Finding("Account is not issued by operator or operator signing keys", serious=True))
    for user in store.users(account):
        found += _check_user(store, operator, claims, account, user, now)
    return found


def _check_user(
    store: OperatorStore, operator: OperatorClaims, account: AccountClaims, name: str, user: str, now: int
) -> Iterator[Finding]:
    from natskit.jwt import did_sign

    try:
        claims = store.user(name, user)
    except Error as error:
        yield Finding(f'user "{user}": {error}', serious=True)
        return
    for text, serious in _findings(claims, now):
        yield Finding(f'user "{user}": {text}', serious)
    if not did_sign(account, claims):
        yield Finding(f'user "{user}" is not issued by account or account signing keys', serious=True)
    elif operator.nats.strict_signing_key_usage and claims.issuer == account.subject:
        yield Finding(f'user "{user}" is issued by account key but operator is in strict mode', serious=True)


def _has_jetstream(account: AccountClaims) -> bool:
    limits = account.nats.limits
    return limits.jetstream.enabled or any(tier.enabled for tier in limits.tiered_limits.values())


def _findings(claims: Claims, now: int) -> list[Finding]:
    from natskit.jwt import issues

    return [Finding(each.text, _is_serious(each)) for each in issues(claims, now)]


def _is_serious(issue: Issue) -> bool:
    return issue.refused


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
