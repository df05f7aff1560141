"""Rule personas: columns equal single answers, prefixes equal histories, mirrored markets mirror votes."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.decision import MICRO, Abstention, Opinion
from trading.market.features import Features, build
from trading.market.series import FundingSeries, Series, from_ms
from trading.market.snapshot import Snapshot
from trading.model import OrderBook, Quote, Symbol
from trading.personas.flow import Flow
from trading.personas.panel import RulePersona, Votes
from trading.personas.technical import Technical
from trading.playbook import Seat

ONE = Decimal(1)
SEAT = Seat(weight=ONE, min_trades=20, min_bars=30)
WHOLE = 1_024  # volumes are whole numbers, so that bought and sold mirror without rounding


@st.composite
def markets(draw: st.DrawFn, *, least: int = 0) -> tuple[Series, FundingSeries]:
    n = draw(st.integers(least, 260))
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    moves = draw(st.sampled_from([0.0, 0.0005, 0.01, 0.1])) * random.standard_normal(n)
    close = 10 ** draw(st.floats(-5, 5)) * np.exp(np.cumsum(moves))
    volume = random.randint(0, WHOLE, n).astype(np.float64)
    bought = np.floor(volume * random.uniform(size=n))
    opened = 1_700_000_100_000 + 300_000 * np.cumsum(1 + (random.uniform(size=n) > 0.98)).astype(np.int64)
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(minutes=5),
        opened=opened,
        open=close,
        high=close * np.exp(np.abs(moves)),
        low=close * np.exp(-np.abs(moves)),
        close=close,
        volume=volume,
        taker_buy=bought if draw(st.integers(0, 4)) else None,
        trades=random.randint(0, 60, n).astype(np.float64) if draw(st.booleans()) else None,
    )
    at = opened[5::40]
    return series, FundingSeries(symbol=series.symbol, at=at, rate=random.standard_normal(len(at)) * 0.0003)


def a_snapshot(features: Features, row: int, book: OrderBook | None = None) -> Snapshot:
    at = from_ms(features.series.closed[row])
    quote = Quote(symbol=features.series.symbol, at=at, bid=ONE, ask=ONE, mark=ONE)
    return Snapshot(
        symbol=quote.symbol,
        at=at,
        features=features,
        row=row,
        quote=quote,
        book=book,
        funding_rate=None,
        source="a test",
    )


async def answers(persona: RulePersona, features: Features) -> list[Opinion | Abstention]:
    return [await persona.opine(a_snapshot(features, row)) for row in range(len(features.series))]


def row_of(votes: Votes, row: int) -> tuple[int, int, bool]:
    return int(votes.direction[row]), int(votes.confidence[row]), bool(votes.absent[row])


PERSONAS = pytest.mark.parametrize("kind", [Flow, Technical])


@PERSONAS
@settings(max_examples=25, deadline=None)
@given(market=markets())
def test_each_row_of_the_votes_is_the_opinion_there(kind: type[Flow | Technical], market) -> None:
    series, funding = market
    features, persona = build(series, funding=funding), kind(SEAT)
    votes = persona.votes(features)
    assert votes.direction.dtype == np.int8
    assert votes.confidence.dtype == np.int64
    assert votes.absent.dtype == np.bool_
    for row, answer in enumerate(asyncio.run(answers(persona, features))):
        if isinstance(answer, Abstention):
            assert row_of(votes, row) == (0, 0, True)
        else:
            assert row_of(votes, row) == (answer.stance.sign, answer.confidence, False)


@PERSONAS
@settings(max_examples=40, deadline=None)
@given(market=markets(), share=st.floats(0, 1))
def test_votes_of_a_prefix_are_the_votes_of_the_history(kind: type[Flow | Technical], market, share: float) -> None:
    series, funding = market
    rows = round(share * len(series))
    whole = kind(SEAT).votes(build(series, funding=funding))
    part = kind(SEAT).votes(build(series.rows(0, rows), funding=funding))
    assert len(part.absent) == rows
    for name in ("direction", "confidence", "absent"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[:rows]), name


def mirrored(series: Series, funding: FundingSeries) -> tuple[Series, FundingSeries]:
    """Returns, bought and sold, and funding with the other sign."""
    bought = None if series.taker_buy is None else series.volume - series.taker_buy
    low, high = 1 / series.high, 1 / series.low
    other = replace(series, open=1 / series.open, high=high, low=low, close=1 / series.close, taker_buy=bought)
    return other, replace(funding, rate=-funding.rate)


@settings(max_examples=40, deadline=None)
@given(market=markets(least=101), bids=st.integers(1, 1_000), asks=st.integers(1, 1_000))
def test_a_mirrored_market_mirrors_flow_exactly(market, bids: int, asks: int) -> None:
    (series, funding), (other_series, other_funding) = market, mirrored(*market)
    features, mirror = build(series, funding=funding), build(other_series, funding=other_funding)
    flow, other = Flow(SEAT), Flow(SEAT)
    a, b = flow.votes(features), other.votes(mirror)
    assert np.array_equal(a.direction, -b.direction)
    assert np.array_equal(a.confidence, b.confidence)
    assert np.array_equal(a.absent, b.absent)
    row = len(features.series) - 1
    one = asyncio.run(flow.opine(a_snapshot(features, row, a_book(features, row, bids, asks))))
    two = asyncio.run(other.opine(a_snapshot(mirror, row, a_book(mirror, row, asks, bids))))
    assert isinstance(one, Opinion) == isinstance(two, Opinion)
    if isinstance(one, Opinion) and isinstance(two, Opinion):
        assert one.conviction == -two.conviction
        assert one.confidence == two.confidence


def a_book(features: Features, row: int, bids: int, asks: int) -> OrderBook:
    return OrderBook(
        symbol=features.series.symbol,
        at=from_ms(features.series.closed[row]),
        bids=((Decimal("99.9"), Decimal(bids)),),
        asks=((Decimal("100.1"), Decimal(asks)),),
    )


@PERSONAS
@settings(max_examples=25, deadline=None)
@given(market=markets(least=101))
def test_opinions_are_in_range_and_say_only_what_they_know(kind: type[Flow | Technical], market) -> None:
    features = build(market[0], funding=market[1])
    for answer in asyncio.run(answers(kind(SEAT), features)):
        if isinstance(answer, Abstention):
            assert answer.reason
            continue
        assert 0 <= answer.confidence <= (MICRO if kind is Technical else 800_000)
        assert (answer.confidence < 100_000) == (answer.stance.sign == 0)
        values = [fact.value for fact in answer.evidence]
        assert np.isfinite(values).all()
        for text in re.findall(r"-?\d+(?:\.\d+)?", answer.thesis):
            assert any(round(v, len(text.partition(".")[2])) == float(text) for v in values), (text, answer)


@settings(max_examples=40, deadline=None)
@given(
    prices=st.lists(st.floats(1e-300, 1e300), max_size=150),
    bought=st.lists(st.floats(0, 1e300), min_size=150, max_size=150),
)
def test_never_raises_for_any_finite_prices(prices: list[float], bought: list[float]) -> None:
    close, taker = np.array(prices, dtype=np.float64), np.array(bought[: len(prices)], dtype=np.float64)
    opened = 3_600_000 * np.arange(len(close), dtype=np.int64)
    series = Series(
        symbol=Symbol("X/USDT:USDT"),
        every=timedelta(hours=1),
        opened=opened,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=taker * 2,
        taker_buy=taker,
    )
    features = build(series, funding=FundingSeries(symbol=series.symbol, at=opened[:1], rate=close[:1]))
    for persona in (Flow(SEAT), Technical(SEAT)):
        for answer in asyncio.run(answers(persona, features)):
            if isinstance(answer, Opinion):
                assert np.isfinite([fact.value for fact in answer.evidence]).all()
