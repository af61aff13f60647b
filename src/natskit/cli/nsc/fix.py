"""``nsc fix``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.cli.command import command, strings, switch, text
from natskit.errors import UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["fix"]


@command(
    strings("in", "", "folders to look through, with all below them", metavar="DIRS"),
    text("out", "", "folder to write to, default ./fix_ and some letters", metavar="DIR"),
    switch("creds", "", "also read creds files"),
    arguments=("[ignored...]",),
    stores=False,
    examples=[("nsc fix --in backup --out restored", "make stores and a keystore of what is found in backup")],
)
def fix(run: Run, *, out: str, creds: bool, ignored: tuple[str, ...], **flags: tuple[str, ...]) -> None:
    """Make stores and a keystore anew from any tokens and seeds. What is there already is not touched."""
    from natskit.store import repair

    if not flags["in"]:
        raise UsageError('required flag(s) "in" not set')
    folder = run.full_path(out or f"fix_{os.urandom(6).hex()}")
    found = repair.find([run.full_path(each) for each in flags["in"]], creds=creds)
    done = repair.repair(found, folder)
    for path in done.written:
        run.wrote(path)
    for path, why in found.passed_over:
        run.warn(f"passed over {run.path(path)}: {why}")
    for kind, names in (("operator", done.operators), ("account", done.accounts), ("user", done.users)):
        for name in names:
            run.note(f"stored {kind} {name}")
    for public in done.keys:
        run.note(f"stored key {run.key(public)}")
    counts = {"operators": done.operators, "accounts": done.accounts, "users": done.users, "nkeys": done.keys}
    run.success("stored " + ", ".join(f"{len(each)} {what}" for what, each in counts.items()))
    run.note("to use it:")
    run.note(f"  export NKEYS_PATH={run.path(os.path.join(folder, 'keys'))}")
    run.note(f"  nsc env --store {run.path(os.path.join(folder, 'operators'))}")
    run.fact(out=folder, **counts, passed_over=[{"path": path, "why": why} for path, why in found.passed_over])
