"""A market one can move by hand, in front of a real paper venue: builders and a driver, no assertions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from trading.clock import ManualClock
from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    Candle,
    ClientId,
    DecisionId,
    Fill,
    Instrument,
    Leg,
    Order,
    OrderKind,
    Protection,
    Quote,
    Side,
    Symbol,
)
from trading.venues.paper import PaperVenue
from trading.venues.paper_faults import Faults
from trading.venues.paper_rules import PaperRules

BTC = Symbol("BTC/USDT:USDT")
DOGE = Symbol("DOGE/USDT:USDT")
START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_IMPACT = PaperRules(impact=Decimal(0))
ALL = PaperRules(impact=Decimal(0), participation=Decimal(1))


def d(text: str | int) -> Decimal:
    return Decimal(text)


def an_instrument(symbol: Symbol = BTC, **changes: Any) -> Instrument:
    base = Instrument(
        symbol=symbol,
        tick=d("0.1"),
        step=d("0.001"),
        min_quantity=d("0.001"),
        max_quantity=d(100),
        min_notional=d(5),
        max_leverage=50,
        maker_fee=d("0.0002"),
        taker_fee=d("0.0005"),
        maintenance=d("0.005"),
    )
    return replace(base, **changes)


DOGE_STEPS = {"tick": d("0.00001"), "step": d(100), "min_quantity": d(100), "max_quantity": d(10_000_000)}


class PaperMarket:
    """A clock, a venue, the updates it told. Bars are an hour long and follow one another; the touch is the close."""

    def __init__(
        self,
        *,
        store: Path | None = None,
        start: str | int = 10_000,
        rules: PaperRules = NO_IMPACT,
        faults: Faults | None = None,
        instruments: tuple[Instrument, ...] = (an_instrument(), an_instrument(DOGE, **DOGE_STEPS)),
        spread: str = "0",
    ) -> None:
        self.clock = ManualClock(START)
        self.spread = d(spread)
        self._settings: dict[str, Any] = {
            "instruments": {i.symbol: i for i in instruments},
            "store": store,
            "start_balance": d(start),
            "rules": rules,
            "faults": faults,
        }
        self._numbers = count(1)
        self.updates: list[VenueUpdate] = []
        self.bars: dict[Symbol, list[tuple[Candle, Quote]]] = {}
        self.fundings: list[tuple[Symbol, datetime, Decimal, Decimal]] = []
        self.venue = self._open()

    def _open(self) -> PaperVenue:
        venue = PaperVenue(clock=self.clock, **self._settings)
        venue.listen(self.updates.append)
        return venue

    def restart(self) -> None:
        """As after a kill: a new venue on the same file, and the feed begins with the last bar and funding again."""
        self.venue = self._open()
        for bars in self.bars.values():
            self.venue.advance(*bars[-1])
        for funding in self.fundings[-1:]:
            self.venue.settle_funding(*funding)

    def bar(
        self,
        open_: str | int,
        high: str | int,
        low: str | int,
        close: str | int,
        *,
        volume: str | int = 1000,
        symbol: Symbol = BTC,
    ) -> None:
        opened_at = self.clock.now()
        candle = Candle(
            symbol=symbol,
            opened_at=opened_at,
            every=HOUR,
            open=d(open_),
            high=d(high),
            low=d(low),
            close=d(close),
            volume=d(volume),
        )
        half = self.spread / 2
        at = opened_at + HOUR
        quote = Quote(symbol=symbol, at=at, bid=candle.close - half, ask=candle.close + half, mark=candle.close)
        self.clock.set(at)
        self.bars.setdefault(symbol, []).append((candle, quote))
        self.venue.advance(candle, quote)

    def flat_bar(self, price: str | int, *, volume: str | int = 1000, symbol: Symbol = BTC) -> None:
        self.bar(price, price, price, price, volume=volume, symbol=symbol)

    def fund(self, rate: str | int, *, symbol: Symbol = BTC) -> None:
        """Settle funding at the close of the last bar, on its mark."""
        candle, quote = self.bars[symbol][-1]
        self.fundings.append((symbol, candle.closed_at, d(rate), quote.mark))
        self.venue.settle_funding(*self.fundings[-1])

    def order(self, side: Side, quantity: str | int, **changes: Any) -> Order:
        number = next(self._numbers)
        base: dict[str, Any] = {
            "client_id": ClientId(f"gv-test-{number}"),
            "decision_id": DecisionId(f"btc-test{number}"),
            "leg": Leg.ENTRY,
            "symbol": BTC,
            "side": side,
            "kind": OrderKind.MARKET,
            "quantity": d(quantity),
            "created_at": self.clock.now(),
            "leverage": 10,
        }
        return Order(**(base | changes))

    def guard(self, stop: str | int, target: str | int) -> Protection:
        number = next(self._numbers)
        return Protection(
            stop_id=ClientId(f"gv-stop-{number}"),
            stop=d(stop),
            target_id=ClientId(f"gv-target-{number}"),
            target=d(target),
        )

    async def buy(self, quantity: str | int, guard: Protection | None = None, **changes: Any) -> OrderReport:
        return await self.venue.submit(self.order(Side.BUY, quantity, **changes), guard)

    async def sell(self, quantity: str | int, guard: Protection | None = None, **changes: Any) -> OrderReport:
        return await self.venue.submit(self.order(Side.SELL, quantity, **changes), guard)

    async def close(self, side: Side, quantity: str | int, **changes: Any) -> OrderReport:
        return await self.venue.submit(self.order(side, quantity, leg=Leg.CLOSE, reduce_only=True, **changes))

    @property
    def told(self) -> list[Fill]:
        """The fills the listener heard of."""
        return [u for u in self.updates if isinstance(u, Fill)]

    async def wallet(self) -> Decimal:
        return (await self.venue.balance()).wallet

    async def all_there_is(self) -> tuple[object, ...]:
        """Everything the port can tell: equal before and after a restart."""
        venue = self.venue
        return (
            await venue.positions(),
            await venue.open_orders(),
            await venue.balance(),
            await venue.fills(""),
            await venue.funding(""),
        )
