"""The door: picks the way of logging in that the configuration asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from natskit.errors import AuthenticationError
from natskit.server.accounts import Account, Accounts, Member
from natskit.server.auth.admission import Admission
from natskit.server.auth.connect import ConnectOptions, Peer
from natskit.server.auth.named import NamedUsers
from natskit.server.auth.signature import verify_nonce
from natskit.server.auth.token import TokenUsers

if TYPE_CHECKING:
    from natskit.server.auth.callout import Callout
    from natskit.server.clock import Clock
    from natskit.server.options import Options

__all__ = ["Authenticator", "Guest"]

log = logging.getLogger(__name__)


TOO_MANY = "maximum subscriptions exceeded"
TOO_MANY_REASON = "Maximum Subscriptions Exceeded"


class Guest(Member, Protocol):
    """A connection that was let in, or is about to be: then its ``admission`` is None."""

    admission: Admission | None

    @property
    def subscription_count(self) -> int: ...

    def readmit(self, admission: Admission) -> None:
        """Go on with other permissions and limits. Subscriptions that are not allowed any more are removed."""


class Authenticator:
    """Lets clients in and judges them again when their account changes.

    A connection that was let in is counted from `join` on, until it calls ``admission.account.leave``. `review` is for
    ``accounts.on_change``.
    """

    def __init__(self, options: Options, accounts: Accounts, clock: Clock, callout: Callout | None = None) -> None:
        self._callout = callout
        self._proxies = options.trusted_proxies
        self._users: TokenUsers | NamedUsers
        if options.operator_mode:
            self._users = TokenUsers(options, accounts, clock)
        else:
            self._users = NamedUsers(options, accounts)

    @property
    def required(self) -> bool:
        """Whether a client has to log in before it does anything."""
        return isinstance(self._users, TokenUsers) or self._users.required

    def judges(self, connect: ConnectOptions) -> bool:
        """Whether CONNECT can be refused: a proxy must be a trusted one even where nobody has to log in."""
        return self.required or bool(self._proxies and connect.proxy_sig)

    @property
    def announced(self) -> bool:
        """``auth_required`` of INFO: not if those who say nothing are a configured ``no_auth_user``."""
        return self.required and not (isinstance(self._users, NamedUsers) and self._users.anonymous)

    @property
    def may_skip_connect(self) -> bool:
        """Whether a client that has to log in may go without CONNECT all the same, as a user of the configuration."""
        return isinstance(self._users, NamedUsers) and self._users.may_skip_connect

    @property
    def needs_nonce(self) -> bool:
        """Whether INFO carries a nonce to sign."""
        return isinstance(self._users, TokenUsers) or self._users.asks_for_signatures or bool(self._proxies)

    async def authenticate(self, connect: ConnectOptions, peer: Peer) -> Admission:
        """Let a client in. Raises AuthenticationError, its message ready for the log.

        The caller then calls `join` without awaiting anything in between.
        """
        try:
            if connect.account or connect.new_account:
                raise AuthenticationError("account and new_account of CONNECT are not supported")
            proxied = self._judge_proxy(connect, peer)
            if self._callout is None:
                admission = await self._users.admit(connect, peer)
            else:
                admission = await self._consult(self._callout, connect, peer)
            if admission.proxy_required and not proxied:
                raise AuthenticationError("Proxy Required: the client came directly", reason="Proxy Required")
            return replace(admission, proxy=proxied) if proxied else admission
        except AuthenticationError as error:
            raise _labelled(error, connect) from None

    def _judge_proxy(self, connect: ConnectOptions, peer: Peer) -> str:
        """The key of the trusted proxy by which the client comes, which signed the nonce; empty: it comes directly.

        Raises AuthenticationError.
        """
        if not self._proxies or not connect.proxy_sig:
            return ""
        for key in self._proxies:
            try:
                verify_nonce(key, peer.nonce, connect.proxy_sig, padded=False)
            except AuthenticationError:
                continue
            return key
        raise AuthenticationError("Proxy Not Trusted: no trusted key signed the nonce", reason="Proxy Not Trusted")

    async def _consult(self, callout: Callout, connect: ConnectOptions, peer: Peer) -> Admission:
        """Log in by the server's own means, then let an auth callout service have its say."""
        try:
            local: Admission | AuthenticationError = await self._users.admit(connect, peer)
        except AuthenticationError as error:
            local = error
        if isinstance(self._users, NamedUsers):
            connect = self._users.stand_in(connect)
        return await callout.settle(local, connect, peer)

    def join(self, guest: Guest, connect: ConnectOptions) -> None:
        """Count a connection, whose ``admission`` is set, in its account; and close it when its time is over.

        Raises AuthenticationError if the account has no room for it, or it may not subscribe to anything.
        """
        admission = guest.admission
        if admission is None:
            return
        try:
            admission.account.join(guest, admission.expires_at)
            if admission.max_subscriptions == 0:
                admission.account.leave(guest)
                raise AuthenticationError("the user may have no subscriptions", reply=TOO_MANY, reason=TOO_MANY_REASON)
        except AuthenticationError as error:
            raise _labelled(error, connect) from None

    async def judge_again(self, guest: Guest, connect: ConnectOptions, peer: Peer) -> None:
        """The configuration changed since ``guest`` was let in: does what it said then still let it in?

        It goes on with what it has now, or is closed: in silence if its user is gone or belongs to another account,
        else with the text of a failed login. Source: spec/server-config.md section 5.
        """
        before = guest.admission
        if before is None:
            return
        if isinstance(self._users, NamedUsers) and self._users.has_moved(connect, before.account):
            guest.close("Client Closed")
            return
        try:
            fresh = await self.authenticate(connect, peer)
        except AuthenticationError as error:
            log.info("%s is closed: %s", guest, error)
            guest.close(error.reason, error.reply)
            return
        if fresh.account is not before.account:
            guest.close("Client Closed")
        elif guest in before.account.members:
            before.account.set_deadline(guest, fresh.expires_at)
            _replace(guest, fresh)

    def review(self, account: Account) -> None:
        """The claims of ``account`` changed: judge its connections again."""
        for guest in tuple(account.members):
            self._review_guest(guest)  # type: ignore[arg-type]

    def _review_guest(self, guest: Guest) -> None:
        if guest.admission is None or not isinstance(self._users, TokenUsers):
            return
        admission = self._users.review(guest, guest.admission)
        if admission is not None:
            _replace(guest, self._callout.restrict(admission) if self._callout is not None else admission)


def _replace(guest: Guest, admission: Admission) -> None:
    """Let a connection go on with other permissions and limits, unless it has more than they allow."""
    if 0 <= admission.max_subscriptions <= guest.subscription_count:
        guest.close(TOO_MANY_REASON, TOO_MANY)
    elif admission != guest.admission:
        guest.readmit(admission)


def _labelled(error: AuthenticationError, connect: ConnectOptions) -> AuthenticationError:
    """The error as the log shows it: who wanted in, and why not."""
    message = f"authentication error{connect.credential_label()}: {error.message}"
    return AuthenticationError(
        message, reply=error.reply, reason=error.reason, callout=error.callout, verdict=error.verdict
    )
