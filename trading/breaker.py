"""The circuit breaker: what goes wrong around the strategy decides how much the desk may still do. Pure.

    CLOSED -> ALERT -> THROTTLE -> HALT -> SHUTDOWN

Up at once, to the worst level that any tripwire asks for (tripwires.py says what these see); down one level at a time.
A level ends when its cool-down has run since the last breach (a step at which a tripwire asked for this level or a
worse one) and since the level itself began, so that each level on the way down is lived through. A step with any fact
unknown never lowers the level. SHUTDOWN ends by a person.

An override replaces the level until it expires, with two exceptions. It never hides a HALT or SHUTDOWN that the
journal or the books have caused: it is refused, and one that is set already ends there and does not come back. And a
new SHUTDOWN ends it, whatever the cause: a person has to look again. A stricter override always holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.decision import MICRO, GateAnswer, shown
from trading.errors import IllegalTransition
from trading.model import ZERO, require_utc
from trading.risk_policies import BreakerPolicy
from trading.tripwires import (
    ACCOUNTS,
    NEVER_FAILED,
    BreakerFacts,
    Cause,
    Check,
    Heard,
    Level,
    Scene,
    Streak,
    Tripwire,
    asks,
    cooled,
    hear,
    limits,
    measure,
)

__all__ = [
    "ACCOUNTS",
    "BreakerFacts",
    "BreakerState",
    "Cause",
    "Check",
    "Level",
    "Override",
    "Tripwire",
    "describe",
    "effects",
    "end_override",
    "in_force",
    "limits",
    "override",
    "reset",
    "step",
]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    level: Level
    until: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """Stored with the desk's own state; all of it survives a restart."""

    level: Level = Level.CLOSED  # what was measured; `in_force` is what applies
    since: datetime | None = None  # when this level began; None: it never was another
    until: datetime | None = None  # the earliest way down; None: nothing to leave (CLOSED), or a person (SHUTDOWN)
    causes: tuple[Cause, ...] = ()
    last_breach: datetime | None = None
    override: Override | None = None
    journal_failures: Streak = NEVER_FAILED
    book_failures: Streak = NEVER_FAILED
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


# --- the steps ------------------------------------------------------------------------------------------------------


def step(
    state: BreakerState, facts: BreakerFacts, now: datetime, policy: BreakerPolicy
) -> tuple[BreakerState, tuple[Change, ...]]:
    """Look once. The same facts at the same time change nothing a second time."""
    require_utc(now)
    journal = state.journal_failures.after(facts.journal_writable)
    books = state.book_failures.after(facts.books_agree)
    found = measure(Scene(facts=facts, journal=journal.count, books=books.count, now=now), policy)
    heard = hear(state.heard, facts, found)
    asked = asks(found, [h.trigger for h in heard if h in state.heard], now, policy)
    looked = replace(
        state,
        journal_failures=journal,
        book_failures=books,
        unknown=facts.unknown,
        heard=heard,
        causes=_merged(state.causes, asked, now),
    )
    moved = _move(looked, max((ask.level for ask in asked), default=Level.CLOSED), now, policy)
    after, ended = _end_override(moved, moved.level > state.level, now)
    return after, (*_told(state, after, asked, now), *ended)


def _move(state: BreakerState, worst: Level, now: datetime, policy: BreakerPolicy) -> BreakerState:
    if worst > state.level:
        return state.to(worst, at=now, until=cooled(worst, now, policy), breached=True)
    if worst == state.level:
        again = worst is not Level.CLOSED
        return replace(state, last_breach=now, until=cooled(worst, now, policy)) if again else state
    if state.until is None or now < state.until or state.unknown:
        return state
    lower = Level(state.level - 1)
    return state.to(lower, at=now, until=cooled(lower, now, policy), breached=worst is lower)


def _merged(causes: tuple[Cause, ...], asked: Sequence[Cause], now: datetime) -> tuple[Cause, ...]:
    """A milder ask replaces a worse one of the same tripwire only when that one has cooled down."""
    if not asked:
        return causes
    kept = {cause.trigger: cause for cause in causes}
    for ask in asked:
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


def _told(before: BreakerState, after: BreakerState, asked: tuple[Cause, ...], now: datetime) -> tuple[Change, ...]:
    if after.level > before.level:
        return (Trip(at=now, before=before.level, after=after.level, causes=asked),)
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


def end_override(state: BreakerState, now: datetime, by: str) -> tuple[BreakerState, OverrideEnded]:
    """Back to what is measured. Raises IllegalTransition when no override runs."""
    require_utc(now)
    override = state.override
    if override is None or now >= override.until:
        raise IllegalTransition("no override of the breaker is in force")
    return replace(state, override=None), OverrideEnded(at=now, override=override, why=f"ended by {by}")


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
