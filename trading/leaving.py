"""The ways out: all of a position at market, or a part of it. Reduce-only, each with an intent of its own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from trading.book import Book
from trading.events import Event, ExitTriggered, OrderIntended, PartialTriggered
from trading.identity import client_id
from trading.model import DecisionId, ExitReason, Leg, Order, OrderKind, Position, PositionId, Quote, Side
from trading.sending import Sending
from trading.steps import Reduce, counted, is_retry


class Leaving:
    def __init__(self, *, book: Book, sending: Sending) -> None:
        self.book = book
        self._sending = sending

    async def close(self, position: Position, reason: ExitReason, note: str, quote: Quote | None = None) -> None:
        """Close all of a position at market. Once decided it is carried through; a second call changes nothing.

        `quote` is what the decision was made at, where it was made at one: slippage is measured from it.
        """
        if position.closing is None:
            closing = replace(position, closing=reason, closing_note=note)
            triggered = ExitTriggered(at=self._now, position=closing, reason=reason, note=note, quote=quote)
            await self.close_again(closing, [triggered], quote)

    async def close_now(self, position_id: PositionId, reason: ExitReason, note: str) -> None:
        """Close what is open of it when its lane comes to it: a fill may have come since that was decided."""
        position = self.book.positions.get(position_id)
        if position is not None:
            await self.close(position, reason, note)

    async def close_again(self, position: Position, events: Sequence[Event] = (), quote: Quote | None = None) -> None:
        """Send an order for all that is open of a position whose close is decided."""
        number = position.closes + 1
        order = self._order(position, Leg.CLOSE, number, quantity=position.quantity, quote=quote)
        order = replace(order, note=position.closing_note)
        intent = OrderIntended(at=self._now, order=order)
        await self.book.commit([*events, intent], [replace(position, closes=number), order], exit=True)
        await self._sending.send(order)

    def reducing(self, position: Position) -> bool:
        """Whether an order for a part of it, or for all, is on its way."""
        return any(self.book.orders_for(position.id, leg) for leg in (Leg.PARTIAL, Leg.CLOSE))

    async def reduce(self, position: Position, part: Reduce, quote: Quote) -> None:
        """Close a part at market, and count its steps with the intent. While one is on its way, no other is sent."""
        if position.closing is not None or self.reducing(position):
            return
        memory = position.memory
        number = part.step + len(position.plan.partials) * memory.tries  # an order that was lost is not sent again
        order = self._order(position, Leg.PARTIAL, number, quantity=part.quantity, quote=quote)
        order = replace(order, note=part.note)
        taken = replace(position, memory=counted(position, part))
        events: list[Event] = [OrderIntended(at=self._now, order=order)]
        if not is_retry(memory):
            told = PartialTriggered(at=self._now, position=taken, quantity=part.quantity, note=part.note, quote=quote)
            events.insert(0, told)
        await self.book.commit(events, [taken, order], exit=True)
        await self._sending.send(order)

    async def take(self, position: Position, quantity: Decimal, note: str, quote: Quote | None) -> None:
        """Close a part by hand. It is a close of its own and no step of the plan: the plan's steps stay as they were,
        and one that is lost is not sent again. Only where nothing else is on its way."""
        number = position.closes + 1
        order = self._order(position, Leg.CLOSE, number, quantity=quantity, quote=quote)
        order = replace(order, note=note)
        taken = replace(position, closes=number)
        told = PartialTriggered(
            at=self._now, position=taken, quantity=quantity, note=note, quote=quote, reason=ExitReason.MANUAL
        )
        await self.book.commit([told, OrderIntended(at=self._now, order=order)], [taken, order], exit=True)
        await self._sending.send(order)

    def _order(self, position: Position, leg: Leg, number: int, *, quantity: Decimal, quote: Quote | None) -> Order:
        decision, side = DecisionId(position.id), position.direction.exit
        return Order(
            client_id=client_id(self.book.state.desk, decision, leg, number),
            decision_id=decision,
            leg=leg,
            symbol=position.symbol,
            side=side,
            kind=OrderKind.MARKET,
            quantity=quantity,
            created_at=self._now,
            reduce_only=True,
            leverage=position.leverage,
            expected=None if quote is None else (quote.ask if side is Side.BUY else quote.bid),
        )

    @property
    def _now(self) -> datetime:
        return self.book.clock.now()
