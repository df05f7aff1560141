"""How the paper venue fills orders: at once against the touch, or against a bar that has closed.

Of the path inside a bar only this is assumed: it begins at the open. What the open decides is done there.
Then the unfavourable comes first: stops and liquidation, nearest to the open first; then resting limit orders; then
once more stops and liquidation, of what those have opened; and last the targets, only those that the bar found and
left as they were. The bar's prices are taken as the mark.

A limit order fills when the bar trades strictly through its price, at its price, also where the bar opens beyond it.
A stop fills at its trigger, or at the open where the bar opens beyond it, plus slippage; a target at its trigger, or at
the open where that is better, without slippage. What the volume does not allow waits for the next open.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from trading.model import ZERO, Candle, Direction, Instrument, OrderKind, OrderStatus, Quote, Side
from trading.venues.order_checks import reached, touch
from trading.venues.paper_book import Account
from trading.venues.paper_rules import PaperRules, marketable, taker_price
from trading.venues.paper_state import Deal, Market, Ticket

GONE = "nothing was open to reduce when it came to fill"
SPENT = "its protection is spent: more of it would be naked"
SHARE = "the rest is more than this account's share of the last bar's volume"
HALTED = "nothing trades: the last bar has no volume"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One instrument's fills at one moment: `at` is the moment of the request, or the close of the bar."""

    account: Account
    instrument: Instrument
    rules: PaperRules
    at: datetime

    @property
    def market(self) -> Market:
        return self.account.market(self.instrument.symbol)

    def allowed(self) -> Decimal:
        """What is left for this account of the bar's volume, on the step; where trading has ended, all it wants."""
        market = self.market
        if market.ended:
            return self.instrument.max_quantity
        share = self.rules.participation * market.volume - market.taken
        return self.instrument.round_quantity(max(share, ZERO))

    def slipped(self, side: Side, price: Decimal, quantity: Decimal) -> Decimal:
        market = self.market
        share = ZERO if market.ended or not market.volume else quantity / market.volume
        return taker_price(self.instrument, side, price, impact=self.rules.impact, share=share)

    # --- at once, against the touch ---

    def accept(self, ticket: Ticket, quote: Quote) -> Ticket:
        """A new order's first moment: a market order is immediate-or-cancel, any other rests with what is left."""
        order = ticket.order
        if order.kind is OrderKind.MARKET:
            return self._take_or_expire(ticket, quote)
        ticket = self.account.keep(replace(ticket, order=order.to(OrderStatus.OPEN, at=self.at)), at=self.at)
        quantity = min(ticket.rest, self.allowed())
        if not quantity or not marketable(order, quote):
            return ticket
        return self._execute(ticket, quantity, self.price_now(ticket, quote, quantity))

    def price_now(self, ticket: Ticket, quote: Quote, quantity: Decimal) -> Decimal:
        """The touch plus slippage, but not worse than a limit price."""
        order = ticket.order
        price = self.slipped(order.side, touch(quote, order.side), quantity)
        if order.price is None:
            return price
        return min(price, order.price) if order.side is Side.BUY else max(price, order.price)

    def _take_or_expire(self, ticket: Ticket, quote: Quote) -> Ticket:
        quantity = min(ticket.rest, self.allowed())
        if quantity:
            ticket = self._execute(ticket, quantity, self.price_now(ticket, quote, quantity))
        if ticket.order.status is OrderStatus.FILLED:
            return ticket
        return self.account.end(ticket, OrderStatus.EXPIRED, SHARE if self.market.volume else HALTED, at=self.at)

    # --- against a bar ---

    def run(self, bar: Candle) -> None:
        before = self.account.resting(self.instrument.symbol)
        self._at_open(bar)
        self._against(bar)
        if self._limits(bar):
            self._against(bar)
        for ticket in before:
            order, untouched = ticket.order, self.account.tickets[ticket.order.client_id] is ticket
            if order.kind is not OrderKind.TAKE_PROFIT or not untouched:
                continue
            if reached(order, bar.high if order.side is Side.SELL else bar.low):
                self._fire(ticket, _trigger(ticket), slip=False)

    def _at_open(self, bar: Candle) -> None:
        if self._liquidation_reached(bar.open):
            self._liquidate(bar.open)
        for ticket in self._working(triggered=True):
            self._fire(ticket, bar.open)
        for kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT):
            for ticket in self._working(kind):
                if reached(ticket.order, bar.open):
                    self._fire(ticket, bar.open, slip=kind is OrderKind.STOP)

    def _against(self, bar: Candle) -> None:
        """Stops within the bar, nearest first; liquidation where it lies before them, or where they left something."""
        for ticket in sorted(self._working(OrderKind.STOP), key=lambda t: (abs(_trigger(t) - bar.open), t.number)):
            if not reached(ticket.order, bar.low if ticket.order.side is Side.SELL else bar.high):
                continue
            if not self.account.tickets[ticket.order.client_id].order.status.working:
                continue  # a liquidation has just ended it
            price = bar.open if reached(ticket.order, bar.open) else _trigger(ticket)
            if self._liquidation_reached(price):
                self._liquidate(bar.open)
            else:
                self._fire(ticket, price)
        position = self.account.positions.get(self.instrument.symbol)
        if position and self._liquidation_reached(bar.low if position.direction is Direction.LONG else bar.high):
            self._liquidate(bar.open)

    def _limits(self, bar: Candle) -> bool:
        """Fill resting limit orders; True when any did."""
        filled = False
        for ticket in self._working(OrderKind.LIMIT):
            order, price = ticket.order, ticket.order.price or ZERO
            if not (bar.low < price if order.side is Side.BUY else bar.high > price):
                continue
            if self._guard_is_spent(ticket):
                self.account.end(ticket, OrderStatus.EXPIRED, SPENT, at=self.at)
                continue
            cut = self._cut(ticket)
            quantity = min(cut.rest, self.allowed()) if cut else ZERO
            if cut and quantity:
                self._execute(cut, quantity, price, maker=True)
                filled = True
        return filled

    def _guard_is_spent(self, ticket: Ticket) -> bool:
        guard = ticket.protection
        legs = [self.account.tickets.get(i) for i in (guard.stop_id, guard.target_id)] if guard else []
        return any(leg is not None and (leg.triggered or not leg.order.status.working) for leg in legs)

    def _fire(self, ticket: Ticket, price: Decimal, *, slip: bool = True) -> None:
        """A trigger was reached: fill what is open and what the volume allows, keep the rest for the next open."""
        cut = self._cut(ticket)
        if cut is None:
            return
        quantity = min(cut.rest, self.allowed())
        cut = replace(cut, triggered=True)
        if quantity:
            side = cut.order.side
            exact = self.instrument.round_trigger(price, up=side is Side.BUY)
            self._execute(cut, quantity, self.slipped(side, price, quantity) if slip else exact)
        elif cut != ticket:
            self.account.keep(cut, at=None)

    def _cut(self, ticket: Ticket) -> Ticket | None:
        """A reduce-only order never asks for more than is open; with nothing open it expires (None)."""
        order = ticket.order
        if not order.reduce_only:
            return ticket
        opened = self.account.reducible(order)
        if not opened:
            self.account.end(ticket, OrderStatus.EXPIRED, GONE, at=self.at)
            return None
        return replace(ticket, order=replace(order, quantity=order.filled + min(ticket.rest, opened)))

    def _liquidation_reached(self, mark: Decimal) -> bool:
        position = self.account.positions.get(self.instrument.symbol)
        return position is not None and position.liquidated_at(mark, self.instrument.maintenance)

    def _liquidate(self, opened: Decimal) -> None:
        """At the liquidation price, or at the open where the bar opened beyond it."""
        position = self.account.positions[self.instrument.symbol]
        long = position.direction is Direction.LONG
        edge = self.instrument.round_trigger(position.liquidation(self.instrument.maintenance), up=not long)
        self.account.liquidate(self.instrument, min(opened, edge) if long else max(opened, edge), at=self.at)

    def _execute(self, ticket: Ticket, quantity: Decimal, price: Decimal, *, maker: bool = False) -> Ticket:
        deal = Deal(
            client_id=ticket.order.client_id,
            side=ticket.order.side,
            quantity=quantity,
            price=price,
            leverage=ticket.order.leverage,
            at=self.at,
            maker=maker,
        )
        return self.account.execute(ticket, self.instrument, deal)

    def _working(self, kind: OrderKind | None = None, *, triggered: bool = False) -> list[Ticket]:
        resting = self.account.resting(self.instrument.symbol)
        return [t for t in resting if t.triggered is triggered and kind in (None, t.order.kind)]


def _trigger(ticket: Ticket) -> Decimal:
    return ticket.order.trigger or ZERO
