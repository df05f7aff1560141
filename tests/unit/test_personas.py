"""FLOW and TECHNICAL at single moments, and the panel that asks them."""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.decision import MICRO, Abstention, Opinion, Stance
from trading.errors import NoEvidence, VenueDown
from trading.market.features import build
from trading.market.series import FundingSeries, Series, exact, from_ms, to_ms
from trading.market.snapshot import Snapshot
from trading.model import OrderBook, Quote, Symbol
from trading.personas.flow import Flow
from trading.personas.panel import Persona, RulePersona, convene, vote_of
from trading.personas.technical import Technical
from trading.playbook import Seat

BTC = Symbol("BTC/USDT:USDT")
START = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLOW_SEAT, TECHNICAL_SEAT = Seat(weight=Decimal("1.5")), Seat(weight=Decimal(1))


def a_market(
    rows: int = 160, *, last_share: float = 0.5, drift: float = 0.0, trades: int | None = 1_000, **without
) -> Series:
    """Hourly bars; the taker share alternates and ends at `last_share`; the price drifts by a fraction a bar."""
    close = 100 * np.exp(drift * np.arange(rows) + 0.002 * (-1.0) ** np.arange(rows))
    share = np.where(np.arange(rows) % 2, 0.45, 0.55)
    share[-1] = last_share
    volume = np.full(rows, 100.0)
    return Series(
        symbol=BTC,
        every=HOUR,
        opened=to_ms(START) + 3_600_000 * np.arange(rows),
        open=close,
        high=close * 1.003,
        low=close * 0.997,
        close=close,
        volume=volume,
        taker_buy=without.get("taker_buy", volume * share),
        trades=None if trades is None else np.full(rows, float(trades)),
    )


def a_funding(rate: float) -> FundingSeries:
    return FundingSeries(symbol=BTC, at=np.array([to_ms(START)]), rate=np.array([rate]))


def a_book(at: datetime, *, bids: str = "1", asks: str = "1") -> OrderBook:
    mid = Decimal(100)
    return OrderBook(
        symbol=BTC,
        at=at,
        bids=((mid - Decimal("0.1"), Decimal(bids)),),
        asks=((mid + Decimal("0.1"), Decimal(asks)),),
    )


def a_snapshot(
    series: Series, *, row: int = -1, funding: float | None = 0.0001, book: OrderBook | None = None
) -> Snapshot:
    row %= len(series)
    features = build(series, funding=None if funding is None else a_funding(funding))
    at, price = from_ms(series.closed[row]), exact(series.close[row])
    quote = Quote(symbol=BTC, at=at, bid=price, ask=price, mark=price)
    return Snapshot(
        symbol=BTC, at=at, features=features, row=row, quote=quote, book=book, funding_rate=None, source="a test"
    )


async def an_opinion(persona: Persona, snapshot: Snapshot) -> Opinion:
    answer = await persona.opine(snapshot)
    assert isinstance(answer, Opinion), answer
    return answer


async def a_reason(persona: Persona, snapshot: Snapshot) -> str:
    answer = await persona.opine(snapshot)
    assert isinstance(answer, Abstention), answer
    assert answer.persona == persona.name
    return answer.reason


def assert_thesis_holds_only_evidence(opinion: Opinion) -> None:
    for text in re.findall(r"-?\d+(?:\.\d+)?", opinion.thesis):
        digits = len(text.partition(".")[2])
        assert any(round(e.value, digits) == float(text) for e in opinion.evidence), (text, opinion)


# --- FLOW ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "stance"),
    [(0.8, Stance.LONG), (0.2, Stance.SHORT), (0.5, Stance.NEUTRAL)],
    ids=["buying", "selling", "calm"],
)
async def test_flow_goes_with_the_takers(share: float, stance: Stance) -> None:
    opinion = await an_opinion(Flow(FLOW_SEAT), a_snapshot(a_market(last_share=share), funding=None))
    assert opinion.stance is stance
    assert "Order book: none in this market" in opinion.thesis
    assert "funding is not known" in opinion.thesis
    assert_thesis_holds_only_evidence(opinion)


