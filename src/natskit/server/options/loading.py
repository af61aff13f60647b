"""From a file, a text or a dict to Options.

Source: spec/server-config.md section 2.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from natskit.config import Node, digest, parse, parse_file
from natskit.errors import ConfigError
from natskit.server.options.people import read_authorization
from natskit.server.options.reading import MAX_INT32, Block, Reading
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

_ELSEWHERE = {
    "cluster": "clusters",
    "gateway": "gateways",
    "leaf": "leaf nodes",
    "leafnodes": "leaf nodes",
    "jetstream": "JetStream",
    "mqtt": "MQTT",
    "store_dir": "JetStream",
    "storedir": "JetStream",
    "default_js_domain": "JetStream",
}
MIN_LAME_DUCK_S = 30.0


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
    own_digest = digest(root) if path is not None or text is not None else ""
    for key, value in (overrides or {}).items():
        for known in [name for name in root.members if name.lower() == key.lower()]:
            del root.members[known]
        root.members[key] = _node(value, key)
    return _read(root, file, own_digest)


def _node(value: Any, key: str = "") -> Node:
    """A tree made of Python values."""
    if isinstance(value, Mapping):
        value = {str(name): _node(item, str(name)) for name, item in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        value = [_node(item) for item in value]
    return Node(value, key=key)


def _read(root: Node, file: str, own_digest: str) -> Options:
    reading = Reading()
    if file and not root.members:
        reading.warnings.append(ConfigError(f"{file}: config has no values or is empty"))
    block = reading.block(root)
    _refuse_other_servers(reading, block)
    accounts_node = block.take("accounts")
    options = Options(
        **_listening(reading, block),
        **_behaviour(reading, block),
        **_people(reading, block, accounts_node),
        **_operator_mode(reading, block),
        limits=_limits(block),
        tls=block.read(lambda node: read_tls(reading, node), None, "tls"),
        allow_non_tls=block.boolean("allow_non_tls"),
        websocket=block.read(lambda node: read_websocket(reading, node), None, "websocket", "ws"),
        monitoring=_monitoring(reading, block),
        logging=_logging(block),
        pid_file=block.text("pid_file", "pidfile"),
        ports_file_dir=block.text("ports_file_dir"),
        file=file,
        digest=own_digest,
    )
    for ignored in ("prof_port", "prof_block_rate", "ocsp", "ocsp_cache"):
        block.take(ignored)
    block.finish()
    _check(reading, root, options)
    check_authorised(reading, options.accounts, accounts_node)
    reading.finish()
    from msgspec.structs import replace

    return replace(options, warnings=tuple(map(str, reading.warnings)))


def _refuse_other_servers(reading: Reading, block: Block) -> None:
    for key, what in _ELSEWHERE.items():
        node = block.take(key)
        if node is None or (key == "jetstream" and _is_off(node)):
            continue
        reading.fault(
            node,
            f'"{node.key}" is not supported by the embedded server: {what} need the real nats-server',
            "the same operator, accounts and creds work there unchanged",
        )


def _is_off(node: Node) -> bool:
    if isinstance(node.value, dict):
        enabled = node.value.get("enabled")
        return enabled is not None and enabled.value is False
    return node.value in (False, "disabled", "disable")


def _listening(reading: Reading, block: Block) -> dict[str, Any]:
    default = Options()
    host, port = block.read(reading.address, ("", default.port), "listen")
    return {
        "host": block.text("host", "net") or host or default.host,
        "port": block.read(reading.port, port, "port"),
        "client_advertise": block.text("client_advertise"),
        "server_name": block.text("server_name"),
        "tags": tuple(tag.lower() for tag in block.texts("server_tags")),
        "metadata": block.read(reading.text_map, {}, "server_metadata"),
        "proxy_protocol": block.boolean("proxy_protocol"),
        "trusted_proxies": block.read(lambda node: _proxies(reading, node), (), "proxies"),
    }


def _proxies(reading: Reading, node: Node) -> tuple[str, ...]:
    block = reading.block(node)
    trusted = block.take("trusted")
    block.finish()
    keys = []
    for each in trusted.elements if trusted else ():
        inner = reading.block(each)
        keys.append(inner.text("key", "public_key"))
        inner.finish()
    return tuple(keys)


def _behaviour(reading: Reading, block: Block) -> dict[str, Any]:
    default = Options()
    return {
        "ping_interval_s": block.seconds("ping_interval", default=default.ping_interval_s),
        "ping_max": block.integer("ping_max", default=default.ping_max),
        "write_deadline_s": block.seconds("write_deadline", default=default.write_deadline_s),
        "write_timeout": block.read(lambda node: _write_timeout(reading, node), "close", "write_timeout"),
        "no_fast_producer_stall": block.boolean("no_fast_producer_stall"),
        "lame_duck_duration_s": block.seconds("lame_duck_duration", default=default.lame_duck_duration_s),
        "lame_duck_grace_period_s": block.seconds("lame_duck_grace_period", default=default.lame_duck_grace_period_s),
        "no_header_support": block.boolean("no_header_support"),
        "disable_sublist_cache": block.boolean("disable_sublist_cache", "no_sublist_cache"),
        "connect_error_reports": block.integer("connect_error_reports", default=default.connect_error_reports),
        "reconnect_error_reports": block.integer("reconnect_error_reports", default=default.reconnect_error_reports),
        "feature_flags": block.read(lambda node: _flags(reading, node), {}, "feature_flags"),
    }


def _write_timeout(reading: Reading, node: Node) -> Literal["close", "retry"]:
    text = reading.text(node).lower()
    if text not in ("default", "close", "retry"):
        reading.fault(node, f'"write_timeout" is "{text}": use default, close or retry')
    return "retry" if text == "retry" else "close"


def _flags(reading: Reading, node: Node) -> dict[str, bool]:
    return {key: reading.boolean(member) for key, member in reading.members(node).items()}


def _limits(block: Block) -> Limits:
    default = Limits()
    connections = block.integer("max_connections", "max_conn", default=default.max_connections)
    return Limits(
        max_connections=connections or -1,
        max_subscriptions=block.integer("max_subscriptions", "max_subs", least=0),
        max_subscription_tokens=block.integer("max_subscription_tokens", "max_sub_tokens", least=1, most=255),
        max_control_line=block.integer("max_control_line", default=default.max_control_line, least=1, most=MAX_INT32),
        max_payload=block.integer("max_payload", default=default.max_payload, least=0, most=MAX_INT32),
        max_pending=block.integer("max_pending", default=default.max_pending, least=1),
        max_closed_clients=block.integer("max_closed_clients", default=default.max_closed_clients, least=0),
    )


def _people(reading: Reading, block: Block, accounts: Node | None) -> dict[str, Any]:
    return {
        "authorization": block.read(lambda node: read_authorization(reading, node), None, "authorization"),
        "accounts": () if accounts is None else read_accounts(reading, accounts),
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
        "resolver_tls": block.read(lambda node: read_tls(reading, node), None, "resolver_tls"),
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
        base_path="/" + base.strip("/") if base else "/",
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


def _check(reading: Reading, root: Node, options: Options) -> None:
    """What only the whole can tell."""
    authorization = options.authorization
    users = options.users()
    seen: set[str] = set()
    for _, user in users:
        if user.id in seen:
            reading.fault(root, f'Duplicate user "{user.id}" detected')
        seen.add(user.id)
    if authorization is not None and any(account.users for account in options.accounts):
        if authorization.user:
            reading.fault(root, "Can not have a single user/pass and accounts")
        if authorization.token:
            reading.fault(root, "Can not have a token and accounts")
    if options.no_auth_user and not options.operator_mode and options.no_auth_user not in seen:
        reason = "not present as user or nkey in authorization block or account configuration"
        if not users:
            reason = "present, but users/nkeys are not defined"
        reading.errors.append(ConfigError(f'no_auth_user: "{options.no_auth_user}" {reason}'))
    if " " in options.server_name:
        reading.fault(root, "server name cannot contain spaces")
    limits = options.limits
    if limits.max_payload > limits.max_pending:
        message = f"max_payload ({limits.max_payload}) cannot be higher than max_pending ({limits.max_pending})"
        reading.fault(root, message)
    _check_lame_duck(reading, root, options)
    if options.monitoring.http_port and options.monitoring.https_port:
        ports = f"HTTP ({options.monitoring.http_port}) and HTTPs ({options.monitoring.https_port})"
        reading.fault(root, f"can't specify both {ports} ports")


def _check_lame_duck(reading: Reading, root: Node, options: Options) -> None:
    duration, grace = options.lame_duck_duration_s, options.lame_duck_grace_period_s
    if duration < MIN_LAME_DUCK_S:
        reading.fault(root, f"invalid lame_duck_duration of {duration:g}s, minimum is {MIN_LAME_DUCK_S:g} seconds")
    if not 0 <= grace < duration:
        reading.fault(root, f"lame_duck_grace_period of {grace:g}s must be less than the duration of {duration:g}s")
