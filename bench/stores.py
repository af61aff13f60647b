"""Commands that look at a whole store with many accounts in it.

``python -m bench.stores [COUNT]``; 10,000 by default.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from bench.process import cost
from natskit import jwt
from natskit.jwt.files import write_creds
from natskit.nkeys import KeyPair, Role

ACCOUNTS = 10_000
COMMANDS = (
    ("list", "accounts"),
    ("validate", "--all-accounts"),
    ("list", "keys", "--all"),
    ("generate", "config", "--mem-resolver"),
    ("doctor",),
)


def make_store(root: Path, count: int) -> None:
    """An operator with ``count`` accounts, each with a user and creds; each imports two streams of the next one."""
    now = int(time.time())
    operator, signing_key = KeyPair.create(Role.OPERATOR), KeyPair.create(Role.OPERATOR)
    pairs = [KeyPair.create(Role.ACCOUNT) for _ in range(count)]
    stores, keys = root / "stores/O", root / "keys"
    _write(stores / ".nsc", '{"managed":false,"name":"O","kind":"operator","version":"1"}')
    body = jwt.Operator(signing_keys=(signing_key.public,), system_account=pairs[0].public)
    claims = replace(jwt.new_operator(operator.public, "O"), nats=body)
    _write(stores / "O.jwt", jwt.encode(claims, operator, issued_at=now - 100))
    for pair in (operator, signing_key, *pairs):
        _write_key(keys, pair)
    for number, pair in enumerate(pairs):
        name = f"A{number:05d}"
        token = jwt.encode(_account(pairs, number, now), signing_key, issued_at=now - 100)
        _write(stores / f"accounts/{name}/{name}.jwt", token)
        user = KeyPair.create(Role.USER)
        token = jwt.encode(jwt.new_user(user.public, "u"), pair, issued_at=now - 100)
        _write(stores / f"accounts/{name}/users/u.jwt", token)
        _write_key(keys, user)
        _write(keys / f"creds/O/{name}/u.creds", write_creds(token, user.seed))


def _account(pairs: list[KeyPair], number: int, now: int) -> jwt.AccountClaims:
    pair, following = pairs[number], (number + 1) % len(pairs)
    source = pairs[following]
    activation = replace(
        jwt.new_activation(pair.public, "private.>"), nats=jwt.Activation(subject="private.>", kind="stream")
    )
    token = jwt.encode(activation, source, issued_at=now - 100)
    exports = (
        jwt.Export(name="orders", subject=f"orders.{number}.>", type="stream"),
        jwt.Export(name="private", subject="private.>", type="stream", token_req=True),
    )
    imports = (
        jwt.Import(name="orders", subject=f"orders.{following}.>", account=source.public, type="stream"),
        jwt.Import(subject="private.>", local_subject="in.>", account=source.public, type="stream", token=token),
    )
    claims = jwt.new_account(pair.public, f"A{number:05d}")
    return replace(claims, nats=replace(claims.nats, exports=exports, imports=imports))


def _write_key(keys: Path, pair: KeyPair) -> None:
    _write(keys / "keys" / pair.public[0] / pair.public[1:3] / f"{pair.public}.nk", pair.seed)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text)
    path.chmod(0o600)


def main(count: int = ACCOUNTS) -> None:
    """Print the figures."""
    command = Path(sys.executable).with_name("nsc")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_store(root, count)
        where = ("--data-dir", str(root / "stores"), "--keystore-dir", str(root / "keys"))
        for words in COMMANDS:
            cpu, wall = cost([str(command), *words, *where], os.environ | {"HOME": folder})
            print(f"nsc {' '.join(words)}, {count:,} accounts with a user each: {cpu:.2f} s CPU, {wall:.2f} s wall")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
