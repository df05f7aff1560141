"""The bars that decisions are made from: read at the start, then at each close; what is not closed is not kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from trading.errors import OrderRejected, RateLimited, Transient
from trading.market.moments import Chapter
from trading.market.series import MS, Floats, FundingSeries, Series, to_ms
from trading.model import EPOCH, Symbol
from trading.ports import Clock
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Candles, Traded

DEPTH = 1_000  # bars that are read at the start: one request an instrument, at each of the exchanges
MOST = 6_000  # bars that are kept
FUNDING_FOR = timedelta(days=30)
AT_ONCE = 4  # instruments that are read at the same time
SURELY = timedelta(seconds=5)  # after its end a bar has closed, even where no later one shows that the exchange knows
PATIENCE = 60.0  # seconds that the history of an instrument may wait for our own limits
MISSED = 0.02  # of a bar's volume that may have escaped us, where we sum its trades

T = TypeVar("T")


async def each(symbols: Iterable[Symbol], read: Callable[[Symbol], Awaitable[None]]) -> dict[Symbol, str]:
    """Read something of each, a few at a time. Returns those of which it could not be read, and why."""
    failed: dict[Symbol, str] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(symbol: Symbol) -> None:
        async with turns:
            try:
                await read(symbol)
            except (Transient, OrderRejected) as error:
                failed[symbol] = str(error)

    await asyncio.gather(*(one(symbol) for symbol in symbols))
    return failed


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Where the limits ask for a pause, after it. Raises what `read` raises."""
    left = PATIENCE
    while True:
        try:
            return await read()
        except RateLimited as error:
            left -= error.retry_after
            if left < 0:
                raise
            await asyncio.sleep(error.retry_after)


