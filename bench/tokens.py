"""Tokens issued and verified per second in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from natskit import jwt
from natskit.nkeys import KeyPair, Role

SECONDS = 2.0


def rate(action: Callable[[], object]) -> float:
    """How often ``action`` runs in a second."""
    end = time.perf_counter() + SECONDS
    count = 0
    while (now := time.perf_counter()) < end:
        for _ in range(200):
            action()
        count += 200
    return count / (now - end + SECONDS)


def account_of(size: int, key: KeyPair) -> jwt.AccountClaims:
    """Account claims whose token has about ``size`` bytes."""
    claims = jwt.new_account(key.public, "bench")
    exports = tuple(
        jwt.Export(name=f"export {number}", subject=f"bench.{number}.>", type="stream") for number in range(size // 95)
    )
    return replace(claims, nats=replace(claims.nats, exports=exports))


def main() -> None:
    """Print the figures."""
    operator, account, user = (KeyPair.create(role) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))
    claims = jwt.new_user(user.public, "bench")
    issued = rate(lambda: jwt.encode(claims, account, issued_at=1))
    token = jwt.encode(account_of(3072, account), operator, issued_at=1)
    read = rate(lambda: jwt.decode(token, jwt.AccountClaims))
    signed = rate(lambda: account.sign(b"x" * 300))
    print(f"user tokens issued: {issued:,.0f}/s (signatures alone: {signed:,.0f}/s)")
    print(f"account tokens of {len(token):,} bytes decoded and verified: {read:,.0f}/s")


if __name__ == "__main__":
    main()
