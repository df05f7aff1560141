"""Votes -> Verdict. Whole numbers only: borders and ties are exact, and the same lines serve one bar or a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trading.decision import MICRO, Abstention, Action, Decision, Opinion, Ruling, Tally, Verdict, shown
from trading.model import Direction
from trading.playbook import JudgePolicy, Quorum
from trading.policies import Unavailable, ValidationPolicy

JUDGE, VALIDATOR = "judge", "validator"  # whose rulings they are
APPROVE, REJECT = "approve", "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One persona's vote on one bar (ints and bools) or on many (int64 and bool columns of one length)."""

    weight: int  # thousandths
    conviction: Any  # signed millionths; 0 is neutral, and 0 where missing
    missing: Any  # failed, stale or abstained


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """What the votes add up to; each field a number or a column. See `Tally` for the units."""

    long: Any
    short: Any
    missing: Any
    neutral_weight: Any
    directional_weight: Any
    missing_weight: Any
    side: Any  # 1, -1 or 0: who leads by strength, company and dominance
    standing: Any
    confidence: Any


def strengths(votes: Sequence[Vote], policy: JudgePolicy) -> Strengths:
    """Add up the votes. Only +, *, //, comparisons and & are used: they mean the same for ints and for columns.

    A missing vote counts as hostile to whoever leads: it is subtracted from the lead, it counts as part of the loser
    for dominance, and it weighs in the denominator. So losing a voter can never create or turn an entry.
    """
    hostile = int(policy.quorum is Quorum.WORST_CASE)
    long = short = missing_weight = directional = neutral = longs = shorts = 0
    for v in votes:
        rising, falling = v.conviction > 0, v.conviction < 0
        long += v.weight * v.conviction * rising
        short -= v.weight * v.conviction * falling
        missing_weight += v.weight * v.missing * hostile
        directional += v.weight * (v.conviction != 0)
        neutral += v.weight * (v.conviction == 0) * (v.missing == 0)
        longs += 1 * rising
        shorts += 1 * falling
    missing = missing_weight * MICRO
    margin = int(policy.dominance * 1000)

    up = (long - short - missing > 0) & (longs >= policy.min_agreeing) & (long * 1000 >= margin * (short + missing))
    down = (short - long - missing > 0) & (shorts >= policy.min_agreeing) & (short * 1000 >= margin * (long + missing))
    lead = up * (long - short - missing) + down * (short - long - missing)
    weight = (directional + missing_weight) * 1000 + neutral * int(policy.drag * 1000)
    return Strengths(
        long=long,
        short=short,
        missing=missing,
        neutral_weight=neutral,
        directional_weight=directional,
        missing_weight=missing_weight,
        side=1 * up - 1 * down,
        standing=up * longs + down * shorts,
        confidence=lead * 1000 // (weight + (weight == 0)),  # rounded down: never up into a trade
    )


def judge(opinions: Sequence[Opinion | Abstention], weights: Mapping[str, int], policy: JudgePolicy) -> Verdict:
    """The verdict over the personas that exist here (`weights`, thousandths). One that has not spoken is missing."""
    spoken = {o.persona: o for o in opinions if isinstance(o, Opinion)}
    votes = [
        Vote(weight=w, conviction=spoken[p].conviction if p in spoken else 0, missing=p not in spoken)
        for p, w in weights.items()
    ]
    s = strengths(votes, policy)
    lead = {1: Action.LONG, -1: Action.SHORT, 0: Action.WAIT}[s.side]
    tally = Tally(
        long=s.long,
        short=s.short,
        missing=s.missing,
        neutral_weight=s.neutral_weight,
        directional_weight=s.directional_weight,
        missing_weight=s.missing_weight,
        standing=s.standing,
        confidence=s.confidence,
        lead=lead,
    )
    if s.side and s.confidence >= int(policy.min_confidence * MICRO):
        return Verdict(action=lead, confidence=s.confidence, reason=_for_entry(tally, policy), tally=tally)
    return Verdict(action=Action.WAIT, confidence=s.confidence, reason=_for_waiting(tally, policy), tally=tally)


def by_hand(heard: Verdict, direction: Direction, by: str, policy: JudgePolicy) -> Verdict:
    """A person's side in place of the judge's. Nobody has measured how sure he is, so it counts as just confident
    enough to trade: it is sized like the weakest verdict that may, and the breaker's THROTTLE asks for more than that.
    """
    return Verdict(
        action=Action(direction.value),
        confidence=int(policy.min_confidence * MICRO),
        reason=f"{direction.value} by hand, {by}; the judge said {heard.action.value}: {heard.reason}",
        tally=heard.tally,
    )


