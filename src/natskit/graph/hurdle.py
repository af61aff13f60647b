"""Hurdles: what on a route stands between a user and a message, as far as it concerns that user."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from natskit.graph.reason import Reason, Rule
from natskit.graph.route import Stop

__all__ = ["Hurdle", "hurdles"]


class Hurdle(Struct, frozen=True):
    """What stands in the way; ``stop`` is where, if that is a place on the route."""

    reason: Reason
    stop: Stop | None = None


def hurdles(route: Stop, peer: str = "") -> tuple[Hurdle, ...]:
    """What keeps the messages of a route from arriving, in the order in which a server meets it.

    The route is asked from its account's side: imports of other accounts that do not work are their own matter. With
    ``peer``, the id of the account at the other end, only what lies between the two counts.
    """
    own = [hurdle for stop in _local(route) for hurdle in _at(stop)]
    if own and not any(stop.ends for stop in route.walk()):
        return tuple(own)
    if peer and peer != route.account:
        return (*own, *_between(route, peer))
    return (*own, *(Hurdle(stop.because, stop) for stop in route.walk() if _own_import_refused(stop, route.account)))


def _local(route: Stop) -> Iterator[Stop]:
    """The stops of the route's account before any import."""
    yield route
    for stop in route.onward:
        if stop.link is None:
            yield from _local(stop)


def _at(stop: Stop) -> Iterator[Hurdle]:
    """What stands in the way at a stop: of all that it is about, or of a part."""
    if not stop.because:
        yield Hurdle(stop.because, stop)
    parts = [each for each in stop.onward if each.kind == "permission" and each.because]
    if not parts:
        return
    but = [f'"{pattern}"' for pattern in parts[0].flow.without if pattern not in stop.flow.without]
    if [each.flow.subject for each in parts] == [stop.flow.subject] and but:
        text = f'publish to "{stop.flow.subject}" is not permitted for {", ".join(but[:8])}: deny {but[0]}'
        rule = f"deny {but[0]}"
    else:
        allowed = ", ".join(f'"{each.flow.subject}"' for each in parts[:8]) + (" ..." if len(parts) > 8 else "")
        text, rule = f'publish to "{stop.flow.subject}" is permitted for a part of it only: {allowed}', ""
    yield Hurdle(Reason(granted=False, rule=Rule.PERMISSION, text=text, permission=rule), stop)


def _own_import_refused(stop: Stop, account: str) -> bool:
    return stop.link is not None and stop.link.importer == account and not stop.because


def _between(route: Stop, peer: str) -> Iterator[Hurdle]:
    there = [stop for stop in route.walk() if stop.account == peer]
    if any(stop.ends for stop in there):
        return
    yield from (Hurdle(stop.because, stop) for stop in there if not stop.because)
    if not there:
        subject, account = route.flow.subject, route.account
        text = f'no import takes "{subject}" from {account} to {peer}'
        if route.kind == "subscribe":
            text = f'no import brings what is called "{subject}" here from {peer} to {account}'
        yield Hurdle(Reason(granted=False, rule=Rule.NO_IMPORT, text=text, wanted=subject))
