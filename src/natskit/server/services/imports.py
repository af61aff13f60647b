"""Live service imports.

Each is a subscription of the server in the importing account. What is published there goes on in the exporting account
under the exporter's subject, possibly through further imports. Source: spec/server-accounts.md section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natskit import graph
from natskit.server.client_info import client_info, rtt_ns
from natskit.server.headers import read_headers, with_header
from natskit.server.services.answers import DEFAULT_THRESHOLD_S, Answers, Pending, answers_of
from natskit.server.services.latency import Measurement, sample

if TYPE_CHECKING:
    from natskit.server.accounts import Account
    from natskit.server.clock import Clock
    from natskit.server.connection import Client
    from natskit.server.tracing import MessageTrace
    from natskit.wire import Internal

__all__ = ["Services"]

MAX_CHAIN = 64
TRACE_DESTINATION = "Nats-Trace-Dest"
TRACE_DISABLED = "trace disabled"
"""The destination of traces that must not go on."""


class Services:
    """The service imports of a server, and the answers under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._imports: dict[tuple[object, ...], ServiceImport] = {}
        self._answers: dict[str, Answers] = {}
        # The imports that the request at hand has passed, and the client that made it.
        self._chain: list[ServiceImport] = []
        self._client: Client | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for answers."""
        return sum(map(len, self._answers.values()))

    def add(self, link: graph.Link, importer: Account, exporter: Account) -> None:
        """Make a link of kind service work."""
        self._imports[link.route] = ServiceImport(self, link, importer, exporter)

    def remove(self, link: graph.Link) -> None:
        """End a link. Answers to requests that it carried still arrive."""
        found = self._imports.pop(link.route, None)
        if found is not None:
            found.close()

    def renew(self, exporter: Account) -> None:
        """The exporter has new claims: answers to older requests are not waited for."""
        if exporter.id in self._answers:
            self._answers[exporter.id].clear()

    def forget(self, account: Account) -> None:
        """An account is used no longer."""
        answers = self._answers.pop(account.id, None)
        if answers is not None:
            answers.close()

    def close(self) -> None:
        """Wait for no answer any more."""
        for answers in self._answers.values():
            answers.close()
        self._answers.clear()

    def carry(
        self,
        service: ServiceImport,
        local: bytes,
        subject: str,
        reply: bytes,
        headers: bytes,
        payload: bytes,
        publisher: object,
    ) -> bool:
        """Carry a request on ``local`` into the exporting account; returns whether somebody received it."""
        if service in self._chain or len(self._chain) >= MAX_CHAIN:
            return False
        if not self._chain:
            self._client = getattr(publisher, "session", None)
        self._chain.append(service)
        try:
            return self._deliver(service, local, subject, reply, headers, payload)
        finally:
            self._chain.pop()

    def _deliver(
        self, service: ServiceImport, local: bytes, subject: str, reply: bytes, headers: bytes, payload: bytes
    ) -> bool:
        export, exporter = service.export, service.exporter
        requestor = self._requestor(service)
        measurement = self._measure(export, exporter, requestor, headers)
        answers, answer_subject = None, b""
        if reply:
            answers = answers_of(exporter, self._clock, self._answers)
            pending = Pending(
                service.importer,
                reply,
                many=export.response_type != "singleton",
                threshold_s=export.response_threshold_s or DEFAULT_THRESHOLD_S,
                measurement=measurement,
            )
            answer_subject = answers.expect(pending)
        block = with_header(headers, b"Nats-Request-Info", msgspec.json.encode(requestor))
        name = subject.encode("utf-8", "surrogateescape")
        trace = self._client.trace if self._client is not None else None
        if trace is None:
            taken = exporter.space.publish_internal(name, answer_subject, block, payload, links=False)
        else:
            taken = self._deliver_traced(trace, service, local, name, answer_subject, block, payload)
        if answers is not None and not (taken and (trace is None or not trace.only)):
            answers.forget(answer_subject)
        if measurement is not None and not (taken and reply):
            measurement.fail(400 if taken else 503)
        return taken > 0

    def _deliver_traced(
        self,
        trace: MessageTrace,
        service: ServiceImport,
        local: bytes,
        name: bytes,
        reply: bytes,
        block: bytes,
        payload: bytes,
    ) -> int:
        """The same for a message that is traced: as far as the export allows."""
        exporter = service.exporter
        destination = read_headers(block).get(TRACE_DESTINATION, [""])[0]
        if destination == TRACE_DISABLED:  # an export on the way did not
            return exporter.space.publish_internal(name, reply, block, payload, links=False)
        before = trace.enter(exporter, local, name)
        try:
            if not service.export.allow_trace:
                if trace.only:
                    return 0  # whether somebody listens is the exporter's secret
                # Said of traces without a destination in the headers too: the next import must know.
                block = with_header(block, TRACE_DESTINATION.encode(), TRACE_DISABLED.encode())
                return exporter.space.publish_internal(name, reply, block, payload, links=False)
            if destination and not trace.only:
                # What servers and services further on tell about the message comes back as answers do.
                back = Pending(service.importer, destination.encode(), many=True)
                subject = answers_of(exporter, self._clock, self._answers).expect(back)
                block = with_header(block, TRACE_DESTINATION.encode(), subject)
            return exporter.space.publish_internal(name, reply, block, payload, links=False, trace=trace)
        finally:
            trace.leave(before)

    def _requestor(self, service: ServiceImport) -> dict[str, Any]:
        """What the responder is told about who asks."""
        first = self._chain[0]
        through = service.importer.id if service is not first else ""
        if first.link.share and self._client is not None:
            return client_info(self._client, service=through)
        info: dict[str, Any] = {"acc": first.importer.id}
        if through:
            info["svc"] = through
        if self._client is not None and (rtt := rtt_ns(self._client)):
            info["rtt"] = rtt
        if service.link.share and self._client is not None:
            # A later import shares what is its own to share: not the client of an account before it.
            info["server"] = self._client.server_name
        return info

    def _measure(
        self, export: graph.Export, exporter: Account, requestor: dict[str, Any], headers: bytes
    ) -> Measurement | None:
        latency = export.latency
        if latency is None or export.response_type != "singleton":
            return None
        repeated = sample(latency, read_headers(headers))
        if repeated is None:
            return None
        name = self._client.server_name if self._client is not None else ""
        return Measurement(latency, exporter, requestor, repeated, name, self._clock)


class ServiceImport:
    """One live import."""

    def __init__(self, services: Services, link: graph.Link, importer: Account, exporter: Account) -> None:
        self.link = link
        self.importer = importer
        self.exporter = exporter
        self._services = services
        self._model: graph.Account | None = None
        self._export: graph.Export | None = None
        self._handle: Internal = importer.space.subscribe_internal(
            link.pattern.encode(), self._on_request, imports=False
        )

    def close(self) -> None:
        """Carry requests no longer."""
        self.importer.space.unsubscribe_internal(self._handle)

    @property
    def export(self) -> graph.Export:
        """The export that this import uses, as the exporter describes it now."""
        if self._model is not self.exporter.model or self._export is None:
            self._model = self.exporter.model
            found = graph.governing_export(self._model, graph.SERVICE, self.link.remote)
            self._export = found or graph.Export(kind=graph.SERVICE, subject=self.link.remote)
        return self._export

    def _on_request(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes, publisher: object) -> bool:
        name = self.link.rename(subject.decode("utf-8", "surrogateescape"))
        return name is not None and self._services.carry(self, subject, name, reply, headers, payload, publisher)
