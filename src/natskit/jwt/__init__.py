"""Claims and tokens: what operators, accounts and users sign.

Claims are frozen values: a head (``subject``, ``issuer``, ``expires`` ...) and a body ``nats`` whose members carry the
names of the format. Edit with ``msgspec.structs.replace``. ``decode`` reads a signed token, ``encode`` signs claims,
``issues`` says what is wrong with them.
"""

from __future__ import annotations

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
from natskit.jwt.authorization import (
    AuthorizationRequest,
    AuthorizationRequestClaims,
    AuthorizationResponse,
    AuthorizationResponseClaims,
)
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
from natskit.jwt.codec import decode, decode_unverified, encode
from natskit.jwt.generic import GenericClaims
from natskit.jwt.operator import Operator, OperatorClaims, new_operator
from natskit.jwt.sharing import Export, Import, ServiceLatency
from natskit.jwt.user import User, UserClaims, new_scoped_user, new_user

__all__ = [
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
    "Export",
    "ExternalAuthorization",
    "GenericClaims",
    "Import",
    "JetStreamLimits",
    "MessageTrace",
    "Operator",
    "OperatorClaims",
    "Permission",
    "Permissions",
    "ResponsePermission",
    "ScopeTemplate",
    "ServiceLatency",
    "TimeRange",
    "User",
    "UserClaims",
    "UserRights",
    "UserScope",
    "WeightedMapping",
    "decode",
    "decode_unverified",
    "encode",
    "new_account",
    "new_activation",
    "new_operator",
    "new_scoped_user",
    "new_user",
]
