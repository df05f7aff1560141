"""Each indicator against a plain, slow computation of its published formula, or against figures worked out by hand."""

import math
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from trading.errors import NoEvidence
from trading.market.features import Features, book_imbalance, build, moments, rolling_sum
from trading.market.series import FundingSeries, Series, to_ms
from trading.model import OrderBook, Symbol

BTC = Symbol("BTC/USDT:USDT")
HOUR = timedelta(hours=1)
START = to_ms(datetime(2024, 5, 1, tzinfo=UTC))
NAN = math.nan


def a_series(
    close, *, open=None, high=None, low=None, volume=None, taker_buy=None, trades=None, opened=None, every=HOUR
):
    def column(values, default):
        return np.array(default if values is None else values, dtype=np.float64)

    close = column(close, None)
    step = every // timedelta(milliseconds=1)
    return Series(
        symbol=BTC,
        every=every,
        opened=START + step * np.arange(len(close)) if opened is None else np.array(opened, dtype=np.int64),
        open=column(open, close),
        high=column(high, close),
        low=column(low, close),
        close=close,
        volume=column(volume, np.ones(len(close))),
        taker_buy=None if taker_buy is None else column(taker_buy, None),
        trades=None if trades is None else column(trades, None),
    )


def a_walk(rows: int, seed: int = 7, every: timedelta = HOUR) -> Series:
    """A random walk around 100 with ranges, volume, taker volume and trades."""
    random = np.random.RandomState(seed)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(rows)))
    open_ = np.concatenate((close[:1], close[:-1]))[:rows]
    spread = np.abs(random.standard_normal((2, rows))) * 0.004
    volume = random.uniform(1, 50, rows).round(3)
    return a_series(
        close,
        open=open_,
        high=np.maximum(open_, close) * (1 + spread[0]),
        low=np.minimum(open_, close) * (1 - spread[1]),
        volume=volume,
        taker_buy=(volume * random.uniform(0, 1, rows)).round(3),
        trades=random.randint(1, 500, rows),
        every=every,
    )


# --- the formulas, slowly -----------------------------------------------------------------------------------------


def sma(values, n):
    return [math.fsum(values[i - n + 1 : i + 1]) / n if i >= n - 1 else NAN for i in range(len(values))]


def ema(values, n, start=0):
    """Smoothed by 2 / (n + 1); begins with the plain mean of the n values up to row start + n - 1."""
    out = [NAN] * len(values)
    last = start + n - 1
    if last < len(values):
        out[last] = sum(values[start : last + 1]) / n
        for i in range(last + 1, len(values)):
            out[i] = out[i - 1] + (values[i] - out[i - 1]) * 2 / (n + 1)
    return out


def wilder(values, n, first):
    """Wilder (1978): the mean of n values, rows first .. first + n - 1, then (before x (n - 1) + new) / n."""
    out = [NAN] * len(values)
    at = first + n - 1
    out[at] = sum(values[first : at + 1]) / n
    for i in range(at + 1, len(values)):
        out[i] = (out[i - 1] * (n - 1) + values[i]) / n
    return out


def rsi(s):
    """Wilder (1978): 100 - 100 / (1 + average rise / average fall)."""
    change = [0.0, *np.diff(s.close)]
    up = wilder([max(c, 0) for c in change], 14, 1)
    down = wilder([max(-c, 0) for c in change], 14, 1)
    return [100 - 100 / (1 + u / d) if not math.isnan(u) else NAN for u, d in zip(up, down, strict=True)]


def macd(s):
    """Appel (1979): EMA 12 - EMA 26, both from the 26th bar on; its EMA 9; the difference."""
    fast, slow = ema(s.close, 12, start=14), ema(s.close, 26)
    line = [f - w for f, w in zip(fast, slow, strict=True)]
    signal = ema(line, 9, start=25)
    line = [m if i >= 33 else NAN for i, m in enumerate(line)]
    return line, signal, [m - g for m, g in zip(line, signal, strict=True)]


