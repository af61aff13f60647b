"""Activation claims: an exporter's leave for one importer."""

from typing import ClassVar

from msgspec import field

from natskit.jwt.body import Body, Claims, Int64
from natskit.jwt.sharing import check_sharing_type


class Activation(Body, frozen=True):
    """Spec section 3.4. ``kind`` is stream or service; ``subject`` the exported subject or a narrower one."""

    subject: str = ""
    kind: str = ""
    issuer_account: str = ""
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0

    def __post_init__(self) -> None:
        check_sharing_type(self.kind)


class ActivationClaims(Claims, frozen=True, kw_only=True):
    """An activation token: ``subject`` is the importing account, ``issuer`` the exporter or one of its signing keys."""

    kind: ClassVar[str] = "activation"

    nats: Activation = field(default_factory=Activation)

    @property
    def exporter(self) -> str:
        """The key of the exporting account."""
        return self.nats.issuer_account or self.issuer


def new_activation(subject: str, name: str = "") -> ActivationClaims:
    """Claims for the importing account ``subject``."""
    return ActivationClaims(subject=subject, name=name)
