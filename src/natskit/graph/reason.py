"""Why a message is delivered or not: the rule that decided, and what it looked at."""

from __future__ import annotations

import enum
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from natskit.graph.account import Export, Import

__all__ = ["Reason", "Rule", "date", "refuse"]


class Rule(enum.Enum):
    """What decided. The value is how it is called in messages."""

    # delivered, because of
    OWN_ACCOUNT = "own account"
    PUBLIC_EXPORT = "public export"
    LISTED_ACCOUNT = "listed account"
    ACCOUNT_TOKEN = "account token position"
    ACTIVATION = "activation"
    SERVED = "answered by servers"
    # about a login
    CREDS = "creds file"
    USER_TOKEN = "user token"
    USER_EXPIRED = "user token expired"
    USER_NOT_YET_VALID = "user token not yet valid"
    ACCOUNT_SIGNER = "signer of the account"
    ACCOUNT_INVALID = "account token"
    USER_SIGNER = "signer of the user"
    SCOPE = "scoped signing key"
    BEARER = "bearer token"
    CONNECTION_TYPE = "connection type"
    SEED = "seed"
    PROXY = "proxy"
    USER_REVOKED = "revocation of the user"
    SOURCE_ADDRESS = "source network"
    TIME_OF_DAY = "time of day"
    CONNECTION_LIMIT = "connection limit"
    SUBSCRIPTION_LIMIT = "subscription limit"
    PAYLOAD_LIMIT = "payload limit"
    # about a message, mostly against it
    PERMISSION = "permission"
    RESERVED = "reserved subject"
    SUBJECT = "subject"
    MAPPING = "mapping"
    UNKNOWN_ACCOUNT = "unknown account"
    ACCOUNT_NOT_IN_FORCE = "account not in force"
    NO_IMPORT = "no import"
    NO_EXPORT = "no export"
    NOT_LISTED = "account not listed"
    OTHER_ACCOUNT_TOKEN = "other account at token position"
    NO_ACTIVATION = "activation missing"
    ACTIVATION_INVALID = "activation invalid"
    ACTIVATION_FOREIGN = "activation of another issuer"
    ACTIVATION_OTHER_ACCOUNT = "activation for another account"
    ACTIVATION_OTHER_KIND = "activation of another kind"
    ACTIVATION_OTHER_SUBJECT = "activation for another subject"
    ACTIVATION_NOT_YET_VALID = "activation not yet valid"
    ACTIVATION_EXPIRED = "activation expired"
    ACTIVATION_REVOKED = "activation revoked"
    LOCAL_SUBJECT = "local subject"
    DUPLICATE = "duplicate import"
    CYCLE = "import cycle"


class Reason(Struct, frozen=True, kw_only=True):
    """``text`` says it in a sentence; the other fields name the export, import, activation (its ``jti``) and
    permission that decided, where there is one. ``granted``: it speaks for the delivery.

    ``until``: the Unix second at which time alone changes this answer. ``differs``: what nats-server does instead,
    where it decides otherwise (docs/differences.md).
    """

    granted: bool
    rule: Rule
    text: str
    export: str = ""
    wanted: str = ""
    activation: str = ""
    permission: str = ""
    mapping: str = ""
    differs: str = ""
    until: int | None = None

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.granted


def refuse(
    rule: Rule,
    wanted: Import,
    fault: str,
    export: Export | None = None,
    *,
    activation: str = "",
    differs: str = "",
    until: int | None = None,
) -> Reason:
    """The reason against an import."""
    return Reason(
        granted=False,
        rule=rule,
        text=f'{wanted.kind} import "{wanted.subject}" from {wanted.account}: {fault}',
        export=export.subject if export else "",
        wanted=wanted.subject,
        activation=activation,
        differs=differs,
        until=until,
    )


def date(moment: int) -> str:
    """``2006-01-02 15:04:05 UTC``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return f"{moment} (Unix seconds)"
