"""The exchange's limits on our side: windows, lanes and silence, on a clock of the test's own."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.errors import RateLimited
from trading.venues.exchange.limiter import JITTER, PATIENCE, SHARE, Limiter, Silence
from trading.venues.exchange.wire import Lane, Rate


@dataclass(slots=True)
class Alarm:
    call: Callable[[], None] | None

    def cancel(self) -> None:
        self.call = None


@dataclass(slots=True)
class Hand:
    """Time that the test moves: the limiter's clock and its alarms."""

    now: float = 1000.0
    alarms: list[tuple[float, int, Alarm]] = field(default_factory=list)
    number: Any = field(default_factory=itertools.count)

    def later(self, seconds: float, call: Callable[[], None]) -> Alarm:
        alarm = Alarm(call)
        heapq.heappush(self.alarms, (self.now + seconds, next(self.number), alarm))
        return alarm

    async def move(self, seconds: float) -> None:
        end = self.now + seconds
        await settle()
        while self.alarms and self.alarms[0][0] <= end:
            self.now, _, alarm = heapq.heappop(self.alarms)
            if alarm.call is not None:
                alarm.call()
                await settle()
        self.now = end


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def a_rate(name: str = "weight", limit: int = 100, seconds: float = 10, header: str = "") -> Rate:
    return Rate(name=name, limit=limit, per=timedelta(seconds=seconds), header=header)


def a_limiter(*rates: Rate, silence: Silence | None = None) -> tuple[Limiter, Hand]:
    hand = Hand()
    limiter = Limiter(rates or (a_rate(),), silence=silence, monotonic=lambda: hand.now, later=hand.later)
    return limiter, hand


