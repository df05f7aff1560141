"""Intent -> order -> venue -> fills -> protection -> trade: what the venue tells, and what needs a second look.

Sending is in sending.py, the ways out are in leaving.py, stop and target in guarding.py. Nothing here waits: what needs
time (a look-up, the read-back of protection, a stop on its way, a second close) is a fact in the book with its own
beginning, and `attend` looks at it again. So a restart goes on exactly where the last process stood.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading import ledger
from trading.book import Book
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.events import Event, FundingPaid, OrderFilled, PositionOpened, TradeClosed
from trading.exits import MOVED
from trading.guarding import Guarding, at_its_level
from trading.leaving import Leaving
from trading.messages import OrderReport
from trading.model import (
    DecisionId,
    ExitReason,
    Fill,
    FundingPayment,
    Guard,
    Leg,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    PositionId,
    Symbol,
    Trade,
)
from trading.ports import Venue
from trading.sending import Sending
from trading.steps import stop_moved

log = logging.getLogger(__name__)

ANSWER_WITHIN = timedelta(seconds=5)  # a market order that has not ended by then is looked up
PAID_WITHIN = timedelta(seconds=60)  # so long the last fill of a position waits for funding that cannot be read
SEND_WITHIN = timedelta(seconds=60)  # an intent of this process that has not left by then is looked up
LOOK_FOR = timedelta(seconds=30)  # how long an order of unknown outcome is looked for before it counts as never sent

_UNSENT = (OrderStatus.UNKNOWN, OrderStatus.INTENDED)
_GUARDS = (Leg.STOP, Leg.TARGET)
# What closed all that was left although only a part was asked for; a close for a part is a person's.
_UNASKED = {Leg.PARTIAL: ExitReason.PARTIAL, Leg.CLOSE: ExitReason.MANUAL}


class Execution:
    def __init__(self, *, venue: Venue, book: Book, closed: Callable[[Symbol], None]) -> None:
        self.venue = venue
        self.book = book
        self._closed = closed  # told when an instrument is flat and swept
        self._inherited = frozenset(book.orders)  # what the last process had not finished
        self._sending = Sending(venue=venue, book=book)
        self._leaving = Leaving(book=book, sending=self._sending)
        self._guarding = Guarding(venue=venue, book=book, leaving=self._leaving)
        # What others ask for by its name here is done there.
        self.send, self.withdraw = self._sending.send, self._sending.withdraw
        self.close, self.close_now, self.reduce = self._leaving.close, self._leaving.close_now, self._leaving.reduce
        self.take, self.reducing = self._leaving.take, self._leaving.reducing
        self.move_stop, self.doubt = self._guarding.move_stop, self._guarding.doubt

    # --- what the venue tells -----------------------------------------------------------------------------------

    async def hear(self, update: Fill | FundingPayment) -> None:
        """What the venue's stream tells. A stream may have left out what came before it: that is read first."""
        if self._in_turn(update) or await self.catch_up(update.symbol):
            await self.on_update(update)

    def _in_turn(self, update: Fill | FundingPayment) -> bool:
        """Whether our books know the position that this is about: a close cannot be booked before its entry."""
        held = self.book.on(update.symbol)
        if isinstance(update, FundingPayment):
            return held is not None or update.id in self.book.funding
        order = self.book.orders.get(update.client_id)
        if update.id in self.book.fills or (order is not None and order.leg is Leg.ENTRY):
            return True
        if order is None and not update.liquidation:
            return True
        return held is not None and update.quantity <= held.quantity

    async def on_fill(self, fill: Fill) -> None:
        """Apply a fill once, however often it is told."""
        if fill.id in self.book.fills or not await self._paid_up(fill):
            return
        self.book.fills.add(fill.id)
        try:
            await self._apply(fill)
        except Exception:
            self.book.fills.discard(fill.id)  # it was not: the venue's cursor must not move behind it
            raise

    async def _paid_up(self, fill: Fill) -> bool:
        """Whether the funding before a fill that ends a position is booked: a trade that is closed takes no more of it.
        False: it could not be read, and for as long as `PAID_WITHIN` the fill waits to be told again."""
        position = self.book.on(fill.symbol)
        if position is None or fill.side is not position.direction.exit or fill.quantity < position.quantity:
            return True
        try:
            payments = await self.venue.funding(self.book.state.last_funding)
        except (Transient, UnknownOutcome, OrderRejected) as error:
            log.warning("funding before fill %s: %s", fill.id, error)
            return self._now - fill.at >= PAID_WITHIN
        for payment in payments:
            if payment.symbol == fill.symbol and payment.at <= fill.at:
                await self.on_funding(payment)
        return True

    async def _apply(self, fill: Fill) -> None:
        order = self.book.orders.get(fill.client_id)
        if order is None:
            await self._foreign(fill)
        elif order.leg is Leg.ENTRY:
            await self._entered(order, fill)
        else:
            await self._left(order, fill)

    async def _entered(self, order: Order, fill: Fill) -> None:
        filled = _with_fill(order, fill)
        position = self.book.positions.get(PositionId(order.decision_id))
        events: list[Event] = [OrderFilled(at=self._now, order=filled, fill=fill)]
        if position is None:
            position = ledger.opened(order, fill, playbook=self._playbook_of(order))
            events.append(PositionOpened(at=self._now, position=position))
        else:
            position = ledger.increased(position, fill)
        await self.book.commit(events, [filled, position], exit=True)
        await self._guarding.confirm(position, first=True)

    def _playbook_of(self, entry: Order) -> str:
        """The one that decided on it: another may have come to run while it was on its way."""
        return (entry.plan.playbook if entry.plan else "") or self.book.state.playbook

    async def _left(self, order: Order, fill: Fill) -> None:
        position = self.book.positions.get(PositionId(order.decision_id))
        if position is None:
            await self._foreign(fill)
            return
        if order.leg is Leg.STOP:
            position = _stopped_at(position, fill)
            order = at_its_level(order, position)
        reason, note = _why(position, order)
        await self._reduce(position, fill, order, reason=reason, note=note)

    async def _reduce(
        self, position: Position, fill: Fill, order: Order, *, reason: ExitReason | None, note: str
    ) -> None:
        left = ledger.reduced(position, fill)
        if left is None:  # a reduce-only order for more than was open can do no more
            order = replace(order, quantity=order.filled + fill.quantity)
        filled = _with_fill(order, fill)
        event = OrderFilled(at=self._now, order=filled, fill=fill)
        if left is not None:
            if (
                reason and not left.closing
            ):  # the venue's own order is being carried out: the rest follows by its reason
                left = replace(left, closing=reason, closing_note=note)
            await self.book.commit([event], [filled, left], exit=True)
            return
        why = reason or position.closing or _UNASKED.get(order.leg, ExitReason.VENUE)
        words = note if reason or not position.closing else position.closing_note
        trade = ledger.closed(position, fill, reason=why, note=words)
        await self._book_trade(trade, [event], [filled])
        await self._guarding.sweep(position.symbol)
        self._closed(position.symbol)

    async def _book_trade(self, trade: Trade, events: Sequence[Event], orders: Sequence[Order]) -> None:
        others = sum((p.booked for p in self.book.positions.values() if p.id != trade.id), Decimal(0))
        equity = self.book.state.start_equity + self.book.state.realised + trade.net + others
        done = TradeClosed(at=self._now, trade=trade, equity=equity)
        await self.book.commit([*events, done], [*orders, trade], exit=True)

    async def _foreign(self, fill: Fill) -> None:
        """A fill of no order of ours. What reduces our position has reduced it: a liquidation, or somebody who closed
        it at the venue. Anything else is for reconciliation."""
        position = self.book.on(fill.symbol)
        if position is None or fill.side is not position.direction.exit or fill.quantity > position.quantity:
            log.warning("fill %s on %s belongs to no order of this desk", fill.id, fill.symbol)
            return
        liquidated = f"the margin at {position.leverage}x was used up at {fill.price}"
        note = liquidated if fill.liquidation else f"closed at the venue at {fill.price}, not by this desk"
        order = Order(
            client_id=fill.client_id,
            decision_id=DecisionId(position.id),
            leg=Leg.CLOSE,
            symbol=fill.symbol,
            side=fill.side,
            kind=OrderKind.MARKET,
            quantity=fill.quantity,
            created_at=fill.at,
            reduce_only=True,
            leverage=position.leverage,
            note="liquidated by the venue" if fill.liquidation else "closed at the venue by somebody else",
        )
        reason = ExitReason.LIQUIDATION if fill.liquidation else ExitReason.VENUE
        # Of a position that somebody has reduced the rest stays open, under its own guards.
        whole = fill.liquidation or fill.quantity == position.quantity
        await self._reduce(position, fill, order, reason=reason if whole else None, note=note)

    async def on_report(self, report: OrderReport) -> None:
        """An order's state as the venue tells it. Fills are told apart from it; here only ends matter."""
        order = self._ended_by(report)
        if order is not None and report.order.filled > order.filled:  # its end has overtaken its fills
            await self.catch_up(order.symbol)
            order = self._ended_by(report)
        if order is None or self._records_are_late(order, report):
            return
        await self._sending.end(order, report.order.status, report.order.note or report.order.status.value)
        if order.leg in _GUARDS:
            await self.doubt(PositionId(order.decision_id))

    def _records_are_late(self, order: Order, report: OrderReport) -> bool:
        """Whether fills that the report counts are still to be told: an order that is ended takes none any more."""
        young = self._now - (order.changed_at or order.created_at) < self.venue.lag
        return young and report.order.filled > order.filled

    def _ended_by(self, report: OrderReport) -> Order | None:
        """Our order, when the report ends it otherwise than by filling it."""
        order, status = self.book.orders.get(report.order.client_id), report.order.status
        if order is None or not status.final or status is OrderStatus.FILLED or status is order.status:
            return None
        return order

    async def on_funding(self, payment: FundingPayment) -> None:
        if payment.id in self.book.funding:
            return
        position = self.book.on(payment.symbol)
        if position is None and any(o.leg is Leg.ENTRY for o in self.book.orders_on(payment.symbol)):
            return  # on what an entry has filled, of which we have not heard: it is read again
        self.book.funding.add(payment.id)
        if position is None:
            log.warning("funding %s on %s belongs to no open position", payment.id, payment.symbol)
            return
        event = FundingPaid(at=self._now, payment=payment, position_id=position.id)
        await self.book.commit([event], [ledger.funded(position, payment)], exit=True)

    async def recall(self, symbol: Symbol) -> None:
        """Ask the venue to take back what it has of entries. What fills all the same is told like any other fill."""
        for order in self.book.orders_on(symbol):
            if order.leg is Leg.ENTRY and order.status is not OrderStatus.INTENDED:
                try:
                    await self.venue.cancel(symbol, order.client_id)
                except (Transient, UnknownOutcome, OrderRejected) as error:
                    log.warning("entry %s is not taken back: %s", order.client_id, error)

    # --- what needs a second look -------------------------------------------------------------------------------

    async def attend(self, symbol: Symbol) -> None:
        """Look again at everything unfinished on an instrument: unknown orders, guards, closes, leftovers."""
        for order in self.book.orders_on(symbol):
            if self._unanswered(order):
                await self.look_up(order)
        position = self.book.on(symbol)
        if position is None:
            await self._guarding.sweep(symbol)
            return
        if position.guard is Guard.PENDING:
            await self._guarding.confirm(position)
        elif position.moving is not None and position.closing is None:
            await self._guarding.settle_move(position)
        position = self.book.on(symbol)
        closes = self.book.orders_for(position.id, Leg.CLOSE) if position else ()
        if position and position.closing and not closes and not self._venue_is_closing(position):
            await self._leaving.close_again(position)

    def needs_attention(self, symbol: Symbol) -> bool:
        """Whether `attend` would do anything: cheap, asked often."""
        position = self.book.on(symbol)
        if position is None:
            return bool(self.book.orders_on(symbol))
        return (
            position.guard is Guard.PENDING
            or position.moving is not None
            or position.closing is not None
            or any(self._unanswered(o) for o in self.book.orders_on(symbol))
        )

    def _unanswered(self, order: Order) -> bool:
        """Sent, or about to be, and its end is not known although it should be."""
        waited = self._now - (order.changed_at or order.created_at)
        if order.leg in _GUARDS:  # one that fired, and found no more to trade with
            return order.status is OrderStatus.PARTLY_FILLED and waited >= ANSWER_WITHIN
        if order.status is OrderStatus.INTENDED and order.client_id not in self._inherited:
            return waited >= SEND_WITHIN  # it waits in its lane for its turn
        return order.status in _UNSENT or (order.kind is OrderKind.MARKET and waited >= ANSWER_WITHIN)

    def _venue_is_closing(self, position: Position) -> bool:
        """A triggered stop or target that has filled in part and is still working for the rest."""
        guards = [o for leg in _GUARDS for o in self.book.orders_for(position.id, leg)]
        return any(o.status is OrderStatus.PARTLY_FILLED for o in guards)

    async def look_up(self, order: Order) -> None:
        """An order whose fate is not known: ask for it by client id; never send it again."""
        try:
            report = await self.venue.order(order.symbol, order.client_id)
        except (Transient, UnknownOutcome, OrderRejected) as error:
            log.warning("look-up of %s: %s", order.client_id, error)
            return
        if report is not None:
            if order.status in _UNSENT:
                await self._sending.taken(order, report)
            await self.catch_up(order.symbol)
            await self.on_report(report)
            if order.leg in _GUARDS and report.order.status.final and self.book.order(order.client_id) == order:
                await self._sending.end(order, OrderStatus.EXPIRED, "the venue has filled no more of it")
            return
        waited = self._now - (order.changed_at or order.created_at)
        patience = max(self._patience(order), self.venue.arrives_within)
        never_left = order.status is OrderStatus.INTENDED and waited >= self.venue.arrives_within
        if never_left or (order.status is OrderStatus.UNKNOWN and waited >= patience):
            await self._sending.end(order, OrderStatus.ABANDONED, "never reached the venue")
        elif order.status not in _UNSENT:
            await self._sending.end(order, OrderStatus.EXPIRED, "the venue no longer knows it")

    def _patience(self, order: Order) -> timedelta:
        """A close of all that is open may be sent anew sooner: if both should come to be, the second one, reduce-only,
        has nothing to do."""
        position = self.book.positions.get(PositionId(order.decision_id))
        whole = order.leg is Leg.CLOSE and position is not None and position.closing is not None
        return ANSWER_WITHIN if whole else LOOK_FOR

    async def catch_up(self, symbol: Symbol) -> bool:
        """Apply what was told to nobody on one instrument; only its lane may do that. False: it could not be read."""
        try:
            fills = await self.venue.fills(self.book.state.last_fill, symbol)
            payments = await self.venue.funding(self.book.state.last_funding)
        except (Transient, UnknownOutcome, OrderRejected) as error:
            log.warning("fills on %s: %s", symbol, error)
            return False
        for update in self.unheard(fills, payments):
            if update.symbol == symbol:
                await self.on_update(update)
        return True

    def unheard(self, fills: Sequence[Fill], payments: Sequence[FundingPayment]) -> list[Fill | FundingPayment]:
        """What of this is not applied yet, oldest first; at one time funding comes first, as the desk acts after it."""
        new: list[Fill | FundingPayment] = [p for p in payments if p.id not in self.book.funding]
        new += [f for f in fills if f.id not in self.book.fills]
        return sorted(new, key=lambda update: update.at)

    async def on_update(self, update: Fill | FundingPayment) -> None:
        if isinstance(update, Fill):
            await self.on_fill(update)
        else:
            await self.on_funding(update)

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()


def _stopped_at(position: Position, fill: Fill) -> Position:
    """A stop that was on its way to another level when it filled: better than at the old one says it had arrived."""
    move, old = position.moving, position.protection.stop
    if move is None or (fill.price - old) * position.direction.sign <= 0:
        return position
    return stop_moved(position, move)


def _why(position: Position, order: Order) -> tuple[ExitReason | None, str]:
    """Why the venue's own order leaves, and in words; None where the desk has sent it."""
    if order.leg is Leg.STOP:
        kind = position.memory.stop
        return MOVED[kind], f"{kind.value.removesuffix(' loss')} at {order.trigger} on the venue"
    if order.leg is Leg.TARGET:
        return ExitReason.TAKE_PROFIT, f"take profit at {order.trigger} on the venue"
    return None, order.note


def _with_fill(order: Order, fill: Fill) -> Order:
    """The order after one more fill; a fill may be the first that is heard of it."""
    filled = order.filled + fill.quantity
    status = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.PARTLY_FILLED
    return order.to(status, at=fill.at, filled=min(filled, order.quantity))
