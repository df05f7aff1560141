"""SIGMA: columns equal single answers, prefixes equal histories, mirrored evidence mirrors the vote."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.decision import MICRO, Abstention, Opinion, Stance
from trading.market.features import Features, build
from trading.market.series import Series, from_ms
from trading.market.snapshot import Snapshot
from trading.model import Quote, Symbol
from trading.personas.sigma import Sigma, Standing, explain
from trading.personas.sigma_score import OUTCOMES, Outcome, score
from trading.playbook import Seat

ONE = Decimal(1)
SEAT = Seat(weight=ONE)


def a_series(rows: int, *, seed: int, deviation: float, start: float, minutes: int = 5) -> Series:
    """A walk with gaps and bars without volume."""
    random = np.random.RandomState(seed)
    moves = deviation * random.standard_normal(rows)
    close = start * np.exp(np.cumsum(moves))
    opened = 1_700_000_100_000 + 60_000 * minutes * np.cumsum(1 + (random.uniform(size=rows) > 0.98)).astype(np.int64)
    return Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(minutes=minutes),
        opened=opened,
        open=close,
        high=close * np.exp(np.abs(moves)),
        low=close * np.exp(-np.abs(moves)),
        close=close,
        volume=random.randint(0, 1_000, rows) * (random.uniform(size=rows) > 0.02),
    )


def markets(least: int = 0) -> st.SearchStrategy[Series]:
    return st.builds(
        a_series,
        st.integers(least, 420),
        seed=st.integers(0, 2**32 - 1),
        deviation=st.sampled_from([0.0, 0.0003, 0.001, 0.01, 0.1]),
        start=st.floats(-5, 5).map(lambda power: 10**power),
        minutes=st.sampled_from([5, 60, 1440]),
    )


def a_snapshot(features: Features, row: int) -> Snapshot:
    at = from_ms(features.series.closed[row])
    quote = Quote(symbol=features.series.symbol, at=at, bid=ONE, ask=ONE, mark=ONE)
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


async def answers(sigma: Sigma, features: Features) -> list[Opinion | Abstention]:
    return [await sigma.opine(a_snapshot(features, row)) for row in range(len(features.series))]


@settings(max_examples=25, deadline=None)
@given(series=markets())
def test_each_row_of_the_votes_is_the_opinion_and_the_explanation_there(series: Series) -> None:
    features, sigma = build(series), Sigma(SEAT)
    votes = sigma.votes(features)
    assert (votes.direction.dtype, votes.confidence.dtype, votes.absent.dtype) == (np.int8, np.int64, np.bool_)
    for row, answer in enumerate(asyncio.run(answers(sigma, features))):
        voted = int(votes.direction[row]), int(votes.confidence[row])
        if isinstance(answer, Abstention):
            assert votes.absent[row]
            assert voted == (0, 0)
            continue
        view = sigma.explain(features, row)
        assert not votes.absent[row]
        assert voted == (answer.stance.sign, answer.confidence) == (view.stance.sign, view.confidence)


@settings(max_examples=40, deadline=None)
@given(series=markets(), share=st.floats(0, 1))
def test_votes_of_a_prefix_are_the_votes_of_the_history(series: Series, share: float) -> None:
    rows = round(share * len(series))
    whole, part = score(build(series)), score(build(series.rows(0, rows)))
    for name in ("direction", "confidence", "absent"):
        assert np.array_equal(getattr(part.votes, name), getattr(whole.votes, name)[:rows]), name
    for a, b in zip((*part.categories, *part.values), (*whole.categories, *whole.values), strict=True):
        assert np.array_equal(a, b[:rows], equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(series=markets(least=200))
def test_the_explanation_adds_up(series: Series) -> None:
    features = build(series)
    scored = score(features)
    for row in np.flatnonzero(~scored.votes.absent)[::7]:
        view = explain(features, row)
        assert all(-1 <= category.value <= 1 for category in view.categories)
        assert abs(view.before - sum(c.weight * c.value for c in view.categories)) < 1e-12
        assert view.score == round(view.before * view.damping * MICRO)
        assert 0.5 <= view.damping <= 1
        standings = [rule.standing for rule in view.rules]
        assert view.agreeing == standings.count(Standing.AGREEING)
        assert view.conflicting == standings.count(Standing.CONFLICTING)
        assert view.valid == (view.rules_confidence >= 400_000 and view.agreeing >= 3 and view.conflicting <= 2)
        assert view.outcome is orchestrated(view.score, view.side, view.valid, view.share)
        least = 100_000 if view.stance is not Stance.NEUTRAL else 0
        assert least <= view.confidence <= min(round(abs(view.score) * view.factor) + 1, MICRO)


def orchestrated(score: int, side: Stance, valid: bool, share: float) -> Outcome:
    """The playbook's words."""
    if score == 0:
        return Outcome.SILENT
    if valid:
        if side is not (Stance.LONG if score > 0 else Stance.SHORT):
            return Outcome.OPPOSED
        return Outcome.CONFIRMED if share > 0.5 else Outcome.KEPT if share > 0.3 else Outcome.DOUBTED
    return Outcome.ALONE if abs(score) > 700_000 else Outcome.WEAK