def stochastic(s):
    """Lane: where the close stands in the range of 14 bars, in percent; slowed by 3, and by 3 again."""
    fast = [NAN] * len(s)
    for i in range(13, len(s)):
        top, bottom = max(s.high[i - 13 : i + 1]), min(s.low[i - 13 : i + 1])
        fast[i] = 100 * (s.close[i] - bottom) / (top - bottom)
    k = [NAN] * 15 + [sum(fast[i - 2 : i + 1]) / 3 for i in range(15, len(s))]
    return k, [NAN] * 17 + [sum(k[i - 2 : i + 1]) / 3 for i in range(17, len(s))]


def bollinger(s, side):
    """Bollinger: mean of 20 closes and 2 standard deviations of the population."""
    return [
        NAN if i < 19 else statistics.fmean(w := list(s.close[i - 19 : i + 1])) + side * 2 * statistics.pstdev(w)
        for i in range(len(s))
    ]


def true_range(s):
    return [0.0] + [max(s.high[i], s.close[i - 1]) - min(s.low[i], s.close[i - 1]) for i in range(1, len(s))]


def adx(s):
    """Wilder (1978): |+DI - -DI| / (+DI + -DI) in percent, averaged over 14; the sums start from 13 rows."""
    up = [0.0, *np.diff(s.high)]
    down = [0.0, *-np.diff(s.low)]
    sums, dx = [0.0, 0.0, 0.0], [NAN] * len(s)
    ranges = true_range(s)
    for i in range(1, len(s)):
        new = (ranges[i], up[i] if up[i] > max(down[i], 0) else 0.0, down[i] if down[i] > max(up[i], 0) else 0.0)
        sums = [t + n if i < 14 else t - t / 14 + n for t, n in zip(sums, new, strict=True)]
        if i >= 14:
            plus, minus = sums[1] / sums[0], sums[2] / sums[0]
            dx[i] = 100 * abs(plus - minus) / (plus + minus)
    return wilder(dx, 14, 14)


def cci(s):
    """Lambert (1980): distance of the typical price from its mean of 20, in 0.015 mean absolute deviations."""
    typical = [(h + w + c) / 3 for h, w, c in zip(s.high, s.low, s.close, strict=True)]
    out = [NAN] * len(s)
    for i in range(19, len(s)):
        window = typical[i - 19 : i + 1]
        mean = sum(window) / 20
        out[i] = (typical[i] - mean) / (0.015 * sum(abs(t - mean) for t in window) / 20)
    return out


def mfi(s):
    """Quong & Soudack (1989): 100 - 100 / (1 + money that flowed on rises / on falls), 14 bars."""
    typical = [(h + w + c) / 3 for h, w, c in zip(s.high, s.low, s.close, strict=True)]
    out = [NAN] * len(s)
    for i in range(14, len(s)):
        rows = range(i - 13, i + 1)
        up = sum(typical[j] * s.volume[j] for j in rows if typical[j] > typical[j - 1])
        down = sum(typical[j] * s.volume[j] for j in rows if typical[j] < typical[j - 1])
        out[i] = 100 - 100 / (1 + up / down)
    return out


def obv(s):
    """Granville (1963): volume, added on a rise and taken off on a fall."""
    total = [s.volume[0]]
    for i in range(1, len(s)):
        total.append(total[-1] + s.volume[i] * np.sign(s.close[i] - s.close[i - 1]))
    return total


def vwap(s):
    out, day, money, volume = [], None, 0.0, 0.0
    for i in range(len(s)):
        if s.opened[i] // 86_400_000 != day:
            day, money, volume = s.opened[i] // 86_400_000, 0.0, 0.0
        money += (s.high[i] + s.low[i] + s.close[i]) / 3 * s.volume[i]
        volume += s.volume[i]
        out.append(money / volume)
    return out


def garman_klass(s):
    """Garman & Klass (1980), without drift and opening jump; 8,760 hours a year."""
    bar = [
        0.5 * math.log(s.high[i] / s.low[i]) ** 2 - (2 * math.log(2) - 1) * math.log(s.close[i] / s.open[i]) ** 2
        for i in range(len(s))
    ]
    return [math.sqrt(m * 8760) for m in sma(bar, 20)]


def zscore(values, n):
    return [
        NAN
        if i < n - 1
        else (values[i] - statistics.fmean(w := list(values[i - n + 1 : i + 1]))) / statistics.pstdev(w)
        for i in range(len(values))
    ]


