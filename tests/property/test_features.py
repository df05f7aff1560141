"""No look-ahead, and live = backtest: a prefix of a history gives the same rows, to the last bit."""

import gzip
import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.market.features import Features, build
from trading.market.series import Floats, FundingSeries, Series
from trading.model import Symbol

MINUTE = 60_000
COLUMNS = [name for name in Features.__dataclass_fields__ if name not in ("series", "taker_window")]


@st.composite
def markets(draw: st.DrawFn, *, least: int = 0, most: int = 300) -> Series:
    """Walks with gaps, still stretches, bars without volume and prices of any size."""
    n, minutes = draw(st.integers(least, most)), draw(st.sampled_from([1, 5, 7, 15, 60, 240, 1440, 2880]))
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    moves = 10 ** draw(st.floats(-6, -0.5)) * random.standard_normal(n)
    moves *= random.uniform(size=n) > draw(st.sampled_from([0.0, 0.3, 0.9]))
    close = 10 ** draw(st.floats(-7, 6)) * np.exp(np.clip(np.cumsum(moves), -50, 50))
    open_ = np.concatenate((close[:1], close[:-1]))[:n]
    wick = np.abs(random.standard_normal((2, n))) * np.abs(moves)
    volume = random.uniform(0, 10 ** draw(st.floats(-3, 9)), n) * (
        random.uniform(size=n) > draw(st.sampled_from([0.0, 0.5]))
    )
    bars = np.cumsum(1 + (random.uniform(size=n) > 0.97) * random.randint(0, 2_000, n))
    return Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(minutes=minutes),
        opened=(1_700_000_000_000 // MINUTE + bars * minutes).astype(np.int64) * MINUTE,
        open=open_,
        high=np.maximum(open_, close) * np.exp(wick[0]),
        low=np.minimum(open_, close) * np.exp(-wick[1]),
        close=close,
        volume=volume,
        taker_buy=volume * random.uniform(size=n) if draw(st.booleans()) else None,
        trades=random.randint(0, 1_000, n).astype(np.float64) if draw(st.booleans()) else None,
    )


def a_funding(series: Series) -> FundingSeries:
    at = series.closed[::8]
    return FundingSeries(symbol=series.symbol, at=at, rate=np.sin(np.arange(len(at), dtype=np.float64)) / 1000)


def same_bits(a: Floats, b: Floats) -> bool:
    known = ~np.isnan(a)
    return np.array_equal(known, ~np.isnan(b)) and a[known].tobytes() == b[known].tobytes()


def assert_prefix(whole: Features, series: Series, rows: int, funding: FundingSeries) -> None:
    part = build(series.rows(0, rows), funding=funding, taker_window=whole.taker_window)
    for name in COLUMNS:
        assert same_bits(getattr(part, name), getattr(whole, name)[:rows]), (name, rows)


@settings(max_examples=80, deadline=None)
@given(series=markets(), share=st.floats(0, 1), window=st.sampled_from([5, 15, 60, 700]))
def test_rows_of_a_prefix_are_the_rows_of_the_history(series: Series, share: float, window: int) -> None:
    funding = a_funding(series)
    whole = build(series, funding=funding, taker_window=timedelta(minutes=window))
    assert_prefix(whole, series, round(share * len(series)), funding)


@settings(max_examples=3, deadline=None)
@given(series=markets(least=260, most=260))
def test_every_prefix(series: Series) -> None:
    funding = a_funding(series)
    whole = build(series, funding=funding)
    for rows in range(len(series) + 1):
        assert_prefix(whole, series, rows, funding)


@settings(max_examples=80, deadline=None)
@given(series=markets())
def test_never_infinite_and_within_range(series: Series) -> None:
    features = build(series, funding=a_funding(series))
    for name in COLUMNS:
        assert len(getattr(features, name)) == len(series)
        assert not np.isinf(getattr(features, name)).any(), name
    for name in ("rsi", "stoch_k", "stoch_d", "adx", "mfi"):
        known = getattr(features, name)[~np.isnan(getattr(features, name))]
        assert ((known >= -1e-6) & (known <= 100 + 1e-6)).all(), name
    for name in ("taker_ratio", "monte_carlo"):
        known = getattr(features, name)[~np.isnan(getattr(features, name))]
        assert ((known >= 0) & (known <= 1)).all(), name


@settings(max_examples=30, deadline=None)
@given(
    prices=st.lists(st.floats(5e-324, 1.7e308, allow_nan=False, allow_infinity=False), max_size=260),
    volumes=st.lists(st.floats(0, 1.7e308, allow_nan=False, allow_infinity=False), min_size=260, max_size=260),
)
def test_any_finite_prices_are_computed_without_a_word(prices: list[float], volumes: list[float]) -> None:
    close, volume = np.array(prices, dtype=np.float64), np.array(volumes[: len(prices)], dtype=np.float64)
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(hours=1),
        opened=np.arange(len(close), dtype=np.int64) * 60 * MINUTE,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=volume,
        taker_buy=volume / 2,
    )
    build(series)


@settings(max_examples=20, deadline=None)
@given(series=markets(least=150), power=st.integers(-12, 12))
def test_what_is_compared_between_instruments_has_no_price_in_it(series: Series, power: int) -> None:
    """Prices times a power of two: every digit of a scale-free feature stays, as it would from BTC to DOGE."""
    factor = 2.0**power
    scaled = Series(
        symbol=series.symbol,
        every=series.every,
        opened=series.opened,
        open=series.open * factor,
        high=series.high * factor,
        low=series.low * factor,
        close=series.close * factor,
        volume=series.volume,
        taker_buy=series.taker_buy,
        trades=series.trades,
    )
    a, b = build(series), build(scaled)
    for name in ("stoch_k", "stoch_d", "mfi", "zscore", "slope", "momentum", "taker_ratio", "taker_z", "garman_klass"):
        assert same_bits(getattr(a, name), getattr(b, name)), name


def read_binance(path: Path, every: timedelta) -> Series:
    table = np.loadtxt(io.StringIO(gzip.decompress(path.read_bytes()).decode()), delimiter=",", skiprows=1).T
    return Series(
        symbol=Symbol("BTC/USDT:USDT"),
        every=every,
        opened=table[0].astype(np.int64),
        open=table[1],
        high=table[2],
        low=table[3],
        close=table[4],
        volume=table[5],
        taker_buy=table[9],
        trades=table[8],
    )


@pytest.mark.parametrize("rows", [1_000, 4_095, 4_096, 8_001])
def test_real_candles_hold_it_too(shared: Path, rows: int) -> None:
    path = shared / "data" / "candles" / "spot-1h-12col-8pairs-2024-05" / "BTCUSDT.csv.gz"
    series = read_binance(path, timedelta(hours=1))
    funding = a_funding(series)
    assert_prefix(build(series, funding=funding), series, rows, funding)
