"""Users of the configuration: names with passwords, nkeys, a single user, a token, or nobody in particular."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.errors import AuthenticationError
from natskit.server.accounts import Account, Accounts
from natskit.server.auth.admission import Admission
from natskit.server.auth.certificate import map_certificate
from natskit.server.auth.connect import ConnectOptions, Peer
from natskit.server.auth.password import is_bcrypt, matches_password
from natskit.server.auth.signature import verify_nonce
from natskit.server.configured import permissions_of
from natskit.server.options import GLOBAL_ACCOUNT, SYSTEM_ACCOUNT

if TYPE_CHECKING:
    from natskit.server.options import Options, User

__all__ = ["NamedUsers"]

log = logging.getLogger(__name__)


class NamedUsers:
    """Lets the users of a configuration in."""

    def __init__(self, options: Options, accounts: Accounts) -> None:
        self._accounts = accounts
        self._authorization = options.authorization
        self._users = {user.id: (account, user) for account, user in options.users()}
        self._has_nkeys = any(user.nkey for _, user in self._users.values())
        self._has_names = any(user.name for _, user in self._users.values())
        self._permissions = {key: permissions_of(user.permissions) for key, (_, user) in self._users.items()}
        self._mapping_types = _mapping_types(options)
        self._proxy_required = options.authorization is not None and options.authorization.proxy_required
        self.anonymous = options.no_auth_user
        self.admits_unknown = not options.no_auth_user and _only_system_users(options)

    @property
    def required(self) -> bool:
        """Whether clients have to say who they are at all."""
        single = self._authorization
        return bool(self._users or (single is not None and (single.user or single.token)))

    @property
    def may_skip_connect(self) -> bool:
        """Whether a client may leave out CONNECT and is somebody all the same."""
        found = self._users.get(self.anonymous)
        return self.admits_unknown or bool(found and found[1].name)

    @property
    def asks_for_signatures(self) -> bool:
        """Whether some users prove themselves by signing a nonce."""
        return self._has_nkeys

    async def admit(self, connect: ConnectOptions, peer: Peer) -> Admission:
        """Check what a client offers. Raises AuthenticationError with the reason.

        One kind of credential is looked at, the first there is: an nkey, a user, a token.
        Source: spec/server-accounts.md section 1.2.
        """
        if not self.required:
            return self._nobody()
        if self._has_names and peer.connection_type in self._mapping_types:
            return await self._admit_certificate(connect, peer)
        if self._says_nothing(connect):
            if self.admits_unknown:
                return self._nobody()
            if self.anonymous:
                return self.admit_anonymous(peer)
        if self._has_nkeys and connect.nkey:
            return self._admit_nkey(connect, peer)
        if self._has_names and connect.user:
            return await self._admit_name(connect, peer)
        return await self._admit_single(connect)

    def admit_anonymous(self, peer: Peer) -> Admission:
        """Let somebody in as the ``no_auth_user``. Raises AuthenticationError."""
        account, user = self._known(self.anonymous, "no_auth_user")
        if is_bcrypt(user.password):
            raise AuthenticationError(f'no_auth_user "{user.id}" has a hash for a password: nobody can stand in for it')
        _judge_connection_type(user, peer)
        return self._admission(account, user)

    def stand_in(self, connect: ConnectOptions) -> ConnectOptions:
        """The credentials that count: those of the ``no_auth_user`` for somebody who offers none."""
        if not self.anonymous or not self._says_nothing(connect):
            return connect
        found = self._users.get(self.anonymous)
        if found is None or found[1].nkey:
            return connect
        return replace(connect, user=found[1].name, password=found[1].password)

    def _says_nothing(self, connect: ConnectOptions) -> bool:
        """Whether a client offers no credential. Keys count where there are any."""
        return not (connect.user or connect.password or connect.auth_token or (connect.nkey and self._has_nkeys))

    def has_moved(self, connect: ConnectOptions, account: Account) -> bool:
        """Whether the user that a client named is gone, or is one of another account than ``account``."""
        name = connect.nkey or connect.user
        if not name or not self._users:
            return False
        found = self._users.get(name)
        return found is None or found[0] != account.id

    def _nobody(self) -> Admission:
        from natskit.graph import EVERYTHING

        return Admission(account=self._account(GLOBAL_ACCOUNT), permissions=EVERYTHING)

    def _admit_nkey(self, connect: ConnectOptions, peer: Peer) -> Admission:
        account, user = self._known(connect.nkey, "nkey")
        _judge_connection_type(user, peer)
        verify_nonce(user.nkey, peer.nonce, connect.sig)
        return self._admission(account, user)

    async def _admit_certificate(self, connect: ConnectOptions, peer: Peer) -> Admission:
        """The user that the client's certificate stands for, whatever else the client says but its password."""
        if peer.certificate is None:
            raise AuthenticationError("User required in cert, no TLS certificate was shown")
        name = map_certificate(peer.certificate, lambda: iter(self._users), self._is_name)
        if not name:
            raise AuthenticationError(f"User in cert {peer.certificate.describe()}, not found")
        account, user = self._users[name]
        _judge_connection_type(user, peer)
        if connect.user and connect.user != name:
            log.warning('%s - User "%s" found in connect proto, but user required from cert', peer, connect.user)
        if not await matches_password(user.password, connect.password):
            raise AuthenticationError(f'wrong password for "{name}", the user of the certificate')
        return self._admission(self._account(account), user)

    def _is_name(self, candidate: str) -> bool:
        found = self._users.get(candidate)
        return found is not None and bool(found[1].name)

    async def _admit_name(self, connect: ConnectOptions, peer: Peer) -> Admission:
        account, user = self._known(connect.user, "user")
        _judge_connection_type(user, peer)
        if not user.password and self._mapping_types:
            raise AuthenticationError("a user without password logs in with its certificate only")
        if not await matches_password(user.password, connect.password):
            raise AuthenticationError("wrong password")
        return self._admission(account, user)

    async def _admit_single(self, connect: ConnectOptions) -> Admission:
        """The single user, or the token, of ``authorization``."""
        single = self._authorization
        if single is not None and single.token:
            if not connect.auth_token or not await matches_password(single.token, connect.auth_token):
                raise AuthenticationError("wrong token" if connect.auth_token else "a token is required")
            return self._single("[REDACTED]")
        if single is not None and single.user:
            if connect.user != single.user:
                raise AuthenticationError("unknown user" if connect.user else "user and password are required")
            if not await matches_password(single.password, connect.password):
                raise AuthenticationError("wrong password")
            return self._single(single.user)
        raise AuthenticationError("no credential that this server knows")

    def _single(self, user: str) -> Admission:
        return replace(self._nobody(), user=user, proxy_required=self._proxy_required)

    def _known(self, key: str, what: str) -> tuple[Account, User]:
        found = self._users.get(key)
        if found is None or ((what == "nkey") != bool(found[1].nkey) and what != "no_auth_user"):
            raise AuthenticationError(f"unknown {what}")
        return self._account(found[0]), found[1]

    def _account(self, name: str) -> Account:
        account = self._accounts.find(name)
        if account is None:
            raise AuthenticationError(f'account "{name}" does not exist', reply="Failed Account Registration")
        return account

    def _admission(self, account: Account, user: User) -> Admission:
        return Admission(
            account=account,
            permissions=self._permissions[user.id],
            user=user.id,
            max_subscriptions=account.limits.max_subscriptions,
            max_payload=account.limits.max_payload,
            proxy_required=user.proxy_required or self._proxy_required,
        )


def _judge_connection_type(user: User, peer: Peer) -> None:
    if user.connection_types and peer.connection_type not in user.connection_types:
        allowed = ", ".join(user.connection_types)
        raise AuthenticationError(f"Connection type not allowed: {peer.connection_type} is none of {allowed}")


def _mapping_types(options: Options) -> frozenset[str]:
    """The kinds of connection whose certificates stand for users."""
    listeners = {"STANDARD": options.tls, "WEBSOCKET": options.websocket.tls if options.websocket else None}
    return frozenset(kind for kind, tls in listeners.items() if tls is not None and tls.verify_and_map)


def _only_system_users(options: Options) -> bool:
    """Whether the system account is the only one with users, so that everybody else may stay in ``$G``.

    Source: spec/server-accounts.md section 2.3.
    """
    system = options.system_account or SYSTEM_ACCOUNT
    return options.authorization is None and all(
        account.name in (GLOBAL_ACCOUNT, system) for account in options.accounts
    )
