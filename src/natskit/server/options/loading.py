"""From a file, a text or a dict to Options.

Source: spec/server-config.md section 2.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from natskit import nkeys
from natskit.config import Node, digest, parse, parse_file
from natskit.errors import ConfigError
from natskit.server.options.checks import check_options
from natskit.server.options.elsewhere import refuse_keys
from natskit.server.options.people import read_authorization
from natskit.server.options.reading import MAX_INT32, Block, Reading, split_address
from natskit.server.options.shapes import Limits, Logging, Monitoring, Options
from natskit.server.options.shares import check_authorised, read_accounts, read_mappings
from natskit.server.options.transport import read_tls, read_websocket
from natskit.server.options.trust import (
    read_operators,
    read_pinned,
    read_preload,
    read_resolver,
    read_trusted_keys,
)

_LOGIN = ("user", "username", "pass", "password", "token")


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    text: str | None = None,
    values: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Options:
    """See `Options.load`."""
    if sum(each is not None for each in (path, text, values)) > 1:
        raise ConfigError("give a path, a text or values, not several of them")
    file = "" if path is None else os.fspath(path)
    root = parse_file(path) if path is not None else parse(text or "") if values is None else _node(values)
    own_digest = digest(root) if values is None else ""
    return _read(root, file, own_digest, overrides or {})


def _node(value: Any, key: str = "") -> Node:
    """A tree made of Python values."""
    if isinstance(value, Mapping):
        value = {str(name): _node(item, str(name)) for name, item in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        value = [_node(item) for item in value]
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    return Node(value, key=key)


def _read(root: Node, file: str, own_digest: str, overrides: Mapping[str, Any]) -> Options:
    reading = Reading()
    if file and not root.members:
        reading.warnings.append(ConfigError(f"{file}: config has no values or is empty"))
    block = reading.block(root)
    _override(block, overrides)
    refuse_keys(reading, block)
    _refuse_or_ignore(reading, block)
    options = Options(
        **_listening(reading, block),
        **_behaviour(reading, block),
        **_people(reading, block),
        **_operator_mode(reading, block),
        limits=_limits(block),
        tls=block.read(lambda node: read_tls(reading, node, listener=True), None, "tls"),
        allow_non_tls=block.boolean("allow_non_tls"),
        websocket=block.read(lambda node: read_websocket(reading, node), None, "websocket", "ws"),
        monitoring=_monitoring(reading, block),
        logging=_logging(block),
        pid_file=block.text("pid_file", "pidfile"),
        ports_file_dir=block.text("ports_file_dir"),
        file=file,
        digest=own_digest,
        overrides=dict(overrides),
    )
    block.finish()
    check_options(reading, block, options)
    check_authorised(reading, options.accounts)
    reading.finish()
    return replace(options, warnings=tuple(map(str, reading.warnings)))


def _override(block: Block, overrides: Mapping[str, Any]) -> None:
    """Let values of the command line win. A login replaces that of the ``authorization`` block, whose rest stays."""
    for key, value in overrides.items():
        given = block.left.get(key, [])
        if value is None:
            block.left.pop(key, None)
            continue
        node = _node(value, key)
        if key == "authorization" and given and isinstance(given[0].value, dict):
            kept = {name: member for name, member in given[0].value.items() if name.lower() not in _LOGIN}
            node = Node(kept | node.members, key=key)
        block.overrides[key] = node


def _refuse_or_ignore(reading: Reading, block: Block) -> None:
    """Keys of the Go server alone: its profiler is passed over; not stapling what was asked for is no option."""
    for name in ("prof_port", "prof_block_rate"):
        if block.integer(name):
            reading.warnings.append(
                block.place(name).error(f'"{name}" has no effect: it is for profiling the Go server')
            )
    for name in ("ocsp", "ocsp_cache"):
        node = block.take(name)
        if node is not None and not (node.value is False or (name == "ocsp_cache" and "ocsp" not in block.taken)):
            reading.fault(node, f'"{name}" is not supported: the embedded server does not staple OCSP answers')


def _listening(reading: Reading, block: Block) -> dict[str, Any]:
    default = Options()
    host, port = block.read(reading.address, ("", default.port), "listen")
    return {
        "host": block.text("host", "net") or host or default.host,
        "port": block.read(reading.port, port, "port") or default.port,
        "client_advertise": block.read(lambda node: _advertise(reading, node), "", "client_advertise"),
        "server_name": block.read(lambda node: _server_name(reading, node), "", "server_name"),
        "tags": tuple(tag.lower() for tag in block.texts("server_tags")),
        "metadata": block.read(reading.text_map, {}, "server_metadata"),
        "proxy_protocol": block.boolean("proxy_protocol"),
        "trusted_proxies": block.read(lambda node: _proxies(reading, node), (), "proxies"),
    }


def _advertise(reading: Reading, node: Node) -> str:
    text = reading.text(node)
    try:
        split_address(text, default_port=0)
    except ValueError:
        reading.fault(node, f'invalid address "{text}": write host or host:port')
    return text


def _server_name(reading: Reading, node: Node) -> str:
    name = reading.text(node)
    if any(char.isspace() for char in name):
        reading.fault(node, "server name cannot contain spaces")
    return name


def _proxies(reading: Reading, node: Node) -> tuple[str, ...]:
    block = reading.block(node)
    keys = []
    for each in block.list("trusted"):
        inner = reading.block(each)
        key = inner.text("key", "public_key")
        inner.finish()
        if not nkeys.is_public(key):
            reading.fault(inner.place("key"), f'invalid proxy key "{key}"')
        keys.append(key)
    block.finish()
    return tuple(keys)


def _behaviour(reading: Reading, block: Block) -> dict[str, Any]:
    default = Options()
    return {
        "ping_interval_s": block.span("ping_interval", default=default.ping_interval_s),
        "ping_max": block.integer("ping_max", default=default.ping_max) or default.ping_max,
        "write_deadline_s": block.span("write_deadline", default=default.write_deadline_s),
        "write_timeout": block.read(lambda node: _write_timeout(reading, node), "close", "write_timeout"),
        "no_fast_producer_stall": block.boolean("no_fast_producer_stall"),
        "lame_duck_duration_s": block.span(
            "lame_duck_duration", default=default.lame_duck_duration_s, numbers="refused"
        ),
        "lame_duck_grace_period_s": block.span(
            "lame_duck_grace_period", default=default.lame_duck_grace_period_s, numbers="refused"
        ),
        "no_header_support": block.boolean("no_header_support"),
        "disable_sublist_cache": block.boolean("disable_sublist_cache", "no_sublist_cache"),
        "connect_error_reports": block.integer("connect_error_reports", default=default.connect_error_reports),
        "reconnect_error_reports": block.integer("reconnect_error_reports", default=default.reconnect_error_reports),
        "feature_flags": block.read(lambda node: _flags(reading, node), {}, "feature_flags"),
    }


def _write_timeout(reading: Reading, node: Node) -> Literal["close", "retry"]:
    text = reading.text(node)
    if text not in ("default", "close", "retry"):
        reading.fault(node, "write_timeout must be 'default', 'close' or 'retry'")
    return "retry" if text == "retry" else "close"


def _flags(reading: Reading, node: Node) -> dict[str, bool]:
    return {key: reading.boolean(member) for key, member in reading.members(node).items()}


def _limits(block: Block) -> Limits:
    """Zero means the default, for connections nobody, for subscriptions no limit."""
    default = Limits()
    connections = block.integer("max_connections", "max_conn", default=default.max_connections)
    return Limits(
        max_connections=connections or -1,
        max_subscriptions=max(block.integer("max_subscriptions", "max_subs", least=-1), 0),
        max_subscription_tokens=block.integer("max_subscription_tokens", "max_sub_tokens", least=1, most=255),
        max_control_line=block.integer("max_control_line", least=0, most=MAX_INT32) or default.max_control_line,
        max_payload=block.integer("max_payload", least=0, most=MAX_INT32) or default.max_payload,
        max_pending=block.integer("max_pending", least=0) or default.max_pending,
        max_closed_clients=block.integer("max_closed_clients", least=0) or default.max_closed_clients,
    )


def _people(reading: Reading, block: Block) -> dict[str, Any]:
    return {
        "authorization": block.read(lambda node: read_authorization(reading, node), None, "authorization"),
        "accounts": block.read(lambda node: read_accounts(reading, node), (), "accounts"),
        "mappings": block.read(lambda node: read_mappings(reading, node), (), "mappings", "maps"),
        "no_auth_user": block.text("no_auth_user"),
        "default_sentinel": block.text("default_sentinel"),
        "system_account": block.text("system_account", "system"),
        "no_system_account": block.boolean("no_system_account", "no_system", "no_sys_acc"),
    }


def _operator_mode(reading: Reading, block: Block) -> dict[str, Any]:
    names = ("operator", "operators", "root", "roots", "root_operator", "root_operators")
    return {
        "operators": block.read(lambda node: read_operators(reading, node), (), *names),
        "trusted_keys": block.read(lambda node: read_trusted_keys(reading, node), (), "trusted_keys", "trusted"),
        "resolver": block.read(
            lambda node: read_resolver(reading, node), None, "resolver", "account_resolver", "accounts_resolver"
        ),
        "resolver_tls": block.read(lambda node: read_tls(reading, node, listener=False), None, "resolver_tls"),
        "resolver_preload": block.read(lambda node: read_preload(reading, node), {}, "resolver_preload"),
        "resolver_pinned_accounts": block.read(
            lambda node: read_pinned(reading, node), frozenset(), "resolver_pinned_accounts"
        ),
    }


def _monitoring(reading: Reading, block: Block) -> Monitoring:
    http_host, http_port = block.read(reading.address, ("", None), "http")
    https_host, https_port = block.read(reading.address, ("", None), "https")
    base = block.text("http_base_path")
    return Monitoring(
        host=http_host or https_host,
        http_port=block.read(reading.port, http_port, "http_port", "monitor_port") or None,
        https_port=block.read(reading.port, https_port, "https_port") or None,
        base_path=posixpath.normpath("/" + base.strip("/")),
    )


def _logging(block: Block) -> Logging:
    verbose, headers = block.boolean("trace_verbose"), block.boolean("trace_headers")
    return Logging(
        debug=block.boolean("debug"),
        trace=block.boolean("trace") or verbose or headers,
        trace_verbose=verbose,
        trace_headers=headers,
        time=block.boolean("logtime", default=True),
        utc=block.boolean("logtime_utc"),
        file=block.text("log_file", "logfile"),
        file_size_limit=block.integer("logfile_size_limit", "log_size_limit", least=0),
        file_max_num=block.integer("logfile_max_num", "log_max_num", least=0),
        syslog=block.boolean("syslog"),
        remote_syslog=block.text("remote_syslog"),
        max_traced_msg_len=block.integer("max_traced_msg_len", least=0),
    )
