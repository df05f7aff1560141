"""The regime as a column equals the regime bar by bar, prefixes equal histories, and the fast median is the median."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.exit_plan import Regime
from trading.market.features import Features, build
from trading.market.regime import multiplier, regime_at, regimes, usual_volatility, window_median
from trading.market.series import Series
from trading.model import Symbol
from trading.risk_policies import RegimePolicy

MS = timedelta(milliseconds=1)
EVIDENCE = ("adx", "garman_klass", "ema9", "ema20", "ema50")


def markets(rows: st.SearchStrategy[int]) -> st.SearchStrategy[Features]:
    return st.builds(
        a_market,
        rows,
        seed=st.integers(0, 2**32 - 1),
        minutes=st.sampled_from([5, 60, 240, 1440]),
        unknown=st.sampled_from([0.0, 0.05, 0.6]),
    )


def a_market(rows: int, *, seed: int, minutes: int, unknown: float) -> Features:
    """Evidence on coarse steps, so that it often lies on a border or ties; gaps; some of it unknown."""
    random = np.random.RandomState(seed)
    price = np.full(rows, 100.0)
    gaps = (random.uniform(size=rows) > 0.98) * random.randint(0, 4_000, rows)
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(minutes=minutes),
        opened=1_700_000_100_000 + minutes * 60_000 * np.cumsum(1 + gaps),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
    )

    def column(values: np.ndarray) -> np.ndarray:
        return np.where(random.uniform(size=rows) < unknown, np.nan, values)

    return replace(
        build(series),
        adx=column(random.choice([10.0, 20.0, 25.0, 30.0, 40.0], rows)),
        garman_klass=column(random.randint(1, 10, rows) / 10),
        ema9=column(random.randint(1, 5, rows) / 1),
        ema20=column(random.randint(1, 5, rows) / 1),
        ema50=column(random.randint(1, 5, rows) / 1),
    )


def one_by_one(features: Features, policy: RegimePolicy) -> list[Regime | None]:
    """The playbook's words, one bar after the other."""
    now, out = None, []
    trend, quiet, volatile = (float(x) for x in (policy.trend_adx, policy.quiet_adx, policy.volatile))
    least = -(-min(timedelta(days=1), policy.median_over) // features.series.every)
    for row in range(len(features.adx)):
        adx, volatility, fast, middle, slow = (float(getattr(features, name)[row]) for name in EVIDENCE)
        opened = features.series.opened
        lately = features.garman_klass[: row + 1][opened[: row + 1] > opened[row] - policy.median_over / MS]
        lately = lately[np.isfinite(lately)]
        usual = float(np.median(lately)) if len(lately) >= least else float("nan")
        if volatility > volatile:
            now = Regime.VOLATILE
        elif adx > trend and fast > middle > slow:
            now = Regime.TREND_UP
        elif adx > trend and fast < middle < slow:
            now = Regime.TREND_DOWN
        elif adx < quiet and volatility < usual:
            now = Regime.RANGE
        elif adx < quiet and volatility > usual:
            now = Regime.CHOP
        out.append(now)
    return out


POLICIES = st.builds(
    RegimePolicy,
    trend_adx=st.sampled_from([Decimal(30), Decimal(25), Decimal(21)]),
    quiet_adx=st.sampled_from([Decimal(20), Decimal(10)]),
    volatile=st.sampled_from([Decimal("0.8"), Decimal("0.5")]),
    median_over=st.sampled_from([timedelta(days=30), timedelta(hours=8), timedelta(days=2)]),
)


@settings(max_examples=80, deadline=None)
@given(features=markets(st.integers(0, 250)), policy=POLICIES)
def test_the_column_is_the_rules_one_bar_after_the_other(features: Features, policy: RegimePolicy) -> None:
    column = regimes(features, policy)
    assert [regime_at(column, row) for row in range(len(column))] == one_by_one(features, policy)


@settings(max_examples=100, deadline=None)
@given(features=markets(st.integers(0, 500)), share=st.floats(0, 1), policy=POLICIES)
def test_the_regimes_of_a_prefix_are_those_of_the_history(
    features: Features, share: float, policy: RegimePolicy
) -> None:
    rows = round(share * len(features.adx))
    cut = {name: getattr(features, name)[:rows] for name in EVIDENCE}
    part = replace(build(features.series.rows(0, rows)), **cut)
    assert np.array_equal(regimes(part, policy), regimes(features, policy)[:rows])
    whole = usual_volatility(features, policy.median_over)[:rows]
    assert usual_volatility(part, policy.median_over).tobytes() == whole.tobytes()


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.one_of(st.integers(0, 3).map(float), st.floats(-1e300, 1e300)), min_size=1, max_size=80),
    data=st.data(),
)
def test_the_median_of_every_window_is_the_median(values: list[float], data: st.DataObject) -> None:
    column = np.array(values)
    back = data.draw(st.lists(st.integers(0, 80), min_size=len(values), max_size=len(values)))
    first = np.maximum(np.arange(len(values)) - back, 0)
    expected = [np.median(column[a : b + 1]) for b, a in enumerate(first)]
    assert window_median(column, first).tolist() == expected


@given(regime=st.sampled_from(Regime), risks=st.lists(st.decimals(0, 5, places=3), min_size=4, max_size=4))
def test_the_multiplier_never_leaves_its_bounds(regime: Regime, risks: list[Decimal]) -> None:
    policy = RegimePolicy(trend=risks[0], volatile_risk=risks[1], range=risks[2], chop=risks[3])
    assert policy.lowest <= multiplier(regime, policy) <= policy.highest
