"""Claims and tokens: what operators, accounts and users sign.

Claims are frozen values: a head (``subject``, ``issuer``, ``expires`` ...) and a body ``nats`` whose members carry the
names of the format. Edit with ``msgspec.structs.replace``. ``decode`` reads a signed token, ``encode`` signs claims,
``issues`` says what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.jwt.account import (
    UNLIMITED,
    Account,
    AccountClaims,
    AccountLimits,
    ExternalAuthorization,
    JetStreamLimits,
    MessageTrace,
    UserScope,
    WeightedMapping,
    new_account,
)
from natskit.jwt.activation import Activation, ActivationClaims, new_activation
from natskit.jwt.body import (
    Access,
    Claims,
    Permission,
    Permissions,
    ResponsePermission,
    ScopeTemplate,
    TimeRange,
    UserRights,
)
from natskit.jwt.chunks import MAX_TOKEN_BYTES
from natskit.jwt.codec import decode, decode_unverified, encode
from natskit.jwt.generic import GenericClaims
from natskit.jwt.issue import Issue
from natskit.jwt.operator import Operator, OperatorClaims, new_operator
from natskit.jwt.sharing import Export, Import, ServiceLatency
from natskit.jwt.trust import activation_hash, did_sign, is_revoked, revoke, trusted_keys
from natskit.jwt.user import CONNECTION_TYPES, User, UserClaims, new_scoped_user, new_user

__all__ = [
    "CONNECTION_TYPES",
    "MAX_TOKEN_BYTES",
    "UNLIMITED",
    "Access",
    "Account",
    "AccountClaims",
    "AccountLimits",
    "Activation",
    "ActivationClaims",
    "AuthorizationRequest",
    "AuthorizationRequestClaims",
    "AuthorizationResponse",
    "AuthorizationResponseClaims",
    "Claims",
    "ClientInformation",
    "ClientTLS",
    "ConnectOptions",
    "Export",
    "ExternalAuthorization",
    "GenericClaims",
    "Import",
    "Issue",
    "JetStreamLimits",
    "MessageTrace",
    "Operator",
    "OperatorClaims",
    "Permission",
    "Permissions",
    "ResponsePermission",
    "ScopeTemplate",
    "ServerID",
    "ServiceLatency",
    "TimeRange",
    "User",
    "UserClaims",
    "UserRights",
    "UserScope",
    "WeightedMapping",
    "activation_hash",
    "check_scoped_user",
    "decode",
    "decode_unverified",
    "did_sign",
    "encode",
    "expand_template",
    "is_revoked",
    "issue_user",
    "issues",
    "new_account",
    "new_activation",
    "new_operator",
    "new_scoped_user",
    "new_user",
    "revoke",
    "trusted_keys",
]

if TYPE_CHECKING:
    from natskit.jwt.authorization import (
        AuthorizationRequest,
        AuthorizationRequestClaims,
        AuthorizationResponse,
        AuthorizationResponseClaims,
        ClientInformation,
        ClientTLS,
        ConnectOptions,
        ServerID,
    )
    from natskit.jwt.issuance import issue_user
    from natskit.jwt.templates import expand_template
    from natskit.jwt.validation import check_scoped_user, issues

# Loaded on first use: commands that only show claims need none of it.
_LATER = {
    **dict.fromkeys(
        (
            "AuthorizationRequest",
            "AuthorizationRequestClaims",
            "AuthorizationResponse",
            "AuthorizationResponseClaims",
            "ClientInformation",
            "ClientTLS",
            "ConnectOptions",
            "ServerID",
        ),
        "natskit.jwt.authorization",
    ),
    "check_scoped_user": "natskit.jwt.validation",
    "expand_template": "natskit.jwt.templates",
    "issue_user": "natskit.jwt.issuance",
    "issues": "natskit.jwt.validation",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = value = getattr(import_module(_LATER[name]), name)
    return value
