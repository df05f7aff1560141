"""TECHNICAL: which way the price goes, and whether it has gone too far. RSI, SMA 20/50, momentum, funding."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from trading.decision import Abstention, Evidence, Opinion, Stance
from trading.market.features import Features
from trading.market.series import Floats
from trading.market.snapshot import Latest, Snapshot
from trading.personas.panel import Votes, against_funding, bar_closed_at, bounded, vote_of, votes_of
from trading.playbook import Seat, span_text

# Shares of the score.
TREND, MOMENTUM, EXHAUSTION, FUNDING = 0.4, 0.4, 0.1, 0.1
# What counts in full: the averages' distance and the 10-bar move, in ATRs (each is beyond that on about 5-10 % of real
# bars). Chosen for frequency, not for profit: see flow.py.
TREND_SCALE, MOMENTUM_SCALE = 2.0, 3.0
OVERSOLD, OVERBOUGHT, RSI_SCALE = 30.0, 70.0, 15.0  # RSI counts beyond 30/70 only, in full at 15/85

LEADS = {
    Stance.LONG: "The chart favours the upside",
    Stance.SHORT: "The chart favours the downside",
    Stance.NEUTRAL: "The chart favours neither side",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    trend: Floats  # SMA 20 - SMA 50, ATRs
    move: Floats  # over 10 bars, ATRs
    score: Floats  # -1..1; NaN where absent
    votes: Votes


class Technical:
    """Votes with trend and momentum, less so when RSI says that they are spent or when they pay for it in funding."""

    name = "technical"
    instant = True

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._scored = Latest(self._score)

    def votes(self, features: Features) -> Votes:
        return self._scored(features).votes

    def _score(self, features: Features) -> Scored:
        with np.errstate(all="ignore"):  # a market that stood still has no ATR: not finite, so absent
            trend = (features.sma20 - features.sma50) / features.atr
            move = features.momentum * features.series.close / features.atr
        oversold = np.clip((OVERSOLD - features.rsi) / RSI_SCALE, 0, 1)
        overbought = np.clip((features.rsi - OVERBOUGHT) / RSI_SCALE, 0, 1)
        score = (
            TREND * bounded(trend, TREND_SCALE)
            + MOMENTUM * bounded(move, MOMENTUM_SCALE)
            + EXHAUSTION * (oversold - overbought)
            + FUNDING * against_funding(features.funding_rate)
        )
        absent = ~np.isfinite(trend + move + score)
        absent[: self._seat.min_bars - 1] = True
        return Scored(trend=trend, move=move, score=score, votes=votes_of(score, absent))

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        scored, row = self._scored(snapshot.features), snapshot.row
        if scored.votes.absent[row]:
            return Abstention(persona=self.name, reason=self._absence(row))
        stance, confidence = vote_of(float(scored.score[row]))
        facts = _facts(snapshot, scored)
        return Opinion(
            persona=self.name,
            stance=stance,
            confidence=confidence,
            thesis=_thesis(stance, facts),
            evidence=tuple(facts.values()),
        )

    def _absence(self, row: int) -> str:
        if row + 1 < self._seat.min_bars:
            return f"{row + 1} closed bars, {self._seat.min_bars} are needed"
        return "too few bars, or a market that stood still: no RSI, average or ATR"


def _facts(snapshot: Snapshot, scored: Scored) -> dict[str, Evidence]:
    features, row, closed = snapshot.features, snapshot.row, bar_closed_at(snapshot)
    source = f"{span_text(snapshot.every)} candles"
    figures = (
        ("rsi", "RSI(14)", features.rsi[row], ""),
        ("trend", "SMA(20) - SMA(50)", scored.trend[row], "x ATR"),
        ("move", "10-bar move", scored.move[row], "x ATR"),
        ("momentum", "10-bar return", features.momentum[row] * 100, "%"),
    )
    facts = {
        key: Evidence(label=label, value=float(value), unit=unit, source=source, as_of=closed)
        for key, label, value, unit in figures
    }
    if isfinite(rate := float(features.funding_rate[row])):
        facts["funding"] = Evidence(label="funding", value=rate * 100, unit="%", source="funding", as_of=closed)
    return facts


def _thesis(stance: Stance, facts: dict[str, Evidence]) -> str:
    """Every number in it is one of the facts, rounded."""
    rsi, trend, move, momentum = (facts[k].value for k in ("rsi", "trend", "move", "momentum"))
    funding = f"funding is {facts['funding'].value:.4f} %" if "funding" in facts else "funding is not known"
    spent = " (oversold)" if rsi < OVERSOLD else " (overbought)" if rsi > OVERBOUGHT else ""
    gap = f"the short average stands {trend:.2f} ATR from the long one, momentum is {move:.2f} ATR ({momentum:.2f} %)"
    return f"{LEADS[stance]}: {gap}. RSI is {rsi:.1f}{spent}, {funding}."
