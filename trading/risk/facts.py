"""All that the gate may know of one entry, taken at one moment; and what of it is needed but not known. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.breaker import Effects
from trading.market.outlook import Outlook
from trading.messages import EnterPair
from trading.model import Direction, Instrument, Quote, Symbol, TradingState
from trading.playbook import Exits, Playbook
from trading.risk.expectancy import Sized
from trading.risk.portfolio import Portfolio
from trading.state import PairLock


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """None is what could not be read or valued; it is never a zero."""

    now: datetime
    trading: TradingState
    halt_reason: str
    frozen: str  # why entries are frozen (books, venue, journal); "" when they are not
    breaker: Effects
    confidence: int  # millionths, of the verdict
    calibrated: int | None = None  # what that has been worth so far; None: not enough is known
    instrument: Instrument
    playbook: Playbook
    exits: Exits  # as the phase has them
    quote: Quote  # the last one there was
    fresh: bool  # whether that is a price of now
    outlook: Outlook
    invalidation: Decimal | None  # the nearest price at which a voice on the winning side gives up
    equity: Decimal | None  # quote units, with unrealised P&L
    booked: Decimal  # quote units, without unrealised P&L
    margin_used: Decimal | None  # by what is open, and by what is in flight
    day_equity: Decimal | None  # when the UTC day began
    positions: int  # open, and entries on their way
    max_positions: int
    taken: frozenset[Symbol]  # instruments with a position or any unfinished order
    last_exit: tuple[Direction, datetime] | None  # on this instrument
    sized: Sized | None = None  # None: the playbook does not size by expectancy
    portfolio: Portfolio | None = None  # None: the playbook has no portfolio limits
    locks: tuple[PairLock, ...] = ()  # in force on this instrument
    asked: EnterPair | None = None  # by a person, who has chosen the side; None: the panel has
    decided_on: Quote | None = None  # what a panel that took its time had seen; None: it answered at once

    @property
    def available(self) -> Decimal | None:
        """Free for new margin: what is won and not realised yet is not free, what is lost is gone."""
        if self.equity is None or self.margin_used is None:
            return None
        return min(self.booked, self.equity) - self.margin_used

    @property
    def unknown(self) -> tuple[str, ...]:
        """What this entry needs and nobody knows. A part that the playbook does not have is not needed."""
        return tuple(what for what, missing in self._needed() if missing)

    def _needed(self) -> tuple[tuple[str, bool], ...]:
        e, outlook = self.exits, self.outlook
        by_atr = e.stop_atr is not None or e.target_atr is not None
        by_evidence = self.playbook.expectancy is not None
        limited = self.playbook.portfolio is not None
        held = self.portfolio.exposures if self.portfolio else None
        return (
            ("a fresh price", not self.fresh),
            ("equity", self.equity is None),
            ("the day's opening equity", self.day_equity is None),
            ("the margin in use", self.margin_used is None),
            ("the ATR", by_atr and not outlook.atr),  # nothing moved: that is no measure of anything
            ("an invalidation price", e.stop_at_invalidation and self.invalidation is None),
            ("the regime", by_evidence and outlook.regime is None),
            ("the volatility", by_evidence and outlook.volatility is None),
            ("what closed trades have shown", by_evidence and self.sized is None),
            ("the open exposure", limited and held is None),
        )
