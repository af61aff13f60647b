"""What a running server can take from a new configuration, and what it cannot.

Source: server-config.md sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from natskit.errors import ServerError
from natskit.server.options import Options

__all__ = ["reloadable"]

FIXED = (
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
    "no_header_support",
    "proxy_protocol",
    "disable_sublist_cache",
    "allow_non_tls",
    "system_account",
    "no_system_account",
    "operators",
    "trusted_keys",
    "websocket",
    "feature_flags",
    "lame_duck_duration_s",
    "lame_duck_grace_period_s",
    "write_timeout",
)
"""Settings that hold until the server is started again."""


def reloadable(old: Options, new: Options) -> Options:
    """``new`` as a server that runs ``old`` can take it: an open port stays what it is.

    Raises ServerError that names the first change which needs a restart; then nothing is to be applied.
    """
    for name, before, after in _changes(old, new):
        raise ServerError(
            f"config reload not supported for {name}: old={_shown(before)}, new={_shown(after)}",
            hint="restart the server for this change",
        )
    return replace(new, port=old.port)


def _changes(old: Options, new: Options) -> Iterator[tuple[str, Any, Any]]:
    if new.host != old.host:
        yield "host", old.host, new.host
    if new.port not in (old.port, -1):
        yield "port", old.port, new.port
    for name in FIXED:
        before, after = _setting(old, name), _setting(new, name)
        if before != after:
            yield name.rpartition(".")[2], before, after
    if (old.tls is None) != (new.tls is None):
        yield "moving to or from tls", old.tls is not None, new.tls is not None
    known = {user.id for _, user in new.users()}
    if new.no_auth_user != old.no_auth_user and (new.no_auth_user or old.no_auth_user in known):
        yield "no_auth_user", old.no_auth_user, new.no_auth_user
    if (old.resolver is None) != (new.resolver is None):
        yield "moving to or from an account resolver", old.resolver is not None, new.resolver is not None


def _setting(options: Options, name: str) -> Any:
    value: Any = options
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _shown(value: Any) -> str:
    """A value in an error: plain ones as they are, structures by their size only."""
    if isinstance(value, str | int | float):
        return str(value)
    return f"{len(value)} entries" if isinstance(value, tuple | dict) else type(value).__name__
