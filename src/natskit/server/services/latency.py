"""How long services take: measured by the server, published in the exporting account.

Source: spec/server-accounts.md section 5.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from natskit.server.client_info import client_info, rtt_ns
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.graph import Latency
    from natskit.server.accounts import Account
    from natskit.server.clock import Clock
    from natskit.server.connection import Client

__all__ = ["Measurement", "sample"]

METRIC_TYPE = "io.nats.server.metric.v1.service_latency"
DESCRIPTIONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable", 504: "Service Timeout"}

_JAEGER = ("uber-trace-id", "uberctx-")
_B3 = ("x-b3-sampled", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid")
_B3_SINGLE = ("b3",)
_W3C = ("traceparent", "tracestate")


class Measurement:
    """One sampled request, from when it is made."""

    def __init__(
        self,
        latency: Latency,
        exporter: Account,
        requestor: dict[str, Any],
        headers: dict[str, list[str]],
        server_name: str,
        clock: Clock,
    ) -> None:
        self._latency = latency
        self._exporter = exporter
        self._requestor = requestor
        self._headers = headers
        self._clock = clock
        self._started = clock.now()
        self.reply_tail = f".{hashlib.sha256(server_name.encode()).hexdigest()[:8]}.T"

    def succeed(self, responder: object) -> None:
        """The first answer came, published by the connection ``responder``."""
        client: Client | None = getattr(responder, "session", None)
        elapsed = int((self._clock.now() - self._started) * 1e9)
        asking = int(self._requestor.get("rtt", 0))
        answering = rtt_ns(client) if client is not None else 0
        self._publish(
            200,
            responder=client_info(client) if client is not None else {},
            service=max(elapsed - answering, 0),
            total=asking + elapsed,
        )

    def fail(self, status: int) -> None:
        """There will be no answer, for the reason that ``status`` stands for."""
        self._publish(status)

    def _publish(
        self, status: int, *, responder: dict[str, Any] | None = None, service: int = 0, total: int = 0
    ) -> None:
        asking = int(self._requestor.get("rtt", 0)) / 1e9
        metric: dict[str, Any] = {
            "type": METRIC_TYPE,
            "id": secrets.token_hex(11),
            "timestamp": timestamp(self._clock.now()),
            "status": status,
        }
        if status in DESCRIPTIONS:
            metric["description"] = DESCRIPTIONS[status]
        metric["requestor"] = self._requestor
        if responder is not None:
            metric["responder"] = responder
        if self._headers:
            metric["header"] = self._headers
        metric |= {"start": timestamp(self._started - asking), "service": service, "system": 0, "total": total}
        self._exporter.space.publish_internal(
            self._latency.subject.encode(), payload=msgspec.json.encode(metric), event=True
        )


def sample(latency: Latency, headers: dict[str, list[str]]) -> dict[str, list[str]] | None:
    """Whether a request is measured: by chance, or since its headers ask for it; these are repeated then. None: no."""
    if random.random() * 100 < latency.sampling:  # noqa: S311 - a sample, no secret
        return {}
    asking = _recorded_trace({name.lower(): values[0] for name, values in headers.items()})
    return trace_headers(headers, asking) if asking else None


def _recorded_trace(first: dict[str, str]) -> tuple[str, ...]:
    """How the headers begin of the trace that says that the request is sampled; empty if none says so.

    Only the first kind of trace counts that there is. Header names are in lower case.
    """
    jaeger = first.get("uber-trace-id", "").split(":")
    if len(jaeger) == 4 and jaeger[3].isalnum():
        return _JAEGER if _flag(jaeger[3]) else ()
    if "x-b3-sampled" in first or "x-b3-traceid" in first:
        return _B3 if first.get("x-b3-sampled", "1") == "1" else ()
    if "b3" in first:
        return _B3_SINGLE if first["b3"] != "0" and not first["b3"].endswith("-0") else ()
    if "traceparent" in first:
        return _W3C if _flag(first["traceparent"].rpartition("-")[2]) else ()
    return ()


def _flag(text: str) -> bool:
    """Whether the lowest bit of a hexadecimal number is set."""
    try:
        return bool(int(text, 16) & 1)
    except ValueError:
        return False


def trace_headers(headers: dict[str, list[str]], beginnings: tuple[str, ...]) -> dict[str, list[str]]:
    """The headers of a trace, which are repeated in what is published; names with capitals."""
    return {
        "-".join(part.capitalize() for part in name.split("-")): values
        for name, values in headers.items()
        if name.lower().startswith(beginnings)
    }
