"""Correlations: measured over common hours up to a moment, else from the table; nothing of the future takes part."""

import timeit
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.builders import NOW
from trading.market.correlation import ENOUGH, HOUR, Correlations, measure
from trading.market.series import MS, Floats, Series, aggregate, to_ms
from trading.model import Symbol, base_of
from trading.risk_policies import PortfolioLimits
from trading.venues.history import load

D = Decimal
POLICY = PortfolioLimits()
MINUTES = timedelta(minutes=5)
DAYS = 720  # hours in thirty days


def walk(seed: int, bars: int, *, base: Floats | None = None, share: float = 0.0) -> Floats:
    """Log returns; `share` of their variance is those of `base`."""
    own = np.random.default_rng(seed).normal(0, 0.01, bars)
    return own if base is None else np.sqrt(share) * base + np.sqrt(1 - share) * own


def bars(returns: Floats, *, name: str = "BTC", every: timedelta = HOUR, until: datetime = NOW) -> Series:
    """Bars that end at `until`; the first has no return of its own."""
    close = 100 * np.exp(np.r_[0.0, np.cumsum(returns)])
    opened = to_ms(until) + np.arange(-len(close), 0) * (every // MS)
    return Series(
        symbol=Symbol(f"{name}/USDT:USDT"), every=every, opened=opened,
        open=close, high=close, low=close, close=close, volume=np.ones(len(close)),
    )  # fmt: skip


def without(series: Series, rows: list[int]) -> Series:
    keep = np.setdiff1d(np.arange(len(series)), rows)
    return Series(
        symbol=series.symbol, every=series.every, opened=series.opened[keep], open=series.open[keep],
        high=series.high[keep], low=series.low[keep], close=series.close[keep], volume=series.volume[keep],
    )  # fmt: skip


A = walk(1, DAYS)
B = walk(2, DAYS, base=A, share=0.64)


def test_a_measured_rho_is_pearsons() -> None:
    found = measure({"BTC": bars(A), "ETH": bars(B)}, until=NOW, policy=POLICY)
    rho = found.rho("BTC", "ETH")
    assert rho.measured
    assert rho.returns == DAYS
    assert abs(float(rho.value) - np.corrcoef(A, B)[0, 1]) < 1e-6
    assert found.rho("ETH", "BTC") == rho
    assert found.as_of == NOW


def test_an_asset_is_like_itself_and_unlike_its_mirror() -> None:
    found = measure({"A": bars(A), "SAME": bars(A * 3), "MIRROR": bars(-A)}, until=NOW, policy=POLICY)
    assert found.rho("A", "A").value == 1
    assert found.rho("A", "SAME").value == 1
    assert found.rho("A", "MIRROR").value == -1


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ("BTC", "ETH", "0.85"), ("ETH", "BTC", "0.85"), ("BTC", "BNB", "0.80"), ("BNB", "ETH", "0.82"),
        ("ADA", "SOL", "0.75"), ("LTC", "XRP", "0.70"), ("DOGE", "BTC", "0.5"), ("BTC", "PEPE", "0.5"),
    ],
)  # fmt: skip
def test_the_table_answers_until_something_is_measured(a: str, b: str, value: str) -> None:
    rho = Correlations(policy=POLICY).rho(a, b)
    assert (rho.value, rho.measured, rho.returns) == (D(value), False, 0)


def test_a_pair_is_measured_from_exactly_enough_common_returns() -> None:
    def over(returns: int) -> Correlations:
        return measure({"BTC": bars(A), "ETH": bars(B[-returns:])}, until=NOW, policy=POLICY)

    short = over(ENOUGH - 1).rho("BTC", "ETH")
    assert (short.value, short.measured, short.returns) == (D("0.85"), False, ENOUGH - 1)
    full = over(ENOUGH).rho("BTC", "ETH")
    assert (full.measured, full.returns) == (True, ENOUGH)
    assert abs(float(full.value) - np.corrcoef(A[-ENOUGH:], B[-ENOUGH:])[0, 1]) < 1e-6


def test_each_pair_stands_alone() -> None:
    found = measure({"BTC": bars(A), "ETH": bars(B), "SOL": bars(B[-20:])}, until=NOW, policy=POLICY)
    assert found.rho("BTC", "ETH").measured
    assert not found.rho("BTC", "SOL").measured
    assert not found.rho("SOL", "ADA").measured


def test_a_gap_takes_out_the_returns_it_touches_and_no_others() -> None:
    holed = without(bars(B), [100, 101, 300])  # rows are prices: return i lies between rows i and i + 1
    rho = measure({"BTC": bars(A), "ETH": holed}, until=NOW, policy=POLICY).rho("BTC", "ETH")
    kept = np.setdiff1d(np.arange(DAYS), [99, 100, 101, 299, 300])
    assert rho.returns == len(kept)
    assert abs(float(rho.value) - np.corrcoef(A[kept], B[kept])[0, 1]) < 1e-6


def test_gaps_in_different_places_leave_what_both_have() -> None:
    one, two = without(bars(A), [0, 1, 2]), without(bars(B), [719, 720])
    rho = measure({"BTC": one, "ETH": two}, until=NOW, policy=POLICY).rho("BTC", "ETH")
    assert rho.returns == DAYS - 5
    assert abs(float(rho.value) - np.corrcoef(A[3:718], B[3:718])[0, 1]) < 1e-6


