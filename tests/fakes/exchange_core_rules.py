"""What the emulated exchange refuses when an order is placed."""

from decimal import Decimal

from tests.fakes.exchange_core_market import Market
from tests.fakes.exchange_core_values import CoreOrder, CorePosition, Refused, Side, Spec


def check_shape(order: CoreOrder, spec: Spec) -> None:
    """Steps, ticks and sizes: what can be said without looking at the market or the account."""
    if not spec.api:
        raise Refused("symbol", f"{order.native} is not tradable through the API")
    if order.kind == "LIMIT" and order.price is None:
        raise Refused("price", "a limit order needs a price")
    if order.conditional and order.trigger is None:
        raise Refused("triggers", "a conditional order needs a trigger")
    for price in (order.price, order.trigger, *order.attach):
        _check_price(price, spec)
    if order.close_all and order.quantity == 0:
        return
    _check_quantity(order, spec)


def _check_price(price: Decimal | None, spec: Spec) -> None:
    if price is not None and price <= 0:
        raise Refused("price", "the price must be greater than zero")
    if price is not None and price % spec.tick != 0:
        raise Refused("tick", f"{price} is off the tick {spec.tick}")


def _check_quantity(order: CoreOrder, spec: Spec) -> None:
    quantity = order.quantity
    if quantity <= 0 or quantity < spec.min_quantity:
        raise Refused("min", f"{quantity} is under {spec.min_quantity}")
    if quantity % spec.step != 0:
        raise Refused("step", f"{quantity} is off the step {spec.step}")
    most = spec.max_quantity if order.kind == "LIMIT" else spec.max_market
    if quantity > most:
        raise Refused("max", f"{quantity} is over {most}")


def check_prices(order: CoreOrder, market: Market) -> None:
    """The price against the market: notional, band, triggers on the right side."""
    at = order.price or order.trigger or (market.ask if order.side == "BUY" else market.bid)
    if not (order.reduce_only or order.close_all) and order.quantity * at < market.spec.min_notional:
        raise Refused("notional", f"{order.quantity * at} is under {market.spec.min_notional}")
    if order.price is not None:
        _check_band(order.side, order.price, market)
    if order.conditional and order.trigger is not None and fires(order, order.trigger, market):
        raise Refused("triggers", "it would fire at once")
    stop, target = order.attach
    here = market.mark
    up = order.side == "BUY"
    if stop is not None and (stop >= here if up else stop <= here):
        raise Refused("triggers", "the attached stop is on the wrong side of the price")
    if target is not None and (target <= here if up else target >= here):
        raise Refused("triggers", "the attached target is on the wrong side of the price")


def _check_band(side: Side, price: Decimal, market: Market) -> None:
    reach = market.mark * market.spec.band
    if (side == "BUY" and price > market.mark + reach) or (side == "SELL" and price < market.mark - reach):
        raise Refused("price", f"{price} is too far past {market.mark}")


def fires(order: CoreOrder, trigger: Decimal, market: Market) -> bool:
    """Whether a conditional order with that trigger would fire now."""
    price = market.mark if order.working == "MARK" else market.last
    return price >= trigger if fires_rising(order) else price <= trigger


def fires_rising(order: CoreOrder) -> bool:
    return (order.kind == "STOP_MARKET") == (order.side == "BUY")


def reached(order: CoreOrder, price: Decimal) -> bool:
    """Whether a trade at that price fills a resting order."""
    if order.price is None:
        return False
    return price <= order.price if order.side == "BUY" else price >= order.price


def twin(one: CoreOrder, other: CoreOrder) -> bool:
    """The same kind of guard on the same side of the same instrument."""
    return one.conditional and (one.native, one.direction, one.kind) == (other.native, other.direction, other.kind)


def about(order: CoreOrder, position: CorePosition) -> bool:
    return (order.native, order.direction) == (position.native, position.direction)