def slope(s):
    """Least squares over 10 closes, per bar, as a fraction of the last close."""
    return [
        NAN if i < 9 else statistics.linear_regression(range(10), list(s.close[i - 9 : i + 1])).slope / s.close[i]
        for i in range(len(s))
    ]


def imbalance(s):
    return [2 * b / v - 1 for b, v in zip(s.taker_buy, s.volume, strict=True)]


SLOWLY = {
    "rsi": rsi,
    "macd": lambda s: macd(s)[0],
    "macd_signal": lambda s: macd(s)[1],
    "macd_hist": lambda s: macd(s)[2],
    "macd_hist_atr": lambda s: [h / a for h, a in zip(macd(s)[2], wilder(true_range(s), 14, 1), strict=True)],
    "stoch_k": lambda s: stochastic(s)[0],
    "stoch_d": lambda s: stochastic(s)[1],
    "ema9": lambda s: ema(s.close, 9),
    "ema20": lambda s: ema(s.close, 20),
    "ema50": lambda s: ema(s.close, 50),
    "ema200": lambda s: ema(s.close, 200),
    "sma20": lambda s: sma(s.close, 20),
    "sma50": lambda s: sma(s.close, 50),
    "bollinger_upper": lambda s: bollinger(s, 1),
    "bollinger_middle": lambda s: bollinger(s, 0),
    "bollinger_lower": lambda s: bollinger(s, -1),
    "atr": lambda s: wilder(true_range(s), 14, 1),
    "adx": adx,
    "cci": cci,
    "mfi": mfi,
    "obv": obv,
    "vwap": vwap,
    "garman_klass": garman_klass,
    "zscore": lambda s: zscore(s.close, 20),
    "slope": slope,
    "momentum": lambda s: [NAN] * 10 + [s.close[i] / s.close[i - 10] - 1 for i in range(10, len(s))],
    "log_return": lambda s: [NAN] + [math.log(s.close[i] / s.close[i - 1]) for i in range(1, len(s))],
    "taker_ratio": lambda s: [b / v for b, v in zip(s.taker_buy, s.volume, strict=True)],
    "taker_trades": lambda s: s.trades,
    "taker_z": lambda s: zscore(imbalance(s), 100),
}


@pytest.fixture(scope="module")
def walk() -> Features:
    return build(a_walk(320))


@pytest.mark.parametrize("name", SLOWLY)
def test_column_is_its_published_formula(walk: Features, name: str) -> None:
    np.testing.assert_allclose(getattr(walk, name), SLOWLY[name](walk.series), rtol=1e-9, atol=1e-9)


def test_monte_carlo_is_near_its_closed_form(walk: Features) -> None:
    """P(12 drift + volatility x sqrt(12) x normal > 0) = Phi(sqrt(12) x drift / volatility); 1,000 paths: +-0.016."""
    returns = np.diff(np.log(walk.series.close))
    assert np.isnan(walk.monte_carlo[:100]).all()
    for row in range(100, len(returns) + 1):
        last = list(returns[row - 100 : row])
        form = statistics.NormalDist().cdf(math.sqrt(12) * statistics.fmean(last) / statistics.stdev(last))
        assert walk.monte_carlo[row] == pytest.approx(form, abs=0.03)


def test_monte_carlo_counts_the_paths_of_one_fixed_matrix(walk: Features) -> None:
    half = np.random.RandomState(20_240_501).standard_normal((500, 12)).sum(axis=1)
    ends = np.concatenate((half, -half))
    returns = np.diff(np.log(walk.series.close))
    for row in (100, 177, 319):
        last = returns[row - 100 : row]
        up = np.mean(12 * last.mean() + last.std(ddof=1) * ends > 0)
        assert walk.monte_carlo[row] == pytest.approx(up, abs=1e-12)


def test_monte_carlo_of_a_market_that_only_rises_or_only_falls() -> None:
    rises = build(a_series(2.0 ** np.arange(120)))  # equal returns: no volatility
    assert rises.monte_carlo[-1] == 1.0
    assert build(a_series(2.0 ** -np.arange(120.0))).monte_carlo[-1] == 0.0


