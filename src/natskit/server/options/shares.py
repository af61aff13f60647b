"""The ``accounts`` block: users, exports, imports, mappings and limits of each account.

Source: spec/server-config.md sections 3.3 and 3.4; spec/server-accounts.md sections 2, 4, 5 and 6.
"""

from __future__ import annotations

from typing import Literal

from natskit import nkeys, subjects
from natskit.config import Node
from natskit.errors import InvalidSubject
from natskit.graph import SERVICE, Graph, RefusedImport, Rule
from natskit.server.options.people import read_permissions, read_users
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import (
    GLOBAL_ACCOUNT,
    SYSTEM_ACCOUNT,
    Account,
    AccountLimits,
    Destination,
    Export,
    Import,
    Kind,
    Latency,
    MessageTrace,
    SubjectMapping,
)

ResponseType = Literal["singleton", "stream", "chunked"]
_RESPONSE_TYPES: dict[str, ResponseType] = {
    "single": "singleton",
    "singleton": "singleton",
    "stream": "stream",
    "chunk": "chunked",
    "chunked": "chunked",
}


def read_accounts(reading: Reading, node: Node) -> tuple[Account, ...]:
    """A list of names, or a map of accounts."""
    if isinstance(node.value, dict):
        accounts = tuple(_account(reading, key, each) for key, each in node.value.items())
    else:
        accounts = tuple(Account(name=name) for name in reading.texts(node))
    seen: set[str] = set()
    for account in accounts:
        if account.name == GLOBAL_ACCOUNT:
            reading.fault(node, f'"{GLOBAL_ACCOUNT}" is a Reserved Account')
        if account.name in seen:
            reading.fault(node, f"Duplicate Account Entry: {account.name}")
        seen.add(account.name)
    return accounts


def _account(reading: Reading, name: str, node: Node) -> Account:
    block = reading.block(node)
    nkey = block.text("nkey")
    if nkey and not nkeys.is_public(nkey, nkeys.Role.ACCOUNT):
        reading.fault(node, f'Not a valid public nkey for an account: "{nkey}"')
    _refuse_jetstream(reading, block)
    account = Account(
        name=name,
        nkey=nkey,
        users=block.read(lambda each: read_users(reading, each), (), "users"),
        default_permissions=block.read(lambda each: read_permissions(reading, each), None, "default_permissions"),
        exports=block.read(lambda each: tuple(_export(reading, one) for one in _list(each)), (), "exports"),
        imports=block.read(lambda each: tuple(_import(reading, one) for one in _list(each)), (), "imports"),
        mappings=block.read(lambda each: read_mappings(reading, each), (), "mappings", "maps"),
        limits=block.read(lambda each: _limits(reading, each), AccountLimits(), "limits"),
        trace=block.read(lambda each: _trace(reading, each), None, "msg_trace", "trace_dest"),
    )
    block.finish()
    return account


