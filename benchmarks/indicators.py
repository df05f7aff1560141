"""What the features and the rule personas cost, as ratios to TA-Lib's own calls in the same run.

    python -m benchmarks.indicators [--repeats 50]

"TA-Lib's own" are RSI, MACD, Stochastic, EMA x4, SMA, Bollinger, ATR, ADX, CCI, MFI, OBV: 14 calls, without VWAP, Monte
Carlo, Garman-Klass, z-score, slope, momentum, returns, taker flow and funding, which `build` adds. Medians.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import numpy as np
import talib

from trading.market.features import build
from trading.market.series import FundingSeries, Series, from_ms
from trading.market.snapshot import Snapshot
from trading.model import Quote, Symbol
from trading.personas.flow import Flow
from trading.personas.panel import convene
from trading.personas.technical import Technical
from trading.playbook import Seat

SYMBOL = Symbol("BTC/USDT:USDT")


def a_market(rows: int, every: timedelta) -> tuple[Series, FundingSeries]:
    random = np.random.RandomState(1)
    close = 60_000 * np.exp(np.cumsum(0.002 * random.standard_normal(rows)))
    open_ = np.concatenate((close[:1], close[:-1]))
    wick = 1 + np.abs(random.standard_normal((2, rows))) * 0.001
    volume = random.uniform(1, 1_000, rows)
    opened = 1_714_521_600_000 + every // timedelta(milliseconds=1) * np.arange(rows, dtype=np.int64)
    series = Series(
        symbol=SYMBOL,
        every=every,
        opened=opened,
        open=open_,
        high=np.maximum(open_, close) * wick[0],
        low=np.minimum(open_, close) / wick[1],
        close=close,
        volume=volume,
        taker_buy=volume * random.uniform(0.3, 0.7, rows),
        trades=random.randint(100, 10_000, rows).astype(np.float64),
    )
    at = np.arange(opened[0], opened[-1] + 1, 8 * 3_600_000)
    return series, FundingSeries(symbol=SYMBOL, at=at, rate=random.standard_normal(len(at)) * 0.0001)


def talib_alone(s: Series) -> None:
    talib.RSI(s.close, 14)
    talib.MACD(s.close, 12, 26, 9)
    talib.STOCH(s.high, s.low, s.close, 14, 3, 0, 3, 0)
    for period in (9, 20, 50, 200):
        talib.EMA(s.close, period)
    talib.SMA(s.close, 20)
    talib.BBANDS(s.close, 20, 2, 2)
    talib.ATR(s.high, s.low, s.close, 14)
    talib.ADX(s.high, s.low, s.close, 14)
    talib.CCI(s.high, s.low, s.close, 20)
    talib.MFI(s.high, s.low, s.close, s.volume, 14)
    talib.OBV(s.close, s.volume)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def indicators(repeats: int) -> None:
    print(f"{'bars':>9} {'build ms':>9} {'TA-Lib ms':>10} {'ratio':>6} {'votes ms':>9}")
    cases = ((500, 5), (1_000, 5), (8_760, 60), (105_120, 5))
    for rows, minutes in cases:
        series, funding = a_market(rows, timedelta(minutes=minutes))
        times = max(repeats * 1_000 // max(rows, 1_000), 5)
        ours = median_ms(lambda s=series, f=funding: build(s, funding=f), times)
        theirs = median_ms(lambda s=series: talib_alone(s), times)
        features = build(series, funding=funding)

        def vote(features=features) -> None:
            for persona in personas():
                persona.votes(features)

        print(f"{rows:>9,} {ours:>9.2f} {theirs:>10.2f} {ours / theirs:>6.2f} {median_ms(vote, times):>9.2f}")


def personas() -> tuple[Flow, Technical]:
    return Flow(Seat(weight=Decimal("1.5"))), Technical(Seat(weight=Decimal(1)))


def opinions(rows: int = 8_760) -> None:
    series, funding = a_market(rows, timedelta(hours=1))
    features = build(series, funding=funding)
    quote = Quote(symbol=SYMBOL, at=from_ms(series.closed[0]), bid=Decimal(1), ask=Decimal(1), mark=Decimal(1))
    snapshots = [
        Snapshot(
            symbol=SYMBOL,
            at=from_ms(at),
            features=features,
            row=row,
            quote=quote,
            book=None,
            funding_rate=None,
            source="",
        )
        for row, at in enumerate(series.closed)
    ]

    async def ask() -> float:
        panel = personas()
        began = time.perf_counter()
        for snapshot in snapshots:
            await convene(panel, snapshot, timeout=30)
        return (time.perf_counter() - began) / rows / len(panel) * 1e6

    print(f"one opinion with thesis and evidence, through convene(): {asyncio.run(ask()):.0f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    indicators(arguments.repeats)
    opinions()
