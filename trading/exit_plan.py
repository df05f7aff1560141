"""How a position is to be left: the settings it was opened with, and what its exits remember while it runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar


class Regime(StrEnum):
    """Which market it is; the rules are in market/regime.py."""

    TREND_UP = "trend up"
    TREND_DOWN = "trend down"
    VOLATILE = "volatile"
    RANGE = "range"
    CHOP = "chop"

    @property
    def trending(self) -> bool:
        return self in (Regime.TREND_UP, Regime.TREND_DOWN)


T = TypeVar("T")


def _of(regime: Regime, *, trend: T, range: T, chop: T, volatile: T) -> T:
    """The setting of a regime; both trends share one."""
    if regime.trending:
        return trend
    return {Regime.VOLATILE: volatile, Regime.RANGE: range, Regime.CHOP: chop}[regime]


class StopKind(StrEnum):
    """What the stop at the venue stands for now: it begins as a stop loss and is only ever moved in favour."""

    LOSS = "stop loss"
    BREAK_EVEN = "break-even stop"
    TRAILING = "trailing stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailing:
    """Armed at a move of `arm`, then this far behind the best mark: by regime, fractions of the best mark."""

    arm: Decimal
    step: Decimal  # the best mark is noted, and the stop moved, in steps of at least this fraction of price
    trend: Decimal
    range: Decimal
    chop: Decimal
    volatile: Decimal

    def distance(self, regime: Regime | None) -> Decimal:
        """Where the regime is not known, the narrowest: what is won is not given back to ignorance."""
        if regime is None:
            return min(self.trend, self.range, self.chop, self.volatile)
        return _of(regime, trend=self.trend, range=self.range, chop=self.chop, volatile=self.volatile)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """How long a position may run, by the regime of the moment."""

    trend: timedelta
    range: timedelta
    chop: timedelta
    volatile: timedelta

    def limit(self, regime: Regime | None) -> timedelta:
        """Where the regime is not known, the longest: `max_hold` is the rule for that."""
        if regime is None:
            return max(self.trend, self.range, self.chop, self.volatile)
        return _of(regime, trend=self.trend, range=self.range, chop=self.chop, volatile=self.volatile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """At a move of `at`, close `share` of the quantity that was entered."""

    at: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebalance:
    """With `positions` or more open, and net exposure above `net` of the gross budget, the weakest goes."""

    net: Decimal
    positions: int
    budget: Decimal  # quote units of notional per unit of equity: the portfolio's budget x the leverage cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The evidence a position was opened on; None is what was not known."""

    regime: Regime | None = None
    rsi: float | None = None  # 0..100
    macd: float | None = None  # histogram, ATRs


NO_EVIDENCE = Entered()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """The exit settings a position was opened with; a later change of playbook or phase does not touch them.

    A rule whose setting is None, False or empty does not exist for the position. Moves are unlevered, fractions.
    """

    phase: str
    take_profit: Decimal
    stop_loss: Decimal
    early_after: timedelta | None = None
    early_loss: Decimal | None = None
    force_loss: Decimal | None = None
    max_hold: timedelta | None = None
    trailing: Trailing | None = None
    time_limits: TimeLimits | None = None
    regime_change: bool = False
    rebalance: Rebalance | None = None
    invalidation: bool = False
    break_even: Decimal | None = None  # at this move the stop goes to where the trade costs nothing
    partials: tuple[Partial, ...] = ()
    entered: Entered = NO_EVIDENCE
    playbook: str = ""  # that decided on it; "": of a version that did not note it


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the exits of an open position remember from quote to quote. Saved with it: a restart changes nothing."""

    armed: bool = False  # the trailing stop
    best: Decimal | None = None  # the best mark since it was armed, in steps
    partials: int = 0  # how many of the plan's steps were taken
    partials_before: int = 0  # how many of them before the last order for one
    tries: int = 0  # such orders that certainly never reached the venue: their steps are due again
    stop: StopKind = StopKind.LOSS
    first_stop: Decimal | None = None  # where the stop stood before it was moved: what an R is measured by
    refused: Decimal | None = None  # the level that the venue would not move the stop to: not asked for again
    looked: datetime | None = None  # the last look, where the exits do not look at every quote


NOTHING_YET = Memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMove:
    """A stop on its way to another level. Until the venue has it, the old one stands: there is no naked moment."""

    level: Decimal
    kind: StopKind
    note: str  # why, with its numbers
