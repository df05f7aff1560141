"""Positions from fills: exact arithmetic, no rounding that could lose a digit. Pure."""

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from trading.errors import BadRecord
from trading.model import (
    ZERO,
    ExitReason,
    Fill,
    FundingPayment,
    Guard,
    Order,
    Position,
    PositionId,
    Trade,
)

COST_STEP = Decimal("1e-8")  # a closed part takes its share of the cost rounded to this, the rest is what is left


def opened(order: Order, fill: Fill, *, playbook: str) -> Position:
    """The position that the first fill of an entry makes. Raises BadRecord when the order carries no guard."""
    if order.protection is None or order.plan is None:
        raise BadRecord(f"entry {order.client_id} has no protection and exits of its own")
    cost = fill.price * fill.quantity
    direction = order.direction
    return Position(
        id=PositionId(order.decision_id),
        symbol=order.symbol,
        direction=direction,
        quantity=fill.quantity,
        cost=cost,
        leverage=order.leverage,
        opened_at=fill.at,
        plan=order.plan,
        protection=order.protection,
        playbook=playbook,
        entry_quantity=fill.quantity,
        entry_cost=cost,
        fees=fill.fee,
        guard=Guard.PENDING,
        guard_since=fill.at,
    )


def increased(position: Position, fill: Fill) -> Position:
    """A further fill of the same entry. The guard must be seen again: it has to cover more."""
    cost = fill.price * fill.quantity
    return replace(
        position,
        quantity=position.quantity + fill.quantity,
        cost=position.cost + cost,
        entry_quantity=position.entry_quantity + fill.quantity,
        entry_cost=position.entry_cost + cost,
        fees=position.fees + fill.fee,
        guard=Guard.PENDING,
        guard_since=fill.at,
    )


def reduced(position: Position, fill: Fill) -> Position | None:
    """What is left after a closing fill; None when it is flat. Raises BadRecord when more was closed than is open."""
    left = position.quantity - fill.quantity
    if left < 0:
        raise BadRecord(f"{position.id}: {fill.quantity} closed of {position.quantity} open")
    if left == 0:
        return None
    share = (position.cost * (fill.quantity / position.quantity)).quantize(COST_STEP, ROUND_HALF_EVEN)
    return replace(
        position,
        quantity=left,
        cost=position.cost - share,
        exit_quantity=position.exit_quantity + fill.quantity,
        exit_value=position.exit_value + fill.price * fill.quantity,
        fees=position.fees + fill.fee,
    )


def closed(position: Position, fill: Fill, *, reason: ExitReason, note: str) -> Trade:
    """The round trip that the last fill completes. Its P&L comes from sums of fills, not from averages."""
    exit_quantity = position.exit_quantity + fill.quantity
    exit_value = position.exit_value + fill.price * fill.quantity
    gross = (exit_value - position.entry_cost) * position.direction.sign
    fees = position.fees + fill.fee
    net = gross - fees + position.funding
    return Trade(
        id=position.id,
        symbol=position.symbol,
        direction=position.direction,
        quantity=position.entry_quantity,
        entry=position.entry_cost / position.entry_quantity,
        exit=exit_value / exit_quantity,
        opened_at=position.opened_at,
        closed_at=fill.at,
        gross=gross,
        fees=fees,
        funding=position.funding,
        r=(net / position.risk).quantize(Decimal("0.0001")) if position.risk else ZERO,
        reason=reason,
        note=note,
        playbook=position.playbook,
        leverage=position.leverage,
    )


def funded(position: Position, payment: FundingPayment) -> Position:
    return replace(position, funding=position.funding + payment.amount)
