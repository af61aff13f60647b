"""What short commands do before anything else so that they start fast."""

from __future__ import annotations

import sys

__all__ = ["import_msgspec"]


def import_msgspec() -> None:
    """Import msgspec without ``typing_extensions``, which it tries first for what this Python's ``typing`` has too.

    That module and what it pulls in (``inspect``, ``ast``, ``dis``) would be a quarter of a short command's time.
    """
    name = "typing_extensions"
    if name in sys.modules or "msgspec" in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules[name]
