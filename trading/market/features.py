"""History -> columns: every indicator over all bars at once.

Row i depends on rows <= i only, and its value does not depend, to the last bit, on how many rows follow: a backtest
that reads all rows and a live desk that reads the last row of the same bars see the same numbers. So nothing here is
reduced with `np.sum` and its like, whose order of additions depends on the array's shape: recursions are TA-Lib's (it
walks the bars in order), windows are built by doubling (see `_window`), where each row is added up in one fixed order.

Rows are bars, not time: a gap is not filled, indicators take the next bar that exists. The taker window alone is a
stretch of time, and NaN while a gap lies in it. NaN also stands in the warm-up and where a ratio would be 0/0, for
instance in a market that stood still; infinity never.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from trading.errors import NoEvidence
from trading.market.series import MS, Floats, FundingSeries, Series
from trading.market.ta import talib
from trading.model import OrderBook

DAY = timedelta(days=1)
YEAR = timedelta(days=365)  # this market has no holidays
MEMORY = 100  # bars that drift, volatility and the usual taker imbalance are measured on
PATHS, AHEAD = 1_000, 12  # Monte Carlo: paths, bars per path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """One row per bar of `series`. In price units: macd, its signal and histogram, averages, bands, atr and vwap."""

    series: Series
    taker_window: timedelta
    rsi: Floats  # 0..100
    macd: Floats
    macd_signal: Floats
    macd_hist: Floats
    macd_hist_atr: Floats  # the histogram in ATRs
    stoch_k: Floats  # 0..100
    stoch_d: Floats
    ema9: Floats
    ema20: Floats
    ema50: Floats
    ema200: Floats
    sma20: Floats
    sma50: Floats
    bollinger_upper: Floats
    bollinger_middle: Floats
    bollinger_lower: Floats
    atr: Floats
    adx: Floats  # 0..100
    cci: Floats
    mfi: Floats  # 0..100
    obv: Floats  # base units
    vwap: Floats
    monte_carlo: Floats  # share of paths that end higher, 0..1
    garman_klass: Floats  # fraction a year
    zscore: Floats  # standard deviations
    slope: Floats  # fraction of price a bar
    momentum: Floats  # return over 10 bars, fraction
    log_return: Floats  # over 1 bar
    taker_ratio: Floats  # taker-buy volume / volume within the taker window, 0..1
    taker_trades: Floats  # trades within it
    taker_z: Floats  # taker imbalance in standard deviations from its own mean
    funding_rate: Floats  # last settlement known at the bar's close, fraction


def build(
    series: Series, *, funding: FundingSeries | None = None, taker_window: timedelta = timedelta(minutes=15)
) -> Features:
    """All features of a history. Any length is allowed, none included: what is too short for an indicator is NaN."""
    # Overflow and 0/0 are answered with NaN where they happen, see _ratio.
    with np.errstate(all="ignore"):
        return _build(series, funding, taker_window)


def _build(series: Series, funding: FundingSeries | None, taker_window: timedelta) -> Features:
    open_, high, low, close, volume = (
        np.ascontiguousarray(c, dtype=np.float64)
        for c in (series.open, series.high, series.low, series.close, series.volume)
    )
    typical = (high + low + close) / 3
    log_return = _change(np.log(close), 1)
    top, bottom = talib.MAX(high, 14), talib.MIN(low, 14)
    atr = talib.ATR(high, low, close, 14)
    macd, macd_signal, macd_hist = talib.MACD(close, 12, 26, 9)
    stoch_k, stoch_d = stochastic(close, top, bottom)
    mean, deviation = moments(close, 20)
    taker_ratio, taker_trades, taker_z = taker_flow(series, taker_window)
    return Features(
        series=series,
        taker_window=taker_window,
        rsi=_unless_still(talib.RSI(close, 14), close, 15),
        macd=macd,
        macd_signal=macd_signal,
        macd_hist=macd_hist,
        macd_hist_atr=_ratio(macd_hist, atr),
        stoch_k=stoch_k,
        stoch_d=stoch_d,
        ema9=talib.EMA(close, 9),
        ema20=talib.EMA(close, 20),
        ema50=talib.EMA(close, 50),
        ema200=talib.EMA(close, 200),
        sma20=mean,
        sma50=talib.SMA(close, 50),
        bollinger_upper=mean + 2 * deviation,
        bollinger_middle=mean,
        bollinger_lower=mean - 2 * deviation,
        atr=atr,
        adx=np.where(top > bottom, talib.ADX(high, low, close, 14), np.nan),
        cci=_unless_still(talib.CCI(high, low, close, 20), typical, 20),
        mfi=money_flow(typical, volume),
        obv=talib.OBV(close, volume),
        vwap=session_vwap(series, typical, volume),
        monte_carlo=share_of_paths_up(log_return),
        garman_klass=garman_klass(open_, high, low, close, series.every),
        zscore=_ratio(close - mean, deviation),
        slope=_ratio(talib.LINEARREG_SLOPE(close, 10), close),
        momentum=_change(close, 10, relative=True),
        log_return=log_return,
        taker_ratio=taker_ratio,
        taker_trades=taker_trades,
        taker_z=taker_z,
        funding_rate=funding_at_close(series, funding),
    )


# --- building blocks ----------------------------------------------------------------------------------------------


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b; NaN instead of infinity."""
    quotient = a / b
    quotient[np.isinf(quotient)] = np.nan
    return quotient


