"""The persona SIGMA: votes with the orchestrator, and shows how it came to it. The arithmetic is in sigma_score.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trading.decision import MICRO, Abstention, Evidence, Opinion, Stance
from trading.errors import NoEvidence
from trading.market.features import Features
from trading.market.snapshot import Latest, Snapshot
from trading.personas.panel import Votes, bar_closed_at
from trading.personas.sigma_score import CATEGORIES, OUTCOMES, RULES, STANCES, Outcome, Scored, score
from trading.playbook import Seat, span_text

# --- one row, for people ----------------------------------------------------------------------------------------------


class Standing(StrEnum):
    AGREEING = "agreeing"
    CONFLICTING = "conflicting"
    TIED = "tied"  # it fired, but no side leads
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryView:
    name: str
    weight: float
    value: float  # -1..1


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    name: str
    label: str
    value: float
    unit: str
    threshold: str
    stance: Stance  # NEUTRAL: it did not fire, or takes no side (ADX)
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class SigmaView:
    """What SIGMA thinks at one bar, and how it came to it. Confidences are millionths."""

    categories: tuple[CategoryView, ...]
    before: float  # V1's weighted sum
    volatility: float  # Garman-Klass, fraction a year
    damping: float
    score: int  # V1 after damping, signed
    rules: tuple[RuleView, ...]
    side: Stance  # V2's; NEUTRAL: a tie
    rules_confidence: int
    agreeing: int
    conflicting: int
    share: float  # agreeing less conflicting, of all rules: what the orchestrator asks for
    valid: bool
    outcome: Outcome
    reason: str
    stance: Stance
    confidence: int

    @property
    def factor(self) -> float:
        """What V1's confidence was multiplied by; 0 is WAIT."""
        return self.outcome.tenths / 10

    def named(self, standing: Standing) -> str:
        """The rules of one standing: "MACD, slope", or "none"."""
        return _named([rule.standing for rule in self.rules], standing)


def explain(features: Features, row: int) -> SigmaView:
    """Raises NoEvidence where SIGMA abstains."""
    return _view(score(features), features, row)


def _view(scored: Scored, features: Features, row: int) -> SigmaView:
    if scored.votes.absent[row]:
        raise NoEvidence(_absence(scored, features, row))
    counted, outcome = scored.rules, OUTCOMES[scored.outcomes[row]]
    confidence = int(scored.votes.confidence[row])
    return SigmaView(
        categories=tuple(
            CategoryView(name=c.name, weight=c.weight, value=float(v[row]))
            for c, v in zip(CATEGORIES, scored.categories, strict=True)
        ),
        before=float(scored.before[row]),
        volatility=float(features.garman_klass[row]),
        damping=float(scored.damping[row]),
        score=int(scored.score[row]),
        rules=_rule_views(scored, row),
        side=STANCES[int(counted.side[row])],
        rules_confidence=int(counted.confidence[row]),
        agreeing=int(counted.agreeing[row]),
        conflicting=int(counted.conflicting[row]),
        share=int(counted.agreeing[row] - counted.conflicting[row]) / len(RULES),
        valid=bool(counted.valid[row]),
        outcome=outcome,
        reason=_reason(outcome, confidence),
        stance=STANCES[int(scored.votes.direction[row])],
        confidence=confidence,
    )


def _rule_views(scored: Scored, row: int) -> tuple[RuleView, ...]:
    return tuple(
        RuleView(
            name=rule.name,
            label=rule.label,
            value=float(values[row]),
            unit=rule.unit,
            threshold=rule.threshold,
            stance=STANCES[int(stances[row]) if rule.sided else 0],
            standing=standing,
        )
        for rule, values, stances, standing in zip(
            RULES, scored.values, scored.stances, _standings(scored, row), strict=True
        )
    )


def _standings(scored: Scored, row: int) -> list[Standing]:
    """In the order of RULES."""
    side = int(scored.rules.side[row])
    return [
        _standing(int(stances[row]), side if rule.sided else abs(side))
        for rule, stances in zip(RULES, scored.stances, strict=True)
    ]


def _standing(sign: int, side: int) -> Standing:
    if sign == 0:
        return Standing.SILENT
    if side == 0:
        return Standing.TIED
    return Standing.AGREEING if sign == side else Standing.CONFLICTING


def _named(standings: Sequence[Standing], wanted: Standing) -> str:
    names = (rule.name for rule, standing in zip(RULES, standings, strict=True) if standing is wanted)
    return ", ".join(names) or "none"


