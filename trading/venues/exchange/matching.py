"""Which of the exchange's orders are the desk's, and how they look to it. Pure but for what it has been told.

Guards that ride on an entry come back under the exchange's own ids, and a guard that was replaced under a new one of
ours. One position stands on an instrument at a time, so a reduce-only stop there is that position's stop.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trading.messages import OrderReport
from trading.model import ClientId, DecisionId, Leg, Order, OrderKind, Protection, Symbol
from trading.venues.exchange.ids import generation, leg_of, ours
from trading.venues.exchange.wire import Seen

KEPT = 2_000  # orders that are remembered after they were sent
STRANGER = "venue-"  # before the exchange's id of an order that is none of ours


class Intents(Protocol):
    """What the desk's book knows."""

    def order(self, client_id: ClientId) -> Order | None: ...

    def protection_on(self, symbol: Symbol) -> Protection | None:
        """Of the position there, or of the entry that is on its way."""
        ...


class NoIntents:
    """Nobody has told us anything: the shell, which has no desk."""

    def order(self, client_id: ClientId) -> Order | None:  # noqa: ARG002
        return None

    def protection_on(self, symbol: Symbol) -> Protection | None:  # noqa: ARG002
        return None


class Matching:
    def __init__(self) -> None:
        self.intents: Intents = NoIntents()
        self._sent: OrderedDict[ClientId, Order] = OrderedDict()
        self._guards: dict[Symbol, Protection] = {}  # of the entry that was sent last
        self._hung: dict[ClientId, Order] = {}  # guards of what was sent, newest first
        self._standing: dict[ClientId, str] = {}  # under which id at the exchange a guard of ours stood last

    def note(self, order: Order, protection: Protection | None) -> None:
        self._sent[order.client_id] = order
        if protection is not None:
            self._guards[order.symbol] = protection
            self._hung = {guard.client_id: guard for guard in _guards_of(order, protection)} | self._hung
            self._hung = dict(list(self._hung.items())[:KEPT])
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    def forget(self, order: Order) -> None:
        """It was certainly not taken: the same intent may be sent again."""
        self._sent.pop(order.client_id, None)

    def was_sent(self, client_id: ClientId) -> bool:
        return client_id in self._sent

    def client_id(self, seen: Seen) -> ClientId:
        """The desk's id of what the exchange shows."""
        found = ours(seen.client_id)
        if found is not None:
            return found
        guard = self.guard_on(seen.symbol)
        if guard is not None and not seen.client_id and seen.reduce_only:
            if seen.kind is OrderKind.STOP:
                return guard.stop_id
            if seen.kind is OrderKind.TAKE_PROFIT:
                return guard.target_id
        return ClientId(f"{STRANGER}{seen.id}")

    def guard_on(self, symbol: Symbol) -> Protection | None:
        return self.intents.protection_on(symbol) or self._guards.get(symbol)

    def guard_id(self, symbol: Symbol, leg: Leg) -> ClientId | None:
        guard = self.guard_on(symbol)
        if guard is None:
            return None
        return guard.stop_id if leg is Leg.STOP else guard.target_id

    def newest(self, found: Iterable[Seen]) -> dict[ClientId, Seen]:
        """One order for each of the desk's ids: of a guard that is just being replaced, the one that replaces."""
        best: dict[ClientId, Seen] = {}
        for seen in found:
            id = self.client_id(seen)
            if id not in best or generation(seen.client_id) >= generation(best[id].client_id):
                best[id] = seen
                if seen.conditional and ours(seen.client_id):
                    self._standing[id] = seen.client_id
        return best

    def guards_seen(self, symbol: Symbol) -> tuple[tuple[ClientId, str], ...]:
        """Stop and target of what stands on an instrument, and their ids at the exchange where they have ours."""
        guard = self.guard_on(symbol)
        if guard is None:
            return ()
        return tuple((id, self._standing.get(id, id)) for id in (guard.stop_id, guard.target_id))

    def report(self, seen: Seen, *, at: datetime, whole: Decimal = Decimal(0)) -> OrderReport:
        """`whole`: what an order for all of a position is for."""
        id = self.client_id(seen)
        known = self.intents.order(id) or self._sent.get(id) or self._hung.get(id)
        quantity = seen.quantity or whole or seen.filled
        if known is None:
            return OrderReport(order=_stranger(seen, id, quantity), at=at)
        order = replace(
            known,
            quantity=max(quantity or known.quantity, seen.filled),
            filled=seen.filled,
            status=seen.status,
            changed_at=seen.at,
            note=seen.note or known.note,
        )
        if known.trigger is not None and seen.trigger is not None:
            order = replace(order, trigger=seen.trigger)
        return OrderReport(order=replace(order, reduce_only=seen.reduce_only or known.reduce_only), at=at)


def _guards_of(entry: Order, protection: Protection) -> tuple[Order, Order]:
    def guard(client_id: ClientId, leg: Leg, kind: OrderKind, trigger: Decimal) -> Order:
        return Order(
            client_id=client_id,
            decision_id=entry.decision_id,
            leg=leg,
            symbol=entry.symbol,
            side=entry.direction.exit,
            kind=kind,
            quantity=entry.quantity,
            created_at=entry.created_at,
            trigger=trigger,
            reduce_only=True,
            leverage=entry.leverage,
        )

    return (
        guard(protection.stop_id, Leg.STOP, OrderKind.STOP, protection.stop),
        guard(protection.target_id, Leg.TARGET, OrderKind.TAKE_PROFIT, protection.target),
    )


def _stranger(seen: Seen, id: ClientId, quantity: Decimal) -> Order:
    """An order that nobody here remembers: as much of it as the exchange tells."""
    triggered = seen.kind in (OrderKind.STOP, OrderKind.TAKE_PROFIT)
    guess = {OrderKind.STOP: Leg.STOP, OrderKind.TAKE_PROFIT: Leg.TARGET}.get(seen.kind, Leg.ENTRY)
    return Order(
        client_id=id,
        decision_id=DecisionId(""),
        leg=leg_of(seen.client_id) or (Leg.CLOSE if seen.reduce_only and not triggered else guess),
        symbol=seen.symbol,
        side=seen.side,
        kind=seen.kind,
        quantity=max(quantity, seen.filled) or Decimal(1),
        created_at=seen.at,
        price=seen.price if seen.kind is OrderKind.LIMIT else None,
        trigger=seen.trigger if triggered else None,
        reduce_only=seen.reduce_only,
        status=seen.status,
        filled=seen.filled,
        changed_at=seen.at,
        note=seen.note,
    )
