"""What the current directory says about stores root, operator and account (spec/nsc.md 2.3)."""

from __future__ import annotations

import os

import msgspec

from natskit.errors import StoreError

from .files import sub_directories
from .operator_store import Info, is_operator_folder

__all__ = ["Found", "from_directory"]


class Found(msgspec.Struct, frozen=True):
    """Where the current directory is; ``operator`` and ``account`` empty if it does not say."""

    store_root: str
    operator: str = ""
    account: str = ""


def from_directory(cwd: str) -> Found | None:
    """Read the context off ``cwd``; None outside of any store."""
    name = _operator_in(cwd)
    if name:
        return Found(os.path.dirname(cwd), name)
    if any(is_operator_folder(os.path.join(cwd, folder)) for folder in _folders(cwd)):
        return Found(cwd)
    folder = cwd
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        name = _operator_in(folder)
        if name:
            return Found(os.path.dirname(folder), name, _account(folder, cwd))
    return None


def _operator_in(folder: str) -> str:
    try:
        info = Info.read(folder)
    except StoreError:
        return ""
    return info.name if info else ""


def _account(operator_folder: str, cwd: str) -> str:
    parts = os.path.relpath(cwd, operator_folder).split(os.sep)
    return parts[1] if len(parts) > 1 and parts[0] == "accounts" else ""


def _folders(cwd: str) -> list[str]:
    try:
        return sub_directories(cwd)
    except StoreError:
        return []
