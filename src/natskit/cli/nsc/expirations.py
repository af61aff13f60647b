"""``nsc expirations``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, switch, text
from natskit.cli.tables import Table

if TYPE_CHECKING:
    from natskit.store.expirations import Expiration

    from .run import Run

__all__ = ["expirations"]


@command(
    text("within", "e", "soon means within this time, such as 2w; default 1M", metavar="TIME", default="1M"),
    switch("skip", "", "only what has expired or expires soon"),
    examples=[
        ("nsc expirations", "when tokens and creds expire"),
        ("nsc expirations --within 2w --skip --json", "what needs attention in the next two weeks, for a script"),
    ],
)
def expirations(run: Run, *, within: str, skip: bool) -> None:
    """Show when the tokens of operator, accounts and users expire, and the creds files made of them."""
    from natskit.cli.flags import parse_moment
    from natskit.store.expirations import expirations as all_expirations

    workspace = run.workspace
    now = workspace.now()
    soon = parse_moment(within, now, "")
    found = [
        each
        for each in all_expirations(workspace, workspace.operator())
        if not skip or each.expired(now) or each.expires_by(soon)
    ]
    if run.json:
        report = [_document(each, now, soon) for each in found]
        return run.document({"expiration_threshold": _timestamp(soon), "report": report})
    return run.table(_table(run, found, now, soon))


def _timestamp(moment: int) -> str:
    """RFC 3339; empty for 0, which is never."""
    from time import gmtime, strftime

    if not moment:
        return ""
    try:
        return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return f"{moment} (Unix seconds)"


def _when(moment: int, now: int) -> str:
    from natskit.cli.flags import relative

    return relative(moment, now) if moment else "Never"


def _document(each: Expiration, now: int, soon: int) -> dict[str, Any]:
    return {
        "resource": each.resource,
        "id": each.public,
        "when": _when(each.expires, now),
        "expiry": each.expires,
        "expiration_date": _timestamp(each.expires),
        "expires_soon": each.expires_by(soon),
        "expired": each.expired(now),
    }


def _table(run: Run, found: list[Expiration], now: int, soon: int) -> Table:
    table = Table(f"Expiration Report ({_when(soon, now)})", ("Expired", "Resource", "Expiration"))
    for each in found:
        mark = "Yes" if each.expired(now) else "Soon" if each.expires_by(soon) else "No"
        when = _when(each.expires, now)
        table.row(mark, run.path(each.resource), f"{_timestamp(each.expires)} - {when}" if each.expires else when)
    return table
