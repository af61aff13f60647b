"""The server as a whole.

Source: spec/server-config.md section 9 (varz, healthz).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from natskit.server.monitor.writing import elapsed, present
from natskit.server.statistics import plain, resident_bytes
from natskit.server.system import timestamp

if TYPE_CHECKING:
    from natskit.server.options import WebSocket
    from natskit.server.server import Server

__all__ = ["report_server"]

_NS = 1_000_000_000


def report_server(server: Server, requests: dict[str, int]) -> dict[str, Any]:
    """Identity, settings and counters. ``requests``: how often each path of monitoring was asked for."""
    return {
        **_identity(server),
        **_settings(server),
        **_state(server),
        **_traffic(server),
        **_counters(server),
        "http_req_stats": dict(requests),
        **_configuration(server),
        "slow_consumer_stats": _by_kind(server.slow_consumers),
        "stale_connection_stats": _by_kind(server.stale_connections),
        "disk_io_wait_stats": {"waiters": 0, "waits": 0, "wait_time": 0, "max_wait_time": 0},
        **_ending(server.entrances.certificate_ends_at),
    }


def _identity(server: Server) -> dict[str, Any]:
    info = server.info
    told = {
        "server_id": server.id,
        "server_name": server.name,
        "version": info.version,
        "proto": info.proto,
        "go": info.go,
        "host": info.host,
        "port": info.port,
    }
    flags = {"auth_required": info.auth_required, "tls_required": info.tls_required, "tls_verify": info.tls_verify}
    return told | {name: True for name, value in flags.items() if value}


def _settings(server: Server) -> dict[str, Any]:
    options = server.options
    limits, monitoring = options.limits, options.monitoring
    told: dict[str, Any] = {"max_connections": limits.max_connections}
    told |= present({"max_subscriptions": limits.max_subscriptions})
    told |= {
        "ping_interval": int(options.ping_interval_s * _NS),
        "ping_max": options.ping_max,
        "http_host": monitoring.host or options.host,
        "http_port": server.monitor_port,
        "http_base_path": "" if monitoring.base_path == "/" else monitoring.base_path,
        "https_port": server.secure_monitor_port,
        "auth_timeout": plain(options.auth_timeout_s),
        "max_control_line": limits.max_control_line,
        "max_payload": limits.max_payload,
        "max_pending": limits.max_pending,
        "cluster": {},
        "gateway": {},
        "leaf": {},
        "mqtt": {},
        "websocket": _websocket(server, options.websocket) if options.websocket is not None else {},
        "jetstream": {},
        "tls_timeout": plain(options.tls.timeout_s if options.tls is not None else 2.0),
        "write_deadline": int(options.write_deadline_s * _NS),
    }
    return told | present({"write_timeout": options.write_timeout if options.write_timeout != "close" else ""})


def _websocket(server: Server, websocket: WebSocket) -> dict[str, Any]:
    tls = websocket.tls
    told = present(
        {
            "host": websocket.host,
            "port": server.websocket_port,
            "advertise": websocket.advertise,
            "no_auth_user": websocket.no_auth_user,
            "jwt_cookie": websocket.jwt_cookie,
            "handshake_timeout": int(websocket.handshake_timeout_s * _NS),
            "auth_timeout": plain(websocket.authorization.timeout_s or 0) if websocket.authorization else 0,
            "no_tls": websocket.no_tls,
            "tls_map": tls is not None and tls.verify_and_map,
            "tls_pinned_certs": sorted(tls.pinned_certs) if tls is not None else [],
            "same_origin": websocket.same_origin,
            "allowed_origins": list(websocket.allowed_origins),
            "compression": websocket.compression,
        }
    )
    return told | _ending(server.entrances.websocket_certificate_ends_at)


def _state(server: Server) -> dict[str, Any]:
    now = server.clock.now()
    return {
        "start": timestamp(server.started_at),
        "now": timestamp(now),
        "uptime": elapsed(now - server.started_at),
        "mem": resident_bytes(),
        "cores": os.cpu_count() or 1,
        "gomaxprocs": 1,  # one event loop
        "cpu": plain(server.processor.percent()),
        "connections": len(server.clients),
        "total_connections": server.total_connections,
        "routes": 0,
        "remotes": 0,
        "leafnodes": 0,
    }


def _traffic(server: Server) -> dict[str, int]:
    spaces = [account.space for account in server.accounts]
    moved = {
        "in_msgs": sum(space.in_messages for space in spaces),
        "in_bytes": sum(space.in_bytes for space in spaces),
        "out_msgs": sum(space.out_messages for space in spaces),
        "out_bytes": sum(space.out_bytes for space in spaces),
    }
    # There is nobody but clients here.
    incoming, outgoing = ("in_msgs", "in_bytes"), ("out_msgs", "out_bytes")
    told: dict[str, int] = {}
    for pair in (incoming, outgoing):
        told |= {name: moved[name] for name in pair}
        told |= {name.replace("_", "_client_"): moved[name] for name in pair}
    return told


def _counters(server: Server) -> dict[str, int]:
    return {
        "slow_consumers": server.slow_consumers,
        "stale_connections": server.stale_connections,
        "stalled_clients": server.stalled_clients,
        "subscriptions": sum(account.space.subscription_count for account in server.accounts),
    }


def _configuration(server: Server) -> dict[str, Any]:
    options = server.options
    system = server.accounts.system
    return {
        "config_load_time": timestamp(server.configured_at),
        "config_digest": options.digest,
        **present(
            {
                "tags": list(options.tags),
                "metadata": options.metadata,
                "feature_flags": options.feature_flags,
                "trusted_operators_jwt": [operator.token for operator in options.operators],
                "trusted_operators_claim": [operator.claims for operator in options.operators],
                "system_account": system.id if system is not None else "",
                "pinned_account_fails": server.accounts.pinned_fails,
                "proxies": {"trusted": [{"key": key} for key in options.trusted_proxies]}
                if options.trusted_proxies
                else {},
            }
        ),
    }


def _by_kind(clients: int) -> dict[str, int]:
    return {"clients": clients, "routes": 0, "gateways": 0, "leafs": 0}


def _ending(certificate_ends_at: float | None) -> dict[str, str]:
    """When the listener's certificate ends; nothing without one."""
    return {} if certificate_ends_at is None else {"tls_cert_not_after": timestamp(certificate_ends_at)}
