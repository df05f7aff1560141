"""The market as one playbook decides on it: its bars and its features over what a feed plays."""

from collections.abc import Mapping
from datetime import timedelta

from trading.errors import NoEvidence
from trading.market.features import Features, build
from trading.market.moments import Chapter, MarketFeed
from trading.market.series import MS, Ints, Series, aggregate, from_ms
from trading.market.snapshot import Snapshot
from trading.model import Instrument, Quote, Symbol
from trading.playbook import Playbook, Seat

WINDOW: timedelta = Seat.model_fields["window"].default  # of taker volume, where no FLOW sits on the panel


class View:
    """Serves one playbook at a time. Several views may look at one feed; each has features of its own bars.

    Features are made when the first snapshot of a chapter is asked for, once for all instruments.
    """

    def __init__(self, feed: MarketFeed, playbook: Playbook) -> None:
        self.source = feed.source
        self._feed = feed
        self._chapter: Chapter | None = None
        self._series: dict[Symbol, Series] = {}
        self._features: dict[Symbol, Features] = {}
        self._closed: dict[Symbol, Ints] = {}
        self._bars: tuple[timedelta, timedelta] | None = None  # their length, and the taker window
        self.use(playbook)

    def use(self, playbook: Playbook) -> None:
        """Decide on this playbook's bars from now on. What the old and the new one share is kept."""
        flow = playbook.panel.get("flow")
        wanted = playbook.schedule.bar, flow.window if flow else WINDOW
        if wanted != self._bars:
            self._bars, self._chapter = wanted, None

    def instruments(self) -> dict[Symbol, Instrument]:
        return self._feed.instruments()

    def quote(self, symbol: Symbol) -> Quote:
        """Raises NoEvidence when a bar is overdue."""
        return self._feed.quote(symbol)

    def series(self) -> Mapping[Symbol, Series]:
        self._follow()
        return self._series

    def snapshot(self, symbol: Symbol) -> Snapshot:
        """Raises NoEvidence when no bar to decide on has closed lately."""
        quote, now = self._feed.quote(symbol), self._feed.at_ms
        self._follow()
        features = self._features.get(symbol)
        if features is None:
            raise NoEvidence(f"{symbol}: no bars to decide on")
        closed = self._closed[symbol]
        row = int(closed.searchsorted(now, side="right")) - 1
        if row < 0 or now - int(closed[row]) >= features.series.every // MS:
            raise NoEvidence(f"{symbol}: no fresh bar to decide on")
        return Snapshot(
            symbol=symbol,
            at=from_ms(now),
            features=features,
            row=row,
            quote=quote,
            book=self._feed.book(symbol),
            funding_rate=self._feed.rate(symbol),
            source=self.source,
        )

    def _follow(self) -> None:
        """Make the features of the chapter that the feed has come to."""
        chapter = self._feed.chapter
        if chapter is None or self._bars is None or chapter is self._chapter:
            return
        bar, window = self._bars
        self._series = {symbol: _coarse(path, bar) for symbol, path in chapter.history.items()}
        self._features = {
            symbol: build(series, funding=chapter.funding.get(symbol), taker_window=window)
            for symbol, series in self._series.items()
        }
        self._closed = {symbol: series.closed for symbol, series in self._series.items()}
        self._chapter = chapter


def _coarse(path: Series, bar: timedelta) -> Series:
    """Bars of the wished length, or the data's own where those are longer or do not divide it."""
    return aggregate(path, bar) if bar > path.every and bar % path.every == timedelta(0) else path
