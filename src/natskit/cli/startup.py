"""What short commands do before anything else so that they start fast."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["import_msgspec", "import_nats", "nsc"]


def nsc() -> None:
    """The console script ``nsc``. Collecting garbage while modules are loaded would be a twentieth of its time."""
    gc.set_threshold(100_000, 50, 50)
    from natskit.cli.nsc import main

    main()


def import_msgspec() -> None:
    """Import msgspec without what takes long and does nothing for us, a third of a short command's time.

    It tries ``typing_extensions`` first (with ``inspect``, ``ast``, ``dis``) for what this Python's ``typing`` has too,
    and imports ``uuid``, which until Python 3.11 asks ``platform`` for the name of the system. Two modules serve its
    schemas for JSON alone.
    """
    if "msgspec" in sys.modules:
        return
    for_schemas = ("msgspec.inspect", "textwrap")
    stand_ins = {"typing_extensions": None, "platform": _Platform("platform")} | {
        name: type(sys)(name) for name in for_schemas
    }
    mine = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(mine)  # type: ignore[arg-type]
    try:
        import msgspec  # noqa: F401
    finally:
        for name in mine:
            del sys.modules[name]


def import_nats(servers: str) -> None:
    """Import nats-py without aiohttp, two thirds of a connecting command's time, unless a URL in ``servers`` needs it.

    It serves WebSocket only; nats-py does without it where it is not installed.
    """
    websocket = "ws://" in servers or "wss://" in servers
    hidden: dict[str, None] = {} if websocket else dict.fromkeys({"aiohttp", "multidict"} - sys.modules.keys())
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        from nats.aio import transport
    finally:
        for name in hidden:
            del sys.modules[name]
    names = vars(transport)
    if websocket and names.get("aiohttp", transport) is None:  # an earlier command of this process did without
        import aiohttp
        import multidict

        names.update(aiohttp=aiohttp, multidict=multidict)


class _Platform(type(sys)):  # type: ignore[misc]
    """As much of ``platform`` as ``uuid`` uses."""

    @staticmethod
    def system() -> str:
        """The name of the system."""
        return os.uname().sysname
