"""A market as a desk meets it: what it is asked for at each moment, and what happens from one moment to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trading.market.series import FundingSeries, Series
from trading.model import Candle, Instrument, OrderBook, Quote, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A stretch of market: the bars that are played, and those that decisions are made from.

    `history` may begin earlier than `paths` (warm-up); both are of the market's own interval. `last`: nothing comes
    after it.
    """

    paths: Mapping[Symbol, Series]
    history: Mapping[Symbol, Series]
    funding: Mapping[Symbol, FundingSeries]
    last: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Everything that happens at one moment, in this order: funding, bars, gaps, ends."""

    at: datetime
    candles: tuple[Candle, ...]
    funding: tuple[tuple[Symbol, datetime, Decimal], ...]  # settled in (previous step, this step]
    gaps: tuple[tuple[Symbol, datetime, datetime, int], ...]  # (symbol, after, until, bars missing)
    ended: tuple[Symbol, ...]
    due: datetime | None = None  # up to when the bars to decide on are there; None: up to `at`


class MarketFeed(Protocol):
    """A market at the moment it stands at: replayed (Feed), or a real one (venues/exchange/live_feed.py)."""

    source: str

    @property
    def chapter(self) -> Chapter | None:
        """What decisions are made from; another object when there is more of it."""
        ...

    @property
    def at_ms(self) -> int: ...

    def instruments(self) -> dict[Symbol, Instrument]: ...

    def quote(self, symbol: Symbol) -> Quote:
        """Raises NoEvidence where there is no fresh one."""
        ...

    def mark(self, symbol: Symbol) -> Decimal:
        """The last one seen, however old. Raises NoEvidence before the first."""
        ...

    def touch(self, symbol: Symbol, price: Decimal, at: datetime) -> Quote:
        """What a venue of paper fills at when `price` was the last one."""
        ...

    def book(self, symbol: Symbol) -> OrderBook | None: ...

    def rate(self, symbol: Symbol) -> Decimal | None: ...

    def stand(self, at: datetime) -> None: ...
