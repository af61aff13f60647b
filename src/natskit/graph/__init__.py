"""The account graph: who may publish and subscribe to what, who receives it under which subject, and why.

Pure: no sockets, no files, no clock. A server routes by it and tools explain with it; nothing else decides who receives
what.

>>> from natskit.graph import Account, Export, Graph, Import
>>> exporter = Account(id="A", exports=(Export(kind="stream", subject="orders.>"),))
>>> importer = Account(id="B", imports=(Import(kind="stream", account="A", subject="orders.eu.*", local="eu.$1"),))
>>> for delivery in Graph([exporter, importer], now=0).publish("A", "orders.eu.7").deliveries:
...     print(delivery.account, delivery.subject, "-", delivery.because)
A orders.eu.7 - published in A
B eu.7 - stream import "orders.eu.*" from A: public export "orders.>"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.graph.account import SERVICE, STREAM, Account, Export, Import, Latency
from natskit.graph.flow import Flow
from natskit.graph.graph import Change, Choice, Decision, Delivery, Graph, Refusal
from natskit.graph.link import ImportAnswer, Link, RefusedImport, governing_export
from natskit.graph.mapping import Branch, Destination, Mapping, Mappings
from natskit.graph.permissions import EVERYTHING, Permissions, Responses, Verdict
from natskit.graph.reason import Reason, Rule
from natskit.graph.route import Stop, route_of_publish, route_of_subscription

__all__ = [
    "EVERYTHING",
    "SERVICE",
    "STREAM",
    "Account",
    "Branch",
    "Change",
    "Choice",
    "Decision",
    "Delivery",
    "Destination",
    "Export",
    "Flow",
    "Graph",
    "Hurdle",
    "Import",
    "ImportAnswer",
    "Latency",
    "Link",
    "Login",
    "Mapping",
    "Mappings",
    "Permissions",
    "Reason",
    "Refusal",
    "RefusedImport",
    "Responses",
    "Rule",
    "Stop",
    "Trust",
    "Verdict",
    "governing_export",
    "hurdles",
    "judge_login",
    "route_of_publish",
    "route_of_subscription",
]

if TYPE_CHECKING:
    from natskit.graph.hurdle import Hurdle, hurdles
    from natskit.graph.login import Login, judge_login
    from natskit.graph.trust import Trust

# Loaded on first use: who asks which imports deliver needs none of it.
_LATER = {
    "Hurdle": "natskit.graph.hurdle",
    "hurdles": "natskit.graph.hurdle",
    "Login": "natskit.graph.login",
    "judge_login": "natskit.graph.login",
    "Trust": "natskit.graph.trust",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = value = getattr(import_module(_LATER[name]), name)
    return value
