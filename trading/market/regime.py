"""Which market this is: trend up, trend down, volatile, range or chop. A column of codes, and what each allows.

Rules, in the order they are asked; every border is strict, so a value on it belongs to neither side:

1. VOLATILE    Garman-Klass volatility > `volatile`
2. TREND_UP    ADX > `trend_adx` and EMA 9 > 20 > 50
   TREND_DOWN  ADX > `trend_adx` and EMA 9 < 20 < 50
3. RANGE       ADX < `quiet_adx` and volatility below its own median over `median_over`
   CHOP        ADX < `quiet_adx` and volatility above it

VOLATILE comes first because it allows the least risk: a trend that runs through a storm must not be sized as a trend.
Of the others no two can hold at once, as `quiet_adx` is below `trend_adx` in every playbook.
Where no rule holds, or what it needs is not known, the regime is the one before (hysteresis).

The median is of the bars that opened within `median_over` before the row's own, by time, the row's own included. A
history shorter than that is used for what it has, from one day on (every hour of the day is in it once): a desk that
starts on six days of warm-up would otherwise know neither RANGE nor CHOP for a month. Before that they do not occur.
"""

from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from trading.exit_plan import Regime
from trading.market.features import DAY, Features
from trading.market.series import MS, Floats
from trading.risk_policies import RegimePolicy

Codes = NDArray[np.int8]
Index = NDArray[np.int32]


REGIMES = tuple(Regime)
CODES = {regime: code for code, regime in enumerate(REGIMES)}  # its place in a column of codes
UNKNOWN = -1  # the code before the first regime that is known


def regimes(features: Features, policy: RegimePolicy) -> Codes:
    """The regime's code for each row, UNKNOWN before the first one that is known. Row i depends on rows <= i only."""
    decided = _decided(features, policy)
    rows = np.arange(len(decided))
    last = np.maximum.accumulate(np.where(decided == UNKNOWN, -1, rows))
    return np.where(last < 0, UNKNOWN, decided[last]).astype(np.int8)


def _decided(features: Features, policy: RegimePolicy) -> Codes:
    """The code of the rule that holds at each row, UNKNOWN where none does. NaN satisfies no comparison."""
    adx, volatility = features.adx, features.garman_klass
    fast, middle, slow = features.ema9, features.ema20, features.ema50
    trending, quiet = adx > float(policy.trend_adx), adx < float(policy.quiet_adx)
    usual = usual_volatility(features, policy.median_over)
    holds = {
        Regime.VOLATILE: volatility > float(policy.volatile),
        Regime.TREND_UP: trending & (fast > middle) & (middle > slow),
        Regime.TREND_DOWN: trending & (fast < middle) & (middle < slow),
        Regime.RANGE: quiet & (volatility < usual),
        Regime.CHOP: quiet & (volatility > usual),
    }
    return np.select(list(holds.values()), [CODES[r] for r in holds], UNKNOWN).astype(np.int8)


def regime_at(column: Codes, row: int) -> Regime | None:
    """None: not known yet."""
    code = int(column[row])
    return None if code == UNKNOWN else REGIMES[code]


def multiplier(regime: Regime, policy: RegimePolicy) -> Decimal:
    """What the risk of a trade is multiplied by, within the policy's own bounds."""
    risk = {
        Regime.TREND_UP: policy.trend,
        Regime.TREND_DOWN: policy.trend,
        Regime.VOLATILE: policy.volatile_risk,
        Regime.RANGE: policy.range,
        Regime.CHOP: policy.chop,
    }[regime]
    return min(max(risk, policy.lowest), policy.highest)


# --- the median of a stretch of time --------------------------------------------------------------------------------


def usual_volatility(features: Features, over: timedelta) -> Floats:
    """Median Garman-Klass volatility of the stretch of time that ends with each row; NaN under a day of bars."""
    series, column = features.series, features.garman_klass
    out = np.full(len(column), np.nan)
    known = np.flatnonzero(np.isfinite(column))
    if not len(known):
        return out
    opened = series.opened[known]
    first = np.searchsorted(opened, opened - over // MS, side="right")
    least = -(-min(DAY, over) // series.every)
    enough = np.arange(len(known)) - first + 1 >= least
    out[known[enough]] = window_median(column[known], first)[enough]
    return out


def window_median(column: Floats, first: NDArray[np.intp]) -> Floats:
    """Median of column[first[i]..i] for each row i, the mean of the middle two where their number is even.

    Order statistics are exact, so a row's answer does not depend on the rows that follow. All windows are answered at
    once, at a cost that does not depend on their length: O(n log n).
    """
    end = np.arange(1, len(column) + 1)
    count = end - first
    order = np.argsort(column, kind="stable")
    rank = np.empty(len(column), dtype=np.int32)
    rank[order] = np.arange(len(column), dtype=np.int32)
    middle = _nth_of_windows(rank, first, end, (count - 1) // 2), _nth_of_windows(rank, first, end, count // 2)
    low, high = (column[order[nth]] for nth in middle)
    return (low + high) / 2


def _nth_of_windows(
    rank: Index, first: NDArray[np.intp], end: NDArray[np.intp], nth: NDArray[np.intp]
) -> NDArray[np.intp]:
    """The nth smallest (from 0) of rank[first[i]:end[i]] for each i, read off bit by bit from a wavelet matrix.

    From the highest bit down the ranks are parted, in stable order, into those without the bit and those with it. How
    many of a window have it not says on which side its nth stands, and the window becomes one of that side ("The
    wavelet matrix", Information Systems 47, 2015). `rank` is a permutation of 0..n-1.
    """
    answer = np.zeros(len(nth), dtype=np.intp)
    for bit in reversed(range(len(rank).bit_length())):
        without = (rank >> bit) & 1 == 0
        before = np.zeros(len(rank) + 1, dtype=np.intp)
        np.cumsum(without, out=before[1:])
        low, high = before[first], before[end]
        right = nth >= high - low
        answer |= right.astype(np.intp) << bit
        nth = np.where(right, nth - (high - low), nth)
        first = np.where(right, before[-1] + first - low, low)
        end = np.where(right, before[-1] + end - high, high)
        rank = np.concatenate((rank[without], rank[~without]))
    return answer
