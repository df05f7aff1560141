"""Where stop and target of an entry stand: the nearest of what the playbook's exits name. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.decision import Abstention, Opinion
from trading.model import Direction, Instrument
from trading.risk.facts import Facts

_SHARE = Decimal("1e-8")  # distances are told to this fraction of price


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    stop: Decimal  # on the tick
    target: Decimal
    stop_loss: Decimal  # their distances before rounding, fractions of price
    take_profit: Decimal


def nearest_invalidation(opinions: Sequence[Opinion | Abstention], direction: Direction) -> Decimal | None:
    """The first price at which a voice for this side gives its thesis up; None when none of them names one."""
    named = [
        o.invalidation
        for o in opinions
        if isinstance(o, Opinion) and o.stance.value == direction.value and o.invalidation is not None
    ]
    nearest = max if direction is Direction.LONG else min
    return nearest(named, default=None)


def way_to_liquidation(leverage: int, instrument: Instrument) -> Decimal:
    """A fraction of price, of a linear contract on isolated margin; fees are left out."""
    return 1 / Decimal(leverage) - instrument.maintenance


def room_for_stop(f: Facts, *, price: Decimal, leverage: int) -> Decimal:
    """How far from the price a stop may be, quote units."""
    return price * way_to_liquidation(leverage, f.instrument) * f.playbook.limits.stop_within


def levels(f: Facts, direction: Direction, *, price: Decimal, leverage: int) -> Levels:
    """Both are rounded away from `price`, so that neither is nearer than wanted. What is not known sets no level: the
    gate denies such an entry, see `Facts.unknown`.
    """
    stop, stop_loss = _stop(f, direction, price=price, leverage=leverage)
    take_profit = min(_targets(f, price=price, leverage=leverage))
    target = f.instrument.round_trigger(price + take_profit * direction.sign, up=direction is Direction.LONG)
    return Levels(
        stop=stop,
        target=max(target, f.instrument.tick),  # a short cannot win more than all
        stop_loss=_share(stop_loss, price),
        take_profit=_share(take_profit, price),
    )


def _stop(f: Facts, direction: Direction, *, price: Decimal, leverage: int) -> tuple[Decimal, Decimal]:
    """Its level, and its distance before rounding, in quote units.

    Where an invalidation price is asked for, a stop between the allowed part of the way to liquidation and liquidation
    is moved inside, and rounded inwards. One beyond liquidation stays where it is: moved so far it would be another
    thesis's stop, so the gate denies it with its numbers.
    """
    sign, long = direction.sign, direction is Direction.LONG
    wanted = min(_stops(f, direction, price=price))
    stop = f.instrument.round_trigger(price - wanted * sign, up=not long)
    beyond = wanted >= price * way_to_liquidation(leverage, f.instrument)
    room = room_for_stop(f, price=price, leverage=leverage)
    if not f.exits.stop_at_invalidation or beyond or (price - stop) * sign <= room:
        return stop, wanted
    ticks = f.instrument.round_trigger(room, up=False)  # first: price - room may lose the digit that says it is inside
    inside = f.instrument.round_trigger(price - ticks * sign, up=long)
    return inside, abs(price - inside)


def _stops(f: Facts, direction: Direction, *, price: Decimal) -> list[Decimal]:
    """Every distance that is set, in quote units."""
    found = [price * f.exits.stop_loss]
    if f.exits.stop_atr and f.outlook.atr is not None:
        found.append(f.exits.stop_atr * f.outlook.atr)
    if f.exits.stop_at_invalidation and f.invalidation is not None:
        found.append((price - f.invalidation) * direction.sign)
    return found


def _targets(f: Facts, *, price: Decimal, leverage: int) -> list[Decimal]:
    found = [price * f.exits.take_profit]
    if f.exits.target_atr and f.outlook.atr is not None:
        found.append(f.exits.target_atr * f.outlook.atr)
    if f.exits.target_of_margin:
        found.append(price * f.exits.target_of_margin / leverage)
    return found


def _share(distance: Decimal, price: Decimal) -> Decimal:
    return (distance / price).quantize(_SHARE).normalize()
