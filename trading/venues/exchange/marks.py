"""What has happened to a mark between two steps, as a bar: a paper venue's stops and orders look at it."""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal

from trading.market.series import Series, exact
from trading.model import ZERO, Candle, Symbol
from trading.venues.exchange.wire import Traded

VOLUME_OF = timedelta(minutes=1)  # what a paper order may take a share of
BRIEF = timedelta(microseconds=1)


class Marks:
    """Of one instrument. Every mark counts, also one that was there only between two steps."""

    def __init__(self, symbol: Symbol) -> None:
        self._symbol = symbol
        self._span: tuple[Decimal, Decimal, Decimal, Decimal] | None = None  # first, highest, lowest, last
        self._stepped: datetime | None = None
        self._trades: deque[Traded] = deque()
        self._volume = ZERO

    def see(self, mark: Decimal) -> None:
        first, high, low, _ = self._span or (mark, mark, mark, mark)
        self._span = first, max(high, mark), min(low, mark), mark

    def trade(self, traded: Traded) -> None:
        self._trades.append(traded)
        self._volume += traded.quantity

    def bar(self, now: datetime, usual: Series | None) -> Candle:
        """Since the last one. `usual`: the bars from which its volume is taken where no trade was heard."""
        assert self._span is not None, "a mark was seen"
        first, high, low, last = self._span
        before = min(self._stepped or now, now - BRIEF)
        self._span, self._stepped = (last, last, last, last), now
        return Candle(
            symbol=self._symbol,
            opened_at=before,
            every=now - before,
            open=first,
            high=high,
            low=low,
            close=last,
            volume=self._lately(now, usual),
        )

    def _lately(self, now: datetime, usual: Series | None) -> Decimal:
        """Of the last minute; without a stream of trades, a minute's share of the last bar."""
        while self._trades and now - self._trades[0].at > VOLUME_OF:
            self._volume -= self._trades.popleft().quantity
        if self._trades:
            return self._volume
        return ZERO if usual is None else exact(round(float(usual.volume[-1]) * (VOLUME_OF / usual.every), 8))
