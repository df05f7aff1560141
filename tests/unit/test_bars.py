"""Bars of a real market: only what has closed, no holes of our own, taker flow only where all of it is heard."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.scripted_exchange import BTC, ETH, MINUTE, NOON, ScriptedExchange
from trading.clock import ManualClock
from trading.errors import RateLimited, VenueDown
from trading.market.series import to_ms
from trading.venues.exchange import bars as module
from trading.venues.exchange.bars import Bars

SECOND = timedelta(seconds=1)


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange(clock=ManualClock(NOON + 5 * SECOND))


def bars_of(exchange: ScriptedExchange) -> Bars:
    return Bars(exchange, MINUTE, exchange.clock)  # type: ignore[arg-type]


async def loaded(exchange: ScriptedExchange) -> Bars:
    bars = bars_of(exchange)
    assert await bars.load([BTC]) == {}
    return bars


def opened(bars: Bars) -> Sequence[int]:
    assert bars.chapter is not None
    found: list[int] = bars.chapter.history[BTC].opened.tolist()
    return found


def last(bars: Bars) -> datetime:
    return NOON + timedelta(milliseconds=opened(bars)[-1] - to_ms(NOON)) + MINUTE


async def test_the_bar_that_runs_is_not_kept(exchange: ScriptedExchange) -> None:
    assert last(await loaded(exchange)) == NOON


async def test_a_clock_that_is_ahead_of_the_exchange_takes_no_bar_that_still_runs_there(
    exchange: ScriptedExchange,
) -> None:
    exchange.clock.set(NOON + 59 * SECOND)
    bars = bars_of(exchange)
    bars.ahead = 2 * SECOND
    exchange.clock.set(NOON + 61 * SECOND)  # there it is 12:00:59
    await bars.load([BTC])
    assert last(bars) == NOON


async def test_a_bar_of_just_now_counts_once_the_exchange_shows_a_later_one(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    exchange.closes_late = 3 * SECOND  # until then it shows the old one as the one that runs
    exchange.clock.set(NOON + MINUTE + 2 * SECOND)
    await bars.refresh(NOON + MINUTE)
    assert last(bars) == NOON
    exchange.clock.advance(SECOND)
    await bars.refresh(NOON + MINUTE)
    assert last(bars) == NOON + MINUTE


async def test_in_a_quiet_market_no_later_bar_is_waited_for_longer_than_5_s(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    exchange.closes_late = MINUTE
    exchange.clock.set(NOON + MINUTE + 5 * SECOND)
    await bars.refresh(NOON + MINUTE)
    assert last(bars) == NOON + MINUTE


async def test_what_has_closed_is_appended_and_the_chapter_is_another_one(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    before, count = bars.chapter, len(opened(bars))
    assert await bars.refresh(NOON) == {}
    assert bars.chapter is before, "nothing is new"
    exchange.clock.advance(MINUTE)
    assert await bars.refresh(NOON + MINUTE) == {}
    assert bars.chapter is not before
    assert (last(bars), len(opened(bars))) == (NOON + MINUTE, count + 1)


async def test_a_gap_after_a_stall_is_filled(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    exchange.clock.advance(17 * MINUTE)
    await bars.refresh(NOON + 17 * MINUTE)
    assert set(np.diff(opened(bars))) == {60_000}
    assert last(bars) == NOON + 17 * MINUTE


async def test_an_answer_that_was_long_on_its_way_leaves_no_hole(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    exchange.clock.advance(MINUTE)
    exchange.hold = asyncio.Event()
    reading = asyncio.create_task(bars.refresh(NOON + MINUTE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    exchange.clock.advance(5 * MINUTE)
    exchange.hold.set()
    assert await reading == {}
    assert set(np.diff(opened(bars))) == {60_000}
    assert last(bars) == NOON + 6 * MINUTE


async def test_a_bar_that_there_never_was_is_a_hole_and_is_not_asked_for_again(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    exchange.holes.add(NOON + MINUTE)
    exchange.clock.advance(3 * MINUTE)
    await bars.refresh(NOON + 3 * MINUTE)
    assert last(bars) == NOON + 3 * MINUTE
    exchange.asked.clear()
    exchange.clock.advance(MINUTE)
    await bars.refresh(NOON + 4 * MINUTE)
    assert [count for what, _, count in exchange.asked if what == "candles"] == [3]


async def test_what_cannot_be_read_is_named_and_the_others_go_on(exchange: ScriptedExchange) -> None:
    exchange.refuses["candles ETH/USDT:USDT"] = VenueDown("no route")
    bars = bars_of(exchange)
    assert await bars.load([BTC, ETH]) == {ETH: "no route"}
    assert bars.symbols == {BTC}
    exchange.refuses["candles BTC/USDT:USDT"] = VenueDown("no route")
    exchange.clock.advance(MINUTE)
    assert await bars.refresh(NOON + MINUTE) == {BTC: "no route"}
    assert last(bars) == NOON


async def test_history_waits_for_our_own_limits(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange.refuses["candles"] = RateLimited("our own limit", retry_after=0.05)
    asyncio.get_running_loop().call_later(0.02, exchange.refuses.clear)
    assert await bars_of(exchange).load([BTC]) == {}
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    exchange.refuses["candles"] = RateLimited("our own limit", retry_after=0.05)
    assert await bars_of(exchange).load([BTC]) == {BTC: "our own limit"}


async def test_an_instrument_without_a_closed_bar_has_no_history(exchange: ScriptedExchange) -> None:
    exchange.began = NOON
    assert await bars_of(exchange).load([BTC]) == {BTC: "it has no closed bar"}


async def test_a_funding_rate_is_settled_once(exchange: ScriptedExchange) -> None:
    bars = await loaded(exchange)
    bars.settled(BTC, NOON, 0.0001)
    bars.settled(BTC, NOON, 0.0001)
    exchange.clock.advance(MINUTE)
    await bars.refresh(NOON + MINUTE)
    assert bars.chapter is not None
    assert bars.chapter.funding[BTC].at.tolist() == [to_ms(NOON)]


# --- taker flow ---------------------------------------------------------------------------------------------------


def taker(bars: Bars) -> tuple[float, float]:
    """Of the last bar: bought, trades."""
    assert bars.chapter is not None
    series = bars.chapter.history[BTC]
    assert series.taker_buy is not None
    assert series.trades is not None
    return float(series.taker_buy[-1]), float(series.trades[-1])


async def a_minute(exchange: ScriptedExchange, bars: Bars, *, sold: str = "7") -> tuple[float, float]:
    """The next whole bar: 3 bought, `sold` sold, of 10."""
    exchange.clock.advance(30 * SECOND)
    bars.trade(exchange.a_trade(BTC, "3"))
    bars.trade(exchange.a_trade(BTC, sold, buy=False))
    exchange.clock.advance(30 * SECOND)
    await bars.refresh(bars.closed_until(exchange.clock.now()))
    return taker(bars)


async def test_where_candles_tell_taker_volume_the_stream_is_not_needed(exchange: ScriptedExchange) -> None:
    assert taker(await loaded(exchange)) == (5, 100)


async def test_taker_volume_is_summed_from_the_next_whole_bar_on(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    assert all(np.isnan(taker(bars)))
    bars.listen_anew()  # in the middle of a bar
    assert all(np.isnan(await a_minute(exchange, bars)))
    assert await a_minute(exchange, bars) == (3, 2)


async def test_before_the_stream_stands_nothing_is_summed(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    assert all(np.isnan(await a_minute(exchange, bars)))
    assert all(np.isnan(await a_minute(exchange, bars)))


async def test_after_a_gap_of_the_stream_its_bar_is_not_whole(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    bars.listen_anew()
    await a_minute(exchange, bars)
    bars.listen_anew()
    assert all(np.isnan(await a_minute(exchange, bars)))
    assert await a_minute(exchange, bars) == (3, 2)


async def test_a_bar_of_which_not_all_volume_was_heard_tells_no_taker_volume(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    bars.listen_anew()
    await a_minute(exchange, bars)
    assert all(np.isnan(await a_minute(exchange, bars, sold="6")))
    assert await a_minute(exchange, bars, sold="6.9") == (3, 2)


async def test_a_bar_in_which_nothing_was_traded_is_known_to_be_so(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    exchange.volume *= 0
    bars = await loaded(exchange)
    bars.listen_anew()
    for _ in range(2):
        exchange.clock.advance(MINUTE)
        await bars.refresh(bars.closed_until(exchange.clock.now()))
    assert taker(bars) == (0, 0)


async def test_reading_everything_again_keeps_what_was_summed(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    bars.listen_anew()
    await a_minute(exchange, bars)
    await a_minute(exchange, bars)
    await bars.load([BTC])
    assert taker(bars) == (3, 2)


async def test_a_bar_with_unknown_taker_volume_can_be_drawn(exchange: ScriptedExchange) -> None:
    exchange.taker = False
    bars = await loaded(exchange)
    assert bars.chapter is not None
    drawn = bars.chapter.history[BTC].candle(-1)
    assert (drawn.taker_buy, drawn.trades) == (None, None)
    assert replace(drawn, volume=drawn.volume) == drawn
