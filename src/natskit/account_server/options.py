"""What an account server is told: one frozen value, and how it is read from a configuration file.

The file is in the language of nats-server; keys match in any case; numbers and booleans may be quoted; durations are
whole milliseconds. Source: spec/account-server.md section 2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from natskit.config import Node, parse_file
from natskit.errors import ConfigError, UsageError

__all__ = ["Directory", "LogOptions", "Memory", "NatsOptions", "Nsc", "Options", "check", "parse_address"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Tokens that end with the process."""

    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder with one ``KEY.jwt`` for each account; ``sharded``: in folders named after the last two characters."""

    path: str
    sharded: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Nsc:
    """An operator's folder in nsc's store, read only; the operator's token comes from there too."""

    path: str


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """The connection over which changes are announced. No servers: none are."""

    servers: tuple[str, ...] = ()
    credentials: str | None = None
    connect_timeout_s: float = 5.0
    reconnect_wait_s: float = 1.0
    max_reconnects: int = -1
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Whether log lines carry the time, and how much is told. Colours are for terminals, the pid is always there."""

    time: bool = True
    debug: bool = False
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """Everything an account server is told. An empty ``host`` is every interface, port 0 any free port."""

    store: Memory | Directory | Nsc = Memory()
    host: str = "localhost"
    port: int = 9090
    operator: str | None = None
    system_account: str | None = None
    nats: NatsOptions = NatsOptions()
    read_timeout_s: float = 5.0
    write_timeout_s: float = 5.0
    tls_cert: str | None = None
    tls_key: str | None = None
    max_pack: int = 10_000
    log: LogOptions = LogOptions()

    @classmethod
    def load(cls, path: str) -> Options:
        """Read a configuration file. Raises ConfigError with every fault and its place; OSError."""
        found: dict[str, Any] = {}
        faults: list[ConfigError] = []
        _read(parse_file(path), _KEYS, found, faults)
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise ConfigError("\n".join(map(str, faults)), hint=faults[0].hint, problems=faults)
        return _build(found)


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``:PORT`` or ``[::1]:PORT``. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise UsageError(f'error parsing hostport: "{text}" is not HOST:PORT, such as localhost:9090')
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise UsageError(f'error parsing hostport: "{port}" is not a port')
    return host.strip("[]"), int(port)


# ---- the file --------------------------------------------------------------------------------------


def _text(node: Node) -> str:
    if isinstance(node.value, str | int | float) and not isinstance(node.value, bool):
        return str(node.value)
    raise node.error(f'"{node.key}" must be a text')


def _path(node: Node) -> str | None:
    text = _text(node)
    return os.path.expanduser(text) if text else None


def _integer(node: Node) -> int:
    fault = node.error(f'"{node.key}" must be a whole number')
    if not isinstance(node.value, str | int) or isinstance(node.value, bool):
        raise fault
    try:
        return int(node.value)
    except ValueError:
        raise fault from None


def _natural(node: Node) -> int:
    if (number := _integer(node)) >= 0:
        return number
    raise node.error(f'"{node.key}" must not be negative')


def _milliseconds(node: Node) -> float:
    if (number := _integer(node)) > 0:
        return number / 1000
    raise node.error(f'"{node.key}" must be a number of milliseconds, such as 5000')


def _port(node: Node) -> int:
    if 0 <= (number := _integer(node)) < 1 << 16:
        return number
    raise node.error(f'"{node.key}" must be a port: 0 to 65535')


def _boolean(node: Node) -> bool:
    text = str(node.value).lower()
    if isinstance(node.value, bool | str) and text in ("true", "false"):
        return text == "true"
    raise node.error(f'"{node.key}" must be true or false')


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(_text(element) for element in node.elements)


def _ignored(_: Node) -> None:
    return None


_Read = tuple[str, Callable[[Node], Any]]
_NO_REPLICAS = "replicas are not supported: let each account server read the same store, or push to each"
_NO_SIGNING = "signing over NATS is not supported: push tokens that the operator has signed"

# A key is read into a name below, or has keys of its own, or is refused with the reason.
_KEYS: Mapping[str, _Read | Mapping[str, Any] | str] = {
    "operatorjwtpath": ("operator", _path),
    "systemaccountjwtpath": ("system_account", _path),
    "primary": _NO_REPLICAS,
    "replicationtimeout": ("unused", _ignored),
    "maxreplicationpack": ("max_pack", _natural),
    "signrequestsubject": _NO_SIGNING,
    "signrequesttimeout": ("unused", _ignored),
    "logging": {
        "time": ("log_time", _boolean),
        "colors": ("unused", _boolean),
        "debug": ("log_debug", _boolean),
        "trace": ("log_trace", _boolean),
        "pid": ("unused", _boolean),
    },
    "http": {
        "host": ("host", _text),
        "port": ("port", _port),
        "readtimeout": ("read_timeout_s", _milliseconds),
        "writetimeout": ("write_timeout_s", _milliseconds),
        "tls": {"cert": ("tls_cert", _path), "key": ("tls_key", _path), "root": ("unused", _ignored)},
    },
    "nats": {
        "servers": ("nats_servers", _texts),
        "connecttimeout": ("nats_connect_timeout_s", _milliseconds),
        "reconnectwait": ("nats_reconnect_wait_s", _milliseconds),
        "maxreconnects": ("nats_max_reconnects", _integer),
        "usercredentials": ("nats_credentials", _path),
        "tls": {"root": ("nats_tls_ca", _path), "cert": ("nats_tls_cert", _path), "key": ("nats_tls_key", _path)},
    },
    "store": {
        "dir": ("store_dir", _path),
        "shard": ("store_shard", _boolean),
        "readonly": ("store_read_only", _boolean),
        "nsc": ("store_nsc", _path),
        "cleanupinterval": ("unused", _ignored),
    },
}


def _read(node: Node, keys: Mapping[str, Any], found: dict[str, Any], faults: list[ConfigError]) -> None:
    """Read a map into ``found``; go on after a fault."""
    try:
        members = node.members
    except ConfigError as fault:
        faults.append(fault)
        return
    for key, member in members.items():
        known = keys.get(key.lower())
        if known is None:
            faults.append(member.error(f'unknown field "{key}"', hint=f"known here: {', '.join(keys)}"))
        elif isinstance(known, str):
            faults.append(member.error(known))
        elif isinstance(known, Mapping):
            _read(member, known, found, faults)
        else:
            name, convert = known
            try:
                found[name] = convert(member)
            except ConfigError as fault:
                faults.append(fault)


def _build(found: dict[str, Any]) -> Options:
    found.pop("unused", None)
    groups: dict[str, dict[str, Any]] = {"log": {}, "nats": {}, "store": {}}
    for name in list(found):
        prefix, _, member = name.partition("_")
        if prefix in groups:
            groups[prefix][member] = found.pop(name)
    return Options(
        store=_store(**groups["store"]), nats=NatsOptions(**groups["nats"]), log=LogOptions(**groups["log"]), **found
    )


def _store(
    dir: str | None = None, nsc: str | None = None, shard: bool = False, read_only: bool = False
) -> Memory | Directory | Nsc:
    if dir and nsc:
        raise ConfigError("store: dir and nsc are different stores: give one")
    if nsc:
        return Nsc(nsc)
    return Directory(dir, shard, read_only) if dir else Memory(read_only)


def check(options: Options) -> None:
    """Refuse options that do not fit together, before anything is opened. Raises UsageError."""
    if bool(options.tls_cert) != bool(options.tls_key):
        raise UsageError("TLS needs both a certificate and its key")
    if options.nats.credentials and not options.nats.servers:
        raise UsageError(
            "credentials for NATS without a server to use them on", hint="give one: -nats nats://host:4222"
        )
