"""An exchange's market by script: what it answers and when it does not, for whoever reads it through a Profile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.builders import an_instrument
from trading.clock import ManualClock
from trading.errors import GavelError
from trading.market.series import to_ms
from trading.model import OrderBook, Quote, Symbol
from trading.venues.exchange.wire import Candles, FundingNow, Listing, News, Traded

BTC, ETH = Symbol("BTC/USDT:USDT"), Symbol("ETH/USDT:USDT")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRICE = Decimal(100)


def a_listing(symbol: Symbol, *, tradable: bool = True, why: str = "") -> Listing:
    native = symbol.partition(":")[0].replace("/", "")
    return Listing(
        instrument=an_instrument(symbol), native=native, max_market=Decimal(1_000), tradable=tradable, why=why
    )


@dataclass
class ScriptedExchange:
    """`refuses`: what is raised instead of an answer, by what is read. A bar's prices are those of its minute."""

    clock: ManualClock
    title: str = "Scripted"
    listed: dict[Symbol, Listing] = field(default_factory=lambda: {s: a_listing(s) for s in (BTC, ETH)})
    refuses: dict[str, GavelError] = field(default_factory=dict)
    taker: bool = True
    volume: Decimal = Decimal(10)
    closes_late: timedelta = timedelta()  # so much after its end a bar is there
    holes: set[datetime] = field(default_factory=set)  # openings of bars that there never were
    began: datetime = NOON - timedelta(hours=2)
    lows: dict[tuple[Symbol, datetime], Decimal] = field(default_factory=dict)  # of the bar that opened then
    rates: list[tuple[datetime, Decimal]] = field(default_factory=list)
    next_funding: datetime = NOON + timedelta(hours=4)
    asked: list[tuple[str, Symbol | None, int]] = field(default_factory=list)
    hold: asyncio.Event | None = None  # candles are not answered before

    def _read(self, what: str, symbol: Symbol | None = None, count: int = 1) -> None:
        self.asked.append((what, symbol, count))
        for name in (what, f"{what} {symbol}", "everything"):
            if name in self.refuses:
                raise self.refuses[name]

    async def listings(self, bases: Sequence[str], quote: str) -> dict[Symbol, Listing]:
        self._read("listings")
        return {s: x for s, x in self.listed.items() if x.instrument.base in bases}

    async def candles(self, symbol: Symbol, every: timedelta, *, start: datetime | None, limit: int) -> Candles:
        self._read("candles", symbol, limit)
        if self.hold is not None:
            await self.hold.wait()
        seen = self.clock.now() - self.closes_late
        running = seen - (seen - NOON) % every
        first = max(start or running - (limit - 1) * every, self.began)
        there = [first + n * every for n in range(max(0, (running - first) // every + 1))]
        opened = [at for at in (there[:limit] if start else there[-limit:]) if at not in self.holes]
        rows = tuple(self.row(symbol, at) for at in opened)
        return Candles(
            opened=tuple(to_ms(at) for at in opened),
            rows=rows,
            taker_buy=tuple(row[4] / 2 for row in rows) if self.taker else None,
            trades=tuple(100 for _ in rows) if self.taker else None,
        )

    def row(self, symbol: Symbol, opened: datetime) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        price = PRICE + (opened.minute % 10)
        return price, price + 2, self.lows.get((symbol, opened), price - 2), price + 1, self.volume

    async def quote(self, symbol: Symbol) -> Quote:
        self._read("quote", symbol)
        return self.a_quote(symbol, PRICE)

    def a_quote(self, symbol: Symbol, price: Decimal, *, old: timedelta = timedelta()) -> Quote:
        return Quote(symbol=symbol, at=self.clock.now() - old, bid=price - 1, ask=price + 1, mark=price)

    async def book(self, symbol: Symbol, depth: int) -> OrderBook:
        self._read("book", symbol, depth)
        level = ((PRICE - 1, Decimal(1)),)
        return OrderBook(symbol=symbol, at=self.clock.now(), bids=level, asks=((PRICE + 1, Decimal(1)),))

    async def funding_now(self, symbol: Symbol) -> FundingNow:
        self._read("funding", symbol)
        return FundingNow(rate=Decimal("0.0001"), next_at=self.next_funding, every=timedelta(hours=8))

    async def funding_rates(self, symbol: Symbol, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        self._read("rates", symbol)
        return tuple(rate for rate in self.rates if rate[0] >= since)

    def public_news(self, message: Any) -> Sequence[News]:
        return (message,)

    def a_trade(self, symbol: Symbol, quantity: str, *, buy: bool = True) -> Traded:
        return Traded(symbol=symbol, at=self.clock.now(), price=PRICE, quantity=Decimal(quantity), buy=buy)