@settings(max_examples=25, deadline=None)
@given(series=markets(least=200))
def test_opinions_say_only_what_they_know(series: Series) -> None:
    for answer in asyncio.run(answers(Sigma(SEAT), build(series))):
        if isinstance(answer, Abstention):
            assert answer.reason
            continue
        assert (answer.confidence == 0) == (answer.stance is Stance.NEUTRAL)
        values = [fact.value for fact in answer.evidence]
        assert np.isfinite(values).all()
        for text in re.findall(r"-?\d+(?:\.\d+)?", answer.thesis):
            assert any(round(v, len(text.partition(".")[2])) == float(text) for v in values), (text, answer)


# --- mirrored evidence ------------------------------------------------------------------------------------------------

PRICE = 4096.0
AROUND_ZERO = {"macd_hist_atr": 0.5, "cci": 250.0, "zscore": 4.0, "slope": 2.0**-9, "obv": 4096.0}
AROUND_FIFTY = ("rsi", "stoch_k", "mfi")
AVERAGES = ("ema9", "ema20", "ema50", "ema200", "vwap")


def evidence(seed: int, rows: int = 300) -> Features:
    """Any evidence, more or less of one mind, on steps of powers of two: a mirror image has no rounding in it."""
    random = np.random.RandomState(seed)
    lean = random.choice([-384, -128, 0, 128, 384], rows)

    def steps(scale: float) -> np.ndarray:
        return scale * np.clip(lean + random.randint(-384, 385, rows), -512, 512) / 512

    price, width, middle = np.full(rows, PRICE), np.abs(steps(64.0)) + 0.125, PRICE - steps(32.0)
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(minutes=5),
        opened=1_700_000_100_000 + 300_000 * np.arange(rows),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=np.full(rows, 64.0),
    )
    return replace(
        build(series),
        **{name: steps(scale) for name, scale in AROUND_ZERO.items()},
        **{name: 50 + steps(50.0) for name in AROUND_FIFTY},
        **{name: PRICE - steps(16.0) for name in AVERAGES},
        monte_carlo=0.5 + steps(0.5),
        sma20=middle,
        bollinger_middle=middle,
        bollinger_upper=middle + width,
        bollinger_lower=middle - width,
        atr=np.full(rows, 8.0),
        adx=np.abs(steps(60.0)),
        garman_klass=np.abs(steps(1.0)),
    )


def mirrored(features: Features) -> Features:
    """Every price on the other side of the last one, every oscillator on the other side of its middle."""

    def across(name: str) -> np.ndarray:
        return 2 * PRICE - getattr(features, name)

    return replace(
        features,
        **{name: -getattr(features, name) for name in AROUND_ZERO},
        **{name: 100 - getattr(features, name) for name in AROUND_FIFTY},
        **{name: across(name) for name in AVERAGES},
        monte_carlo=1 - features.monte_carlo,
        sma20=across("sma20"),
        bollinger_middle=across("bollinger_middle"),
        bollinger_upper=across("bollinger_lower"),
        bollinger_lower=across("bollinger_upper"),
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_mirrored_evidence_mirrors_the_vote_exactly(seed: int) -> None:
    features = evidence(seed)
    one, other = score(features), score(mirrored(features))
    assert np.array_equal(one.score, -other.score)
    assert np.array_equal(one.rules.side, -other.rules.side)
    assert np.array_equal(one.outcomes, other.outcomes)
    assert np.array_equal(one.votes.direction, -other.votes.direction)
    assert np.array_equal(one.votes.confidence, other.votes.confidence)
    assert np.array_equal(one.votes.absent, other.votes.absent)


def test_evidence_of_every_kind_takes_every_branch() -> None:
    places = {int(place) for seed in range(30) for place in score(evidence(seed, rows=2_000)).outcomes[200:]}
    assert {OUTCOMES[place] for place in places} == set(Outcome) - {Outcome.SILENT}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_the_score_has_no_cliffs(seed: int, data: st.DataObject) -> None:
    """A thousandth of an indicator's usual reach moves V1 by less than a fiftieth, wherever it stands."""
    features = evidence(seed)
    usual = {**AROUND_ZERO, **dict.fromkeys(AROUND_FIFTY, 50.0), **dict.fromkeys(AVERAGES, 16.0), "adx": 60.0}
    usual |= {"garman_klass": 1.0, "monte_carlo": 0.5, "sma20": 32.0, "atr": 8.0}
    name = data.draw(st.sampled_from(sorted(usual)))
    moved = replace(features, **{name: getattr(features, name) + usual[name] / 1_000})
    before, after = score(features), score(moved)
    assert np.abs(before.score - after.score).max() < MICRO / 50


@settings(max_examples=40, deadline=None)
@given(
    prices=st.lists(st.floats(1e-300, 1e300), max_size=260),
    volumes=st.lists(st.floats(0, 1e300), min_size=260, max_size=260),
    seed=st.integers(0, 2**32 - 1),
    quiet=st.booleans(),
)
def test_never_raises_for_any_finite_prices(prices: list[float], volumes: list[float], seed: int, quiet: bool) -> None:
    """Lists are mostly short: what follows them is a still or a wild market."""
    random = np.random.RandomState(seed)
    rest = np.full(220, 7.0) if quiet else 10 ** random.uniform(-300, 300, 220)
    close = np.concatenate((np.array(prices, dtype=np.float64), rest))
    volume = np.resize(np.array(volumes), len(close))
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(hours=1),
        opened=3_600_000 * np.arange(len(close), dtype=np.int64),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=volume,
    )
    for answer in asyncio.run(answers(Sigma(SEAT), build(series)))[190:]:
        if isinstance(answer, Opinion):
            assert np.isfinite([fact.value for fact in answer.evidence]).all()
