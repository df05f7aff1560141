"""What the desk knows of itself: its few own facts, all of which survive a restart."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trading.breaker import BreakerState
from trading.calibration import CalibrationRecord
from trading.calls import Attendance, Call
from trading.experts import Weighed
from trading.health import Health
from trading.model import ZERO, Direction, Position, Symbol, TradingState
from trading.risk.expectancy import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What the circuit breaker measures: the last few of each kind, oldest first."""

    latencies: tuple[Decimal, ...] = ()  # seconds of each call to the venue, failed ones too
    failures: tuple[datetime, ...] = ()  # when orders were rejected or lost
    slippages: tuple[Decimal, ...] = ()  # of each fill, fraction of the expected price, positive is worse
    slipped_at: tuple[datetime, ...] = ()  # when each of them was
    last_fill: str = ""  # id of the fill the newest slippage is of

    def slipped_since(self, since: datetime) -> tuple[Decimal, ...]:
        """The slippages of fills after that: what one cost long ago says nothing of the market now."""
        dated = zip(self.slippages, self.slipped_at, strict=False)  # a database of before knows no times
        return tuple(slippage for slippage, at in dated if at > since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One change of settings that a person has made, and how to take it back."""

    version: int
    at: datetime
    by: str
    what: str  # "phase final: max_hold 12h -> 6h"
    playbook: str  # ... and what held before it: the playbook,
    phase: str | None  # the phase set by hand,
    before: dict[str, str]  # and the overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLock:
    """No new entry on an instrument, or on one side of it."""

    symbol: Symbol
    direction: Direction | None  # None: both sides
    until: datetime | None  # None: until somebody unlocks it
    by: str
    at: datetime
    reason: str = ""

    def stands(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def keeps_out(self, direction: Direction) -> bool:
        return self.direction in (None, direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """Up to when the digests of days and of weeks have been told. None: nothing was lived through yet."""

    daily: datetime | None = None
    weekly: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """The desk's own few facts; all of it survives a restart."""

    desk: str  # the desk's name: part of every id
    playbook: str
    start_equity: Decimal
    realised: Decimal = ZERO  # sum of net P&L of all closed trades
    trading: TradingState = TradingState.ACTIVE
    halted_by: str = ""
    halt_reason: str = ""
    halted_at: datetime | None = None
    phase: str | None = None  # set by hand; None: by the playbook's dates
    market_at: datetime | None = None  # market time up to which everything is done
    last_fill: str = ""  # id of the last fill applied
    last_funding: str = ""
    day: datetime | None = None  # start of the current UTC day
    day_equity: Decimal = ZERO  # equity when it began
    waits_since: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)  # the market's own: kind, seed, ...
    breaker: BreakerState = field(default_factory=BreakerState)
    samples: Samples = field(default_factory=Samples)
    evidence: dict[str, Evidence] = field(default_factory=dict)  # by playbook: what its closed trades have shown
    rounds: int = 0  # of scheduled decisions since the desk began: the strategy monitor counts them
    rounds_at: datetime | None = (
        None  # when the last one was: a moment lived again after a restart is not counted again
    )
    health: Health | None = None  # what the monitor found last; None: it has not looked yet
    shadow: tuple[Position, ...] = ()  # open shadow positions: trades that a stopped playbook would have made
    overrides: dict[str, str] = field(default_factory=dict)  # set in the chat: "playbook/dotted.key" -> TOML value
    amendments: tuple[Amendment, ...] = ()  # those that can be undone, oldest first
    version: int = 0  # of the settings: rises with each change, undoing included
    beside: tuple[str, ...] = ()  # playbooks that run in shadow desks
    locks: tuple[PairLock, ...] = ()  # instruments that people keep the desk out of
    flattened_at: datetime | None = None  # since then what is open is closed, and what may still come; until resumed
    summed: Summed = field(default_factory=Summed)
    calls: tuple[Call, ...] = ()  # sides that were taken, whose horizon has not passed
    attendance: tuple[Attendance, ...] = ()  # by persona and model: how often each was asked, and what came of it
    judged: tuple[CalibrationRecord, ...] = ()  # what the judge's confidences have been worth
    weighed: Weighed | None = None  # whether other weights were proposed, when that was looked at last
    live_by: str = ""  # who has confirmed that real money is traded,
    live_at: datetime | None = None  # and when. None: nobody, so nothing is entered where orders go to an exchange
