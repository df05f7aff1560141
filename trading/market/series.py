"""Price history as columns: one array per field, one row per closed bar, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from trading.model import EPOCH, Candle, Symbol

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MS = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    return (at - EPOCH) // MS


def from_ms(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=int(ms))


def exact(value: float) -> Decimal:
    """The decimal number a float was read from: exact up to 15 significant digits, which every venue's price has."""
    return Decimal(repr(float(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Closed bars of one instrument. Columns of one length; `opened` rises strictly, by `every` or more."""

    symbol: Symbol
    every: timedelta
    opened: Ints  # milliseconds UTC
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # base units
    taker_buy: Floats | None = None  # base units
    trades: Floats | None = None

    def __len__(self) -> int:
        return len(self.opened)

    @property
    def closed(self) -> Ints:
        """Closing times, milliseconds UTC."""
        return self.opened + self.every // MS

    def candle(self, row: int) -> Candle:
        return Candle(
            symbol=self.symbol,
            opened_at=from_ms(self.opened[row]),
            every=self.every,
            open=exact(self.open[row]),
            high=exact(self.high[row]),
            low=exact(self.low[row]),
            close=exact(self.close[row]),
            volume=exact(self.volume[row]),
            taker_buy=None if self.taker_buy is None or np.isnan(self.taker_buy[row]) else exact(self.taker_buy[row]),
            trades=None if self.trades is None or np.isnan(self.trades[row]) else int(self.trades[row]),
        )

    def rows(self, first: int, last: int) -> "Series":
        """Rows first..last-1 as a view."""

        def cut(column: Floats | None) -> Floats | None:
            return None if column is None else column[first:last]

        return Series(
            symbol=self.symbol,
            every=self.every,
            opened=self.opened[first:last],
            open=self.open[first:last],
            high=self.high[first:last],
            low=self.low[first:last],
            close=self.close[first:last],
            volume=self.volume[first:last],
            taker_buy=cut(self.taker_buy),
            trades=cut(self.trades),
        )

    @staticmethod
    def joined(parts: Sequence["Series"]) -> "Series":
        """Parts of one instrument and interval, in time order, as one."""

        def whole(columns: list[Floats | None]) -> Floats | None:
            present = [c for c in columns if c is not None]
            return np.concatenate(present) if len(present) == len(columns) else None

        return Series(
            symbol=parts[0].symbol,
            every=parts[0].every,
            opened=np.concatenate([p.opened for p in parts]),
            open=np.concatenate([p.open for p in parts]),
            high=np.concatenate([p.high for p in parts]),
            low=np.concatenate([p.low for p in parts]),
            close=np.concatenate([p.close for p in parts]),
            volume=np.concatenate([p.volume for p in parts]),
            taker_buy=whole([p.taker_buy for p in parts]),
            trades=whole([p.trades for p in parts]),
        )

    def gaps(self) -> list[tuple[datetime, datetime, int]]:
        """Missing stretches as (close of the last bar before, open of the first bar after, bars missing)."""
        step = self.every // MS
        holes = np.flatnonzero(np.diff(self.opened) != step)
        ends, begins = self.opened[holes] + step, self.opened[holes + 1]
        return [(from_ms(a), from_ms(b), int((b - a) // step)) for a, b in zip(ends, begins, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingSeries:
    """Funding settlements of one instrument, oldest first. Rates are fractions of notional; longs pay when positive."""

    symbol: Symbol
    at: Ints  # milliseconds UTC
    rate: Floats

    @staticmethod
    def joined(parts: Sequence["FundingSeries"]) -> "FundingSeries":
        return FundingSeries(
            symbol=parts[0].symbol,
            at=np.concatenate([p.at for p in parts]),
            rate=np.concatenate([p.rate for p in parts]),
        )


def aggregate(series: Series, every: timedelta) -> Series:
    """Coarser bars from finer ones; a coarse bar is made of the fine bars that exist in it, none is invented.

    Raises ValueError when `every` is not a whole multiple of the series' own interval.
    """
    if every == series.every:
        return series
    if every % series.every:
        raise ValueError(f"{every} is not a multiple of {series.every}")
    bucket = series.opened // (every // MS)
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    last = np.r_[first[1:], len(series)] - 1

    def total(column: Floats | None) -> Floats | None:
        return None if column is None else np.add.reduceat(column, first)

    volume = np.add.reduceat(series.volume, first)
    return Series(
        symbol=series.symbol,
        every=every,
        opened=bucket[first] * (every // MS),
        open=series.open[first],
        high=np.maximum.reduceat(series.high, first),
        low=np.minimum.reduceat(series.low, first),
        close=series.close[last],
        volume=volume,
        taker_buy=total(series.taker_buy),
        trades=total(series.trades),
    )
