"""Requests to the server in its system account: about itself, its accounts, its clients.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from natskit.errors import DecodeError, Error, ServerError
from natskit.server.events import account_statistics
from natskit.server.statistics import server_statistics
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.connection import Client
    from natskit.server.server import Server
    from natskit.server.system import Handler, System

__all__ = ["Requests"]

Report = Callable[[Mapping[str, Any]], object]
"""Makes the data of an answer from the members of a request. Raises Error; DecodeError if these make no sense."""

AccountReport = Callable[[str, Mapping[str, Any]], object]
"""The same about the account whose id comes first."""


_OWN = (
    ("$SYS.REQ.SERVER.PING.CONNZ", "CONNZ"),
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", "CONNZ"),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", "STATZ"),
)
"""What every account has from the start, besides `user_info`: subjects, and the account report that each asks for."""


class Requests:
    """Answers requests. Reports by name are in ``server_reports`` and ``account_reports``; others may add theirs."""

    def __init__(self, server: Server, system: System) -> None:
        self._server = server
        self._system = system
        self.server_reports: dict[str, Report] = {}
        self._orders: dict[str, Callable[[Mapping[str, Any]], None]] = {"KICK": self._kick, "LDM": self._move}
        self.account_reports: dict[str, AccountReport] = {"STATZ": self._account_statistics}
        system.serve("$SYS.REQ.SERVER.PING", lambda tokens, reply, payload: self._ask_server("STATSZ", reply, payload))
        system.serve("$SYS.REQ.SERVER.*.*", self._on_server)
        system.serve(
            "$SYS.REQ.ACCOUNT.*.*",
            lambda tokens, reply, payload: self._on_account(tokens[3], tokens[4], reply, payload),
        )
        system.serve("$SYS.REQ.ACCOUNT.NSUBS", self._on_count)
        system.serve("$SYS.DEBUG.SUBSCRIBERS", self._on_debug)

    # the server

    def _on_server(self, tokens: list[str], reply: str, payload: bytes) -> bool:
        server_id, name = tokens[3], tokens[4]
        if server_id == self._server.id and name in (*self._orders, "RELOAD"):
            self._order(name, reply, payload)
        elif server_id in ("PING", self._server.id) and name in ("IDZ", "STATSZ", *self.server_reports):
            self._ask_server(name, reply, payload)
        else:
            return False
        return True

    def _order(self, name: str, reply: str, payload: bytes) -> None:
        """Do something; unlike questions, orders are for the one server that they name."""
        if not reply:
            return
        if name == "RELOAD":
            self._server.accounts.spawn(self._reload(reply))
            return
        try:
            self._orders[name](_options(payload))
        except DecodeError as error:
            self._say_error(reply, 400, error)
        except Error as error:
            self._say_error(reply, 500, error)
        else:
            self._system.say(reply, {})

    async def _reload(self, reply: str) -> None:
        try:
            await self._server.reload()
        except Error as error:
            self._say_error(reply, 500, error)
        else:
            self._system.say(reply, {})

    def _say_error(self, reply: str, code: int, error: Error, **members: object) -> None:
        self._system.say(reply, {**members, "error": {"code": code, "description": error.message}})

    def _ask_server(self, name: str, reply: str, payload: bytes) -> None:
        if not reply:
            return
        if name == "IDZ":
            identity = self._system.identity
            self._system.publish_json(reply, {"name": identity.name, "host": identity.host, "id": identity.id})
            return
        try:
            options = _options(payload)
            if not self._concerns_us(options):
                return
            if name == "STATSZ":
                self._system.say(reply, {"statsz": server_statistics(self._server)})
            else:
                self._answer(reply, lambda: self.server_reports[name](options))
        except DecodeError as error:
            self._say_error(reply, 400, error)

    def _concerns_us(self, options: Mapping[str, Any]) -> bool:
        """Whether a request that filters servers is for this one."""
        exact = bool(options.get("exact_match"))
        identity = self._system.identity
        for key, have in (("server_name", identity.name), ("host", identity.host), ("cluster", "")):
            wanted = options.get(key)
            if wanted and not (wanted == have if exact else str(wanted) in have):
                return False
        return set(map(str, _list(options, "tags"))) <= set(identity.tags) and not options.get("domain")

    def _answer(self, reply: str, report: Callable[[], object]) -> None:
        try:
            data = report()
        except DecodeError as error:
            self._say_error(reply, 400, error)
        except Error as error:
            self._say_error(reply, 500, error, data=None)
        else:
            self._system.say(reply, {"data": data})

    def _kick(self, options: Mapping[str, Any]) -> None:
        client = self._client(options)
        if client is None:
            raise ServerError("no such client or leafnode id")
        client.close("Kicked")

    def _move(self, options: Mapping[str, Any]) -> None:
        client = self._client(options)
        if client is None:
            raise ServerError("no such client id")
        if not client.informed:
            raise ServerError("client does not support Lame Duck Mode or is not ready to receive the notification")
        client.tell_lame_duck()

    def _client(self, options: Mapping[str, Any]) -> Client | None:
        cid = options.get("cid", 0)
        return self._server.clients.get(cid) if isinstance(cid, int) else None

    # accounts

    def serve_account(self, account: Account) -> None:
        """Let the clients of an account ask about their own account, and no other."""
        for subject, name in _OWN:
            self._system.serve_in(account, subject, self._on_own(account.id, name))

    def _on_own(self, account_id: str, name: str) -> Handler:
        return lambda tokens, reply, payload: self._on_account(account_id, name, reply, payload)

    def _on_account(self, account_id: str, name: str, reply: str, payload: bytes) -> bool:
        if name not in ("CONNS", *self.account_reports):
            return False
        if reply:
            try:
                options = _options(payload)
                if self._concerns_us(options):
                    self._ask_account(account_id, name, reply, options)
            except DecodeError as error:
                self._say_error(reply, 400, error)
        return True

    def _ask_account(self, account_id: str, name: str, reply: str, options: Mapping[str, Any]) -> None:
        if name == "CONNS":
            account = self._server.accounts.find(account_id)
            if account is not None and account.members and self._server.events is not None:
                self._system.publish_json(reply, self._server.events.connections(account))
        elif account_id == "PING" and name == "STATZ":
            self._system.say(reply, {"data": self._all_statistics(options)})
        elif name != "STATZ" or self._is_busy(account_id, options):
            self._answer(reply, lambda: self.account_reports[name](account_id, options))

    def _is_busy(self, account_id: str, options: Mapping[str, Any]) -> bool:
        account = self._server.accounts.find(account_id)
        return bool(options.get("include_unused")) or (account is not None and bool(account.members))

    def _account_statistics(self, account_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        account = self._server.accounts.find(account_id)
        return self._report_statistics([account] if account is not None else [])

    def _all_statistics(self, options: Mapping[str, Any]) -> dict[str, Any]:
        wanted = _list(options, "accounts") or [account.id for account in self._server.accounts]
        found = [self._server.accounts.find(str(each)) for each in wanted]
        everything = bool(options.get("include_unused"))
        return self._report_statistics([each for each in found if each is not None and (each.members or everything)])

    def _report_statistics(self, accounts: list[Account]) -> dict[str, Any]:
        now = timestamp(self._server.clock.now())
        described = [account_statistics(account) for account in accounts]
        return {"server_id": self._server.id, "now": now, "account_statz": described}

    # subscriptions

    def _on_count(self, tokens: list[str], reply: str, payload: bytes) -> None:
        try:
            options = _options(payload)
        except DecodeError:
            return
        account = self._server.accounts.find(str(options.get("acc", "")))
        if reply and account is not None:
            count = _matching(account, str(options.get("subject", "")), str(options.get("queue", "")))
            self._system.publish(reply, str(count).encode())

    def _on_debug(self, tokens: list[str], reply: str, payload: bytes) -> None:
        subject, _, queue = payload.decode("utf-8", "replace").strip().partition(" ")
        if reply:
            count = _matching(self._system.account, subject, queue.strip())
            self._system.publish(reply, str(count).encode())


def _matching(account: Account, subject: str, queue: str) -> int:
    """How many subscriptions, of a queue if one is given, a message on ``subject`` would find."""
    found = [entry for entry in account.space.matches(subject.encode()) if hasattr(entry, "queue")]
    return sum(1 for entry in found if not queue or entry.queue == queue.encode())


def _list(options: Mapping[str, Any], name: str) -> list[Any]:
    """A member that is a list; empty if it is missing. Raises DecodeError."""
    found = options.get(name) or []
    if not isinstance(found, list):
        raise DecodeError(f"{name} of a request is a list")
    return found


def _options(payload: bytes) -> Mapping[str, Any]:
    """The members of a request; an empty one has none. Raises DecodeError."""
    if not payload.strip():
        return {}
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(str(error)) from None
    if not isinstance(found, dict):
        raise DecodeError("a request is an object or empty")
    return found
