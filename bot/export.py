"""Records for other programs: journal events as JSON lines. Every field is named in docs/records.md. Pure.

Names are stable: a field may be added, none is renamed or changes its meaning. Money, prices, quantities, fractions and
confidences are exact decimals as text; measured evidence is a number; times are UTC; what is not known is null.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import orjson

from bot.export_voices import Line, calibrated, micro, ruling, spoken
from trading.breaker import Cause
from trading.decision import MICRO, Abstention, Approved, Decision, Denied, GateAnswer, Opinion, Plan, Tally
from trading.events import (
    BreakerTripped,
    DecisionMade,
    Event,
    OrderEnded,
    OrderUncertain,
    ProtectionFailed,
    ShadowClosed,
    StopNotMoved,
    TradeClosed,
    VenueLost,
)
from trading.model import Leg, Order, OrderStatus, Trade

_MILLI = 1000
_LINES = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_FAILED = (OrderStatus.REJECTED, OrderStatus.ABANDONED, OrderStatus.EXPIRED)
_GUARDS = (Leg.STOP, Leg.TARGET)


class Lines:
    """What one kind of export makes of the journal."""

    def __init__(self, kind: str) -> None:
        self._makers = KINDS[kind]
        self.events = tuple(cls.__name__ for cls in self._makers)
        self.outcomes = OUTCOMES.get(kind)  # of the decisions that are wanted; None: all

    def of(self, seq: int, event: Event) -> Iterator[bytes]:
        """Each a whole line with its end; none for an event that is no such record after all."""
        for line in self._makers[type(event)](event):
            yield orjson.dumps({"seq": seq, "at": event.at, **line}, default=_plain, option=_LINES)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no place in an export")


# --- decisions --------------------------------------------------------------------------------------------------------


def _decision(event: DecisionMade) -> Iterator[Line]:
    d = event.decision
    gate = d.gate
    yield {
        "kind": "decision",
        "decision": d.id,
        "symbol": d.symbol,
        "trigger": d.trigger,
        "by": d.by,
        "playbook": d.playbook,
        "settings": d.playbook_hash,
        "phase": d.phase,
        "market": d.seen.source,
        "outcome": d.outcome,
        "action": d.verdict.action,
        "confidence": micro(d.verdict.confidence),
        "reason": d.verdict.reason,
        "seen": _seen(d),
        "votes": [_vote(o, d.weights) for o in d.opinions],
        "tally": _tally(d.verdict.tally),
        "rulings": [ruling(r) for r in d.rulings],
        "calibrated": calibrated(d.calibrated),
        "denied_by": gate.rule if isinstance(gate, Denied) else None,
        "gate": [_answer(a) for a in gate.answers] if gate else [],
        "plan": _plan(gate.plan) if isinstance(gate, Approved) else None,
        "shadow_plan": _plan(gate.would) if isinstance(gate, Denied) and gate.would else None,
    }


def _seen(decision: Decision) -> Line:
    seen = decision.seen
    return {
        "close": seen.close,
        "bid": seen.bid,
        "ask": seen.ask,
        "mark": seen.mark,
        "quote_at": seen.quote_at,
        "bar_closed_at": seen.bar_closed_at,
        "interval": seen.interval,
        "funding_rate": seen.funding_rate,
        "regime": seen.regime,
        "volatility": seen.volatility,
        "atr": seen.atr,
    }


def _vote(said: Opinion | Abstention, weights: dict[str, int]) -> Line:
    opinion = said if isinstance(said, Opinion) else None
    return {
        "persona": said.persona,
        "weight": Decimal(weights[said.persona]) / _MILLI if said.persona in weights else None,
        "stance": opinion and opinion.stance,
        "confidence": opinion and micro(opinion.confidence),
        "thesis": opinion and opinion.thesis,
        "invalidation": opinion and opinion.invalidation,
        "abstained": said.reason if isinstance(said, Abstention) else None,
        "evidence": [
            {"label": e.label, "value": e.value, "unit": e.unit, "source": e.source, "as_of": e.as_of}
            for e in (opinion.evidence if opinion else ())
        ],
        **spoken(said),
    }


def _tally(tally: Tally) -> Line:
    return {
        "long": _billion(tally.long),
        "short": _billion(tally.short),
        "missing": _billion(tally.missing),
        "neutral_weight": Decimal(tally.neutral_weight) / _MILLI,
        "directional_weight": Decimal(tally.directional_weight) / _MILLI,
        "missing_weight": Decimal(tally.missing_weight) / _MILLI,
        "standing": tally.standing,
        "lead": tally.lead,
    }


def _answer(answer: GateAnswer) -> Line:
    return {
        "rule": answer.rule,
        "passed": answer.passed,
        "limit": answer.limit,
        "value": answer.value,
        "reason": answer.reason,
    }


def _plan(plan: Plan) -> Line:
    return {
        "direction": plan.direction,
        "quantity": plan.quantity,
        "price": plan.price,
        "leverage": plan.leverage,
        "margin": plan.margin,
        "notional": plan.notional,
        "stop": plan.protection.stop,
        "target": plan.protection.target,
        "method": plan.method,
        "size_note": plan.size_note,
    }


def _billion(strength: int) -> Decimal:
    return Decimal(strength) / (MICRO * _MILLI)


# --- safety violations ------------------------------------------------------------------------------------------------


def _denial(event: DecisionMade) -> Iterator[Line]:
    d = event.decision
    if isinstance(d.gate, Denied):
        last = d.gate.answers[-1] if d.gate.answers else None
        yield {
            "kind": "denied",
            "symbol": d.symbol,
            "decision": d.id,
            "playbook": d.playbook,
            "rule": d.gate.rule,
            "limit": last.limit if last else None,
            "value": last.value if last else None,
            "reason": d.gate.reason,
        }


def _trip(event: BreakerTripped) -> Iterator[Line]:
    worst = max(event.causes, key=lambda cause: cause.level, default=None)
    yield {
        "kind": "breaker tripped",
        "symbol": None,
        "decision": None,
        "playbook": None,
        "rule": worst.trigger if worst else "circuit breaker",
        "limit": f"{worst.limit:f}" if worst else None,
        "value": f"{worst.value:f}" if worst else None,
        "reason": f"{event.before.name} -> {event.after.name}: {_causes(event.causes)}",
    }


def _causes(causes: Iterable[Cause]) -> str:
    return ", ".join(f"{c.trigger} {c.value:f} from {c.limit:f} on is {c.level.name}" for c in causes)


def _unprotected(event: ProtectionFailed) -> Iterator[Line]:
    p = event.position
    yield {
        "kind": "unprotected",
        "symbol": p.symbol,
        "decision": p.id,
        "playbook": p.playbook,
        "rule": "protection",
        "limit": "stop and target read back from the venue",
        "value": p.guard,
        "reason": "not seen in time: the position is closed",
    }


# --- execution failures -----------------------------------------------------------------------------------------------

_NO_ORDER: Line = dict.fromkeys(("order", "leg", "side", "type", "quantity", "filled", "price"))


def _ended(event: OrderEnded) -> Iterator[Line]:
    order = event.order
    over = order.status is OrderStatus.EXPIRED and order.leg in _GUARDS  # it ended with what it guarded
    if order.status in _FAILED and not over and not event.withdrawn:
        yield _failure(event.order.status.value, event.order, event.order.note)


def _uncertain(event: OrderUncertain) -> Iterator[Line]:
    yield _failure("uncertain", event.order, event.order.note or "no answer: it is being looked up")


def _failure(kind: str, order: Order, reason: str) -> Line:
    return {
        "kind": kind,
        "symbol": order.symbol,
        "decision": order.decision_id,
        "order": order.client_id,
        "leg": order.leg,
        "side": order.side,
        "type": order.kind,
        "quantity": order.quantity,
        "filled": order.filled,
        "price": order.price if order.price is not None else order.trigger,
        "reason": reason,
    }


def _not_moved(event: StopNotMoved) -> Iterator[Line]:
    p = event.position
    yield {
        "kind": "stop not moved",
        "symbol": p.symbol,
        "decision": p.id,
        **_NO_ORDER,
        "order": p.protection.stop_id,
        "leg": "stop",
        "side": p.direction.exit,
        "type": "stop",
        "quantity": p.quantity,
        "price": event.wanted,
        "reason": f"{event.reason}; it stands at {p.protection.stop:f}",
    }


def _venue_lost(event: VenueLost) -> Iterator[Line]:
    yield {"kind": "venue lost", "symbol": None, "decision": None, **_NO_ORDER, "reason": event.detail}


# --- profit and loss --------------------------------------------------------------------------------------------------


def _closed(event: TradeClosed) -> Iterator[Line]:
    yield _trade("trade", event.trade, event.equity)


def _shadow(event: ShadowClosed) -> Iterator[Line]:
    yield _trade("shadow trade", event.trade, None)


def _trade(kind: str, trade: Trade, equity: Decimal | None) -> Line:
    return {
        "kind": kind,
        "decision": trade.id,
        "symbol": trade.symbol,
        "direction": trade.direction,
        "quantity": trade.quantity,
        "entry": trade.entry,
        "exit": trade.exit,
        "leverage": trade.leverage,
        "opened_at": trade.opened_at,
        "closed_at": trade.closed_at,
        "gross": trade.gross,
        "fees": trade.fees,
        "funding": trade.funding,
        "net": trade.net,
        "r": trade.r,
        "reason": trade.reason,
        "note": trade.note,
        "playbook": trade.playbook,
        "equity": equity,
    }


Maker = Callable[[Any], Iterator[Line]]
KINDS: dict[str, dict[type[Event], Maker]] = {
    "decisions": {DecisionMade: _decision},
    "safety_violations": {DecisionMade: _denial, BreakerTripped: _trip, ProtectionFailed: _unprotected},
    "execution_failures": {
        OrderEnded: _ended,
        OrderUncertain: _uncertain,
        StopNotMoved: _not_moved,
        VenueLost: _venue_lost,
    },
    "pnl": {TradeClosed: _closed, ShadowClosed: _shadow},
}
OUTCOMES = {"safety_violations": ("denied",)}
