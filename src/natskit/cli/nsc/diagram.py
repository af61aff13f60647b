"""``nsc generate diagram``: the store as PlantUML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch
from natskit.cli.flags import format_date

from .generate import OUTPUT_FILE

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, AccountLimits, Claims, Export, Import, OperatorClaims, UserClaims
    from natskit.store import OperatorStore

    from .run import Run

__all__ = ["generate_component_diagram", "generate_object_diagram"]

Lines = Iterator[str]


@command(
    switch("detail", "", "also show descriptions"),
    OUTPUT_FILE,
    examples=[("nsc generate diagram component -o accounts.puml", "who exports what to whom, for PlantUML")],
)
def generate_component_diagram(run: Run, *, detail: bool, output_file: str) -> None:
    """Draw the accounts of the operator with what they export and import."""
    store = run.workspace.operator()
    accounts = [store.account(name) for name in store.iter_accounts()]
    lines = list(_components(run, accounts, detail=detail))
    _give(run, store, ["skinparam interface<<not-found>> { backgroundColor Red }", *lines], output_file)


def _give(run: Run, store: OperatorStore, lines: list[str], output_file: str) -> None:
    footer = f"footer {_text(store.path)} - {format_date(run.workspace.now())}"
    content = "\n".join(["@startuml", *lines, footer, "@enduml"])
    if output_file == "--":
        return run.result(content, diagram=content)
    full = run.write_file(output_file, f"{content}\n")
    run.success(f"wrote diagram to `{run.path(full)}`")
    return None


def _text(text: str) -> str:
    """``text`` as it may stand in a diagram: names come from other people's tokens."""
    return "".join(char if char.isprintable() and char not in '"[]{}' else " " for char in text)


# ---- accounts and what they share


def _components(run: Run, accounts: list[AccountClaims], *, detail: bool) -> Lines:
    yield f"title Component Diagram of Accounts - Operator {_text(run.workspace.operator().name)}"
    known: dict[tuple[str, str], list[tuple[Export, str]]] = {}
    for account in accounts:
        yield f"component [{_text(account.name)}] as {account.subject} <<account>>"
        for export in account.nats.exports:
            name = _id(account.subject, export.name)
            known.setdefault((account.subject, export.type), []).append((export, name))
            visibility = "private" if export.token_req else "public"
            yield f'interface "{_text(export.name)}" << {visibility} {export.type} >> as {name}'
            yield f'{name} -- {account.subject} : ""{_text(export.subject)}""'
            if detail and export.description:
                yield from _note(name, [export.description])
    for account in accounts:
        for wanted in account.nats.imports:
            yield from _import_edge(run, account, wanted, known)
    yield from ("legend", "a name at the importer's end is what the subject is called there", "end legend")


def _import_edge(
    run: Run, importer: AccountClaims, wanted: Import, known: dict[tuple[str, str], list[tuple[Export, str]]]
) -> Lines:
    from natskit.subjects import covers

    remote = wanted.remote_subject
    exports = known.get((wanted.account, wanted.type), [])
    target = next((name for export, name in exports if covers(export.subject, remote)), "")
    if not target:
        target = _id(wanted.account, wanted.name)
        kind = f"not-found {'private' if wanted.token else 'public'} {wanted.type}"
        yield f'interface " " << {kind} >> as {target}'
        yield from _note(target, [f'no account of this operator exports "{remote}" as {run.key(wanted.account)}'])
    local = wanted.local_subject if wanted.local_subject != remote else ""
    here = f' "<&resize-width>{_text(local)}"' if local else ""
    yield f'{importer.subject}{here} ..> {target} : "{_text(remote)}"'


def _note(target: str, lines: list[str]) -> Lines:
    yield f"note left of {target}"
    yield from (f"* {_text(line)}" for line in lines)
    yield "end note"


_LETTERS = {" ": "_", "*": "_A_", ">": "_G_", "$": "_D_", "-": "_M_"}


def _id(key: str, name: str) -> str:
    """An identifier for an export: what may stand in one, the rest by name or number."""
    return f"{key}_" + "".join(map(_id_part, name))


def _id_part(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in "._"):
        return char
    return _LETTERS.get(char, f"_{ord(char)}_")


# ---- who signed whom


@command(
    switch("show-keys", "", "also show the keys"),
    switch("users", "", "also show the users"),
    switch("detail", "", "also show limits, dates and findings"),
    OUTPUT_FILE,
    examples=[("nsc generate diagram object --users -o store.puml", "operator, accounts and users, for PlantUML")],
)
def generate_object_diagram(run: Run, *, show_keys: bool, users: bool, detail: bool, output_file: str) -> None:
    """Draw the operator, its accounts and their users, and who signed whom."""
    store = run.workspace.operator()
    drawing = _Objects(run, store, show_keys=show_keys, detail=detail)
    _give(run, store, ["title Object Diagram", *drawing.lines(users=users)], output_file)


