"""Every report by its path, and the requests of the system account that ask for the same.

Source: spec/server-config.md section 9, spec/server-accounts.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from natskit.errors import DecodeError, ServerError, UsageError
from natskit.server.monitor.accounts import describe_account, report_account_statistics, report_accounts
from natskit.server.monitor.connections import STATES, ConnectionsQuery, report_connections
from natskit.server.monitor.general import report_server
from natskit.server.monitor.index_page import index_page
from natskit.server.monitor.query import Query
from natskit.server.monitor.subscriptions import SubscriptionsQuery, report_subscriptions
from natskit.server.monitor.writing import document
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.requests import Requests
    from natskit.server.server import Server

__all__ = ["Answer", "Reports"]

Shape = TypeVar("Shape", bound=Struct)

_ALIASES = {"/subscriptionsz": "/subsz"}
_GO = ("EXPVARZ", "IPQUEUESZ", "PROFILEZ")
_GO_PATHS = ("/debug/vars", "/ipqueuesz", "/stacksz")
_NOT_READY = "failed to be ready for connections after 1ms: server"


class Answer(Struct, frozen=True):
    """What goes back to who asked; ``kind``: json, html, text (an error) or missing (an error that is no path)."""

    status: int
    body: bytes
    kind: str = "json"


class Reports:
    """Answers what monitoring asks."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked: dict[str, int] = {}
        self._by_path: dict[str, Callable[[Query], Answer]] = {
            "/": lambda query: Answer(200, index_page(), "html"),
            "/varz": lambda query: _json(self._varz()),
            "/connz": lambda query: _json(report_connections(server, _connections(query))),
            "/subsz": lambda query: _json(report_subscriptions(server, _subscriptions(query))),
            "/accountz": lambda query: _json(report_accounts(server, query.text("acc"))),
            "/accstatz": lambda query: _json(report_account_statistics(server, query.boolean("unused"))),
            "/healthz": self._health,
            "/routez": lambda query: _json(self._routes(query)),
            "/gatewayz": lambda query: _json(self._gateways(query)),
            "/leafz": lambda query: _json(self._leafs(query)),
            "/jsz": lambda query: _json(self._jetstream(query)),
            "/raftz": lambda query: Answer(404, b"No Raft nodes registered", "text"),
        }

    def answer(self, path: str, values: Mapping[str, str]) -> Answer:
        """The answer to a request; what cannot be answered is an answer, too."""
        path = _ALIASES.get(path, path)
        report = self._by_path.get(path)
        if path in _GO_PATHS:
            return Answer(404, f"404 {path} is about the inside of a server written in Go\n".encode(), "missing")
        if report is None:
            return Answer(404, b"404 page not found\n", "missing")
        self._asked[path] = self._asked.get(path, 0) + 1
        try:
            return report(Query(values))
        except UsageError as error:
            return Answer(400, error.message.encode("utf-8", "replace"), "text")

    def serve(self, requests: Requests) -> None:
        """Answer the same questions in the system account."""
        server = self._server
        nothing = Query({})
        requests.server_reports |= {
            "HEALTHZ": self._readiness,
            "VARZ": lambda options: self._varz(),
            "CONNZ": lambda options: report_connections(server, _read(options, ConnectionsQuery)),
            "SUBSZ": lambda options: report_subscriptions(server, _read(options, SubscriptionsQuery)),
            "ACCOUNTZ": lambda options: report_accounts(server, str(options.get("account") or "")),
            "ROUTEZ": lambda options: self._routes(nothing),
            "GATEWAYZ": lambda options: self._gateways(nothing),
            "LEAFZ": lambda options: self._leafs(nothing),
            "JSZ": lambda options: self._jetstream(nothing),
            "RAFTZ": lambda options: {},
        }
        requests.server_reports |= dict.fromkeys(_GO, _not_here)
        requests.account_reports |= {
            "CONNZ": lambda account, options: report_connections(
                server, _read({**options, "acc": account}, ConnectionsQuery)
            ),
            "SUBSZ": lambda account, options: report_subscriptions(
                server, _read({**options, "account": account, "subscriptions": True}, SubscriptionsQuery)
            ),
            "INFO": lambda account, options: describe_account(server, account),
            "LEAFZ": lambda account, options: self._leafs(nothing),
            "JSZ": lambda account, options: _no_jetstream(),
        }

    def _varz(self) -> dict[str, Any]:
        return report_server(self._server, self._asked)

    def _readiness(self, options: Mapping[str, Any]) -> dict[str, Any]:
        account, stream, consumer = (str(options.get(name) or "") for name in ("account", "stream", "consumer"))
        fault = self._fault(account, stream, consumer)
        if fault is None:
            return {"status": "ok", "status_code": 200}
        return {"status": "error", "status_code": fault.status, **fault.told(bool(options.get("details")))}

    def _health(self, query: Query) -> Answer:
        for name in ("js-enabled-only", "js-server-only", "js-meta-only", "js-enabled"):
            query.boolean(name)
        details = query.boolean("details")
        fault = self._fault(*(query.text(name) for name in ("account", "stream", "consumer")))
        if fault is None:
            return Answer(200, b'{"status":"ok"}')
        return Answer(fault.status, msgspec.json.encode({"status": "error", **fault.told(details)}))

    def _fault(self, account: str, stream: str, consumer: str) -> _Fault | None:
        if not self._server.accepting:
            return _Fault(500, "CONNECTION", _NOT_READY)
        if stream and not account:
            return _Fault(400, "BAD_REQUEST", '"account" must not be empty when checking stream health')
        if consumer and not stream:
            return _Fault(400, "BAD_REQUEST", '"stream" must not be empty when checking consumer health')
        return None

    # what a single node has nothing of

    def _routes(self, query: Query) -> dict[str, Any]:
        query.details("subs")
        return self._headed({"num_routes": 0, "routes": []}, with_name=True)

    def _gateways(self, query: Query) -> dict[str, Any]:
        query.boolean("accs")
        query.details("subs")
        return self._headed({"outbound_gateways": {}, "inbound_gateways": {}})

    def _leafs(self, query: Query) -> dict[str, Any]:
        query.boolean("subs")
        return self._headed({"leafnodes": 0, "leafs": []})

    def _jetstream(self, query: Query) -> dict[str, Any]:
        for name in ("accounts", "streams", "consumers", "direct-consumers", "config", "raft", "stream-leader-only"):
            query.boolean(name)
        query.integer("offset")
        query.integer("limit")
        if query.boolean("leader-only"):
            raise UsageError("filtered response: not leader")
        sizes = ("memory", "storage", "reserved_memory", "reserved_storage", "accounts", "ha_assets")
        counts = ("streams", "consumers", "messages", "bytes", "total")
        return {
            **dict.fromkeys(sizes, 0),
            "api": {"level": 0, "total": 0, "errors": 0},
            **self._headed({"disabled": True, "config": {"max_memory": 0, "max_storage": 0}}),
            **dict.fromkeys(counts, 0),
        }

    def _headed(self, members: dict[str, Any], *, with_name: bool = False) -> dict[str, Any]:
        server = self._server
        name = {"server_name": server.name} if with_name else {}
        return {"server_id": server.id, **name, "now": timestamp(server.clock.now()), **members}


