"""How much: margin by the judge's confidence, capped by what the stop may cost. A plan is only ever made smaller."""

from decimal import Decimal

from trading.decision import MICRO, Plan, shown
from trading.identity import client_id
from trading.model import DecisionId, Direction, Instrument, Leg, Protection, Quote
from trading.playbook import Exits, Playbook, Sizing


def margin_fraction(confidence: int, sizing: Sizing) -> Decimal:
    """Fraction of equity committed as margin at a confidence in millionths; steps are strict (`above`)."""
    step = next((s.margin for s in sizing.steps if confidence > int(s.above * MICRO)), sizing.otherwise)
    return min(max(step, sizing.floor), sizing.ceiling)


def protection_for(
    desk: str, decision: DecisionId, *, direction: Direction, price: Decimal, exits: Exits, instrument: Instrument
) -> Protection:
    """Stop and target around `price`, rounded away from it, so that neither is nearer than the playbook says."""
    long = direction is Direction.LONG
    return Protection(
        stop_id=client_id(desk, decision, Leg.STOP),
        stop=instrument.round_trigger(price * (1 - direction.sign * exits.stop_loss), up=not long),
        target_id=client_id(desk, decision, Leg.TARGET),
        target=instrument.round_trigger(price * (1 + direction.sign * exits.take_profit), up=long),
    )


def plan_entry(
    *,
    desk: str,
    decision: DecisionId,
    direction: Direction,
    confidence: int,
    equity: Decimal,
    quote: Quote,
    instrument: Instrument,
    playbook: Playbook,
    exits: Exits,
) -> Plan:
    """The entry as it would be sent. Whether it may be is the gate's business; a quantity of 0 fails there."""
    price = quote.ask if direction is Direction.LONG else quote.bid
    leverage = min(playbook.sizing.leverage, playbook.limits.max_leverage, instrument.max_leverage)
    fraction = margin_fraction(confidence, playbook.sizing)
    by_confidence = equity * fraction * leverage
    by_risk = equity * playbook.limits.max_risk / exits.stop_loss
    notional = min(by_confidence, by_risk)
    quantity = instrument.round_quantity(max(notional, Decimal(0)) / price)
    bound = "" if by_confidence <= by_risk else f", cut to {playbook.limits.max_risk:.1%} of equity at the stop"
    return Plan(
        symbol=instrument.symbol,
        direction=direction,
        quantity=quantity,
        price=price,
        leverage=leverage,
        margin=quantity * price / leverage,
        notional=quantity * price,
        protection=protection_for(desk, decision, direction=direction, price=price, exits=exits, instrument=instrument),
        method="confidence",
        size_note=f"confidence {shown(confidence)}: {fraction:.1%} of equity as margin at {leverage}x{bound}",
    )
