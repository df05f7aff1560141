"""The paper venue's values: tickets, isolated positions, and what one deal does to a position. Pure.

A position keeps the sum of its costs; a partial close takes its share by rounding and leaves the rest by subtraction,
so that nothing is lost.

Isolated margin bounds what a position can lose. A deal that reduces a position is priced no worse than the bankruptcy
price of what it closes (rounded to the tick in the position's favour), and a pure close pays at most what is then left
of the margin as its fee. So realised - fee >= -margin holds exactly, for liquidations too; funding is outside of it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from trading.model import EPOCH, ZERO, ClientId, Direction, Instrument, Order, Protection, Quote, Side, Symbol
from trading.venues.paper_rules import money


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order the venue has taken, and what only the venue knows of it."""

    order: Order
    number: int  # in order of arrival
    triggered: bool = False  # a stop or target that has become a market order and waits for volume
    protection: Protection | None = None  # what hangs on an entry
    parent: ClientId | None = None  # the entry that a stop or target hangs on

    @property
    def rest(self) -> Decimal:
        return self.order.quantity - self.order.filled


@dataclass(slots=True, kw_only=True)
class Market:
    """What the venue last saw of one instrument."""

    symbol: Symbol
    quote: Quote | None = None
    volume: Decimal = ZERO  # of the last bar, base units
    taken: Decimal = ZERO  # of that volume, by this account
    closed_at: datetime = EPOCH  # close of the last bar processed
    funded_at: datetime = EPOCH  # last funding processed
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class Totals:
    """wallet = start + realised - fees + funding, always."""

    start: Decimal
    wallet: Decimal
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPosition:
    """One-way, isolated. `cost` is the sum of price x quantity of what is open."""

    symbol: Symbol
    direction: Direction
    quantity: Decimal
    cost: Decimal
    margin: Decimal

    def split(self, quantity: Decimal) -> tuple["PaperPosition", "PaperPosition | None"]:
        """The part of `quantity` units, and the rest."""
        if quantity == self.quantity:
            return self, None
        share = quantity / self.quantity
        part = replace(self, quantity=quantity, cost=money(self.cost * share), margin=money(self.margin * share))
        left = self.quantity - quantity
        return part, replace(self, quantity=left, cost=self.cost - part.cost, margin=self.margin - part.margin)

    def profit(self, price: Decimal) -> Decimal:
        return (price * self.quantity - self.cost) * self.direction.sign

    def bounded(self, price: Decimal, instrument: Instrument) -> Decimal:
        """`price`, or the bankruptcy price (the loss has eaten the margin) where that is better."""
        edge = (self.cost - self.margin * self.direction.sign) / self.quantity
        if self.direction is Direction.LONG:
            return max(price, instrument.round_trigger(edge, up=True))
        return min(price, instrument.round_trigger(edge, up=False))

    def liquidation(self, maintenance: Decimal) -> Decimal:
        """The mark at which margin + unrealised = maintenance x notional."""
        sign = self.direction.sign
        return (self.cost - self.margin * sign) / (self.quantity * (1 - maintenance * sign))

    def liquidated_at(self, mark: Decimal, maintenance: Decimal) -> bool:
        edge = self.liquidation(maintenance)
        return mark <= edge if self.direction is Direction.LONG else mark >= edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A fill that is about to be booked."""

    client_id: ClientId
    side: Side
    quantity: Decimal
    price: Decimal
    leverage: int
    at: datetime
    maker: bool = False
    liquidation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a deal comes to: its price and fee after the bounds above, what it realised, what is held after it."""

    price: Decimal
    fee: Decimal
    realised: Decimal
    position: PaperPosition | None


def settle(held: PaperPosition | None, instrument: Instrument, deal: Deal) -> Settlement:
    """Reduce what stands on the other side first; what is left of the deal opens or adds."""
    price, realised, ceiling = deal.price, ZERO, None
    closing = min(deal.quantity, held.quantity) if held and held.direction.exit is deal.side else ZERO
    if held and closing:
        part, held = held.split(closing)
        price = part.bounded(price, instrument)
        realised = part.profit(price)
        ceiling = part.margin + realised if closing == deal.quantity else None
    fee = money(price * deal.quantity * (instrument.maker_fee if deal.maker else instrument.taker_fee))
    if deal.quantity > closing:
        held = _grown(held, instrument.symbol, replace(deal, quantity=deal.quantity - closing, price=price))
    return Settlement(price=price, fee=fee if ceiling is None else min(fee, ceiling), realised=realised, position=held)


def _grown(held: PaperPosition | None, symbol: Symbol, deal: Deal) -> PaperPosition:
    cost = deal.price * deal.quantity
    margin = money(cost / deal.leverage)
    if held is not None:
        return replace(held, quantity=held.quantity + deal.quantity, cost=held.cost + cost, margin=held.margin + margin)
    direction = Direction.LONG if deal.side is Side.BUY else Direction.SHORT
    return PaperPosition(symbol=symbol, direction=direction, quantity=deal.quantity, cost=cost, margin=margin)


def reserved(ticket: Ticket, instrument: Instrument) -> Decimal:
    """Margin and fee that a resting order, which may open, holds back: for all of its rest."""
    notional = (ticket.order.price or ZERO) * ticket.rest
    return money(notional / ticket.order.leverage + notional * max(instrument.maker_fee, instrument.taker_fee))