async def test_flow_without_a_book_ends_at_eighty_percent() -> None:
    calm = await an_opinion(Flow(FLOW_SEAT), a_snapshot(a_market(last_share=1.0), funding=0.01))
    full = await an_opinion(Flow(FLOW_SEAT), a_snapshot(a_market(last_share=1.0), funding=-0.01))
    assert calm.confidence < full.confidence == 800_000


async def test_flow_with_a_book_adds_its_part() -> None:
    series = a_market(last_share=1.0)
    closed = from_ms(series.closed[-1])
    flow = Flow(FLOW_SEAT)
    for bids, asks, expected in (("3", "1", 900_000), ("1", "1", 800_000), ("1", "3", 700_000)):
        book = a_book(closed - timedelta(seconds=10), bids=bids, asks=asks)
        opinion = await an_opinion(flow, a_snapshot(series, funding=-0.01, book=book))
        assert opinion.confidence == expected
        assert opinion.evidence[-1].source == "order book"
        assert opinion.evidence[-1].as_of == book.at
        assert_thesis_holds_only_evidence(opinion)


async def test_high_funding_speaks_against_the_side_that_pays_it() -> None:
    for persona, series in (
        (Flow(FLOW_SEAT), a_market(last_share=0.55)),
        (Technical(TECHNICAL_SEAT), a_market(drift=1e-3)),
    ):
        rates = (0.01, 0.0005, 0.00025, None, -0.00025, -0.0005, -0.01)
        convictions = [(await an_opinion(persona, a_snapshot(series, funding=rate))).conviction for rate in rates]
        unknown = convictions[3]
        assert [c - unknown for c in convictions] == [-100_000, -100_000, -50_000, 0, 50_000, 100_000, 100_000]


async def test_flow_abstains_on_a_stale_book() -> None:
    series = a_market()
    book = a_book(from_ms(series.closed[-1]) - timedelta(seconds=11))
    assert (
        await a_reason(Flow(FLOW_SEAT), a_snapshot(series, book=book)) == "the order book is 11 s old, the limit is 10s"
    )


async def test_flow_abstains_on_a_book_with_an_empty_side() -> None:
    series = a_market()
    book = OrderBook(symbol=BTC, at=from_ms(series.closed[-1]), bids=(), asks=())
    assert "no bids" in await a_reason(Flow(FLOW_SEAT), a_snapshot(series, book=book))


async def test_flow_abstains_without_taker_volume() -> None:
    assert await a_reason(Flow(FLOW_SEAT), a_snapshot(a_market(taker_buy=None))) == "no taker volume in these candles"


async def test_flow_abstains_under_min_trades_where_trades_are_counted() -> None:
    flow = Flow(FLOW_SEAT)
    assert await a_reason(flow, a_snapshot(a_market(trades=49))) == "49 trades within 15m, 50 are needed"
    assert await an_opinion(flow, a_snapshot(a_market(trades=50)))
    assert await an_opinion(flow, a_snapshot(a_market(trades=None)))


async def test_flow_abstains_until_it_knows_what_is_usual() -> None:
    flow = Flow(FLOW_SEAT)
    assert "too few bars" in await a_reason(flow, a_snapshot(a_market(), row=98))
    assert await an_opinion(flow, a_snapshot(a_market(), row=99))


async def test_flow_refuses_features_of_another_window() -> None:
    with pytest.raises(ValueError, match="taker window"):
        await Flow(Seat(weight=Decimal(1), window=timedelta(minutes=30))).opine(a_snapshot(a_market()))


# --- TECHNICAL ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "stance"),
    [(0.002, Stance.LONG), (-0.002, Stance.SHORT), (0.0, Stance.NEUTRAL)],
    ids=["up", "down", "flat"],
)
async def test_technical_goes_with_the_price(drift: float, stance: Stance) -> None:
    opinion = await an_opinion(Technical(TECHNICAL_SEAT), a_snapshot(a_market(drift=drift)))
    assert opinion.stance is stance
    assert 3 <= len(opinion.evidence) <= 5
    assert_thesis_holds_only_evidence(opinion)


