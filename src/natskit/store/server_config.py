"""Configurations that make a nats-server trust an operator (spec/nsc-commands.md 3.7).

The values are those that the Go tool writes, in its order; the comments are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from natskit.errors import NotFound, StoreError

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Export, Import

    from .operator_store import OperatorStore

__all__ = ["Preload", "memory_resolver", "memory_resolver_files", "nats_resolver", "nkey_config", "system_account"]


class Preload(NamedTuple):
    """An account that a server is told of."""

    key: str
    name: str
    token: str


def accounts(store: OperatorStore) -> list[Preload]:
    """Every account, sorted by key. Raises NotFound if there is none."""
    found = [Preload(store.account(name).subject, name, store.account_token(name)) for name in store.iter_accounts()]
    if not found:
        raise NotFound(f'operator "{store.name}" has no accounts', hint="nsc add account NAME")
    return sorted(found)


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
    return Preload(store.account(name).subject, name, store.account_token(name))


def memory_resolver(store: OperatorStore, system: Preload | None) -> str:
    """A MEMORY resolver with every account in it. Raises NotFound if there is none."""
    entries = ((each, each.token) for each in accounts(store))
    return _memory_resolver(store.name, store.operator_token(), system, entries)


def memory_resolver_files(store: OperatorStore, system: Preload | None) -> dict[str, str]:
    """The same spread over files, by their names: ``resolver.conf`` and one for each token."""
    found = accounts(store)
    files = {f"{each.name}.jwt": each.token for each in found}
    operator = f"{store.name}.jwt"
    if operator in files or len(files) < len(found):
        raise StoreError(f"an account and the operator are both called {store.name}: use --config-file")
    entries = ((each, _quoted(f"{each.name}.jwt")) for each in found)
    config = _memory_resolver(store.name, _quoted(operator), system, entries)
    return {operator: store.operator_token(), **files, "resolver.conf": config}


def _memory_resolver(operator: str, token: str, system: Preload | None, entries: Iterable[tuple[Preload, str]]) -> str:
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
    accounts(store)
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


def nkey_config(store: OperatorStore) -> str:
    """Accounts with their users' public keys instead of tokens: no limits, no permissions, no activations."""
    if store.operator().nats.system_account:
        raise StoreError("nkey configurations don't support system account")
    names = {store.account(name).subject: name for name in store.iter_accounts()}
    if not names:
        raise NotFound(f'operator "{store.name}" has no accounts', hint="nsc add account NAME")
    lines = [line for name in sorted(names.values()) for line in _nkey_account(store, name, names)]
    return "\n".join(["accounts: {", *lines, "}", ""])


def _nkey_account(store: OperatorStore, name: str, names: dict[str, str]) -> Iterator[str]:
    claims = store.account(name)
    users = [f"{{ nkey: {store.user(name, user).subject} }}" for user in store.users(name)]
    yield f"  {_word(name)}: {{"
    yield from _list("users", users)
    yield from _list("exports", [_nkey_export(store, claims, each, names) for each in claims.nats.exports])
    yield from _list("imports", [_nkey_import(each, names) for each in claims.nats.imports])
    yield "  }"


def _list(title: str, entries: list[str]) -> Iterator[str]:
    if entries:
        yield f"    {title}: ["
        yield from (f"      {entry}" for entry in entries)
        yield "    ]"


def _nkey_export(store: OperatorStore, exporter: AccountClaims, export: Export, names: dict[str, str]) -> str:
    importers = _importers(store, exporter.subject, export, names) if export.token_req else []
    only = f", accounts: [{','.join(map(_word, importers))}]" if export.token_req else ""
    return f"{{ {export.type}: {_word(export.subject)}{only} }}"


def _importers(store: OperatorStore, exporter: str, export: Export, names: dict[str, str]) -> list[str]:
    from natskit.subjects import covers

    def takes(each: Import) -> bool:
        return each.account == exporter and each.type == export.type and covers(export.subject, each.remote_subject)

    return [name for name in sorted(names.values()) if any(map(takes, store.account(name).nats.imports))]


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
