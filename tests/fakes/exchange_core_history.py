"""Bars of the emulated exchange: a seeded past that ends at the price at which it opened, then what was really
traded. Prices are kept in ticks and volumes in steps, so that every bar is exact."""

import zlib
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.exchange_core_values import Spec

MINUTE = 60_000
_BLOCK = 1_440  # minutes of past that are made at a time
_LONGEST = 200 * _BLOCK  # nothing is older: it was not listed
_SWING = 0.0006  # standard deviation of a minute's return

Bar = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, Decimal, int]
_Rows = NDArray[np.int64]  # by minute: open, high, low, close, volume, taker buy, trades


class Bars:
    """`minute` numbers are minutes since the epoch."""

    def __init__(self, spec: Spec, *, at_ms: int, seed: int = 7) -> None:
        self._spec = spec
        self._seed = (zlib.crc32(spec.base.encode()), seed)
        self._first = at_ms // MINUTE  # the first minute that is lived, not made up
        self._past: list[_Rows] = []  # days, the newest first
        self._lived: list[list[int]] = [self._flat(self._ticks(spec.price))]

    def moved(self, price: Decimal, at_ms: int) -> None:
        """The price is here now."""
        row = self._now(at_ms)
        ticks = self._ticks(price)
        row[1], row[2], row[3] = max(row[1], ticks), min(row[2], ticks), ticks

    def traded(self, price: Decimal, quantity: Decimal, *, buy: bool, at_ms: int) -> None:
        """A trade: it counts as volume and may stretch the bar, and leaves the price where it is."""
        row = self._now(at_ms)
        ticks, steps = self._ticks(price), int(quantity / self._spec.step)
        row[1], row[2] = max(row[1], ticks), min(row[2], ticks)
        row[4] += steps
        row[5] += steps if buy else 0
        row[6] += 1

    def read(
        self, minutes: int, start_ms: int | None, end_ms: int | None, limit: int | None, *, newest: bool, at_ms: int
    ) -> list[Bar]:
        """Bars of so many minutes whose opening lies in [start, end], oldest first, the running one among them.

        More than `limit`: the first of them where a start is given, else (or with `newest`) the last.
        """
        self._now(at_ms)
        length = minutes * MINUTE
        running = at_ms // length
        last = running if end_ms is None else min(end_ms // length, running)
        first = -(-start_ms // length) if start_ms is not None else 0
        first = max(first, -(-(self._first - _LONGEST) // minutes))
        if limit is not None and (newest or start_ms is None):
            first = max(first, last - limit + 1)
        elif limit is not None:
            last = min(last, first + limit - 1)
        return self._bars(first, last, minutes) if first <= last else []

    def _bars(self, first: int, last: int, minutes: int) -> list[Bar]:
        rows = self._between(first * minutes, (last + 1) * minutes)
        starts = np.arange(0, len(rows), minutes)
        ends = np.minimum(starts + minutes, len(rows)) - 1
        highs, lows = np.maximum.reduceat(rows[:, 1], starts), np.minimum.reduceat(rows[:, 2], starts)
        sums = np.add.reduceat(rows[:, 4:], starts)
        columns: list[list[Any]] = [rows[starts, 0].tolist(), highs.tolist(), lows.tolist(), rows[ends, 3].tolist()]
        columns += [sums[:, 0].tolist(), sums[:, 1].tolist(), sums[:, 2].tolist()]
        tick, step = self._spec.tick, self._spec.step
        return [
            ((first + at) * minutes * MINUTE, o * tick, h * tick, low * tick, c * tick, v * step, taker * step, trades)
            for at, (o, h, low, c, v, taker, trades) in enumerate(zip(*columns, strict=True))
        ]

    def _between(self, begin: int, end: int) -> _Rows:
        """The minutes from `begin` to before `end`, as far as they have come."""
        parts = []
        if begin < self._first:
            newest = max(0, self._first - end) // _BLOCK
            oldest = (self._first - 1 - begin) // _BLOCK
            while len(self._past) <= oldest:
                self._past.append(self._made(len(self._past)))
            past = np.concatenate(self._past[newest : oldest + 1][::-1])
            at = self._first - (oldest + 1) * _BLOCK  # the minute of its first row
            parts.append(past[begin - at : end - at])
        if end > self._first:
            lived = self._lived[max(0, begin - self._first) : end - self._first]
            parts.append(np.array(lived, dtype=np.int64).reshape(-1, 7))
        return np.concatenate(parts)

    def _now(self, at_ms: int) -> list[int]:
        """The running minute's row; minutes in which nothing happened are flat."""
        while len(self._lived) <= at_ms // MINUTE - self._first:
            self._lived.append(self._flat(self._lived[-1][3]))
        return self._lived[-1]

    def _made(self, block: int) -> _Rows:
        """A day of past that ends where the day after it opens."""
        ends = int(self._past[-1][0, 0]) if self._past else self._ticks(self._spec.price)
        random = np.random.default_rng([*self._seed, block])
        back = np.exp(-np.cumsum(random.normal(0.0, _SWING, _BLOCK)))
        opens = np.maximum(10, np.rint(ends * back))[::-1].astype(np.int64)
        closes = np.append(opens[1:], ends)
        reach = (np.abs(random.normal(0.0, _SWING / 2, (2, _BLOCK))) * ends).astype(np.int64)
        typical = float(200_000 / self._spec.price / self._spec.step)
        volumes = (random.lognormal(0.0, 0.6, _BLOCK) * typical).astype(np.int64) + 1
        takers = (volumes * random.uniform(0.3, 0.7, _BLOCK)).astype(np.int64)
        highs = np.maximum(opens, closes) + reach[0]
        lows = np.maximum(1, np.minimum(opens, closes) - reach[1])
        return np.stack([opens, highs, lows, closes, volumes, takers, random.integers(20, 400, _BLOCK)], axis=1)

    def _ticks(self, price: Decimal) -> int:
        return int(price / self._spec.tick)

    @staticmethod
    def _flat(ticks: int) -> list[int]:
        return [ticks, ticks, ticks, ticks, 0, 0, 0]
