"""The circuit breaker: what goes wrong around the strategy decides how much the desk may still do. Pure.

    CLOSED -> ALERT -> THROTTLE -> HALT -> SHUTDOWN

Up at once, to the worst level that any tripwire asks for; down one level at a time. A level ends when its cool-down has
run since the last breach (a step at which a tripwire asked for this level or a worse one) and since the level itself
began, so that each level on the way down is lived through. SHUTDOWN ends by a person.

- Unknown is not fine: a step with any fact unknown (None) never lowers the level. An empty window is known: nothing
  happened.
- Evidence that stands still cannot hold a HALT. Fills and closed trades are what a HALT prevents, so a mean over the
  last fills, or the strategy's health, would never change again. Such evidence asks for its level once, when it is new;
  after that it asks for THROTTLE at most, where a few small, confident entries bring the next evidence.
- A broken journal and broken books are counted by looks, not by steps: one look twice is one failure.
- An override replaces the level until it expires, with two exceptions. It never hides a HALT or SHUTDOWN that the
  journal or the books have caused: it is refused, and one that is set already ends there and does not come back. And a
  new SHUTDOWN ends it, whatever the cause: a person has to look again. A stricter override always holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum

from trading.decision import MICRO, GateAnswer, shown
from trading.errors import IllegalTransition
from trading.health import Severity
from trading.model import ZERO, require_utc
from trading.policies import BreakerPolicy, Trigger


class Level(IntEnum):
    CLOSED = 0
    ALERT = 1
    THROTTLE = 2
    HALT = 3
    SHUTDOWN = 4


_L = Level
# What the breaker may do by itself. A step that is not here raises IllegalTransition.
TRANSITIONS: dict[Level, frozenset[Level]] = {
    _L.CLOSED: frozenset({_L.ALERT, _L.THROTTLE, _L.HALT, _L.SHUTDOWN}),
    _L.ALERT: frozenset({_L.CLOSED, _L.THROTTLE, _L.HALT, _L.SHUTDOWN}),
    _L.THROTTLE: frozenset({_L.ALERT, _L.HALT, _L.SHUTDOWN}),
    _L.HALT: frozenset({_L.THROTTLE, _L.SHUTDOWN}),
    _L.SHUTDOWN: frozenset(),
}
# What a person may do on top of that.
RESETS: dict[Level, frozenset[Level]] = {
    level: frozenset({_L.CLOSED} if level is not _L.CLOSED else ()) for level in Level
}


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
        return tuple(wire for wire, fact in zip(Tripwire, facts, strict=True) if fact is None)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    level: Level
    until: datetime
    by: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Evidence that has had its say: its newest item, and the level it asked for."""

    trigger: Tripwire
    evidence: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """Stored with the desk's own state; all of it survives a restart."""

    level: Level = Level.CLOSED  # what was measured; `in_force` is what applies
    since: datetime | None = None  # when this level began; None: it never was another
    until: datetime | None = None  # the earliest way down; None: nothing to leave (CLOSED), or a person (SHUTDOWN)
    causes: tuple[Cause, ...] = ()
    last_breach: datetime | None = None
    override: Override | None = None
    journal_failures: Streak = Streak()
    book_failures: Streak = Streak()
    heard: tuple[Heard, ...] = ()
    unknown: tuple[Tripwire, ...] = ()  # at the last step: what holds the level although `until` is over
    reset_by: str = ""
    reset_at: datetime | None = None

    def to(self, level: Level, *, at: datetime, until: datetime | None, breached: bool) -> "BreakerState":
        """One step of the breaker itself. Raises IllegalTransition where the table has no such step."""
        if level not in TRANSITIONS[self.level]:
            raise IllegalTransition(f"breaker: {self.level.name} -> {level.name}")
        return replace(
            self,
            level=level,
            since=at,
            until=until,
            causes=self.causes if level is not Level.CLOSED else (),
            last_breach=at if breached else self.last_breach,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    at: datetime
    before: Level
    after: Level
    causes: tuple[Cause, ...]  # those that ask for it now


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    at: datetime
    before: Level
    after: Level
    until: datetime | None  # when the next level down may come


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideEnded:
    at: datetime
    override: Override
    why: str  # "expired", or the tripwire that ended it


Change = Trip | Recovery | OverrideEnded


# --- what the facts ask for -----------------------------------------------------------------------------------------

_HEALTH = Trigger(
    alert=Decimal(Severity.MINOR),
    throttle=Decimal(Severity.MODERATE),
    halt=Decimal(Severity.SEVERE),
    shutdown=Decimal(Severity.CRITICAL),
)


def limits(policy: BreakerPolicy) -> dict[Tripwire, Trigger]:
    """Where each level of each tripwire begins: at the value itself."""
    accounts = Trigger(halt=Decimal(1), shutdown=Decimal(policy.broken_books))
    return {
        Tripwire.LATENCY: policy.latency,
        Tripwire.FAILURES: policy.failures,
        Tripwire.SLIPPAGE: policy.slippage,
        Tripwire.DAY_LOSS: policy.day_loss,
        Tripwire.HEALTH: _HEALTH,
        Tripwire.JOURNAL: accounts,
        Tripwire.BOOKS: accounts,
    }


def _mean(values: tuple[Decimal, ...]) -> Decimal:
    return sum(values, ZERO) / len(values) if values else ZERO


Reading = Callable[[BreakerState, BreakerFacts, datetime, BreakerPolicy], Decimal]
# The number of each tripwire, unknown facts giving zero. A failure exactly `failures_within` old is over.
READINGS: dict[Tripwire, Reading] = {
    Tripwire.LATENCY: lambda _s, f, _n, p: _mean((f.latencies or ())[-p.samples :]),
    Tripwire.FAILURES: lambda _s, f, n, p: Decimal(sum(at > n - p.failures_within for at in f.failures or ())),
    Tripwire.SLIPPAGE: lambda _s, f, _n, p: _mean((f.slippages or ())[-p.samples :]),
    Tripwire.DAY_LOSS: lambda _s, f, _n, _p: f.day_loss or ZERO,
    Tripwire.HEALTH: lambda _s, f, _n, _p: Decimal(f.health or Severity.NONE),
    Tripwire.JOURNAL: lambda s, _f, _n, _p: Decimal(s.journal_failures.count),
    Tripwire.BOOKS: lambda s, _f, _n, _p: Decimal(s.book_failures.count),
}


def _limit(trigger: Trigger, level: Level) -> Decimal | None:
    return {
        Level.CLOSED: None,
        Level.ALERT: trigger.alert,
        Level.THROTTLE: trigger.throttle,
        Level.HALT: trigger.halt,
        Level.SHUTDOWN: trigger.shutdown,
    }[level]


def _asked(trigger: Trigger, value: Decimal, most: Level) -> tuple[Level, Decimal] | None:
    """The worst level up to `most` that the value has reached, and where it begins."""
    for level in sorted(Level, reverse=True):
        limit = _limit(trigger, level)
        if level <= most and limit is not None and value >= limit:
            return level, limit
    return None


def _asks(
    state: BreakerState, facts: BreakerFacts, heard: Sequence[Heard], now: datetime, policy: BreakerPolicy
) -> tuple[Cause, ...]:
    """What asks for a level now. `heard`: all evidence as of now; what stands in the state as well is not new."""
    stale = {h.trigger for h in heard if h in state.heard}
    found: list[Cause] = []
    for wire, trigger in limits(policy).items():
        value = READINGS[wire](state, facts, now, policy)
        asked = _asked(trigger, value, most=Level.THROTTLE if wire in stale else Level.SHUTDOWN)
        if asked:
            level, limit = asked
            until = _cooled(level, now, policy)
            found.append(Cause(trigger=wire, value=value, limit=limit, level=level, at=now, until=until))
    return tuple(found)


def _hear(state: BreakerState, facts: BreakerFacts, now: datetime, policy: BreakerPolicy) -> tuple[Heard, ...]:
    """The newest evidence of each tripwire that can stand still; unknown or none leaves what was heard before."""
    heard = {h.trigger: h for h in state.heard}
    for wire, evidence in zip(STAND_STILL, (facts.last_fill, facts.last_trade), strict=True):
        if not evidence or wire in facts.unknown:
            continue
        value = READINGS[wire](state, facts, now, policy)
        asked = _asked(limits(policy)[wire], value, most=Level.SHUTDOWN)
        level, before = asked[0] if asked else Level.CLOSED, heard.get(wire)
        if before and before.evidence == evidence:
            level = max(level, before.level)
        heard[wire] = Heard(trigger=wire, evidence=evidence, level=level)
    return tuple(heard[wire] for wire in STAND_STILL if wire in heard)


def _cooled(level: Level, at: datetime, policy: BreakerPolicy) -> datetime | None:
    """When the cool-down of a level that was breached or began at `at` is over; None: never by itself."""
    spans = {Level.ALERT: policy.cool_alert, Level.THROTTLE: policy.cool_throttle, Level.HALT: policy.cool_halt}
    return at + spans[level] if level in spans else None


# --- the steps ------------------------------------------------------------------------------------------------------


def step(
    state: BreakerState, facts: BreakerFacts, now: datetime, policy: BreakerPolicy
) -> tuple[BreakerState, tuple[Change, ...]]:
    """Look once. The same facts at the same time change nothing a second time."""
    require_utc(now)
    looked = replace(
        state,
        journal_failures=state.journal_failures.after(facts.journal_writable),
        book_failures=state.book_failures.after(facts.books_agree),
        unknown=facts.unknown,
    )
    heard = _hear(looked, facts, now, policy)
    asks = _asks(looked, facts, heard, now, policy)
    worst = max((ask.level for ask in asks), default=Level.CLOSED)
    moved = _move(replace(looked, heard=heard, causes=_merged(state.causes, asks, now)), worst, now, policy)
    after, ended = _end_override(moved, moved.level > state.level, now)
    return after, (*_told(state, after, asks, now), *ended)


def _move(state: BreakerState, worst: Level, now: datetime, policy: BreakerPolicy) -> BreakerState:
    if worst > state.level:
        return state.to(worst, at=now, until=_cooled(worst, now, policy), breached=True)
    if worst == state.level:
        again = worst is not Level.CLOSED
        return replace(state, last_breach=now, until=_cooled(worst, now, policy)) if again else state
    if state.until is None or now < state.until or state.unknown:
        return state
    lower = Level(state.level - 1)
    return state.to(lower, at=now, until=_cooled(lower, now, policy), breached=worst is lower)


def _merged(causes: Sequence[Cause], asks: Sequence[Cause], now: datetime) -> tuple[Cause, ...]:
    """A milder ask replaces a worse one of the same tripwire only when that one has cooled down."""
    kept = {cause.trigger: cause for cause in causes}
    for ask in asks:
        before = kept.get(ask.trigger)
        if before is None or ask.level >= before.level or not before.stands(now):
            kept[ask.trigger] = ask
    return tuple(kept[wire] for wire in Tripwire if wire in kept)


def _held_by_accounts(state: BreakerState, now: datetime) -> Cause | None:
    """The worst cause from journal or books that is not over."""
    standing = [cause for cause in state.causes if cause.trigger in ACCOUNTS and cause.stands(now)]
    return max(standing, key=lambda cause: cause.level, default=None)


def _end_override(state: BreakerState, tripped: bool, now: datetime) -> tuple[BreakerState, tuple[OverrideEnded, ...]]:
    override, held = state.override, _held_by_accounts(state, now)
    if override is None:
        return state, ()
    if now >= override.until:
        why = "expired"
    elif held and held.level > override.level:
        why = held.trigger.value
    elif tripped and state.level is Level.SHUTDOWN and override.level < state.level:
        why = "shutdown"
    else:
        return state, ()
    return replace(state, override=None), (OverrideEnded(at=now, override=override, why=why),)


def _told(before: BreakerState, after: BreakerState, asks: tuple[Cause, ...], now: datetime) -> tuple[Change, ...]:
    if after.level > before.level:
        return (Trip(at=now, before=before.level, after=after.level, causes=asks),)
    if after.level < before.level:
        return (Recovery(at=now, before=before.level, after=after.level, until=after.until),)
    return ()


# --- what people do -------------------------------------------------------------------------------------------------


def reset(state: BreakerState, now: datetime, by: str) -> BreakerState:
    """Back to CLOSED from any level. The next step trips again where the reason still stands.

    It leaves an override as it is. Raises IllegalTransition when there is nothing to reset, and while the journal or
    the books are known to be broken: these have to be mended first.
    """
    require_utc(now)
    broken = [
        wire.value for wire, streak in zip(ACCOUNTS, (state.journal_failures, state.book_failures), strict=True)
        if streak.count
    ]  # fmt: skip
    if broken:
        raise IllegalTransition(f"the breaker cannot be reset: {' and '.join(broken)} not in order yet")
    if Level.CLOSED not in RESETS[state.level]:
        raise IllegalTransition(f"the breaker is {state.level.name} already: there is nothing to reset")
    return replace(
        state, level=Level.CLOSED, since=now, until=None, causes=(), last_breach=None, reset_by=by, reset_at=now
    )


def override(state: BreakerState, level: Level, *, now: datetime, until: datetime, by: str) -> BreakerState:
    """Put `level` in force until `until`; it replaces an override that is set. What is measured goes on beside it.

    Raises IllegalTransition when it would hide what the journal or the books have caused, or ends before it begins.
    """
    require_utc(until)
    held = _held_by_accounts(state, now)
    if held and held.level > level:
        raise IllegalTransition(f"{level.name} would hide {held.level.name}, caused by the {held.trigger.value}")
    if until <= now:
        raise IllegalTransition(f"an override until {until.isoformat()} is over already")
    return replace(state, override=Override(level=level, until=until, by=by))


# --- what it means --------------------------------------------------------------------------------------------------


def in_force(state: BreakerState, now: datetime) -> Level:
    """The level that applies: the override's while it runs, otherwise what was measured."""
    return state.override.level if state.override and now < state.override.until else state.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    level: Level
    entries: bool
    min_confidence: int  # millionths
    size_factor: Decimal  # of the size that would be taken otherwise; zero where there are no entries
    close_positions: bool


def effects(level: Level, policy: BreakerPolicy) -> Effects:
    """Exits and protection go on at every level."""
    throttled = level is Level.THROTTLE
    entries = level < Level.HALT
    full = Decimal(1) if entries else ZERO
    return Effects(
        level=level,
        entries=entries,
        min_confidence=int(policy.throttle_confidence * MICRO) if throttled else 0 if entries else MICRO,
        size_factor=policy.throttle_size if throttled else full,
        close_positions=level is Level.SHUTDOWN and policy.close_on_shutdown,
    )


def allows(effect: Effects, confidence: int) -> GateAnswer:
    """The gate's rule. `confidence` in millionths; at THROTTLE its border is allowed."""
    name = effect.level.name
    passed = effect.entries and confidence >= effect.min_confidence
    least = f"confidence from {shown(effect.min_confidence)}"
    return GateAnswer(
        rule="circuit breaker",
        passed=passed,
        value=f"{name}, confidence {shown(confidence)}",
        limit=f"below {Level.HALT.name}" if not effect.entries else least if effect.min_confidence else "any",
        reason="" if passed else f"the breaker is at {name}: {least if effect.entries else 'no entries'}",
    )


class Activity(StrEnum):
    ENTRIES = "entries"
    CAREFUL_ENTRIES = "entries at high confidence and reduced size"
    EXITS = "exits"
    PROTECTION = "protection"
    RECONCILIATION = "reconciliation"
    COMMANDS = "commands"


_ALWAYS = (Activity.EXITS, Activity.PROTECTION, Activity.RECONCILIATION, Activity.COMMANDS)
WORKS: dict[Level, tuple[Activity, ...]] = {
    Level.CLOSED: (Activity.ENTRIES, *_ALWAYS),
    Level.ALERT: (Activity.ENTRIES, *_ALWAYS),
    Level.THROTTLE: (Activity.CAREFUL_ENTRIES, *_ALWAYS),
    Level.HALT: _ALWAYS,
    Level.SHUTDOWN: _ALWAYS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerView:
    """What /breaker shows."""

    level: Level  # in force
    measured: Level
    since: datetime | None  # of `measured`
    until: datetime | None  # the earliest way down of `measured`
    next: Level | None  # where that leads; None: nowhere by itself
    held_by: tuple[Tripwire, ...]  # unknown facts: while there are any, there is no way down
    causes: tuple[Cause, ...]
    override: Override | None  # the one that runs
    works: tuple[Activity, ...]


def describe(state: BreakerState, now: datetime) -> BreakerView:
    level = in_force(state, now)
    return BreakerView(
        level=level,
        measured=state.level,
        since=state.since,
        until=state.until,
        next=None if state.until is None else Level(state.level - 1),
        held_by=state.unknown if state.level is not Level.CLOSED else (),
        causes=state.causes,
        override=state.override if state.override and now < state.override.until else None,
        works=WORKS[level],
    )
