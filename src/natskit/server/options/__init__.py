"""The server's options: their shapes, reading them, checking them, comparing them.

>>> from natskit.server.options import Options
>>> Options(port=-1).limits.max_payload
1048576
"""

from __future__ import annotations

from natskit.server.options.shapes import (
    GLOBAL_ACCOUNT,
    SYSTEM_ACCOUNT,
    Account,
    AccountLimits,
    AuthCallout,
    Authorization,
    CacheResolver,
    CertificatePair,
    Destination,
    Export,
    FullResolver,
    Import,
    Latency,
    Limits,
    Logging,
    MemoryResolver,
    MessageTrace,
    Monitoring,
    Options,
    Permissions,
    Resolver,
    ResponsePermission,
    SubjectMapping,
    SubjectPermission,
    Tls,
    TrustedOperator,
    UrlResolver,
    User,
    WebSocket,
    WebSocketAuthorization,
)

__all__ = [
    "GLOBAL_ACCOUNT",
    "SYSTEM_ACCOUNT",
    "Account",
    "AccountLimits",
    "AuthCallout",
    "Authorization",
    "CacheResolver",
    "CertificatePair",
    "Destination",
    "Export",
    "FullResolver",
    "Import",
    "Latency",
    "Limits",
    "Logging",
    "MemoryResolver",
    "MessageTrace",
    "Monitoring",
    "Options",
    "Permissions",
    "Resolver",
    "ResponsePermission",
    "SubjectMapping",
    "SubjectPermission",
    "Tls",
    "TrustedOperator",
    "UrlResolver",
    "User",
    "WebSocket",
    "WebSocketAuthorization",
]
