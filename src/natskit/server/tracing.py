"""Message tracing: what happened to one message, told on a subject that its headers (or its account) name.

The engine calls `begin` for a message whose headers ask for it, and the trace for every receiver. Source:
spec/server-protocol.md section 21.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, cast

import msgspec

from natskit import subjects
from natskit.graph import STREAM
from natskit.server.encoding import encode
from natskit.server.headers import read_headers
from natskit.server.monitor.writing import text_of
from natskit.server.services.imports import TRACE_DESTINATION, TRACE_DISABLED, ServiceImport
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.connection import Client
    from natskit.server.server import Server
    from natskit.wire import Connection, Internal, Subscription

__all__ = ["MessageTrace", "begin"]

log = logging.getLogger(__name__)

ONLY = "Nats-Trace-Only"
PARENT = "traceparent"

RESERVED = ("_GR_.", "$GNR.", "$NRG.")
KIND_CLIENT = 0


class MessageTrace:
    """Follows one message of a client. ``only``: nobody is to get it."""

    def __init__(self, server: Server, client: Client, destination: str, *, only: bool) -> None:
        assert client.admission is not None
        self.only = only
        self.destination = destination
        self._server = server
        self._client = client
        self._account = client.admission.account
        self._here = self._account
        self._subject = ""
        self._exported: set[tuple[str, bytes]] = set()
        self._request: dict[str, Any] = {}
        self._encoding = ""
        self._events: list[dict[str, Any]] = []

    def ingress(self, subject: bytes, headers: dict[str, list[str]], size: int) -> None:
        """The message came in."""
        self._subject = text_of(subject)
        self._request = {"header": dict(sorted(headers.items())), "msgsize": size}
        self._encoding = headers.get("Accept-Encoding", [""])[0]
        self._tell("in", **_who(self._client), acc=self._account.id, subj=self._subject)

    # from the engine

    def on_refusal(self, error: str) -> None:
        self._events[0]["error"] = error

    def on_mapping(self, subject: bytes) -> None:
        self._subject = text_of(subject)
        self._tell("sm", to=self._subject)

    def on_egress(self, entry: Subscription, subject: bytes, error: str | None) -> None:
        connection = cast("Connection", entry.owner)
        name = connection.space.name if connection.space is not None else self._here.id
        if name != self._here.id:
            if (name, subject) not in self._exported:
                self._exported.add((name, subject))
                self._tell("se", acc=name, to=text_of(subject))
            if not self._may_follow(name):
                return
        session = cast("Client | None", connection.session)
        told: dict[str, Any] = _who(session) if session is not None else {"kind": KIND_CLIENT}
        if name != self._account.id:
            told["acc"] = name
        told["sub"] = text_of(entry.subject)
        if entry.queue is not None:
            told["queue"] = text_of(entry.queue)
        if error:
            told["error"] = f"Not delivered because {error}"
        self._tell("eg", **told)

    def reaches(self, entry: Internal) -> bool:
        return not self.only or isinstance(getattr(entry.callback, "__self__", None), ServiceImport)

    # from services

    def enter(self, exporter: Account, local: bytes, subject: bytes) -> Account:
        """The message crosses into the account of a service; returns where it comes from, for `leave`."""
        self._tell("si", acc=exporter.id, **{"from": text_of(local)}, to=text_of(subject))
        before, self._here = self._here, exporter
        return before

    def leave(self, before: Account) -> None:
        """It is back."""
        self._here = before

    # the end

    def publish(self) -> None:
        """Tell all of it."""
        report = {"server": self._server.describe(), "request": self._request, "events": self._events}
        headers, payload = b"", msgspec.json.encode(report)
        if self._encoding:
            headers, payload = encode(payload, self._encoding)
        destination = self.destination.encode("utf-8", "surrogateescape")
        self._account.space.publish_internal(destination, headers=headers, payload=payload, event=True)

    def _tell(self, event: str, **members: Any) -> None:
        self._events.append({"type": event, "ts": timestamp(self._server.clock.now()), **members})

    def _may_follow(self, importer: str) -> bool:
        """Whether an account that imports the stream lets others see who receives it there."""
        account = self._server.accounts.find(importer)
        imports = account.model.imports if account is not None else ()
        allowed = [
            each.allow_trace
            for each in imports
            if each.kind == STREAM and each.account == self._here.id and subjects.matches(each.subject, self._subject)
        ]
        return bool(allowed) and all(allowed)


def begin(server: Server, client: Client, subject: bytes, block: bytes, size: int) -> MessageTrace | bool | None:
    """The trace that a message asks for; None: there is none, False: the message goes nowhere for having asked."""
    headers = read_headers(block)
    destination = headers.get(TRACE_DESTINATION, [""])[0]
    if destination == TRACE_DISABLED or client.admission is None:
        return None
    only = False
    if destination:
        only = headers.get(ONLY, [""])[0].lower() in ("1", "true", "on")
        if not subjects.is_literal(destination):
            log.error('%s - Destination "%s" is not valid, won\'t be able to trace events', client.peer, destination)
            return False if only else None
        if not _may_publish(client, destination):
            return False
    else:
        wanted = client.admission.account.trace
        if wanted is None or not _is_sampled(headers, wanted.sampling):
            return None
        destination = wanted.subject
    trace = MessageTrace(server, client, destination, only=only)
    trace.ingress(subject, headers, size)
    return trace


def _may_publish(client: Client, destination: str) -> bool:
    """Whether the client may have something published there; told to it, as at any publish, if not."""
    assert client.admission is not None
    if client.admission.permissions.may_publish(destination).allowed and not destination.startswith(RESERVED):
        return True
    client.refuse_publish(destination)
    return False


def _is_sampled(headers: dict[str, list[str]], percent: int) -> bool:
    """Whether a W3C trace header says that its trace is recorded, and chance does, too."""
    parent = next((values[0] for name, values in headers.items() if name.lower() == PARENT), "")
    parts = parent.split("-")
    if len(parts) != 4 or len(parts[3]) != 2:
        return False
    try:
        recorded = int(parts[3], 16)
    except ValueError:
        return False
    # Flags beyond the signed byte are no flags to nats-server either.
    return recorded < 0x80 and bool(recorded & 1) and random.random() * 100 < percent  # noqa: S311 - a sample


def _who(client: Client) -> dict[str, Any]:
    who: dict[str, Any] = {"kind": KIND_CLIENT, "cid": client.peer.cid}
    return who | ({"name": client.connect.name} if client.connect.name else {})