class _Objects:
    """The objects of a diagram, in as much detail as asked for."""

    def __init__(self, run: Run, store: OperatorStore, *, show_keys: bool, detail: bool) -> None:
        self._run = run
        self._store = store
        self._keys = show_keys
        self._detail = detail
        self._now = run.workspace.now()

    def lines(self, *, users: bool) -> Lines:
        """Everything, from the operator down."""
        operator = self._store.operator()
        yield from self._object(operator, "operator", self._of_operator(operator))
        yield from self._signing_keys(operator, list(operator.nats.signing_keys))
        for name in self._store.iter_accounts():
            account = self._store.account(name)
            kind = "system account" if account.subject == operator.nats.system_account else "account"
            yield from self._object(account, kind, self._of_account(account))
            yield from self._signing_keys(account, list(account.nats.signing_key_names))
            yield f'{self._signer(operator, account)} -- {account.subject} : "signed >"'
            for user in self._store.users(name) if users else ():
                claims = self._store.user(name, user)
                yield from self._object(claims, "user", self._of_user(claims))
                yield f'{self._signer(account, claims)} -- {claims.subject} : "signed >"'

    def _object(self, claims: Claims, kind: str, rows: Lines) -> Lines:
        yield f'object "{_text(claims.name)}" as {claims.subject} << {kind} >> {{'
        if self._keys:
            yield f"Identity Key = {claims.subject}"
            yield f"Identity Key Present = {_bool(self._run.workspace.keystore.has(claims.subject))}"
        if self._detail:
            yield f"Tags = {_text(', '.join(claims.body.tags))}"
        yield f"Issued At = {format_date(claims.issued_at)}"
        if self._detail:
            yield f"Valid From = {format_date(claims.not_before) or 'not set'}"
            yield f"Expires = {format_date(claims.expires) or 'not set'}"
        yield from rows
        if self._detail:
            yield from self._findings(claims)
        yield "}"

    def _findings(self, claims: Claims) -> Lines:
        from natskit.jwt import issues

        found = issues(claims, self._now)
        yield f"--- Validation ({'issues' if found else 'no issues'}) ---"
        for issue in found:
            yield f"{issue.severity} = {_text(issue.text)}"

    def _signing_keys(self, claims: OperatorClaims | AccountClaims, keys: list[str]) -> Lines:
        if not self._keys or not keys:
            return
        name = f"{claims.subject}_SK"
        yield f'map "{_text(claims.name)}" as {name} << signing keys >> {{'
        yield from (f"{key} => {_bool(self._run.workspace.keystore.has(key))}" for key in keys)
        yield "}"
        yield f"{claims.subject} *-- {name}"

    def _signer(self, parent: OperatorClaims | AccountClaims, claims: Claims) -> str:
        """The object that signed: the identity, or a key in the map of signing keys."""
        signed_by_identity = claims.issuer == parent.subject or not self._keys
        return parent.subject if signed_by_identity else f"{parent.subject}_SK::{claims.issuer}"

    def _of_operator(self, claims: OperatorClaims) -> Lines:
        operator = claims.nats
        yield f"JWT Version = {operator.version}"
        if self._detail:
            yield f"Account Server = {_text(operator.account_server_url)}"
        yield f"Strict signing key usage = {_bool(operator.strict_signing_key_usage)}"

    def _of_account(self, claims: AccountClaims) -> Lines:
        if self._detail:
            yield "--- Limits ---"
            yield from _limits(claims.nats.limits)

    def _of_user(self, claims: UserClaims) -> Lines:
        user = claims.nats
        if self._detail:
            yield f"Bearer Token = {_bool(user.bearer_token)}"
            yield f"Allowed Connection Types = {_text(', '.join(user.allowed_connection_types))}"
            yield "--- Limits ---"
            for name, value in (("Payload", user.payload), ("Subscriptions", user.subs), ("Data", user.data)):
                yield f"Max {name} = {_limit(value)}"
            yield f"Networks = {_text(', '.join(user.src))}"
            yield f"Times = {_text(', '.join(f'{each.start}-{each.end}' for each in user.times))}"


def _limits(limits: AccountLimits) -> Lines:
    shown: dict[str, Any] = {
        "Exports": limits.exports,
        "Imports": limits.imports,
        "Connections": limits.conn,
        "Leaf Node Connections": limits.leaf,
        "Payload": limits.payload,
        "Subscriptions": limits.subs,
        "Data": limits.data,
    }
    yield from (f"Max {name} = {_limit(value)}" for name, value in shown.items())
    yield f"Wildcard Exports = {_bool(limits.wildcards)}"
    yield f"Disallow Bearer = {_bool(limits.disallow_bearer)}"
    tiers = limits.tiered_limits or ({"": limits.jetstream} if limits.jetstream.enabled else {})
    if not tiers:
        yield "JetStream = disabled"
    for name, tier in sorted(tiers.items()):
        yield f"JetStream {_text(name)} = memory {_limit(tier.mem_storage)}, disk {_limit(tier.disk_storage)}"


def _limit(value: int) -> str:
    return str(value) if value >= 0 else "unlimited"


def _bool(value: object) -> str:
    return "true" if value else "false"