class Bars:
    """`every`: their length. The chapter is another object each time a bar was added."""

    def __init__(self, profile: Profile, every: timedelta, clock: Clock) -> None:
        self.every = every
        self.ahead = timedelta()  # our clock, of the exchange's: a bar is closed when it is closed there
        self.chapter: Chapter | None = None
        self._profile = profile
        self._clock = clock
        self._series: dict[Symbol, Series] = {}
        self._funding: dict[Symbol, FundingSeries] = {}
        self._flow = Flow(every)

    @property
    def symbols(self) -> frozenset[Symbol]:
        return frozenset(self._series)

    def closed_until(self, now: datetime) -> datetime:
        """The last moment at which a bar has closed."""
        return now - (now - EPOCH) % self.every

    async def load(self, symbols: Iterable[Symbol]) -> dict[Symbol, str]:
        """Read the history of these. Returns those that have none, and why: they are not traded."""
        lacking = await each(symbols, self._load)
        self._publish()
        return lacking

    async def _load(self, symbol: Symbol) -> None:
        since = self._clock.now() - FUNDING_FOR
        candles = await patiently(lambda: self._profile.candles(symbol, self.every, start=None, limit=DEPTH))
        series = self._closed(symbol, candles)
        if series is None:
            raise Transient("it has no closed bar")
        rates = await patiently(lambda: self._profile.funding_rates(symbol, since))
        self._series[symbol] = series
        self._funding[symbol] = FundingSeries(
            symbol=symbol,
            at=np.array([to_ms(at) for at, _ in rates], dtype=np.int64),
            rate=np.array([float(rate) for _, rate in rates]),
        )

    async def refresh(self, until: datetime) -> dict[Symbol, str]:
        """Read what has closed since. Returns those of which it could not be read, and why."""
        before = dict(self._series)
        failed = await each([s for s in before if not self.reaches(s, until)], self._extend)
        if any(self._series[s] is not series for s, series in before.items()):
            self._publish()
        return failed

    def reaches(self, symbol: Symbol, until: datetime) -> bool:
        """Whether its bar that closed then is there."""
        series = self._series.get(symbol)
        return series is not None and int(series.closed[-1]) >= to_ms(until)

    async def _extend(self, symbol: Symbol) -> None:
        """What has closed since the last bar that is known. That one is asked for too: if the answer begins later,
        because it was long on its way or there is too much of it, all of it is read again, so that no hole stays."""
        old = self._series[symbol]
        missing = (to_ms(self._clock.now()) - int(old.closed[-1])) // (self.every // MS)
        if missing <= DEPTH:
            candles = await self._profile.candles(symbol, self.every, start=None, limit=missing + 2)
            if candles.opened and candles.opened[0] <= int(old.closed[-1]):
                self._append(old, self._closed(symbol, candles))
                return
        await self._load(symbol)

    def _append(self, old: Series, new: Series | None) -> None:
        if new is None:
            return
        first = int(np.searchsorted(new.opened, int(old.opened[-1]), side="right"))
        if first < len(new):
            joined = Series.joined([old, new.rows(first, len(new))])
            self._series[old.symbol] = joined.rows(max(0, len(joined) - MOST), len(joined))

    def settled(self, symbol: Symbol, at: datetime, rate: float) -> None:
        """One more funding rate was settled."""
        old = self._funding.get(symbol)
        if old is not None and (not len(old.at) or to_ms(at) > int(old.at[-1])):
            new = FundingSeries(symbol=symbol, at=np.append(old.at, to_ms(at)), rate=np.append(old.rate, rate))
            self._funding[symbol] = new

    def trade(self, traded: Traded) -> None:
        self._flow.trade(traded)

    def listen_anew(self) -> None:
        """The stream of trades stands, for the first time or after a gap."""
        self._flow.begin(self._clock.now())

    # --- inside -------------------------------------------------------------------------------------------------

    def _closed(self, symbol: Symbol, candles: Candles) -> Series | None:
        """As columns, without what has not closed yet; None: nothing has."""
        now, span = to_ms(self._clock.now() - max(self.ahead, timedelta())), self.every // MS
        opened = np.array(candles.opened, dtype=np.int64)
        whole = int(np.searchsorted(opened, now - span, side="right"))
        if whole and whole == len(opened) and now - int(opened[-1]) - span < SURELY // MS:
            whole -= 1
        if not whole:
            return None
        columns = np.array([[float(v) for v in row] for row in candles.rows[:whole]])
        taker, trades = self._taker(symbol, candles, whole)
        return Series(
            symbol=symbol,
            every=self.every,
            opened=opened[:whole],
            open=columns[:, 0],
            high=columns[:, 1],
            low=columns[:, 2],
            close=columns[:, 3],
            volume=columns[:, 4],
            taker_buy=taker,
            trades=trades,
        )

    def _taker(self, symbol: Symbol, candles: Candles, whole: int) -> tuple[Floats, Floats]:
        """Taker volume and count of trades; not a number where nobody told it."""
        if candles.taker_buy is not None and candles.trades is not None:
            bought = np.array([float(v) for v in candles.taker_buy[:whole]])
            return bought, np.array(candles.trades[:whole], dtype=np.float64)
        volumes = (float(row[4]) for row in candles.rows[:whole])
        found = [self._flow.of(symbol, at, volume) for at, volume in zip(candles.opened, volumes, strict=False)]
        return np.array([bought for bought, _ in found]), np.array([trades for _, trades in found])

    def _publish(self) -> None:
        history: Mapping[Symbol, Series] = dict(self._series)
        self.chapter = Chapter(paths=history, history=history, funding=dict(self._funding), last=False)


class Flow:
    """Taker volume summed from the trades of the stream, where candles do not tell it: of whole bars only."""

    def __init__(self, every: timedelta) -> None:
        self._span = every // MS
        self._from: int | None = None  # the first bar that is heard from its beginning; None: nothing is heard
        self._bars: dict[Symbol, dict[int, list[float]]] = {}  # opened -> bought, volume, trades

    def begin(self, now: datetime) -> None:
        """What was before is not whole, nor is the bar of now."""
        at = to_ms(now)
        self._from = at - at % self._span + self._span
        self._bars.clear()

    def trade(self, traded: Traded) -> None:
        at = to_ms(traded.at)
        bars = self._bars.setdefault(traded.symbol, {})
        bar = bars.setdefault(at - at % self._span, [0.0, 0.0, 0.0])
        quantity = float(traded.quantity)
        bar[0] += quantity if traded.buy else 0.0
        bar[1] += quantity
        bar[2] += 1
        if len(bars) > DEPTH:
            del bars[min(bars)]

    def of(self, symbol: Symbol, opened: int, volume: float) -> tuple[float, float]:
        """Bought, and the count of trades; not numbers where not all of the bar was heard."""
        bought, heard, trades = self._bars.get(symbol, {}).get(opened, (0.0, 0.0, 0.0))
        whole = self._from is not None and opened >= self._from and abs(volume - heard) <= MISSED * volume
        return (bought, trades) if whole else (np.nan, np.nan)
