"""An operator's token of version 1, written again as version 2 (spec/nsc-commands.md 3.2, ``upgrade-jwt``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.errors import DeniedError, NotFound

from .files import read_bytes
from .output import write_output

if TYPE_CHECKING:
    from .operator_store import OperatorStore
    from .plan import Plan

__all__ = ["back_up", "plan_upgrade"]


def plan_upgrade(plan: Plan, store: OperatorStore) -> bool:
    """Plan to write the operator's token in version 2; False if it is already.

    Raises UsageError in a managed store, NotFound without the operator's identity key.
    """
    claims = store.operator()
    if claims.nats.version != 1:
        return False
    if store.managed:
        raise DeniedError(
            "No change was made! The operator is somebody else's: ask for its current token",
            hint="nsc add operator --force -u URL",
        )
    workspace = plan.workspace
    pair = workspace.keystore.pair(claims.subject)
    if pair is None:
        raise NotFound(
            f"Identity Key for Operator {claims.name} not found. No change was made!", hint="nsc import keys --dir DIR"
        )
    plan.token(store.operator_path, workspace.sign(claims, pair))
    return True


def back_up(store: OperatorStore, path: str) -> None:
    """Write everything in an operator's folder to a zip file at ``path``. Raises AlreadyExists, StoreError."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, folders, files in os.walk(store.path):
            folders.sort()
            for name in sorted(files):
                full = os.path.join(folder, name)
                data = read_bytes(full)
                if data is not None:
                    archive.writestr(os.path.relpath(full, os.path.dirname(store.path)), data)
    write_output(path, buffer.getvalue(), overwrite=False)
