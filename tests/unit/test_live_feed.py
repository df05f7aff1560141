"""A real market as a desk sees it: fresh quotes or none, polling where streams are silent, bars that are waited for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.scripted_exchange import BTC, ETH, MINUTE, NOON, PRICE, ScriptedExchange, a_listing
from trading.clock import ManualClock
from trading.errors import NoEvidence, VenueDown
from trading.market.moments import Step
from trading.model import Symbol
from trading.venues.exchange import live_feed as module
from trading.venues.exchange.live_feed import LiveFeed

SECOND = timedelta(seconds=1)
SOON = 0.01


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange(clock=ManualClock(NOON + 5 * SECOND))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_EVERY", "BARS_EVERY", "FUNDING_EVERY", "CALM"):
        monkeypatch.setattr(module, name, SOON)
    monkeypatch.setattr(module, "TICK", 0.05)


def feed_of(exchange: ScriptedExchange, *bases: str) -> LiveFeed:
    return LiveFeed(exchange, bases=bases or ("BTC", "ETH"), quote="USDT", every=MINUTE, clock=exchange.clock)  # type: ignore[arg-type]


async def opened(exchange: ScriptedExchange) -> LiveFeed:
    feed = feed_of(exchange)
    await feed.open()
    return feed


@asynccontextmanager
async def running(exchange: ScriptedExchange) -> AsyncIterator[LiveFeed]:
    feed = await opened(exchange)
    reading = asyncio.create_task(feed.run())
    try:
        await asyncio.sleep(0)
        yield feed
        assert not reading.done()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def until(there: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not there():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.002)


async def step_of(feed: LiveFeed) -> Step:
    async for step in feed.steps():
        return step
    raise AssertionError("a real market has no end")


def quotes_asked(exchange: ScriptedExchange) -> int:
    return sum(what == "quote" for what, *_ in exchange.asked)


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.message for record in caplog.records)


# --- what is there ------------------------------------------------------------------------------------------------


async def test_it_opens_with_bars_quotes_books_and_funding(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    assert set(feed.instruments()) == {BTC, ETH}
    assert feed.quote(BTC).mark == feed.mark(BTC) == PRICE
    assert feed.book(BTC) is not None
    assert feed.rate(BTC) == Decimal("0.0001")
    assert feed.chapter is not None
    assert feed.chapter.history[BTC].closed[-1] == NOON.timestamp() * 1000


async def test_what_cannot_be_traded_is_left_out_and_why_is_told(exchange: ScriptedExchange) -> None:
    exchange.listed[ETH] = a_listing(ETH, tradable=False, why="not through the API")
    sol = Symbol("SOL/USDT:USDT")
    exchange.listed[sol] = a_listing(sol)
    exchange.refuses[f"candles {sol}"] = VenueDown("no route")
    feed = feed_of(exchange, "BTC", "ETH", "SOL", "XRP")
    await feed.open()
    assert list(feed.instruments()) == [BTC]
    assert feed.untraded == {"ETH": "not through the API", "SOL": "no route", "XRP": "it is not listed there"}


async def test_without_its_listings_it_does_not_open(exchange: ScriptedExchange) -> None:
    exchange.refuses["listings"] = VenueDown("no route")
    with pytest.raises(VenueDown):
        await opened(exchange)


# --- quotes -------------------------------------------------------------------------------------------------------


async def test_a_quote_older_than_15_s_is_no_evidence(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    exchange.clock.advance(15 * SECOND)
    assert feed.quote(BTC).mark == PRICE
    exchange.clock.advance(SECOND)
    with pytest.raises(NoEvidence, match="16 s old"):
        feed.quote(BTC)
    assert feed.mark(BTC) == PRICE


async def test_an_older_quote_never_replaces_a_newer_one(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    exchange.clock.advance(3 * SECOND)
    feed.hear(exchange.a_quote(BTC, Decimal(105)))
    feed.hear(exchange.a_quote(BTC, Decimal(95), old=SECOND))
    assert feed.mark(BTC) == 105
    [bar] = (await step_of(feed)).candles[:1]
    assert bar.low == PRICE, "and no stop is reached by it"


async def test_a_silent_stream_is_said_once_polled_and_its_return_is_said_once(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(exchange) as feed:
        exchange.asked.clear()
        await asyncio.sleep(3 * SOON)
        assert not [what for what, *_ in exchange.asked if what == "quote"], "the stream is not late yet"
        exchange.clock.advance(4 * SECOND)
        for _ in range(10):
            exchange.clock.advance(2 * SECOND)
            asked = quotes_asked(exchange)
            await until(lambda n=asked: quotes_asked(exchange) >= n + 4)  # type: ignore[misc]
            feed.quote(BTC), feed.quote(ETH)  # fresh, all the time
        assert feed.polling_since is not None
        assert said(caplog, "the stream is silent about BTC, ETH") == 1
        assert said(caplog, "quotes come on the stream again") == 0, "a quote that was polled is not the stream's"
        for _ in range(20):
            exchange.clock.advance(SECOND)
            feed.hear(exchange.a_quote(BTC, PRICE))
            feed.hear(exchange.a_quote(ETH, PRICE))
            await asyncio.sleep(2 * SOON)
        await until(lambda: feed.polling_since is None)
        assert (said(caplog, "the stream is silent"), said(caplog, "come on the stream again")) == (1, 1)


async def test_an_exchange_that_is_down_is_said_once_and_so_is_its_return(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(exchange) as feed:
        exchange.refuses["everything"] = VenueDown("no route")
        for _ in range(10):
            exchange.clock.advance(20 * SECOND)
            await asyncio.sleep(2 * SOON)
        with pytest.raises(NoEvidence):
            feed.quote(BTC)
        assert set(feed.unread) >= {"quotes", "bars", "funding rates"}
        exchange.refuses.clear()
        exchange.clock.advance(6 * SECOND)
        await until(lambda: not feed.unread)
        assert feed.bars.reaches(BTC, NOON + 3 * MINUTE), (
            "bars that are missing are read at once, not at the next close"
        )
        feed.quote(BTC)
    assert (said(caplog, "the exchange cannot be read"), said(caplog, "can be read again")) == (1, 1)


async def test_what_nobody_has_foreseen_stops_no_reading(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(exchange) as feed:
        exchange.refuses["quote"] = ValueError("strange")  # type: ignore[assignment]
        exchange.clock.advance(10 * SECOND)
        await until(lambda: said(caplog, "an inner error while the market was read"))
        await asyncio.sleep(5 * SOON)
        assert said(caplog, "an inner error while the market was read") == 1
        exchange.refuses.clear()
        asked = quotes_asked(exchange)
        await until(lambda: quotes_asked(exchange) >= asked + 4)
        assert feed.quote(BTC).at == exchange.clock.now()


# --- steps --------------------------------------------------------------------------------------------------------


async def test_a_mark_that_was_there_only_between_two_steps_is_in_the_bar(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    await step_of(feed)
    for price in (90, 120, 101):
        exchange.clock.advance(SECOND)
        feed.hear(exchange.a_quote(BTC, Decimal(price)))
    step = await step_of(feed)
    [bar] = step.candles
    assert (bar.open, bar.high, bar.low, bar.close) == (PRICE, 120, 90, 101)
    assert (bar.opened_at, bar.closed_at) == (NOON + 5 * SECOND, step.at)


async def test_its_volume_is_that_of_the_last_minute(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)

    async def volume() -> Decimal:
        feed.hear(exchange.a_quote(BTC, PRICE))
        return (await step_of(feed)).candles[0].volume

    assert await volume() == 10, "of the last bar, where no trade was heard"
    feed.hear(exchange.a_trade(BTC, "3"))
    exchange.clock.advance(50 * SECOND)
    feed.hear(exchange.a_trade(BTC, "4"))
    assert await volume() == 7
    exchange.clock.advance(20 * SECOND)
    assert await volume() == 4


async def test_time_passes_without_a_quote_too(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    await step_of(feed)
    exchange.clock.advance(SECOND)
    step = await step_of(feed)
    assert (step.at, step.candles) == (exchange.clock.now(), ())


async def test_a_quote_of_what_is_held_does_not_wait_for_calm(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALM", 60)
    feed = await opened(exchange)
    feed.held = lambda symbol: symbol == ETH
    feed.hear(exchange.a_quote(ETH, PRICE))
    async with asyncio.timeout(1):
        assert {bar.symbol for bar in (await step_of(feed)).candles} == {BTC, ETH}
    feed.hear(exchange.a_quote(BTC, PRICE))
    waiting = asyncio.create_task(step_of(feed))
    await asyncio.sleep(3 * SOON)
    assert not waiting.done()
    feed.hurry()
    async with asyncio.timeout(1):
        await waiting


async def test_bars_that_come_late_are_waited_for(exchange: ScriptedExchange) -> None:
    exchange.clock.set(NOON + 30 * SECOND)
    async with running(exchange) as feed:
        exchange.closes_late = 10 * SECOND
        exchange.holes.add(NOON)  # until it comes
        exchange.clock.set(NOON + MINUTE + SECOND)
        assert (await step_of(feed)).due == NOON + MINUTE - timedelta(microseconds=1)
        exchange.clock.set(NOON + MINUTE + 9 * SECOND)
        await asyncio.sleep(5 * SOON)
        step = await step_of(feed)
        assert step.due is not None
        assert step.due < NOON + MINUTE
        assert step.at == exchange.clock.now(), "exits are not"
        exchange.holes.clear()
        exchange.clock.set(NOON + MINUTE + 10 * SECOND)
        await until(lambda: feed.bars.reaches(BTC, NOON + MINUTE))
        await asyncio.sleep(5 * SOON)
        assert (await step_of(feed)).due == exchange.clock.now()


async def test_bars_that_do_not_come_are_waited_for_20_s(exchange: ScriptedExchange) -> None:
    async with running(exchange) as feed:
        exchange.refuses["candles ETH/USDT:USDT"] = VenueDown("no route")
        exchange.clock.set(NOON + MINUTE + 19 * SECOND)
        step = await step_of(feed)
        assert step.due is not None
        assert step.due < NOON + MINUTE
        exchange.clock.set(NOON + MINUTE + 20 * SECOND)
        step = await step_of(feed)
        assert step.due == step.at


async def test_at_a_close_the_books_are_read_anew(exchange: ScriptedExchange) -> None:
    async with running(exchange) as feed:
        exchange.clock.set(NOON + MINUTE + SECOND)
        await until(lambda: feed.bars.reaches(BTC, NOON + MINUTE))
        await asyncio.sleep(5 * SOON)
        book = feed.book(BTC)
        assert book is not None
        assert book.at == NOON + MINUTE + SECOND


async def test_an_old_book_is_none(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    exchange.clock.advance(61 * SECOND)
    assert feed.book(BTC) is None


async def test_funding_is_told_once_when_its_time_has_come(exchange: ScriptedExchange) -> None:
    exchange.next_funding = NOON + MINUTE
    feed = await opened(exchange)
    assert (await step_of(feed)).funding == ()
    exchange.clock.set(NOON + MINUTE)
    settled = {(symbol, NOON + MINUTE, Decimal("0.0001")) for symbol in (BTC, ETH)}
    assert set((await step_of(feed)).funding) == settled
    assert (await step_of(feed)).funding == ()


# --- listings -----------------------------------------------------------------------------------------------------


async def test_listings_are_read_again_after_6_h_and_the_rest_of_the_house_is_told(exchange: ScriptedExchange) -> None:
    del exchange.listed[ETH]
    feed = await opened(exchange)
    told: list[set[Symbol]] = []
    feed.followers.append(lambda: told.append(set(feed.instruments())))
    exchange.listed[ETH] = a_listing(ETH)
    exchange.clock.advance(timedelta(hours=5, minutes=59))
    await feed._keep_listings()
    assert told == []
    exchange.clock.advance(MINUTE)
    await feed._keep_listings()
    await feed._keep_listings()
    assert told == [{BTC, ETH}]
    assert feed.untraded == {}


async def test_listings_that_cannot_be_read_stay_as_they_were(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    feed = await opened(exchange)
    exchange.refuses["listings"] = VenueDown("no route")
    await feed.relist()
    await feed.relist()
    assert set(feed.instruments()) == {BTC, ETH}
    assert said(caplog, "listings") == 1


async def test_what_is_listed_no_more_is_followed_only_while_it_is_held(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    feed = await opened(exchange)
    del exchange.listed[ETH]
    feed.held = lambda symbol: symbol == ETH
    await feed.relist()
    assert set(feed.instruments()) == {BTC, ETH}
    assert said(caplog, "ETH is not traded any more: it is listed no more") == 1
    feed.held = lambda _: False
    assert set(feed.instruments()) == {BTC}


# --- what was missed ----------------------------------------------------------------------------------------------


async def test_of_the_minute_in_which_one_went_away_only_the_close_counts(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    exchange.clock.set(NOON + 3 * MINUTE + 20 * SECOND)
    first, second, third, running = await feed.lived(BTC, NOON + 30 * SECOND)
    assert (first.open, first.high, first.low, first.close) == (101, 101, 101, 101)
    assert (second.open, second.high, second.low, second.close) == (101, 103, 99, 102)
    assert third.closed_at == running.opened_at
    assert running.closed_at == exchange.clock.now(), "and the running minute as far as it has come"


async def test_days_of_absence_are_read_in_pages(exchange: ScriptedExchange) -> None:
    feed = await opened(exchange)
    exchange.clock.set(NOON + timedelta(days=2))
    bars = await feed.lived(BTC, NOON)
    assert [bar.opened_at for bar in bars] == [NOON + n * MINUTE for n in range(2 * 24 * 60)]