def bounded(
    verdict: Verdict,
    rulings: Sequence[Ruling | Abstention],
    policy: JudgePolicy,
    validation: ValidationPolicy | None,
) -> Verdict:
    """The verdict after what models said of it: they can lower its confidence or stop it, never raise or turn it.

    A model that was to be asked and has no ruling here is unavailable, whatever kept it.
    """
    if policy.model and verdict.action is not Action.WAIT:
        verdict = _judged(verdict, _ruling(JUDGE, rulings), policy)
    if validation and verdict.action is not Action.WAIT:
        verdict = _validated(verdict, _ruling(VALIDATOR, rulings), validation)
    return verdict


def _ruling(who: str, rulings: Sequence[Ruling | Abstention]) -> Ruling | None:
    return next((r for r in rulings if isinstance(r, Ruling) and r.who == who), None)


def _judged(verdict: Verdict, ruling: Ruling | None, policy: JudgePolicy) -> Verdict:
    if ruling is None:
        return _without("the judge's model", verdict, policy.unavailable)
    if ruling.said != verdict.action.value:
        return _stopped(verdict, f"{verdict.action.value} by the votes, but the judge's model says {ruling.said}")
    said = verdict.confidence if ruling.confidence is None else ruling.confidence
    if said >= verdict.confidence:
        return replace(verdict, reason=f"{verdict.reason}; the judge's model agrees")
    lower = replace(verdict, confidence=said)
    words = f"the judge's model lowers it to {shown(said)}"
    if said < int(policy.min_confidence * MICRO):
        return _stopped(lower, f"{verdict.action.value} by the votes, but {words}, under {policy.min_confidence:.2f}")
    return replace(lower, reason=f"{verdict.reason}; {words}")


def _validated(verdict: Verdict, ruling: Ruling | None, policy: ValidationPolicy) -> Verdict:
    if ruling is None:
        return _without("the validator", verdict, policy.unavailable)
    if ruling.said != APPROVE:
        return _stopped(verdict, f"{verdict.action.value} by the votes, but the validator rejects it")
    return replace(verdict, reason=f"{verdict.reason}; the validator approves")


def _without(who: str, verdict: Verdict, then: Unavailable) -> Verdict:
    if then is Unavailable.MECHANICAL:
        return replace(verdict, reason=f"{verdict.reason}; without {who}, which gave no answer")
    return _stopped(verdict, f"{verdict.action.value} by the votes, but {who} gave no answer")


def _stopped(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, action=Action.WAIT, reason=reason)


def rejudged(decision: Decision, policy: JudgePolicy, validation: ValidationPolicy | None = None) -> Verdict:
    """The verdict again, from the record alone; the policies may be others than it was made under.

    What models said of it is taken from the record where the policies have them say anything.
    """
    heard = judge(decision.opinions, decision.weights, policy)
    if decision.by:  # a person's side is his own: no model was asked about it
        return by_hand(heard, decision.verdict.action.direction, decision.by, policy)
    return bounded(heard, decision.rulings, policy, validation)


def _points(strength: int) -> str:
    """Billionths as the weight x confidence that people can add up: 1_500_000_000 -> "1.50"."""
    return f"{strength / 1e9:.2f}"


def _for_entry(t: Tally, policy: JudgePolicy) -> str:
    voices = "1 voice" if t.standing == 1 else f"{t.standing} voices"
    return (
        f"{t.lead.value} leads {_points(max(t.long, t.short))} to {_points(min(t.long, t.short))} "
        f"with {voices}; "
        f"confidence {shown(t.confidence)} reaches {policy.min_confidence:.2f}"
    )


def _for_waiting(t: Tally, policy: JudgePolicy) -> str:
    if t.lead is not Action.WAIT:
        return f"{t.lead.value} leads, but confidence {shown(t.confidence)} is under {policy.min_confidence:.2f}"
    if t.long == t.short:
        return "nobody leads" if t.long == 0 else f"a tie at {_points(t.long)}"
    ahead, behind = max(t.long, t.short), min(t.long, t.short)
    side = "long" if t.long > t.short else "short"
    if ahead <= behind + t.missing:
        return (
            f"{side} has {_points(ahead)}, not more than {_points(behind)} against it and {_points(t.missing)} missing"
        )
    if ahead * 1000 < int(policy.dominance * 1000) * (behind + t.missing):
        return f"{side} leads {_points(ahead)} to {_points(behind + t.missing)}, less than {policy.dominance} times"
    return f"{side} leads with fewer than {policy.min_agreeing} voices"