def _change(column: Floats, bars: int, *, relative: bool = False) -> Floats:
    """Difference to the row `bars` before; with `relative` as a fraction of it."""
    out = np.full(len(column), np.nan)
    now, before = column[bars:], column[: max(len(column) - bars, 0)]
    out[bars:] = _ratio(now, before) - 1 if relative else now - before
    return out


def _unless_still(indicator: Floats, price: Floats, bars: int) -> Floats:
    """NaN where `price` did not change in the last `bars` bars: TA-Lib answers 0/0 with 0, or with rounding noise."""
    return np.where(talib.MAX(price, bars) > talib.MIN(price, bars), indicator, np.nan)


Columns = tuple[Floats, ...]
Join = Callable[[Columns, int, Columns, int], Columns]


def _window(columns: Columns, bars: int, join: Join) -> Columns:
    """`join` folded over the last `bars` rows of every row, in log2(bars) steps; NaN in the first bars - 1 rows.

    Blocks of 1, 2, 4, ... rows are joined from two neighbours each, and the window from the blocks its length is made
    of. `join` gets two neighbouring blocks and how many rows each stands for, and works element by element.
    """
    rows = len(columns[0])
    out = tuple(np.full(rows, np.nan) for _ in columns)
    if rows < bars:
        return out
    block, width = columns, 1
    done: Columns = ()
    have = 0
    while width <= bars:
        if bars & width:
            fits = rows - have - width + 1
            new = tuple(c[have : have + fits] for c in block)
            done = join(tuple(c[:fits] for c in done), have, new, width) if have else new
            have += width
        if 2 * width <= bars:
            block = join(tuple(c[:-width] for c in block), width, tuple(c[width:] for c in block), width)
        width *= 2
    for target, values in zip(out, done, strict=True):
        target[bars - 1 :] = values
    return out


def _add(a: Columns, _na: int, b: Columns, _nb: int) -> Columns:
    return (a[0] + b[0],)


def _pool(a: Columns, na: int, b: Columns, nb: int) -> Columns:
    """Mean and sum of squared deviations of two blocks together (Chan, Golub & LeVeque 1979): no cancellation, and a
    column of equal values has a deviation of exactly 0."""
    apart = b[0] - a[0]
    return a[0] + apart * (nb / (na + nb)), a[1] + b[1] + apart * apart * (na * nb / (na + nb))


def rolling_sum(column: Floats, bars: int) -> Floats:
    return _window((column,), bars, _add)[0]


def moments(column: Floats, bars: int, *, sample: bool = False) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the last `bars` rows: by n (population), with `sample` by n - 1."""
    mean, squares = _window((column, np.zeros(len(column))), bars, _pool)
    return mean, np.sqrt(squares / (bars - 1 if sample else bars))


# --- indicators that TA-Lib has not, or answers differently at 0/0 ------------------------------------------------
# TA-Lib's own: RSI, ATR and ADX are Wilder's (1978), smoothed by 1/14; RSI and ATR start from the plain mean of the
# first 14 changes or true ranges (a true range needs the close before), ADX from sums of the first 13 ranges and
# movements, to which Wilder's step is applied from the 14th on. EMA starts from the mean of its first n closes. MACD
# starts both averages at the same bar, the 26th, and its signal from the mean of the first 9 values. CCI is Lambert's
# (1980), OBV Granville's (1963); it starts at the first bar's volume.


def stochastic(close: Floats, top: Floats, bottom: Floats) -> tuple[Floats, Floats]:
    """Lane's slow stochastic 14/3/3: %K averaged over 3 bars, and that over 3 again."""
    fast = _ratio(100 * (close - bottom), top - bottom)
    k = rolling_sum(fast, 3) / 3
    return k, rolling_sum(k, 3) / 3


def money_flow(typical: Floats, volume: Floats) -> Floats:
    """Money flow index 14 (Quong & Soudack 1989): share of typical price x volume that traded on a rise of the typical
    price, of what traded on a rise or fall; in percent."""
    flow, change = typical * volume, _change(typical, 1)
    up = _change_sums(np.where(change > 0, flow, 0.0))
    down = _change_sums(np.where(change < 0, flow, 0.0))
    return _ratio(100 * up, up + down)


def _change_sums(flow: Floats) -> Floats:
    """14-bar sums of a column whose first row compares with nothing."""
    out = np.full(len(flow), np.nan)
    out[1:] = rolling_sum(flow[1:], 14)
    return out


