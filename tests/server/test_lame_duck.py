"""Lame duck mode of a server with more clients than there are moments to close them in."""

from __future__ import annotations

from msgspec.structs import replace

from natskit.server import Options
from natskit.server.clock import Clock
from natskit.server.lame_duck import LameDuck


class Crowd:
    """A server, as far as its last while is concerned."""

    def __init__(self, count: int, grace_s: float) -> None:
        self.clock = Clock()
        self.options = replace(Options(), lame_duck_duration_s=30.0, lame_duck_grace_period_s=grace_s)
        self.clients = {cid: Leaving(self, cid) for cid in range(count)}


class Leaving:
    def __init__(self, crowd: Crowd, cid: int) -> None:
        self.crowd = crowd
        self.cid = cid

    def tell_lame_duck(self) -> None:
        pass

    def close(self, reason: str) -> None:
        assert reason == "Server Shutdown"
        self.crowd.clients.pop(self.cid, None)


async def test_many_clients_are_closed_in_what_is_left_of_the_time():
    crowd = Crowd(5000, grace_s=29.9)  # 20 us for each
    lame_duck = LameDuck(crowd)
    lame_duck.begin()
    crowd.clock.advance(29.8)
    assert len(crowd.clients) == 5000
    crowd.clock.advance(0.3)
    assert not crowd.clients
    await lame_duck.over()
    assert crowd.clock.planned == 0


async def test_few_clients_are_closed_a_second_apart_and_nothing_is_planned_when_the_last_has_left_by_itself():
    crowd = Crowd(3, grace_s=1.0)
    lame_duck = LameDuck(crowd)
    lame_duck.begin()
    crowd.clock.advance(1.2)
    assert len(crowd.clients) == 2
    crowd.clients.clear()
    crowd.clock.advance(1.0)
    await lame_duck.over()
    assert crowd.clock.planned == 0
