"""Auth callout: a service that runs on the server itself decides who a client is.

The server asks it with a signed request on ``$SYS.REQ.USER.AUTH`` in the callout account, and believes a signed answer
that carries a user's token. Source: spec/server-accounts.md section 1.8, spec/nkeys-and-jwt.md section 6.3.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from natskit import graph, jwt
from natskit.errors import AuthenticationError, Error, VerifyError
from natskit.graph.login import judge_address, judge_connection_type, judge_revocation, judge_window
from natskit.jwt import authorization as wire_format
from natskit.jwt.validation import issues
from natskit.nkeys import KeyPair, Role
from natskit.server.auth.admission import Admission
from natskit.server.auth.connect import ConnectOptions, Peer
from natskit.server.auth.token import admission_of, judge_account, judge_user
from natskit.server.services.answers import random_token

if TYPE_CHECKING:
    from natskit.server.accounts import Account, Accounts
    from natskit.server.clock import Clock
    from natskit.server.options import Options

__all__ = ["Callout", "CalloutServer"]

log = logging.getLogger(__name__)

SUBJECT = "$SYS.REQ.USER.AUTH"
AUDIENCE = "nats-authorization-request"
XKEY_HEADER = b"Nats-Server-Xkey"
ANY_ACCOUNT = "*"


class CalloutServer(Struct, frozen=True, kw_only=True):
    """The server that asks: it signs with ``key`` and opens sealed answers with ``xkey``."""

    key: KeyPair
    xkey: KeyPair
    name: str
    host: str
    version: str
    tags: tuple[str, ...] = ()


class Delegation(Struct, frozen=True, kw_only=True):
    """Who decides about a client: the service in ``account``.

    ``issuer`` is the key of the configuration that signs answers and users; empty in operator mode, where keys of
    accounts do. ``xkey``: requests are sealed for it. ``allowed``: accounts that users may be placed in.
    """

    account: Account
    issuer: str
    xkey: str
    allowed: tuple[str, ...]


class Callout:
    """Asks auth callout services about clients."""

    def __init__(self, options: Options, accounts: Accounts, clock: Clock, server: CalloutServer) -> None:
        authorization = options.authorization
        self._configured = authorization.callout if authorization is not None else None
        self._timeout_s = options.auth_timeout_s
        self._accounts = accounts
        self._clock = clock
        self._server = server
        self._operator_mode = options.operator_mode
        self._pinned = options.resolver_pinned_accounts

    async def settle(self, local: Admission | AuthenticationError, connect: ConnectOptions, peer: Peer) -> Admission:
        """The last word about a client whose login has come to ``local`` by the server's own means.

        Raises AuthenticationError if it is refused.
        """
        delegation = self._delegation(local)
        if delegation is not None:
            return await self._ask(delegation, connect, peer)
        if isinstance(local, AuthenticationError):
            raise local
        return self.restrict(local)

    def restrict(self, admission: Admission) -> Admission:
        """The admission; in a callout account without leave to pretend to be the server that asks."""
        return _without_callout_subject(admission) if self._is_callout_account(admission.account) else admission

    # who decides

    def _delegation(self, local: Admission | AuthenticationError) -> Delegation | None:
        if self._operator_mode:
            return self._delegation_by_account(local)
        configured = self._configured
        if configured is None:
            return None
        if isinstance(local, Admission):
            if local.user in configured.auth_users:
                return None
            if configured.allowed_accounts and local.account.id not in configured.allowed_accounts:
                return None
        account = self._accounts.find(configured.account)
        if account is None:
            raise AuthenticationError(f'the auth callout account "{configured.account}" does not exist')
        return Delegation(
            account=account, issuer=configured.issuer, xkey=configured.xkey, allowed=configured.allowed_accounts
        )

    def _delegation_by_account(self, local: Admission | AuthenticationError) -> Delegation | None:
        if isinstance(local, AuthenticationError) or local.account.claims is None:
            return None
        chosen = local.account.claims.nats.authorization
        if not chosen.auth_users or local.user in chosen.auth_users:
            return None
        return Delegation(account=local.account, issuer="", xkey=chosen.xkey, allowed=chosen.allowed_accounts)

    def _is_callout_account(self, account: Account) -> bool:
        if self._configured is not None:
            return account.id == self._configured.account
        return account.claims is not None and bool(account.claims.nats.authorization.auth_users)

    # asking

    async def _ask(self, delegation: Delegation, connect: ConnectOptions, peer: Peer) -> Admission:
        user_key = KeyPair.create(Role.USER).public
        request = self._request(delegation, user_key, connect, peer)
        token = jwt.encode(request, self._server.key, issued_at=int(self._clock.now()))
        answer = await self._exchange(delegation, token)
        try:
            admission = await self._judge(delegation, user_key, answer, peer)
        except Error as error:
            log.warning("%s - %s", peer, error)
            message = error.message
            raise AuthenticationError(message, callout=delegation.account.id, verdict=message) from None
        # Its token counts no longer: it is called by what else it said, if the service does not give it a name.
        said = replace(connect, jwt="").claimed_user
        return admission if admission.user else replace(admission, user=said or user_key)

    async def _exchange(self, delegation: Delegation, token: str) -> bytes:
        """What the service answers. Raises AuthenticationError if it does not."""
        space = delegation.account.space
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def on_answer(subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> None:
            if not answer.done():
                answer.set_result(payload)

        payload, headers = token.encode(), b""
        if delegation.xkey:
            payload = self._server.xkey.seal(payload, delegation.xkey)
            headers = b"NATS/1.0\r\n%b: %b\r\n\r\n" % (XKEY_HEADER, self._server.xkey.public.encode())
        inbox = f"$SYS._INBOX.{random_token(8)}.{random_token(8)}".encode()
        handle = space.subscribe_internal(inbox, on_answer, imports=False)
        try:
            if not space.publish_internal(SUBJECT.encode(), inbox, headers, payload, links=False):
                text = f"no auth callout service is there on account {delegation.account.model}"
                raise AuthenticationError(text, callout=delegation.account.id)
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            text = f"auth callout service on account {delegation.account.model} did not answer in {self._timeout_s:g}s"
            raise AuthenticationError(text, callout=delegation.account.id) from None
        finally:
            space.unsubscribe_internal(handle)

    def _request(
        self, delegation: Delegation, user_key: str, connect: ConnectOptions, peer: Peer
    ) -> jwt.AuthorizationRequestClaims:
        server = self._server
        body = jwt.AuthorizationRequest(
            server_id=wire_format.ServerID(
                name=server.name,
                host=server.host,
                id=server.key.public,
                version=server.version,
                tags=server.tags,
                xkey=server.xkey.public if delegation.xkey else "",
            ),
            user_nkey=user_key,
            client_info=wire_format.ClientInformation(
                host=peer.host,
                id=peer.cid,
                user=connect.nkey or connect.user,
                name=connect.name,
                kind="Client",
                type="websocket" if peer.connection_type == "WEBSOCKET" else "nats",
                nonce=peer.nonce if connect.sig else "",
            ),
            connect_opts=wire_format.ConnectOptions(
                jwt=connect.jwt,
                nkey=connect.nkey,
                sig=connect.sig,
                auth_token=connect.auth_token,
                user=connect.user,
                password=connect.password,
                name=connect.name,
                lang=connect.lang,
                version=connect.version,
                protocol=connect.protocol,
            ),
        )
        return jwt.AuthorizationRequestClaims(
            audience=AUDIENCE,
            expires=int(self._clock.now() + self._timeout_s) + 1,
            subject=delegation.issuer or delegation.account.id,
            nats=body,
        )

    # judging the answer

    async def _judge(self, delegation: Delegation, user_key: str, answer: bytes, peer: Peer) -> Admission:
        """What a client gets by an answer. Raises AuthenticationError or another Error with the check that failed."""
        where = f'on account "{delegation.account.id}"'
        # (1) there is an answer, for our eyes only if that was agreed
        if not answer:
            raise AuthenticationError(f'Auth callout violation: "no reason supplied" {where}')
        if delegation.xkey and not answer.startswith(b"eyJ"):
            answer = self._open(answer, delegation.xkey, where)
        # (2) it is one, in order, and meant for this client and this server
        response = jwt.decode(answer.decode("ascii", "replace"), jwt.AuthorizationResponseClaims)
        self._check_claims(response, "Authorization response had validation errors")
        if response.subject != user_key:
            raise VerifyError("Auth callout violation: auth callout response is not for expected user")
        if response.audience != self._server.key.public:
            raise VerifyError("Auth callout violation: auth callout response is not for server")
        # (3) by one who may answer
        self._check_response_signer(delegation, response, where)
        if response.nats.error:
            raise AuthenticationError(f"Auth callout service returned an error: {response.nats.error}")
        # (4) the user that it carries is in order, and is the one that was asked for
        user = jwt.decode(response.nats.jwt, jwt.UserClaims)
        self._check_claims(user, "Error validating user JWT")
        if user.subject != user_key:
            raise VerifyError(f'Expected authorized user of "{user_key}" but got "{user.subject}" {where}')
        # (5) it is placed where it may be, by one who may
        if delegation.issuer:
            admission = self._place(delegation, user, where)
        else:
            admission = await self._place_by_signer(delegation, user)
        # (6) it may come this way, now
        return self._admit(user, admission, peer, where)

    def _open(self, sealed: bytes, xkey: str, where: str) -> bytes:
        try:
            return self._server.xkey.open(sealed, xkey)
        except Error as error:
            raise VerifyError(f"Error decrypting auth callout response {where}: {error}") from None

    def _check_claims(self, claims: jwt.Claims, what: str) -> None:
        found = [issue.text for issue in issues(claims, int(self._clock.now())) if issue.refused]
        if found:
            raise VerifyError(f"{what}: {'; '.join(found[:8])}")

    def _check_response_signer(
        self, delegation: Delegation, response: jwt.AuthorizationResponseClaims, where: str
    ) -> None:
        if delegation.issuer:
            if response.issuer != delegation.issuer:
                expected = f'expected "{delegation.issuer}" got "{response.issuer}"'
                raise VerifyError(f"Wrong issuer for auth callout response {where}, {expected}")
            return
        account_id = delegation.account.id
        if response.nats.issuer_account not in ("", account_id):
            raise VerifyError(
                f'Auth callout response issuer account "{response.nats.issuer_account}" is not the callout account'
            )
        if not delegation.account.model.signs_with(response.issuer):
            raise VerifyError(f"Auth callout signing key is unknown: {response.issuer} {where}")

    def _place(self, delegation: Delegation, user: jwt.UserClaims, where: str) -> Admission:
        if user.issuer != delegation.issuer:
            expected = f'expected "{delegation.issuer}" got "{user.issuer}"'
            raise VerifyError(f"Wrong issuer for auth callout response {where}, {expected}")
        if user.nats.issuer_account:
            raise VerifyError(
                f'Error non operator mode account "{delegation.account.id}": attempted to use issuer_account'
            )
        target = self._accounts.find(user.audience) if user.audience else delegation.account
        if target is None:
            raise VerifyError(f'No valid account "{user.audience}" for auth callout response {where}: account missing')
        self._check_allowed(delegation, target)
        return admission_of(user, user.nats, target, graph.Permissions.from_claims(user.nats))

    async def _place_by_signer(self, delegation: Delegation, user: jwt.UserClaims) -> Admission:
        if self._pinned and user.account not in self._pinned:
            raise VerifyError(f"Account {user.account} not listed as operator pinned account")
        try:
            target = await self._accounts.get(user.account)
        except Error as error:
            raise VerifyError(f'User JWT issuer "{user.issuer}" is not known: {error}') from None
        self._check_allowed(delegation, target)
        admission, _ = judge_user(user, target, strict=self._accounts.is_strict(target))
        judge_account(target, self._clock.now())
        judge_revocation(user, target.model)
        return admission

    def _check_allowed(self, delegation: Delegation, target: Account) -> None:
        """Users stay in the callout account, unless others are allowed."""
        if target is delegation.account or ANY_ACCOUNT in delegation.allowed or target.id in delegation.allowed:
            return
        if delegation.issuer and not delegation.allowed:
            return  # a configuration without such a list leaves it to the service
        raise VerifyError(
            f'Account "{target.id}" not permitted as valid account option for auth callout for account'
            f' "{delegation.account.id}"'
        )

    def _admit(self, user: jwt.UserClaims, admission: Admission, peer: Peer, where: str) -> Admission:
        rights = admission.rights
        assert rights is not None
        try:
            judge_connection_type(rights, peer.connection_type)
        except AuthenticationError as error:
            raise AuthenticationError(f"Authorized user {where} using invalid connection type: {error}") from None
        try:
            judge_address(rights, peer.host)
        except AuthenticationError as error:
            raise AuthenticationError(f"Authorized user {where} coming from a wrong address: {error}") from None
        ends = [float(user.expires)] if user.expires else []
        try:
            ends += judge_window(rights, self._clock.now())
        except AuthenticationError:
            raise AuthenticationError(f"Authorized user {where} outside of valid connect times") from None
        admission = replace(admission, user=user.name, expires_at=min(ends, default=None))
        return self.restrict(admission)


def _without_callout_subject(admission: Admission) -> Admission:
    """Nobody in the callout account may pretend to be the server that asks."""
    old = admission.permissions
    permissions = graph.Permissions.compile(
        old.publish_allow, (*old.publish_deny, SUBJECT), old.subscribe_allow, old.subscribe_deny, old.responses
    )
    return replace(admission, permissions=permissions)