async def test_overbought_weakens_a_long() -> None:
    """The same trend and momentum at full strength: only RSI (and not funding) takes something off."""
    opinion = await an_opinion(Technical(TECHNICAL_SEAT), a_snapshot(a_market(drift=0.01), funding=None))
    assert opinion.stance is Stance.LONG
    assert "(overbought)" in opinion.thesis
    assert opinion.confidence == 700_000


async def test_technical_abstains_under_min_bars() -> None:
    technical = Technical(TECHNICAL_SEAT)
    assert await a_reason(technical, a_snapshot(a_market(), row=58)) == "59 closed bars, 60 are needed"
    assert await an_opinion(technical, a_snapshot(a_market(), row=59))


async def test_technical_abstains_where_the_price_stood_still() -> None:
    series = a_market(rows=80)
    still = np.full(80, 5.0)
    series = Series(
        symbol=BTC, every=HOUR, opened=series.opened, open=still, high=still, low=still, close=still, volume=still
    )
    assert "stood still" in await a_reason(Technical(TECHNICAL_SEAT), a_snapshot(series))


async def test_facts_say_what_they_are_and_when() -> None:
    snapshot = a_snapshot(a_market())
    for persona in (Flow(FLOW_SEAT), Technical(TECHNICAL_SEAT)):
        opinion = await an_opinion(persona, snapshot)
        assert 3 <= len(opinion.evidence) <= 5
        for fact in opinion.evidence:
            assert fact.label
            assert type(fact.value) is float
            assert np.isfinite(fact.value)
            assert fact.source in ("1h candles", "funding")
            assert fact.as_of == snapshot.at


def test_border_between_neutral_and_a_side() -> None:
    assert vote_of(0.1) == (Stance.LONG, 100_000)
    assert vote_of(-0.1) == (Stance.SHORT, 100_000)
    assert vote_of(0.099_999) == (Stance.NEUTRAL, 99_999)
    assert vote_of(1.0000001) == (Stance.LONG, MICRO)


async def test_features_of_two_instruments_are_kept_apart() -> None:
    technical = Technical(TECHNICAL_SEAT)
    up, down = a_market(drift=0.002), a_market(drift=-0.002)
    first, second = a_snapshot(up), a_snapshot(down)
    for _ in range(2):
        assert (await an_opinion(technical, first)).stance is Stance.LONG
        assert (await an_opinion(technical, second)).stance is Stance.SHORT
    assert technical.votes(first.features) is technical.votes(first.features)


def test_frequency_on_real_hours(shared: Path) -> None:
    """Both together, with the judge's arithmetic: an entry on 1-4 % of bars, both sides."""
    folder = shared / "data" / "candles"
    entries: list[float] = []
    for pair in ("BTCUSDT", "DOGEUSDT"):
        table = pd.read_csv(folder / "spot-1h-12col-8pairs-2024-05" / f"{pair}.csv.gz")
        rates = pd.read_csv(folder / "funding" / f"{pair}.csv")
        names = {"opened": "open_time", "taker_buy": "taker_buy_base"}
        columns = {
            name: table[names.get(name, name)].to_numpy(np.int64 if name == "opened" else np.float64)
            for name in ("opened", "open", "high", "low", "close", "volume", "taker_buy", "trades")
        }
        series = Series(symbol=Symbol(pair), every=HOUR, **columns)
        at, rate = rates["funding_time"].to_numpy(np.int64), rates["funding_rate"].to_numpy(np.float64)
        features = build(series, funding=FundingSeries(symbol=Symbol(pair), at=at, rate=rate))
        flow, technical = Flow(FLOW_SEAT).votes(features), Technical(TECHNICAL_SEAT).votes(features)
        strength = (1_500 * flow.confidence + 1_000 * technical.confidence) / 2_500
        agreed = np.where(flow.direction == technical.direction, flow.direction, 0) * (strength >= 0.6 * MICRO)
        entries += [np.mean(agreed > 0), np.mean(agreed < 0)]
    assert all(0.005 < share < 0.02 for share in entries), entries


