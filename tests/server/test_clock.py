"""Time that can be moved forward."""

from __future__ import annotations

import asyncio

from natskit.server.clock import Clock


async def test_planned_calls_are_made_in_order_and_at_their_time() -> None:
    clock = Clock()
    start = clock.now()
    seen: list[tuple[str, int]] = []

    def note(name: str) -> None:
        seen.append((name, round(clock.now() - start)))

    clock.call_at(start + 3600, lambda: note("later"))
    clock.call_at(start + 60, lambda: (note("first"), clock.call_at(start + 120, lambda: note("second"))))
    clock.advance(minutes=1, seconds=-1)
    assert seen == []
    clock.advance(hours=1, days=1)
    assert seen == [("first", 60), ("second", 120), ("later", 3600)]
    assert round(clock.now() - start) == 60 - 1 + 3600 + 86400
    clock.close()


async def test_call_happens_by_itself_in_real_time() -> None:
    clock = Clock()
    done = asyncio.Event()
    clock.call_at(clock.now() + 0.02, done.set)
    await asyncio.wait_for(done.wait(), 5)
    clock.close()


async def test_cancelled_call_is_not_made() -> None:
    clock = Clock()
    seen: list[int] = []
    clock.call_at(clock.now() + 5, lambda: seen.append(1)).cancel()
    clock.call_at(clock.now() + 5, lambda: seen.append(2))
    clock.advance(10)
    assert seen == [2]
    clock.close()


async def test_call_of_the_past_is_made_soon_but_not_at_once() -> None:
    clock = Clock()
    done = asyncio.Event()
    clock.call_at(0, done.set)
    assert not done.is_set()
    await asyncio.wait_for(done.wait(), 5)
    clock.close()


async def test_call_that_fails_does_not_stop_those_after_it() -> None:
    clock = Clock()
    done = asyncio.Event()
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    clock.call_at(0, lambda: 1 // 0)
    clock.call_at(clock.now() + 0.02, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert isinstance(faults[0]["exception"], ZeroDivisionError)
    clock.close()


async def test_timers_that_are_cancelled_take_no_room():
    clock = Clock()
    called = []
    kept = [clock.call_at(clock.now() + 1000 + number, lambda: called.append(1)) for number in range(100)]
    for _ in range(10_000):
        timer = clock.call_at(clock.now() + 500, lambda: called.append(2))
        timer.cancel()
        timer.cancel()
    assert len(clock._planned) < 300
    for timer in kept[:50]:
        timer.cancel()
    clock.advance(2000)
    assert called == [1] * 50
    assert clock._cancelled == 0
    kept[-1].cancel()
    assert clock._cancelled == 0
    clock.close()