def _list(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else [node]


def _refuse_jetstream(reading: Reading, block: Block) -> None:
    node = block.take("jetstream")
    if node is not None and node.value not in (False, "disabled", "disable"):
        reading.fault(
            node,
            '"jetstream" is not supported by the embedded server',
            "run the real nats-server with the same accounts for JetStream",
        )


# ---- exports and imports ---------------------------------------------------------------------------


def _kind(reading: Reading, block: Block) -> tuple[Kind, Node]:
    """Whether an entry is a stream or a service, and the node that says so."""
    stream, service = block.take("stream"), block.take("service")
    if (stream is None) == (service is None):
        reading.fault(block.node, "an export or import is either a stream or a service: name one of them")
    return ("service", service) if service is not None else ("stream", stream or block.node)


def _export(reading: Reading, node: Node) -> Export:
    block = reading.block(node)
    kind, subject = _kind(reading, block)
    response = block.take("response_type", "response")
    export = Export(
        kind=kind,
        subject=reading.subject(subject) if isinstance(subject.value, str) else "",
        accounts=block.read(reading.texts, None, "accounts"),
        account_token_position=block.integer("account_token_position", least=0),
        response_type="singleton" if response is None else _response_type(reading, response),
        response_threshold_s=block.seconds(
            "response_threshold", "threshold", "response_max_time", "response_time", default=0.0
        ),
        latency=block.read(lambda each: _latency(reading, each), None, "latency"),
        allow_trace=block.boolean("allow_trace"),
    )
    block.finish()
    if kind == "stream" and (response is not None or export.latency or export.response_threshold_s):
        reading.fault(node, "response types, thresholds and latency are for services, not for streams")
    if export.account_token_position:
        _check_position(reading, node, export)
    return export


def _check_position(reading: Reading, node: Node, export: Export) -> None:
    tokens = export.subject.split(".")
    position = export.account_token_position
    if position > len(tokens) or tokens[position - 1] != "*":
        reading.fault(node, f'account_token_position {position} must name a "*" of "{export.subject}"')
    if export.accounts is not None:
        reading.fault(node, "an export has account_token_position or accounts, not both")


def _response_type(reading: Reading, node: Node) -> ResponseType:
    text = reading.text(node).lower()
    if text not in _RESPONSE_TYPES:
        reading.fault(node, f'unknown response type "{text}": use singleton, stream or chunked')
    return _RESPONSE_TYPES.get(text, "singleton")


def _latency(reading: Reading, node: Node) -> Latency:
    if isinstance(node.value, str):
        return Latency(subject=reading.subject(node))
    block = reading.block(node)
    sampling = block.read(lambda each: _percentage(reading, each, headers=True), 100, "sampling")
    latency = Latency(subject=block.subject("subject"), sampling=sampling)
    block.finish()
    return latency


def _percentage(reading: Reading, node: Node, *, headers: bool = False) -> int:
    value = node.value
    if headers and isinstance(value, str) and value.lower() == "headers":
        return 0
    text = value.rstrip("%") if isinstance(value, str) else str(value)
    if not text.isdigit() or not 1 <= int(text) <= 100:
        reading.fault(node, f'"{node.key}" must be a percentage from 1 to 100')
        return 100
    return int(text)


def _import(reading: Reading, node: Node) -> Import:
    block = reading.block(node)
    kind, source = _kind(reading, block)
    origin = reading.block(source)
    account, subject = origin.text("account"), origin.subject("subject")
    origin.finish()
    wanted = Import(
        kind=kind,
        account=account,
        subject=subject,
        prefix=block.text("prefix"),
        to=block.text("to"),
        share=block.boolean("share"),
        allow_trace=block.boolean("allow_trace"),
    )
    block.finish()
    _check_import(reading, node, wanted)
    return wanted


def _check_import(reading: Reading, node: Node, wanted: Import) -> None:
    if not wanted.account or not wanted.subject:
        reading.fault(node, f"a {wanted.kind} import needs an account and a subject")
        return
    if wanted.prefix and wanted.to:
        reading.fault(node, "Stream import can not have a 'prefix' and a 'to' property")
    if wanted.prefix and not subjects.is_literal(wanted.prefix):
        reading.fault(node, "stream import prefix can not contain wildcard tokens")
    if wanted.to and wanted.kind == "stream":
        try:
            subjects.Transform.compile(wanted.subject, wanted.to, strict=True)
        except InvalidSubject as error:
            reading.fault(
                node,
                "failed to create mapping transform for stream import subject from"
                f' "{wanted.subject}" to "{wanted.to}": {error}',
            )


def check_authorised(reading: Reading, accounts: tuple[Account, ...], node: Node | None) -> None:
    """The account graph grants every import."""
    from natskit.server.configured import account_model

    known = {account.name: account for account in accounts}
    for name in (GLOBAL_ACCOUNT, SYSTEM_ACCOUNT):
        known.setdefault(name, Account(name=name))
    for refused in Graph(map(account_model, known.values())).refused:
        if node is not None and refused.exporter and refused.because.rule is not Rule.LOCAL_SUBJECT:
            reading.fault(node, _refusal(refused))


def _refusal(refused: RefusedImport) -> str:
    """The server's text for an import that the graph refuses. Source: server-accounts.md section 2.2."""
    rule, kind = refused.because.rule, refused.kind
    if rule is Rule.UNKNOWN_ACCOUNT:
        return f'"{refused.exporter}" account not defined for {kind} import'
    if rule is Rule.DUPLICATE and kind == SERVICE:
        return (
            f'Duplicate service import subject "{refused.local}", previously used in import for account'
            f' "{refused.exporter}", subject "{refused.remote}"'
        )
    cause = f"{kind} import not authorized"
    if rule is Rule.DUPLICATE:
        cause = f"{kind} import already exists"
    elif rule is Rule.CYCLE:
        cause = "import forms a cycle"
    return f'Error adding {kind} import "{refused.remote}": {cause}'


# ---- mappings, limits, trace -----------------------------------------------------------------------


def read_mappings(reading: Reading, node: Node) -> tuple[SubjectMapping, ...]:
    """A map from source subject to destination or destinations."""
    members = reading.members(node).items()
    return tuple(_mapping(reading, source, each) for source, each in members if not each.used)


def _mapping(reading: Reading, source: str, node: Node) -> SubjectMapping:
    destinations = tuple(_destination(reading, source, each) for each in _list(node))
    if not subjects.is_valid(source):
        reading.fault(node, f'"{source}" is not a valid subject')
    if sum(each.weight for each in destinations) > 100:
        reading.fault(node, f'mapping "{source}": total weight needs to be <= 100')
    names = [each.subject for each in destinations]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        reading.fault(node, f'mapping "{source}": duplicate entry for "{name}"')
    return SubjectMapping(source=source, destinations=destinations)


def _destination(reading: Reading, source: str, node: Node) -> Destination:
    if isinstance(node.value, str):
        result = Destination(subject=node.value)
    else:
        block = reading.block(node)
        subject, weight = block.text("destination", "dest"), block.take("weight")
        if (cluster := block.take("cluster")) is not None:
            reading.fault(
                cluster,
                '"cluster" in a mapping is not supported by the embedded server',
                "run the real nats-server with the same accounts for clusters",
            )
        block.finish()
        if weight is None:
            reading.fault(node, f'mapping "{source}": a destination in braces needs a weight')
        result = Destination(subject=subject, weight=100 if weight is None else _weight(reading, weight))
    try:
        subjects.Transform.compile(source, result.subject)
    except InvalidSubject as error:
        reading.fault(node, f'mapping "{source}": {error}')
    return result


def _weight(reading: Reading, node: Node) -> int:
    value = node.value
    text = value.rstrip("%") if isinstance(value, str) else str(value)
    if not text.isdigit() or int(text) > 100:
        reading.fault(node, '"weight" must be a percentage from 0 to 100')
        return 0
    return int(text)


def _limits(reading: Reading, node: Node) -> AccountLimits:
    block = reading.block(node, "account limits")
    limits = AccountLimits(
        max_connections=block.integer("max_connections", "max_conn", default=-1),
        max_subscriptions=block.integer("max_subscriptions", "max_subs", default=-1),
        max_payload=block.integer("max_payload", "max_pay", default=-1),
    )
    leaf = block.take("max_leafnodes", "max_leafs")
    if leaf is not None:
        reading.fault(
            leaf,
            f'"{leaf.key}" is not supported by the embedded server',
            "run the real nats-server with the same accounts for leaf nodes",
        )
    block.finish()
    return limits


def _trace(reading: Reading, node: Node) -> MessageTrace:
    if isinstance(node.value, str):
        return MessageTrace(subject=reading.subject(node))
    block = reading.block(node)
    sampling = block.read(lambda each: _percentage(reading, each), 100, "sampling")
    trace = MessageTrace(subject=block.subject("dest"), sampling=sampling)
    block.finish()
    return trace
