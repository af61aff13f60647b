"""Limits of accounts, as ``nsc edit account`` changes them. Pure.

Source: spec/nsc-commands.md 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict, replace

from natskit.errors import AlreadyExists, NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from natskit.jwt import AccountLimits, JetStreamLimits

__all__ = ["JetStreamEdit", "edit_jetstream", "edit_limits", "without_jetstream"]

_LINES = {
    "conn": "changed max connections to {}",
    "leaf": "changed leaf node connections to {}",
    "data": "changed max data to {} bytes",
    "exports": "changed max exports to {}",
    "wildcards": "changed wild card exports to {}",
    "disallow_bearer": "changed disallow bearer to {}",
    "imports": "changed max imports to {}",
    "payload": "changed max payload size to {}",
    "subs": "changed max subscriptions to {}",
}
_JETSTREAM_LINES = {
    "streams": "max streams",
    "consumer": "max consumer",
    "mem_storage": "max mem storage",
    "mem_max_stream_bytes": "max memory stream",
    "disk_storage": "max disk storage",
    "disk_max_stream_bytes": "max disk stream",
    "max_ack_pending": "max ack pending",
    "max_bytes_required": "max bytes required",
}
_COUNTS = ("streams", "consumer", "max_ack_pending", "mem_max_stream_bytes", "disk_max_stream_bytes")


def edit_limits(limits: AccountLimits, changes: dict[str, Any]) -> tuple[AccountLimits, list[str]]:
    """The limits with the changes that are not None; and what was done."""
    given = {name: value for name, value in changes.items() if value is not None}
    done = [line.format(_shown(given[name])) for name, line in _LINES.items() if name in given]
    return replace(limits, **given), done


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class JetStreamEdit(msgspec.Struct, frozen=True):
    """What to do to the JetStream limits: ``tier`` 0 is the account as a whole, n the tier ``Rn``.

    ``changes`` are members of a tier, None to keep; ``enable``, ``remove`` are tiers; ``disable`` takes all away.
    """

    tier: int
    changes: dict[str, Any]
    enable: int | None
    remove: int | None
    disable: bool

    @property
    def wanted(self) -> bool:
        """Whether anything is to be done."""
        changed = any(value is not None for value in self.changes.values())
        return changed or self.enable is not None or self.remove is not None or self.disable


def edit_jetstream(limits: AccountLimits, edit: JetStreamEdit) -> tuple[AccountLimits, list[str]]:
    """The limits after the edit; and what was done. Raises UsageError for edits that exclude each other."""
    changed = any(value is not None for value in edit.changes.values())
    for name, given in (
        ("rm-js-tier", edit.remove is not None),
        ("js-disable", edit.disable),
        ("js-enable", edit.enable is not None),
    ):
        if given and changed + (edit.remove is not None) + edit.disable + (edit.enable is not None) > 1:
            raise UsageError(f"{name} is exclusive of all other js options")
    if edit.disable:
        return without_jetstream(limits)
    if edit.remove is not None:
        return _without_tier(limits, edit.remove)
    if edit.enable is not None:
        return _with_enabled(limits, edit.enable)
    return _changed(limits, edit)


def as_go_writes(limits: AccountLimits) -> AccountLimits:
    """Limits of an account without JetStream as the Go tool writes them on every edit: counts unlimited, storage none.

    It changes nothing, since without storage there is no JetStream; but the same edits give the same tokens.
    """
    flat = limits.jetstream
    return (
        replace(limits, **dict.fromkeys(_COUNTS, -1)) if not limits.tiered_limits and flat == type(flat)() else limits
    )


def _name(tier: int) -> str:
    return f"R{tier}" if tier else "global"


def _tier_of(limits: AccountLimits, tier: int) -> JetStreamLimits:
    from natskit.jwt import JetStreamLimits

    return limits.tiered_limits.get(_name(tier), JetStreamLimits()) if tier else limits.jetstream


def _with_tier(limits: AccountLimits, tier: int, value: JetStreamLimits) -> AccountLimits:
    if tier:
        return replace(limits, tiered_limits={**limits.tiered_limits, _name(tier): value})
    return replace(limits, **asdict(value))


def _check_kind(limits: AccountLimits, tier: int) -> None:
    if tier and limits.jetstream.enabled:
        raise StoreError("cannot set a jetstream tier limit when a configuration has a global limit")
    if not tier and limits.tiered_limits:
        tiers = ",".join(sorted(limits.tiered_limits))
        raise StoreError(f"cannot set a jetstream global limit when a configuration has tiered limits '{tiers}'")


def _changed(limits: AccountLimits, edit: JetStreamEdit) -> tuple[AccountLimits, list[str]]:
    given = {name: value for name, value in edit.changes.items() if value is not None}
    if not given:
        return limits, []
    _check_kind(limits, edit.tier)
    before = _tier_of(limits, edit.tier)
    base = asdict(before)
    if before == type(before)():
        base |= dict.fromkeys(_COUNTS, -1)
    done = [
        f"changed {_name(edit.tier)} {words} to {_shown(given[name])}"
        for name, words in _JETSTREAM_LINES.items()
        if name in given
    ]
    return _with_tier(limits, edit.tier, type(before)(**{**base, **given})), done


def _with_enabled(limits: AccountLimits, tier: int) -> tuple[AccountLimits, list[str]]:
    from natskit.jwt import JetStreamLimits

    _check_kind(limits, tier)
    if _tier_of(limits, tier).enabled:
        raise AlreadyExists(f"jetstream tier {_name(tier)} is already enabled")
    unlimited = JetStreamLimits(mem_storage=-1, disk_storage=-1)
    line = f"enabled tier limit {_name(tier)}" if tier else "enabled global limit"
    return _with_tier(limits, tier, unlimited), [line]


def _without_tier(limits: AccountLimits, tier: int) -> tuple[AccountLimits, list[str]]:
    from natskit.jwt import JetStreamLimits

    if not tier:
        return replace(limits, **asdict(JetStreamLimits())), ["deleted global limit"]
    if not limits.tiered_limits:
        raise NotFound("account doesn't have tier limits")
    if _name(tier) not in limits.tiered_limits:
        raise NotFound(f"account doesn't have tier {_name(tier)} limit")
    rest = {name: each for name, each in limits.tiered_limits.items() if name != _name(tier)}
    return replace(limits, tiered_limits=rest), [f"deleted tier limit {_name(tier)}"]


def without_jetstream(limits: AccountLimits) -> tuple[AccountLimits, list[str]]:
    """The limits with JetStream off; and what was done."""
    from natskit.jwt import JetStreamLimits

    done = ["deleted global limit", *(f"deleted tier limit {name}" for name in sorted(limits.tiered_limits))]
    return replace(limits, **asdict(JetStreamLimits()), tiered_limits={}), done
