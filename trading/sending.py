"""One order on its way: sent once, and what became of it. Every request is journalled before it leaves."""

from datetime import datetime

from trading.book import Book
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.events import OrderEnded, OrderSent, OrderUncertain
from trading.messages import OrderReport
from trading.model import Leg, Order, OrderStatus, Position, PositionId
from trading.ports import Venue
from trading.steps import untaken

DUPLICATE = "duplicate"  # the code with which a venue refuses a client id that it knows already


class Sending:
    def __init__(self, *, venue: Venue, book: Book) -> None:
        self.venue = venue
        self.book = book

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
                await self.end(order, OrderStatus.REJECTED, error.reason)
        except Transient as error:
            await self.end(order, OrderStatus.ABANDONED, f"not sent: {error}")
        except UnknownOutcome as error:
            await self._uncertain(order, str(error))
        else:
            await self.taken(order, report)

    async def withdraw(self, order: Order, why: str) -> None:
        """An intent that is not going to be sent."""
        await self.end(order, OrderStatus.ABANDONED, why, withdrawn=True)

    async def taken(self, order: Order, report: OrderReport) -> None:
        """The venue has it. Its fills come as updates of their own, also those of an order that is done already."""
        if self._stands(order):
            sent = order.to(OrderStatus.OPEN, at=report.at)
            await self.book.commit([OrderSent(at=self._now, order=sent)], [sent], exit=True)

    async def end(self, order: Order, status: OrderStatus, why: str, *, withdrawn: bool = False) -> None:
        """An order that will do nothing more; what hung on it goes with it. `withdrawn`: the desk took it back."""
        if self._stands(order):
            ended = order.to(status, at=self._now, note=why)
            states: list[Order | Position] = [ended, *self._guards_of(ended), *self._step_of(ended)]
            event = OrderEnded(at=self._now, order=ended, withdrawn=withdrawn)
            await self.book.commit([event], states, exit=True)

    async def _uncertain(self, order: Order, why: str) -> None:
        if self._stands(order):
            uncertain = order.to(OrderStatus.UNKNOWN, at=self._now, note=why)
            await self.book.commit([OrderUncertain(at=self._now, order=uncertain)], [uncertain], exit=True)

    def _stands(self, order: Order) -> bool:
        """Whether an order is still as it was before the venue was asked: its fills may have overtaken the answer."""
        return self.book.orders.get(order.client_id) == order

    def _guards_of(self, ended: Order) -> tuple[Order, ...]:
        """An entry of which nothing filled takes its guard with it."""
        if ended.leg is not Leg.ENTRY or ended.filled:
            return ()
        guards = [o for leg in (Leg.STOP, Leg.TARGET) for o in self.book.orders_for(ended.decision_id, leg)]
        return tuple(g.to(OrderStatus.ABANDONED, at=self._now, note="its entry came to nothing") for g in guards)

    def _step_of(self, ended: Order) -> tuple[Position, ...]:
        """A step of the plan whose order never reached the venue is due again."""
        position = self.book.positions.get(PositionId(ended.decision_id))
        if position is None or ended.leg is not Leg.PARTIAL or ended.status is not OrderStatus.ABANDONED:
            return ()
        return (untaken(position),)

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()
