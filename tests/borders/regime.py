"""Which market it is: each regime at each of its borders, what is kept, and how much risk each allows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tests.borders.row import Family, Row
from tests.builders import BTC, NOW
from trading.exit_plan import Regime
from trading.market.features import Features, build
from trading.market.regime import multiplier, regime_at, regimes
from trading.market.series import Series, to_ms
from trading.risk_policies import RegimePolicy

POLICY = RegimePolicy()
HOUR = timedelta(hours=1)
USUAL = 0.5  # the volatility of every bar but the last
RISING, FALLING = (103.0, 102.0, 101.0), (101.0, 102.0, 103.0)
LEVEL = (100.0, 100.0, 100.0)


def over(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def under(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


def some_features(rows: int = 48, **columns: Any) -> Features:
    """A market in no regime: ADX between quiet and trend, averages level, volatility as usual. `columns`: whole
    columns, or the value of the last row.
    """
    price = np.full(rows, 100.0)
    series = Series(
        symbol=BTC, every=HOUR, opened=to_ms(NOW) + 3_600_000 * np.arange(rows),
        open=price, high=price, low=price, close=price, volume=price,
    )  # fmt: skip
    whole = {name: np.full(rows, 100.0) for name in ("ema9", "ema20", "ema50")}
    whole |= {"adx": np.full(rows, 25.0), "garman_klass": np.full(rows, USUAL)}
    for name, value in columns.items():
        if np.ndim(value):
            whole[name] = np.asarray(value, dtype=np.float64)
        else:
            whole[name][-1] = value
    return replace(build(series), **whole)


def market(adx: float = 25.0, emas: tuple[float, float, float] = LEVEL, volatility: float = USUAL) -> Features:
    fast, middle, slow = emas
    return some_features(adx=adx, ema9=fast, ema20=middle, ema50=slow, garman_klass=volatility)


def is_in(of: Regime, features: Features) -> bool:
    return regime_at(regimes(features, POLICY), -1) is of


R = Regime
REGIMES = (
    Row(R.VOLATILE, "volatility above 0.8", market(volatility=over(0.8)), market(volatility=0.8), "regime.volatile"),
    Row(R.VOLATILE, "before any trend", market(31, RISING, over(0.8)), market(31, RISING, 0.8)),
    Row(R.TREND_UP, "ADX above 30", market(over(30), RISING), market(30, RISING), "regime.trend_adx"),
    Row(R.TREND_UP, "EMA 9 above 20", market(31, (over(102), 102, 101)), market(31, (102, 102, 101))),
    Row(R.TREND_UP, "EMA 20 above 50", market(31, (103, 102, under(102))), market(31, (103, 102, 102))),
    Row(R.TREND_DOWN, "ADX above 30", market(over(30), FALLING), market(30, FALLING), "regime.trend_adx"),
    Row(R.TREND_DOWN, "EMA 9 below 20", market(31, (under(102), 102, 103)), market(31, (102, 102, 103))),
    Row(R.TREND_DOWN, "EMA 20 below 50", market(31, (101, 102, over(102))), market(31, (101, 102, 102))),
    Row(R.RANGE, "ADX below 20", market(under(20), volatility=0.4), market(20, volatility=0.4), "regime.quiet_adx"),
    Row(R.RANGE, "volatility below its median", market(10, volatility=under(USUAL)), market(10, volatility=USUAL)),
    Row(R.CHOP, "ADX below 20", market(under(20), volatility=0.6), market(20, volatility=0.6), "regime.quiet_adx"),
    Row(R.CHOP, "volatility above its median", market(10, volatility=over(USUAL)), market(10, volatility=USUAL)),
)

# The bar that opened exactly 30 days, 720 hours, before the last one is not counted, the next one is. Both histories
# hold 360 calm bars, 360 wild ones and the last; in the first the bar that is left out is a calm one.
MEDIAN = (
    Row(R.RANGE, "of the last 30 days",
        some_features(721, adx=10.0, garman_klass=[0.4] * 360 + [0.7] * 360 + [0.5]),
        some_features(721, adx=10.0, garman_klass=[0.7] + [0.4] * 360 + [0.7] * 359 + [0.5]), "regime.median_over"),
    Row(R.RANGE, "a day of bars is enough", some_features(24, adx=10.0, garman_klass=0.4),
        some_features(23, adx=10.0, garman_klass=0.4)),
)  # fmt: skip

_ADX = np.full(48, 25.0)
_ADX[-2] = 31.0


def trended(last_adx: float) -> Features:
    """A trend up at the bar before the last; at the last one its averages are level and volatility is 0.6."""
    adx = _ADX.copy()
    adx[-1] = last_adx
    averages = {name: np.full(48, value) for name, value in zip(("ema9", "ema20", "ema50"), RISING, strict=True)}
    return some_features(adx=adx, garman_klass=0.6, **averages)


def begun(first_adx: float) -> Features:
    """Two bars; the second one is in no regime of its own."""
    fast, middle, slow = (np.full(2, value) for value in RISING)
    return some_features(2, adx=[first_adx, 25.0], ema9=fast, ema20=middle, ema50=slow)


HYSTERESIS = (
    Row(R.TREND_UP, "kept until another one holds", trended(20), trended(under(20))),
    Row(R.TREND_UP, "from the first bar on", begun(over(30)), begun(30)),
)


# --- what each allows -----------------------------------------------------------------------------------------------

KEYS = {R.TREND_UP: "trend", R.TREND_DOWN: "trend", R.VOLATILE: "volatile_risk", R.RANGE: "range", R.CHOP: "chop"}
MILLIONTH = Decimal("0.000001")


def is_cut(of: Regime, wanted: Decimal) -> bool:
    return multiplier(of, RegimePolicy.model_validate({KEYS[of]: wanted})) != wanted


CLAMPS = tuple(
    row
    for regime, key in KEYS.items()
    for row in (
        Row(regime, "at most 1.5", POLICY.highest + MILLIONTH, POLICY.highest, f"regime.highest regime.{key}"),
        Row(regime, "at least 0.3", POLICY.lowest - MILLIONTH, POLICY.lowest, f"regime.lowest regime.{key}"),
    )
)

FAMILIES = (
    Family("regime", is_in, REGIMES),
    Family("usual volatility", is_in, MEDIAN),
    Family("hysteresis", is_in, HYSTERESIS),
    Family("regime multiplier", is_cut, CLAMPS),
)
