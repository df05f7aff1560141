"""What the circuit breaker measures, and which level each number asks for. Pure.

- Unknown is not fine: a fact that is None asks for nothing, but while there is one the level does not go down. An empty
  window is known: nothing happened.
- Evidence that stands still cannot hold a HALT. Fills and closed trades are what a HALT prevents, so a mean over the
  last fills, or the strategy's health, would never change again. Such evidence asks for its level once, when it is new;
  after that it asks for THROTTLE at most, where a few small, confident entries bring the next evidence.
- A broken journal and broken books are counted by looks, not by steps: one look twice is one failure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import cache

from trading.health import Severity
from trading.model import ZERO
from trading.risk_policies import BreakerPolicy, Trigger


class Level(IntEnum):
    CLOSED = 0
    ALERT = 1
    THROTTLE = 2
    HALT = 3
    SHUTDOWN = 4


class Tripwire(StrEnum):
    LATENCY = "venue latency"  # seconds, mean of the last calls
    FAILURES = "order failures"  # within the window
    SLIPPAGE = "slippage"  # fraction, mean of the last fills
    DAY_LOSS = "day loss"  # fraction of the UTC day's opening equity
    HEALTH = "strategy health"  # rank of its severity
    JOURNAL = "journal"  # looks in a row at which it could not be written
    BOOKS = "books"  # looks in a row at which they did not reconcile


STAND_STILL = (Tripwire.SLIPPAGE, Tripwire.HEALTH)  # only trading renews their evidence
ACCOUNTS = (Tripwire.JOURNAL, Tripwire.BOOKS)  # no override hides these


# --- what was seen --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look at whether something is as it should be."""

    ok: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerFacts:
    """What was seen. None is unknown; an empty window is known, nothing happened. Longer windows are cut by `step`."""

    latencies: tuple[Decimal, ...] | None  # seconds of each venue call, failed ones too, oldest first
    failures: tuple[datetime, ...] | None  # when orders were rejected or lost
    slippages: tuple[Decimal, ...] | None  # fraction per fill, positive is worse than decided, oldest first
    last_fill: str  # id of the fill the newest slippage is of, "" without any
    day_loss: Decimal | None  # fraction of the UTC day's opening equity, positive is a loss
    health: Severity | None
    last_trade: str  # id of the newest trade that health has seen, "" without any
    journal_writable: Check | None
    books_agree: Check | None

    def __post_init__(self) -> None:
        if (self.slippages and not self.last_fill) or (self.health and not self.last_trade):
            raise ValueError("evidence needs the id of its newest item")

    @property
    def unknown(self) -> tuple[Tripwire, ...]:
        """In the order of `Tripwire`."""
        facts = (
            self.latencies, self.failures, self.slippages, self.day_loss,
            self.health, self.journal_writable, self.books_agree,
        )  # fmt: skip
        if None not in facts:
            return ()
        return tuple(wire for wire, fact in zip(Tripwire, facts, strict=True) if fact is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Failed looks in a row, each counted once."""

    count: int = 0
    looked_at: datetime | None = None

    def after(self, check: Check | None) -> "Streak":
        """Only a later look mends; any other look fails, and one at the same moment when it is the first to fail."""
        if check is None:
            return self
        if check.ok:
            later = self.looked_at is None or check.at > self.looked_at
            return Streak(looked_at=check.at) if later else self
        counted = check.at == self.looked_at and self.count > 0
        return self if counted else Streak(count=self.count + 1, looked_at=check.at)


NEVER_FAILED = Streak()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Evidence that has had its say: its newest item, and the level it asked for."""

    trigger: Tripwire
    evidence: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The worst that one tripwire has asked for since the breaker was last CLOSED."""

    trigger: Tripwire
    value: Decimal
    limit: Decimal  # where `level` begins
    level: Level
    at: datetime  # the last time it asked
    until: datetime | None  # when its own cool-down is over; None: a person

    def stands(self, now: datetime) -> bool:
        return self.until is None or now < self.until


# --- what it amounts to ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a reading may look at."""

    facts: BreakerFacts
    journal: int  # failed looks in a row, this one included
    books: int
    now: datetime


def _mean(values: tuple[Decimal, ...]) -> Decimal:
    return sum(values, ZERO) / len(values) if values else ZERO


def _failed(scene: Scene, policy: BreakerPolicy) -> Decimal:
    """A failure exactly `failures_within` old is over."""
    return Decimal(sum(at > scene.now - policy.failures_within for at in scene.facts.failures or ()))


Reading = Callable[[Scene, BreakerPolicy], Decimal]
# The number of each tripwire, unknown facts giving zero.
READINGS: dict[Tripwire, Reading] = {
    Tripwire.LATENCY: lambda s, p: _mean((s.facts.latencies or ())[-p.samples :]),
    Tripwire.FAILURES: _failed,
    Tripwire.SLIPPAGE: lambda s, p: _mean((s.facts.slippages or ())[-p.samples :]),
    Tripwire.DAY_LOSS: lambda s, _: s.facts.day_loss or ZERO,
    Tripwire.HEALTH: lambda s, _: Decimal(s.facts.health or Severity.NONE),
    Tripwire.JOURNAL: lambda s, _: Decimal(s.journal),
    Tripwire.BOOKS: lambda s, _: Decimal(s.books),
}

_HEALTH = Trigger(
    alert=Decimal(Severity.MINOR),
    throttle=Decimal(Severity.MODERATE),
    halt=Decimal(Severity.SEVERE),
    shutdown=Decimal(Severity.CRITICAL),
)


@cache
def _accounts(broken: int) -> Trigger:
    """HALT at once; SHUTDOWN after so many looks, which may be the first."""
    return Trigger(halt=Decimal(1) if broken > 1 else None, shutdown=Decimal(broken))


def limits(policy: BreakerPolicy) -> dict[Tripwire, Trigger]:
    """Where each level of each tripwire begins: at the value itself."""
    return {
        Tripwire.LATENCY: policy.latency,
        Tripwire.FAILURES: policy.failures,
        Tripwire.SLIPPAGE: policy.slippage,
        Tripwire.DAY_LOSS: policy.day_loss,
        Tripwire.HEALTH: _HEALTH,
        Tripwire.JOURNAL: _accounts(policy.broken_books),
        Tripwire.BOOKS: _accounts(policy.broken_books),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A number, the worst level that it has reached, and where that begins."""

    value: Decimal
    level: Level
    limit: Decimal


_TRIPPED = (Level.ALERT, Level.THROTTLE, Level.HALT, Level.SHUTDOWN)


def reached(trigger: Trigger, value: Decimal, most: Level = Level.SHUTDOWN) -> Reached | None:
    """The worst level up to `most` that begins at or below the value; None where not even the first does."""
    found = None
    steps = (trigger.alert, trigger.throttle, trigger.halt, trigger.shutdown)  # they rise
    for level, limit in zip(_TRIPPED, steps, strict=True):
        if limit is not None:
            if value < limit or level > most:
                break
            found = level, limit
    return Reached(value=value, level=found[0], limit=found[1]) if found else None


def measure(scene: Scene, policy: BreakerPolicy) -> dict[Tripwire, Reached]:
    """The tripwires that have reached a level, before it is asked how new their evidence is."""
    found = ((wire, reached(trigger, READINGS[wire](scene, policy))) for wire, trigger in limits(policy).items())
    return {wire: seen for wire, seen in found if seen is not None}


# --- what it asks for -----------------------------------------------------------------------------------------------


def hear(before: tuple[Heard, ...], facts: BreakerFacts, found: Mapping[Tripwire, Reached]) -> tuple[Heard, ...]:
    """The newest evidence of each tripwire that can stand still; unknown or none leaves what was heard before."""
    heard = {h.trigger: h for h in before}
    known = ((facts.slippages is not None, facts.last_fill), (facts.health is not None, facts.last_trade))
    for wire, (seen, evidence) in zip(STAND_STILL, known, strict=True):
        if not seen or not evidence:
            continue
        level, last = found[wire].level if wire in found else Level.CLOSED, heard.get(wire)
        if last is None or last.evidence != evidence or level > last.level:
            heard[wire] = Heard(trigger=wire, evidence=evidence, level=level)
    return tuple(heard[wire] for wire in STAND_STILL if wire in heard)


def asks(
    found: Mapping[Tripwire, Reached], stale: Sequence[Tripwire], now: datetime, policy: BreakerPolicy
) -> tuple[Cause, ...]:
    """What asks for a level now. `stale`: tripwires whose evidence has had its say before."""
    causes: list[Cause] = []
    for wire, worst in found.items():
        seen = reached(limits(policy)[wire], worst.value, Level.THROTTLE) if wire in stale else worst
        if seen is not None:
            until = cooled(seen.level, now, policy)
            causes.append(
                Cause(trigger=wire, value=seen.value, limit=seen.limit, level=seen.level, at=now, until=until)
            )
    return tuple(causes)


def cooled(level: Level, at: datetime, policy: BreakerPolicy) -> datetime | None:
    """When the cool-down of a level that was breached or began at `at` is over; None: never by itself."""
    match level:
        case Level.ALERT:
            return at + policy.cool_alert
        case Level.THROTTLE:
            return at + policy.cool_throttle
        case Level.HALT:
            return at + policy.cool_halt
        case _:
            return None
