"""Stop and target at the venue: read back, missed, moved in place, swept away after the close. Nothing is ever naked.

A move of the stop is a fact in the book before the venue is asked, and stays one until the venue has answered: until
then the old stop counts, and either level is a guard. A move is asked for in place (amend), so that there is no moment
without a stop, and asking twice is harmless.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.book import Book
from trading.errors import OrderRejected, Transient, UnknownOutcome
from trading.events import OrderEnded, ProtectionConfirmed, ProtectionFailed, StopMoved, StopNotMoved
from trading.exit_plan import StopMove
from trading.leaving import Leaving
from trading.model import ClientId, ExitReason, Guard, Leg, Order, OrderStatus, Position, PositionId, Symbol
from trading.ports import Venue
from trading.steps import stop_moved

log = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(seconds=10)  # protection must have been read back by then, or the position is closed
LAST_LOOK = CONFIRM_WITHIN - timedelta(seconds=1)  # the one after it would come too late
LAST_TRY = CONFIRM_WITHIN - timedelta(seconds=3)  # to place what is missing: one that hangs takes two

GONE = "gone"  # the code with which a venue refuses to move an order that does not work there
TRIGGERS = "triggers"  # the code with which it refuses a guard that would fire at once


class Guarding:
    def __init__(self, *, venue: Venue, book: Book, leaving: Leaving) -> None:
        self.venue = venue
        self.book = book
        self._leaving = leaving

    # --- seen, or missed ----------------------------------------------------------------------------------------

    async def confirm(self, position: Position, *, first: bool = False) -> None:
        """Read stop and target back from the venue; close the position when they were not seen in time. `first`: it was
        not looked at before, and what is missing may be placed however late it is.

        A venue that cannot be read confirms nothing: after the same time that fails closed too, and says which it was.
        """
        wanted = guard_levels(position)
        waited = self._now - (position.guard_since or position.opened_at)
        seen = await self._working(position)
        read = [(seen.get(i), levels) for i, levels in wanted] if seen is not None else []
        found = [order for order, levels in read if order is not None and guards(position, order, levels)]
        if len(found) == len(wanted):
            adopted = [self._adopt(order) for order in found]
            confirmed = replace(position, guard=Guard.CONFIRMED, guard_since=self._now)
            told = ProtectionConfirmed(at=self._now, position=confirmed)
            await self.book.commit([told], [confirmed, *adopted], exit=True)
        elif not first and waited > LAST_LOOK:
            what = "could not be read" if seen is None else "were not seen"
            await self._give_up(position, f"stop and target {what} within {CONFIRM_WITHIN.seconds} s")
        elif seen is not None and (first or waited <= LAST_TRY):
            await self._restore(position)

    async def _restore(self, position: Position) -> None:
        """Have the venue place what it has never shown. A guard that was there and has gone is not replaced: who took
        it away is not known, and the position is closed when its time is over."""
        if any(self._never_stood(client_id) for client_id, _ in guard_levels(position)):
            try:
                await self.venue.protect(position)
            except OrderRejected as error:
                log.warning("stop and target of %s are refused: %s", position.id, error)
                if error.code == TRIGGERS:
                    await self._give_up(position, "the price has passed the stop or the target")
            except (Transient, UnknownOutcome) as error:
                log.warning("stop and target of %s are not placed yet: %s", position.id, error)

    def _never_stood(self, client_id: ClientId) -> bool:
        order = self.book.orders.get(client_id)
        return order is not None and order.status is OrderStatus.INTENDED

    async def _give_up(self, position: Position, note: str) -> None:
        failed = replace(position, guard=Guard.FAILED, guard_since=self._now)
        await self.book.commit([ProtectionFailed(at=self._now, position=failed)], [failed], exit=True)
        await self._leaving.close(failed, ExitReason.UNPROTECTED, note)

    async def doubt(self, position: PositionId) -> None:
        """A guard that was there is gone: it has to be seen again within the time a new one has."""
        found = self.book.positions.get(position)
        if found is not None and found.guard is Guard.CONFIRMED and found.closing is None:
            naked = replace(found, guard=Guard.PENDING, guard_since=self._now)
            await self.book.commit([], [naked], exit=True)

    # --- moved --------------------------------------------------------------------------------------------------

    async def move_stop(self, position: Position, move: StopMove) -> None:
        """Move the stop in place. The wish is journalled first: a restart goes on with it."""
        if position.guard is not Guard.CONFIRMED or position.moving is not None or position.closing is not None:
            return
        moving = replace(position, moving=move)
        await self.book.commit([], [moving], exit=True)
        await self._ask(moving, move)

    async def settle_move(self, position: Position) -> None:
        """A move that was not answered: read where the stop stands, and ask again where it still stands as before."""
        move = position.moving
        seen = await self._working(position)
        if move is None or seen is None:
            return
        stop = seen.get(position.protection.stop_id)
        if stop is None:
            await self.doubt(position.id)
        elif stop.trigger == move.level:
            await self._moved(position.id, move)
        else:
            await self._ask(position, move)

    async def _ask(self, position: Position, move: StopMove) -> None:
        try:
            report = await self.venue.amend(position.symbol, position.protection.stop_id, trigger=move.level)
        except OrderRejected as error:
            await self._not_moved(position.id, move, error)
        except (Transient, UnknownOutcome) as error:
            log.warning("the stop of %s is not moved yet: %s", position.id, error)
        else:
            if report.order.trigger == move.level:
                await self._moved(position.id, move)

    async def _moved(self, position: PositionId, move: StopMove) -> None:
        found = self._moving(position, move)
        if found is not None:
            moved = stop_moved(found, move)
            told = StopMoved(at=self._now, position=moved, before=found.protection.stop, kind=move.kind, note=move.note)
            stop = self.book.orders.get(moved.protection.stop_id)
            await self.book.commit([told], [moved, *([at_its_level(stop, moved)] if stop else [])], exit=True)

    async def _not_moved(self, position: PositionId, move: StopMove, error: OrderRejected) -> None:
        found = self._moving(position, move)
        if found is None:
            return
        stays = replace(found, moving=None, memory=replace(found.memory, refused=move.level))
        told = StopNotMoved(at=self._now, position=stays, wanted=move.level, reason=error.reason)
        await self.book.commit([told], [stays], exit=True)
        if error.code == GONE:
            await self.doubt(position)

    def _moving(self, position: PositionId, move: StopMove) -> Position | None:
        """The position as it is now, unless this move has ended while the venue was asked."""
        found = self.book.positions.get(position)
        return found if found is not None and found.moving == move else None

    # --- swept --------------------------------------------------------------------------------------------------

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
            except (Transient, UnknownOutcome, OrderRejected) as error:
                log.warning("leftover %s not cancelled yet: %s", order.client_id, error)
                continue
            gone.append(order.to(_gone(order), at=self._now, note="left over after the close"))
        if gone:
            await self.book.commit([OrderEnded(at=self._now, order=o) for o in gone], gone, exit=True)

    async def _working(self, position: Position) -> dict[ClientId, Order] | None:
        """What works at the venue. None: it could not be read."""
        try:
            return {r.order.client_id: r.order for r in await self.venue.open_orders(position.symbol)}
        except (Transient, UnknownOutcome, OrderRejected) as error:
            log.warning("protection of %s could not be read: %s", position.id, error)
            return None

    def _adopt(self, told: Order) -> Order:
        """Our guard order with the quantity that the venue holds for it."""
        ours = self.book.orders[told.client_id]
        sized = replace(ours, quantity=told.quantity)
        return sized if sized.status.working else sized.to(OrderStatus.OPEN, at=self._now)

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()


Levels = tuple[Decimal, ...]


def guard_levels(position: Position) -> tuple[tuple[ClientId, Levels], ...]:
    """Each guard's id and the levels it may stand at: a stop that is being moved counts at either."""
    guard, move = position.protection, position.moving
    stops = (guard.stop,) if move is None else (guard.stop, move.level)
    return (guard.stop_id, stops), (guard.target_id, (guard.target,))


def guards(position: Position, order: Order, levels: Levels) -> bool:
    """Whether a working order guards all of a position at one of these levels."""
    return (
        order.reduce_only
        and order.side is position.direction.exit
        and order.trigger in levels
        and order.quantity - order.filled >= position.quantity
    )


def at_its_level(stop: Order, position: Position) -> Order:
    """Our stop order, at the level that its position has for it."""
    level = position.protection.stop
    return stop if stop.trigger == level else replace(stop, trigger=level, expected=level)


def _gone(order: Order) -> OrderStatus:
    return OrderStatus.ABANDONED if order.status is OrderStatus.INTENDED else OrderStatus.CANCELLED