def session_vwap(series: Series, typical: Floats, volume: Floats) -> Floats:
    """Volume-weighted typical price since the UTC midnight before the opening; NaN while that day has no volume."""
    if not len(series):
        return np.full(0, np.nan)
    day = series.opened // (DAY // MS)
    session = np.zeros(len(series), dtype=np.int64)
    np.cumsum(day[1:] != day[:-1], out=session[1:])
    slot = (series.opened - day * (DAY // MS)) // (series.every // MS)
    # One line per day, so that each day is added up from its own start and rounding never crosses midnight.
    table = np.zeros((2, int(session[-1]) + 1, -(-DAY // series.every)))
    table[0, session, slot] = typical * volume
    table[1, session, slot] = volume
    sums = np.cumsum(table, axis=2)[:, session, slot]
    return _ratio(sums[0], sums[1])


def _path_ends() -> Floats:
    """Sums of AHEAD standard normals for each path, sorted.

    Half of the paths mirror the other half (antithetic), so that a mirrored market gives the mirrored share.
    RandomState is NumPy's one generator whose stream is frozen for good.
    """
    half = np.random.RandomState(20_240_501).standard_normal((PATHS // 2, AHEAD)).cumsum(axis=1)[:, -1]
    return np.sort(np.concatenate((half, -half)))


_ENDS = _path_ends()


def share_of_paths_up(log_return: Floats) -> Floats:
    """Share of 1,000 paths of 12 normal log returns, with drift and volatility of the last 100, that end higher.

    A path ends at 12 drift + volatility x (sum of its normals): one look-up among the sorted sums per bar.
    The closed form is Phi(sqrt(12) drift / volatility).
    """
    drift, volatility = moments(log_return[1:], MEMORY, sample=True)
    out = np.full(len(log_return), np.nan)
    needed = -AHEAD * drift / volatility  # without volatility: minus or plus infinity, all paths or none
    out[1:] = np.where(np.isnan(needed), np.nan, 1 - np.searchsorted(_ENDS, needed, side="right") / PATHS)
    return out


def garman_klass(open_: Floats, high: Floats, low: Floats, close: Floats, every: timedelta) -> Floats:
    """Garman & Klass (1980): mean over 20 bars of 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2, as a yearly deviation."""
    bar = 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    return np.sqrt(rolling_sum(bar, 20) / 20 * (YEAR / every))


def taker_flow(series: Series, window: timedelta) -> tuple[Floats, Floats, Floats]:
    """Taker-buy share of the volume, trades, and the standardised imbalance, over the whole bars that cover `window`.

    The imbalance (bought - sold) / volume is standardised with mean and deviation of the last 100 bars that have one,
    the row's own included. NaN where the window is not whole (start, gap), without volume, or without such a column.
    """
    nothing = np.full(len(series), np.nan)
    bars = -(-window // series.every)
    whole = np.zeros(len(series), dtype=np.bool_)
    whole[bars - 1 :] = _span(series.opened, bars) == (bars - 1) * (series.every // MS)
    trades = nothing if series.trades is None else np.where(whole, rolling_sum(series.trades, bars), np.nan)
    if series.taker_buy is None:
        return nothing, trades, nothing
    volume = np.where(whole, rolling_sum(series.volume, bars), np.nan)
    bought = rolling_sum(series.taker_buy, bars)
    imbalance = _ratio(2 * bought - volume, volume)
    known = np.isfinite(imbalance)
    usual, deviation = moments(imbalance[known], MEMORY)
    standardised = np.full(len(series), np.nan)
    standardised[known] = _ratio(imbalance[known] - usual, deviation)
    return _ratio(bought, volume), trades, standardised


def _span(opened: NDArray[np.int64], bars: int) -> NDArray[np.int64]:
    """From the opening of the first to that of the last of `bars` bars, for each row that has so many behind it."""
    return opened[bars - 1 :] - opened[: max(len(opened) - bars + 1, 0)]


def funding_at_close(series: Series, funding: FundingSeries | None) -> Floats:
    """The last rate settled at or before each bar's close; NaN before the first."""
    out = np.full(len(series), np.nan)
    if funding is None or not len(funding.at):
        return out
    last = np.searchsorted(funding.at, series.closed, side="right") - 1
    known = last >= 0
    out[known] = funding.rate[last[known]]
    return out


def book_imbalance(book: OrderBook, depth: Decimal) -> float:
    """(bids - asks) / (bids + asks) of the quantities within `depth` (a fraction) of mid: -1..1.

    Raises NoEvidence when a side has nothing there.
    """
    if not book.bids or not book.asks:
        raise NoEvidence(f"the order book has no {'asks' if book.bids else 'bids'}")
    mid = (book.bids[0][0] + book.asks[0][0]) / 2
    bids = sum((q for price, q in book.bids if price >= mid * (1 - depth)), Decimal(0))
    asks = sum((q for price, q in book.asks if price <= mid * (1 + depth)), Decimal(0))
    if bids <= 0 or asks <= 0:
        raise NoEvidence(f"the order book has no {'asks' if bids > 0 else 'bids'} within {depth:%} of mid")
    return float((bids - asks) / (bids + asks))