def _reason(outcome: Outcome, confidence: int) -> str:
    if outcome.tenths and not confidence:
        return f"{outcome.value}, and what is left is too weak to take a side"
    return outcome.value


def _absence(scored: Scored, features: Features, row: int) -> str:
    if row + 1 < scored.needed:
        return f"{row + 1} closed bars, {scored.needed} are needed"
    columns = (features.garman_klass, *scored.categories, *scored.values)
    names = ("Garman-Klass volatility", *(c.name for c in CATEGORIES), *(r.label for r in RULES))
    unknown = [name for name, column in zip(names, columns, strict=True) if not np.isfinite(column[row])]
    return f"not known, the market stood still or without volume: {', '.join(unknown)}"


# --- the persona ------------------------------------------------------------------------------------------------------

LEADS = {
    Stance.LONG: "Score and rules favour the upside",
    Stance.SHORT: "Score and rules favour the downside",
    Stance.NEUTRAL: "Score and rules make no case",
}


class Sigma:
    """Votes with the orchestrator: the score's side, at the confidence that the rules leave it."""

    name = "sigma"
    instant = True

    def __init__(self, seat: Seat) -> None:
        self._scored = Latest(lambda features: score(features, min_bars=seat.min_bars))

    def votes(self, features: Features) -> Votes:
        return self._scored(features).votes

    def explain(self, features: Features, row: int) -> SigmaView:
        """Raises NoEvidence where it abstains."""
        return _view(self._scored(features), features, row)

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        scored, row = self._scored(snapshot.features), snapshot.row
        if scored.votes.absent[row]:
            return Abstention(persona=self.name, reason=_absence(scored, snapshot.features, row))
        standings = _standings(scored, row)
        return Opinion(
            persona=self.name,
            stance=STANCES[int(scored.votes.direction[row])],
            confidence=int(scored.votes.confidence[row]),
            thesis=_thesis(scored, row, standings),
            evidence=_facts(scored, snapshot, standings),
        )


def _facts(scored: Scored, snapshot: Snapshot, standings: Sequence[Standing]) -> tuple[Evidence, ...]:
    """V1 by category, V2 by rule that fired, and what became of them."""
    row, source, closed = snapshot.row, f"{span_text(snapshot.every)} candles", bar_closed_at(snapshot)
    rules = zip(RULES, scored.values, standings, strict=True)
    figures = (
        *((c.label, column[row], "") for c, column in zip(CATEGORIES, scored.categories, strict=True)),
        ("V1 before damping", scored.before[row], ""),
        ("Garman-Klass volatility", snapshot.features.garman_klass[row], "a year"),
        ("V1 score", int(scored.score[row]) / MICRO, ""),
        *((rule.label, column[row], rule.unit) for rule, column, s in rules if s is not Standing.SILENT),
        ("V2 rules agreeing", scored.rules.agreeing[row], "rules"),
        ("V2 rules in conflict", scored.rules.conflicting[row], "rules"),
        ("orchestrator", OUTCOMES[scored.outcomes[row]].tenths / 10, "x score"),
    )
    return tuple(Evidence(label=t, value=float(v), unit=u, source=source, as_of=closed) for t, v, u in figures)


def _thesis(scored: Scored, row: int, standings: Sequence[Standing]) -> str:
    """Every number in it is one of the facts, rounded."""
    counted, outcome = scored.rules, OUTCOMES[scored.outcomes[row]]
    categories = zip(CATEGORIES, scored.categories, strict=True)
    parts = ", ".join(f"{c.name} {float(column[row]):.2f}" for c, column in categories)
    score, before = int(scored.score[row]) / MICRO, float(scored.before[row])
    total = f"the score is {score:.2f}, before damping {before:.2f} ({parts})"
    side = STANCES[int(counted.side[row])]
    rules = "rules are tied" if side is Stance.NEUTRAL else f"rules say {side.value}"
    agreeing = f"{int(counted.agreeing[row])} agree ({_named(standings, Standing.AGREEING)})"
    conflicting = f"{int(counted.conflicting[row])} in conflict ({_named(standings, Standing.CONFLICTING)})"
    so = f"x {outcome.tenths / 10:.1f}" if outcome.tenths else "wait"
    reason = _reason(outcome, int(scored.votes.confidence[row]))
    lead = LEADS[STANCES[int(scored.votes.direction[row])]]
    return f"{lead}: {total}; the {rules}, {agreeing}, {conflicting}; {reason}: {so}."
