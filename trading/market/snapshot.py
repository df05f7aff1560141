"""What a decision may look at: one instrument's market at one moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from trading.decision import Evidence
from trading.exit_plan import Regime
from trading.market.features import Features
from trading.market.series import Series
from trading.model import OrderBook, Quote, Symbol
from trading.ports import MarketData


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """How the desk stands, for a model that is asked about an entry. None: not known at this moment."""

    equity: Decimal | None  # quote units, with unrealised P&L
    start_equity: Decimal
    day_pnl: Decimal | None
    positions: int  # open, and entries on their way
    max_positions: int
    phase: str
    phase_note: str
    phase_ends: datetime | None
    stop_loss: Decimal  # fractions of price: the outer bounds of the phase
    take_profit: Decimal
    leverage: int  # the most
    max_risk: Decimal  # of equity
    max_daily_loss: Decimal
    taker_fee: Decimal
    regime: Regime | None
    facts: tuple[Evidence, ...]  # what stands in the prompt as [E1], [E2], ...


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
    briefing: Briefing | None = None  # there where somebody on the panel is a model
    about: str = ""  # the decision that is being made

    @property
    def every(self) -> timedelta:
        return self.features.series.every


class Snapshots(MarketData, Protocol):
    """The market as a decision sees it."""

    def snapshot(self, symbol: Symbol) -> Snapshot:
        """Raises NoEvidence when there is no fresh bar."""
        ...

    def series(self) -> Mapping[Symbol, Series]:
        """The bars that decisions are made on, of every instrument there is. They may reach into the future: whoever
        reads them says until when."""
        ...


T = TypeVar("T")


class Latest(Generic[T]):
    """What was computed from the last Features of each instrument, so that a history is worked through once."""

    def __init__(self, compute: Callable[[Features], T]) -> None:
        self._compute = compute
        self._last: dict[Symbol, tuple[Features, T]] = {}

    def __call__(self, features: Features) -> T:
        symbol = features.series.symbol
        last = self._last.get(symbol)
        if last is None or last[0] is not features:
            last = self._last[symbol] = (features, self._compute(features))
        return last[1]
