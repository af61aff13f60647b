"""``nsc generate nkey``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, switch
from natskit.errors import UsageError
from natskit.nkeys import KeyPair, Role

if TYPE_CHECKING:
    from .run import Run

__all__ = ["generate_nkey"]


@command(
    switch("operator", "o", "an operator key"),
    switch("account", "a", "an account key"),
    switch("user", "u", "a user key"),
    switch("curve", "x", "a curve key, to encrypt auth callouts with"),
    switch("store", "S", "keep the seeds in the keystore instead of printing them"),
    arguments=("[ignored...]",),
    examples=[
        ("nsc generate nkey --account", "print the seed and the public key of a new account key"),
        ("nsc generate nkey --curve --store", "keep it, and print where"),
    ],
    stores=False,
)
def generate_nkey(
    run: Run, *, operator: bool, account: bool, user: bool, curve: bool, store: bool, ignored: tuple[str, ...]
) -> None:
    """Make keys. Nothing but the keystore is touched."""
    chosen = {Role.OPERATOR: operator, Role.ACCOUNT: account, Role.USER: user, Role.CURVE: curve}
    pairs = [KeyPair.create(role) for role, wanted in chosen.items() if wanted]
    if not pairs:
        raise UsageError("set --operator, --account, --user, or --curve")
    paths = _store(run, pairs) if store else {}
    lines: list[str] = []
    for pair in pairs:
        if store:
            lines += [pair.public, f"{pair.role.value} key stored {run.path(paths[pair.public])}", ""]
        else:
            lines += [pair.seed, pair.public, ""]
    run.result("\n".join(lines), keys=[_document(pair, paths) for pair in pairs])


def _store(run: Run, pairs: list[KeyPair]) -> dict[str, str]:
    from natskit.store import Plan

    plan = Plan(run.workspace)
    paths = {pair.public: plan.key(pair) for pair in pairs}
    run.files(plan.commit())
    return paths


def _document(pair: KeyPair, paths: dict[str, str]) -> dict[str, str]:
    document = {"kind": pair.role.value, "public_key": pair.public}
    return document | ({"path": paths[pair.public]} if paths else {"seed": pair.seed})
