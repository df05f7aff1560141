"""What a persona may look at: one instrument's market at one moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.market.features import Features
from trading.model import OrderBook, Quote, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`features` may reach further than `row`; a persona reads rows <= `row` only."""

    symbol: Symbol
    at: datetime
    features: Features
    row: int  # the last closed bar
    quote: Quote
    book: OrderBook | None  # None: this market has no book (a candle file)
    funding_rate: Decimal | None  # the last settled or forecast rate; None: not known
    source: str  # "simulated market"

    @property
    def every(self) -> timedelta:
        return self.features.series.every
