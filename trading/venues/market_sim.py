"""A simulated market: seeded one-minute bars, funding and books of correlated pairs. Nothing in it is real data.

Day k depends on (seed, days before k) alone: one PCG64 stream per day, seeded by (seed, k), and the state that the day
before left. All known pairs are always generated, so that a choice of pairs changes no path.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.random import Generator

from trading.errors import Misuse, NoEvidence
from trading.market.series import MS, Floats, FundingSeries, Ints, Series, to_ms
from trading.model import Instrument, OrderBook, Quote, Symbol, require_utc
from trading.venues.market_paths import FUNDING_EVERY, MINUTES, PAIRS, REGIMES, Pair, Paths, opening, stream, walk

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LEVELS = 20  # of a book, each side
DEPTH = 0.009  # how far from the touch the last level lies, a fraction of the price: within 1 %
KEPT = 8  # days in memory; older ones are generated again from the state that began them

_KNOWN = tuple(PAIRS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day. `lean` is -1..1 a minute, known when the minute begins: how one-sided the book stands then."""

    number: int
    series: dict[Symbol, Series]  # 1,440 one-minute bars each
    funding: dict[Symbol, FundingSeries]  # 00:00, 08:00 and 16:00
    lean: dict[Symbol, Floats]
    regime: tuple[str, ...]  # of the market, by minute


class MarketSim:
    """The market of one seed. Day 0 is the UTC day of `starts`. Raises Misuse for a pair it has no numbers for."""

    def __init__(self, *, seed: int, bases: Sequence[str], quote: str = "USDT", starts: datetime) -> None:
        require_utc(starts)
        unknown = [base for base in bases if base not in PAIRS]
        if unknown or not bases:
            raise Misuse(f"the simulated market has {', '.join(_KNOWN)}, and no {', '.join(unknown) or 'empty choice'}")
        if seed < 0:
            raise Misuse(f"a market's seed is 0 or more, not {seed}")
        self.seed = seed
        self.starts = starts.replace(hour=0, minute=0, second=0, microsecond=0)
        self._symbols = {Symbol(f"{base}/{quote}:{quote}"): _KNOWN.index(base) for base in bases}
        self._states = [opening(seed)]  # by day: the state that begins it
        self._days: dict[int, Day] = {}

    def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: _instrument(symbol, PAIRS[_KNOWN[index]]) for symbol, index in self._symbols.items()}

    def day(self, number: int) -> Day:
        """Day 0 is the day of `starts`. The days before it are generated first, once."""
        if number < 0:
            raise NoEvidence(f"the simulated market starts on {self.starts:%Y-%m-%d}")
        for earlier in range(len(self._states) - 1, number):
            self._generate(earlier)
        return self._days.get(number) or self._generate(number)

    def book(self, symbol: Symbol, quote: Quote, at: datetime) -> OrderBook:
        """20 levels a side around `quote`, the same throughout a minute; it leans as the takers and the regime do."""
        number, minute = divmod((at - self.starts) // MINUTE, MINUTES)
        pair = PAIRS[_KNOWN[self._symbols[symbol]]]
        lean = float(self.day(number).lean[symbol][minute])
        rng = stream(self.seed, zlib.crc32(symbol.encode()), number * MINUTES + minute)
        bid_share = min(max(0.5 + 0.2 * lean + 0.06 * rng.standard_normal(), 0.1), 0.9)
        tick = Decimal(10) ** -pair.decimals
        offsets = _offsets(float(quote.mark) * DEPTH * 10**pair.decimals)
        units = pair.turnover / float(quote.mark) / float(pair.step) * _weights(rng)
        bids, asks = np.maximum(np.rint(units * [[bid_share], [1 - bid_share]]), 1).astype(np.int64).tolist()
        return OrderBook(
            symbol=symbol,
            at=at,
            bids=tuple((quote.bid - tick * away, pair.step * size) for away, size in zip(offsets, bids, strict=True)),
            asks=tuple((quote.ask + tick * away, pair.step * size) for away, size in zip(offsets, asks, strict=True)),
        )

    def _generate(self, number: int) -> Day:
        """Day `number` from the state that begins it, which must be there; the next day's state is kept."""
        paths, after = walk(stream(self.seed, number), self._states[number])
        if number == len(self._states) - 1:
            self._states.append(after)
        opened = to_ms(self.starts + number * DAY) + np.arange(MINUTES, dtype=np.int64) * (MINUTE // MS)
        day = Day(
            number=number,
            series={symbol: _series(symbol, opened, paths, index) for symbol, index in self._symbols.items()},
            funding={
                symbol: FundingSeries(symbol=symbol, at=opened[::FUNDING_EVERY], rate=paths.funding[index])
                for symbol, index in self._symbols.items()
            },
            lean={symbol: paths.lean[index] for symbol, index in self._symbols.items()},
            regime=tuple(REGIMES[kind].name for kind in paths.regime.tolist()),
        )
        self._days[number] = day
        while len(self._days) > KEPT:
            del self._days[next(iter(self._days))]
        return day


def _series(symbol: Symbol, opened: Ints, paths: Paths, index: int) -> Series:
    return Series(
        symbol=symbol,
        every=MINUTE,
        opened=opened,
        open=paths.open[index],
        high=paths.high[index],
        low=paths.low[index],
        close=paths.close[index],
        volume=paths.volume[index],
        taker_buy=paths.taker_buy[index],
        trades=paths.trades[index],
    )


def _instrument(symbol: Symbol, pair: Pair) -> Instrument:
    return Instrument(
        symbol=symbol,
        tick=Decimal(10) ** -pair.decimals,
        step=pair.step,
        min_quantity=pair.step,
        max_quantity=pair.step * 10**9,
        min_notional=Decimal(5),
        max_leverage=pair.leverage,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        maintenance=Decimal(1) / (2 * pair.leverage),  # half of the smallest initial margin
    )


def _offsets(deepest: float) -> list[int]:
    """Ticks from the touch by level: wider outwards, each at least one further than the last."""
    rank = np.arange(LEVELS)
    wide = np.rint(deepest * (rank / (LEVELS - 1)) ** 1.5).astype(np.int64)
    return [int(level) for level in np.maximum.accumulate(wide - rank) + rank]


def _weights(rng: Generator) -> Floats:
    """Size by (side, level), more outwards; a side's sum is about 1.5 minutes of turnover."""
    weights = np.sqrt(1 + np.arange(LEVELS)) * rng.gamma(4.0, 0.25, (2, LEVELS))
    sized: Floats = 3 * weights / np.sqrt(1 + np.arange(LEVELS)).sum()
    return sized
