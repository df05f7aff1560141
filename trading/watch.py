"""The exit path, on every quote. It asks no model and waits for none."""

from datetime import datetime, timedelta

from trading import exits
from trading.book import Book
from trading.execution import Execution
from trading.model import Quote, Symbol


class Watch:
    def __init__(self, *, book: Book, execution: Execution, every: timedelta | None) -> None:
        self.book = book
        self.execution = execution
        self.every = every  # None: every quote
        self._looked: dict[Symbol, datetime] = {}

    async def on_quote(self, quote: Quote) -> None:
        position = self.book.on(quote.symbol)
        if position is None or position.closing is not None or not self._due(quote):
            return
        found = exits.first_of(position, quote, quote.at)
        if found is not None:
            await self.execution.close(position, found.reason, found.note, quote)

    def _due(self, quote: Quote) -> bool:
        last = self._looked.get(quote.symbol)
        if self.every is not None and last is not None and quote.at - last < self.every:
            return False
        self._looked[quote.symbol] = quote.at
        return True
