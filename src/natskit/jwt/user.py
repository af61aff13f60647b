"""User claims: what one user may do, and from where."""

from typing import ClassVar

from msgspec import field

from natskit.jwt.body import Claims, Int64, UserRights

CONNECTION_TYPES = ("STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS")
"""How a client may connect (``allowed_connection_types``)."""


class User(UserRights, frozen=True, kw_only=True):
    """Spec section 3.3. ``issuer_account`` is set when a signing key of that account signed."""

    issuer_account: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0

    @property
    def rights(self) -> UserRights:
        """The permissions and limits alone."""
        return UserRights(**{name: getattr(self, name) for name in UserRights.__struct_fields__})


class UserClaims(Claims, frozen=True, kw_only=True):
    """A user's token."""

    kind: ClassVar[str] = "user"

    nats: User = field(default_factory=User)

    @property
    def account(self) -> str:
        """The key of the account that the user belongs to."""
        return self.nats.issuer_account or self.issuer


def new_user(subject: str, name: str = "") -> UserClaims:
    """Claims as the Go constructor makes them: no limits."""
    return UserClaims(subject=subject, name=name, nats=User(subs=-1, data=-1, payload=-1))


def new_scoped_user(subject: str, name: str = "", issuer_account: str = "") -> UserClaims:
    """Claims for a scoped signing key: permissions and limits are zero, the key's template decides."""
    return UserClaims(subject=subject, name=name, nats=User(issuer_account=issuer_account))
