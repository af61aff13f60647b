"""Configurations that make a nats-server trust an operator (spec/nsc-commands.md 3.7).

The values are those that the Go tool writes, in its order; the comments are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import Error, NotFound, StoreError

from .operator_store import Fault, raised

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Export, Import

    from .operator_store import OperatorStore

__all__ = [
    "Preload",
    "memory_config",
    "memory_resolver",
    "memory_resolver_files",
    "nats_resolver",
    "nkey_config",
    "system_account",
]


class Preload(NamedTuple):
    """An account that a server is told of."""

    key: str
    name: str
    token: str


def accounts(store: OperatorStore, fault: Fault = raised) -> list[Preload]:
    """Every account, sorted by key. Raises NotFound if there is none."""
    _check_any(store)
    found = []
    for name in store.iter_accounts():
        try:
            found.append(_preload(store, name))
        except Error as error:
            fault(error)
    return sorted(found)


def _check_any(store: OperatorStore) -> None:
    if next(store.iter_accounts(), None) is None:
        raise NotFound(f'operator "{store.name}" has no accounts', hint="nsc add account NAME")


def system_account(store: OperatorStore, given: str) -> Preload | None:
    """The account that ``given`` (a name or public key), else the operator's claims, name; None if neither does.

    Raises NotFound if it is not in the store.
    """
    wanted = given or store.operator().nats.system_account
    if not wanted:
        return None
    name = wanted if store.has_account(wanted) else store.find_account(wanted)
    if name is None:
        raise NotFound(
            f'error reading account "{wanted}": account {wanted} does not exist in the current operator',
            hint="nsc list accounts",
        )
    return _preload(store, name)


def _preload(store: OperatorStore, name: str) -> Preload:
    claims, token = store.account_and_token(name)
    return Preload(claims.subject, name, token)


def memory_resolver(store: OperatorStore, system: Preload | None, fault: Fault = raised) -> str:
    """A MEMORY resolver with every account in it. Raises NotFound if there is none."""
    entries = [(each, each.token) for each in accounts(store, fault)]
    return memory_config(store.name, store.operator_token(), system, entries)


def memory_resolver_files(store: OperatorStore, system: Preload | None, fault: Fault = raised) -> dict[str, str]:
    """The same spread over files, by their names: ``resolver.conf`` and one for each token."""
    found = accounts(store, fault)
    files = {f"{each.name}.jwt": each.token for each in found}
    operator = f"{store.name}.jwt"
    if operator in files or len(files) < len(found):
        raise StoreError(f"an account and the operator are both called {store.name}: use --config-file")
    entries = ((each, _quoted(f"{each.name}.jwt")) for each in found)
    config = memory_config(store.name, _quoted(operator), system, entries)
    return {operator: store.operator_token(), **files, "resolver.conf": config}


def memory_config(operator: str, token: str, system: Preload | None, entries: Iterable[tuple[Preload, str]]) -> str:
    """A configuration with a MEMORY resolver; each entry is an account and what stands for its token."""
    lines = [f'// Operator "{_comment(operator)}"', f"operator: {token}", ""]
    if system:
        lines += [f"system_account: {system.key}", ""]
    lines += ["resolver: MEMORY", "", "resolver_preload: {"]
    for account, value in entries:
        lines += [f'  // Account "{_comment(account.name)}"', f"  {account.key}: {value}", ""]
    return "\n".join([*lines, "}", ""])


_FULL = """\
    type: full
    # where account tokens are kept
    dir: './jwt'
    # whether "nsc push --prune" may remove accounts (they are renamed to .delete, not lost)
    allow_delete: false
    # how often servers compare what they have
    interval: "2m"
    # how long to ask the others for an unknown account
    timeout: "1.9s"
"""

_CACHE = """\
    type: cache
    # where account tokens are kept
    dir: './jwt'
    # how long they are kept
    ttl: "1h"
    # how long to ask the others for an unknown account
    timeout: "1.9s"
"""


def nats_resolver(store: OperatorStore, system: Preload | None, *, cache: bool) -> str:
    """A resolver that keeps accounts in a folder and takes ``nsc push``. Raises NotFound, UsageError."""
    _check_any(store)
    if system is None:
        raise NotFound("system account is not set", hint="nsc edit operator --system-account NAME, or --sys-account")
    return (
        f"# Operator named {_comment(store.name)}\n"
        f"operator: {store.operator_token()}\n"
        f"# System Account named {_comment(system.name)}\n"
        f"system_account: {system.key}\n"
        "\n"
        f"resolver {{\n{_CACHE if cache else _FULL}}}\n"
        "\n"
        "# The system account is enough to start with; send the others with: nsc push --all\n"
        "resolver_preload: {\n"
        f"\t{system.key}: {system.token},\n"
        "}\n"
    )


# ---- accounts in the configuration itself


def nkey_config(store: OperatorStore, fault: Fault = raised) -> str:
    """Accounts with their users' public keys instead of tokens: no limits, no permissions, no activations."""
    if store.operator().nats.system_account:
        raise StoreError("nkey configurations don't support system account")
    found = {each.name: store.account(each.name) for each in accounts(store, fault)}
    names = {claims.subject: name for name, claims in found.items()}
    lines = [line for name in sorted(found) for line in _nkey_account(store, name, found, names)]
    return "\n".join(["accounts: {", *lines, "}", ""])


def _nkey_account(
    store: OperatorStore, name: str, found: dict[str, AccountClaims], names: dict[str, str]
) -> Iterator[str]:
    claims = found[name]
    users = [f"{{ nkey: {store.user(name, user).subject} }}" for user in store.users(name)]
    yield f"  {_word(name)}: {{"
    yield from _list("users", users)
    yield from _list("exports", [_nkey_export(claims, each, found) for each in claims.nats.exports])
    yield from _list("imports", [_nkey_import(each, names) for each in claims.nats.imports])
    yield "  }"


def _list(title: str, entries: list[str]) -> Iterator[str]:
    if entries:
        yield f"    {title}: ["
        yield from (f"      {entry}" for entry in entries)
        yield "    ]"


def _nkey_export(exporter: AccountClaims, export: Export, found: dict[str, AccountClaims]) -> str:
    importers = _importers(exporter.subject, export, found) if export.token_req else []
    only = f", accounts: [{','.join(map(_word, importers))}]" if export.token_req else ""
    return f"{{ {export.type}: {_word(export.subject)}{only} }}"


def _importers(exporter: str, export: Export, found: dict[str, AccountClaims]) -> list[str]:
    from natskit.subjects import covers

    def takes(each: Import) -> bool:
        return each.account == exporter and each.type == export.type and covers(export.subject, each.remote_subject)

    return [name for name in sorted(found) if any(map(takes, found[name].nats.imports))]


def _nkey_import(each: Import, names: dict[str, str]) -> str:
    account = names.get(each.account)
    if account is None:
        raise StoreError(f'import "{each.subject}" is from account {each.account}, which is not in the store')
    source = f"{{ {each.type}: {{ account: {_word(account)}, subject: {_word(each.subject)} }}"
    if each.local_subject:
        return f"{source}, to: {_word(each.local_subject)}}}"
    return f"{source}, prefix: {_word(each.to)}}}" if each.to else f"{source}}}"


def _word(text: str) -> str:
    """``text`` as a word of the configuration language, in quotes where it would not be read as one."""
    plain = text.isascii() and all(char.isalnum() or char in "-_.*>$" for char in text)
    return text if plain and text[:1].isalpha() else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _comment(text: str) -> str:
    """``text`` on one line: a name must not end the comment that it stands in."""
    return "".join(char if char.isprintable() else " " for char in text)
