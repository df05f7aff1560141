"""The desk's own books: what is open, what is on its way, and what that adds up to. Journal first, memory second."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.errors import JournalUnwritable, NoEvidence
from trading.events import Event, ShadowClosed
from trading.lessons import QUIET, TEACHING, learned
from trading.model import (
    ZERO,
    ClientId,
    DecisionId,
    Direction,
    Leg,
    Order,
    Position,
    PositionId,
    Protection,
    Quote,
    Symbol,
    Trade,
)
from trading.playbook import Playbook
from trading.ports import RECENT, Clock, Journal, Remembered, State
from trading.state import DeskState
from trading.tripwires import Check

log = logging.getLogger(__name__)

Batch = tuple[tuple[Event, ...], tuple[State, ...]]
Marks = Callable[[Symbol], Quote]


class Book:
    """One writer per instrument goes through here; what `commit` or `note` does not change does not change."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        state: DeskState,
        playbook: Playbook,
        remembered: Remembered | None = None,
    ) -> None:
        self.journal = journal
        self.clock = clock
        self.playbook = playbook  # the one that runs
        self.state = remembered.state if remembered else state
        self.positions: dict[PositionId, Position] = {p.id: p for p in (remembered.positions if remembered else ())}
        self.orders: dict[ClientId, Order] = {o.client_id: o for o in (remembered.orders if remembered else ())}
        self.fills: set[str] = set(remembered.fills if remembered else ())  # applied after state.last_fill
        self.funding: set[str] = set(remembered.funding if remembered else ())
        self.trades: tuple[Trade, ...] = remembered.trades if remembered else ()  # the last RECENT, oldest first
        self.shadow_trades: tuple[Trade, ...] = remembered.shadow_trades if remembered else ()  # likewise
        exits = remembered.exits if remembered else ()
        self.last_exit: dict[Symbol, tuple[Direction, datetime]] = {t.symbol: (t.direction, t.closed_at) for t in exits}
        self._writing = asyncio.Lock()
        self.patience = 0  # how many idle commits may wait to be written with the next one
        self.unwritten = False  # the journal refused, and an exit went on without it
        self.writable: Check | None = None  # the last time the journal was asked to write
        self.learnt: Callable[[], None] = lambda: None  # told when a commit has taught something
        self._waiting: list[Batch] = []
        self._noted: list[Event] = []

    # --- change -------------------------------------------------------------------------------------------------

    async def commit(
        self,
        events: Sequence[Event],
        states: Sequence[Order | Position | Trade] = (),
        *,
        desk: Mapping[str, Any] | None = None,
        exit: bool = False,
        idle: bool = False,
    ) -> None:
        """Write events, states and changes of the desk's own state as one transaction, then remember them.

        Raises JournalUnwritable, and nothing has changed. With `exit` it does not raise: getting out of the market
        does not wait for a disk; the entry is kept and written first as soon as the journal takes it. `idle`: nothing
        follows from these events, so they may wait for the next transaction where `patience` allows it.

        What the events teach (lessons.py), and what was noted before, is part of the same transaction.
        """
        async with self._writing:
            changes = dict(desk or {})
            changes["market_at"] = self.clock.now()
            changes["realised"] = sum((s.net for s in states if isinstance(s, Trade)), self.state.realised)
            teaching = [e for e in events if isinstance(e, TEACHING)]
            lesson = learned(self.state, teaching, self.playbook)
            noted = tuple(self._noted)
            before, changed = self.state, replace(self.state, **changes, **lesson.changes)
            batch = ((*noted, *events, *lesson.events), (*states, changed))
            if idle and len(self._waiting) < self.patience:
                self._waiting.append(batch)
            else:
                await self._write([*self._waiting, batch], exit=exit)
            del self._noted[: len(noted)]
            if self.state is before:
                self.state = changed
            else:  # the day may have rolled meanwhile, and more been measured
                self.state = replace(self.state, **changes, **learned(self.state, teaching, self.playbook).changes)
            self._remember(states)
            paper = tuple(e.trade for e in events if isinstance(e, ShadowClosed))
            self.shadow_trades = (*self.shadow_trades, *paper)[-RECENT:] if paper else self.shadow_trades
        if any(not isinstance(e, QUIET) for e in teaching):
            self.learnt()

    def note(self, *events: Event, **changes: Any) -> None:
        """Change the desk's own state at once; the next transaction, whichever it is, writes it with its events."""
        self.state = replace(self.state, **changes)
        self._noted += events

    def timed(self, seconds: Decimal) -> None:
        """One call to the venue took this long."""
        samples = self.state.samples
        latencies = (*samples.latencies, seconds)[-self.playbook.breaker.samples :]
        if latencies != samples.latencies:
            self.note(samples=replace(samples, latencies=latencies))

    async def _write(self, batches: list[Batch], *, exit: bool) -> None:
        events = [e for written, _ in batches for e in written]
        # Of the desk's own state only the last counts.
        states = [s for _, changed in batches for s in changed if not isinstance(s, DeskState)]
        try:
            await self.journal.commit(events, [*states, batches[-1][1][-1]])
        except JournalUnwritable:
            self.writable = Check(ok=False, at=self.clock.now())
            if not exit:
                raise
            log.exception("journal not writable; an exit goes on without it")
            self._waiting, self.unwritten = batches, True
        else:
            self._waiting, self.unwritten = [], False
            self.writable = Check(ok=True, at=self.clock.now())

    def reserve(self, orders: Iterable[Order]) -> None:
        """Count orders that are about to be journalled, so that the next look at the gate sees them."""
        self.orders.update((o.client_id, o) for o in orders)

    def release(self, orders: Iterable[Order]) -> None:
        """Take a reservation back: the journal did not accept it."""
        for order in orders:
            self.orders.pop(order.client_id, None)

    def _remember(self, states: Sequence[Order | Position | Trade]) -> None:
        for state in states:
            match state:
                case Order() if state.status.final:
                    self.orders.pop(state.client_id, None)
                case Order():
                    self.orders[state.client_id] = state
                case Position():
                    self.positions[state.id] = state
                case Trade():
                    self.positions.pop(state.id, None)
                    self.last_exit[state.symbol] = (state.direction, state.closed_at)
                    self.trades = (*self.trades, state)[-RECENT:]

    # --- look ---------------------------------------------------------------------------------------------------

    def order(self, client_id: ClientId) -> Order | None:
        return self.orders.get(client_id)

    def protection_on(self, symbol: Symbol) -> Protection | None:
        """Of the position on an instrument, or of the entry that is on its way there."""
        position = self.on(symbol)
        if position is not None:
            return position.protection
        return next((o.protection for o in self.orders_on(symbol) if o.protection is not None), None)

    def on(self, symbol: Symbol) -> Position | None:
        """The open position on an instrument (one-way mode: there is at most one)."""
        return next((p for p in self.positions.values() if p.symbol == symbol), None)

    def orders_on(self, symbol: Symbol) -> tuple[Order, ...]:
        return tuple(o for o in self.orders.values() if o.symbol == symbol)

    def orders_for(self, decision: DecisionId | PositionId, leg: Leg) -> tuple[Order, ...]:
        return tuple(o for o in self.orders.values() if o.decision_id == decision and o.leg is leg)

    def entries(self) -> tuple[Order, ...]:
        """Entries on their way that have no position yet."""
        return tuple(
            o for o in self.orders.values() if o.leg is Leg.ENTRY and PositionId(o.decision_id) not in self.positions
        )

    def taken(self) -> frozenset[Symbol]:
        """Instruments with a position or any unfinished order, a leftover included."""
        return frozenset({p.symbol for p in self.positions.values()} | {o.symbol for o in self.orders.values()})

    def margin_used(self, price: Callable[[Order], Decimal]) -> Decimal:
        """Margin of what is open and of what is on its way, the rest of an entry that has filled in part included."""
        entries = (o for o in self.orders.values() if o.leg is Leg.ENTRY)
        pending = sum(((o.quantity - o.filled) * price(o) / o.leverage for o in entries), ZERO)
        return sum((p.margin for p in self.positions.values()), pending)

    @property
    def booked(self) -> Decimal:
        """Start and everything realised, on open positions too; without unrealised P&L."""
        return self.state.start_equity + self.state.realised + sum((p.booked for p in self.positions.values()), ZERO)

    def unrealised(self, marks: Marks) -> Decimal:
        """Raises NoEvidence when a position has no fresh mark: unknown is not zero."""
        return sum((p.unrealised(marks(p.symbol).mark) for p in self.positions.values()), ZERO)

    def equity(self, marks: Marks) -> Decimal:
        return self.booked + self.unrealised(marks)

    def roll_day(self, marks: Marks) -> None:
        """At the first look into a new UTC day, note the equity it opens with. Without marks the old day stands."""
        day = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        if self.state.day is not None and day - self.state.day < timedelta(days=1):
            return
        try:
            equity = self.equity(marks)
        except NoEvidence:
            return
        self.state = replace(self.state, day=day, day_equity=equity)
