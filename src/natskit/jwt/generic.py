"""Claims of no known kind."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import field

from natskit.jwt.body import Claims


class GenericClaims(Claims, frozen=True, kw_only=True):
    """A token with a free map as its body."""

    kind: ClassVar[str] = "generic"

    nats: dict[str, Any] = field(default_factory=dict)
