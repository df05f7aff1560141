"""Each regime at its exact borders, which one wins, what is kept, and what each allows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from trading.exit_plan import Regime
from trading.market.features import Features, build
from trading.market.regime import CODES, REGIMES, UNKNOWN, multiplier, regime_at, regimes, usual_volatility
from trading.market.series import Series, to_ms
from trading.model import Symbol
from trading.risk_policies import RegimePolicy
from trading.venues.history import load

POLICY = RegimePolicy()
START = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
USUAL = 0.5  # the volatility of every bar but the last
UP, DOWN = {"ema9": 103.0, "ema20": 102.0, "ema50": 101.0}, {"ema9": 101.0, "ema20": 102.0, "ema50": 103.0}


def over(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def under(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


def some_features(rows: int = 48, *, every: timedelta = HOUR, opened: np.ndarray | None = None, **columns) -> Features:
    """A market in no regime: ADX between quiet and trend, averages level, volatility as usual. `columns`: whole
    columns, or the value of the last row."""
    price = np.full(rows, 100.0)
    series = Series(
        symbol=Symbol("BTC/USDT:USDT"),
        every=every,
        opened=to_ms(START) + every // timedelta(milliseconds=1) * np.arange(rows) if opened is None else opened,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
    )
    made = {"adx": 25.0, "ema9": 100.0, "ema20": 100.0, "ema50": 100.0, "garman_klass": USUAL}
    whole = {name: np.full(rows, value) for name, value in made.items()}
    for name, value in columns.items():
        if np.ndim(value):
            whole[name] = np.asarray(value, dtype=np.float64)
        else:
            whole[name][-1] = value
    return replace(build(series), **whole)


def last(features: Features, policy: RegimePolicy = POLICY) -> Regime | None:
    return regime_at(regimes(features, policy), -1)


# One row for each border: the regime, evidence with which it just holds, evidence with which it just does not.
BORDERS = [
    (Regime.VOLATILE, {"garman_klass": over(0.8)}, {"garman_klass": 0.8}),
    (Regime.TREND_UP, {**UP, "adx": over(30.0)}, {**UP, "adx": 30.0}),
    (Regime.TREND_UP, {**UP, "adx": 31.0, "ema9": over(102.0)}, {**UP, "adx": 31.0, "ema9": 102.0}),
    (Regime.TREND_UP, {**UP, "adx": 31.0, "ema50": under(102.0)}, {**UP, "adx": 31.0, "ema50": 102.0}),
    (Regime.TREND_DOWN, {**DOWN, "adx": over(30.0)}, {**DOWN, "adx": 30.0}),
    (Regime.TREND_DOWN, {**DOWN, "adx": 31.0, "ema9": under(102.0)}, {**DOWN, "adx": 31.0, "ema9": 102.0}),
    (Regime.TREND_DOWN, {**DOWN, "adx": 31.0, "ema50": over(102.0)}, {**DOWN, "adx": 31.0, "ema50": 102.0}),
    (Regime.RANGE, {"adx": under(20.0), "garman_klass": 0.4}, {"adx": 20.0, "garman_klass": 0.4}),
    (Regime.RANGE, {"adx": 10.0, "garman_klass": under(USUAL)}, {"adx": 10.0, "garman_klass": USUAL}),
    (Regime.CHOP, {"adx": under(20.0), "garman_klass": 0.6}, {"adx": 20.0, "garman_klass": 0.6}),
    (Regime.CHOP, {"adx": 10.0, "garman_klass": over(USUAL)}, {"adx": 10.0, "garman_klass": USUAL}),
]


@pytest.mark.parametrize(("regime", "holds", "fails"), BORDERS)
def test_each_regime_at_its_border(regime: Regime, holds: dict, fails: dict) -> None:
    assert last(some_features(**holds)) is regime
    assert last(some_features(**fails)) is None


def test_every_regime_has_a_border() -> None:
    assert {row[0] for row in BORDERS} == set(Regime) == set(MULTIPLIERS)


def test_the_borders_are_the_policys() -> None:
    policy = RegimePolicy(trend_adx=Decimal(40), quiet_adx=Decimal(30), volatile=Decimal("0.55"))
    assert last(some_features(**UP, adx=40.0, garman_klass=0.55), policy) is None
    assert last(some_features(**UP, adx=40.5, garman_klass=0.55), policy) is Regime.TREND_UP
    assert last(some_features(adx=29.0, garman_klass=0.4), policy) is Regime.RANGE
    assert last(some_features(garman_klass=0.56), policy) is Regime.VOLATILE


def test_a_storm_is_volatile_whatever_else_it_is() -> None:
    for evidence in ({**UP, "adx": 50.0}, {**DOWN, "adx": 50.0}, {"adx": 10.0}):
        assert last(some_features(**evidence, garman_klass=0.9)) is Regime.VOLATILE


@pytest.mark.parametrize("quiet", ["40", "20"])
def test_a_market_is_never_quiet_and_trending_at_once(quiet: str) -> None:
    with pytest.raises(ValidationError, match="quiet_adx"):
        RegimePolicy(trend_adx=Decimal(20), quiet_adx=Decimal(quiet))


def test_the_regime_stays_until_another_one_holds() -> None:
    garman_klass = np.full(32, USUAL)
    adx = np.full(32, 25.0)
    garman_klass[[25, 28, 30]] = 0.9, 0.4, 0.6  # volatile at 25, range at 28, chop at 30, nothing in between
    adx[[28, 30]] = 10.0
    column = regimes(some_features(32, garman_klass=garman_klass, adx=adx), POLICY)
    assert column.dtype == np.int8
    assert [regime_at(column, row) for row in range(23, 32)] == [
        *(None, None),
        *(Regime.VOLATILE, Regime.VOLATILE, Regime.VOLATILE),
        *(Regime.RANGE, Regime.RANGE),
        *(Regime.CHOP, Regime.CHOP),
    ]


def test_the_regime_stays_where_its_evidence_is_not_known() -> None:
    garman_klass, adx = np.full(32, USUAL), np.full(32, 25.0)
    garman_klass[29], adx[30:], garman_klass[31] = 0.9, np.nan, np.nan
    assert last(some_features(32, garman_klass=garman_klass, adx=adx)) is Regime.VOLATILE


def test_nothing_is_known_before_the_first_rule_holds() -> None:
    assert (regimes(some_features(), POLICY) == UNKNOWN).all()
    assert len(regimes(some_features(0), POLICY)) == 0
    assert [CODES[r] for r in REGIMES] == [0, 1, 2, 3, 4]


# --- the median -----------------------------------------------------------------------------------------------------


def test_the_median_is_of_the_last_thirty_days_by_time() -> None:
    """One bar that opened exactly 30 days before is out of it, one of an hour later is in."""
    rows, day = 32 * 24, 24
    values = np.linspace(0.1, 0.7, rows)
    usual = usual_volatility(some_features(rows, garman_klass=values), POLICY.median_over)
    assert usual[-1] == np.median(values[-30 * day :])
    assert usual[30 * day - 1] == np.median(values[: 30 * day])
    assert usual[30 * day] == np.median(values[1 : 30 * day + 1])


def test_over_a_gap_the_median_is_of_fewer_bars_not_of_older_ones() -> None:
    rows = 72
    opened = to_ms(START) + 3_600_000 * np.arange(rows)
    opened[36:] += 28 * 86_400_000  # 30 days before the last opening lies at the 24th row
    values = np.linspace(0.1, 0.7, rows)
    usual = usual_volatility(some_features(rows, opened=opened, garman_klass=values), POLICY.median_over)
    assert usual[-1] == np.median(values[24:])


def test_the_median_is_known_from_one_day_of_bars_on() -> None:
    usual = usual_volatility(some_features(48), POLICY.median_over)
    assert np.isnan(usual[:23]).all()
    assert (usual[23:] == USUAL).all()
    early = usual_volatility(some_features(48, garman_klass=np.r_[np.full(20, np.nan), np.full(28, 0.3)]), HOUR * 720)
    assert np.isnan(early[:43]).all()
    assert (early[43:] == 0.3).all()


def test_a_median_over_less_than_a_day_needs_all_of_it() -> None:
    usual = usual_volatility(some_features(48), timedelta(hours=6))
    assert np.isnan(usual[:5]).all()
    assert (usual[5:] == USUAL).all()


def test_bars_longer_than_a_day_have_a_median_too() -> None:
    values = np.array([0.1, 0.5, 0.3, 0.2])
    usual = usual_volatility(some_features(4, every=timedelta(days=2), garman_klass=values), timedelta(days=4))
    assert usual.tolist() == [0.1, 0.3, 0.4, 0.25]


# --- what it allows ---------------------------------------------------------------------------------------------------

MULTIPLIERS = {
    Regime.TREND_UP: "1.3",
    Regime.TREND_DOWN: "1.3",
    Regime.VOLATILE: "0.3",
    Regime.RANGE: "0.8",
    Regime.CHOP: "0.4",
}
FIELDS = {
    Regime.TREND_UP: "trend",
    Regime.TREND_DOWN: "trend",
    Regime.VOLATILE: "volatile_risk",
    Regime.RANGE: "range",
    Regime.CHOP: "chop",
}


@pytest.mark.parametrize("regime", list(Regime))
def test_the_multiplier_of_each_regime(regime: Regime) -> None:
    assert multiplier(regime, POLICY) == Decimal(MULTIPLIERS[regime])


@pytest.mark.parametrize("regime", list(Regime))
@pytest.mark.parametrize(
    ("set_to", "allowed"),
    [("0", "0.3"), ("0.2999", "0.3"), ("0.3", "0.3"), ("0.3001", "0.3001"), ("1.4999", "1.4999"), ("1.5", "1.5"),
     ("1.5001", "1.5"), ("9", "1.5")],
)  # fmt: skip
def test_the_multiplier_stays_within_its_bounds(regime: Regime, set_to: str, allowed: str) -> None:
    policy = RegimePolicy(**{FIELDS[regime]: Decimal(set_to)})
    assert multiplier(regime, policy) == Decimal(allowed)


# --- real markets -----------------------------------------------------------------------------------------------------


def test_a_year_of_a_real_market_has_every_regime(shared: Path) -> None:
    history = load(shared / "data" / "candles" / "spot-1h-12col-8pairs-2024-05", bases=["BTC"])
    (series,) = history.series.values()
    column = regimes(build(series), POLICY)
    shares = {regime: float((column == CODES[regime]).mean()) for regime in Regime}
    assert all(0.05 < share < 0.5 for share in shares.values()), shares
    assert (column[:50] == UNKNOWN).any()
    assert (column[50:] != UNKNOWN).all()
