"""Operator claims: the root of trust, and where to find it."""

from typing import ClassVar

from msgspec import field

from natskit.errors import ClaimsError
from natskit.jwt.body import Body, Claims, Int64


class Operator(Body, frozen=True, kw_only=True):
    """Spec section 3.1."""

    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    operator_service_urls: tuple[str, ...] = ()
    system_account: str = ""
    assert_server_version: str = ""
    strict_signing_key_usage: bool = False
    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0


class OperatorClaims(Claims, frozen=True, kw_only=True):
    """An operator's token."""

    kind: ClassVar[str] = "operator"

    nats: Operator = field(default_factory=Operator)

    def arranged(self) -> Operator:
        """The body as it is. Raises ClaimsError for an account server URL that is none."""
        if self.nats.account_server_url:
            from natskit.jwt.url import account_server_fault

            if fault := account_server_fault(self.nats.account_server_url):
                raise ClaimsError(fault)
        return self.nats


def new_operator(subject: str, name: str = "") -> OperatorClaims:
    """Claims as the Go constructor makes them: issued by the operator itself."""
    return OperatorClaims(subject=subject, issuer=subject, name=name)
