"""What the desk learns from what happens to it: a fold over events, written in their own transaction. Pure.

Every decision is a call to each side that was taken, and what became of one says what its confidence was worth. A
closed trade is evidence for the size of the next ones, a shadow trade for the way back, a fill shows what prices cost
more than expected, an order that failed shows how the venue does. Evidence belongs to the playbook that made the trade;
only the running one has a policy to judge it by, so what another one's leftovers come to is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from trading.calibration import labelled
from trading.calls import JUDGE, attended, opened, without
from trading.decision import Decision
from trading.events import (
    CallScored,
    DecisionMade,
    Event,
    OrderEnded,
    OrderFilled,
    PlaybookChanged,
    ShadowClosed,
    ShadowOpened,
    SizingChanged,
    TradeClosed,
)
from trading.model import Fill, Leg, Order, OrderStatus, Side, Trade
from trading.playbook import Playbook
from trading.risk.expectancy import Evidence, Method, is_stopped, risk_fraction
from trading.state import DeskState, Samples

QUIET = (DecisionMade, CallScored)  # what they teach changes nothing that the desk does now
TEACHING = (TradeClosed, ShadowOpened, ShadowClosed, OrderFilled, OrderEnded, PlaybookChanged, *QUIET)
FAILED = (OrderStatus.REJECTED, OrderStatus.ABANDONED)
OF_THE_DESK = (Leg.ENTRY, Leg.PARTIAL, Leg.CLOSE)  # sent by itself; a guard goes with its entry
_DIGIT = Decimal("1e-9")
_TAUGHT = ("samples", "evidence", "shadow", "health", "calls", "attendance", "judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    changes: dict[str, Any]  # of the desk's state
    events: tuple[Event, ...] = ()  # what follows from it


NOTHING_LEARNED = Lesson(changes={})


def learned(state: DeskState, events: Sequence[Event], playbook: Playbook) -> Lesson:
    """What the state becomes by these events, in their order, and whether that changes how trades are sized."""
    if not events:
        return NOTHING_LEARNED
    after = _heard(state, [e.decision for e in events if isinstance(e, DecisionMade)], playbook)
    for event in events:
        after = _after(after, event, playbook)
    changes = {name: value for name in _TAUGHT if (value := getattr(after, name)) is not getattr(state, name)}
    return Lesson(changes=changes, events=_resized(state, after, events[-1].at, playbook))


def evidence_of(state: DeskState, playbook: str) -> Evidence:
    return state.evidence.get(playbook) or Evidence()


def _after(state: DeskState, event: Event, playbook: Playbook) -> DeskState:
    match event:
        case OrderFilled(order=order, fill=fill) if order.expected is not None:
            return replace(state, samples=_slipped(state.samples, fill, order.expected, playbook.breaker.samples))
        case OrderEnded(order=order, at=at) if not event.withdrawn and _has_failed(order):
            recent = [f for f in state.samples.failures if f > at - playbook.breaker.failures_within]
            return replace(state, samples=replace(state.samples, failures=(*recent, at)))
        case TradeClosed(trade=trade):
            return _judged(state, trade, playbook)
        case ShadowOpened(position=position):
            return replace(state, shadow=(*state.shadow, position))
        case ShadowClosed(trade=trade):
            left = tuple(p for p in state.shadow if p.id != trade.id)
            return _judged_by_shadow(replace(state, shadow=left), trade, playbook)
        case CallScored():
            return _labelled(state, event)
        case PlaybookChanged():  # its successor is judged by trades of its own
            return replace(state, shadow=(), health=None)
        case _:
            return state


def _heard(state: DeskState, decisions: Sequence[Decision], playbook: Playbook) -> DeskState:
    """Who was asked in one round, and the calls that were made in it."""
    if not decisions:
        return state
    calls = state.calls
    for decision in decisions:
        phase = playbook.phase_named(decision.phase)
        horizon = phase.max_hold if phase and phase.max_hold is not None else playbook.exits.max_hold
        calls = opened(calls, decision, horizon)
    return replace(state, calls=calls, attendance=attended(state.attendance, decisions))


def _labelled(state: DeskState, event: CallScored) -> DeskState:
    """The call is over; what the judge stated is worth what came of it."""
    calls, judged = without(state.calls, event.persona, event.symbol), state.judged
    if event.persona == JUDGE:
        judged = labelled(judged, event.model, event.direction, stated=event.confidence, right=event.right)
    return replace(state, calls=calls, judged=judged)


def _has_failed(order: Order) -> bool:
    return order.leg in OF_THE_DESK and order.status in FAILED


def _slipped(samples: Samples, fill: Fill, expected: Decimal, last: int) -> Samples:
    worse = (fill.price - expected) / expected * (1 if fill.side is Side.BUY else -1)
    slippages = (*samples.slippages, worse.quantize(_DIGIT))[-last:]
    slipped_at = (*samples.slipped_at, fill.at)[-last:]
    return replace(samples, slippages=slippages, slipped_at=slipped_at, last_fill=fill.id)


def _judged(state: DeskState, trade: Trade, playbook: Playbook) -> DeskState:
    if playbook.expectancy is None or trade.playbook != playbook.name:
        return state
    after = evidence_of(state, playbook.name).after_trade(trade.net, playbook.expectancy)
    return replace(state, evidence={**state.evidence, playbook.name: after})


def _judged_by_shadow(state: DeskState, trade: Trade, playbook: Playbook) -> DeskState:
    """The trade that leads back ends the shadow: what is still open in it is followed no longer."""
    policy = playbook.expectancy
    if policy is None or trade.playbook != playbook.name:
        return state
    before = evidence_of(state, playbook.name)
    after = before.after_shadow(trade.net, policy)
    back = is_stopped(before, policy) and not is_stopped(after, policy)
    shadow = () if back else state.shadow
    return replace(state, evidence={**state.evidence, playbook.name: after}, shadow=shadow)


def _resized(before: DeskState, after: DeskState, at: datetime, playbook: Playbook) -> tuple[Event, ...]:
    policy, name = playbook.expectancy, playbook.name
    if policy is None or before.evidence is after.evidence:
        return ()
    was, now = (risk_fraction(evidence_of(state, name), policy) for state in (before, after))
    if was.method is now.method:
        return ()
    dropped = len(before.shadow) - 1 if now.method is Method.RETURNING else 0
    rest = f"; {dropped} open shadow trades are followed no longer" if dropped > 0 else ""
    return (SizingChanged(at=at, playbook=name, before=was.method, after=now.method, note=now.words + rest),)
