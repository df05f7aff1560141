"""A real market's steps, taken to a desk: quotes wait for nobody. And a paper account that was alone for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.absence import live_through
from bot.live_player import LivePlayer
from bot.markets import Market
from tests.builders import an_instrument, an_order
from tests.scripted_exchange import BTC, ETH, MINUTE, NOON, PRICE, ScriptedExchange
from trading.clock import ManualClock
from trading.market.moments import Step
from trading.messages import Command, SumPeriod, SumWaits, Sweep
from trading.model import Candle, ClientId, Protection, Quote, Side, Symbol
from trading.venues.exchange import live_feed
from trading.venues.exchange.live_feed import LiveFeed
from trading.venues.paper import PaperVenue
from trading.venues.paper_rules import PaperRules

SECOND = timedelta(seconds=1)


@dataclass
class Desk:
    """What a player asks of one."""

    patient: bool = True
    quotes: list[Quote] = field(default_factory=list)
    looks: int = 0
    obeyed: list[Command] = field(default_factory=list)
    hang: asyncio.Event | None = None

    def watches(self, symbol: Symbol) -> bool:
        return symbol == BTC

    def on_quote(self, quote: Quote) -> None:
        self.quotes.append(quote)

    def on_time(self) -> None:
        self.looks += 1

    async def obey(self, command: Command) -> None:
        self.obeyed.append(command)
        if self.hang is not None:
            await self.hang.wait()


@dataclass
class Account:
    """What a player asks of a paper account."""

    lived: list[Candle] = field(default_factory=list)
    funded: list[Symbol] = field(default_factory=list)

    def advance(self, candle: Candle, quote: Quote) -> None:
        assert quote.symbol == candle.symbol
        self.lived.append(candle)

    def settle_funding(self, symbol: Symbol, at: datetime, rate: Decimal, mark: Decimal) -> None:
        self.funded.append(symbol)

    def end_of_data(self, symbol: Symbol) -> None: ...


class Played:
    running: asyncio.Task[bool]

    def __init__(self, feed: LiveFeed, clock: ManualClock) -> None:
        self.feed, self.clock = feed, clock
        self.desk, self.account = Desk(), Account()
        self.due: list[Command] = []
        self.asked: list[datetime] = []
        self.beside: list[Step] = []
        self.moved: list[datetime] = []
        self.kept = asyncio.Event()
        self.player = LivePlayer(
            desk=self.desk,  # type: ignore[arg-type]
            feed=feed,
            venue=self.account,
            due=self._due,
            keep=self._keep,
            progress=self.moved.append,
            beside=self._beside,
        )

    def _due(self, at: datetime) -> list[Command]:
        self.asked.append(at)
        due, self.due = self.due, []
        return due

    async def _keep(self) -> None:
        await self.kept.wait()
        raise RuntimeError("the market's reader has died")

    async def _beside(self, step: Step) -> None:
        self.beside.append(step)
        await asyncio.sleep(0.01)

    async def step(self, **quotes: Any) -> None:
        """Until one more step was taken, after these prices."""
        before = len(self.asked)
        for base, price in quotes.items():
            quote = Decimal(price)
            symbol = Symbol(f"{base}/USDT:USDT")
            self.feed.hear(Quote(symbol=symbol, at=self.clock.now(), bid=quote - 1, ask=quote + 1, mark=quote))
        async with asyncio.timeout(5):
            while len(self.asked) == before:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.002)


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange(clock=ManualClock(NOON + 5 * SECOND))


@asynccontextmanager
async def playing(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Played]:
    monkeypatch.setattr(live_feed, "CALM", 0.005)
    feed = LiveFeed(exchange, bases=("BTC", "ETH"), quote="USDT", every=MINUTE, clock=exchange.clock)  # type: ignore[arg-type]
    await feed.open()
    played = Played(feed, exchange.clock)
    run = played.running = asyncio.create_task(played.player.run())
    try:
        await played.step()
        played.desk.quotes.clear()
        played.account.lived.clear()
        yield played
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_the_paper_account_lives_a_quote_and_exits_look_at_what_is_watched(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(exchange, monkeypatch) as played:
        assert not played.desk.patient
        exchange.clock.advance(SECOND)
        await played.step(BTC=101, ETH=99)
        assert {c.symbol: c.close for c in played.account.lived} == {BTC: 101, ETH: 99}
        assert [q.mark for q in played.desk.quotes] == [101]


async def test_a_quote_that_came_too_late_is_lived_and_not_acted_on(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(exchange, monkeypatch) as played:
        late = exchange.a_quote(BTC, Decimal(90))
        exchange.clock.advance(20 * SECOND)
        played.feed.hear(late)
        await played.step()
        assert [c.close for c in played.account.lived] == [90]
        assert played.desk.quotes == []
        await played.step(BTC=91)  # and it goes on
        assert [q.mark for q in played.desk.quotes] == [91]


async def test_a_command_that_hangs_holds_up_no_quote_and_is_not_begun_twice(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(exchange, monkeypatch) as played:
        played.desk.hang = asyncio.Event()
        for price in (101, 102, 103):
            played.due = [Sweep(), SumPeriod(), SumPeriod(weekly=True)]
            exchange.clock.advance(SECOND)
            await played.step(BTC=price)
        await asyncio.sleep(0.01)
        assert [q.mark for q in played.desk.quotes] == [101, 102, 103]
        assert played.desk.obeyed == [Sweep(), SumPeriod(), SumPeriod(weekly=True)], "day and week are two things"
        played.desk.hang.set()
        await asyncio.sleep(0.01)
        played.due = [Sweep(), SumWaits()]
        exchange.clock.advance(SECOND)
        await played.step(BTC=104)
        await asyncio.sleep(0.01)
        assert played.desk.obeyed[3:] == [Sweep(), SumWaits()]


async def test_who_stands_beside_sees_every_step_in_its_own_time(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(exchange, monkeypatch) as played:
        await asyncio.sleep(0.02)
        seen = len(played.beside)
        for price in (101, 102, 103):
            exchange.clock.advance(SECOND)
            await played.step(BTC=price)
        assert len(played.asked) > len(played.beside)
        await asyncio.sleep(0.1)
        assert [c.close for step in played.beside[seen:] for c in step.candles if c.symbol == BTC] == [101, 102, 103]


async def test_without_a_quote_the_market_stands_still(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "TICK", 0.02)
    async with playing(exchange, monkeypatch) as played:
        moved, looks = len(played.moved), played.desk.looks
        exchange.clock.advance(SECOND)
        await played.step()
        assert (len(played.moved), played.desk.looks) == (moved, looks + 1)
        await played.step(ETH=100)
        assert len(played.moved) == moved + 1


async def test_it_stops_at_once(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "TICK", 60)
    async with playing(exchange, monkeypatch) as played:
        played.player.stopping.set()
        async with asyncio.timeout(1):
            assert await played.running is False


async def test_the_desk_ends_when_what_keeps_its_market_current_has_died(
    exchange: ScriptedExchange,
) -> None:
    feed = LiveFeed(exchange, bases=("BTC",), quote="USDT", every=MINUTE, clock=exchange.clock)  # type: ignore[arg-type]
    await feed.open()
    played = Played(feed, exchange.clock)
    played.kept.set()
    with pytest.raises(RuntimeError, match="has died"):
        async with asyncio.timeout(5):
            await played.player.run()


# --- absence ------------------------------------------------------------------------------------------------------


async def an_account(exchange: ScriptedExchange, *symbols: Symbol) -> PaperVenue:
    """Long 1 of each at about 101, the stop at 95, the target at 150; all since noon."""
    paper = PaperVenue(
        instruments={s: an_instrument(s) for s in symbols},
        clock=exchange.clock,
        store=None,
        start_balance=Decimal(10_000),
        rules=PaperRules(participation=Decimal(1)),
    )
    for symbol in symbols:
        candle = Candle(
            symbol=symbol, opened_at=NOON, every=5 * SECOND, open=PRICE, high=PRICE, low=PRICE, close=PRICE,
            volume=Decimal(100),
        )  # fmt: skip
        paper.advance(candle, exchange.a_quote(symbol, PRICE))
        base = symbol[:3].lower()
        ids = {"stop_id": ClientId(f"gv-{base}-s0"), "target_id": ClientId(f"gv-{base}-t0")}
        guards = Protection(stop=Decimal(95), target=Decimal(150), **ids)
        await paper.submit(an_order(symbol=symbol, quantity=Decimal(1), client_id=ClientId(f"gv-{base}-e0")), guards)
    return paper


async def a_market(exchange: ScriptedExchange) -> Market:
    feed = LiveFeed(exchange, bases=("BTC", "ETH"), quote="USDT", every=MINUTE, clock=exchange.clock)  # type: ignore[arg-type]
    await feed.open()
    return Market(feed=feed, begins=NOON, ends=None, notes=(), lacks={}, identity={}, real=True)


def opened(minutes: int) -> datetime:
    return NOON + minutes * MINUTE


async def test_a_stop_that_would_have_fired_while_no_process_ran_has_fired(exchange: ScriptedExchange) -> None:
    paper = await an_account(exchange, BTC)
    exchange.lows[BTC, opened(3)] = Decimal(94)
    exchange.clock.set(opened(10))
    await live_through(await a_market(exchange), paper, NOON + 5 * SECOND)
    [fill] = [f for f in await paper.fills("") if f.side is Side.SELL]
    assert (fill.client_id, fill.at) == ("gv-btc-s0", opened(4))
    assert await paper.positions() == ()


async def test_what_was_lived_already_is_not_lived_again(exchange: ScriptedExchange) -> None:
    """The account itself writes down only what has changed it: the desk knows better how far it has come."""
    paper = await an_account(exchange, BTC)
    exchange.lows[BTC, opened(3)] = Decimal(94)  # the last price, when the mark did not go there
    exchange.clock.set(opened(10))
    await live_through(await a_market(exchange), paper, opened(5))
    assert len(await paper.positions()) == 1


async def test_several_instruments_are_lived_through_in_the_order_of_time(exchange: ScriptedExchange) -> None:
    paper = await an_account(exchange, BTC, ETH)
    exchange.lows[BTC, opened(6)] = exchange.lows[ETH, opened(3)] = Decimal(94)
    exchange.clock.set(opened(10))
    await live_through(await a_market(exchange), paper, NOON + 5 * SECOND)
    sold = [(f.symbol, f.at) for f in await paper.fills("") if f.side is Side.SELL]
    assert sold == [(ETH, opened(4)), (BTC, opened(7))]


async def test_funding_is_paid_on_what_was_open_then(exchange: ScriptedExchange) -> None:
    paper = await an_account(exchange, BTC, ETH)
    exchange.lows[ETH, opened(3)] = Decimal(94)
    exchange.rates = [(opened(-30), Decimal("0.01")), (opened(5), Decimal("0.001"))]
    exchange.clock.set(opened(10))
    await live_through(await a_market(exchange), paper, NOON + 5 * SECOND)
    [paid] = await paper.funding("")
    assert (paid.symbol, paid.at, paid.amount) == (BTC, opened(5), Decimal("-0.105"))


async def test_an_account_that_has_not_begun_has_missed_nothing(exchange: ScriptedExchange) -> None:
    paper = await an_account(exchange, BTC)
    exchange.clock.set(opened(10))
    market = await a_market(exchange)
    exchange.asked.clear()
    await live_through(market, paper, None)
    assert exchange.asked == []
