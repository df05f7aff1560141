"""A call: somebody takes a side on an instrument, and is right or not when its horizon has passed. Pure.

Who has called an instrument makes no other call on it before that: so calls never overlap, and the number of them says
how much has been seen. Beside them it is counted how often each was asked, and what came of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.calibration import CalibrationRecord, calibrated, record_of
from trading.decision import Abstention, Action, Calibrated, Decision, Opinion, Ruling, Stance, Verdict
from trading.model import ZERO, DecisionId, Direction, Symbol
from trading.voice import Voice

JUDGE = "judge"  # the persona of verdicts
HORIZON = timedelta(hours=24)  # where the playbook holds nothing for longer or shorter
GRACE = 10  # a call whose mark is missing waits for one for a tenth of its horizon
KNOWN = 64  # identities that are told apart; a server that calls itself by ever new names ends in one row
OTHERS = "other models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    persona: str  # JUDGE for verdicts
    model: str  # the identity that answered; "" for rules
    symbol: Symbol
    decision_id: DecisionId
    direction: Direction
    confidence: int  # millionths
    at: datetime
    until: datetime  # when its horizon has passed
    price: Decimal  # mark when it was made

    @property
    def horizon(self) -> timedelta:
        return self.until - self.at

    @property
    def forgotten_at(self) -> datetime:
        """A mark that comes later than this says nothing about the horizon any more."""
        return self.until + self.horizon / GRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """How often somebody was asked, and what came of it. asked = sided + neutral + abstained."""

    persona: str
    model: str = ""
    asked: int = 0
    sided: int = 0
    neutral: int = 0
    abstained: int = 0
    failed: int = 0  # of those that abstained
    lost: int = 0  # calls whose horizon passed without a mark
    cost: Decimal = ZERO  # USD
    paid: int = 0  # the newest exchange in the ledger that `cost` holds: one that pairs share is paid once


def is_right(direction: Direction, *, price: Decimal, then: Decimal, costs: Decimal) -> bool:
    """The label "direction-1". `costs`: fraction of price, both ways."""
    return (then - price) * direction.sign > costs * price


# --- calls ---------------------------------------------------------------------------------------------------------


def opened(calls: tuple[Call, ...], decision: Decision, horizon: timedelta | None) -> tuple[Call, ...]:
    """With the calls that a decision makes; the very same where it makes none."""
    held = {call.persona for call in calls if call.symbol == decision.symbol}
    new = [
        _call(decision, horizon or HORIZON, said.persona, identity(said.voice), said.stance.value, said.confidence)
        for said in decision.opinions
        if isinstance(said, Opinion) and said.stance is not Stance.NEUTRAL and said.persona not in held
    ]
    verdict = decision.verdict
    if verdict.action is not Action.WAIT and not decision.by and JUDGE not in held:  # a person's side is no judgement
        model = judge_of(decision.rulings)
        new.append(_call(decision, horizon or HORIZON, JUDGE, model, verdict.action.value, verdict.confidence))
    return (*calls, *new) if new else calls


def _call(decision: Decision, horizon: timedelta, persona: str, model: str, side: str, confidence: int) -> Call:
    return Call(
        persona=persona,
        model=model,
        symbol=decision.symbol,
        decision_id=decision.id,
        direction=Direction(side),
        confidence=confidence,
        at=decision.at,
        until=decision.at + horizon,
        price=decision.seen.mark,
    )


def due(calls: Sequence[Call], now: datetime) -> tuple[Call, ...]:
    """Those whose horizon has passed, in the order they were made."""
    return tuple(call for call in calls if call.until <= now)


def without(calls: tuple[Call, ...], persona: str, symbol: Symbol) -> tuple[Call, ...]:
    """The very same where there is no such call."""
    left = tuple(call for call in calls if (call.persona, call.symbol) != (persona, symbol))
    return left if len(left) < len(calls) else calls


def worth_of(
    records: Sequence[CalibrationRecord], verdict: Verdict, rulings: Sequence[Ruling | Abstention] = ()
) -> Calibrated | None:
    """What the confidence of a verdict by the judge has been worth; None where it waits, or not enough is known."""
    if verdict.action is Action.WAIT:
        return None
    return calibrated(verdict.confidence, record_of(records, judge_of(rulings), verdict.action.direction))


# --- who spoke -----------------------------------------------------------------------------------------------------


def identity(voice: Voice | None) -> str:
    """The model that answered, or the one that was asked where none did; "" for rules."""
    if voice is None:
        return ""
    last = voice.exchanges[-1] if voice.exchanges else None
    return voice.model or (last.returned or last.requested if last else "")


def judge_of(rulings: Sequence[Ruling | Abstention]) -> str:
    """The model whose verdict it is; "" where it is arithmetic."""
    ruling = next((r for r in rulings if isinstance(r, Ruling) and r.who == JUDGE), None)
    return identity(ruling.voice) if ruling else ""


def attended(rows: tuple[Attendance, ...], decisions: Sequence[Decision]) -> tuple[Attendance, ...]:
    """With what these decisions, of one moment, add. An exchange that several of them share is paid once."""
    found = {(row.persona, row.model): row for row in rows}
    new: dict[tuple[str, str], _Count] = {}
    for decision in decisions:
        for persona, voice, what in _heard(decision):
            key = (persona, identity(voice)) if voice else (persona, "")
            if key not in found and key not in new and len(found) + len(new) >= KNOWN:
                key = persona, OTHERS
            count = new.get(key) or new.setdefault(key, _Count())
            count.came_to[what] += 1
            if voice is not None:
                count.pay(voice, since=found[key].paid if key in found else 0)
    for key, count in new.items():
        found[key] = count.added_to(found.get(key) or Attendance(persona=key[0], model=key[1]))
    return tuple(found.values())


_SIDED, _NEUTRAL, _ABSTAINED, _FAILED = range(4)


class _Count:
    """What the decisions of one moment add to a row."""

    def __init__(self) -> None:
        self.came_to = [0, 0, 0, 0]
        self.cost = ZERO
        self.paid: set[int] = set()

    def pay(self, voice: Voice, *, since: int) -> None:
        for exchange in voice.exchanges:
            if exchange.id and (exchange.id <= since or exchange.id in self.paid):
                continue
            self.cost += exchange.cost
            self.paid.add(exchange.id)

    def added_to(self, row: Attendance) -> Attendance:
        sided, neutral, abstained, failed = self.came_to
        return replace(
            row,
            asked=row.asked + sided + neutral + abstained + failed,
            sided=row.sided + sided,
            neutral=row.neutral + neutral,
            abstained=row.abstained + abstained + failed,
            failed=row.failed + failed,
            cost=row.cost + self.cost,
            paid=max(row.paid, *self.paid, 0),
        )


def lost(rows: tuple[Attendance, ...], calls: Sequence[Call]) -> tuple[Attendance, ...]:
    """With these calls given up: nobody knows whether they were right."""
    found = {(row.persona, row.model): row for row in rows}
    for call in calls:
        key = call.persona, call.model if (call.persona, call.model) in found else OTHERS
        row = found.get(key) or Attendance(persona=call.persona, model=key[1])
        found[key] = replace(row, lost=row.lost + 1)
    return tuple(found.values())


def _heard(decision: Decision) -> Iterable[tuple[str, Voice | None, int]]:
    """(persona, voice, what it came to) of all that were asked."""
    for said in decision.opinions:
        if isinstance(said, Opinion):
            yield said.persona, said.voice, _NEUTRAL if said.stance is Stance.NEUTRAL else _SIDED
        else:
            yield said.persona, said.voice, _FAILED if said.failed else _ABSTAINED
    judged = False
    for ruling in decision.rulings:
        if isinstance(ruling, Ruling):
            judged |= ruling.who == JUDGE
            yield ruling.who, ruling.voice, _NEUTRAL if ruling.said in ("wait", "reject") else _SIDED
        else:
            judged |= ruling.persona == JUDGE
            yield ruling.persona, ruling.voice, _FAILED if ruling.failed else _ABSTAINED
    if not judged and not decision.by:
        yield JUDGE, None, _NEUTRAL if decision.verdict.action is Action.WAIT else _SIDED