def test_only_the_last_thirty_days_count() -> None:
    long = np.r_[walk(3, 500), A]
    other = np.r_[-walk(3, 500), B]
    found = measure({"BTC": bars(long), "ETH": bars(other)}, until=NOW, policy=POLICY).rho("BTC", "ETH")
    assert found == measure({"BTC": bars(A), "ETH": bars(B)}, until=NOW, policy=POLICY).rho("BTC", "ETH")


def test_the_future_changes_nothing() -> None:
    ahead = NOW + 100 * HOUR
    later = measure(
        {"BTC": bars(np.r_[A, walk(5, 100)], until=ahead), "ETH": bars(np.r_[B, walk(6, 100)], until=ahead)},
        until=NOW,
        policy=POLICY,
    )
    assert later.pairs == measure({"BTC": bars(A), "ETH": bars(B)}, until=NOW, policy=POLICY).pairs


def test_an_hour_that_is_not_over_is_not_read() -> None:
    series = {"BTC": bars(A, until=NOW + HOUR), "ETH": bars(B, until=NOW + HOUR)}
    before = measure(series, until=NOW + HOUR - timedelta(milliseconds=1), policy=POLICY)
    assert before.as_of == NOW
    assert before.rho("BTC", "ETH").returns == DAYS - 1
    assert before.pairs == measure(series, until=NOW, policy=POLICY).pairs
    assert measure(series, until=NOW + HOUR, policy=POLICY).rho("BTC", "ETH").returns == DAYS


def test_finer_bars_give_what_their_hours_give() -> None:
    fine = {n: bars(walk(s, 12 * 800), name=n, every=MINUTES) for n, s in (("BTC", 1), ("ETH", 2))}
    hours = {n: aggregate(s, HOUR) for n, s in fine.items()}
    here, there = (measure(s, until=NOW, policy=POLICY).rho("BTC", "ETH") for s in (fine, hours))
    assert here.measured
    assert here == there


def test_bars_longer_than_an_hour_measure_nothing() -> None:
    days = {n: bars(walk(s, 400), name=n, every=timedelta(days=1)) for n, s in (("BTC", 1), ("ETH", 2))}
    assert not measure(days, until=NOW, policy=POLICY).rho("BTC", "ETH").measured


@pytest.mark.parametrize("still", [np.zeros(DAYS), np.full(DAYS, 0.001)], ids=["flat", "straight"])
def test_an_asset_that_did_not_vary_is_looked_up(still: Floats) -> None:
    rho = measure({"BTC": bars(A), "ETH": bars(still)}, until=NOW, policy=POLICY).rho("BTC", "ETH")
    assert (rho.value, rho.measured, rho.returns) == (D("0.85"), False, DAYS)


def test_nothing_and_next_to_nothing_can_be_asked() -> None:
    assert measure({}, until=NOW, policy=POLICY).pairs == {}
    empty = bars(A).rows(0, 0)
    assert not measure({"BTC": empty, "ETH": bars(B)}, until=NOW, policy=POLICY).rho("BTC", "ETH").measured
    short = PortfolioLimits(measured_over=timedelta(minutes=30))
    assert not measure({"BTC": bars(A), "ETH": bars(B)}, until=NOW, policy=short).rho("BTC", "ETH").measured


def test_a_price_of_nothing_is_a_gap() -> None:
    broken = bars(B)
    broken.close[300] = 0.0
    assert measure({"BTC": bars(A), "ETH": broken}, until=NOW, policy=POLICY).rho("BTC", "ETH").returns == DAYS - 2


def test_real_candles_are_measured_up_to_their_moment_and_a_pair_without_data_is_looked_up(shared: Path) -> None:
    """ADA ends on 2025-04-13 in this set; BTC and ETH go on."""
    history = load(shared / "data/candles/spot-1h-12col-8pairs-2024-05", bases=["BTC", "ETH", "ADA"])
    series = {base_of(s): column for s, column in history.series.items()}
    at = datetime(2025, 4, 8, 0, 30, tzinfo=UTC)
    found = measure(series, until=at, policy=POLICY)
    rho = found.rho("BTC", "ETH")
    assert (rho.measured, rho.returns) == (True, DAYS)
    returns = [np.diff(np.log(s.close[s.closed <= to_ms(at)][-DAYS - 1 :])) for s in (series["BTC"], series["ETH"])]
    assert abs(float(rho.value) - np.corrcoef(returns)[0, 1]) < 1e-6
    assert found.rho("BTC", "ADA").measured
    later = measure(series, until=at + timedelta(days=36), policy=POLICY)
    assert later.rho("BTC", "ETH").measured
    assert not later.rho("BTC", "ADA").measured


def test_a_measurement_is_quick() -> None:
    many = {f"A{n}": bars(walk(n, 12 * 800), name=f"A{n}", every=MINUTES) for n in range(8)}
    best = min(timeit.repeat(lambda: measure(many, until=NOW, policy=POLICY), number=1, repeat=5))
    assert best < 0.05, f"{best * 1000:.1f} ms for eight assets"
