"""Intent -> order -> venue -> fills -> protection -> trade. Every request is journalled before it leaves.

Nothing here waits: what needs time (a look-up, the read-back of protection, a second close) is a fact in the book with
its own beginning, and `attend` looks at it again. So a restart goes on exactly where the last process stood.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading import ledger
from trading.book import Book
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.identity import client_id
from trading.messages import (
    Event,
    ExitTriggered,
    FundingPaid,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    OrderReport,
    OrderSent,
    OrderUncertain,
    PositionOpened,
    ProtectionConfirmed,
    ProtectionFailed,
    TradeClosed,
)
from trading.model import (
    ClientId,
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
    Quote,
    Symbol,
    Trade,
)
from trading.ports import Venue

log = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(seconds=10)  # protection must have been read back by then
ANSWER_WITHIN = timedelta(seconds=5)  # a market order that has not ended by then is looked up
LOOK_FOR = timedelta(seconds=30)  # how long an order of unknown outcome is looked for before it counts as never sent

DUPLICATE = "duplicate"  # the code with which a venue refuses a client id that it knows already

_UNSENT = (OrderStatus.UNKNOWN, OrderStatus.INTENDED)
_BY_ORDER = {Leg.STOP: ExitReason.STOP_LOSS, Leg.TARGET: ExitReason.TAKE_PROFIT}


class Execution:
    def __init__(self, *, venue: Venue, book: Book, closed: Callable[[Symbol], None]) -> None:
        self.venue = venue
        self.book = book
        self._closed = closed  # told when an instrument is flat and swept

    # --- sending ------------------------------------------------------------------------------------------------

    async def send(self, order: Order) -> None:
        """Send an order whose intent is in the journal already, once.

        From here on the journal is told what happened; it is not asked whether it may.
        """
        try:
            report = await self.venue.submit(order, order.protection)
        except OrderRejected as error:
            if error.code == DUPLICATE:  # it is there already: nothing was refused, its fate has to be read
                await self._uncertain(order, error.reason)
            else:
                await self._end(order, OrderStatus.REJECTED, error.reason)
        except Transient as error:
            await self._end(order, OrderStatus.ABANDONED, f"not sent: {error}")
        except UnknownOutcome as error:
            await self._uncertain(order, str(error))
        else:
            await self._taken(order, report)

    async def withdraw(self, order: Order, why: str) -> None:
        """An intent that is not going to be sent."""
        await self._end(order, OrderStatus.ABANDONED, why)

    async def _uncertain(self, order: Order, why: str) -> None:
        if self._stands(order):
            uncertain = order.to(OrderStatus.UNKNOWN, at=self._now, note=why)
            await self.book.commit([OrderUncertain(at=self._now, order=uncertain)], [uncertain], exit=True)

    async def _taken(self, order: Order, report: OrderReport) -> None:
        """The venue has it. Its fills come as updates of their own, also those of an order that is done already."""
        if self._stands(order):
            sent = order.to(OrderStatus.OPEN, at=report.at)
            await self.book.commit([OrderSent(at=self._now, order=sent)], [sent], exit=True)

    def _stands(self, order: Order) -> bool:
        """Whether an order is still as it was before the venue was asked: its fills may have overtaken the answer."""
        return self.book.orders.get(order.client_id) == order

    async def _end(self, order: Order, status: OrderStatus, why: str) -> None:
        """An order that will do nothing more; an entry of which nothing filled takes its guard with it."""
        if not self._stands(order):
            return
        ended = order.to(status, at=self._now, note=why)
        guards: list[Order] = []
        if order.leg is Leg.ENTRY and not order.filled:
            legs = (Leg.STOP, Leg.TARGET)
            guards = [o for leg in legs for o in self.book.orders_for(order.decision_id, leg)]
        gone = [g.to(OrderStatus.ABANDONED, at=self._now, note="its entry came to nothing") for g in guards]
        await self.book.commit([OrderEnded(at=self._now, order=ended)], [ended, *gone], exit=True)

    # --- leaving ------------------------------------------------------------------------------------------------

    async def close(self, position: Position, reason: ExitReason, note: str, quote: Quote | None = None) -> None:
        """Close all of a position at market. Once decided it is carried through; a second call changes nothing."""
        if position.closing is None:
            closing = replace(position, closing=reason, closing_note=note)
            triggered = ExitTriggered(at=self._now, position=closing, reason=reason, note=note, quote=quote)
            await self._send_close(closing, [triggered])

    async def _send_close(self, position: Position, events: Sequence[Event] = ()) -> None:
        number = position.closes + 1
        order = Order(
            client_id=client_id(self.book.state.desk, DecisionId(position.id), Leg.CLOSE, number),
            decision_id=DecisionId(position.id),
            leg=Leg.CLOSE,
            symbol=position.symbol,
            side=position.direction.exit,
            kind=OrderKind.MARKET,
            quantity=position.quantity,
            created_at=self._now,
            reduce_only=True,
            leverage=position.leverage,
            note=position.closing_note,
        )
        intent = OrderIntended(at=self._now, order=order)
        await self.book.commit([*events, intent], [replace(position, closes=number), order], exit=True)
        await self.send(order)

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
        if fill.id in self.book.fills:
            return
        self.book.fills.add(fill.id)
        try:
            await self._apply(fill)
        except Exception:
            self.book.fills.discard(fill.id)  # it was not: the venue's cursor must not move behind it
            raise

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
            position = ledger.opened(order, fill, playbook=self.book.state.playbook)
            events.append(PositionOpened(at=self._now, position=position))
        else:
            position = ledger.increased(position, fill)
        await self.book.commit(events, [filled, position], exit=True)
        await self.confirm(position)

    async def _left(self, order: Order, fill: Fill) -> None:
        position = self.book.positions.get(PositionId(order.decision_id))
        if position is None:
            await self._foreign(fill)
            return
        filled = _with_fill(order, fill)
        await self._reduce(position, fill, filled, reason=_BY_ORDER.get(order.leg), note=_order_note(order))

    async def _reduce(
        self, position: Position, fill: Fill, order: Order, *, reason: ExitReason | None, note: str
    ) -> None:
        event = OrderFilled(at=self._now, order=order, fill=fill)
        left = ledger.reduced(position, fill)
        if left is not None:
            # The venue's own stop or target is being carried out: the rest follows by the same reason.
            named = replace(left, closing=left.closing or reason, closing_note=left.closing_note or note)
            await self.book.commit([event], [order, named], exit=True)
            return
        why = reason or position.closing or ExitReason.VENUE
        words = note if reason else position.closing_note
        trade = ledger.closed(position, fill, reason=why, note=words)
        await self._book_trade(trade, [event], [order])
        await self.sweep(position.symbol)
        self._closed(position.symbol)

    async def _book_trade(self, trade: Trade, events: Sequence[Event], orders: Sequence[Order]) -> None:
        others = sum((p.booked for p in self.book.positions.values() if p.id != trade.id), Decimal(0))
        equity = self.book.state.start_equity + self.book.state.realised + trade.net + others
        done = TradeClosed(at=self._now, trade=trade, equity=equity)
        await self.book.commit([*events, done], [*orders, trade], exit=True)

    async def _foreign(self, fill: Fill) -> None:
        """A fill of no order of ours: a liquidation closes our position; anything else is for reconciliation."""
        position = self.book.on(fill.symbol)
        if not fill.liquidation or position is None:
            log.warning("fill %s on %s belongs to no order of this desk", fill.id, fill.symbol)
            return
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
            note="liquidated by the venue",
        )
        note = f"the margin at {position.leverage}x was used up at {fill.price}"
        filled = _with_fill(order, fill)
        await self._reduce(position, fill, filled, reason=ExitReason.LIQUIDATION, note=note)

    async def on_report(self, report: OrderReport) -> None:
        """An order's state as the venue tells it. Fills are told apart from it; here only ends matter."""
        order = self._ended_by(report)
        if order is not None and report.order.filled > order.filled:  # its end has overtaken its fills
            await self.catch_up(order.symbol)
            order = self._ended_by(report)
        if order is None:
            return
        await self._end(order, report.order.status, report.order.note or report.order.status.value)
        if order.leg in _BY_ORDER:
            await self.doubt(PositionId(order.decision_id))

    def _ended_by(self, report: OrderReport) -> Order | None:
        """Our order, when the report ends it otherwise than by filling it."""
        order, status = self.book.orders.get(report.order.client_id), report.order.status
        if order is None or not status.final or status is OrderStatus.FILLED or status is order.status:
            return None
        return order

    async def doubt(self, position: PositionId) -> None:
        """A guard that was there is gone: it has to be seen again within the time a new one has."""
        found = self.book.positions.get(position)
        if found is not None and found.guard is Guard.CONFIRMED and found.closing is None:
            naked = replace(found, guard=Guard.PENDING, guard_since=self._now)
            await self.book.commit([], [naked], exit=True)

    async def on_funding(self, payment: FundingPayment) -> None:
        if payment.id in self.book.funding:
            return
        self.book.funding.add(payment.id)
        position = self.book.on(payment.symbol)
        if position is None:
            log.warning("funding %s on %s belongs to no open position", payment.id, payment.symbol)
            return
        event = FundingPaid(at=self._now, payment=payment, position_id=position.id)
        await self.book.commit([event], [ledger.funded(position, payment)], exit=True)

    # --- what needs a second look -------------------------------------------------------------------------------

    async def attend(self, symbol: Symbol) -> None:
        """Look again at everything unfinished on an instrument: unknown orders, guards, closes, leftovers."""
        for order in self.book.orders_on(symbol):
            if self._unanswered(order):
                await self.look_up(order)
        position = self.book.on(symbol)
        if position is None:
            await self.sweep(symbol)
            return
        if position.guard is Guard.PENDING:
            await self.confirm(position)
        position = self.book.on(symbol)
        closes = self.book.orders_for(position.id, Leg.CLOSE) if position else ()
        if position and position.closing and not closes and not self._venue_is_closing(position):
            await self._send_close(position)

    def needs_attention(self, symbol: Symbol) -> bool:
        """Whether `attend` would do anything: cheap, asked often."""
        position = self.book.on(symbol)
        if position is None:
            return bool(self.book.orders_on(symbol))
        return (
            position.guard is Guard.PENDING
            or position.closing is not None
            or any(self._unanswered(o) for o in self.book.orders_on(symbol))
        )

    def _unanswered(self, order: Order) -> bool:
        """Sent, or about to be, and its end is not known although it should be."""
        if order.leg in _BY_ORDER:
            return False
        waited = self._now - (order.changed_at or order.created_at)
        return order.status in _UNSENT or (order.kind is OrderKind.MARKET and waited >= ANSWER_WITHIN)

    def _venue_is_closing(self, position: Position) -> bool:
        """A triggered stop or target that has filled in part and is still working for the rest."""
        legs = (Leg.STOP, Leg.TARGET)
        return any(
            o.status is OrderStatus.PARTLY_FILLED for leg in legs for o in self.book.orders_for(position.id, leg)
        )

    async def look_up(self, order: Order) -> None:
        """An order whose fate is not known: ask for it by client id; never send it again."""
        try:
            report = await self.venue.order(order.symbol, order.client_id)
        except (Transient, UnknownOutcome) as error:
            log.warning("look-up of %s: %s", order.client_id, error)
            return
        if report is not None:
            if order.status in _UNSENT:
                await self._taken(order, report)
            await self.catch_up(order.symbol)
            await self.on_report(report)
            return
        waited = self._now - (order.changed_at or order.created_at)
        if order.status is OrderStatus.INTENDED or (order.status is OrderStatus.UNKNOWN and waited >= LOOK_FOR):
            await self._end(order, OrderStatus.ABANDONED, "never reached the venue")
        elif order.status not in _UNSENT:
            await self._end(order, OrderStatus.EXPIRED, "the venue no longer knows it")

    async def catch_up(self, symbol: Symbol) -> bool:
        """Apply what was told to nobody on one instrument; only its lane may do that. False: it could not be read."""
        try:
            fills = await self.venue.fills(self.book.state.last_fill)
            payments = await self.venue.funding(self.book.state.last_funding)
        except (Transient, UnknownOutcome) as error:
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

    async def confirm(self, position: Position) -> None:
        """Read stop and target back from the venue; close the position when they were not seen in time.

        A venue that cannot be read confirms nothing: after the same time that fails closed too, and says which it was.
        """
        found: list[Order] | None = None  # None: they could not be read
        try:
            seen = {r.order.client_id: r.order for r in await self.venue.open_orders()}
            found = [seen[i] for i, level in _guard_levels(position) if _guards(position, seen.get(i), level)]
        except (Transient, UnknownOutcome) as error:
            log.warning("protection of %s could not be read: %s", position.id, error)
        if found is not None and len(found) == len(_guard_levels(position)):
            guards = [self._adopt(order) for order in found]
            confirmed = replace(position, guard=Guard.CONFIRMED, guard_since=self._now)
            await self.book.commit(
                [ProtectionConfirmed(at=self._now, position=confirmed)], [confirmed, *guards], exit=True
            )
        elif self._now - (position.guard_since or position.opened_at) >= CONFIRM_WITHIN:
            failed = replace(position, guard=Guard.FAILED, guard_since=self._now)
            await self.book.commit([ProtectionFailed(at=self._now, position=failed)], [failed], exit=True)
            what = "could not be read" if found is None else "were not seen"
            note = f"stop and target {what} within {CONFIRM_WITHIN.seconds} s"
            await self.close(failed, ExitReason.UNPROTECTED, note)

    def _adopt(self, told: Order) -> Order:
        """Our guard order with the quantity that the venue holds for it."""
        ours = self.book.orders[told.client_id]
        sized = replace(ours, quantity=told.quantity)
        return sized if sized.status is OrderStatus.OPEN else sized.to(OrderStatus.OPEN, at=self._now)

    async def sweep(self, symbol: Symbol) -> None:
        """Cancel what a closed position left behind, before the instrument may be entered again."""
        gone: list[Order] = []
        for order in self.book.orders_on(symbol):
            if PositionId(order.decision_id) in self.book.positions:
                continue
            if self.book.orders_for(order.decision_id, Leg.ENTRY):  # itself, or the entry it is to guard
                continue
            try:
                await self.venue.cancel(symbol, order.client_id)
            except (Transient, UnknownOutcome) as error:
                log.warning("leftover %s not cancelled yet: %s", order.client_id, error)
                continue
            gone.append(order.to(_gone(order), at=self._now, note="left over after the close"))
        if gone:
            await self.book.commit([OrderEnded(at=self._now, order=o) for o in gone], gone, exit=True)

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()


def _guard_levels(position: Position) -> tuple[tuple[ClientId, Decimal], ...]:
    """Each guard's id and the level it has to stand at."""
    guard = position.protection
    return (guard.stop_id, guard.stop), (guard.target_id, guard.target)


def _guards(position: Position, order: Order | None, level: Decimal) -> bool:
    """Whether a working order guards all of a position at this level."""
    return (
        order is not None
        and order.reduce_only
        and order.side is position.direction.exit
        and order.trigger == level
        and order.quantity - order.filled >= position.quantity
    )


def _gone(order: Order) -> OrderStatus:
    return OrderStatus.ABANDONED if order.status is OrderStatus.INTENDED else OrderStatus.CANCELLED


def _order_note(order: Order) -> str:
    return f"{order.kind.value.replace('_', ' ')} at {order.trigger} on the venue" if order.trigger else ""


def _with_fill(order: Order, fill: Fill) -> Order:
    """The order after one more fill; a fill may be the first that is heard of it."""
    filled = order.filled + fill.quantity
    status = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.PARTLY_FILLED
    return order.to(status, at=fill.at, filled=min(filled, order.quantity))
