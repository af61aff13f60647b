"""The ``accounts`` block: users, exports, imports, mappings and limits of each account.

Source: spec/server-config.md sections 3.3 and 3.4; spec/server-accounts.md sections 2, 4, 5 and 6.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from natskit import nkeys, subjects
from natskit.config import Node
from natskit.errors import InvalidSubject
from natskit.graph import SERVICE, Graph, RefusedImport, Rule
from natskit.server.options.elsewhere import is_off, refuse
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
        found = [(each, _account(reading, key, each)) for key, each in node.value.items() if not each.used]
    else:
        names = [node] if isinstance(node.value, str) else reading.list(node)
        found = [(each, Account(name=reading.text(each))) for each in names]
    seen: set[str] = set()
    for each, account in found:
        if account.name == GLOBAL_ACCOUNT:
            reading.fault(each, f'"{GLOBAL_ACCOUNT}" is a Reserved Account')
        if account.name in seen:
            reading.fault(each, f"Duplicate Account Entry: {account.name}")
        seen.add(account.name)
    return tuple(account for _, account in found)


def _account(reading: Reading, name: str, node: Node) -> Account:
    block = reading.block(node)
    nkey = block.text("nkey")
    if nkey and not nkeys.is_public(nkey, nkeys.Role.ACCOUNT):
        reading.fault(block.place("nkey"), f'Not a valid public nkey for an account: "{nkey}"')
    _refuse_jetstream(reading, block)
    account = Account(
        name=name,
        nkey=nkey,
        users=block.read(lambda each: read_users(reading, each), (), "users"),
        default_permissions=block.read(lambda each: read_permissions(reading, each), None, "default_permissions"),
        exports=tuple(_export(reading, each) for each in block.list("exports")),
        imports=tuple(_import(reading, each, name, number) for number, each in enumerate(block.list("imports"))),
        mappings=block.read(lambda each: read_mappings(reading, each), (), "mappings", "maps"),
        limits=block.read(lambda each: _limits(reading, each), AccountLimits(), "limits"),
        trace=block.read(lambda each: _trace(reading, each), None, "msg_trace", "trace_dest"),
    )
    block.finish()
    return account


def _refuse_jetstream(reading: Reading, block: Block) -> None:
    node = block.take("jetstream")
    if node is not None and not is_off(node):
        refuse(reading, node, '"jetstream"', "JetStream")


# ---- exports and imports ---------------------------------------------------------------------------


def _kind(reading: Reading, block: Block) -> tuple[Kind, Node]:
    """Whether an entry is a stream or a service, and the node that says so."""
    stream, service = block.take("stream"), block.take("service")
    if stream is None and service is None:
        reading.fault(block.node, "an export or import is either a stream or a service: name one of them")
    if stream is not None and service is not None:
        reading.fault(max(stream, service, key=_place), "an export or import is a stream or a service, not both")
    return ("service", service) if service is not None else ("stream", stream or block.node)


def _place(node: Node) -> tuple[int, int]:
    return node.line, node.column


def _only_for(reading: Reading, block: Block, kind: Kind, *names: str) -> None:
    """Refuse what an export or import of another kind cannot have."""
    for name in names:
        if (node := block.taken.get(name)) is not None:
            reading.fault(node, f'"{node.key}" is for {kind}s only')


def _idle(reading: Reading, block: Block, kind: Kind, name: str) -> None:
    """Warn of what nats-server passes over in an import of another kind."""
    if (node := block.taken.get(name)) is not None:
        reading.warnings.append(node.error(f'"{node.key}" has no effect: it is for {kind}s only'))


def _export(reading: Reading, node: Node) -> Export:
    block = reading.block(node)
    kind, subject = _kind(reading, block)
    export = Export(
        kind=kind,
        subject=reading.subject(subject) if isinstance(subject.value, str) else "",
        accounts=block.read(lambda each: _account_names(reading, each, kind), None, "accounts"),
        account_token_position=block.integer("account_token_position", least=0),
        response_type=block.read(lambda each: _response_type(reading, each), "singleton", "response_type", "response"),
        response_threshold_s=block.seconds(
            "response_threshold",
            "threshold",
            "response_max_time",
            "response_time",
            default=0.0,
            numbers="refused",
        ),
        latency=block.read(lambda each: _latency(reading, each), None, "latency"),
        allow_trace=block.boolean("allow_trace"),
    )
    block.finish()
    if kind == "stream":
        _only_for(reading, block, "service", "response_type", "response_threshold", "latency", "allow_trace")
    if export.latency is not None:
        _check_latency(reading, block.place("latency"), export, export.latency)
    if export.account_token_position:
        _check_position(reading, block, export)
    return export


def _account_names(reading: Reading, node: Node, kind: Kind) -> tuple[str, ...]:
    """Importers of a private export, who must exist: `check_authorised` looks."""
    for each in reading.list(node):
        reading.exported_to.append((each, kind))
    return reading.texts(node, alone=False)


def _check_position(reading: Reading, block: Block, export: Export) -> None:
    tokens = export.subject.split(".")
    position, place = export.account_token_position, block.place("account_token_position")
    if position > len(tokens) or tokens[position - 1] != "*":
        reading.fault(place, f'account_token_position {position} must name a "*" of "{export.subject}"')
    if export.accounts is not None:
        reading.fault(place, "an export has account_token_position or accounts, not both")


def _response_type(reading: Reading, node: Node) -> ResponseType:
    text = reading.text(node).lower()
    if text not in _RESPONSE_TYPES:
        reading.fault(node, f'unknown response type "{text}": use singleton, stream or chunked')
    return _RESPONSE_TYPES.get(text, "singleton")


def _latency(reading: Reading, node: Node) -> Latency:
    if isinstance(node.value, str):
        return Latency(subject=reading.text(node))
    block = reading.block(node)
    latency = Latency(
        subject=block.read(reading.text, "", "subject"),
        sampling=block.read(lambda each: _percentage(reading, each, headers=True), 100, "sampling"),
    )
    block.finish()
    if "subject" not in block.taken:
        reading.fault(node, "Latency subject required, but missing")
    return latency


def _check_latency(reading: Reading, place: Node, export: Export, latency: Latency) -> None:
    reading.latencies.append((place, export.subject))
    cause = ""
    if export.response_type != "singleton":
        cause = "bad service response type"
    elif latency.subject and not subjects.is_literal(latency.subject):
        cause = "invalid publish subject"
    if cause:
        about = f'Error adding service latency sampling for "{export.subject}" on subject "{latency.subject}"'
        reading.fault(place, f"{about}: {cause}")


def _literal(reading: Reading, node: Node) -> str:
    """A subject to publish on."""
    text = reading.text(node)
    if not subjects.is_literal(text):
        reading.fault(node, f'"{node.key}": messages cannot be published on "{text}"')
    return text


def _percentage(reading: Reading, node: Node, *, headers: bool = False) -> int:
    value = node.value
    if headers and isinstance(value, str) and value.lower() == "headers":
        return 0
    percentage = _number(value)
    if not 1 <= percentage <= 100:
        reading.fault(node, f'"{node.key}" must be a percentage from 1 to 100')
        return 100
    return percentage


def _number(value: object) -> int:
    """``50`` or ``"50%"``; -1 for anything that is no number of at most three digits."""
    text = value.rstrip("%") if isinstance(value, str) else str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1


def _import(reading: Reading, node: Node, importer: str, number: int) -> Import:
    block = reading.block(node)
    kind, source = _kind(reading, block)
    reading.imports[importer, number] = source
    origin = reading.block(source) if source is not node else block
    wanted = Import(
        kind=kind,
        account=origin.text("account"),
        subject=origin.subject("subject"),
        prefix=block.text("prefix"),
        to=block.text("to"),
        share=block.boolean("share"),
        allow_trace=block.boolean("allow_trace"),
    )
    origin.finish()
    block.finish()
    if kind == "service":
        _only_for(reading, block, "stream", "allow_trace")
        _idle(reading, block, "stream", "prefix")
    else:
        _idle(reading, block, "service", "share")
    _check_import(reading, block, source, wanted)
    return wanted if kind == "stream" else replace(wanted, prefix="")


def _check_import(reading: Reading, block: Block, source: Node, wanted: Import) -> None:
    if not wanted.account or not wanted.subject:
        reading.fault(source, f"a {wanted.kind} import needs an account and a subject")
    failed = f'Error adding {wanted.kind} import "{wanted.subject}"'
    if wanted.to and wanted.subject:
        try:
            subjects.Transform.compile(wanted.subject, wanted.to, strict=True)
        except InvalidSubject as error:
            ends = (wanted.subject, wanted.to) if wanted.kind == "stream" else (wanted.to, wanted.subject)
            way = f'from "{ends[0]}" to "{ends[1]}"'
            what = f"failed to create mapping transform for {wanted.kind} import subject {way}"
            reading.fault(block.place("to"), f"{failed}: {what}: {error}")
    if wanted.kind == "service":
        return
    if wanted.prefix and wanted.to:
        reading.fault(block.place("to"), "Stream import can not have a 'prefix' and a 'to' property")
    if wanted.prefix and not subjects.is_literal(wanted.prefix.removesuffix(".")):
        reading.fault(block.place("prefix"), f"{failed}: stream import prefix can not contain wildcard tokens")


def check_authorised(reading: Reading, accounts: tuple[Account, ...]) -> None:
    """The account graph grants every import, and those whom exports name exist."""
    from natskit.server.configured import account_model

    known = {account.name: account for account in accounts}
    for name in (GLOBAL_ACCOUNT, SYSTEM_ACCOUNT):
        known.setdefault(name, Account(name=name))
    for node, kind in reading.exported_to:
        if node.value not in known:
            reading.fault(node, f'"{node.value}" account not defined for {kind} export')
    for refused in Graph(map(account_model, known.values())).refused:
        place = reading.imports[refused.importer, refused.number]
        if refused.exporter and refused.remote and refused.because.rule is not Rule.LOCAL_SUBJECT:
            reading.fault(place, _refusal(refused, known[refused.importer]))


def _local(wanted: Import) -> str:
    return wanted.to or wanted.subject


def _refusal(refused: RefusedImport, importer: Account) -> str:
    """The server's text for an import that the graph refuses. Source: server-accounts.md section 2.2."""
    rule, kind = refused.because.rule, refused.kind
    if rule is Rule.UNKNOWN_ACCOUNT:
        return f'"{refused.exporter}" account not defined for {kind} import'
    if rule is Rule.DUPLICATE and kind == SERVICE:
        first = next(
            each for each in importer.imports if each.account == refused.exporter and _local(each) == refused.local
        )
        return (
            f'Duplicate service import subject "{refused.local}", previously used in import for account'
            f' "{refused.exporter}", subject "{first.subject}"'
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
    listed = isinstance(node.value, list)
    destinations = tuple(_destination(reading, source, each, listed=listed) for each in node.elements)
    if not subjects.is_valid(source):
        reading.fault(node, f'"{source}" is not a valid subject')
    if sum(each.weight for each in destinations) > 100:
        reading.fault(node, f'mapping "{source}": total weight needs to be <= 100')
    names = [each.subject for each in destinations]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        reading.fault(node, f'mapping "{source}": duplicate entry for "{name}"')
    return SubjectMapping(source=source, destinations=destinations)


def _destination(reading: Reading, source: str, node: Node, *, listed: bool) -> Destination:
    """A subject alone, or with a weight; in a list always with one."""
    node.key = node.key or source
    if isinstance(node.value, str) and not listed:
        result, place = Destination(subject=node.value), node
    else:
        block = reading.block(node)
        if (cluster := block.take("cluster")) is not None:
            refuse(reading, cluster, '"cluster" in a mapping', "clusters")
        weight = block.read(lambda each: _weight(reading, each), None, "weight")
        result = Destination(subject=block.text("destination", "dest"), weight=100 if weight is None else weight)
        block.finish()
        if weight is None:
            reading.fault(node, f'mapping "{source}": a destination in braces needs a weight')
        place = block.place("destination")
    try:
        subjects.Transform.compile(source, result.subject)
    except InvalidSubject as error:
        reading.fault(place, f'mapping "{source}": {error}')
    return result


def _weight(reading: Reading, node: Node) -> int:
    weight = _number(node.value)
    if not 0 <= weight <= 100:
        reading.fault(node, '"weight" must be a percentage from 0 to 100')
        return 0
    return weight


def _limits(reading: Reading, node: Node) -> AccountLimits:
    block = reading.block(node, "account limits")
    limits = AccountLimits(
        max_connections=block.integer("max_connections", "max_conn", default=-1),
        max_subscriptions=block.integer("max_subscriptions", "max_subs", default=-1),
        max_payload=block.integer("max_payload", "max_pay", default=-1),
    )
    leaf = block.take("max_leafnodes", "max_leafs")
    if leaf is not None:
        refuse(reading, leaf, f'"{leaf.key}"', "leaf nodes")
    block.finish()
    return limits


def _trace(reading: Reading, node: Node) -> MessageTrace:
    if isinstance(node.value, str):
        return MessageTrace(subject=_literal(reading, node))
    block = reading.block(node)
    trace = MessageTrace(
        subject=block.read(lambda each: _literal(reading, each), "", "dest"),
        sampling=block.read(lambda each: _percentage(reading, each), 100, "sampling"),
    )
    block.finish()
    if "dest" not in block.taken:
        reading.fault(node, "Trace destination sampling ignored since no destination was set")
    return trace
