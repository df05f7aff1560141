"""A market replayed bar by bar: candle files and the simulated one alike. Nothing it shows lies in the future."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from trading.errors import NoEvidence
from trading.market.moments import Chapter, Step
from trading.market.series import MS, FundingSeries, Ints, Series, exact, from_ms, to_ms
from trading.model import Instrument, OrderBook, Quote, Symbol

MINUTE = 60_000  # ms; venues stamp funding a few milliseconds off its hour


class Feed:
    """Plays chapters in order and answers for the moment it stands at. Inside, times are milliseconds."""

    def __init__(
        self,
        *,
        chapters: Callable[[datetime | None], Iterator[Chapter]],
        instruments: Mapping[Symbol, Instrument],
        source: str,
        spread: Decimal,
        book: Callable[[Symbol, Quote, datetime], OrderBook] | None = None,
    ) -> None:
        self.source = source
        self._chapters = chapters
        self._instruments = dict(instruments)
        self._half = spread / 2
        self._book = book
        self._now = 0
        self._chapter: Chapter | None = None
        self._rows: dict[Symbol, int] = {}  # the path row that closed last
        self._rates: dict[Symbol, Decimal] = {}
        self._quotes: dict[Symbol, Quote] = {}

    def stand(self, at: datetime) -> None:
        """Know the market as it is at a moment, before the first step: what a desk needs that starts again."""
        chapter = next(iter(self._chapters(at)), None)
        if chapter is not None:
            self._chapter = chapter
            self._now = to_ms(at)
            self._quotes.clear()
            self._rows = {s: int(c.searchsorted(self._now, side="right")) - 1 for s, c in _closings(chapter).items()}

    # --- playing ------------------------------------------------------------------------------------------------

    def steps(self, since: datetime | None = None) -> Iterator[Step]:
        """Every moment at which a bar closes, from `since` on (inclusive: that moment may have been interrupted)."""
        begin = to_ms(since) if since else 0
        for chapter in self._chapters(since):
            self._chapter = chapter
            yield from self._play(chapter, begin)

    def _play(self, chapter: Chapter, begin: int) -> Iterator[Step]:
        symbols = list(chapter.paths)
        closed = _closings(chapter)
        moments = np.unique(np.concatenate([closed[s] for s in symbols])) if symbols else np.empty(0, np.int64)
        moments = moments[moments >= begin]
        if not len(moments):
            return
        # Where each column stands before the first moment: what closed earlier is known, not played.
        rows = {s: int(np.searchsorted(closed[s], moments[0])) - 1 for s in symbols}
        settled = {s: self._first_funding(chapter.funding.get(s), int(moments[0])) for s in symbols}
        self._rows = rows
        for moment in moments.tolist():
            self._now = moment
            self._quotes.clear()
            candles, gaps, ended = [], [], []
            for s in symbols:
                row = rows[s] + 1
                if row >= len(closed[s]) or closed[s][row] != moment:
                    continue
                rows[s] = row
                series = chapter.paths[s]
                candles.append(series.candle(row))
                gap = _gap(series, row)
                if gap:
                    gaps.append((s, *gap))
                if chapter.last and row == len(series) - 1:
                    ended.append(s)
            yield Step(
                at=from_ms(moment),
                candles=tuple(candles),
                funding=tuple(self._settle(chapter, settled, moment)),
                gaps=tuple(gaps),
                ended=tuple(ended),
            )

    def _first_funding(self, funding: FundingSeries | None, moment: int) -> int:
        """The first settlement that falls due at or after a moment; what came before sets the known rate."""
        if funding is None or not len(funding.at):
            return 0
        first = int(np.searchsorted(funding.at // MINUTE * MINUTE, moment))
        if first:
            self._rates[funding.symbol] = exact(funding.rate[first - 1])
        return first

    def _settle(
        self, chapter: Chapter, settled: dict[Symbol, int], moment: int
    ) -> Iterator[tuple[Symbol, datetime, Decimal]]:
        for symbol, funding in chapter.funding.items():
            row = settled.get(symbol, len(funding.at))
            while row < len(funding.at) and funding.at[row] // MINUTE * MINUTE <= moment:
                rate = exact(funding.rate[row])
                self._rates[symbol] = rate
                if self._rows.get(symbol, -1) >= 0:  # before its first bar there is no price to settle at
                    yield symbol, from_ms(int(funding.at[row]) // MINUTE * MINUTE), rate
                row += 1
                settled[symbol] = row

    # --- answering ----------------------------------------------------------------------------------------------

    def move_to(self, at: datetime) -> None:
        """Stand between two steps, without a new bar."""
        self._now = to_ms(at)
        self._quotes.clear()

    def instruments(self) -> dict[Symbol, Instrument]:
        return self._instruments

    @property
    def chapter(self) -> Chapter | None:
        """What is being played; None before anything is."""
        return self._chapter

    @property
    def at_ms(self) -> int:
        """The moment it stands at, milliseconds UTC."""
        return self._now

    def rate(self, symbol: Symbol) -> Decimal | None:
        """The funding rate settled last; None: not known."""
        return self._rates.get(symbol)

    def book(self, symbol: Symbol) -> OrderBook | None:
        """None: this market has no books. Raises NoEvidence as `quote` does."""
        return self._book(symbol, self.quote(symbol), from_ms(self._now)) if self._book else None

    def quote(self, symbol: Symbol) -> Quote:
        """The touch around the last close. Raises NoEvidence when a bar is overdue: no price is carried over a gap."""
        if symbol in self._quotes:
            return self._quotes[symbol]
        row = self._rows.get(symbol, -1)
        if self._chapter is None or row < 0:
            raise NoEvidence(f"{symbol}: no bar yet")
        series = self._chapter.paths[symbol]
        closed = int(series.opened[row]) + series.every // MS
        if self._now - closed >= series.every // MS:
            raise NoEvidence(f"{symbol}: the last bar closed {timedelta(milliseconds=self._now - closed)} ago")
        quote = self.touch(symbol, exact(series.close[row]), from_ms(closed))
        self._quotes[symbol] = quote
        return quote

    def mark(self, symbol: Symbol) -> Decimal:
        """The last price seen, however old: what a venue settles at. Raises NoEvidence before the first bar."""
        row = self._rows.get(symbol, -1)
        if self._chapter is None or row < 0:
            raise NoEvidence(f"{symbol}: no bar yet")
        return exact(self._chapter.paths[symbol].close[row])

    def touch(self, symbol: Symbol, price: Decimal, at: datetime) -> Quote:
        """Bid and ask half a spread around a price, rounded outwards to the tick."""
        instrument = self._instruments[symbol]
        bid = instrument.round_trigger(price * (1 - self._half), up=False)
        ask = instrument.round_trigger(price * (1 + self._half), up=True)
        return Quote(symbol=symbol, at=at, bid=bid, ask=ask, mark=price)


def _closings(chapter: Chapter) -> dict[Symbol, Ints]:
    return {symbol: series.closed for symbol, series in chapter.paths.items()}


def _gap(series: Series, row: int) -> tuple[datetime, datetime, int] | None:
    """The stretch that is missing right before a row."""
    if row == 0:
        return None
    step = series.every // MS
    missing = (int(series.opened[row]) - int(series.opened[row - 1])) // step - 1
    if missing <= 0:
        return None
    return from_ms(int(series.opened[row - 1]) + step), from_ms(int(series.opened[row])), missing
