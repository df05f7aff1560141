"""Scores the calls whose horizon has passed, and looks once a week whether other weights would have done better."""

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from trading import calls
from trading.book import Book
from trading.calibration import LABEL
from trading.calls import Call
from trading.errors import BadRecord, JournalUnwritable, NoEvidence
from trading.events import CallScored, WeightsProposed
from trading.experts import NoProposal, Proposal, Weighed, propose
from trading.market.snapshot import Snapshots

LOOKED_BACK = 2000  # decisions


class Scoring:
    """Calls are opened with the decisions that make them, see lessons.py."""

    def __init__(self, *, book: Book, market: Snapshots) -> None:
        self.book = book
        self.market = market
        self._looked: tuple[Call, ...] | None = None
        self._next: datetime | None = None
        self._scoring = False

    @property
    def due(self) -> bool:
        """Whether there is a call to score. Asked at every moment: what it looks at is the first horizon alone."""
        if self.book.state.calls is not self._looked:
            self._looked = self.book.state.calls
            self._next = min((call.until for call in self._looked), default=None)
        return self._next is not None and self._next <= self.book.clock.now() and not self._scoring

    async def score(self) -> None:
        """What is due at the marks of now. Without a mark a call waits, and is given up when that would be too long. A
        journal that does not take it is asked again at the next moment."""
        self._scoring = True
        try:
            found = calls.due(self.book.state.calls, self.book.clock.now())
            self._give_up([call for call in found if call.forgotten_at < self.book.clock.now()])
            events = [event for call in found if (event := self._scored(call)) is not None]
            if events:
                with suppress(JournalUnwritable):  # said by the breaker
                    await self.book.commit(events, idle=True)
        finally:
            self._scoring = False

    def _scored(self, call: Call) -> CallScored | None:
        now = self.book.clock.now()
        instrument = self.market.instruments().get(call.symbol)
        if instrument is None or call.forgotten_at < now:
            return None
        try:
            then = self.market.quote(call.symbol).mark
        except NoEvidence:
            return None
        costs = 2 * instrument.taker_fee
        return CallScored(
            at=now,
            version=LABEL,
            persona=call.persona,
            model=call.model,
            symbol=call.symbol,
            decision_id=call.decision_id,
            direction=call.direction,
            confidence=call.confidence,
            called_at=call.at,
            horizon=call.horizon,
            price=call.price,
            then=then,
            costs=costs,
            right=calls.is_right(call.direction, price=call.price, then=then, costs=costs),
        )

    def _give_up(self, late: list[Call]) -> None:
        if late:
            state = self.book.state
            left = tuple(call for call in state.calls if call not in late)
            self.book.note(calls=left, attendance=calls.lost(state.attendance, late))

    # --- weights ------------------------------------------------------------------------------------------------

    async def weigh(self) -> tuple[Weighed, tuple[WeightsProposed, ...]]:
        """What the record of the running playbook's personas suggests, and how to tell it: nothing is changed by it."""
        playbook, now = self.book.playbook, self.book.clock.now()
        weights = {name: Decimal(seat.milli) / 1000 for name, seat in playbook.panel.items() if seat.enabled}
        found: Proposal | NoProposal
        try:
            await self.book.commit([], exit=True)  # what waits to be written is looked at too
            trials = await self.book.journal.trials(LOOKED_BACK)
            found = await asyncio.to_thread(propose, trials, weights)
        except BadRecord as error:
            found = NoProposal(n=0, reason=f"the journal could not be read: {error}")
        weighed = Weighed(at=now, playbook=playbook.name, found=found)
        if isinstance(found, NoProposal):
            return weighed, ()
        return weighed, (WeightsProposed(at=now, playbook=playbook.name, n=found.n, rows=found.rows, gain=found.gain),)