# --- the panel ----------------------------------------------------------------------------------------------------


class Scripted:
    """A persona that does what it is told to."""

    def __init__(self, name: str, act, *, instant: bool = False) -> None:
        self.name, self.instant, self._act = name, instant, act

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        await self._act()
        return Opinion(persona=self.name, stance=Stance.LONG, confidence=MICRO, thesis="Up.", evidence=())


async def nothing() -> None:
    return


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return a_snapshot(a_market())


async def test_answers_come_in_the_panels_order(snapshot: Snapshot) -> None:
    panel = [Scripted("a", nothing), Scripted("b", nothing, instant=True), Scripted("c", lambda: asyncio.sleep(0))]
    assert [o.persona for o in await convene(panel, snapshot, timeout=1)] == ["a", "b", "c"]
    assert await convene([], snapshot, timeout=1) == ()


async def test_slow_personas_are_asked_at_once(snapshot: Snapshot) -> None:
    together = asyncio.Barrier(2)
    answers = await convene([Scripted("a", together.wait), Scripted("b", together.wait)], snapshot, timeout=5)
    assert all(isinstance(a, Opinion) for a in answers)


async def test_an_instant_persona_costs_no_task(snapshot: Snapshot) -> None:
    asker, seen = asyncio.current_task(), []

    async def look() -> None:
        seen.append(asyncio.current_task())

    await convene([Scripted("a", look, instant=True), Scripted("b", nothing)], snapshot, timeout=1)
    await convene([Scripted("a", look, instant=True)], snapshot, timeout=1)
    assert seen == [asker, asker]


async def test_a_missed_deadline_is_an_abstention_and_nobody_elses_matter(snapshot: Snapshot) -> None:
    late, fine = await convene([Scripted("late", for_ever), Scripted("fine", nothing)], snapshot, timeout=0.01)
    assert late == Abstention(persona="late", reason="no answer within 0.01 s", failed=True)
    assert isinstance(fine, Opinion)


async def test_no_evidence_is_an_abstention_without_a_log_line(
    snapshot: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    async def lack() -> None:
        raise NoEvidence("the news are a day old")

    for instant in (True, False):
        answers = await convene([Scripted("news", lack, instant=instant)], snapshot, timeout=1)
        assert answers == (Abstention(persona="news", reason="the news are a day old"),)
    assert not caplog.records


async def test_an_unexpected_error_is_an_abstention_and_logged_once(
    snapshot: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise KeyError("price")

    with caplog.at_level(logging.ERROR):
        answer, fine = await convene([Scripted("broken", broken), Scripted("fine", nothing)], snapshot, timeout=1)
    assert answer == Abstention(persona="broken", reason="failed: KeyError", failed=True)
    assert isinstance(fine, Opinion)
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info


async def test_what_we_raise_ourselves_says_what_happened(snapshot: Snapshot) -> None:
    async def down() -> None:
        raise VenueDown("the model's host did not answer")

    (answer,) = await convene([Scripted("model", down)], snapshot, timeout=1)
    assert answer == Abstention(persona="model", reason="failed: the model's host did not answer", failed=True)


async def test_a_personas_own_timeout_is_not_the_deadline(snapshot: Snapshot, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise TimeoutError

    (answer,) = await convene([Scripted("slow net", broken)], snapshot, timeout=None)
    assert answer == Abstention(persona="slow net", reason="failed: TimeoutError", failed=True)


async def test_cancelling_the_call_cancels_the_personas(snapshot: Snapshot) -> None:
    asked, cancelled = asyncio.Event(), []

    async def wait() -> None:
        try:
            asked.set()
            await for_ever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    call = asyncio.create_task(convene([Scripted("a", wait)], snapshot, timeout=None))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cancelled == [True]


async def test_rule_personas_fit_the_protocol(snapshot: Snapshot) -> None:
    panel: list[RulePersona] = [Flow(FLOW_SEAT), Technical(TECHNICAL_SEAT)]
    assert [o.persona for o in await convene(panel, snapshot, timeout=None)] == ["flow", "technical"]
