"""Tokens of accounts through the system account: pushed, listed, handed out, deleted.

Source: spec/server-accounts.md section 8, spec/account-server.md sections 7.4 and 8.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from natskit import jwt, nkeys
from natskit.errors import DeniedError, Error
from natskit.server.resolvers import Cache, Directory
from natskit.server.system import Handler, System

if TYPE_CHECKING:
    from natskit.server.accounts import Accounts

__all__ = ["ClaimsDirectory", "ClaimsUpdates", "open_claims"]

log = logging.getLogger(__name__)


def open_claims(system: System, accounts: Accounts) -> None:
    """Answer everything about tokens that the resolver of ``accounts`` is good for."""
    ClaimsUpdates(system, accounts)
    if isinstance(accounts.resolver, Directory):
        ClaimsDirectory(system, accounts, accounts.resolver)


class ClaimsUpdates:
    """Takes new tokens of accounts that are pushed through the system account.

    A token is checked as if it were fetched, and refused with the reason if it is not trusted, not valid now, or older
    than what is known.
    """

    SUBJECTS = (
        ("$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", 3),
        ("$SYS.ACCOUNT.*.CLAIMS.UPDATE", 2),
        ("$SYS.REQ.CLAIMS.UPDATE", None),
    )

    def __init__(self, system: System, accounts: Accounts) -> None:
        self._system = system
        self._accounts = accounts
        for subject, position in self.SUBJECTS:
            system.serve(subject, self._handler(position))

    def _handler(self, position: int | None) -> Handler:
        resolver = self._accounts.resolver
        what = resolver.update if resolver is not None else "jwt update"
        stores = isinstance(resolver, Directory)

        def on_update(tokens: list[str], reply: str, payload: bytes) -> None:
            account_id = tokens[position] if position is not None else ""
            if not payload:
                self._refuse(reply, account_id, f"{what} error - request body is empty")
                return
            token = payload.decode("ascii", "replace").strip()
            try:
                if stores or not account_id:
                    account_id, named = "", account_id  # whose it is, nobody knows before it is read
                    claims = jwt.decode(token, jwt.AccountClaims)
                    account_id = named or claims.subject
                    if stores and (faults := _faults(claims)):
                        self._refuse(reply, account_id, f"jwt validation failed - validation errors: [{faults}]")
                        return
                message = self._accounts.update(account_id, token)
            except Error as error:
                self._refuse(reply, account_id, f"{what} resulted in error - {error}")
            else:
                self._answer(reply, "data", {"account": account_id, "code": 200, "message": message})

        return on_update

    def _refuse(self, reply: str, account_id: str, description: str) -> None:
        account_id = account_id or "n/a"
        log.warning("%s - %s", description, account_id)
        self._answer(reply, "error", {"account": account_id, "code": 500, "description": description})

    def _answer(self, reply: str, kind: str, content: dict[str, object]) -> None:
        if reply:
            self._system.say(reply, {kind: content})


def _faults(claims: jwt.AccountClaims) -> str:
    """What is wrong with a token at any time."""
    return " ".join(issue.text for issue in jwt.issues(claims, claims.issued_at) if issue.blocking)


class ClaimsDirectory:
    """Lists, hands out and deletes what a directory resolver keeps."""

    def __init__(self, system: System, accounts: Accounts, directory: Directory) -> None:
        self._system = system
        self._accounts = accounts
        self._directory = directory
        directory.lookup = self._ask_others
        system.serve("$SYS.REQ.CLAIMS.LIST", self._on_list)
        system.serve("$SYS.REQ.CLAIMS.DELETE", self._on_delete)
        if not isinstance(directory, Cache):
            system.serve("$SYS.REQ.CLAIMS.PACK", self._on_pack)
            system.serve("$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", self._on_lookup)

    async def _ask_others(self, account_id: str) -> str | None:
        """A token that a client of the system account has; it is still to be verified."""
        payload = await self._system.ask(f"$SYS.REQ.ACCOUNT.{account_id}.CLAIMS.LOOKUP", self._directory.timeout_s)
        if payload is None:
            return None
        token = payload.decode("ascii", "replace").strip()
        self._accounts.verify(token, account_id)
        return token

    def _on_list(self, tokens: list[str], reply: str, payload: bytes) -> None:
        if reply:
            answer = {"data": self._directory.account_ids(), "server": self._system.describe()}
            self._system.publish(reply, msgspec.json.encode(answer))

    def _on_lookup(self, tokens: list[str], reply: str, payload: bytes) -> None:
        if reply:
            self._system.publish(reply, (self._directory.read(tokens[3]) or "").encode())

    def _on_pack(self, tokens: list[str], reply: str, payload: bytes) -> None:
        """All tokens, then an empty message; the asker says by a digest what it has already."""
        if not reply:
            return
        if payload != self._directory.digest():
            for account_id in self._directory.account_ids():
                self._system.publish(reply, f"{account_id}|{self._directory.read(account_id) or ''}".encode())
        self._system.publish(reply, b"")

    def _on_delete(self, tokens: list[str], reply: str, payload: bytes) -> None:
        requester = ""
        try:
            claims = jwt.decode(payload.decode("ascii", "replace").strip(), jwt.GenericClaims)
            requester = claims.subject
            doomed = self._judge_deletion(claims)
            for account_id in doomed:
                self._directory.delete(account_id)
                self._accounts.remove(account_id)
        except Error as error:
            description = f"delete accounts request by {requester} failed - {error}"
            log.error("%s", description)
            answer: dict[str, object] = {"error": {"code": 500, "description": description}}
        else:
            log.info("deleted %d accounts by request of %s", len(doomed), requester)
            answer = {"data": {"code": 200, "message": f"deleted {len(doomed)} accounts"}}
        if reply:
            self._system.say(reply, answer)

    def _judge_deletion(self, claims: jwt.GenericClaims) -> list[str]:
        """The accounts that a request may delete. Raises DeniedError."""
        # (1) the configuration allows deleting
        if not self._directory.allow_delete:
            raise DeniedError("delete must be enabled in server config")
        # (2) the request speaks for its signer, a key that may sign accounts
        if claims.issuer != claims.subject:
            raise DeniedError("not self signed")
        if claims.issuer not in self._accounts.trust.keys:
            raise DeniedError("not trusted")
        # (3) it names accounts, and not the one that it came through
        doomed = claims.nats.get("accounts")
        if not isinstance(doomed, list) or not all(_is_account(each) for each in doomed):
            raise DeniedError("malformed request")
        if self._system.account.id in doomed:
            raise DeniedError("not allowed to delete system account")
        return doomed


def _is_account(text: object) -> bool:
    return isinstance(text, str) and nkeys.is_public(text, nkeys.Role.ACCOUNT)
