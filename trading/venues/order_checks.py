"""What every venue takes and refuses alike: sizes, prices, leverage, stops and targets on their own sides. Pure.

A refusal is an OrderRejected with a plain reason and a code: step, min_quantity, max_quantity, min_notional, tick,
leverage, reduce_only, trigger, protection, duplicate.
"""

from decimal import Decimal

from trading.errors import OrderRejected
from trading.model import Instrument, Order, OrderKind, Protection, Quote, Side

TRIGGERED = (OrderKind.STOP, OrderKind.TAKE_PROFIT)


def touch(quote: Quote, side: Side) -> Decimal:
    """What a taker on this side meets."""
    return quote.ask if side is Side.BUY else quote.bid


def reached(order: Order, mark: Decimal) -> bool:
    """Whether `mark` is at or beyond the trigger of a stop or take-profit order."""
    if order.trigger is None:
        return False
    falls = (order.side is Side.SELL) == (order.kind is OrderKind.STOP)
    return mark <= order.trigger if falls else mark >= order.trigger


def _refuse(code: str, reason: str) -> None:
    raise OrderRejected(reason, code=code)


def check_size(order: Order, instrument: Instrument, *, price: Decimal, closes_all: bool) -> None:
    """A size is refused, never mended.

    An order that closes all that is open may be below the minimum: what a partial fill has left must not be stuck.
    """
    if order.quantity % instrument.step:
        _refuse("step", f"quantity {order.quantity} is not a multiple of the step {instrument.step}")
    if order.quantity < instrument.min_quantity and not closes_all:
        _refuse("min_quantity", f"quantity {order.quantity} is below the minimum {instrument.min_quantity}")
    if order.quantity > instrument.max_quantity:
        _refuse("max_quantity", f"quantity {order.quantity} is above the maximum {instrument.max_quantity}")
    if not order.reduce_only and order.quantity * price < instrument.min_notional:
        _refuse("min_notional", f"notional {order.quantity * price} is below the minimum {instrument.min_notional}")


def check_terms(order: Order, instrument: Instrument, quote: Quote) -> None:
    """Prices on the tick, leverage within bounds, triggers that guard and are not passed yet."""
    for price in (order.price, order.trigger):
        if price is not None and (price <= 0 or price % instrument.tick):
            _refuse("tick", f"price {price} is not a positive multiple of the tick {instrument.tick}")
    if not 1 <= order.leverage <= instrument.max_leverage:
        _refuse("leverage", f"leverage {order.leverage} is outside 1..{instrument.max_leverage}")
    if not order.reduce_only and order.leverage * instrument.maintenance >= 1:
        _refuse("leverage", f"at leverage {order.leverage} the position would be liquidated at once")
    if order.kind in TRIGGERED and not order.reduce_only:
        _refuse("reduce_only", f"a {order.kind} order must be reduce-only")
    if order.kind in TRIGGERED and reached(order, quote.mark):
        _refuse("trigger", f"trigger {order.trigger} is already passed: the mark is {quote.mark}")


def check_protection(order: Order, guard: Protection, instrument: Instrument, *, low: Decimal, high: Decimal) -> None:
    """Stop and target must enclose `low` to `high`: the price of the entry and, when it fills now, the mark."""
    if order.reduce_only or order.kind in TRIGGERED:
        _refuse("protection", "protection can only ride on an entry")
    if guard.stop_id == guard.target_id or order.client_id in (guard.stop_id, guard.target_id):
        _refuse("duplicate", "an order and its protection need three different client ids")
    for name, trigger in (("stop", guard.stop), ("target", guard.target)):
        if trigger <= 0 or trigger % instrument.tick:
            _refuse("tick", f"{name} {trigger} is not a positive multiple of the tick {instrument.tick}")
    below, above = (guard.stop, guard.target) if order.side is Side.BUY else (guard.target, guard.stop)
    if not below < low <= high < above:
        _refuse("protection", f"stop {guard.stop}, target {guard.target}: not on their own sides of {low}..{high}")