def test_garman_klass_counts_the_bars_of_its_own_interval() -> None:
    hourly, minutes = build(a_walk(60)), build(a_walk(60, every=timedelta(minutes=5)))
    np.testing.assert_allclose(minutes.garman_klass[19:] / hourly.garman_klass[19:], math.sqrt(12))


# --- short, still and empty markets -------------------------------------------------------------------------------

COLUMNS = [name for name in Features.__dataclass_fields__ if name not in ("series", "taker_window")]
FROM_THE_FIRST_BAR = {"obv", "vwap", "taker_ratio", "taker_trades"}


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_short_history_has_columns_of_its_length(rows: int) -> None:
    features = build(a_walk(rows))
    for name in COLUMNS:
        assert len(getattr(features, name)) == rows
        if name not in FROM_THE_FIRST_BAR | {"log_return"}:
            assert np.isnan(getattr(features, name)).all(), name


def test_still_market_has_no_ratios() -> None:
    """0.1 has no exact sum: whatever is not caught shows as rounding noise."""
    features = build(a_series([0.1] * 300, volume=[3.0] * 300, taker_buy=[1.1] * 300))
    for name in ("rsi", "stoch_k", "stoch_d", "adx", "cci", "mfi", "zscore", "macd_hist_atr", "monte_carlo", "taker_z"):
        assert np.isnan(getattr(features, name)).all(), name
    assert features.garman_klass[-1] == 0
    assert features.momentum[-1] == 0
    assert features.bollinger_upper[-1] == features.bollinger_lower[-1] == 0.1


def test_indicators_come_back_after_a_market_stood_still() -> None:
    s = a_walk(400)
    close = s.close.copy()
    close[150:250] = close[149]
    features = build(a_series(close, volume=s.volume))
    assert np.isnan(features.rsi[170])
    assert np.isnan(features.zscore[170])
    for name in COLUMNS:
        if not name.startswith(("taker", "funding")):
            assert np.isfinite(getattr(features, name)[-1]), name


def test_no_volume_is_no_ratio() -> None:
    features = build(a_series(a_walk(40).close, volume=[0] * 40, taker_buy=[0] * 40, trades=[0] * 40))
    for name in ("mfi", "vwap", "taker_ratio", "taker_z"):
        assert np.isnan(getattr(features, name)).all(), name
    assert (features.taker_trades == 0).all()


def test_a_bar_without_volume_leaves_the_taker_flow_around_it_alone() -> None:
    s = a_walk(160)
    volume, bought = s.volume.copy(), s.taker_buy.copy()
    volume[120] = bought[120] = 0
    features = build(a_series(s.close, volume=volume, taker_buy=bought))
    assert np.isnan(features.taker_z[120])
    seen = [x for i, x in enumerate(imbalance(s)) if i != 120]
    np.testing.assert_allclose(features.taker_z[121:], zscore(seen, 100)[120:], rtol=1e-9)


# --- by hand ------------------------------------------------------------------------------------------------------


def test_rsi_by_hand() -> None:
    """Of 14 changes ten are +2 and four -1: averages 20/14 and 4/14, so 100 x 20 / 24. Then comes one of +10."""
    changes = [2, 2, -1, 2, 2, -1, 2, 2, -1, 2, 2, -1, 2, 2, 10]
    column = build(a_series([100, *100 + np.cumsum(changes)])).rsi
    assert column[14] == pytest.approx(100 * 20 / 24)
    up, down = (20 / 14 * 13 + 10) / 14, 4 / 14 * 13 / 14
    assert column[15] == pytest.approx(100 * up / (up + down))


def test_vwap_begins_again_at_utc_midnight() -> None:
    hours = [22, 23, 24, 26]  # 01:00 is missing
    s = a_series([10, 20, 30, 60], volume=[1, 3, 2, 1], opened=[START + h * 3_600_000 for h in hours])
    assert build(s).vwap.tolist() == [10, 17.5, 30, 40]


