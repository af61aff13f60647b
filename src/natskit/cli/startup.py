"""What short commands do before anything else so that they start fast."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["import_msgspec", "nsc"]


def nsc() -> None:
    """The console script ``nsc``. Collecting garbage while modules are loaded would be a twentieth of its time."""
    gc.set_threshold(100_000, 50, 50)
    from natskit.cli.nsc import main

    main()


def import_msgspec() -> None:
    """Import msgspec without what takes long and does nothing for us, a third of a short command's time.

    It tries ``typing_extensions`` first (with ``inspect``, ``ast``, ``dis``) for what this Python's ``typing`` has too,
    and imports ``uuid``, which until Python 3.11 asks ``platform`` for the name of the system.
    """
    if "msgspec" in sys.modules:
        return
    stand_ins = {"typing_extensions": None, "platform": _Platform("platform")}
    mine = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(mine)  # type: ignore[arg-type]
    try:
        import msgspec  # noqa: F401
    finally:
        for name in mine:
            del sys.modules[name]


class _Platform(type(sys)):  # type: ignore[misc]
    """As much of ``platform`` as ``uuid`` uses."""

    @staticmethod
    def system() -> str:
        """The name of the system."""
        return os.uname().sysname
