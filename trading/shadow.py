"""A trade on paper: what a stopped playbook would have made. The same plan, the same exits, no order. Pure.

It is entered at the touch that the plan was made at and left at the touch of the quote that reached a rule, with the
taker's fee both ways; a target gives no better price than its own. Stop and target are looked at on every quote, as the
venue would; the other rules when the desk itself would look. Funding is not reckoned: nothing is held.
"""

from dataclasses import replace
from decimal import Decimal

from trading import ledger
from trading.errors import BadRecord
from trading.exits import Exit, Look, StopLoss, TakeProfit
from trading.model import (
    ClientId,
    Direction,
    ExitReason,
    Fill,
    Guard,
    Instrument,
    Order,
    Position,
    Trade,
)
from trading.steps import Reduce, counted, next_step, stop_moved

_NAME = "shadow"  # its fills are no venue's
_AT_THE_VENUE = (StopLoss(), TakeProfit())


def opened(entry: Order, instrument: Instrument, *, playbook: str) -> Position:
    """The position that an entry would have made, filled at once and in full at the price it counts on.

    Raises BadRecord when the entry carries no guard.
    """
    price = entry.expected
    if price is None:
        raise BadRecord(f"entry {entry.client_id} counts on no price")
    fill = Fill(
        id=_NAME,
        client_id=entry.client_id,
        symbol=entry.symbol,
        side=entry.side,
        quantity=entry.quantity,
        price=price,
        fee=price * entry.quantity * instrument.taker_fee,
        at=entry.created_at,
    )
    return replace(ledger.opened(entry, fill, playbook=playbook), guard=Guard.CONFIRMED)


def guarded(position: Position, look: Look) -> Trade | None:
    """The trade, where the quote has reached what would stand at the venue."""
    found = next((exit_ for rule in _AT_THE_VENUE if (exit_ := rule.check(position, look))), None)
    return left(position, look, found) if found else None


def followed(position: Position, look: Look) -> Position | Trade:
    """After one look of all the exits; `position` has the memory of this look already."""
    while (step := next_step(position, look)) is not None:
        match step:
            case Exit():
                return left(position, look, step)
            case Reduce():
                after = _reduced(position, look, step)
                if isinstance(after, Trade):
                    return after
                position = after
            case _:
                position = stop_moved(position, step)
    return position


def left(position: Position, look: Look, exit_: Exit) -> Trade:
    """All that is left of it closed at this quote."""
    fill = _fill(position, look, position.quantity, target=exit_.reason is ExitReason.TAKE_PROFIT)
    return ledger.closed(position, fill, reason=exit_.reason, note=exit_.note)


def _reduced(position: Position, look: Look, step: Reduce) -> Position | Trade:
    position = replace(position, memory=counted(position, step))
    fill = _fill(position, look, step.quantity)
    rest = ledger.reduced(position, fill)
    return rest or ledger.closed(position, fill, reason=ExitReason.PARTIAL, note=step.note)


def _fill(position: Position, look: Look, quantity: Decimal, *, target: bool = False) -> Fill:
    long = position.direction is Direction.LONG
    price = look.quote.bid if long else look.quote.ask
    if target:
        price = (min if long else max)(price, position.protection.target)
    return Fill(
        id=_NAME,
        client_id=ClientId(_NAME),
        symbol=position.symbol,
        side=position.direction.exit,
        quantity=quantity,
        price=price,
        fee=price * quantity * look.instrument.taker_fee,
        at=look.now,
    )
