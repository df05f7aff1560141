"""SIGMA: each rule, category and branch of the orchestrator at its exact border; what it says and when it is silent."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from trading.decision import MICRO, Abstention, Opinion, Stance
from trading.errors import NoEvidence
from trading.market.features import Features, build
from trading.market.series import Series, from_ms, to_ms
from trading.market.snapshot import Snapshot
from trading.model import Quote, Symbol
from trading.personas.sigma import Sigma, SigmaView, Standing, explain
from trading.personas.sigma_score import (
    CATEGORIES,
    OUTCOMES,
    RULES,
    Outcome,
    confidence_of,
    count,
    damping,
    is_valid,
    orchestrate,
    score,
)
from trading.playbook import Seat
from trading.venues.history import load

SEAT = Seat(weight=Decimal(1))
START = datetime(2024, 5, 1, tzinfo=UTC)
CALM = {
    "rsi": 50.0, "macd_hist_atr": 0.0, "stoch_k": 50.0, "ema9": 1000.0, "ema20": 1000.0, "ema50": 1000.0,
    "ema200": 1000.0, "sma20": 1000.0, "bollinger_upper": 1040.0, "bollinger_middle": 1000.0, "bollinger_lower": 960.0,
    "atr": 10.0, "adx": 20.0, "cci": 0.0, "mfi": 50.0, "obv": 0.0, "vwap": 1000.0, "monte_carlo": 0.5,
    "garman_klass": 0.2, "zscore": 0.0, "slope": 0.0,
}  # fmt: skip


def over(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def under(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


def some_features(rows: int = 200, **last: float) -> Features:
    """A market that says nothing at all, but for what its last row is given."""
    price = np.full(rows, 1000.0)
    series = Series(
        symbol=Symbol("BTC/USDT:USDT"),
        every=timedelta(minutes=5),
        opened=to_ms(START) + 300_000 * np.arange(rows),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
    )
    columns = {name: np.full(rows, value) for name, value in CALM.items()}
    for name, value in last.items():
        columns[name][-1] = value
    return replace(build(series), **columns)


def a_snapshot(features: Features, row: int) -> Snapshot:
    at, one = from_ms(features.series.closed[row]), Decimal(1)
    quote = Quote(symbol=features.series.symbol, at=at, bid=one, ask=one, mark=one)
    return Snapshot(
        symbol=quote.symbol,
        at=at,
        features=features,
        row=row,
        quote=quote,
        book=None,
        funding_rate=None,
        source="a test",
    )


def viewed(**last: float) -> SigmaView:
    return explain(some_features(**last), 199)


# --- V2: rules --------------------------------------------------------------------------------------------------------

RISING = {"ema20": 1001.0, "ema50": 1000.0}
FALLING = {"ema20": 999.0, "ema50": 1000.0}
# Rule, evidence with which it just fires, its stance then, and evidence with which it just does not.
FIRES = [
    ("RSI", {"rsi": under(30.0)}, Stance.LONG, {"rsi": 30.0}),
    ("RSI", {"rsi": over(70.0)}, Stance.SHORT, {"rsi": 70.0}),
    ("MACD", {"macd_hist_atr": over(0.1)}, Stance.LONG, {"macd_hist_atr": 0.1}),
    ("MACD", {"macd_hist_atr": under(-0.1)}, Stance.SHORT, {"macd_hist_atr": -0.1}),
    ("Stochastic", {"stoch_k": under(20.0)}, Stance.LONG, {"stoch_k": 20.0}),
    ("Stochastic", {"stoch_k": over(80.0)}, Stance.SHORT, {"stoch_k": 80.0}),
    ("Bollinger", {"bollinger_lower": 995.0}, Stance.LONG, {"bollinger_lower": under(995.0)}),
    ("Bollinger", {"bollinger_upper": 1005.0}, Stance.SHORT, {"bollinger_upper": over(1005.0)}),
    ("Bollinger", {"bollinger_lower": 1001.0, "bollinger_upper": over(1005.0)}, Stance.LONG,
     {"bollinger_lower": 1001.0, "bollinger_upper": 1005.0}),
    ("EMA order", {**RISING, "ema9": over(1001.0)}, Stance.LONG, {**RISING, "ema9": 1001.0}),
    ("EMA order", {"ema9": 1001.0, "ema50": under(1000.0)}, Stance.LONG, {"ema9": 1001.0, "ema50": 1000.0}),
    ("EMA order", {**FALLING, "ema9": under(999.0)}, Stance.SHORT, {**FALLING, "ema9": 999.0}),
    ("EMA order", {"ema9": 999.0, "ema50": over(1000.0)}, Stance.SHORT, {"ema9": 999.0, "ema50": 1000.0}),
    ("Monte Carlo", {"monte_carlo": 0.651}, Stance.LONG, {"monte_carlo": 0.65}),
    ("Monte Carlo", {"monte_carlo": 0.349}, Stance.SHORT, {"monte_carlo": 0.35}),
    ("z-score", {"zscore": under(-2.0)}, Stance.LONG, {"zscore": -2.0}),
    ("z-score", {"zscore": over(2.0)}, Stance.SHORT, {"zscore": 2.0}),
    ("slope", {"slope": over(0.0005)}, Stance.LONG, {"slope": 0.0005}),
    ("slope", {"slope": under(-0.0005)}, Stance.SHORT, {"slope": -0.0005}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fires", "stance", "silent"), FIRES)
def test_each_rule_at_its_border(name: str, fires: dict, stance: Stance, silent: dict) -> None:
    fired = {rule.name: rule for rule in viewed(**fires).rules if rule.standing is not Standing.SILENT}
    assert fired.keys() == {name}
    assert fired[name].stance is stance
    assert fired[name].standing is Standing.AGREEING
    assert {rule.standing for rule in viewed(**silent).rules} == {Standing.SILENT}


def test_every_rule_has_both_sides_in_the_table() -> None:
    sided = {rule.name for rule in RULES if rule.sided}
    assert {(name, stance) for name, _, stance, _ in FIRES} == {
        (name, stance) for name in sided for stance in (Stance.LONG, Stance.SHORT)
    }
    assert {rule.name for rule in RULES} - sided == {"ADX"}
    assert len(RULES) == 9


@pytest.mark.parametrize(
    ("adx", "standing"),
    [(over(25.0), Standing.AGREEING), (25.0, Standing.SILENT), (15.0, Standing.SILENT),
     (under(15.0), Standing.CONFLICTING)],
)  # fmt: skip
def test_adx_supports_or_conflicts_with_either_side(adx: float, standing: Standing) -> None:
    for hist in (0.2, -0.2):
        view = viewed(adx=adx, macd_hist_atr=hist)
        last = view.rules[-1]
        assert (last.name, last.stance, last.standing) == ("ADX", Stance.NEUTRAL, standing)
        assert view.agreeing == 1 + (standing is Standing.AGREEING)
        assert view.conflicting == (standing is Standing.CONFLICTING)
        assert view.rules_confidence == MICRO


def test_on_a_tie_no_rule_agrees_or_conflicts() -> None:
    view = viewed(macd_hist_atr=0.2, rsi=80.0, adx=40.0)
    assert view.side is Stance.NEUTRAL
    assert (view.agreeing, view.conflicting, view.rules_confidence, view.valid) == (0, 0, 0, False)
    assert {r.name for r in view.rules if r.standing is Standing.TIED} == {"MACD", "RSI", "ADX"}


def counted(longs: int, shorts: int, adx: int) -> tuple[int, int, int, bool]:
    """Confidence, agreeing, conflicting and valid of so many rules on each side."""
    signs = [1] * longs + [-1] * shorts + [0] * (8 - longs - shorts) + [adx]
    made = count(tuple(np.array([sign], dtype=np.int8) for sign in signs))
    assert made.side[0] == np.sign(longs - shorts)
    return int(made.confidence[0]), int(made.agreeing[0]), int(made.conflicting[0]), bool(made.valid[0])


# Rules on the one side, on the other, ADX; confidence, agreeing, in conflict; valid. What is alone at fault is named.
VALIDITY = [
    (3, 0, 0, 1_000_000, 3, 0, True),
    (2, 0, 0, 1_000_000, 2, 0, False),  # agreeing
    (2, 0, 1, 1_000_000, 3, 0, True),
    (3, 1, 0, 500_000, 3, 1, True),
    (3, 1, -1, 500_000, 3, 2, True),
    (5, 2, 0, 428_571, 5, 2, True),
    (5, 2, -1, 428_571, 5, 3, False),  # in conflict
    (4, 2, 0, 333_333, 4, 2, False),  # confidence
    (4, 2, 1, 333_333, 5, 2, False),  # confidence
    (4, 4, 1, 0, 0, 0, False),
    (0, 0, 1, 0, 0, 0, False),
]


@pytest.mark.parametrize(("some", "others", "adx", "confidence", "agreeing", "conflicting", "valid"), VALIDITY)
def test_when_the_rules_are_valid(some, others, adx, confidence, agreeing, conflicting, valid) -> None:
    expected = (confidence, agreeing, conflicting, valid)
    assert counted(some, others, adx) == expected
    assert counted(others, some, adx) == expected


@pytest.mark.parametrize(
    ("confidence", "agreeing", "conflicting", "valid"),
    [(400_000, 3, 2, True), (399_999, 3, 2, False), (400_000, 2, 2, False), (400_000, 3, 3, False)],
)
def test_validity_at_its_exact_borders(confidence: int, agreeing: int, conflicting: int, valid: bool) -> None:
    assert is_valid(confidence, agreeing, conflicting) is valid


# --- the orchestrator -------------------------------------------------------------------------------------------------

# V1 in signed millionths; V2's side, valid, rules that agree less those in conflict, of so many; outcome, confidence.
ORCHESTRA = [
    (0, 1, True, 9, 9, Outcome.SILENT, 0),
    (1, 1, True, 9, 9, Outcome.CONFIRMED, 0),
    (500_000, -1, True, 9, 9, Outcome.OPPOSED, 0),
    (1_000_000, -1, True, 3, 9, Outcome.OPPOSED, 0),
    (500_000, -1, False, 9, 9, Outcome.WEAK, 0),
    (500_000, 1, True, 501, 1000, Outcome.CONFIRMED, 550_000),
    (500_000, 1, True, 500, 1000, Outcome.KEPT, 500_000),
    (500_000, 1, True, 301, 1000, Outcome.KEPT, 500_000),
    (500_000, 1, True, 300, 1000, Outcome.DOUBTED, 350_000),
    (500_000, 1, True, 5, 9, Outcome.CONFIRMED, 550_000),
    (500_000, 1, True, 4, 9, Outcome.KEPT, 500_000),
    (500_000, 1, True, 3, 9, Outcome.KEPT, 500_000),
    (500_000, 1, True, 2, 9, Outcome.DOUBTED, 350_000),
    (909_090, 1, True, 9, 9, Outcome.CONFIRMED, 999_999),
    (909_091, 1, True, 9, 9, Outcome.CONFIRMED, 1_000_000),
    (950_000, 1, True, 9, 9, Outcome.CONFIRMED, 1_000_000),
    (100_000, 1, True, 4, 9, Outcome.KEPT, 100_000),
    (99_999, 1, True, 4, 9, Outcome.KEPT, 0),
    (142_858, 1, True, 1, 9, Outcome.DOUBTED, 100_000),
    (142_857, 1, True, 1, 9, Outcome.DOUBTED, 0),
    (700_001, 0, False, 0, 9, Outcome.ALONE, 560_000),
    (700_001, 1, False, 9, 9, Outcome.ALONE, 560_000),
    (700_001, -1, False, 9, 9, Outcome.ALONE, 560_000),
    (1_000_000, 0, False, 0, 9, Outcome.ALONE, 800_000),
    (700_000, 1, False, 9, 9, Outcome.WEAK, 0),
]


@pytest.mark.parametrize(("v1", "side", "valid", "net", "of", "outcome", "confidence"), ORCHESTRA)
@pytest.mark.parametrize("mirror", [1, -1])
def test_the_orchestrator_at_its_borders(v1, side, valid, net, of, outcome, confidence, mirror) -> None:
    scores = np.array([mirror * v1])
    made = orchestrate(
        scores, side=np.array([mirror * side], np.int8), valid=np.array([valid]), net=np.array([net]), of=of
    )
    assert OUTCOMES[made[0]] is outcome
    assert confidence_of(scores, made).tolist() == [confidence]


def test_every_outcome_has_a_row() -> None:
    assert {row[5] for row in ORCHESTRA} == set(Outcome)


# --- V1: categories ---------------------------------------------------------------------------------------------------

UPWARD = {
    "momentum": {"rsi": 55.0, "stoch_k": 60.0, "cci": 45.0, "macd_hist_atr": 0.075},
    "trend": {"ema9": 1005.0, "ema20": 1002.5, "ema50": 998.75, "ema200": 985.0, "slope": 0.00075, "adx": 25.0},
    "volatility": {"sma20": 995.0, "bollinger_middle": 1000.0, "bollinger_upper": 1020.0},
    "volume": {"mfi": 57.5, "obv": 2_000.0, "vwap": 1000 - 0.75 * 288**0.5},
    "mean reversion": {"rsi": 22.5, "zscore": -2.0},
    "probability": {"monte_carlo": 0.575},
}


@pytest.mark.parametrize("name", list(UPWARD))
def test_half_of_what_counts_in_full_is_half(name: str) -> None:
    values = {c.name: c.value for c in viewed(**UPWARD[name]).categories}
    assert values[name] == pytest.approx(0.5)


def test_every_category_has_its_weight_and_a_row() -> None:
    weights = {c.name: c.weight for c in CATEGORIES}
    assert weights == {
        "momentum": 0.25, "trend": 0.20, "volatility": 0.15, "volume": 0.10, "mean reversion": 0.20, "probability": 0.10
    }  # fmt: skip
    assert weights.keys() == UPWARD.keys()
    assert sum(weights.values()) == pytest.approx(1)


def test_a_calm_market_says_nothing() -> None:
    view = viewed()
    assert [c.value for c in view.categories] == [0] * 6
    assert (view.before, view.score, view.confidence, view.stance) == (0, 0, 0, Stance.NEUTRAL)
    assert view.outcome is Outcome.SILENT


def test_the_total_is_the_weighted_sum_damped() -> None:
    view = viewed(monte_carlo=0.575, cci=90.0, garman_klass=0.4)
    assert view.before == pytest.approx(0.25 * 0.25 + 0.10 * 0.5)
    assert view.damping == pytest.approx(0.75)
    assert view.score == round(view.before * view.damping * MICRO)


def test_damping_from_calm_to_storm() -> None:
    volatility = np.array([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, over(0.6), 5.0])
    assert damping(volatility) == pytest.approx([1, 1, 0.875, 0.75, 0.625, 0.5, 0.5, 0.5])
    assert damping(np.array([over(0.2), under(0.6)])) == pytest.approx([1, 0.5])


# --- the persona ------------------------------------------------------------------------------------------------------

TREND = {
    "ema9": 990.0, "ema20": 980.0, "ema50": 960.0, "ema200": 900.0, "sma20": 980.0, "bollinger_middle": 980.0,
    "bollinger_upper": 1020.0, "bollinger_lower": 940.0, "slope": 0.002, "macd_hist_atr": 0.3, "adx": 40.0,
    "rsi": 62.0, "stoch_k": 78.0, "cci": 120.0, "mfi": 66.0, "obv": 20_000.0, "vwap": 960.0, "monte_carlo": 0.8,
}  # fmt: skip


async def an_opinion(features: Features, row: int = 199) -> Opinion:
    answer = await Sigma(SEAT).opine(a_snapshot(features, row))
    assert isinstance(answer, Opinion), answer
    assert answer.persona == "sigma"
    return answer


async def test_a_clean_trend_is_confirmed_by_its_rules() -> None:
    features = some_features(**TREND)
    view, opinion = explain(features, 199), await an_opinion(features)
    assert view.outcome is Outcome.CONFIRMED
    assert view.valid
    assert view.named(Standing.AGREEING) == "MACD, EMA order, Monte Carlo, slope, ADX"
    assert view.named(Standing.CONFLICTING) == "none"
    assert view.share == 5 / 9
    assert opinion.stance is view.stance is Stance.LONG
    assert opinion.confidence == view.confidence == view.score * 11 // 10
    assert "MACD, EMA order, Monte Carlo, slope, ADX" in opinion.thesis
    assert view.reason in opinion.thesis


async def test_one_rule_in_conflict_keeps_a_trend_and_is_named() -> None:
    features = some_features(**{**TREND, "stoch_k": 85.0})
    view, opinion = explain(features, 199), await an_opinion(features)
    assert view.outcome is Outcome.KEPT
    assert view.named(Standing.CONFLICTING) == "Stochastic"
    assert "1 in conflict (Stochastic)" in opinion.thesis
    assert opinion.confidence == view.score


async def test_a_reversal_that_the_score_does_not_see_is_wait() -> None:
    """Oversold on every rule while all of the score still points down."""
    turned = {**TREND, "rsi": 28.0, "stoch_k": 10.0, "zscore": -2.1, "bollinger_lower": 1000.0, "slope": 0.0004}
    down = {
        **turned, "ema9": 1001.0, "ema20": 1000.5, "ema50": 1001.0, "ema200": 1100.0, "sma20": 1010.0, "cci": -150.0,
        "bollinger_middle": 1010.0, "macd_hist_atr": -0.05, "mfi": 30.0, "obv": -20_000.0, "vwap": 1050.0,
        "monte_carlo": 0.4,
    }  # fmt: skip
    features = some_features(**down)
    view, opinion = explain(features, 199), await an_opinion(features)
    assert view.side is Stance.LONG
    assert view.valid
    assert view.score < 0
    assert view.outcome is Outcome.OPPOSED
    assert (opinion.stance, opinion.confidence) == (Stance.NEUTRAL, 0)


async def test_a_strong_score_without_valid_rules_speaks_at_four_fifths() -> None:
    alone = {**TREND, "stoch_k": 85.0, "bollinger_upper": 1004.0, "rsi": 69.0}
    features = some_features(**alone)
    view = explain(features, 199)
    assert not view.valid
    assert view.outcome is Outcome.ALONE
    assert (await an_opinion(features)).confidence == view.score * 8 // 10


async def test_a_weak_score_without_valid_rules_is_wait() -> None:
    opinion = await an_opinion(some_features(rsi=58.0, cci=80.0, mfi=60.0))
    assert (opinion.stance, opinion.confidence) == (Stance.NEUTRAL, 0)
    assert Outcome.WEAK.value in opinion.thesis


async def test_what_is_left_too_weak_takes_no_side_and_says_so() -> None:
    view = viewed(macd_hist_atr=0.11, monte_carlo=0.651, slope=0.0006, adx=20.0, garman_klass=2.0, cci=-90.0, mfi=30.0)
    assert view.valid
    assert view.outcome is Outcome.KEPT
    assert 0 < view.score < 100_000
    assert (view.stance, view.confidence) == (Stance.NEUTRAL, 0)
    assert view.reason.endswith("too weak to take a side")


async def test_it_abstains_until_there_are_two_hundred_bars() -> None:
    answer = await Sigma(SEAT).opine(a_snapshot(some_features(200), 198))
    assert answer == Abstention(persona="sigma", reason="199 closed bars, 200 are needed")
    assert await an_opinion(some_features(200), 199)


async def test_a_seat_may_ask_for_more_bars_but_not_for_fewer() -> None:
    late = Sigma(Seat(weight=Decimal(1), min_bars=250))
    features = some_features(300)
    assert late.votes(features).absent.sum() == 249
    assert "250 are needed" in (await late.opine(a_snapshot(features, 210))).reason  # type: ignore[union-attr]
    assert Sigma(Seat(weight=Decimal(1), min_bars=1)).votes(features).absent.sum() == 199


@pytest.mark.parametrize("column", sorted(CALM))
async def test_it_abstains_where_an_indicator_is_not_known(column: str) -> None:
    answer = await Sigma(SEAT).opine(a_snapshot(some_features(**{column: np.nan}), 199))
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("not known")


async def test_it_names_what_is_not_known() -> None:
    features = some_features(mfi=np.nan, rsi=np.nan)
    answer = await Sigma(SEAT).opine(a_snapshot(features, 199))
    assert isinstance(answer, Abstention)
    assert answer.reason.endswith(": momentum, volume, mean reversion, RSI(14)")
    with pytest.raises(NoEvidence, match="RSI"):
        explain(features, 199)


def test_it_can_be_explained_with_and_without_the_persona() -> None:
    features = some_features(**TREND)
    sigma = Sigma(SEAT)
    assert sigma.explain(features, 199) == explain(features, 199)
    with pytest.raises(NoEvidence, match="200 are needed"):
        sigma.explain(features, 198)


def test_the_view_holds_each_rule_with_value_and_border() -> None:
    view = viewed(**TREND)
    assert [rule.name for rule in view.rules] == [rule.name for rule in RULES]
    assert all(rule.threshold and rule.label for rule in view.rules)
    values = {rule.name: rule.value for rule in view.rules}
    assert values["RSI"] == 62
    assert values["EMA order"] == 1
    assert values["Bollinger"] == 0.02
    assert view.factor == 1.1


async def test_the_thesis_holds_only_its_evidence() -> None:
    for last in ({}, TREND, {**TREND, "stoch_k": 85.0, "rsi": 75.0}, {"zscore": -3.0, "rsi": 20.0, "adx": 10.0}):
        opinion = await an_opinion(some_features(**last))
        values = [fact.value for fact in opinion.evidence]
        for text in re.findall(r"-?\d+(?:\.\d+)?", opinion.thesis):
            assert any(round(v, len(text.partition(".")[2])) == float(text) for v in values), (text, opinion)
        assert all(fact.source == "5m candles" for fact in opinion.evidence)
        assert all(fact.as_of == START + 200 * timedelta(minutes=5) for fact in opinion.evidence)


def test_on_real_candles_it_speaks_for_both_sides_and_takes_every_branch(shared: Path) -> None:
    folder = shared / "data" / "candles" / "spot-1h-12col-8pairs-2024-05"
    seen, strong = set[Outcome](), dict.fromkeys((1, -1), 0)
    for series in load(folder).series.values():
        scored = score(build(series))
        present = ~scored.votes.absent
        seen |= {OUTCOMES[place] for place in np.unique(scored.outcomes[present])}
        for side in strong:
            strong[side] += int(((scored.votes.direction == side) & (scored.votes.confidence >= 600_000)).sum())
    assert seen == set(Outcome) - {Outcome.SILENT}
    assert all(50 < bars < 500 for bars in strong.values()), strong
