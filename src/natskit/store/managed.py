"""Accounts of somebody else's operator: sent to its account server, which signs them and hands them back.

A managed store does not hold the operator's key. Its account tokens are signed by the account itself; where the
operator names an account server (http or https) the token is sent there and the server's one is stored instead.
Source: spec/nsc.md 6.2, 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from natskit.errors import DecodeError, Error, InvalidToken, NotFound, StoreError, VerifyError

from .tokens import is_url, request

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims

__all__ = [
    "Exchange",
    "account_url",
    "exchange",
    "fetch_accounts",
    "pull_account",
    "push_account",
    "push_accounts",
    "say_farewell",
]

_AT_ONCE = 8
_T = TypeVar("_T")
_R = TypeVar("_R")


class Answer(NamedTuple):
    """What an account server said to a token: HTTP status (0: it could not be reached) and text."""

    status: int
    text: str

    @property
    def stored(self) -> bool:
        """Whether it has the token now."""
        return self.status == 200

    @property
    def accepted(self) -> bool:
        """Whether it will think about it."""
        return self.status in (201, 202)


class Exchange(NamedTuple):
    """How the exchange of one account went.

    ``answer`` is None where the operator names no account server. ``token`` is the one to store: the server's if it was
    pulled, else the one that was sent. ``problem`` says why nothing was pulled after the server had taken it.
    ``changes`` are what the server changed. ``last``: the account is being deleted, so that nothing is pulled.
    """

    token: str
    answer: Answer | None = None
    pulled: bool = False
    problem: str = ""
    changes: tuple[str, ...] = ()
    last: bool = False


def account_url(server: str, public: str) -> str:
    """Where an account server has the token of the account ``public``."""
    return f"{server.rstrip('/')}/accounts/{public}"


def push_account(server: str, public: str, token: str) -> Answer:
    """Send an account's token to the server at ``server``; never raises for what the server or the network do."""
    try:
        return Answer(*request(account_url(server, public), token.encode()))
    except (StoreError, InvalidToken) as error:
        return Answer(0, str(error))


def push_accounts(server: str, accounts: Sequence[tuple[str, str]]) -> list[Answer | None]:
    """Send the tokens of accounts (key, token), several at a time; the answers in their order.

    Once the server cannot be reached, the others are not tried: their answer is None.
    """
    away = False

    def send(account: tuple[str, str]) -> Answer | None:
        nonlocal away
        if away:
            return None
        answer = push_account(server, *account)
        away = away or not answer.status
        return answer

    return _several(send, accounts)


def _several(ask: Callable[[_T], _R], of: Sequence[_T]) -> list[_R]:
    """Wait for the server for several of them at a time; the answers in their order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, of))


def fetch_accounts(server: str, accounts: Sequence[str]) -> list[str | Error]:
    """What the server has for accounts (public keys), not verified, or why there is nothing, in their order."""

    def fetch(public: str) -> str | Error:
        try:
            return _fetch_account(account_url(server, public))
        except Error as error:
            return error

    return _several(fetch, accounts)


def _fetch_account(url: str) -> str:
    """The token there, not verified. Raises NotFound where the server has none, StoreError, InvalidToken."""
    from natskit.jwt.files import parse_jwt

    status, text = request(url)
    if status != 200:
        raise (NotFound if status == 404 else StoreError)(f'error pulling "{url}": {status}')
    return parse_jwt(text).strip()


def pull_account(server: str, public: str) -> tuple[str, AccountClaims]:
    """The token that the server has of an account. Raises StoreError, also for the token of another account."""
    from natskit.jwt import AccountClaims, decode

    url = account_url(server, public)
    try:
        token = _fetch_account(url)
        claims = decode(token, AccountClaims)
    except (DecodeError, VerifyError) as error:
        raise StoreError(f'error pulling "{url}": {error}') from None
    if claims.subject != public:
        raise StoreError(f'error pulling "{url}": it answers with the token of {claims.subject}')
    return token, claims


def exchange(operator: OperatorClaims, public: str, token: str) -> Exchange:
    """Send an account's own token to the operator's account server, take the one that the operator signed in return."""
    from natskit.jwt import AccountClaims, decode, did_sign

    server = operator.nats.account_server_url
    if not is_url(server):
        return Exchange(token)
    answer = push_account(server, public, token)
    if not answer.stored:
        return Exchange(token, answer)
    try:
        signed, claims = pull_account(server, public)
    except StoreError as error:
        return Exchange(token, answer, problem=str(error))
    sent = decode(token, AccountClaims)
    if signed != token and claims.issuer != sent.issuer and not did_sign(operator, claims):
        problem = f'the token of the server is signed by {claims.issuer}, which is no key of operator "{operator.name}"'
        return Exchange(token, answer, problem=f"{problem}: nsc pull --all brings its current keys")
    return Exchange(signed, answer, pulled=True, changes=tuple(_changes(sent, claims)))


def say_farewell(operator: OperatorClaims, public: str, token: str) -> Exchange:
    """Send the last token of an account that is being deleted."""
    server = operator.nats.account_server_url
    return Exchange(token, push_account(server, public, token) if is_url(server) else None, last=True)


_LIMITS = {
    "subs": "max subscriptions",
    "conn": "max connections",
    "leaf": "max leaf node connections",
    "imports": "max imports",
    "exports": "max exports",
    "data": "max data",
    "payload": "max message payload",
}


def _changes(sent: AccountClaims, got: AccountClaims) -> list[str]:
    was, now = _terms(sent), _terms(got)
    return [f"{words} changed from {was[words]} to {now[words]}" for words in was if was[words] != now[words]]


def _terms(claims: AccountClaims) -> dict[str, str]:
    limits = claims.nats.limits
    return {
        "jwt start": str(claims.not_before or "always"),
        "jwt expiry": str(claims.expires or "never"),
        **{words: _limit(getattr(limits, member)) for member, words in _LIMITS.items()},
        "allow wildcard exports": str(limits.wildcards).lower(),
    }


def _limit(value: int) -> str:
    return "unlimited" if value < 0 else str(value)
