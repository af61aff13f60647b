"""What a running server can take from a new configuration, and what it cannot.

Source: server-config.md sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from natskit.durations import format_duration
from natskit.errors import ServerError
from natskit.server.options import Authorization, Limits, Logging, Monitoring, Options, Tls, WebSocket
from natskit.server.options.shapes import SECRET_FIELDS

__all__ = ["Change", "diff", "reloadable"]

FIXED = frozenset(
    {
        "host",
        "server_name",
        "limits.max_subscriptions",
        "limits.max_subscription_tokens",
        "limits.max_pending",
        "limits.max_closed_clients",
        "logging.file_size_limit",
        "logging.file_max_num",
        "monitoring.host",
        "monitoring.http_port",
        "monitoring.https_port",
        "monitoring.base_path",
        "authorization.callout",
        "authorization.proxy_required",
        "tls.verify_and_map",
        "websocket.tls.verify_and_map",
        "tls.connection_rate_limit",
        "no_header_support",
        "proxy_protocol",
        "disable_sublist_cache",
        "allow_non_tls",
        "system_account",
        "no_system_account",
        "operators",
        "trusted_keys",
        "resolver",
        "resolver_tls",
        "websocket",
        "feature_flags",
        "lame_duck_duration_s",
        "lame_duck_grace_period_s",
        "write_timeout",
    }
)
"""Settings that hold until the server is started again. ``port`` and ``no_auth_user`` have rules of their own."""

KEYS = {
    "logging.time": "logtime",
    "logging.utc": "logtime_utc",
    "logging.file": "log_file",
    "logging.file_size_limit": "logfile_size_limit",
    "logging.file_max_num": "logfile_max_num",
    "monitoring.host": "http",
    "monitoring.base_path": "http_base_path",
    "authorization.callout": "auth_callout",
    "tags": "server_tags",
    "metadata": "server_metadata",
    "trusted_proxies": "proxies",
    "operators": "operator",
}
"""The keys of the configuration language where they are not the last part of the field's name."""

ORIGIN = frozenset({"file", "digest", "warnings", "overrides"})
PARTS: dict[str, Struct] = {
    "limits": Limits(),
    "logging": Logging(),
    "monitoring": Monitoring(),
    "authorization": Authorization(),
    "tls": Tls(),
}
"""Settings that consist of others, and what they are if they are not given."""


class Change(Struct, frozen=True, kw_only=True):
    """A setting that differs. ``key`` is that of the configuration language; secrets are not in ``old`` and ``new``."""

    key: str
    old: str
    new: str
    refused: bool


def diff(old: Options, new: Options) -> tuple[Change, ...]:
    """Everything that differs, in the order of `Options`; ``refused`` is what a running server cannot take."""
    return tuple(_changes(old, new))


def reloadable(old: Options, new: Options) -> Options:
    """``new`` as a server that runs ``old`` can take it: an open port stays what it is.

    Raises ServerError that names every change which needs a restart; then nothing is to be applied.
    """
    refused = [change for change in diff(old, new) if change.refused]
    if refused:
        told = "; ".join(f"{change.key}: old={change.old}, new={change.new}" for change in refused)
        raise ServerError(f"config reload not supported for {told}", hint="restart the server for this change")
    if old.websocket is not None and new.websocket is not None:
        new = replace(new, websocket=replace(new.websocket, port=old.websocket.port))
    return replace(new, port=old.port)


def _changes(old: Options, new: Options) -> Iterator[Change]:
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in ORIGIN or before == after:
            continue
        if name in ("tls", "resolver") and (before is None) != (after is None):
            key = f"moving to or from {'tls' if name == 'tls' else 'an account resolver'}"
            yield Change(key=key, old=str(before is not None), new=str(after is not None), refused=True)
        elif name == "websocket" and before is not None and after is not None:
            yield from _websocket_changes(before, after)
        elif name in PARTS:
            yield from _part_changes(name, before or PARTS[name], after or PARTS[name])
        elif name != "port" or after != -1:
            yield _change(name, before, after, refused=_refused(name, old, new))


def _websocket_changes(before: WebSocket, after: WebSocket) -> Iterator[Change]:
    """Only TLS settings can change, and an open port stays what it is."""
    for name in before.__struct_fields__:
        one, other = getattr(before, name), getattr(after, name)
        if name == "tls" and one is not None and other is not None:
            yield from _part_changes("websocket.tls", one, other)
        elif one != other and (name != "port" or other != -1):
            yield _change(f"websocket.{name}", one, other, refused=True)


def _part_changes(part: str, before: Struct, after: Struct) -> Iterator[Change]:
    for name in before.__struct_fields__:
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            path = f"{part}.{name}"
            yield _change(path, one, other, refused=path in FIXED)


def _change(path: str, before: object, after: object, *, refused: bool) -> Change:
    name = path.rpartition(".")[2]
    key = KEYS.get(path) or (path if path.startswith("websocket.") else name).removesuffix("_s")
    return Change(key=key, old=_shown(name, before), new=_shown(name, after), refused=refused)


def _refused(name: str, old: Options, new: Options) -> bool:
    if name == "no_auth_user":  # it may go with its user
        return bool(new.no_auth_user) or old.no_auth_user in {user.id for _, user in new.users()}
    return name == "port" or name in FIXED


def _shown(name: str, value: Any) -> str:
    """A value in a message: plain ones as a file has them, structures by their size only, secrets not at all."""
    if name in SECRET_FIELDS:
        return "[REDACTED]" if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if name.endswith("_s") and value is not None:
        return format_duration(round(value * 1e9))
    if isinstance(value, str | int | float) or value is None:
        return str(value)
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return f"[{' '.join(value)}]"
    return f"{len(value)} entries" if isinstance(value, tuple | dict | frozenset) else type(value).__name__