def _json(report: object) -> Answer:
    return Answer(200, document(report))


class _Fault(NamedTuple):
    """Why the server is not well."""

    status: int
    kind: str
    error: str

    def told(self, details: bool) -> dict[str, Any]:
        return {"errors": [{"type": self.kind, "error": self.error}]} if details else {"error": self.error}


def _not_here(options: Mapping[str, Any]) -> object:
    raise ServerError("this is about the inside of a server written in Go; there is no such thing here")


def _no_jetstream() -> object:
    raise ServerError("jetstream not enabled")


# ---- what is asked for -----------------------------------------------------------------------------


def _connections(query: Query) -> ConnectionsQuery:
    subscriptions, details = query.details("subs")
    return ConnectionsQuery(
        sort=query.text("sort"),
        authentication=query.boolean("auth"),
        subscriptions=subscriptions,
        details=details,
        offset=query.integer("offset"),
        limit=query.integer("limit"),
        cid=query.unsigned("cid"),
        state=query.choice("state", STATES),
        user=query.text("user"),
        account=query.text("acc"),
        mqtt_client=query.text("mqtt_client"),
    )


def _subscriptions(query: Query) -> SubscriptionsQuery:
    return SubscriptionsQuery(
        subscriptions=query.boolean("subs"),
        offset=query.integer("offset"),
        limit=query.integer("limit"),
        account=query.text("acc"),
        test=query.text("test"),
    )


def _read(options: Mapping[str, Any], shape: type[Shape]) -> Shape:
    """The options of a request; members that are null count as missing. Raises DecodeError."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise DecodeError(str(error)) from None
