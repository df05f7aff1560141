"""FLOW: who is in a hurry. Taker volume over a stretch of time, the order book around mid, and funding."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from trading.decision import Abstention, Evidence, Opinion, Stance
from trading.errors import NoEvidence
from trading.market.features import Features, book_imbalance
from trading.market.series import Floats
from trading.market.snapshot import Latest, Snapshot
from trading.model import OrderBook
from trading.personas.panel import Votes, against_funding, bar_closed_at, bounded, vote_of, votes_of
from trading.playbook import Seat, span_text

# Shares of the score. Without a book its share is simply not there: confidence ends at 0.8.
TAKER, BOOK, FUNDING = 0.7, 0.2, 0.1
# Taker imbalance this many deviations from its own mean counts in full. Chosen for frequency, not for profit: on a year
# of hourly bars of eight pairs FLOW and TECHNICAL together reach the judge's 0.60 on 2-3 % of bars, both sides alike.
TAKER_SCALE = 1.5

LEADS = {
    Stance.LONG: "The flow favours buyers",
    Stance.SHORT: "The flow favours sellers",
    Stance.NEUTRAL: "The flow favours neither side",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    score: Floats  # without the book, -0.8..0.8; NaN where absent
    votes: Votes


class Flow:
    """Votes with the more hurried side, a little against the side that pays funding.

    `votes` is the part that needs no book. `opine` adds the book's share to the same score where the market has one;
    so it equals `votes` only in a market without a book.
    """

    name = "flow"
    instant = True

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._scored = Latest(self._score)

    def votes(self, features: Features) -> Votes:
        return self._scored(features).votes

    def _score(self, features: Features) -> Scored:
        if features.taker_window != self._seat.window:
            raise ValueError(f"taker window of the features is {features.taker_window}, FLOW's is {self._seat.window}")
        score = TAKER * bounded(features.taker_z, TAKER_SCALE) + FUNDING * against_funding(features.funding_rate)
        # A source without trade counts has NaN there, which is not fewer than anything.
        absent = ~np.isfinite(score) | (features.taker_trades < self._seat.min_trades)
        return Scored(score=score, votes=votes_of(score, absent))

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        scored, row = self._scored(snapshot.features), snapshot.row
        if scored.votes.absent[row]:
            return Abstention(persona=self.name, reason=self._absence(snapshot.features, row))
        try:
            leaning = None if snapshot.book is None else self._leaning(snapshot, snapshot.book)
        except NoEvidence as lack:
            return Abstention(persona=self.name, reason=str(lack))
        stance, confidence = vote_of(float(scored.score[row]) + (BOOK * leaning if leaning is not None else 0.0))
        facts = self._facts(snapshot, leaning)
        return Opinion(
            persona=self.name,
            stance=stance,
            confidence=confidence,
            thesis=_thesis(stance, facts),
            evidence=tuple(facts.values()),
        )

    def _absence(self, features: Features, row: int) -> str:
        if features.series.taker_buy is None:
            return "no taker volume in these candles"
        trades, least = float(features.taker_trades[row]), self._seat.min_trades
        bars = -(-features.taker_window // features.series.every)
        if np.isnan(features.series.taker_buy[max(0, row + 1 - bars) : row + 1]).any():
            return f"of the last {span_text(self._seat.window)} not all trades were heard: taker volume is not known"
        if trades < least:
            return f"{trades:.0f} trades within {span_text(self._seat.window)}, {least} are needed"
        if not np.isfinite(features.taker_ratio[row]):
            return "no volume, or missing bars, within the taker window"
        return "too few bars to say what taker flow is usual"

    def _leaning(self, snapshot: Snapshot, book: OrderBook) -> float:
        age, limit = snapshot.at - book.at, self._seat.max_book_age
        if age > limit:
            raise NoEvidence(f"the order book is {age.total_seconds():.0f} s old, the limit is {span_text(limit)}")
        return book_imbalance(book, self._seat.book_depth)

    def _facts(self, snapshot: Snapshot, leaning: float | None) -> dict[str, Evidence]:
        features, row, closed = snapshot.features, snapshot.row, bar_closed_at(snapshot)
        bars = -(-features.taker_window // snapshot.every)
        span, source = span_text(bars * snapshot.every), f"{span_text(snapshot.every)} candles"
        figures = (
            ("share", f"taker buys, {span}", float(features.taker_ratio[row]) * 100, "% of volume"),
            ("z", "taker imbalance", float(features.taker_z[row]), "z-score"),
            ("trades", f"trades, {span}", float(features.taker_trades[row]), "trades"),
        )
        facts = {
            key: Evidence(label=label, value=value, unit=unit, source=source, as_of=closed)
            for key, label, value, unit in figures
            if isfinite(value)
        }
        if isfinite(rate := float(features.funding_rate[row])):
            facts["funding"] = Evidence(label="funding", value=rate * 100, unit="%", source="funding", as_of=closed)
        if leaning is not None and snapshot.book is not None:
            label = f"book imbalance within {self._seat.book_depth:.2%}"
            facts["book"] = Evidence(label=label, value=leaning, source="order book", as_of=snapshot.book.at)
        return facts


def _thesis(stance: Stance, facts: dict[str, Evidence]) -> str:
    """Every number in it is one of the facts, rounded."""
    funding = f", funding {facts['funding'].value:.4f} %" if "funding" in facts else ", funding is not known"
    book = f"imbalance {facts['book'].value:.2f}" if "book" in facts else "none in this market"
    flow = f"takers bought {facts['share'].value:.1f} % of the volume (z-score {facts['z'].value:.2f})"
    return f"{LEADS[stance]}: {flow}{funding}. Order book: {book}."