def begin(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.create_task(work)


@pytest.mark.parametrize(("lane", "most"), [(Lane.EXIT, 100), (Lane.ENTRY, 85), (Lane.READ, 70)])
async def test_each_lane_has_its_share_of_a_window(lane: Lane, most: int) -> None:
    limiter, _ = a_limiter()
    for _ in range(most):
        await limiter.take(lane)
    assert limiter.used() == {"weight": (most, 100)}
    with pytest.raises(RateLimited) as caught:
        await limiter.take(lane)
    assert caught.value.retry_after == pytest.approx(10 + JITTER)


async def test_what_was_spent_comes_back_when_the_window_has_passed() -> None:
    limiter, hand = a_limiter()
    await limiter.take(Lane.EXIT, cost=60)
    await hand.move(4)
    await limiter.take(Lane.EXIT, cost=40)
    waiting = begin(limiter.take(Lane.EXIT, cost=50))
    await hand.move(6)
    assert not waiting.done()
    await hand.move(JITTER + 0.01)
    assert waiting.done()
    assert limiter.used() == {"weight": (90, 100)}


async def test_an_exit_is_served_before_entries_and_reading_that_came_first() -> None:
    limiter, hand = a_limiter()
    await limiter.take(Lane.EXIT, cost=100)
    await hand.move(9)
    order: list[str] = []

    async def take(name: str, lane: Lane) -> None:
        await limiter.take(lane, cost=60)
        order.append(name)

    tasks = [begin(take("read", Lane.READ)), begin(take("entry", Lane.ENTRY)), begin(take("exit", Lane.EXIT))]
    await hand.move(2)
    assert order == ["exit"]
    assert limiter.used() == {"weight": (60, 100)}
    await hand.move(20)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [RateLimited, RateLimited, type(None)]


async def test_within_a_lane_who_came_first_goes_first_and_a_large_request_is_not_passed() -> None:
    limiter, hand = a_limiter()
    await limiter.take(Lane.EXIT, cost=90)
    await hand.move(6)
    order: list[int] = []

    async def take(cost: int) -> None:
        await limiter.take(Lane.EXIT, cost=cost)
        order.append(cost)

    tasks = [begin(take(50)), begin(take(5))]
    await hand.move(1)
    assert order == []
    await hand.move(5)
    assert order == [50, 5]
    await asyncio.gather(*tasks)


async def test_who_needs_another_window_does_not_wait_for_one_who_waits() -> None:
    limiter, hand = a_limiter(a_rate("weight", 100), a_rate("orders", 2, 5))
    await limiter.take(Lane.EXIT, cost=0, orders=2)
    waiting = begin(limiter.take(Lane.EXIT, cost=0, orders=1))
    await hand.move(1)
    await limiter.take(Lane.READ)
    assert not waiting.done()
    await hand.move(10)
    await waiting


async def test_orders_count_where_orders_are_limited_and_cost_elsewhere() -> None:
    limiter, _ = a_limiter(a_rate("requests", 50), a_rate("orders", 10), a_rate("orders", 100, 60))
    await limiter.take(Lane.ENTRY, cost=3, orders=1)
    assert limiter.used() == {"requests": (3, 50), "orders in 10 s": (1, 10), "orders in 60 s": (1, 100)}


async def test_a_request_larger_than_its_share_goes_when_the_window_is_empty() -> None:
    limiter, hand = a_limiter(a_rate(limit=10, seconds=1))
    await limiter.take(Lane.READ, cost=9)
    again = begin(limiter.take(Lane.READ, cost=25))
    await hand.move(1)
    assert not again.done()
    await hand.move(0.2)
    await again
    assert limiter.used() == {"weight": (10, 10)}


@pytest.mark.parametrize(("lane", "patience"), PATIENCE.items())
async def test_who_would_wait_longer_than_his_lane_has_patience_is_told_at_once(lane: Lane, patience: float) -> None:
    limiter, hand = a_limiter()
    limiter.pause(patience + 0.5)
    with pytest.raises(RateLimited) as caught:
        await limiter.take(lane)
    assert caught.value.retry_after == pytest.approx(patience + 0.5)
    await hand.move(1)
    waiting = begin(limiter.take(lane))
    await settle()
    assert not waiting.done()
    await hand.move(patience)
    await waiting


async def test_who_waits_behind_others_gives_up_when_his_patience_ends() -> None:
    limiter, hand = a_limiter(a_rate(limit=1, seconds=1))
    tasks = [begin(limiter.take(Lane.READ)) for _ in range(8)]
    await hand.move(30)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    served = sum(result is None for result in results)
    assert served == 1 + int(PATIENCE[Lane.READ] / (1 + JITTER))
    assert all(isinstance(result, RateLimited) for result in results[served:])


async def test_silence_holds_for_all_lanes_and_all_clients_of_the_address() -> None:
    silence = Silence()
    data, hand = a_limiter(silence=silence)
    trade = Limiter((a_rate(),), silence=silence, monotonic=lambda: hand.now, later=hand.later)
    data.pause(3)
    assert trade.silent_for == 3
    waiting = begin(trade.take(Lane.EXIT))
    await hand.move(2)
    data.pause(4)  # longer than before, while one waits
    data.pause(0.1)  # a shorter one takes nothing back
    await hand.move(3)
    assert not waiting.done()
    await hand.move(1.1)
    await waiting
    assert data.silent_for == 0


async def test_the_larger_figure_of_ours_and_theirs_counts() -> None:
    limiter, hand = a_limiter(a_rate(header="X-Used"))
    await limiter.take(Lane.READ, cost=10)
    limiter.learn({"x-used": "7"})
    assert limiter.used() == {"weight": (10, 100)}
    limiter.learn({"X-USED": "95"})
    assert limiter.used() == {"weight": (95, 100)}
    with pytest.raises(RateLimited):
        await limiter.take(Lane.ENTRY)
    await limiter.take(Lane.EXIT)
    await hand.move(11)
    assert limiter.used() == {"weight": (0, 100)}


@pytest.mark.parametrize("told", ["", "-5", "many", "1.5", "²"])
async def test_a_figure_that_is_none_is_passed_over(told: str) -> None:
    limiter, _ = a_limiter(a_rate(header="X-Used"))
    limiter.learn({"X-Used": told, "Other": "99"})
    assert limiter.used() == {"weight": (0, 100)}


async def test_who_is_cancelled_while_waiting_holds_nobody_up() -> None:
    limiter, hand = a_limiter()
    await limiter.take(Lane.EXIT, cost=60)
    await hand.move(5)
    large = begin(limiter.take(Lane.EXIT, cost=100))
    small = begin(limiter.take(Lane.EXIT, cost=5))
    await hand.move(0.1)
    assert not small.done()
    large.cancel()
    await settle()
    assert small.done()
    assert limiter.used() == {"weight": (65, 100)}
    with pytest.raises(asyncio.CancelledError):
        await large


async def test_without_rates_nobody_waits() -> None:
    limiter = Limiter(())
    await limiter.take(Lane.READ, cost=10**9)
    assert limiter.used() == {}


async def test_it_runs_on_real_time_too() -> None:
    limiter = Limiter((a_rate(limit=1, seconds=0.05),))
    await limiter.take(Lane.READ)
    await limiter.take(Lane.READ)
    assert limiter.used() == {"weight": (1, 1)}


LANES = st.sampled_from(list(Lane))
REQUESTS = st.lists(st.tuples(st.floats(0, 4), LANES, st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=40)


@dataclass(frozen=True, slots=True)
class Served:
    at: float
    asked: float
    lane: Lane
    cost: int
    orders: int


async def run(requests: list[tuple[float, Lane, int, int]]) -> list[Served]:
    limiter, hand = a_limiter(a_rate("weight", 20, 5), a_rate("orders", 4, 2))
    served: list[Served] = []

    async def one(lane: Lane, cost: int, orders: int) -> None:
        asked = hand.now
        try:
            await limiter.take(lane, cost=cost, orders=orders)
        except RateLimited:
            return
        served.append(Served(hand.now, asked, lane, cost, orders))

    tasks = []
    for pause, lane, cost, orders in requests:
        await hand.move(pause)
        tasks.append(begin(one(lane, cost, orders)))
        await settle()
    await hand.move(60)
    await asyncio.gather(*tasks)  # everyone was served or told
    return served


@given(requests=REQUESTS)
@settings(max_examples=150, deadline=None)
def test_no_window_ever_holds_more_than_its_limit_nor_a_lane_more_than_its_share(
    requests: list[tuple[float, Lane, int, int]],
) -> None:
    served = asyncio.run(run(requests))
    for index, last in enumerate(served):
        for limit, seconds, amount in ((20, 5, lambda s: s.cost), (4, 2, lambda s: s.orders)):
            within = [amount(each) for each in served[: index + 1] if each.at > last.at - seconds]
            assert sum(within) <= limit
            before = sum(within) - amount(last)
            if amount(last) and before:
                assert sum(within) <= limit * SHARE[last.lane]
        assert last.at - last.asked <= PATIENCE[last.lane] + 0.01


@given(requests=REQUESTS)
@settings(max_examples=150, deadline=None)
def test_an_exit_never_waits_behind_reading(requests: list[tuple[float, Lane, int, int]]) -> None:
    """While an exit waits, nothing of a later lane is let through that uses what it waits for."""
    served = asyncio.run(run(requests))
    for exit in served:
        if exit.lane is Lane.EXIT:
            for other in served:
                if other.lane > exit.lane and exit.asked < other.at < exit.at:
                    assert not (other.cost and exit.cost)
                    assert not (other.orders and exit.orders)
