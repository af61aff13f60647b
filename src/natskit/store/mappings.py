"""Subject mappings of an account, as edits of its claims (spec/nsc-commands.md 3.5).

An entry is told from the others by its destination and its cluster: the same destination may have one weight
everywhere and another in one cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.errors import ClaimsError, InvalidSubject
from natskit.subjects import Transform

from .sharing import check_new_issues

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, WeightedMapping

__all__ = ["fault_of", "with_mapping", "without_mapping"]

_Mappings = dict[str, "tuple[WeightedMapping, ...] | None"]


def with_mapping(claims: AccountClaims, source: str, entry: WeightedMapping, now: int) -> AccountClaims:
    """The claims with ``entry`` added, or in place of the one it is told from by nothing. Raises ClaimsError."""
    entries = list(claims.nats.mappings.get(source) or ())
    same = next((number for number, each in enumerate(entries) if _id(each) == _id(entry)), None)
    if same is None:
        entries.append(entry)
    else:
        entries[same] = entry
    after = _with(claims, {**claims.nats.mappings, source: tuple(entries)})
    try:
        check_new_issues(claims, after, now)
    except ClaimsError as error:
        raise ClaimsError(f"mapping validation failed: {error}", issues=error.issues) from None
    return after


def without_mapping(claims: AccountClaims, source: str, destination: str, cluster: str) -> tuple[AccountClaims, int]:
    """The claims without the entries for ``source``: all, or those of a destination, of a cluster, of both.

    Without ``cluster`` a destination's entries go everywhere. The number is how many have gone.
    """
    entries = claims.nats.mappings.get(source) or ()
    kept = tuple(
        each
        for each in entries
        if (destination and each.subject != destination) or (cluster and each.cluster != cluster)
    )
    mappings: _Mappings = {name: each for name, each in claims.nats.mappings.items() if name != source}
    if kept:
        mappings[source] = kept
    return _with(claims, mappings), len(entries) - len(kept)


def fault_of(source: str, destination: str) -> str:
    """Why a server does not accept a mapping, in a sentence; empty if it does."""
    try:
        Transform.compile(source, destination)
    except InvalidSubject as error:
        return str(error)
    return ""


def _id(entry: WeightedMapping) -> tuple[str, str]:
    return entry.subject, entry.cluster


def _with(claims: AccountClaims, mappings: _Mappings) -> AccountClaims:
    return replace(claims, nats=replace(claims.nats, mappings=mappings))
