"""Follows the shadow trades of a stopped playbook on every quote, and writes down what became of them."""

from dataclasses import replace

from trading import shadow
from trading.book import Book
from trading.errors import NoEvidence
from trading.events import ShadowClosed
from trading.exits import Exit, Look, Stand, Standing
from trading.model import ExitReason, Position, Quote, Symbol, Trade
from trading.watch import Watch


class Shadowing:
    """`watch` says what exits may know of the market, and how often they look."""

    def __init__(self, *, book: Book, watch: Watch) -> None:
        self.book = book
        self._watch = watch

    def on(self, symbol: Symbol) -> Position | None:
        return next((p for p in self.book.state.shadow if p.symbol == symbol), None)

    async def on_quote(self, quote: Quote) -> None:
        position = self.on(quote.symbol)
        if position is None:
            return
        look = self._look(position, quote)
        after: Position | Trade | None = shadow.guarded(position, look)
        if after is None and self._watch.due(position, quote):
            after = shadow.followed(replace(position, memory=self._watch.memory_of(position, look)), look)
        if isinstance(after, Trade):
            await self._close(after)
        elif after is not None and after != position:
            await self._keep(after)

    async def end(self, symbol: Symbol) -> None:
        """No bar will come any more: it is settled at the last price, where there is one."""
        position = self.on(symbol)
        if position is None:
            return
        try:
            look = self._look(position, self._watch.market.quote(symbol))
        except NoEvidence:
            return
        await self._close(shadow.left(position, look, Exit(reason=ExitReason.END_OF_DATA, note="its data ends here")))

    async def _close(self, trade: Trade) -> None:
        await self.book.commit([ShadowClosed(at=self.book.clock.now(), trade=trade)], exit=True)

    async def _keep(self, changed: Position) -> None:
        """What its exits remember. It may have been dropped in the meantime: then it stays so."""
        kept = tuple(changed if p.id == changed.id else p for p in self.book.state.shadow)
        self.book.note(shadow=kept)
        await self.book.commit([], exit=True, idle=True)

    def _look(self, position: Position, quote: Quote) -> Look:
        look = self._watch.look(position, quote)
        return replace(look, standing=self._standing()) if position.plan.rebalance else look

    def _standing(self) -> Standing | None:
        """The shadow trades as if they were the book; None where a mark is not known."""
        marks = self._watch.market.quote
        try:
            stands = [Stand.of(p, marks(p.symbol).mark) for p in self.book.state.shadow]
            return Standing(equity=self.book.equity(marks), positions=tuple(stands))
        except NoEvidence:
            return None
