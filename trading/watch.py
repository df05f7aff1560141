"""The exit path, on every quote. It asks no model and waits for none."""

from dataclasses import replace
from datetime import timedelta

from trading.book import Book
from trading.errors import NoEvidence
from trading.execution import Execution
from trading.exit_plan import Memory, StopMove
from trading.exits import Exit, Look, Stand, Standing, needs_outlook
from trading.market.outlook import NOTHING_KNOWN, Outlook, Outlooks
from trading.market.snapshot import Snapshots
from trading.model import Position, Quote
from trading.steps import Step, next_step, remember


class Watch:
    """`outlooks` and `every` may be exchanged while it runs: the playbook's regime policy, and its pace."""

    def __init__(
        self, *, book: Book, execution: Execution, market: Snapshots, outlooks: Outlooks, every: timedelta | None
    ) -> None:
        self.book = book
        self.execution = execution
        self.market = market
        self.outlooks = outlooks
        self.every = every  # None: every quote

    async def on_quote(self, quote: Quote) -> None:
        position = self.book.on(quote.symbol)
        if position is None or position.closing is not None or not self.due(position, quote):
            return
        look = self.look(position, quote)
        position = await self._remember(position, look)
        while (step := next_step(position, look)) is not None:
            await self._take(position, step, quote)
            now = self.book.positions.get(position.id)
            if now is None or not isinstance(step, StopMove):
                return
            position = now

    async def _take(self, position: Position, step: Step, quote: Quote) -> None:
        match step:
            case Exit():
                await self.execution.close(position, step.reason, step.note, quote)
            case StopMove():
                await self.execution.move_stop(position, step)
            case _:
                await self.execution.reduce(position, step, quote)

    async def _remember(self, position: Position, look: Look) -> Position:
        """The position with what this look adds to its memory, saved before anything follows from it."""
        memory = self.memory_of(position, look)
        if memory == position.memory:
            return position
        known = replace(position, memory=memory)
        await self.book.commit([], [known], exit=True)
        return known

    def memory_of(self, position: Position, look: Look) -> Memory:
        memory = remember(position, look)
        return memory if self.every is None else replace(memory, looked=look.now)

    def due(self, position: Position, quote: Quote) -> bool:
        last = position.memory.looked
        return self.every is None or last is None or quote.at - last >= self.every

    # --- what the exits may know --------------------------------------------------------------------------------

    def look(self, position: Position, quote: Quote) -> Look:
        return Look(
            quote=quote,
            now=quote.at,
            instrument=self.market.instruments()[quote.symbol],
            outlook=self._outlook(position),
            standing=self._standing() if position.plan.rebalance else None,
        )

    def _outlook(self, position: Position) -> Outlook:
        if not needs_outlook(position.plan):
            return NOTHING_KNOWN
        try:
            return self.outlooks(self.market.snapshot(position.symbol))
        except NoEvidence:
            return NOTHING_KNOWN

    def _standing(self) -> Standing | None:
        """All that is open and stays so, at its marks; None where one of them is not known."""
        try:
            stands = [
                Stand.of(p, self.market.quote(p.symbol).mark) for p in self.book.positions.values() if p.closing is None
            ]
            return Standing(equity=self.book.equity(self.market.quote), positions=tuple(stands))
        except NoEvidence:
            return None