def test_taker_window_is_time_not_bars() -> None:
    """15 minutes are 3 bars of 5, one of 15, one of 60, and two of 10 (whole bars that cover it)."""
    volume, bought, trades = [4, 4, 8, 4, 20], [4, 0, 4, 4, 0], [1, 2, 3, 4, 5]

    def ratios(minutes: int) -> list[float]:
        every = timedelta(minutes=minutes)
        return build(
            a_series([1] * 5, volume=volume, taker_buy=bought, trades=trades, every=every)
        ).taker_ratio.tolist()

    assert ratios(5)[2:] == [8 / 16, 8 / 16, 8 / 32]
    assert np.isnan(ratios(5)[:2]).all()
    assert ratios(10)[1:] == [4 / 8, 4 / 12, 8 / 12, 4 / 24]
    assert ratios(15) == ratios(60) == [1, 0, 0.5, 1, 0]
    five = build(a_series([1] * 5, volume=volume, taker_buy=bought, trades=trades, every=timedelta(minutes=5)))
    assert five.taker_trades[2:].tolist() == [6, 9, 12]


def test_taker_window_never_bridges_a_gap() -> None:
    opened = [START + m * 60_000 for m in (0, 5, 10, 25, 30, 35)]
    s = a_series([1] * 6, taker_buy=[1] * 6, trades=[1] * 6, opened=opened, every=timedelta(minutes=5))
    features = build(s)
    assert np.isfinite(features.taker_ratio).tolist() == [False, False, True, False, False, True]
    assert np.isfinite(features.taker_trades).tolist() == [False, False, True, False, False, True]


def test_source_without_taker_volume_or_trades() -> None:
    features = build(a_series(a_walk(200).close))
    for name in ("taker_ratio", "taker_trades", "taker_z", "funding_rate"):
        assert np.isnan(getattr(features, name)).all()


def test_funding_is_the_last_settlement_known_at_the_close() -> None:
    hour = 3_600_000
    at = np.array([START + 2 * hour, START + 4 * hour + 1], dtype=np.int64)  # the second a millisecond late
    funding = FundingSeries(symbol=BTC, at=at, rate=np.array([0.0001, -0.0002]))
    column = build(a_series([1] * 5), funding=funding).funding_rate
    assert np.isnan(column[0])
    assert column[1:].tolist() == [0.0001, 0.0001, 0.0001, -0.0002]


@pytest.mark.parametrize("bars", [1, 2, 3, 7, 20, 100])
def test_windows_of_any_length(bars: int) -> None:
    values = np.random.RandomState(1).standard_normal(120)
    total = [NAN if i < bars - 1 else math.fsum(values[i - bars + 1 : i + 1]) for i in range(120)]
    np.testing.assert_allclose(rolling_sum(values, bars), total, atol=1e-12)
    mean, deviation = moments(values + 1e6, bars)
    windows = [list(values[i - bars + 1 : i + 1] + 1e6) for i in range(bars - 1, 120)]
    np.testing.assert_allclose(mean[bars - 1 :], [statistics.fmean(w) for w in windows])
    np.testing.assert_allclose(deviation[bars - 1 :], [statistics.pstdev(w) for w in windows], rtol=1e-8, atol=1e-9)


# --- the order book -----------------------------------------------------------------------------------------------


def a_book(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> OrderBook:
    def levels(side: list[tuple[str, str]]) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(p), Decimal(q)) for p, q in side)

    return OrderBook(symbol=BTC, at=datetime(2024, 5, 1, tzinfo=UTC), bids=levels(bids), asks=levels(asks))


def test_book_imbalance_counts_what_lies_within_depth_of_mid() -> None:
    book = a_book([("99.9", "3"), ("99.5", "3"), ("99.4", "100")], [("100.1", "1"), ("100.5", "1"), ("101", "70")])
    assert book_imbalance(book, Decimal("0.005")) == (6 - 2) / 8
    assert book_imbalance(book, Decimal("0.002")) == (3 - 1) / 4


@pytest.mark.parametrize(
    ("bids", "asks", "lack"),
    [
        ([], [("100", "1")], "no bids"),
        ([("100", "1")], [], "no asks"),
        ([("90", "1")], [("110", "1")], "no bids within 0.5"),
        ([("99.9", "1")], [("100.1", "0")], "no asks within 0.5"),
    ],
)
def test_book_with_an_empty_side_is_no_evidence(bids, asks, lack) -> None:
    with pytest.raises(NoEvidence, match=lack):
        book_imbalance(a_book(bids, asks), Decimal("0.005"))
