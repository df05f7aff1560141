"""The paper venue's account: orders, positions, wallet. Each change is noted, for the store and for the listener."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from trading.messages import OrderReport, VenueUpdate
from trading.model import (
    ZERO,
    ClientId,
    DecisionId,
    Fill,
    FundingPayment,
    Instrument,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    Protection,
    Side,
    Symbol,
)
from trading.venues.paper_rules import money
from trading.venues.paper_state import Deal, Market, PaperPosition, Ticket, Totals, reserved, settle


@dataclass(slots=True)
class Changes:
    """What one step has changed, and what is to be told of it."""

    tickets: dict[ClientId, Ticket] = field(default_factory=dict)
    positions: set[Symbol] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    updates: list[VenueUpdate] = field(default_factory=list)
    any: bool = False


class Account:
    """State, and the few ways in which it may change."""

    def __init__(self, start: Decimal) -> None:
        self.totals = Totals(start=start, wallet=start)
        self.positions: dict[Symbol, PaperPosition] = {}
        self.tickets: dict[ClientId, Ticket] = {}
        self.working: dict[Symbol, dict[ClientId, Ticket]] = {}
        self.fills: list[Fill] = []
        self.payments: list[FundingPayment] = []
        self.markets: dict[Symbol, Market] = {}
        self.changes = Changes()

    # --- reading ---

    def market(self, symbol: Symbol) -> Market:
        market = self.markets.get(symbol)
        if market is None:
            market = self.markets[symbol] = Market(symbol=symbol)
        return market

    def resting(self, symbol: Symbol) -> tuple[Ticket, ...]:
        return tuple(self.working.get(symbol, {}).values())

    def all_resting(self) -> list[Ticket]:
        return [t for orders in self.working.values() for t in orders.values()]

    def knows(self, client_id: ClientId) -> bool:
        """An id is taken once an order, or an entry that will hang it out as protection, is accepted."""
        guards = (t.protection for t in self.all_resting() if t.protection)
        return client_id in self.tickets or any(client_id in (g.stop_id, g.target_id) for g in guards)

    def reducible(self, order: Order) -> Decimal:
        """What is open on the other side of this order."""
        position = self.positions.get(order.symbol)
        return position.quantity if position and position.direction.exit is order.side else ZERO

    def free(self, instruments: Mapping[Symbol, Instrument]) -> Decimal:
        """Wallet less the margin of positions, and less margin and fee of resting orders that may open."""
        held = sum((p.margin for p in self.positions.values()), ZERO)
        opening = [t for t in self.all_resting() if not t.order.reduce_only]
        return self.totals.wallet - held - sum((reserved(t, instruments[t.order.symbol]) for t in opening), ZERO)

    # --- changing ---

    def keep(self, ticket: Ticket, *, at: datetime | None) -> Ticket:
        """Remember a ticket as it is now; `at` None: nothing in it that the owner need hear of."""
        order = ticket.order
        self.tickets[order.client_id] = self.changes.tickets[order.client_id] = ticket
        if order.status.working:
            self.working.setdefault(order.symbol, {})[order.client_id] = ticket
        elif order.client_id in self.working.get(order.symbol, {}):
            del self.working[order.symbol][order.client_id]
        if at is not None:
            self.changes.updates.append(OrderReport(order=order, at=at))
        self.changes.any = True
        return ticket

    def end(self, ticket: Ticket, status: OrderStatus, note: str, *, at: datetime) -> Ticket:
        return self.keep(replace(ticket, order=ticket.order.to(status, at=at, note=note)), at=at)

    def execute(self, ticket: Ticket, instrument: Instrument, deal: Deal) -> Ticket:
        """Fill part or all of an order, and hang out its protection."""
        self._book(instrument, deal)
        self.market(instrument.symbol).taken += deal.quantity
        filled = ticket.order.filled + deal.quantity
        status = OrderStatus.FILLED if filled == ticket.order.quantity else OrderStatus.PARTLY_FILLED
        ticket = self.keep(replace(ticket, order=ticket.order.to(status, at=deal.at, filled=filled)), at=deal.at)
        if ticket.protection:
            self._guard(ticket, ticket.protection, deal.quantity, at=deal.at)
        return ticket

    def liquidate(self, instrument: Instrument, price: Decimal, *, at: datetime) -> None:
        """Close the position by force; everything that rests on its instrument expires."""
        position = self.positions[instrument.symbol]
        deal = Deal(
            client_id=ClientId(f"liquidation-{len(self.fills) + 1}"),
            side=position.direction.exit,
            quantity=position.quantity,
            price=price,
            leverage=1,
            at=at,
            liquidation=True,
        )
        self._book(instrument, deal)
        for ticket in self.resting(instrument.symbol):
            self.end(ticket, OrderStatus.EXPIRED, "the position was liquidated", at=at)

    def fund(self, symbol: Symbol, rate: Decimal, mark: Decimal, *, at: datetime) -> None:
        position = self.positions[symbol]
        amount = money(-position.direction.sign * rate * position.quantity * mark)
        payment = FundingPayment(id=f"{len(self.payments) + 1:012}", symbol=symbol, at=at, rate=rate, amount=amount)
        self.totals.wallet += amount
        self.totals.funding += amount
        self.payments.append(payment)
        self.changes.payments.append(payment)
        self.changes.updates.append(payment)
        self.changes.any = True

    def _book(self, instrument: Instrument, deal: Deal) -> None:
        symbol = instrument.symbol
        result = settle(self.positions.get(symbol), instrument, deal)
        if result.position is None:
            self.positions.pop(symbol, None)
        else:
            self.positions[symbol] = result.position
        self.totals.wallet += result.realised - result.fee
        self.totals.realised += result.realised
        self.totals.fees += result.fee
        fill = Fill(
            id=f"{len(self.fills) + 1:012}",
            client_id=deal.client_id,
            symbol=symbol,
            side=deal.side,
            quantity=deal.quantity,
            price=result.price,
            fee=result.fee,
            at=deal.at,
            maker=deal.maker,
            liquidation=deal.liquidation,
        )
        self.fills.append(fill)
        self.changes.positions.add(symbol)
        self.changes.fills.append(fill)
        self.changes.updates.append(fill)
        self.changes.any = True

    def unguarded(self, symbol: Symbol, guard: Protection) -> tuple[Leg, ...]:
        """Which of a position's stop and target have never been there."""
        if symbol not in self.positions:
            return ()
        legs = ((Leg.STOP, guard.stop_id), (Leg.TARGET, guard.target_id))
        return tuple(leg for leg, client_id in legs if client_id not in self.tickets)

    def hang_out(self, position: Position, legs: tuple[Leg, ...], *, at: datetime) -> None:
        """Place these guards for all that is open."""
        held = self.positions[position.symbol]
        for client_id, leg, kind, trigger in _levels(position.protection):
            if leg in legs:
                template = (DecisionId(position.id), position.symbol, held.direction.exit, position.leverage)
                self._new_guard((client_id, leg, kind, trigger), template, held.quantity, parent=None, at=at)

    def _guard(self, entry: Ticket, guard: Protection, quantity: Decimal, *, at: datetime) -> None:
        """Protect `quantity` more: the first part of an entry makes its stop and target, later parts enlarge them."""
        for level in _levels(guard):
            known = self.tickets.get(level[0])
            if known is not None:
                grown = replace(known.order, quantity=known.order.quantity + quantity, changed_at=at)
                self.keep(replace(known, order=grown), at=at)
                continue
            order = entry.order
            exit = Side.SELL if order.side is Side.BUY else Side.BUY
            template = (order.decision_id, order.symbol, exit, order.leverage)
            self._new_guard(level, template, quantity, parent=order.client_id, at=at)

    def _new_guard(
        self,
        level: tuple[ClientId, Leg, OrderKind, Decimal],
        template: tuple[DecisionId, Symbol, Side, int],
        quantity: Decimal,
        *,
        parent: ClientId | None,
        at: datetime,
    ) -> None:
        client_id, leg, kind, trigger = level
        decision, symbol, side, leverage = template
        order = Order(
            client_id=client_id,
            decision_id=decision,
            leg=leg,
            symbol=symbol,
            side=side,
            kind=kind,
            quantity=quantity,
            created_at=at,
            trigger=trigger,
            reduce_only=True,
            leverage=leverage,
        ).to(OrderStatus.OPEN, at=at)
        self.keep(Ticket(order=order, number=len(self.tickets) + 1, parent=parent), at=at)


def _levels(guard: Protection) -> tuple[tuple[ClientId, Leg, OrderKind, Decimal], ...]:
    return (
        (guard.stop_id, Leg.STOP, OrderKind.STOP, guard.stop),
        (guard.target_id, Leg.TARGET, OrderKind.TAKE_PROFIT, guard.target),
    )
